"""One question through the engine and the fold, without a worker."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from llmtui.domain.events import Delta, Failed, Finished, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import METRIC_KEYS
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.profile import Wanted
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.base import GenerateRequest
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.errors import EngineError, ModelError, UsageError
from llmtui.services.ask import AnswerReport, ask
from llmtui.services.host import ModelHost
from llmtui.services.models import Catalogue
from llmtui.services.wiring import Services
from llmtui.store.config import Config
from llmtui.store.machine import Machine, write_machine
from llmtui.store.paths import Folders

QUESTION = (ChatMessage("user", "背诵 静夜思"),)
MODEL = LoadedModel(
    name="scripted",
    description="a script",
    engine="scripted",
    engine_build="1",
    context_size=4096,
    weights_read_per_token_bytes=1000,
    fingerprint="f" * 64,
)
LONG = ScriptedTurn(tokens=tuple(f" {number}" for number in range(2000)), delay_s=0.001)
LONG_ENOUGH = ScriptedTurn(tokens=("yes",))


class Opened:
    """Services over one scripted engine, which is kept to be looked at."""

    def __init__(self, folder: Path, *turns: ScriptedTurn, config: Config | None = None, **engine: object) -> None:
        self.engine = ScriptedEngine(turns, model=MODEL, **engine)  # type: ignore[arg-type]
        self.infos: list[ModelInfo] = []
        folders = Folders.resolve({"LLMTUI_DATA_DIR": str(folder), "LLMTUI_CONFIG_DIR": str(folder)})
        config = config or Config()
        host = ModelHost(self._open, config.runtime)
        self.services = Services(config=config, folders=folders, catalogue=Catalogue(folders, config), host=host)
        self.pieces: list[str] = []
        self.progress: list[str] = []
        self.stop = asyncio.Event()

    def _open(self, info: ModelInfo, runtime: Runtime) -> ScriptedEngine:
        self.infos.append(info)
        return self.engine

    async def ask(
        self, model: str | None = "demo", sampling: Sampling | None = None, on_text: Callable[[str], None] | None = None
    ) -> AnswerReport:
        return await ask(
            self.services,
            model,
            QUESTION,
            Wanted.plain(sampling or Sampling()),
            on_text=on_text or self.pieces.append,
            on_progress=self.progress.append,
            stop=self.stop,
        )


async def test_the_answer_is_streamed_and_reported_whole(tmp_path: Path) -> None:
    opened = Opened(tmp_path, ScriptedTurn(tokens=("床前", "明月", "光。"), delay_s=0.001))
    report = await opened.ask(sampling=Sampling(seed=3))
    assert "".join(opened.pieces) == report.content == "床前明月光。"
    assert (report.model, report.finish_reason, report.error) == ("scripted", "stop", None)
    assert report.metrics.completion_tokens == 4
    assert report.metrics.load_s is not None
    assert report.metrics.ttft_s is not None
    assert report.metrics.decode_tps is not None
    assert report.manifest is not None
    assert report.manifest.model_fingerprint == "f" * 64
    assert report.manifest.sampling.seed == 3
    assert not opened.engine.alive
    assert opened.services.host.engine is None
    assert any(line.startswith("loading demo: ") for line in opened.progress)


async def test_the_configured_model_is_asked_when_none_is_named(tmp_path: Path) -> None:
    opened = Opened(tmp_path, ScriptedTurn(tokens=("a",)), config=Config(default_model="demo"))
    await opened.ask(model=None)
    assert [info.name for info in opened.infos] == ["demo"]


async def test_kept_bandwidth_gives_a_fraction(tmp_path: Path) -> None:
    opened = Opened(tmp_path, ScriptedTurn(tokens=("a", "b"), delay_s=0.001))
    assert "llmtui doctor" in (await opened.ask()).metrics.reasons["bandwidth_fraction"]
    opened = Opened(tmp_path, ScriptedTurn(tokens=("a", "b"), delay_s=0.001))
    write_machine(opened.services.folders, Machine(memory_bandwidth=1e9))
    metrics = (await opened.ask()).metrics
    assert metrics.bandwidth_fraction is not None
    assert metrics.sources["bandwidth_fraction"] == "estimated"


async def test_a_stop_keeps_what_has_come(tmp_path: Path) -> None:
    opened = Opened(tmp_path, LONG)

    def on_text(piece: str) -> None:
        opened.pieces.append(piece)
        if len(opened.pieces) == 3:
            opened.stop.set()

    report = await opened.ask(on_text=on_text)
    assert report.finish_reason == "cancelled"
    assert report.error is None
    assert report.content == "".join(opened.pieces)
    assert 3 <= (report.metrics.completion_tokens or 0) < 2000
    assert not opened.engine.alive


async def test_a_stop_that_the_engine_does_not_know_yet_counts(tmp_path: Path) -> None:
    opened = Opened(tmp_path, LONG)
    generate, cancel = opened.engine.generate, opened.engine.cancel
    cancelled: asyncio.Queue[str] = asyncio.Queue()

    async def note_cancel(request_id: str) -> None:
        await cancel(request_id)
        cancelled.put_nowait(request_id)

    async def stopped_first(request: GenerateRequest) -> AsyncIterator[TurnEvent]:
        opened.stop.set()
        await cancelled.get()
        async for event in generate(request):
            yield event

    opened.engine.cancel = note_cancel  # type: ignore[method-assign]
    opened.engine.generate = stopped_first  # type: ignore[method-assign]
    report = await opened.ask()
    assert report.finish_reason == "cancelled"
    assert len(report.content) < 200
    assert not opened.engine.alive


async def test_an_engine_that_does_not_hear_the_stop_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(tmp_path, LONG)

    async def deep_in_a_computation(_request: GenerateRequest) -> AsyncIterator[TurnEvent]:
        yield Delta("so far", (time.perf_counter_ns(),))
        opened.stop.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("llmtui.services.ask.GRACE_S", 0.01)
    opened.engine.generate = deep_in_a_computation  # type: ignore[method-assign]
    report = await opened.ask()
    assert (report.finish_reason, report.content, report.error) == ("cancelled", "so far", None)
    assert not opened.engine.alive


async def test_a_stop_while_the_model_loads_ends_the_load(tmp_path: Path) -> None:
    opened = Opened(tmp_path, LONG, load_s=3600)
    opened.stop.set()
    report = await opened.ask()
    assert (report.finish_reason, report.content, report.manifest) == ("cancelled", "", None)
    assert set(report.metrics.reasons) == set(METRIC_KEYS) - {"finish_reason"}
    assert set(report.metrics.reasons.values()) == {"the load was interrupted"}
    assert not opened.engine.alive


async def test_a_model_that_cannot_be_loaded_is_reported(tmp_path: Path) -> None:
    failure = ModelError("The file is damaged", cause="x.gguf", remedy="Get it again")
    report = await Opened(tmp_path, LONG, load_failure=failure).ask()
    error = report.as_error()
    assert isinstance(error, ModelError)
    assert (error.title, error.cause, error.remedy, error.exit_code) == (
        *("The file is damaged", "x.gguf", "Get it again"),
        3,
    )
    assert report.finish_reason == "error"
    assert report.metrics.reasons["ttft_s"] == "the model could not be loaded"


async def test_a_missing_file_is_reported_and_an_unknown_name_raised(tmp_path: Path) -> None:
    report = await Opened(tmp_path, LONG).ask(model=str(tmp_path / "none.gguf"))
    assert isinstance(report.as_error(), ModelError)
    with pytest.raises(UsageError):
        await Opened(tmp_path, LONG).ask(model="nothing-like-it")


async def test_an_engine_that_dies_keeps_the_partial_answer(tmp_path: Path) -> None:
    failure = Failed("engine", "The model process was killed", "signal 9", "Reload it")
    opened = Opened(tmp_path, ScriptedTurn(tokens=("half ", "an "), delay_s=0.001, failure=failure, dies=True))
    report = await opened.ask()
    assert report.content == "half an "
    assert report.finish_reason == "error"
    assert isinstance(report.as_error(), EngineError)
    assert report.metrics.total_s is not None
    assert report.manifest is not None


async def test_an_engine_that_falls_silent_is_an_error(tmp_path: Path) -> None:
    opened = Opened(tmp_path, LONG)

    async def silence(request: object):
        for event in ():
            yield event

    opened.engine.generate = silence  # type: ignore[method-assign, assignment]
    error = (await opened.ask()).as_error()
    assert isinstance(error, EngineError)
    assert "in the middle" in error.title


async def test_an_error_that_is_raised_in_the_turn_is_not_one_of_the_load(tmp_path: Path) -> None:
    opened = Opened(tmp_path, ScriptedTurn(tokens=("half ", "an "), delay_s=0.001))
    generate = opened.engine.generate

    async def broken(request: GenerateRequest) -> AsyncIterator[TurnEvent]:
        async for event in generate(request):
            if isinstance(event, Finished):
                raise EngineError("The pipe broke", remedy="Ask again")
            yield event

    opened.engine.generate = broken  # type: ignore[method-assign, assignment]
    report = await opened.ask()
    assert report.content == "half an "
    assert report.error is not None
    assert report.error.title == "The pipe broke"
    assert report.manifest is not None
    assert "the model could not be loaded" not in report.metrics.reasons.values()


async def test_a_smaller_context_than_asked_is_reported(tmp_path: Path) -> None:
    asked = Config(runtime=Runtime(context=100_000))
    assert (await Opened(tmp_path, LONG_ENOUGH, config=asked).ask()).smaller_context == (100_000, 4096)
    asked = Config(runtime=Runtime(context=4096))
    assert (await Opened(tmp_path, LONG_ENOUGH, config=asked).ask()).smaller_context is None
    assert (await Opened(tmp_path, LONG_ENOUGH).ask()).smaller_context is None


async def test_what_the_listener_raises_ends_the_turn_and_the_engine(tmp_path: Path) -> None:
    opened = Opened(tmp_path, LONG)

    def gone(piece: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await opened.ask(on_text=gone)
    assert not opened.engine.alive


async def test_the_report_survives_json(tmp_path: Path) -> None:
    report = await Opened(tmp_path, ScriptedTurn(tokens=("静\x1b",))).ask()
    assert msgspec.json.decode(msgspec.json.encode(report), type=AnswerReport) == report
