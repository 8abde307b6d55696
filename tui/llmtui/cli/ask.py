"""`llmtui ask`: one question, one answer, for pipes and scripts."""

from typing import Any, get_args

import click

from llmtui.cli.open import runtime_options
from llmtui.cli.prompt import check_text, read_prompt
from llmtui.cli.structure import read_grammar, read_schema
from llmtui.domain.limits import MAX_FACTOR, MAX_INT, MAX_SEED
from llmtui.domain.reasoning import Effort, Switch

EXAMPLES = """\
\b
Examples:
  llmtui ask "用一句话说明什么是量化"
  llmtui ask -m demo --temperature 0 "背诵李白的《静夜思》，只写正文。"
  llmtui ask -m models/qwen2.gguf --max-tokens 64 --stats "Name three rivers."
  llmtui ask -m http://127.0.0.1:8080/v1#qwen2-7b "你是谁?"
  llmtui ask -m base.gguf --lora poet.gguf:0.8 "写一首诗"
  llmtui ask -p precise "How many legs has a spider?"
  git diff | llmtui ask "Write a commit message for this change"
  llmtui ask -m base.gguf --template vicuna "Name three rivers."
  llmtui ask --raw --max-tokens 40 "def fibonacci(n):"
  llmtui ask --dry-run -m models/qwen2.gguf -s "Be short." "你好"
  llmtui ask --json - < question.txt | jq .metrics.decode_tps

The prompt is PROMPT; with `-`, or without PROMPT, standard input; with PROMPT and a pipe or file on standard input,
both, a blank line between. --raw takes the prompt to the letter: nothing goes between the two, and the line ends of
standard input stay. The answer is streamed to standard output, everything else goes to standard error. Control
characters in the answer are made visible (␛), also in a pipe; --json carries them unchanged, escaped. Ctrl-C stops the
answer and keeps what has come (exit code 130)."""


class _Number(click.FloatRange):
    """A float range that refuses `nan` and `inf`, which compare as they like."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number - number != 0:
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


@click.command(name="ask", epilog=EXAMPLES)
@click.argument("prompt", required=False)
@click.option(
    "-m", "--model", metavar="MODEL", help="demo, a .gguf file, a name from `llmtui models`, SERVER/ID, or URL#ID."
)
@click.option("-p", "--profile", metavar="PROFILE", help="A name from `llmtui profiles`, or a .yaml file.")
@click.option("-s", "--system", metavar="TEXT", help="System message.")
@click.option("--raw", is_flag=True, help="Send the prompt as it is, without a chat template.")
@click.option(
    "--template", metavar="NAME|FILE", help="Chat template instead of the model's own: see `llmtui templates list`."
)
@click.option("--max-tokens", type=click.IntRange(1, MAX_INT), metavar="N", help="Generate at most N tokens.")
@click.option("--temperature", type=_Number(0, MAX_FACTOR), metavar="T", help="0 takes the likeliest token each time.")
@click.option("--top-k", type=click.IntRange(0, MAX_INT), metavar="N", help="Keep the N likeliest tokens; 0 keeps all.")
@click.option("--top-p", type=_Number(0, 1), metavar="P", help="Keep the likeliest up to this probability.")
@click.option("--min-p", type=_Number(0, 1), metavar="P", help="Drop tokens below this share of the likeliest.")
@click.option("--repeat-penalty", type=_Number(0, MAX_FACTOR, min_open=True), metavar="X", help="1 changes nothing.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), metavar="N", help="Draw the same answer again.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End the answer before this text; may be repeated.")
@click.option("--reasoning", type=click.Choice(get_args(Switch)), help="Whether the model thinks before it answers.")
@click.option("--reasoning-effort", type=click.Choice(get_args(Effort)), help="How hard, where the model can be told.")
@click.option("--json-schema", metavar="FILE", help="Answer in JSON that fits this schema.")
@click.option("--grammar", metavar="FILE", help="Answer as this GBNF grammar says.")
@runtime_options
@click.option(
    "--lora", "adapters", multiple=True, metavar="FILE[:SCALE]", help="Attach a LoRA adapter; may be repeated."
)
@click.option("--dry-run", is_flag=True, help="Print the prompt as the model would get it; --json adds every token.")
@click.option("--stats", is_flag=True, help="Print the turn's metrics to standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with answer, metrics and manifest.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    prompt: str | None,
    model: str | None,
    profile: str | None,
    *,
    system: str | None,
    raw: bool,
    template: str | None,
    json_schema: str | None,
    grammar: str | None,
    runtime: dict[str, Any],
    adapters: tuple[str, ...],
    stats: bool,
    dry_run: bool,
    as_json: bool,
    **sampling: Any,
) -> int:
    """Ask one question; the answer goes to standard output."""
    if raw and system is not None:
        raise click.UsageError("--raw sends no system message; leave out -s, or write it into the prompt", ctx)
    if raw and template is not None:
        raise click.UsageError("--raw puts the prompt into no template; leave out one of --raw and --template", ctx)
    text = read_prompt(prompt, raw=raw)
    if system is not None:
        check_text(system, "The system message")
    given = _sampling(ctx, sampling, json_schema, grammar)
    from llmtui.cli.answer import answer  # noqa: PLC0415 - loaded once the words of the command are right

    return answer(
        text,
        raw=raw,
        template=template,
        system=system,
        model=model,
        profile=profile,
        runtime=runtime,
        adapters=adapters,
        sampling=given,
        stats=stats,
        as_json=as_json,
        dry_run=dry_run,
    )


def _sampling(
    ctx: click.Context, sampling: dict[str, Any], json_schema: str | None, grammar: str | None
) -> dict[str, Any]:
    """The sampling settings that were given; files of a schema and a grammar are read."""
    for stop in sampling["stop"]:
        check_text(stop, "--stop")
        if not stop:
            raise click.BadParameter("an empty text would end every answer at once", ctx, param_hint="--stop")
    if json_schema is not None and grammar is not None:
        raise click.UsageError("--json-schema and --grammar exclude each other", ctx)
    forms = {
        "json_schema": None if json_schema is None else read_schema(json_schema),
        "grammar": None if grammar is None else read_grammar(grammar),
    }
    return {name: value for name, value in (sampling | forms).items() if value is not None and value != ()}
