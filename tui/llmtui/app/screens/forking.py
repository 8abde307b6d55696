"""What the chat screen does to fork a turn: the model and profile are chosen, and both answers are seen."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from llmtui.app import format as fmt
from llmtui.app.screens.comparing import ComparingScreen
from llmtui.app.screens.switching import SwitchingScreen
from llmtui.app.writing import STILL_STOPPING
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.app.forking import Forking
    from llmtui.domain.messages import Message
    from llmtui.domain.models import ModelInfo
    from llmtui.domain.profile import Profile
    from llmtui.services.answers import ShownAnswer


class ForkingScreen(ComparingScreen, SwitchingScreen):
    """The chat screen's part that forks."""

    _fork: "Forking | None" = None

    async def stop_fork(self) -> None:
        """Stop a fork and keep what has come of it."""
        if self._fork is not None:
            await self._fork.stop()

    def action_fork_turn(self) -> None:
        """Have the last question, or that of the marked message, answered by another model, too."""
        from llmtui.app.screens.model_picker import ModelPicker  # noqa: PLC0415 - not needed for the first paint

        question = self._forked_question()
        if question is None:
            return

        def picked(info: "ModelInfo | None") -> None:
            if info is not None:
                self._pick_fork_profile(question, info)

        services, bookmarks = self.controller.services, self.controller.bookmarks
        self.app.push_screen(ModelPicker(services, bookmarks, self.actions, title="Fork: who answers, too"), picked)

    def go_on_with(self, answer: "ShownAnswer | None", *, with_model: bool = False) -> None:
        """Let the conversation go on from an answer that was laid beside others, and with its model where wanted."""
        super().go_on_with(answer, with_model=with_model)
        manifest = answer.manifest if answer is not None else None
        if answer is None or manifest is None:
            return
        present = self.controller.model
        if present is not None and present.name == answer.label:
            return
        if with_model:
            self.spawn(self._load_named(manifest.model_path or "", answer.label), "model")
        elif present is not None:
            key = self.controller.key("pick_model")
            self.say(f"{fmt.name(present.name)} answers from here on; {key} chooses {fmt.name(answer.label)}")

    def _forked_question(self) -> "Message | None":
        from llmtui.services.fork import question_of  # noqa: PLC0415 - not needed for the first paint

        session, controller = self.controller.session, self.controller
        problem = None
        if session is None or controller.loading is not None:
            problem = "A model is being loaded; fork when it is ready"
        elif controller.running or controller.pending is not None:
            problem = "An answer is being written; stop it first, or wait until it ends"
        elif self.desk.running:
            problem = "The notebook is being written; stop it first, or wait until it ends"
        if session is None or problem is not None:
            self.say(problem or "")
            return None
        try:
            return question_of(session, self._browser.marked)
        except LlmtuiError as error:
            self.say(str(error))
            return None

    def _pick_fork_profile(self, question: "Message", info: "ModelInfo") -> None:
        from llmtui.app.screens.fork import ForkProfilePicker  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.profiles import list_profiles  # noqa: PLC0415 - as above

        controller = self.controller
        picker = ForkProfilePicker(controller, partial(list_profiles, controller.services.folders), self.actions)

        def picked(name: str | None) -> None:
            if name is not None:
                self._begin_fork(question, info, picker.profile(name))

        self.app.push_screen(picker, picked)

    def _begin_fork(self, question: "Message", info: "ModelInfo", profile: "Profile | None") -> None:
        from llmtui.app.forking import Forking  # noqa: PLC0415 - not needed for the first paint
        from llmtui.app.screens.fork import ForkScreen  # noqa: PLC0415 - as above

        session = self.controller.session
        if session is None:
            return

        def slow() -> None:
            screen.say(STILL_STOPPING)

        self._fork = Forking(self.controller.services, session, question, info, profile, slow=slow)
        screen = ForkScreen(self._fork, self.spawn)

        def left(answer: "ShownAnswer | None") -> None:
            self._fork = None
            self._browser.end()
            self.controller.show_conversation()
            self.go_on_with(answer, with_model=screen.with_model)
            if answer is not None and screen.with_model and profile is not None:
                problem = self.controller.use_profile(profile)
                if problem is not None:
                    self.say(str(problem))

        self.app.push_screen(screen, left)

    async def _load_named(self, path: str, name: str) -> None:
        """Load the model that gave an answer, by its file, or by its name where it is a server's."""
        catalogue = self.controller.services.catalogue
        info = next((info for info in self.controller.services.host.warm if info.name == name), None)
        try:
            if info is None:
                info = await asyncio.to_thread(catalogue.resolve, path if path.endswith(".gguf") else name)
        except LlmtuiError as error:
            self.say(str(error))
            return
        await self.controller.load(info)
