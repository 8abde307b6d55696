"""`llmtui models pull`: bring a model from a hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned
from llmtui.domain.quantities import size

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from llmtui.domain.hub import Offer
    from llmtui.services.ollama_servers import Target
    from llmtui.services.pull import Found

EXAMPLES = """\
\b
Examples:
  llmtui models pull Qwen/Qwen2-7B-Instruct-GGUF
  llmtui models pull Qwen/Qwen2-7B-Instruct-GGUF:Q5_K_M
  llmtui models pull Qwen/Qwen2-7B-Instruct-GGUF/qwen2-7b-instruct-q4_k_m.gguf
  llmtui models pull ollama/qwen2:0.5b
  llmtui models pull https://huggingface.co/Qwen/Qwen2-7B-Instruct-GGUF --endpoint https://hf-mirror.example

Without a choice the largest usual quantisation of four bits or more that fits the free memory is taken; a terminal is
asked. A download that was cut or stopped goes on where it was, and nothing gets its name before its checksum is right.
Gated and private repositories want a token in HF_TOKEN. The file's path goes to standard output. `ollama/NAME:TAG` is
fetched by the running Ollama server, which keeps it, and `SERVER/NAME:TAG` by a configured one of that kind."""


@click.command(name="pull", epilog=EXAMPLES)
@click.argument("reference", metavar="REF")
@click.option("--quant", metavar="TYPE", help="Quantisation to take, e.g. Q4_K_M.")
@click.option("--revision", metavar="REV", help="Branch, tag or commit; `main` without it.")
@click.option("--endpoint", metavar="URL", help="The hub or a mirror, over hub_endpoint and HF_ENDPOINT.")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the file goes; without it, the data folder's models/ORG/REPO.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; draw and ask nothing.")
@click.pass_context
def pull(
    ctx: click.Context,
    reference: str,
    *,
    quant: str | None,
    revision: str | None,
    endpoint: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Pull a model: ORG/REPO, ORG/REPO:QUANT, ORG/REPO/FILE.gguf, a hub's address, or ollama/NAME:TAG."""
    import asyncio  # noqa: PLC0415 - `--help` loads no event loop

    from llmtui.services import pull as service  # noqa: PLC0415 - as above
    from llmtui.services.fits import read_room  # noqa: PLC0415 - as above
    from llmtui.services.ollama_servers import ollama_target  # noqa: PLC0415 - as above
    from llmtui.services.setup import prepare  # noqa: PLC0415 - `--help` loads no service

    quiet = as_json or bool(ctx.obj)
    folder = None if folder is None else folder.expanduser().absolute()
    services = prepare()
    target_server = ollama_target(reference, services.catalogue.servers)
    if target_server is not None:
        _unless_stopped(_through(target_server, reference, quiet=quiet))
        return
    look_up = service.look_up(
        reference,
        endpoint=service.endpoint_of(endpoint, services.config),
        revision=revision,
        quantisation=quant,
        room=read_room(services.config.runtime),
    )
    found = asyncio.run(look_up)
    # Outside of the event loop: within it an interrupt would wait for the answer to the question.
    offer = _chosen(found, quiet=quiet)
    _unless_stopped(_bring(found, offer, folder or service.folder_for(found, services.folders), quiet=quiet))


def _unless_stopped(download: "Coroutine[Any, Any, None]") -> None:
    """Run it; an interrupt is told what it leaves."""
    import asyncio  # noqa: PLC0415 - see `pull`

    try:
        asyncio.run(download)
    except KeyboardInterrupt:
        output.note("stopped; what has come is kept, and the same command goes on from there")
        raise


async def _bring(found: "Found", offer: "Offer", target: Path, *, quiet: bool) -> None:
    from llmtui.cli.progress import follow  # noqa: PLC0415 - `--help` loads nothing that draws
    from llmtui.services import pull as service  # noqa: PLC0415 - `--help` loads no service

    path = await follow(service.pull(found, offer, target), offer.files[0].path.rpartition("/")[2], quiet=quiet)
    if quiet:
        output.write_json(
            {
                "path": path,
                "repository": found.reference.repository,
                "commit": found.listing.commit,
                "files": [file.path for file in offer.files],
                "quantisation": offer.quantisation,
                "size_bytes": offer.size_bytes,
            }
        )
    else:
        output.write(f"{output.safe_line(path)}\n")


async def _through(target: "Target", reference: str, *, quiet: bool) -> None:
    """Have an Ollama server fetch it; the name that it then has goes to standard output."""
    from llmtui.cli.progress import follow  # noqa: PLC0415 - see `_bring`
    from llmtui.services.ollama_servers import pull_through  # noqa: PLC0415 - as above

    await follow(pull_through(target), target.model, quiet=quiet)
    if quiet:
        output.write_json({"model": reference, "server": target.name})
    else:
        output.write(f"{output.safe_line(reference)}\n")


def _chosen(found: "Found", *, quiet: bool) -> "Offer":
    """The one that is meant; a person at a terminal is asked where there are several.

    Raises:
        UsageError: it is not clear, and nobody can be asked.
    """
    from llmtui.services.pull import ambiguous  # noqa: PLC0415 - see `_bring`

    if len(found.matching) == 1:
        return found.matching[0]
    if not quiet and output.is_interactive():
        return _asked(found)
    if found.recommended is None:
        raise ambiguous(found)
    if not quiet:
        output.note(f"taking {output.safe_line(found.reason)}")
    return found.recommended


def _asked(found: "Found") -> "Offer":
    from llmtui.domain.hub import FLOOR, fits  # noqa: PLC0415 - see `_bring`

    rows = [("", "QUANT", "SIZE", "NAME", "")]
    for number, offer in enumerate(found.matching, start=1):
        words = {True: "fits", False: "does not fit the free memory", None: ""}[fits(offer, found.memory_bytes)]
        if 0 < offer.bits < FLOOR:
            words += "; worse answers"
        if offer == found.recommended:
            words = f"{words}; recommended".lstrip("; ")
        rows.append((str(number), offer.quantisation or "–", size(offer.size_bytes), offer.name, words))
    for line in aligned([tuple(map(output.safe_line, row)) for row in rows], right=frozenset({0, 2})):
        output.note(line)
    default = None if found.recommended is None else found.matching.index(found.recommended) + 1
    number = click.prompt("Which one", type=click.IntRange(1, len(found.matching)), default=default, err=True)
    return found.matching[number - 1]
