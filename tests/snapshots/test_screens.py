"""What the screens look like: SVGs at 80×24 and 140×40, dark and light, with Chinese text.

Everything that moves by itself is fixed: the host's reading, the model's figures, the turns (from a transcript).
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from pilot.conftest import Stage
from textual.pilot import Pilot

from llmtui.app.app import LlmtuiApp
from llmtui.app.screens.side_by_side import SideBySideScreen
from llmtui.domain.fit import Room
from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.metrics import HostReading, ProcessMemory, TurnMetrics
from llmtui.domain.models import LoadedModel, MemoryParts, ModelInfo
from llmtui.domain.transcript import ChatRecord, Manifest, MessageRecord, TurnRecord
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.services.answers import ShownAnswer, ShownScore
from llmtui.services.model_files import ModelDetails, TensorShare
from llmtui.services.session import ChatSession
from llmtui.services.summary import summary_line
from llmtui.store.transcript_writer import TranscriptWriter

MIB = 1 << 20
GIB = 1 << 30
HOST = HostReading(
    t_ns=1,
    cpu_percent=97.0,
    process=ProcessMemory(rss_anon_bytes=812 * MIB, rss_file_bytes=4403 * MIB, rss_peak_bytes=5300 * MIB),
)
MODEL = LoadedModel(
    name="qwen2-7b-instruct",
    description="qwen2 7B Q4_K_M",
    engine="llama.cpp",
    engine_build="1",
    context_size=8192,
    quantisation="Q4_K_M",
    threads=4,
    pid=1,
    memory=MemoryParts(weights_bytes=4403 * MIB, kv_bytes=448 * MIB, compute_bytes=304 * MIB),
)
CODE = """\
Punctuation is left out:

```python
def count(poem: str) -> int:
    '''汉字的个数。'''
    return sum("一" <= char <= "龥" for char in poem)
```

| line | 字 |
|---|---|
| 床前明月光 | 5 |
| 疑是地上霜 | 5 |
"""
CHAT = (
    (
        "李白最知名的诗是哪首？",
        "李白最知名的诗是**《静夜思》**：\n\n> 床前明月光，疑是地上霜。\n> 举头望明月，低头思故乡。",
    ),
    ("Write a function that counts the characters of a poem. 只数汉字。", CODE),
    ("生鱼片是不是死鱼片？", "是的。生鱼片的“生”是未经烹煮的意思，不是“活着”的意思。"),
)


class StillProfiler:
    """A profiler whose reading never changes."""

    def start(self) -> None:
        """Nothing to sample."""

    def stop(self) -> None:
        """Nothing to end."""

    def watch(self, _pid: int | None) -> None:
        """Nothing to watch."""

    def reading(self) -> HostReading:
        return HOST


def a_chat(folder: Path) -> Path:
    path = folder / "chat.jsonl"
    writer = TranscriptWriter(path)
    at = "2026-01-01T00:00:00Z"
    writer.append(ChatRecord(id="c", created_at=at, llmtui="0.1.0"))
    parent = None
    for number, (question, said) in enumerate(CHAT, start=1):
        asked = Message(id=f"q{number}", parent_id=parent, role="user", content=question, created_at=at)
        answered = Message(
            id=f"a{number}",
            parent_id=asked.id,
            role="assistant",
            content=said,
            created_at=at,
            model=MODEL.name,
            finish_reason="stop",
        )
        metrics = TurnMetrics(
            prompt_tokens=1404 * number,
            cached_tokens=1204 * (number - 1),
            prefill_tps=812.4,
            ttft_s=0.21 * number,
            completion_tokens=128 + number,
            decode_tps=42.1 - number / 3,
            decode_cps=55.2,
            itl_p50_ms=23.4,
            itl_p95_ms=31.2,
            context_used=1532 * number,
            context_size=8192,
            rss_anon_bytes=812 * MIB,
            rss_file_bytes=4403 * MIB,
            finish_reason="stop",
        )
        manifest = Manifest(model=MODEL.name, engine="llama.cpp", engine_build="1", llmtui="0.1.0")
        writer.append(MessageRecord(message=asked), MessageRecord(message=answered))
        writer.append(
            TurnRecord(
                message_id=answered.id,
                finish_reason="stop",
                metrics=metrics,
                manifest=manifest,
                summary=summary_line(metrics),
            )
        )
        parent = answered.id
    writer.close()
    return path


def info(name: str, **values: object) -> ModelInfo:
    given = {
        "name": name,
        "path": f"/models/{name}.gguf",
        "parts": [],
        "source": "folder",
        "size_bytes": 4403 * MIB,
        "modified_ns": 0,
        "architecture": "qwen2",
        "parameters": 7_615_616_512,
        "quantisation": "Q4_K_M",
        "trained_context": 32768,
        "cache_cost": {"full_elements": 28 * 4 * 256},
    }
    return msgspec.convert(given | values, ModelInfo)


MODELS = [
    info("demo", source="demo", size_bytes=5 * MIB, architecture="llama", parameters=5_000_000, quantisation="Q8_0"),
    info("qwen2-7b-instruct"),
    info("通义千问-0.5b", size_bytes=352 * MIB, parameters=494_032_768, quantisation="Q4_0"),
    info("llama-3.1-70b-instruct", source="lmstudio", size_bytes=40 * GIB, parameters=70_553_706_496),
    info("mixtral-8x7b", source="huggingface", size_bytes=10 * GIB, parameters=46_702_792_704, quantisation="Q2_K"),
    info("box/glm-4-9b", source="server", server="box", path="http://box/v1#glm-4-9b", cache_cost=None),
    info("half-downloaded", problem="the file is shorter than its header says"),
]
ROOM = Room(available_bytes=12 * GIB, total_bytes=16 * GIB)


def details(model: ModelInfo) -> ModelDetails:
    return ModelDetails(
        info=model,
        gguf_version=3,
        alignment=32,
        tensors=290,
        tensor_types=(TensorShare(type="Q4_0", tensors=168, size_bytes=9, share=0.58),),
        metadata={"qwen2.block_count": 24, "qwen2.embedding_length": 896, "qwen2.attention.head_count": 14},
        special_tokens={},
        template="{{ messages }}",
        named_templates={},
        licence="apache-2.0",
    )


class Sight:
    """A program of which a picture can be taken."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("llmtui.services.profiler.Profiler", StillProfiler)
        monkeypatch.setattr("llmtui.services.fits.read_room", lambda *_: ROOM)
        monkeypatch.setattr("llmtui.services.bookmarks.Bookmarks.used_at", lambda *_: 0.0)
        self.stage = stage

    def app(self, *, theme: str = "llmtui-dark", with_chat: bool = True) -> LlmtuiApp:
        self.stage.configure(theme=theme)
        chosen = MODELS[1] if with_chat else MODELS[0]
        granted = msgspec.structs.replace(MODEL, name=chosen.name, quantisation=chosen.quantisation)
        services = self.stage.services()
        services.host._open_engine = lambda *_: ScriptedEngine([ScriptedTurn(tokens=("好",))], model=granted)
        services.catalogue.resolve = lambda _spec: chosen
        services.catalogue.scan = lambda: iter(MODELS)
        services.catalogue.details = details
        chat = a_chat(self.stage.folder) if with_chat else None
        return LlmtuiApp(services, model=chosen.name, chat=chat)


@pytest.fixture
def sight(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Sight:
    return Sight(stage, monkeypatch)


def after(
    *keys: str, words: str = "", state: Callable[[LlmtuiApp], None] | None = None
) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Wait until the model is ready, press the keys, wait until a word stands on the screen."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, LlmtuiApp)
        for _ in range(500):
            await pilot.pause(0.02)
            if app.chat.controller.loading is None:
                break
        if state is not None:
            state(app)
        await pilot.press(*keys)
        for _ in range(500):
            await pilot.pause(0.02)
            strips = app.screen._compositor.render_strips()
            if words in "\n".join("".join(segment.text for segment in strip) for strip in strips):
                return
        pytest.fail(f"{words!r} did not appear")

    return prepare


SIZES = {"80x24": (80, 24), "140x40": (140, 40)}


@pytest.mark.parametrize("theme", ["llmtui-dark", "llmtui-light"])
@pytest.mark.parametrize("size", SIZES)
def test_conversation(snap_compare, sight: Sight, size: str, theme: str):
    assert snap_compare(sight.app(theme=theme), terminal_size=SIZES[size], run_before=after(words="未经烹煮"))


@pytest.mark.parametrize("size", SIZES)
def test_welcome(snap_compare, sight: Sight, size: str):
    assert snap_compare(sight.app(with_chat=False), terminal_size=SIZES[size], run_before=after(words="Welcome"))


PICK = ("ctrl+o", "f2", "down", "f2")


@pytest.mark.parametrize("size", SIZES)
def test_model_picker(snap_compare, sight: Sight, size: str):
    ready = after(*PICK, words="pinned: Alt+2")
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


def test_help(snap_compare, sight: Sight):
    assert snap_compare(sight.app(), terminal_size=(80, 24), run_before=after("f1", words="Send the question"))


def test_palette(snap_compare, sight: Sight):
    assert snap_compare(sight.app(), terminal_size=(80, 24), run_before=after("ctrl+p", words="Start a new chat"))


@pytest.mark.parametrize("theme", ["llmtui-dark", "llmtui-light"])
def test_prompt_inspector(snap_compare, sight: Sight, monkeypatch: pytest.MonkeyPatch, theme: str):
    monkeypatch.setattr("llmtui.app.widgets.token_view.FEW_COLOURS", frozenset())  # whatever terminal the tests run in

    def draft(app: LlmtuiApp) -> None:
        app.chat.query_one("#composer").set_draft("再来一首，\x1b[31m要短。")

    ready = after("f3", words="head of the answer", state=draft)
    assert snap_compare(sight.app(theme=theme), terminal_size=(80, 24), run_before=ready)


TALE = "# 静夜思\n\n床前明月光，疑是地上霜。举头望明月，低头思故乡。\n\nThe moon before my bed — "


def a_notebook(app: LlmtuiApp) -> None:
    """A text that a model has gone on with, and a gap."""
    app.chat.action_open_notebook()
    app.chat.desk.notebook.note(TALE)


@pytest.mark.parametrize("size", SIZES)
def test_notebook(snap_compare, sight: Sight, monkeypatch: pytest.MonkeyPatch, size: str):
    monkeypatch.setattr("llmtui.services.turn_runner.summary_line", lambda _: "42.1 tok/s · ttft 0.21 s · 15 tok · ctx 1 %")

    async def ready(pilot: Pilot[None]) -> None:
        await after(words="F5 write", state=a_notebook)(pilot)
        await pilot.press("f5")
        await after(words="42.1")(pilot)
        await pilot.press("ctrl+home", "down", "down", "end", "f6")
        await after(words="fills the gap")(pilot)
        await after(words="% context")(pilot)
        await after(words="changed since")(pilot)

    app = sight.app()
    app.services.host._open_engine = lambda *_: ScriptedEngine(
        [ScriptedTurn(tokens=("is", " it", " hoarfrost", "，", "霜吗？"))], model=MODEL
    )
    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)


def test_trouble(snap_compare, sight: Sight, monkeypatch: pytest.MonkeyPatch):
    """A dead engine and a full disk at once, on a small screen."""

    def break_down(app: LlmtuiApp) -> None:
        app.chat.controller.services.host.engine.die()
        monkeypatch.setattr(ChatSession, "save_problem", "disk full: 0 bytes are left on /home")
        app.chat.state_changed()

    ready = after(words="not being saved", state=break_down)
    assert snap_compare(sight.app(), terminal_size=(80, 24), run_before=ready)


def test_too_small(snap_compare, sight: Sight):
    assert snap_compare(sight.app(), terminal_size=(20, 5), run_before=after(words="20×5"))


def beside(label: str, content: str, tps: float, **settings: object) -> ShownAnswer:
    passed = "举头望明月" in content
    return ShownAnswer(
        label=label,
        prompt=(ChatMessage("user", "背诵李白的《静夜思》，只写正文。"),),
        content=content,
        metrics=TurnMetrics(decode_tps=tps, ttft_s=0.21, completion_tokens=28, context_used=58, context_size=4096),
        manifest=Manifest(model=label, engine="llama.cpp", engine_build="1", llmtui="0.1.0", **settings),
        scores=(ShownScore(scorer="verbatim", value=float(passed), passed=passed),),
    )


BESIDE = (
    beside("qwen2-7b-instruct", "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。", 41.2, quantisation="Q4_K_M"),
    beside("通义千问-0.5b", "床前看月光，疑是地上霜。\n\n- **唐代**", 88.0, quantisation="Q4_0"),
    beside("llama-3.1-8b", "Here it is:\n\n> 床前明月光", 12.0, quantisation="Q8_0", seed=2),
)


@pytest.mark.parametrize(
    ("size", "keys"), [((80, 24), ""), ((140, 40), ""), ((140, 40), "d")], ids=["80x24", "140x40", "diff"]
)
def test_side_by_side(sight: Sight, snap_compare, size: tuple[int, int], keys: str):
    async def show(pilot: Pilot) -> None:
        await after(words="未经烹煮")(pilot)
        pilot.app.push_screen(SideBySideScreen("li-bai / jingyesi", BESIDE))
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()

    assert snap_compare(sight.app(), terminal_size=size, run_before=show)
