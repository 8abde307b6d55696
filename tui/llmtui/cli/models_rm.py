"""`llmtui models rm`: remove a model's files, after showing them."""

from typing import TYPE_CHECKING

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned
from llmtui.domain.quantities import size

if TYPE_CHECKING:
    from llmtui.services.models import Catalogue
    from llmtui.services.removal import Removal

EXAMPLES = """\
\b
Examples:
  llmtui models rm qwen2-7b-instruct-q4_k_m
  llmtui models rm models/old.gguf --yes

Every file is shown with its size before anything goes; without a terminal to confirm, --yes is needed. Of a split model
all parts go. Of a link only the link goes, and a blob of the hub's cache only when no other snapshot needs it. A model
of Ollama's is removed by the server that keeps it, which has to run. The demo model stays, and so does all that is
outside the folders llmtui looks into."""


@click.command(name="rm", epilog=EXAMPLES)
@click.argument("model")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; needs --yes.")
@click.pass_context
def rm(ctx: click.Context, model: str, *, yes: bool, as_json: bool) -> None:
    """Remove a model from the disk."""
    from llmtui.services.removal import find, plan_removal, remove  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415 - as above

    services = prepare()
    catalogue = services.catalogue
    if _served(model, catalogue, yes=yes, quiet=as_json or bool(ctx.obj)):
        return
    removal = plan_removal(find(catalogue, model), catalogue.places)
    quiet = as_json or bool(ctx.obj)
    if not quiet:
        for line in _shown(removal):
            output.note(line)
    _confirm(yes=yes, quiet=quiet)
    remove(removal, [services.folders.models_dir])
    if quiet:
        removed = [file.path for file in removal.files]
        output.write_json({"model": removal.info.name, "removed": removed, "freed_bytes": removal.freed_bytes})
    else:
        output.note(f"removed; {size(removal.freed_bytes)} are free again")


def _confirm(*, yes: bool, quiet: bool) -> None:
    """Go on only when somebody says so.

    Raises:
        UsageError: nobody can be asked.
    """
    from llmtui.errors import UsageError  # noqa: PLC0415 - `--help` loads no service

    if yes:
        return
    if quiet or not output.is_interactive():
        raise UsageError(
            "Nobody can confirm the removal",
            cause="This is no terminal",
            remedy="Add --yes to remove it all the same",
        )
    click.confirm("Remove", default=False, abort=True, err=True)


def _served(spec: str, catalogue: "Catalogue", *, yes: bool, quiet: bool) -> bool:
    """Remove a model through the Ollama server that keeps it; False when it is none of a server that runs."""
    import asyncio  # noqa: PLC0415 - `--help` loads no event loop

    from llmtui.services.ollama_servers import delete_through, kept_by  # noqa: PLC0415

    kept = asyncio.run(kept_by(spec, catalogue.servers))
    if kept is None:
        return False
    target, info = kept
    if not quiet:
        output.note(f"{output.safe_line(info.name)}: {size(info.size_bytes)} on the server")
        output.note("  ! what other models of the server share stays")
    _confirm(yes=yes, quiet=quiet)
    asyncio.run(delete_through(target))
    if quiet:
        output.write_json({"model": info.name, "removed": [info.path], "freed_bytes": info.size_bytes})
    else:
        output.note("removed")
    return True


def _shown(removal: "Removal") -> list[str]:
    rows = [
        (output.safe_line(file.path), size(file.size_bytes) if file.size_bytes else "–", output.safe_line(file.note))
        for file in removal.files
    ]
    lines = [f"{output.safe_line(removal.info.name)}: {size(removal.freed_bytes)} would be free again"]
    lines += [f"  {line}" for line in aligned(rows, right=frozenset({1}))]
    return [*lines, *(f"  ! {output.safe_line(note)}" for note in removal.notes)]
