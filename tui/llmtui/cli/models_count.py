"""`llmtui models count`: how many tokens a text is for a model."""

from functools import partial
from typing import TYPE_CHECKING

import click

from llmtui.cli import output
from llmtui.cli.prompt import read_prompt

if TYPE_CHECKING:
    from llmtui.domain.vocabulary import TokenSource

EXAMPLES = """\
\b
Examples:
  llmtui models count demo "床前明月光"
  llmtui models count ollama/qwen2.5:0.5b < chapter.txt
  git diff | llmtui models count models/qwen2.gguf - --json | jq .tokens

Nothing is loaded: the vocabulary in the model's file, or the server, says what the tokens are. A number marked ~ is an
estimate, where neither can. The text is counted by itself, without the chat template."""
WORDS: "dict[TokenSource, str]" = {
    "engine": "counted by the server",
    "vocabulary": "counted with the model's vocabulary",
    "estimate": "estimated",
}


@click.command(name="count", epilog=EXAMPLES)
@click.argument("model")
@click.argument("text", required=False)
@click.option("--ids", is_flag=True, help="Print the token ids, one a line, instead of their number.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def count(ctx: click.Context, model: str, text: str | None, *, ids: bool, as_json: bool) -> None:
    """Count the tokens of a text; with `-`, or without TEXT, of standard input."""
    text = read_prompt(text, usage='llmtui models count MODEL "your text"')
    import asyncio  # noqa: PLC0415 - `--help` loads no service

    from llmtui.errors import ModelError  # noqa: PLC0415
    from llmtui.services.setup import prepare  # noqa: PLC0415
    from llmtui.services.tokens.counting import count_text  # noqa: PLC0415
    from llmtui.services.wiring import open_engine  # noqa: PLC0415

    services = prepare()
    info = services.catalogue.resolve(model)
    open_ = partial(open_engine, services.catalogue.servers, runtime=services.config.runtime)
    counted = asyncio.run(count_text(info, text, open_))
    if ids and counted.ids is None:
        raise ModelError(
            "The tokens of this model cannot be told without loading it",
            cause="its file holds no byte-level BPE vocabulary with a known rule, or its server does not tell",
            remedy="Leave --ids out for an estimate",
        )
    if as_json or ctx.obj:
        row = {"model": info.name, "tokens": counted.tokens, "source": counted.source}
        output.write_json(row | ({"ids": counted.ids} if ids else {}))
    elif ids:
        output.write("".join(f"{id_}\n" for id_ in counted.ids or ()))
    else:
        output.write(f"{'~' if counted.source == 'estimate' else ''}{counted.tokens}\n")
        output.note(WORDS[counted.source])
