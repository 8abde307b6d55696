"""Models as rows of the picker: columns, marks, colours, and the orders they can be listed in. Pure."""

from collections.abc import Callable, Sequence

import msgspec

from llmtui.app import format as fmt
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.fit import Fit
from llmtui.domain.models import ModelInfo

CURRENT, WARM = "●", "○"
_ARROW = "↓"
_UNTOLD = "?"
_FIT_STYLES = {"yes": "$success", "tight": "$warning", "no": "$error"}
_MARK, _FITS = 0, 4


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model beside its header.

    Attributes:
        current: it answers now.
        warm: it is in memory.
        pin: its number.
        used_at: when it was loaded last, in seconds since 1970; 0 when never.
        fit: None while memory is still being looked at.
    """

    current: bool = False
    warm: bool = False
    pin: int | None = None
    used_at: float = 0.0
    fit: Fit | None = None


class Order(msgspec.Struct, frozen=True):
    """One way to sort.

    Attributes:
        name: as it is kept in the state file.
        column: whose heading shows it; None where no column has it.
        key: smaller comes first; the name decides between equals.
    """

    name: str
    column: str | None
    key: Callable[[ModelInfo, Standing], object]


ORDERS: tuple[Order, ...] = (
    Order("name", "model", lambda info, _: info.source != "demo"),
    Order("size", "size", lambda info, _: -(info.size_bytes or 0)),
    Order("parameters", "params", lambda info, _: -(info.parameters or 0)),
    Order("source", "source", lambda info, _: (info.source, info.server or "")),
    Order("recently used", None, lambda _, standing: -standing.used_at),
)
_COLUMNS = (
    Column(name="", rank=9),
    Column(name="model", flexible=True),
    Column(name="quant.", rank=6),
    Column(name="size", right=True, rank=7),
    Column(name="fits", rank=8),
    Column(name="params", right=True, rank=5),
    Column(name="source", rank=4),
    Column(name="arch.", rank=2),
    Column(name="context", right=True, rank=3),
)


def order_named(name: str | None) -> Order:
    """The order of that name; the first one when there is none."""
    return next((order for order in ORDERS if order.name == name), ORDERS[0])


def next_order(order: Order) -> Order:
    """The one that comes after."""
    return ORDERS[(ORDERS.index(order) + 1) % len(ORDERS)]


def columns(order: Order) -> tuple[Column, ...]:
    """Headings; the one that the list is sorted by carries an arrow."""
    return tuple(
        msgspec.structs.replace(column, name=_sorted_by(column)) if column.name == order.column else column
        for column in _COLUMNS
    )


def in_order(models: Sequence[ModelInfo], order: Order, standing: Callable[[ModelInfo], Standing]) -> list[ModelInfo]:
    """Models sorted; those that cannot be loaded come last."""
    return sorted(
        models, key=lambda info: (info.problem is not None, order.key(info, standing(info)), info.name.casefold())
    )


def model_row(info: ModelInfo, standing: Standing) -> Row:
    """A model as a row; names come from files and servers and are made safe."""
    mark = CURRENT if standing.current else WARM if standing.warm else " "
    verdict = _fits(standing.fit)
    cells = (
        f"{mark}{standing.pin or ''}".rstrip(),
        fmt.name(info.name),
        fmt.name(info.quantisation),
        fmt.size(info.size_bytes),
        verdict,
        fmt.count(info.parameters),
        info.source,
        fmt.name(info.architecture),
        fmt.integer(info.trained_context),
    )
    searched = (info.name, info.title, info.architecture, info.quantisation, info.source)
    return Row(
        key=info.name,
        cells=cells,
        search=" ".join(fmt.name(part) for part in searched if part),
        problem=fmt.name(info.problem) if info.problem else None,
        styles={_MARK: "bold $primary", _FITS: _FIT_STYLES.get(verdict, "$text-muted")},
    )


def summary(models: Sequence[ModelInfo], order: Order) -> str:
    """The line below the list."""
    bad = sum(1 for info in models if info.problem)
    parts = [f"{len(models):,} model{'' if len(models) == 1 else 's'}"]
    if len(models) <= 1:
        parts.append("put .gguf files into ./models, or type a path")
    if bad:
        parts.append(f"{bad:,} cannot be loaded")
    if order.column is None:
        parts.append(order.name)
    return " · ".join([*parts, "Enter loads, Esc closes"])


def _sorted_by(column: Column) -> str:
    return f"{_ARROW} {column.name}" if column.right else f"{column.name} {_ARROW}"


def _fits(fit: Fit | None) -> str:
    if fit is None:
        return ""
    return fit.verdict or _UNTOLD
