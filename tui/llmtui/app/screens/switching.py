"""What the chat screen does with models: choosing, going back and forth, loading again, and the screens about them."""

from functools import partial
from typing import TYPE_CHECKING

from llmtui.app.screens.messages import MessageScreen

if TYPE_CHECKING:
    from llmtui.domain.models import ModelInfo


class SwitchingScreen(MessageScreen):
    """The chat screen's part that works on models."""

    def action_reload_model(self) -> None:
        """Load the model again."""
        self.spawn(self.controller.reload(), "model")

    def action_swap_model(self) -> None:
        """Go back to the model used before."""
        self.spawn(self.controller.swap(), "model")

    def action_load_pinned(self, number: int) -> None:
        """Load a pinned model."""
        self.spawn(self.controller.load_pinned(number), "model")

    def action_pick_model(self) -> None:
        """Choose a model."""
        from llmtui.app.screens.model_picker import ModelPicker  # noqa: PLC0415 - not needed for the first paint

        def picked(info: "ModelInfo | None") -> None:
            if info is not None:
                self.spawn(self.controller.load(info), "model")

        picker = ModelPicker(self.controller.services, self.controller.bookmarks, self.actions)
        self.app.push_screen(picker, picked)

    def action_pick_profile(self) -> None:
        """Choose a profile, or change one."""
        from llmtui.app.screens.profile_picker import ProfilePicker  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.profiles import list_profiles  # noqa: PLC0415 - as above

        controller = self.controller
        self.app.push_screen(
            ProfilePicker(controller, partial(list_profiles, controller.services.folders), self.actions)
        )

    def action_adapters(self) -> None:
        """Attach or detach LoRA adapters."""
        from llmtui.app.screens.adapters import AdaptersScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(AdaptersScreen(self.controller.services))
