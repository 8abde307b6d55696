"""What the model list does with models besides loading them: pull, quantise, adapt and remove."""

from typing import TYPE_CHECKING

from llmtui.app.screens.picker import PickerScreen
from llmtui.domain.models import ModelInfo

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


class ModelOperations(PickerScreen[ModelInfo]):
    """Opens the screens of operations on top of the list, and brings it up to date after them.

    Attributes:
        new_path: file of the model that was pulled or made last; it is marked once it is found.
    """

    _services: "Services"
    new_path: str | None = None

    def action_quantise_model(self) -> None:
        """Write a smaller file of the marked model, and mark it."""
        from llmtui.app.screens.quantise import QuantiseScreen  # noqa: PLC0415 - not needed for the first paint

        info = self.marked
        if info is not None and info.problem is None:
            self.app.push_screen(QuantiseScreen(self._services, info), self._came)

    def action_model_adapters(self) -> None:
        """Attach or detach LoRA adapters of the model that answers."""
        from llmtui.app.screens.adapters import AdaptersScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(AdaptersScreen(self._services))

    def action_fetch_model(self) -> None:
        """Pull a model and mark it."""
        from llmtui.app.screens.pull import PullScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(PullScreen(self._services), self._came)

    def action_remove_model(self) -> None:
        """Remove the marked model, after showing its files."""
        from llmtui.app.screens.remove import RemoveScreen  # noqa: PLC0415 - not needed for the first paint

        def removed(gone: bool | None) -> None:  # noqa: FBT001 - Textual's signature
            if gone:
                self._look_again()

        if self.marked is not None:
            self.app.push_screen(RemoveScreen(self._services, self.marked), removed)

    def _came(self, path: str | None) -> None:
        """A new file is there."""
        if path is not None and self.is_attached:
            self.new_path = path
            self._look_again()

    def _look_again(self) -> None:
        self.call_later(self.run_action, "rescan_models")
