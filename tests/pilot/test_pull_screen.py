"""Pulling and removing models on the screen."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilot.conftest import Screen, Stage
from servers.hub_server import HubServer, hub_server
from servers.ollama_server import ollama_server
from textual.widgets import Input, OptionList

from llmtui.app.screens.progress import ProgressScreen
from llmtui.app.screens.pull import PullScreen
from llmtui.app.screens.remove import RemoveScreen
from llmtui.domain.settings import Server
from llmtui.services.models import DEMO_FILE

REPOSITORY = "poets/demo-GGUF"
SIZE = DEMO_FILE.stat().st_size


@pytest.fixture
def hub(stage: Stage) -> Iterator[HubServer]:
    with hub_server() as hub:
        hub.put(REPOSITORY, "demo-Q8_0.gguf", DEMO_FILE)
        hub.put(REPOSITORY, "demo-Q2_K.gguf", b"x" * 1000)
        hub.put(REPOSITORY, "mmproj-demo-f16.gguf", b"x" * 10)
        stage.configure(hub_endpoint=hub.url)
        yield hub


def pulled(stage: Stage) -> Path:
    return stage.folders.models_dir / "poets" / "demo-GGUF" / "demo-Q8_0.gguf"


async def look(screen: Screen, reference: str) -> None:
    await screen.pilot.press("f9")
    await screen.until(lambda: isinstance(screen.app.screen, PullScreen))
    screen.app.screen.query_one(Input).value = reference
    await screen.pilot.press("enter")


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (140, 40)])
async def test_a_model_is_looked_up_chosen_and_pulled(stage: Stage, hub: HubServer, size: tuple[int, int]):
    async with stage.run(size=size) as screen:
        await look(screen, REPOSITORY)
        offered = screen.app.screen.query_one(OptionList)
        await screen.until(lambda: offered.option_count == 2)
        assert offered.highlighted == 1
        await screen.pilot.press("enter")
        await screen.until(lambda: pulled(stage).exists() and screen.app.screen is screen.chat)
        assert pulled(stage).read_bytes() == DEMO_FILE.read_bytes()
        assert screen.app.operations.running == ()


async def test_sizes_and_advice_are_shown(stage: Stage, hub: HubServer):
    async with stage.run(size=(80, 24)) as screen:
        await look(screen, REPOSITORY)
        await screen.see("recommended")
        assert "4.1 MiB" in screen.text
        assert "worse answers" in screen.text
        assert "the largest usual one that fits" in screen.text


@pytest.mark.parametrize(
    ("reference", "words"),
    [("nothing", "names no model to pull"), ("poets/none", "has no repository"), (f"{REPOSITORY}:Q5_0", "has no Q5_0")],
)
async def test_what_is_not_there_is_said_and_can_be_mended(stage: Stage, hub: HubServer, reference: str, words: str):
    async with stage.run() as screen:
        await look(screen, reference)
        await screen.see(words)
        screen.app.screen.query_one(Input).value = REPOSITORY
        await screen.pilot.press("enter")
        await screen.see("recommended")


async def test_a_stopped_download_goes_on_where_it_was(stage: Stage, hub: HubServer):
    hub.gate = (SIZE // 2, threading.Event())
    async with stage.run() as screen:
        await look(screen, REPOSITORY)
        await screen.see("recommended")
        await screen.pilot.press("enter")
        await screen.until(lambda: isinstance(screen.app.screen, ProgressScreen))
        operation = screen.app.operations.running[0]
        await screen.until(lambda: operation.progress is not None and (operation.progress.done or 0) > 0)
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.operations.running == ())
        (partial,) = pulled(stage).parent.iterdir()
        came = partial.stat().st_size
        assert 0 < came < SIZE
        assert isinstance(screen.app.screen, PullScreen)

        hub.gate[1].set()
        await screen.pilot.press("enter")
        await screen.until(pulled(stage).exists)
        assert hub.downloads()[-1].range == f"bytes={came}-"


async def test_the_chat_goes_on_while_a_model_comes(stage: Stage, hub: HubServer):
    hub.gate = (SIZE // 2, threading.Event())
    async with stage.run() as screen:
        await look(screen, REPOSITORY)
        await screen.see("recommended")
        await screen.pilot.press("enter")
        await screen.until(lambda: isinstance(screen.app.screen, ProgressScreen))
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.app.screen is screen.chat)
        await screen.see("Pull demo-Q8_0.gguf")
        await screen.ask("hello")
        await screen.answered(1)
        hub.gate[1].set()
        await screen.see("Done: Pull demo-Q8_0.gguf")
        assert pulled(stage).exists()


async def remove(screen: Screen, stage: Stage, name: str) -> list[bool | None]:
    ends: list[bool | None] = []
    services = screen.controller.services
    screen.app.push_screen(RemoveScreen(services, services.catalogue.resolve(name)), ends.append)
    return ends


async def test_a_model_goes_after_a_yes_and_is_unloaded_first(stage: Stage):
    path = stage.add_model("old")
    async with stage.run(size=(140, 40), model="old") as screen:
        ends = await remove(screen, stage, "old")
        await screen.see("4.1 MiB would be free again")
        assert "it is loaded here" in screen.text
        assert str(path)[:40] in screen.text
        await screen.pilot.press("enter")
        assert path.exists()
        await screen.pilot.press("y")
        await screen.until(lambda: ends == [True])
        assert not path.exists()
        assert not screen.controller.services.host.alive


async def test_nothing_leads_to_a_removed_model_any_more(stage: Stage):
    stage.add_model("old")
    async with stage.run(size=(140, 40), model="old") as screen:
        bookmarks = screen.controller.bookmarks
        services = screen.controller.services
        assert bookmarks.toggle_pin(services.catalogue.resolve("old")) == 1
        for name in ("demo", "old"):
            screen.chat.spawn(screen.controller.load(services.catalogue.resolve(name)), "model")
            await screen.until(lambda name=name: screen.controller.answers and screen.controller.model.name == name)
        ends = await remove(screen, stage, "old")
        await screen.see("y removes")
        await screen.pilot.press("y")
        await screen.until(lambda: ends == [True])
        await screen.see("no model · Ctrl+O opens one")
        assert not screen.controller.dead
        assert not bookmarks.pins
        await screen.pilot.press("ctrl+l")
        await screen.see("There is no model to load again")
        await screen.pilot.press("alt+0")
        await screen.until(lambda: screen.controller.answers)
        assert screen.controller.model.name == "demo"
        await screen.pilot.press("alt+0")
        await screen.see("No other model was used yet")


async def test_a_model_stays_without_a_yes(stage: Stage):
    path = stage.add_model("old")
    async with stage.run() as screen:
        ends = await remove(screen, stage, "old")
        await screen.see("would be free again")
        await screen.pilot.press("escape")
        await screen.until(lambda: ends == [False])
        assert path.exists()


async def test_what_is_not_removed_is_said(stage: Stage):
    async with stage.run() as screen:
        ends = await remove(screen, stage, "demo")
        await screen.see("The demo model comes with llmtui and stays")
        await screen.pilot.press("y")
        await screen.pilot.press("escape")
        await screen.until(lambda: ends == [False])
        assert DEMO_FILE.exists()


async def test_the_list_marks_what_was_pulled_and_forgets_what_was_removed(stage: Stage, hub: HubServer):
    stage.add_model("other")
    async with stage.run(size=(140, 40)) as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("2 models")
        picker = screen.app.screen
        await screen.pilot.press("f6")
        await screen.until(lambda: isinstance(screen.app.screen, PullScreen))
        screen.app.screen.query_one(Input).value = f"{REPOSITORY}:q8_0"
        await screen.pilot.press("enter")
        await screen.see("Enter pulls the marked one")
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.app.screen is picker)
        await screen.see("3 models")
        await screen.until(lambda: picker.marked is not None and picker.marked.name == "demo-Q8_0")
        await screen.pilot.press("f8")
        await screen.see("would be free again")
        await screen.pilot.press("y")
        await screen.until(lambda: screen.app.screen is picker)
        await screen.see("2 models")
        assert not pulled(stage).exists()
        await screen.pilot.press("escape")
        assert screen.controller.model.name == "demo"


async def test_ollamas_model_is_removed_through_its_server(stage: Stage):
    async with ollama_server() as server:
        server.add("reciter:latest", context=1024)
        stage.configure(servers={"box": Server(url=server.url, kind="ollama")})
        async with stage.run() as screen:
            ends = await remove(screen, stage, "box/reciter:latest")
            await screen.see("on the server")
            await screen.pilot.press("y")
            await screen.until(lambda: ends == [True])
        assert server.models == {}
