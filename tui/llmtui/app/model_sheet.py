"""What the details pane says of a model. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app.model_rows import Standing
from llmtui.domain.fit import Fit
from llmtui.domain.models import ModelInfo
from llmtui.domain.text import visible_line
from llmtui.services.servers import ServedDetails

if TYPE_CHECKING:
    from llmtui.services.model_files import ModelDetails

LABEL = 11
_MOST_TYPES = 4
_LISTED = (
    ("layers", "block_count"),
    ("width", "embedding_length"),
    ("heads", "attention.head_count"),
    ("kv heads", "attention.head_count_kv"),
    ("window", "attention.sliding_window"),
    ("experts", "expert_count"),
    ("rope base", "rope.freq_base"),
)
"""Metadata of interest: label and key after the architecture's name."""
_GENERAL = (
    ("author", "general.author"),
    ("finetune", "general.finetune"),
    ("languages", "general.languages"),
    ("tags", "general.tags"),
    ("tokenizer", "tokenizer.ggml.model"),
    ("vocabulary", "tokenizer.ggml.tokens"),
)

_COUNTED = re.compile(r"\[[a-z]\w* × (\d+)\]")
"""How a long array is told: type and number of values."""
_PIECES = re.compile("[^ /\u2e80-\uffff]*[ /]|[\u2e80-\uffff]|[^ /\u2e80-\uffff]+")
"""What stays together where a line must be broken: a line may end after a blank, a slash, or a wide character."""

Line = tuple[str, str, str]
"""Label, text, style."""


def sheet(
    info: ModelInfo,
    standing: Standing,
    details: "ModelDetails | ServedDetails | None",
    *,
    width: int,
    remark: str = "",
) -> Content:
    """Everything known of a model, wrapped beside its labels.

    Args:
        info: from the list.
        standing: pin, memory and use.
        details: of the header, or told by the server; None until they are known.
        width: cells.
        remark: stands at the end, e.g. that the header is being read.
    """
    lines: list[Content] = [Content.styled(fmt.name(info.name), "bold $primary")]
    rows = [*_state(info, standing), *_memory(standing.fit)]
    if details is None:
        rows += _file(info)
    elif isinstance(details, ServedDetails):
        rows += [*_file(details.info), *_told(details)]
    else:
        rows += [*_file(info), *_header(info, details)]
    for label, text, style in rows:
        first, *rest = _wrapped(visible_line(text), max(8, width - LABEL))
        lines.append(Content.assemble((label.ljust(LABEL), "$text-muted"), (first, style) if style else first))
        beneath = (" " * LABEL, "$text-muted")
        lines += [Content.assemble(beneath, (more, style) if style else more) for more in rest]
    if remark:
        lines += [Content.styled(part, "$text-muted") for part in _wrapped(visible_line(remark), width)]
    return Content("\n").join(lines)


def _state(info: ModelInfo, standing: Standing) -> Iterable[Line]:
    if info.problem:
        yield "problem", info.problem, "$error"
    if standing.current:
        yield "state", "answers now", ""
    elif standing.warm:
        yield "state", "in the server's memory" if info.server else "in memory: going back to it takes no time", ""
    if info.server is not None:
        yield "served by", f"{info.server}, {info.path.partition('#')[0]}", ""
    elif info.also_served is not None:
        yield "served too", f"by {info.also_served}", ""
    if standing.pin is not None:
        yield "pinned", f"Alt+{standing.pin}", ""
    if standing.used_at:
        yield "last used", f"{datetime.fromtimestamp(standing.used_at).astimezone():%Y-%m-%d %H:%M}", ""


def _memory(fit: Fit | None) -> Iterable[Line]:
    if fit is None:
        return
    style = {"yes": "$success", "tight": "$warning", "no": "$error"}.get(fit.verdict or "", "")
    yield "fits", f"{fit.verdict or '?'}: {fit.reason}", style
    if fit.total_bytes is not None:
        yield "takes", f"~{fmt.size(fit.total_bytes)} with a context of {fmt.integer(fit.context)}", ""
        parts = (("weights", fit.weights_bytes), ("cache", fit.cache_bytes), ("buffers", fit.buffer_bytes))
        yield "", ", ".join(f"{name} {fmt.size(size)}" for name, size in parts), "$text-muted"


def _file(info: ModelInfo) -> Iterable[Line]:
    if info.server is None:
        yield "file", info.path, ""
    if len(info.parts) > 1:
        yield "parts", str(len(info.parts)), ""
    if info.title and info.title != info.name:
        yield "title", info.title, ""
    facts = (info.architecture, fmt.count(info.parameters) if info.parameters else None, info.quantisation)
    known = [fact for fact in facts if fact]
    if known:
        yield "model", " · ".join(known), ""
    if info.size_bytes is not None:
        yield "size", fmt.size(info.size_bytes), ""
    if info.trained_context:
        yield "trained on", f"{info.trained_context:,} tokens of context", ""


def _told(details: ServedDetails) -> Iterable[Line]:
    """What a server says of a model that it serves."""
    yield "runs on", " ".join(part for part in (details.served_by, details.build) if part), ""
    context = details.context_size
    yield "context", f"{context:,} tokens" if context else "the server does not say", ""
    if details.vocabulary_size:
        yield "vocabulary", f"{details.vocabulary_size:,} tokens", ""
    if details.slots and details.slots > 1:
        yield "at once", f"{details.slots:,} answers", ""
    for number, line in enumerate(details.replicas, start=1):
        yield f"replica {number}", line, ""
    if details.template:
        yield "template", f"told by the server, {len(details.template):,} characters", ""


def _header(info: ModelInfo, details: "ModelDetails") -> Iterable[Line]:
    yield "licence", details.licence or fmt.UNKNOWN, ""
    template = details.template
    yield (
        "template",
        f"in the file, {len(template):,} characters" if template else details.template_used or "none in the file",
        "",
    )
    if details.ollama is not None:
        parts = (("template", details.ollama.template), ("system", details.ollama.system))
        named = [name for name, text in (*parts, ("parameters", details.ollama.parameters)) if text]
        if named:
            yield "ollama", ", ".join(named), ""
    shares = details.tensor_types
    if shares:
        shown = ", ".join(f"{share.type} {fmt.percent(share.share)}" for share in shares[:_MOST_TYPES])
        yield "tensors", f"{details.tensors:,}: {shown}{', …' if len(shares) > _MOST_TYPES else ''}", ""
    keys = [*((label, f"{info.architecture}.{key}") for label, key in _LISTED), *_GENERAL]
    for label, key in keys:
        if key in details.metadata:
            yield label, _value(details.metadata[key], "tokens" if label == "vocabulary" else "values"), ""


def _value(value: str | float | bool, unit: str) -> str:  # noqa: FBT001 - metadata can be one
    """A value of the metadata as people write it; `unit` is what an array too long to show consists of."""
    if isinstance(value, str):
        counted = _COUNTED.fullmatch(value)
        if counted is not None:
            return f"{int(counted[1]):,} {unit}"
        return value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.0f}" if isinstance(value, int) or value.is_integer() else f"{value:,g}"


def _wrapped(text: str, width: int) -> list[str]:
    """Lines no wider than `width` cells, broken after a blank or a slash where that is possible."""
    lines, line, room = [], "", width
    for piece in _PIECES.findall(text):
        if line and cell_len(piece.rstrip()) > room:
            lines.append(line.rstrip())
            line, room = "", width
        for char in piece if cell_len(piece.rstrip()) > room else (piece,):
            if line and cell_len(char.rstrip()) > room:
                lines.append(line.rstrip())
                line, room = "", width
            line, room = line + char, room - cell_len(char)
    return [*lines, line.rstrip()]
