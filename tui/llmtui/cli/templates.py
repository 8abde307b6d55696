"""`llmtui templates`: the chat templates that come along and the user's own, and what they make of a conversation."""

from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned

if TYPE_CHECKING:
    from llmtui.services.template_views import TemplateRow, TemplateView

EXAMPLES = """\
\b
Examples:
  llmtui templates                          the templates there are
  llmtui templates show vicuna              what it is, and a conversation in it
  llmtui templates show my.jinja
  llmtui templates show -m qwen2-7b         which one this model gets, and why
  llmtui templates show llama3 -m qwen2-7b  another one, with the begin and end tokens of this model
  llmtui ask --template vicuna "Name three rivers."

Your own templates are Jinja files in the configuration's folder under `templates`, or any file that is named by its
path. They are written as the Transformers library has them: `messages`, `add_generation_prompt`, `bos_token`,
`eos_token`; a comment like {# stops: ["\\nUser:"] #} names texts that end an answer."""


@click.group(name="templates", invoke_without_command=True, epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List and show chat templates."""
    ctx.obj = as_json
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List the templates there are."""
    from llmtui.services.setup import prepare  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.template_views import list_templates  # noqa: PLC0415

    found = list_templates(prepare().folders)
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415

        output.write_json({"templates": msgspec.to_builtins(found)})
        return
    rows = [("NAME", "TITLE", "SYSTEM MESSAGE", "WHERE"), *map(_row, found)]
    for line in aligned([tuple(map(output.safe_line, row)) for row in rows]):
        output.write(line + "\n")


@command.command(name="show")
@click.argument("template", metavar="[NAME|FILE]", required=False)
@click.option("-m", "--model", metavar="MODEL", help="A model: the template it gets, or its tokens in the one named.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, template: str | None, model: str | None, *, as_json: bool) -> None:
    """Show a template, or that of a model, and a conversation rendered in it."""
    if template is None and model is None:
        raise click.UsageError("name a template, or a model with -m", ctx)
    from llmtui.services.setup import prepare  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.template_views import view  # noqa: PLC0415

    services = prepare()
    found = view(services.folders, services.catalogue, template, model)
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415

        output.write_json(msgspec.to_builtins(found))
        return
    for line in _sheet(found):
        output.write(line + "\n")


def _row(row: "TemplateRow") -> tuple[str, ...]:
    return row.name, row.title, row.system or "", row.path or "comes along"


def _sheet(found: "TemplateView") -> list[str]:
    facts: list[tuple[str, Any]] = [
        ("name", found.name),
        ("source", found.source),
        ("sha256", found.sha256),
        ("stops", ", ".join(repr(stop) for stop in found.stops) or "the model's end tokens"),
        ("note", found.note),
        ("warning", found.warning),
    ]
    lines = aligned([(name, output.safe_line(value)) for name, value in facts if value])
    if found.problem is not None:
        lines += ["", "it cannot be rendered", f"  {output.safe_line(found.problem)}"]
    if found.sample is not None:
        lines += ["", "a conversation in it", *_paragraph(found.sample)]
    return [*lines, "", "text", *_paragraph(found.text)]


def _paragraph(text: str) -> list[str]:
    return [f"  {line}" for line in output.safe_text(text).split("\n")]
