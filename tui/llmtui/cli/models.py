"""`llmtui models`: what is there to load, read from the files' headers only."""

from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned
from llmtui.domain.quantities import UNKNOWN, count, size, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtui.domain.models import ModelInfo
    from llmtui.services.model_files import ModelDetails

EXAMPLES = """\
\b
Examples:
  llmtui models
  llmtui models --json | jq -r '.models[].name'
  llmtui models show demo
  llmtui models show models/qwen2-0_5b-q4_0.gguf --json

Models are looked for in ./models, in the folders that the configuration names, and in the data folder's `models`."""
_LONG = 100


@click.group(name="models", invoke_without_command=True, epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the models that can be used, or show one."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = as_json
        return
    import msgspec  # noqa: PLC0415 - `--help` loads no service

    from llmtui.services.setup import prepare  # noqa: PLC0415

    found = prepare().catalogue.list()
    if as_json:
        output.write_json({"models": msgspec.to_builtins(found)})
        return
    for line in _table(found):
        output.write(line + "\n")


@command.command(name="show")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, model: str, *, as_json: bool) -> None:
    """Show what a model's file says of itself: tensors, tokens, template, metadata."""
    from llmtui.services.model_files import details  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415 - `--help` loads no service

    found = details(prepare().catalogue.resolve(model))
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415

        output.write_json(msgspec.to_builtins(found))
        return
    for line in _sheet(found):
        output.write(line + "\n")


def _table(found: "Sequence[ModelInfo]") -> list[str]:
    rows = [("NAME", "ARCH", "PARAMS", "QUANT", "SIZE", "CONTEXT", "WHERE"), *(_row(info) for info in found)]
    return aligned([tuple(map(output.safe_line, row)) for row in rows], right=frozenset({2, 4, 5}))


def _row(info: "ModelInfo") -> tuple[str, ...]:
    where = "comes along" if info.source == "demo" else info.path
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
        ("tensors", f"{found.tensors}, GGUF version {found.gguf_version}"),
    ]
    lines = _pairs(facts)
    lines += ["", "tensor types"]
    types = [
        (share.type, whole(share.tensors), size(share.size_bytes), f"{100 * share.share:.1f} %")
        for share in found.tensor_types
    ]
    lines += [f"  {line}" for line in aligned(types, right=frozenset({1, 2, 3}))] if types else ["  none"]
    lines += ["", "special tokens", *_indented(sorted(found.special_tokens.items()))]
    lines += ["", "metadata", *_indented(found.metadata.items())]
    lines += ["", "chat template"]
    template = output.safe_text(found.template).splitlines() if found.template else ["none"]
    return [*lines, *(f"  {line}" for line in template)]


def _pairs(facts: "Sequence[tuple[str, Any]]") -> list[str]:
    return aligned([(name, _short(value)) for name, value in facts if value is not None])


def _indented(facts: Any) -> list[str]:
    rows = [(output.safe_line(name), _short(value)) for name, value in facts]
    return [f"  {line}" for line in aligned(rows)] if rows else ["  none"]


def _short(value: Any) -> str:
    text = output.safe_line(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
