"""What the screens about settings and prompts look like: profiles, prompts, versions of messages, adapters, details."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from pilot.conftest import Stage
from snapshots.test_screens import SIZES, Sight, after, info, sight

from llmtui.app.action import Action, Scope
from llmtui.app.actions import footer_actions
from llmtui.app.app import LlmtuiApp
from llmtui.app.screens.profile_editor import ProfileEditor
from llmtui.domain.models import AttachedAdapter
from llmtui.engines.scripted import ScriptedEngine

__all__ = ["sight"]



@pytest.fixture(autouse=True)
def _no_footer_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chat's keys are no part of these pictures, so that a new one changes none of them."""

    def shown(actions: Sequence[Action], scope: Scope = "chat") -> list[Action]:
        return [] if scope == "chat" else list(footer_actions(actions, scope))

    monkeypatch.setattr("llmtui.app.screens.chat.footer_actions", shown)


POET = """\
description: 诗人李白：只用古文回答，每次一首诗，不加解释，也不用标点以外的符号
language: zh
mode: chat-instruct
character:
  name: 李白
  user_name: 你
  context: "{{char}}是唐代诗人。"
  greeting: "君不见，黄河之水天上来？"
generation:
  temperature: 0.9
  stop: ["###", "\\n\\n"]
  reasoning: off
runtime:
  context: 8192
  kv_type_k: q8_0
"""


def profiles(stage: Stage) -> None:
    folder = stage.folders.config_dir / "profiles"
    folder.mkdir(parents=True)
    (folder / "诗人.yaml").write_text(POET, encoding="utf-8")
    (folder / "broken.yaml").write_text("mode: shout\n", encoding="utf-8")


@pytest.mark.parametrize("size", SIZES)
def test_profile_picker(snap_compare, stage: Stage, sight: Sight, monkeypatch: pytest.MonkeyPatch, size: str):
    profiles(stage)
    monkeypatch.chdir(stage.folder)
    ready = after("ctrl+t", *(["down"] * 8), words="诗人")
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("size", SIZES)
def test_profile_editor(snap_compare, stage: Stage, sight: Sight, size: str):
    profiles(stage)
    async def ready(pilot):
        await after("ctrl+t", *"诗人", words="诗人")(pilot)
        await after("f2", words="Tab and")(pilot)

    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


def at(field: str, text: str) -> Callable[[LlmtuiApp], None]:
    """Write a text into a field of the editor."""

    def write(app: LlmtuiApp) -> None:
        editor = app.screen
        assert isinstance(editor, ProfileEditor)
        widget = editor.query_one(f"#f-{field.replace('.', '-')}")
        widget.focus()
        widget.value = text  # type: ignore[attr-defined]

    return write


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("field", "text", "words"),
    [("generation.top_p", "1.5", "write a number <= 1"), ("runtime.kv_type_v", "q8_0", "yes · default")],
    ids=["wrong", "right"],
)
def test_profile_editor_settings(
    snap_compare, stage: Stage, sight: Sight, size: str, field: str, text: str, words: str
):
    profiles(stage)

    async def ready(pilot):
        await after("ctrl+t", *"诗人", words="诗人")(pilot)
        await after("f2", words="Tab and")(pilot)
        await after(state=at(field, text), words=words)(pilot)

    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


def drafted(app: LlmtuiApp) -> None:
    app.chat.query_one("#composer").set_draft("再来一首，\x1b[31m要短。")


@pytest.fixture
def shaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever terminal the tests run in."""
    monkeypatch.setattr("llmtui.app.widgets.token_view.FEW_COLOURS", frozenset())


@pytest.mark.usefixtures("shaded")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("keys", "words"),
    [((), "head of the answer"), (("t",), "id"), (("left", "d"), "turn 2")],
    ids=["text", "ids", "diff"],
)
def test_prompt_inspector(snap_compare, sight: Sight, size: str, keys: tuple[str, ...], words: str):
    async def ready(pilot):
        await after("f3", words="head of the answer", state=drafted)(pilot)
        await after(*keys, words=words)(pilot)

    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


def with_versions(app: LlmtuiApp) -> None:
    """An edited question with a new answer beside the old ones, and an edited system message."""
    thread = app.chat.controller.session.thread
    thread.edit(thread.messages[-1].id, "是的：“生”是没有煮过的意思，**不是**“活着”。Raw, not alive.")
    thread.edit_system("用中文回答，简短、准确。")
    app.chat.controller.show_conversation()


@pytest.mark.parametrize("size", SIZES)
def test_a_marked_message_with_versions(snap_compare, sight: Sight, size: str):
    ready = after("alt+up", words="2/2", state=with_versions)
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


ADAPTERS = [
    info("poet-lora", kind="adapter", size_bytes=34 << 20, path="/models/poet-lora.gguf"),
    info("诗人-李白-v2", kind="adapter", size_bytes=168 << 20, path="/models/诗人-李白-v2.gguf"),
    info("llama-coder", kind="adapter", size_bytes=84 << 20, architecture="llama", path="/models/llama-coder.gguf"),
]


@pytest.mark.parametrize("size", SIZES)
def test_adapters(snap_compare, sight: Sight, monkeypatch: pytest.MonkeyPatch, size: str):
    app = sight.app()
    app.services.catalogue.scan = lambda: iter(ADAPTERS)
    one = AttachedAdapter(name="poet-lora", path=str(Path("/models/poet-lora.gguf")), scale=0.8, fingerprint="0")
    loaded = ScriptedEngine.loaded.fget

    def with_adapter(self: ScriptedEngine):
        model = loaded(self)
        return model and msgspec.structs.replace(model, adapters=(one,))

    monkeypatch.setattr(ScriptedEngine, "loaded", property(with_adapter))
    ready = after("down", words="Enter attaches", state=lambda app: app.chat.action_adapters())
    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("size", SIZES)
def test_model_details(snap_compare, sight: Sight, size: str):
    keys = ("f4", *["ctrl+down"] * 8) if size == "80x24" else ()
    ready = after("ctrl+o", *keys, words="apache-2.0")
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("size", SIZES)
def test_system_message(snap_compare, stage: Stage, sight: Sight, size: str):
    stage.configure(system="You are a careful assistant.\n请用中文回答，简短、准确，不要编造。")
    ready = after("ctrl+n", "alt+s", words="from the configuration")
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)
