"""What the chat screen does with runs: their list, opening one, and the one that goes on behind the chat."""

import asyncio
import contextlib
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtui.app.run_desk import RunDesk
from llmtui.app.screens.switching import SwitchingScreen
from llmtui.domain.quantities import size
from llmtui.domain.text import visible_line
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtui.app.run_form import Setting
    from llmtui.domain.models import ModelInfo
    from llmtui.domain.profile import Profile
    from llmtui.services.bookmarks import RunChoice
    from llmtui.services.runs.open_run import OpenRun
    from llmtui.services.runs.preparing import Crowding, Source

LEAVE_S = 10.0
"""Leaving counts as asked for twice within so long."""


class RunningScreen(SwitchingScreen):
    """The chat screen's part that works on runs."""

    _warned = False

    @cached_property
    def runs(self) -> RunDesk:
        """The run behind the chat."""
        return RunDesk(self.app.services, self.app.operations, show=self._show_run, reload=self._load_again)

    def action_run_sets(self) -> None:
        """Show the run that goes on, or begin one."""
        if self.runs.run is not None:
            self._show_run(self.runs.run)
        else:
            self._set_up()

    def action_run_chat(self) -> None:
        """Begin a run of the draft, or of this chat up to its last question."""
        sources = self._sources()
        if not sources:
            self.say("Write a question first, or ask one")
        elif self.runs.run is not None:
            self.say(f"A run is under way; {self.controller.key('run_sets')} shows it")
        else:
            self._set_up(f"<{sources[0].name}>")

    def _set_up(self, *begin_with: str) -> None:
        from llmtui.app.screens.run_setup import RunSetup  # noqa: PLC0415 - not needed for the first paint

        sources = self._sources()
        self.app.push_screen(
            RunSetup(self.controller, sources, partial(self._begin_run, sources), self.actions, begin_with=begin_with)
        )

    def _sources(self) -> "list[Source]":
        """What of the chat can be put to models: the draft, and the conversation."""
        from llmtui.services.runs.preparing import sources_of  # noqa: PLC0415 - not needed for the first paint

        session = self.controller.session
        return sources_of(session.system, session.messages, self.draft) if session is not None else []

    async def _begin_run(self, sources: "Sequence[Source]", setting: "Setting") -> str | None:
        """Begin a run and show it; what stands in the way, in words."""
        from llmtui.services.bookmarks import RunChoice  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.runs.open_run import Manner, OpenRun  # noqa: PLC0415 - as above
        from llmtui.services.runs.plan import Wishes  # noqa: PLC0415 - as above
        from llmtui.services.runs.preparing import crowding, plan_run  # noqa: PLC0415 - as above

        services, host = self.app.services, self.app.services.host
        if self.runs.run is not None:
            return f"Run {self.runs.run.run.id} is under way; two would take each other's memory"
        try:
            profile, edits = await self._profile_named(setting.profile)
            tight = await asyncio.to_thread(crowding, services, setting.infos, profile, parallel=setting.parallel)
            if tight is not None and not setting.warned:
                return _told(tight, self.controller.key("setup_start"))
            if tight is not None and tight.fits_alone and self.controller.running:
                return "The chat's model is in the middle of an answer; stop it, or wait until it has ended"
            wishes = Wishes(**{name: getattr(setting, name) for name in ("sets", "models", "epochs", "seed", "limit")})
            asked = [source for source in sources if source.name in setting.sources]
            plan = await asyncio.to_thread(plan_run, services, wishes, asked, profile, edits)
            run = await OpenRun.begin(services, plan)
        except LlmtuiError as error:
            return str(error)
        away = host.info if tight is not None and tight.fits_alone else None
        for info in host.warm if away is not None else ():
            await host.unload(info)
        self.runs.start(run, Manner(parallel=setting.parallel, allow_code=setting.allow_code), away=away)
        kept = RunChoice(**{name: getattr(setting, name) for name in RunChoice.__struct_fields__})
        self.spawn(asyncio.to_thread(self._remember, kept), "bookmarks")
        while self.app.screen is not self:  # the form, and what was opened over it while the sets were read
            self.app.pop_screen()
        self._show_run(run)
        return None

    def _remember(self, choice: "RunChoice") -> None:
        with contextlib.suppress(LlmtuiError):  # a full disk is told where it costs something
            self.controller.bookmarks.remember(run=choice)

    async def _profile_named(self, name: str | None) -> "tuple[Profile, Mapping[str, Any]]":
        """A profile, and what was changed over it in this window."""
        from llmtui.services.profiles import load_profile  # noqa: PLC0415 - not needed for the first paint

        present = self.controller.profile
        if name is None or name == present.name:
            return present, self.controller.edits
        return await asyncio.to_thread(load_profile, self.app.services.folders, name), {}

    def action_past_runs(self) -> None:
        """Show the runs of the past."""
        from llmtui.app.screens.past_runs import PastRunsScreen  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.runs.past import list_runs, remove_run  # noqa: PLC0415 - as above

        def picked(path: str | None) -> None:
            if path is not None:
                self.spawn(self.open_run(Path(path)), "run")

        folders = self.controller.services.folders
        self.app.push_screen(PastRunsScreen(partial(list_runs, folders), remove_run, self.actions), picked)

    async def open_run(self, path: Path) -> None:
        """Open the grid of a run by its file; what stands in the way is told."""
        from llmtui.services.runs.open_run import OpenRun  # noqa: PLC0415 - not needed for the first paint

        try:
            run = self.runs.holds(path)
            self._show_run(run if run is not None else await asyncio.to_thread(OpenRun.read, path))
        except LlmtuiError as error:
            self.say(str(error))

    def _show_run(self, run: "OpenRun") -> None:
        from llmtui.app.screens.run_grid import RunGridScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(RunGridScreen(run, self.runs, self.actions))

    def _load_again(self, info: "ModelInfo") -> None:
        if self.is_attached and not self.controller.answers and self.controller.loading is None:
            self.spawn(self.controller.load(info), "model")

    def may_leave(self) -> bool:
        """Whether nothing is broken off by leaving now, or the user has been told that it is."""
        if self._warned or self.runs.run is None:
            return True
        self._warned = True
        self.set_timer(LEAVE_S, self._forget_warning)
        key = self.controller.key("quit")
        self.app.notify(
            f"A run is under way. {key} again stops it and leaves; it can be taken up again.",
            severity="warning",
            markup=False,
            timeout=LEAVE_S,
        )
        return False

    def _forget_warning(self) -> None:
        self._warned = False


def _told(tight: "Crowding", key: str) -> str:
    needed, free = size(tight.needed_bytes), size(tight.available_bytes)
    lacks = f"{visible_line(tight.model)} takes about {needed}, and {free} are free"
    if tight.fits_alone:
        return f"{lacks} beside the chat's model. {key} again unloads that until the run has ended."
    return f"{lacks}. {key} again tries it all the same."
