"""Choosing a model and going back to a chat, with the keyboard only."""

import threading
from collections.abc import Iterator

import msgspec
import pytest
from pilot.conftest import POEM, Stage
from textual.events import Paste

from llmtui.app.screens.history import HistoryScreen
from llmtui.app.screens.model_picker import ModelPicker
from llmtui.app.widgets.row_list import RowList
from llmtui.domain.models import ModelInfo
from llmtui.services.models import Catalogue
from llmtui.services.session import ChatSession

HOSTILE_NAME = "evil\x1b]52;c;eA==\x07[red]name"


async def test_the_model_changes_and_the_conversation_stays(stage: Stage):
    stage.add_model("qwen2-千问")
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.answered(1)
        await screen.pilot.press("ctrl+o")
        await screen.see("qwen2-千问")
        await screen.pilot.press(*"qwen")
        await screen.until(lambda: len(screen.app.screen.query_one(RowList).rows) == 1)
        await screen.pilot.press("enter")
        await screen.until(lambda: len(stage.opened) == 2 and screen.controller.loading is None)
        await screen.see("qwen2-千问 · Q8_0 · scripted")
        await screen.ask("second")
        await screen.answered(2)
        assert [entry.label for entry in screen.entries] == ["you", "demo", "you", "qwen2-千问"]
        assert [message.content for message in screen.controller.session.messages] == ["first", POEM, "second", POEM]


async def test_the_picker_lists_names_figures_and_problems_safely(stage: Stage):
    stage.add_model("zebra")
    (stage.models / f"{HOSTILE_NAME}.gguf").write_bytes(b"this is no model")
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("zebra")
        text = screen.text
        assert "␛]52;c;eA==␇[red]name" in text
        assert not {"\x1b", "\x07"} & set(text)
        assert "3 models · 1 cannot be loaded" in text
        assert "Q8_0" in text
        assert "llama" in text
        await screen.pilot.press(*"evil")
        rows = screen.app.screen.query_one(RowList)
        await screen.until(lambda: len(rows.rows) == 1)
        await screen.pilot.press("down", "enter")
        await screen.until(lambda: screen.app.screen.query_one("#remark").has_class("-error"))
        assert isinstance(screen.app.screen, ModelPicker)
        assert len(stage.opened) == 1


async def test_escape_closes_the_picker_and_loads_nothing(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("1 model")
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert len(stage.opened) == 1


async def test_a_path_can_be_typed(stage: Stage, tmp_path):
    other = stage.add_model("elsewhere").rename(tmp_path / "elsewhere.gguf")
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("1 model")
        screen.app.screen.query_one("#filter").value = str(tmp_path / "nothing.gguf")
        await screen.pilot.press("enter")
        await screen.see("nothing.gguf")
        await screen.until(lambda: screen.app.screen.query_one("#remark").has_class("-error"))
        screen.app.screen.query_one("#filter").value = str(other)
        await screen.pilot.press("enter")
        await screen.until(lambda: len(stage.opened) == 2 and screen.controller.loading is None)
        assert screen.controller.model.path == str(other)


async def test_control_characters_reach_neither_the_filter_nor_the_remark(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("1 model")
        picker = screen.app.screen
        picker.remark("no such file: a\x1b[2Jb", error=True)
        await screen.see("a␛[2Jb")
        field = picker.query_one("#filter")
        field.post_message(Paste("x\x1b[2J"))
        await screen.pilot.press("y")
        assert field.value == "y"
        assert "\x1b" not in screen.text


async def test_another_model_can_be_chosen_while_one_loads(stage: Stage):
    stage.add_model("quick")
    stage.load_s = 60.0
    async with stage.run(ready=False) as screen:
        await screen.see("loading demo")
        stage.load_s = 0.0
        await screen.pilot.press("ctrl+o")
        await screen.see("quick")
        await screen.pilot.press("down", "enter")
        await screen.until(lambda: screen.controller.loading is None)
        assert screen.controller.model.name == "quick"


class Scan:
    """A listing that goes on when it is told to.

    Attributes:
        go_on: lets it read the next models.
        ended: how far it came when it was left.
    """

    def __init__(self, stage: Stage) -> None:
        self.first, *self.rest = stage.services().catalogue.list()
        self.go_on = threading.Event()
        self.ended: list[str] = []

    def __call__(self) -> Iterator[ModelInfo]:
        try:
            yield self.first
            self.ended.append(self.first.name)
            assert self.go_on.wait(30)
            for info in self.rest:
                yield info
                self.ended.append(info.name)
        finally:
            self.ended.append("end")


async def test_the_list_fills_while_headers_are_read(stage: Stage, monkeypatch):
    for name in ("alpha", "beta"):
        stage.add_model(name)
    scan = Scan(stage)
    async with stage.run() as screen:
        monkeypatch.setattr(screen.controller.services.catalogue, "scan", scan)
        await screen.pilot.press("ctrl+o")
        await screen.see("reading … 1")
        rows = screen.app.screen.query_one(RowList)
        assert len(rows.rows) == 1
        await screen.pilot.press(*"alph")
        await screen.until(lambda: len(rows.rows) == 0)
        scan.go_on.set()
        await screen.see("3 models")
        assert len(rows.rows) == 1
        await screen.pilot.press("enter")
        await screen.until(lambda: len(stage.opened) == 2 and screen.controller.loading is None)
        assert screen.controller.model.name == "alpha"


async def test_a_marked_row_stays_marked_while_the_list_grows(stage: Stage, monkeypatch):
    for name in ("alpha", "beta"):
        stage.add_model(name)
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("3 models")
        picker = screen.app.screen
        await screen.pilot.press("down", "down")
        rows = picker.query_one(RowList)
        assert picker.marked.name == "beta"
        stage.add_model("azure")
        await screen.pilot.press("f5")
        await screen.see("4 models")
        assert [row.key for row in rows.rows] == ["demo", "alpha", "azure", "beta"]
        assert picker.marked.name == "beta"
        (stage.models / "alpha.gguf").unlink()
        await screen.pilot.press(*"a", "f5")
        await screen.see("3 models")
        assert "alpha" not in {row.key for row in rows.rows}


async def test_a_list_that_is_closed_reads_no_further(stage: Stage, monkeypatch):
    for name in ("alpha", "beta"):
        stage.add_model(name)
    scan = Scan(stage)
    async with stage.run() as screen:
        monkeypatch.setattr(screen.controller.services.catalogue, "scan", scan)
        await screen.pilot.press("ctrl+o")
        await screen.see("reading … 1")
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        scan.go_on.set()
        await screen.until(lambda: "end" in scan.ended)
        assert scan.ended == ["demo", "end"]


async def test_adapters_are_not_among_the_models(stage: Stage, monkeypatch):
    stage.add_model("alpha")
    demo, alpha = stage.services().catalogue.list()
    found = [demo, msgspec.structs.replace(alpha, kind="adapter")]
    async with stage.run() as screen:
        monkeypatch.setattr(screen.controller.services.catalogue, "scan", lambda: iter(found))
        await screen.pilot.press("ctrl+o")
        await screen.see("1 model ")
        assert "alpha" not in screen.text


async def test_a_bug_in_the_listing_is_a_remark(stage: Stage, monkeypatch):
    async with stage.run() as screen:

        def broken() -> None:
            raise RuntimeError("[red]oops[/]")

        monkeypatch.setattr(screen.controller.services.catalogue, "scan", broken)
        await screen.pilot.press("ctrl+o")
        await screen.see("RuntimeError: [red]oops[/]")


async def test_history_lists_newest_first_filters_and_reopens(stage: Stage):
    async with stage.run() as screen:
        for number, question in enumerate(("the oldest question", "李白 the newest"), start=1):
            await screen.ask(question)
            await screen.answered(1)
            await screen.pilot.press("ctrl+n")
            await screen.until(lambda: screen.turns == 0)
            assert number == len(list(stage.folders.chats_dir.glob("*.jsonl")))
        await screen.pilot.press("ctrl+g")
        await screen.see("the oldest question")
        lines = screen.text.splitlines()
        first, last = (next(at for at, line in enumerate(lines) if words in line) for words in ("李白", "the oldest"))
        assert first < last
        assert "demo" in lines[first]
        await screen.pilot.press(*"oldest")
        await screen.until(lambda: len(screen.app.screen.query_one(RowList).rows) == 1)
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.turns == 1)
        assert [entry.text for entry in screen.entries] == ["the oldest question", POEM]
        assert screen.entries[1].footer
        await screen.ask("and on")
        await screen.answered(2)
        await screen.pilot.press("up")
        assert screen.chat.query_one("#composer").draft == "and on"
        await screen.pilot.press("up")
        assert screen.chat.query_one("#composer").draft == "the oldest question"


async def test_a_chat_open_elsewhere_is_refused_and_the_present_one_stays(stage: Stage):
    async with stage.run() as screen:
        await screen.ask("busy chat")
        await screen.answered(1)
        path = screen.controller.session.path
        await screen.pilot.press("ctrl+n")
        await screen.until(lambda: screen.turns == 0)
        services = stage.services()
        other = ChatSession.reopen(services.host, services.folders, path, sampling=services.config.sampling)
        try:
            await screen.pilot.press("ctrl+g")
            await screen.see("busy chat")
            await screen.pilot.press("enter")
            await screen.until(lambda: screen.app.screen.query_one("#remark").has_class("-error"))
            assert isinstance(screen.app.screen, HistoryScreen)
            assert screen.turns == 0
        finally:
            await other.close()
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.turns == 1 and screen.app.screen is screen.chat)


async def test_the_present_chat_is_simply_gone_back_to(stage: Stage):
    async with stage.run() as screen:
        await screen.ask("only chat")
        await screen.answered(1)
        await screen.pilot.press("ctrl+g")
        await screen.see("1 chat")
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.turns == 1


async def test_an_empty_history_says_so(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+g")
        await screen.see("nothing yet")


async def test_a_model_picked_while_the_first_is_still_looked_for_is_the_one_that_is_loaded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    stage.add_model("other")
    looked, resolve = threading.Event(), Catalogue.resolve

    def slow(self: Catalogue, spec: str | None) -> ModelInfo:
        looked.wait(10)
        return resolve(self, spec)

    monkeypatch.setattr(Catalogue, "resolve", slow)
    async with stage.run(ready=False) as screen:
        await screen.see("loading demo")
        info = next(info for info in stage.services().catalogue.list() if info.name == "other")
        screen.chat.spawn(screen.controller.load(info), "model")
        await screen.until(lambda: screen.controller.loaded is not None and screen.controller.loading is None)
        looked.set()
        await screen.until(lambda: not screen.controller.running)
        assert screen.controller.model is not None
        assert screen.controller.model.name == "other"
        assert len(stage.opened) == 1


async def test_escape_gives_up_the_first_model_while_it_is_still_looked_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    looked, resolve = threading.Event(), Catalogue.resolve

    def slow(self: Catalogue, spec: str | None) -> ModelInfo:
        looked.wait(10)
        return resolve(self, spec)

    monkeypatch.setattr(Catalogue, "resolve", slow)
    async with stage.run(ready=False) as screen:
        await screen.see("loading demo")
        await screen.pilot.press("escape")
        await screen.see("no model")
        looked.set()
        assert not stage.opened


async def test_history_names_the_files_that_cannot_be_read(stage: Stage):
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("a sound chat")
        await screen.answered(1)
        for number in range(5):
            (stage.folders.chats_dir / f"bad-{number}.jsonl").write_bytes(b"\x00 no chat\n")
        (stage.folders.chats_dir / "empty.jsonl").touch()
        await screen.pilot.press("ctrl+g")
        await screen.see("1 chat · 5 files cannot be read · Enter opens one")
        assert "bad-0.jsonl, bad-1.jsonl, bad-2.jsonl and 2 more" in screen.text
        assert "empty" not in screen.text
