"""What the bars over and under runs that are laid side by side say. Pure."""

from typing import TYPE_CHECKING

from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app.run_captions import cell_line as run_cell_line
from llmtui.domain.quantities import number

if TYPE_CHECKING:
    from llmtui.services.compare import Column, Comparison
    from llmtui.services.comparing import OpenComparison
    from llmtui.services.runs.grid import GridRow, Mark


def header(runs: "OpenComparison") -> tuple[Content, Content]:
    """How many runs and samples, and which run is the baseline."""
    samples = len(runs.grid.rows)
    left = Content.assemble(
        (f"{runs.runs:,} runs side by side", "bold $primary"),
        (f" · {samples:,} sample{'' if samples == 1 else 's'}", "$text-muted"),
    )
    return left, Content.styled(f"baseline: run {fmt.name(runs.baseline_id)}", "$text-muted")


def column(comparison: "Comparison", at: int, label: str) -> Content:
    """The marked column's totals, and what flips in it."""
    shown = comparison.columns[at]
    rate = f"{number(shown.decode_tps)}{'*' if shown.parallel else ''} tok/s"
    parts = [f"score {number(shown.score, digits=3)}", rate, _passed(shown)]
    parts += [f"{shown.waiting:,} wait"] if shown.waiting else []
    parts += [f"{shown.errors:,} without an answer"] if shown.errors else []
    name, told = (f"{fmt.name(label)}  ", "bold"), " · ".join(parts)
    flips = shown.flips
    if flips is None:
        return Content.assemble(name, ("baseline", "$secondary"), (f"  {told}", "$text-muted"))
    base = fmt.name(comparison.columns[flips.baseline].label)
    return Content.assemble(
        name,
        (f"▲{flips.mended}", "$success" if flips.mended else "$text-muted"),
        (f" ▼{flips.broken}", "$error" if flips.broken else "$text-muted"),
        (f" p = {flips.p:.3g}  {told} · against {base}", "$text-muted"),
    )


def cell_line(row: "GridRow | None", model: str | None, mark: "Mark | None", epoch: int) -> Content:
    """The marked cell in words."""
    told = run_cell_line(row, model, mark)
    if row is not None and row.epochs > 1:
        told = Content.assemble(told, (f" · epoch {epoch + 1} of {row.epochs}", "$text-muted"))
    if mark is None or mark.mended is None:
        return told
    words, style = ("▲ better than the baseline", "$success") if mark.mended else ("▼ worse than it", "$error")
    return Content.assemble(told, "  ", (words, style))


def _passed(shown: "Column") -> str:
    decided = shown.passed + shown.failed
    if shown.interval is None:
        return f"{shown.asked:,} asked"
    low, high = shown.interval
    return f"{shown.passed:,}/{decided:,} passed ({fmt.percent(low)}–{fmt.percent(high)})"
