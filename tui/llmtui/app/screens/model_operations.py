"""What the model list does with models besides loading them: pull and remove."""

from typing import TYPE_CHECKING

from llmtui.app.screens.picker import PickerScreen
from llmtui.domain.models import ModelInfo

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


class ModelOperations(PickerScreen[ModelInfo]):
    """Opens the screens of operations on top of the list, and brings it up to date after them.

    Attributes:
        new_path: file of the model that was pulled last; it is marked once it is found.
    """

    _services: "Services"
    new_path: str | None = None

    def action_fetch_model(self) -> None:
        """Pull a model and mark it."""
        from llmtui.app.screens.pull import PullScreen  # noqa: PLC0415 - not needed for the first paint

        def pulled(path: str | None) -> None:
            if path is not None:
                self.new_path = path
                self._look_again()

        self.app.push_screen(PullScreen(self._services), pulled)

    def action_remove_model(self) -> None:
        """Remove the marked model, after showing its files."""
        from llmtui.app.screens.remove import RemoveScreen  # noqa: PLC0415 - not needed for the first paint

        def removed(gone: bool | None) -> None:  # noqa: FBT001 - Textual's signature
            if gone:
                self._look_again()

        if self.marked is not None:
            self.app.push_screen(RemoveScreen(self._services, self.marked), removed)

    def _look_again(self) -> None:
        self.call_later(self.run_action, "rescan_models")
