"""`llmtui models quantize`: a smaller file of a model."""

import time
from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned
from llmtui.domain.quantities import UNKNOWN, size

if TYPE_CHECKING:
    from llmtui.domain.models import ModelInfo
    from llmtui.domain.quantisation import QuantType
    from llmtui.services.quantise import QuantisePlan, TypeChoice
    from llmtui.services.wiring import Services

EXAMPLES = """\
\b
Examples:
  llmtui models quantize --list                 the types, and what each is good for
  llmtui models quantize --list qwen2-7b-f16    with the size that each would give
  llmtui models quantize qwen2-7b-f16 Q4_K_M
  llmtui models quantize demo Q4_0 -o /data/gguf

The new file lies beside the model, as NAME-TYPE.gguf; for the demo model, and those in the caches of Ollama and the
hub, in the data folder's `models`. It gets its name when it is whole: a cancelled or failed run leaves nothing. Start
from F16, BF16 or Q8_0: a model of six bits or fewer would be rounded twice, which --allow-requantise allows."""
_SHOWN_FALLBACKS = 5
_NO_MATRIX = "no: it needs an importance matrix"


@click.command(name="quantize", epilog=EXAMPLES)
@click.argument("model", required=False)
@click.argument("kind", metavar="TYPE", required=False)
@click.option("-o", "--output", "target", metavar="FILE", help="The file to write, or a folder to put it into.")
@click.option("--threads", type=click.IntRange(1, 1024), metavar="N", help="Threads to work with.")
@click.option("--allow-requantise", "--allow-requantize", is_flag=True, help="Round a quantised model once more.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.option("--list", "as_list", is_flag=True, help="List the types; with MODEL, the size of each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def quantize(
    ctx: click.Context,
    /,
    model: str | None,
    kind: str | None,
    *,
    target: str | None,
    threads: int | None,
    allow_requantise: bool,
    force: bool,
    as_list: bool,
    as_json: bool,
) -> None:
    """Write a smaller file of a model with llama.cpp's quantiser."""
    import asyncio  # noqa: PLC0415 - `--help` loads no event loop

    as_json = as_json or bool(ctx.obj)
    if as_list:
        if kind is not None:
            raise click.UsageError("--list takes a model at most, not a type", ctx)
        asyncio.run(_list(model, as_json=as_json))
        return
    if model is None or kind is None:
        raise click.UsageError("Name a model and a type; `--list` shows the types", ctx)
    wanted = _type_of(kind)
    from llmtui.services.setup import prepare  # noqa: PLC0415 - `--help` loads no service

    asyncio.run(
        _quantise(
            prepare(),
            model,
            wanted,
            target=target,
            threads=threads,
            allow_requantise=allow_requantise,
            force=force,
            as_json=as_json,
        )
    )


def _type_of(name: str) -> "QuantType":
    from llmtui.domain.quantisation import TYPES, quant_type  # noqa: PLC0415 - `--help` loads no msgspec
    from llmtui.errors import UsageError  # noqa: PLC0415 - as above

    found = quant_type(name)
    if found is None:
        import difflib  # noqa: PLC0415 - rarely needed

        known = [kind.name for kind in TYPES]
        near = difflib.get_close_matches(name.upper(), known, n=4, cutoff=0.4) or known
        raise UsageError(
            f"No quantisation type is called {output.safe_line(name)!r}",
            cause=f"near are {', '.join(near)}" if len(near) < len(known) else f"known are {', '.join(known)}",
            remedy="`llmtui models quantize --list` shows them all",
        )
    return found


async def _quantise(
    services: "Services",
    model: str,
    kind: "QuantType",
    *,
    target: str | None,
    threads: int | None,
    allow_requantise: bool,
    force: bool,
    as_json: bool,
) -> None:
    import asyncio  # noqa: PLC0415 - `--help` needs none of these
    from pathlib import Path  # noqa: PLC0415

    from llmtui.cli.progress import follow  # noqa: PLC0415
    from llmtui.services import quantise as service  # noqa: PLC0415

    info = await asyncio.to_thread(services.catalogue.resolve, model)
    plan = await service.plan(
        info,
        kind,
        services.folders.models_dir,
        output=Path(target) if target is not None else None,
        threads=threads,
        allow_requantise=allow_requantise,
        replace=force,
    )
    warnings = _warnings(plan.choice)
    for line in warnings:
        output.note(f"warning: {output.safe_line(line)}")
    started = time.monotonic()
    await follow(service.quantise(plan), f"{info.name} to {kind.name}", quiet=as_json)
    seconds = time.monotonic() - started
    made = await asyncio.to_thread(services.catalogue.resolve, str(plan.target))
    listed = await asyncio.to_thread(services.catalogue.searches, plan.target)
    if as_json:
        told = _as_dict(plan.choice, kind, info, made)
        output.write_json(told | {"seconds": round(seconds, 3), "listed": listed, "warnings": warnings})
        return
    output.write(output.safe_line(made.path) + "\n")
    output.note(_summary(plan, info.size_bytes, made.size_bytes, seconds))
    if not listed:
        output.note("note: this folder is not searched for models; name the file by its path")


def _summary(plan: "QuantisePlan", before: int | None, after: int | None, seconds: float) -> str:
    saved = f", {100 - 100 * after / before:.0f} % less" if before and after and after < before else ""
    bits = f"{plan.choice.bits:.2f} bits a weight" if plan.choice.bits else UNKNOWN
    return f"{size(before)} → {size(after)}{saved} · {bits} · {seconds:.1f} s"


def _as_dict(choice: "TypeChoice", kind: "QuantType", before: "ModelInfo", made: "ModelInfo") -> dict[str, Any]:
    return {
        "name": made.name,
        "path": made.path,
        "type": kind.name,
        "size_before_bytes": before.size_bytes,
        "size_bytes": made.size_bytes,
        "bits_per_weight": round(choice.bits or 0.0, 3),
        "fallbacks": [[one.tensor, one.wanted, one.given] for one in choice.fallbacks],
    }


def _warnings(choice: "TypeChoice") -> list[str]:
    lines = [*([choice.harmful] if choice.harmful else []), *choice.warnings]
    if choice.fallbacks:
        first = choice.fallbacks[0]
        given = ", ".join(sorted({one.given for one in choice.fallbacks}))
        names = ", ".join(one.tensor for one in choice.fallbacks[:_SHOWN_FALLBACKS])
        more = "…" if len(choice.fallbacks) > _SHOWN_FALLBACKS else ""
        lines.append(
            f"{len(choice.fallbacks)} tensors become {given} instead, because rows of {first.columns} do not divide "
            f"into the blocks of {first.wanted}: {names}{more}"
        )
    return lines


async def _list(model: str | None, *, as_json: bool) -> None:
    from llmtui.domain.quantisation import TYPES  # noqa: PLC0415 - `--help` loads no msgspec

    found: dict[str, TypeChoice] = {}
    if model is not None:
        import asyncio  # noqa: PLC0415 - only with a model

        from llmtui.services.quantise import choices  # noqa: PLC0415 - only with a model
        from llmtui.services.setup import prepare  # noqa: PLC0415 - as above

        info = await asyncio.to_thread(prepare().catalogue.resolve, model)
        async for choice in choices(info):
            found[choice.type.name] = choice
    if as_json:
        output.write_json({"types": [_as_json(kind, found.get(kind.name)) for kind in TYPES]})
        return
    head = ("TYPE", "BITS", *(("SIZE",) if found else ()), "REMARK")
    rows = [head, *(_row(kind, found.get(kind.name)) for kind in TYPES)]
    for line in aligned([tuple(map(output.safe_line, row)) for row in rows], right=frozenset({1, 2} if found else {1})):
        output.write(line + "\n")


def _row(kind: "QuantType", choice: "TypeChoice | None") -> tuple[str, ...]:
    remark = ("recommended: " if kind.grade == "recommended" else "") + kind.remark
    if choice is None:
        return kind.name, f"{kind.bits:.2f}", _NO_MATRIX if kind.matrix else remark
    bits = f"{choice.bits:.2f}" if choice.bits else UNKNOWN
    if choice.impossible and kind.matrix:
        remark = _NO_MATRIX
    elif choice.impossible or choice.harmful:
        remark = f"no: {choice.impossible or choice.harmful}"
    elif choice.fallbacks:
        remark = f"{len(choice.fallbacks)} tensors fall back to larger types; {remark}".rstrip("; ")
    return kind.name, bits, size(choice.size_bytes), remark


def _as_json(kind: "QuantType", choice: "TypeChoice | None") -> dict[str, object]:
    known: dict[str, object] = {
        "type": kind.name,
        "grade": kind.grade,
        "remark": kind.remark,
        "bits_per_weight": kind.bits,
        "needs_importance_matrix": kind.matrix,
    }
    if choice is not None:
        known |= {
            "bits_per_weight": choice.bits,
            "size_bytes": choice.size_bytes,
            "impossible": choice.impossible,
            "harmful": choice.harmful,
            "fallbacks": len(choice.fallbacks),
        }
    return known
