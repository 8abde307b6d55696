"""What can be chosen for a run: prompt sets, models with their fit, profiles, and whether code can be run here."""

import asyncio
from typing import TYPE_CHECKING

from textual.suggester import SuggestFromList
from textual.widgets import Input

from llmtui.app.run_form import Listed, listed_set, run_model_row, set_row
from llmtui.app.screens.scoped import ScopedScreen
from llmtui.errors import LlmtuiError
from llmtui.services.bookmarks import RunChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtui.app.controller import ChatController
    from llmtui.app.widgets.mark_list import MarkList
    from llmtui.domain.fit import Room
    from llmtui.domain.models import ModelInfo


class RunLists(ScopedScreen[None]):
    """The part of the setup that finds what there is; the lists fill behind the first paint.

    Args:
        controller: of the chat.
    """

    _set_list: "MarkList"
    _model_list: "MarkList"

    def __init__(self, controller: "ChatController") -> None:
        super().__init__()
        self._controller = controller
        self._sets: list[Listed] = []
        self._models: dict[str, ModelInfo] = {}
        self._room: Room | None = None
        self._profiles: tuple[str, ...] = ()
        self._last = RunChoice()
        self._begin_with: tuple[str, ...] = ()
        self._no_sandbox: str | None = "looking for a sandbox …"

    def _tell(self) -> None:
        """What the choice comes to."""
        raise NotImplementedError

    def _say(self, text: str, *, error: bool = False) -> None:
        """Set the remark."""
        raise NotImplementedError

    async def _find_sets(self) -> None:
        from llmtui.services.profiles import list_profiles  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.prompt_sets import list_sets  # noqa: PLC0415 - as above

        folders = self._controller.services.folders
        found = await asyncio.to_thread(lambda: [listed_set(one) for one in list_sets(folders)])
        self._sets += found
        self._show_sets()
        for path in self._last.sets:
            if "/" in path and not self._begin_with:
                await self._add_file(path)
        profiles = await asyncio.to_thread(list_profiles, folders)
        self._profiles = tuple(one.name for one in profiles if one.problem is None)
        self.query_one("#setup-profile", Input).suggester = SuggestFromList(self._profiles)
        self._tell()

    async def _add_file(self, path: str) -> None:
        from llmtui.services.prompt_sets import find_set, summary_of  # noqa: PLC0415 - not needed for the first paint

        folders = self._controller.services.folders
        self._say(f"reading {path} …")
        try:
            file = await asyncio.to_thread(find_set, folders, path)
        except LlmtuiError as error:
            self._say(str(error), error=True)
            return
        summary = await asyncio.to_thread(summary_of, file)
        listed = listed_set(summary, key=str(file.resolve()))
        self._sets = [listed, *(one for one in self._sets if one.key != listed.key)]
        if listed.problem is None:
            self._set_list.choose([listed.key])
            self._set_list.clear_filter()
        self._show_sets()
        self._tell()
        if listed.problem is not None:
            self._say(listed.problem, error=True)

    def _show_sets(self) -> None:
        marked = dict.fromkeys(self._set_list.chosen)
        self._set_list.fill([set_row(one) for one in sorted(self._sets, key=lambda one: not one.key.startswith("<"))])
        if dict.fromkeys(self._set_list.chosen) != marked:
            self._tell()

    async def _find_models(self) -> None:
        catalogue = self._controller.services.catalogue
        try:
            found = await asyncio.to_thread(catalogue.list)
        except LlmtuiError as error:
            self._say(str(error), error=True)
            return
        self._take_models(found)

    async def _find_served(self) -> None:
        from llmtui.services.servers import list_served  # noqa: PLC0415 - only where servers are configured

        servers = self._controller.services.catalogue.servers
        if servers:
            async for found in list_served(servers):
                self._take_models(found)

    async def _look_at_memory(self) -> None:
        from llmtui.services.fits import read_room  # noqa: PLC0415 - not needed for the first paint

        self._room = await asyncio.to_thread(read_room, self._controller.services.host.runtime)
        self._take_models(())

    def _take_models(self, found: "Sequence[ModelInfo]") -> None:
        from llmtui.domain.fit import fit_of  # noqa: PLC0415 - not needed for the first paint

        self._models |= {info.name: info for info in found}
        host, room = self._controller.services.host, self._room
        warm = {info.path for info in host.warm}
        rows = []
        for info in self._models.values():
            fit = fit_of(info, host.runtime, room) if room is not None else None
            rows.append(run_model_row(info, fit, loaded=info.path in warm or bool(info.loaded)))
        self._model_list.fill(rows)
        self._tell()

    async def _probe(self) -> None:
        from llmtui.services.sandbox.access import Absence, probe  # noqa: PLC0415 - starts processes

        found = await asyncio.to_thread(probe)
        self._no_sandbox = f"{found.cause}; {found.remedy}" if isinstance(found, Absence) else None
        self._tell()

    async def _add_model(self, text: str) -> None:
        try:
            info = await asyncio.to_thread(self._controller.services.catalogue.resolve, text)
        except LlmtuiError as error:
            self._say(str(error), error=True)
            return
        self._model_list.choose([info.name])
        self._model_list.clear_filter()
        self._take_models([info])
