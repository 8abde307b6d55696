"""Quantising a model: every type with the size it would give, then the work."""

from typing import TYPE_CHECKING

from llmtui.app import format as fmt
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.models import ModelInfo
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.quantise import TypeChoice
    from llmtui.services.wiring import Services

_COLUMNS = (
    Column(name="type", kept=True),
    Column(name="bits", right=True, rank=1),
    Column(name="size", right=True, rank=2),
    Column(name="what it is", flexible=True),
)
FLOOR = "Q4_K_M"
"""Marked first: the smallest type without a clear loss."""
_KEYS = "Enter quantises, Esc closes"
_NO_MATRIX = "no: it needs an importance matrix"


class QuantiseScreen(PickerScreen[str]):
    """Lists the types that llama.cpp writes; dismisses with the path of the new file, None when there is none.

    Args:
        services: the parts of the program.
        info: the model to quantise.
    """

    def __init__(self, services: "Services", info: ModelInfo) -> None:
        super().__init__(f"Quantise {fmt.name(info.name)}", "type to filter", _COLUMNS)
        self._services = services
        self._info = info
        self._found: list[TypeChoice] = []

    def on_mount(self) -> None:
        """Ask llama.cpp what each type would give; the rows come as it answers."""
        super().on_mount()
        self.run_worker(self._ask(), exit_on_error=False)

    async def _ask(self) -> None:
        from llmtui.services.quantise import choices  # noqa: PLC0415 - not needed for the first paint

        try:
            async for choice in choices(self._info):
                self._found.append(choice)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        rows = [type_row(choice) for choice in self._found]
        self.fill(rows, [choice.type.name for choice in self._found], preferred=FLOOR)
        self.remark(f"{fmt.name(self._info.quantisation)}, {fmt.size(self._info.size_bytes)} now · {_KEYS}")

    def chosen(self, choice: str) -> None:
        """Check, then begin."""
        self.remark(f"checking {choice} …")
        self.run_worker(self._begin(choice), group="begin", exclusive=True, exit_on_error=False)

    async def _begin(self, name: str) -> None:
        from llmtui.app.screens.progress import ProgressScreen  # noqa: PLC0415 - as above
        from llmtui.services.quantise import plan, quantise  # noqa: PLC0415 - as above

        app = self.app
        kind = next(found.type for found in self._found if found.type.name == name)
        try:
            planned = await plan(self._info, kind, self._services.folders.models_dir)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        operation = app.operations.start(f"Quantise {self._info.name} to {name}", quantise(planned))
        app.push_screen(ProgressScreen(operation), self._over)

    def _over(self, path: str | None) -> None:
        if self.is_attached:
            self.dismiss(path)


def type_row(choice: "TypeChoice") -> Row:
    """A type as a row: recommended ones stressed, those below the floor warned of, impossible ones with the reason."""
    kind = choice.type
    problem = None
    if choice.impossible is not None:
        problem = _NO_MATRIX if kind.matrix else f"no: {choice.impossible}"
    elif choice.harmful is not None:
        problem = f"no: {choice.harmful}"
    remark = f"{len(choice.fallbacks)} tensors larger · " if choice.fallbacks else ""
    remark += f"recommended: {kind.remark}" if kind.grade == "recommended" else kind.remark
    bits = f"{choice.bits:.2f}" if choice.bits is not None else fmt.UNKNOWN
    styles = {"recommended": {0: "bold $success"}, "poor": {3: "$warning"}, "special": {3: "$warning"}}.get(
        kind.grade, {}
    )
    return Row(
        key=kind.name,
        cells=(f"{kind.name:<7}", bits, fmt.size(choice.size_bytes), "" if problem else remark),
        search=f"{kind.name} {remark}",
        problem=problem,
        styles=styles,
    )
