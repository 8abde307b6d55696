"""`llmtui prompts import`: the field's files become prompt sets."""

from typing import TYPE_CHECKING

import click

from llmtui.cli import output

if TYPE_CHECKING:
    from llmtui.services.prompt_import import ImportReport

FORMAT_NAMES = ("humaneval", "mbpp", "gsm8k", "choice", "promptfoo", "jsonl", "csv", "text")
EXAMPLES = """\
\b
Examples:
  llmtui prompts import HumanEval.jsonl
  llmtui prompts import HumanEval.jsonl --mode instruct -n humaneval-chat
  llmtui prompts import gsm8k/test.jsonl -n gsm8k --limit 200
  llmtui prompts import high_school_physics_val.csv        MMLU, C-Eval and CMMLU
  llmtui prompts import promptfooconfig.yaml               its providers are ignored
  llmtui prompts import questions.txt                      a prompt a line
  llmtui prompts import table.csv --prompt-field 题目 --target-field 答案

\b
Formats (found from the file; --format decides):
  humaneval  task_id, prompt, entry_point, canonical_solution, test
  mbpp       task_id, text, code, test_list
  gsm8k      question, answer with #### and the number
  choice     CSV with question, A, B, C, D, answer; with or without a header
  promptfoo  prompts, tests, defaultTest; assertions that have a counterpart
  jsonl      objects with prompt, input, question, instruction or messages, and target, ideal, expected or answer
  csv        a table with a column of one of these names
  text       a prompt a line

The set goes into your folder of prompt sets, and is checked like any other."""
_STEP = 1000


@click.command(name="import", epilog=EXAMPLES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("-f", "--format", "format_name", type=click.Choice(FORMAT_NAMES), help="Do not guess the format.")
@click.option("-n", "--name", metavar="NAME", help="Of the new set; without it, the file's.")
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False), metavar="FILE", help="Write it elsewhere.")
@click.option("--mode", type=click.Choice(["text", "instruct"]), help="HumanEval: continue the code, or ask for it.")
@click.option("--prompt-field", metavar="NAME", help="The field of a table that holds the prompt.")
@click.option("--target-field", metavar="NAME", help="The field of a table that holds the right answer.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Import at most N samples.")
@click.option("--force", is_flag=True, help="Replace a set of the same name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    file: str,
    format_name: str | None,
    name: str | None,
    target: str | None,
    *,
    mode: str | None,
    prompt_field: str | None,
    target_field: str | None,
    limit: int | None,
    force: bool,
    as_json: bool,
) -> int:
    """Make a prompt set of a file in another format."""
    import re  # noqa: PLC0415 - `--help` loads none of what follows
    from pathlib import Path  # noqa: PLC0415

    from llmtui.domain.prompt_set import NAME_PATTERN  # noqa: PLC0415
    from llmtui.services.prompt_import import Wishes, import_set  # noqa: PLC0415
    from llmtui.services.setup import prepare  # noqa: PLC0415

    if name is not None and not re.fullmatch(NAME_PATTERN.strip("^$"), name):
        raise click.BadParameter("use letters, digits, `.`, `_` and `-`", ctx, param_hint="--name")
    progress = output.ProgressLine()
    try:
        report = import_set(
            prepare().folders,
            Path(file),
            name=name,
            output=Path(target) if target else None,
            format_name=format_name,
            wishes=Wishes(mode=mode, prompt_field=prompt_field, target_field=target_field),
            limit=limit,
            force=force,
            on_written=lambda count: None if count % _STEP else progress.show(f"{count:,} samples"),
        )
    finally:
        progress.clear()
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415

        output.write_json({**msgspec.to_builtins(report), "ok": report.check.ok})
    else:
        for line in _lines(report):
            output.write(line + "\n")
    return 0 if report.check.ok else 1


def _lines(report: "ImportReport") -> list[str]:
    lines = [output.safe_line(f"{report.name}: {report.samples:,} samples from {report.format}, in {report.path}")]
    lines += [f"  ! {output.safe_line(what)}" for what in report.left]
    if report.left_count > len(report.left):
        lines.append(f"  … and {report.left_count - len(report.left):,} more were left out")
    for problem in report.check.problems[:20]:
        lines.append(f"  ✗ {output.safe_line(problem.where)}: {output.safe_line(problem.message)}")
    return [*lines, output.safe_line(f"Look at it with `llmtui prompts show {report.name}`")]
