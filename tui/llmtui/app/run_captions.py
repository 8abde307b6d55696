"""What the bars over and under a run's grid and its answers say. Pure."""

from typing import TYPE_CHECKING

from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app.run_cells import GLYPHS, WORDS, score

if TYPE_CHECKING:
    from llmtui.domain.run import RunRecord
    from llmtui.services.runs.grid import Grid, GridRow, Mark


STOPPING = Content.styled("stopping: what is being asked now is asked again when the run is taken up", "$warning")


def run_name(run: "RunRecord") -> str:
    """What a run asks, on one line; safe to show."""
    return fmt.name(", ".join(planned.name for planned in run.plan.sets))


def grid_header(run: "RunRecord", grid: "Grid", *, running: bool) -> tuple[Content, Content]:
    """Which run, and how far it is."""
    left = Content.assemble((run_name(run), "bold $primary"), (f" · run {fmt.name(run.id)}", "$text-muted"))
    if not running:
        state = "complete" if grid.done >= grid.planned else "not complete"
        return left, Content.styled(f"{grid.done:,}/{grid.planned:,} · {state}", "$text-muted")
    return left, Content.assemble((f"{grid.done:,}/{grid.planned:,}", "bold $warning"), (" · running", "$text-muted"))


def activity(run: "RunRecord", grid: "Grid", *, running: bool) -> Content:
    """What goes on now, or why a model was not asked."""
    active = grid.active
    if running and grid.judge is not None:
        return Content.assemble(
            (f"{fmt.name(grid.judge)} grades", "bold $primary"), (f" · {grid.told or 'begins'}", "")
        )
    if running and active is not None:
        if active.state == "loading":
            share = "" if active.fraction is None else f" {fmt.percent(active.fraction)}"
            return Content.assemble(
                (f"loading {fmt.name(active.model)}", "bold $warning"), (f" · {fmt.name(active.stage)}{share}", "")
            )
        told = f" · {grid.told}" if grid.told else " · begins"
        return Content.assemble((f"asking {fmt.name(active.model)}", "bold $primary"), (told, ""))
    failed = next((column for column in grid.columns if column.problem), None)
    if failed is not None:
        return Content.styled(f"{fmt.name(failed.model)}: {fmt.name(failed.problem)}", "$error")
    if not running and grid.done < grid.planned:
        return Content.styled(f"llmtui run --resume {fmt.name(run.id)} goes on with it as well", "$text-muted")
    return Content.styled(fmt.name(grid.remark) if grid.remark else "", "$text-muted")


def cell_line(row: "GridRow | None", model: str | None, mark: "Mark | None") -> Content:
    """The marked cell in words."""
    if row is None or model is None:
        return Content("")
    state = mark.state if mark is not None else "open"
    sign, style = GLYPHS[state]
    parts = [WORDS[state], score(mark.value) if mark else "", fmt.name(mark.error) if mark and mark.error else ""]
    where = f"{fmt.name(row.sample)} · {fmt.name(model)} "
    return Content.assemble((where, "$text-muted"), (sign, style), f" {' · '.join(part for part in parts if part)}")


def answer_header(row: "GridRow", model: str, epoch: int, mark: "Mark | None") -> tuple[Content, Content]:
    """Which answer is shown, and what it came to."""
    epochs = f" · {epoch + 1} of {row.epochs}" if row.epochs > 1 else ""
    left = Content.assemble(
        (f"{fmt.name(row.set)}/{fmt.name(row.sample)}", "bold $primary"),
        (f" · {fmt.name(model)}{epochs}", "$text-muted"),
    )
    state = mark.state if mark is not None else "open"
    sign, style = GLYPHS[state]
    told = score(mark.value) if mark is not None else ""
    return left, Content.assemble((sign, style), f" {WORDS[state]}{f' · {told}' if told else ''}")
