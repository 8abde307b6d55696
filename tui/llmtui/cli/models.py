"""`llmtui models`: what is there to load, read from the files' headers only."""

from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned
from llmtui.cli.models_count import count as count_command
from llmtui.cli.models_pull import pull
from llmtui.cli.models_rm import rm
from llmtui.cli.quantise import quantize
from llmtui.domain.quantities import UNKNOWN, count, size, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtui.domain.fit import Fit
    from llmtui.domain.models import ModelInfo, OllamaExtras
    from llmtui.services.model_files import ModelDetails
    from llmtui.services.models import Catalogue
    from llmtui.services.servers import ServedDetails
    from llmtui.services.wiring import Services

EXAMPLES = """\
\b
Examples:
  llmtui models
  llmtui models --json | jq -r '.models[].name'
  llmtui models show demo
  llmtui models show models/qwen2-0_5b-q4_0.gguf --json
  llmtui models count demo "床前明月光"
  llmtui models quantize qwen2-7b-f16 Q4_K_M
  llmtui models pull Qwen/Qwen2-7B-Instruct-GGUF:Q4_K_M
  llmtui models rm qwen2-7b-instruct-q4_k_m

Models are looked for in ./models, in the folders that the configuration names, in the data folder's `models`, and where
Ollama, the Hugging Face hub, LM Studio and llama.cpp keep theirs. Ollama need not run. The configured servers are asked
what they offer, all at once, for two seconds at most."""
_LONG = 100
_FITS = 6
"""Number of the column that says whether a model fits."""
_WIDEST = 64
"""Cells that a name may take before it pushes the rest of its row aside."""
_PROGRESS = 10
"""Models between two updates of the progress line."""


@click.group(name="models", invoke_without_command=True, epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List, show, pull, quantise or remove models."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = as_json
        return
    import msgspec  # noqa: PLC0415 - `--help` loads no service

    from llmtui.services.setup import prepare  # noqa: PLC0415

    services = prepare()
    found = _scanned(services.catalogue)
    models = [info for info in found if info.kind == "model"]
    adapters = [info for info in found if info.kind == "adapter"]
    if services.catalogue.servers:
        import asyncio  # noqa: PLC0415 - only where there are servers

        from llmtui.services.ollama_servers import unite  # noqa: PLC0415
        from llmtui.services.servers import list_all_served  # noqa: PLC0415

        files, served = unite(models, asyncio.run(list_all_served(services.catalogue.servers)))
        models = [*files, *served]
    fits = _fits(models, services)
    if as_json:
        rows = [
            msgspec.to_builtins(info) | {"fit": msgspec.to_builtins(fit)}
            for info, fit in zip(models, fits, strict=True)
        ]
        output.write_json({"models": rows, "adapters": msgspec.to_builtins(adapters)})
        return
    lines = _table(models, fits)
    if adapters:
        lines += ["", "LoRA adapters", *_table(adapters)]
    for line in lines:
        output.write(line + "\n")


command.add_command(quantize)


@command.command(name="show")
@click.argument("model")
@click.option("--hash", "with_hash", is_flag=True, help="Read all of it and print the SHA-256 of every file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, model: str, *, with_hash: bool, as_json: bool) -> None:
    """Show what a model's file says of itself: tensors, tokens, template, metadata; or what its server tells."""
    from llmtui.services.setup import prepare  # noqa: PLC0415 - `--help` loads no service

    services = prepare()
    info = services.catalogue.resolve(model)
    found: ModelDetails | ServedDetails
    if info.server is None:
        found = services.catalogue.details(info)
        lines = _sheet(found)
    else:
        import asyncio  # noqa: PLC0415 - only for a server's model

        from llmtui.services.servers import served_details  # noqa: PLC0415

        found = asyncio.run(served_details(info, services.catalogue.servers))
        lines = _served_sheet(found)
    as_json = as_json or bool(ctx.obj)
    sums: dict[str, str] = {}
    if with_hash:
        from llmtui.cli.model_hash import hashed  # noqa: PLC0415 - only when asked for

        sums = hashed(info, quiet=as_json)
        lines += ["", "sha256", *(f"  {digest}  {output.safe_line(path)}" for path, digest in sums.items())]
    if as_json:
        import msgspec  # noqa: PLC0415

        output.write_json(msgspec.to_builtins(found) | ({"sha256": sums} if with_hash else {}))
        return
    for line in lines:
        output.write(line + "\n")


command.add_command(count_command)
command.add_command(pull)
command.add_command(rm)


def _scanned(catalogue: "Catalogue") -> "list[ModelInfo]":
    """Everything found; while headers are read, a terminal shows how many."""
    found, progress = [], output.ProgressLine()
    try:
        for info in catalogue.scan():
            found.append(info)
            if len(found) % _PROGRESS == 0:
                progress.show(f"{len(found):,} models read")
    finally:
        progress.clear()
    return found


def _fits(models: "Sequence[ModelInfo]", services: "Services") -> "list[Fit]":
    from llmtui.services.fits import fit_of, read_room  # noqa: PLC0415 - `--help` loads no service

    room = read_room(services.config.runtime)
    return [fit_of(info, services.config.runtime, room) for info in models]


def _table(found: "Sequence[ModelInfo]", fits: "Sequence[Fit] | None" = None) -> list[str]:
    """One line a model; without `fits` there is no such column."""
    headings = ("NAME", "ARCH", "PARAMS", "QUANT", "SIZE", "CONTEXT", "FITS", "SOURCE", "WHERE")
    rows = [headings, *(_row(info, fits[index] if fits else None) for index, info in enumerate(found))]
    if fits is None:
        rows = [(*row[:_FITS], *row[_FITS + 1 :]) for row in rows]
    return aligned([tuple(map(output.safe_line, row)) for row in rows], right=frozenset({2, 4, 5}), most=_WIDEST)


def _row(info: "ModelInfo", fit: "Fit | None") -> tuple[str, ...]:
    where = "comes along" if info.source == "demo" else info.path
    if info.server is not None:
        where = info.path.partition("#")[0]
    if len(info.parts) > 1:
        where += f" ({len(info.parts)} parts)"
    if info.problem:
        where += f"  ! {info.problem}"
    return (
        info.name,
        info.architecture or UNKNOWN,
        count(info.parameters),
        info.quantisation or UNKNOWN,
        size(info.size_bytes),
        whole(info.trained_context),
        (fit.verdict if fit else None) or "?",
        info.source,
        where,
    )


def _sheet(found: "ModelDetails") -> list[str]:
    info = found.info
    facts: list[tuple[str, Any]] = [
        ("name", info.name),
        ("title", info.title),
        ("file", info.path),
        ("parts", len(info.parts) if len(info.parts) > 1 else None),
        ("architecture", info.architecture),
        ("parameters", f"{count(info.parameters)} ({whole(info.parameters)})"),
        ("quantisation", info.quantisation),
        ("size", size(info.size_bytes)),
        ("context", f"{whole(info.trained_context)} tokens trained"),
        ("licence", found.licence),
        ("languages", found.metadata.get("general.languages")),
        ("from", found.metadata.get("general.repo_url") or found.metadata.get("general.source.url")),
        ("tensors", f"{found.tensors}, GGUF version {found.gguf_version}"),
        ("template", "the model's own" if found.template else found.template_used),
    ]
    lines = _pairs(facts)
    if len(info.parts) > 1:
        lines += ["", "files", *(f"  {output.safe_line(part)}" for part in info.parts)]
    lines += ["", "tensor types"]
    types = [
        (share.type, whole(share.tensors), size(share.size_bytes), f"{100 * share.share:.1f} %")
        for share in found.tensor_types
    ]
    lines += [f"  {line}" for line in aligned(types, right=frozenset({1, 2, 3}))] if types else ["  none"]
    lines += ["", "special tokens", *_indented(sorted(found.special_tokens.items()))]
    lines += ["", "metadata", *_indented(found.metadata.items())]
    lines += ["", "chat template"]
    lines += _paragraph(found.template or "none")
    for name, text in found.named_templates.items():
        lines += ["", f"chat template {output.safe_line(name)}", *_paragraph(text)]
    return [*lines, *_of_ollama(found.ollama)] if found.ollama else lines


def _served_sheet(found: "ServedDetails") -> list[str]:
    """What a server tells of a model; what it does not is left out."""
    info = found.info
    states: dict[bool | None, str | None] = {True: "in the server's memory", False: "not loaded yet", None: None}
    facts: list[tuple[str, Any]] = [
        ("name", info.name),
        ("id", info.served_id),
        ("server", found.url),
        ("served by", " ".join(part for part in (found.served_by, found.build) if part)),
        ("state", states[info.loaded]),
        ("architecture", info.architecture),
        ("parameters", f"{count(info.parameters)} ({whole(info.parameters)})" if info.parameters else None),
        ("quantisation", info.quantisation),
        ("size", size(info.size_bytes) if info.size_bytes else None),
        ("context", f"{whole(found.context_size)} tokens" if found.context_size else "the server does not say"),
        ("trained", f"{whole(info.trained_context)} tokens" if info.trained_context else None),
        ("vocabulary", f"{whole(found.vocabulary_size)} tokens" if found.vocabulary_size else None),
        ("at once", f"{found.slots} answers" if found.slots and found.slots > 1 else None),
        *((f"replica {number}", line) for number, line in enumerate(found.replicas, start=1)),
    ]
    lines = _pairs(facts)
    return [*lines, "", "chat template", *_paragraph(found.template)] if found.template else lines


def _of_ollama(extras: "OllamaExtras") -> list[str]:
    """What Ollama would add, which llmtui does not."""
    parts = (("template", extras.template), ("system message", extras.system), ("parameters", extras.parameters))
    return [line for name, text in parts if text for line in ("", f"ollama {name}", *_paragraph(text))]


def _paragraph(text: str) -> list[str]:
    return [f"  {line}" for line in output.safe_text(text).splitlines()]


def _pairs(facts: "Sequence[tuple[str, Any]]") -> list[str]:
    told = [(name, value) for name, value in facts if value is not None]
    return aligned([(name, output.safe_line(value) if name == "file" else _short(value)) for name, value in told])


def _indented(facts: Any) -> list[str]:
    rows = [(output.safe_line(name), _short(value)) for name, value in facts]
    return [f"  {line}" for line in aligned(rows)] if rows else ["  none"]


def _short(value: Any) -> str:
    text = output.safe_line(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
