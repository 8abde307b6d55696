"""Runs over scripted engines: sets and runs in a folder of their own, and every event kept."""

from pathlib import Path
from typing import Any

import msgspec

from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.profile import Profile
from llmtui.domain.run import ModelRecord, SampleRecord, ScoreRecord
from llmtui.domain.settings import Runtime, Server
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.services.host import ModelHost
from llmtui.services.models import Catalogue
from llmtui.services.runner import Runner
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.events import RunEvent, SampleEnded
from llmtui.services.runs.judging import Scoring
from llmtui.services.runs.plan import Wishes, make_plan
from llmtui.services.wiring import Services
from llmtui.store.config import Config
from llmtui.store.paths import Folders
from llmtui.store.runs import _records

GRANTED = LoadedModel(
    name="scripted", description="a script", engine="scripted", engine_build="1", context_size=4096, fingerprint="f"
)
ONE = "samples:\n  - {id: a, input: hello, targets: [yes], scorers: [{type: contains}]}\n"
TWO = f"{ONE}  - {{id: b, input: bye, targets: [no], scorers: [{{type: contains}}, {{type: human}}]}}\n"


class Opened:
    """One user with one set and one scripted model after another.

    Args:
        folder: of the user.
        turns: the script of each engine that is opened, the last one again and again; the warm-up takes the first turn.
        samples: of the set.
    """

    def __init__(self, folder: Path, *scripts: list[ScriptedTurn], samples: str = TWO, **parts: Any) -> None:
        self.folders = Folders.resolve({"LLMTUI_DATA_DIR": str(folder), "LLMTUI_CONFIG_DIR": str(folder)})
        self.path = folder / "set.yaml"
        self.path.write_text(f"schema: llmtui.promptset/1\n{samples}", encoding="utf-8")
        self.scripts = list(scripts)
        self.engines: list[ScriptedEngine] = []
        config = Config(servers={"far": Server(url="http://127.0.0.1:1/v1")})
        host = ModelHost(self._open, Runtime())
        self.services = Services(
            config=config,
            folders=self.folders,
            catalogue=Catalogue(self.folders, config),
            host=host,
            profile=parts.get("profile", Profile()),
        )
        self.events: list[RunEvent] = []

    def _open(self, info: ModelInfo, runtime: Runtime) -> ScriptedEngine:
        script = self.scripts[min(len(self.engines), len(self.scripts) - 1)]
        engine = ScriptedEngine(script, model=msgspec.structs.replace(GRANTED, served_by=info.server))
        self.engines.append(engine)
        return engine

    async def begin(self, *models: str, **wishes: Any) -> RunBook:
        wanted = Wishes(sets=(str(self.path),), models=models or ("demo",), **wishes)
        return await RunBook.begin(self.folders, None, make_plan(self.services, wanted))

    def reopen(self, book: RunBook) -> RunBook:
        return RunBook.reopen(self.folders, book.path)

    async def run(
        self, book: RunBook, *, stop_after: int | None = None, parallel: int = 1, scoring: Scoring | None = None
    ) -> RunBook:
        """Run to the end, or until so many samples have ended."""
        host = self.services.host
        runner = Runner(self.services, book, host, parallel=parallel, scoring=scoring, first_wait_s=0.001)
        ended = 0
        async for event in runner.events():
            self.events.append(event)
            ended += isinstance(event, SampleEnded)
            if ended == stop_after:
                runner.stop.set()
        await self.services.host.close()
        await book.close(finished=not runner.stop.is_set())
        return book


def samples(book: RunBook) -> list[SampleRecord]:
    return [record for record in _records(book.path) if isinstance(record, SampleRecord)]


def scores(book: RunBook) -> list[ScoreRecord]:
    return [record for record in _records(book.path) if isinstance(record, ScoreRecord)]


def models(book: RunBook) -> list[ModelRecord]:
    return [record for record in _records(book.path) if isinstance(record, ModelRecord)]
