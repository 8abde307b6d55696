"""A server's models on the screen: listed beside the files, switched to, spoken to, and never in the way."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest
from pilot.conftest import POEM, Stage
from servers.llama_server import llama_server
from servers.wire_server import Reply, Request, sse, text, usage, wire_server

from llmtui.app.widgets.row_list import RowList
from llmtui.domain.settings import Server
from llmtui.services.host import ModelHost
from llmtui.services.models import DEMO_FILE
from llmtui.services.wiring import open_engine


class ServedStage(Stage):
    """Files are played by a script, servers are real."""

    def serve(self, **servers: str) -> None:
        self.configure(servers={name: Server(url=url) for name, url in servers.items()})

    def services(self):
        services = super().services()
        serve = partial(open_engine, self.config.servers)
        host = ModelHost(
            lambda info, runtime: serve(info, runtime) if info.server else self.open_engine(info, runtime),
            self.config.runtime,
            free_memory=lambda: None,
        )
        return services.__class__(self.config, self.folders, services.catalogue, host)


@pytest.fixture
def stage(tmp_path) -> ServedStage:
    return ServedStage(tmp_path)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with llama_server(DEMO_FILE, context=1024) as running:
        yield running


async def test_the_conversation_goes_on_with_a_servers_model(stage: ServedStage, address: str):
    stage.serve(box=f"{address}/v1", off="http://127.0.0.1:1/v1")
    stage.configure(sampling=stage.config.sampling.__class__(temperature=0, seed=1))
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.answered(1)
        await screen.pilot.press("ctrl+o")
        await screen.see("box/demo")
        await screen.see("off cannot be reached")
        await screen.see("3 models · 1 cannot be loaded")
        await screen.pilot.press(*"box")
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.app.screen is screen.chat and screen.controller.loading is None)
        await screen.see("box/demo · Q8_0 · openai · llama-server")
        screen.chat.query_one("#composer").set_draft("背诵李白的《静夜思》，只写正文。")
        await screen.until(lambda: "tok →" in screen.text)
        assert "+~" not in screen.text, "the server counts exactly"
        await screen.ask("背诵李白的《静夜思》，只写正文。")
        await screen.answered(2)
        messages = screen.controller.session.messages
        assert [message.content for message in messages[:2]] == ["first", POEM]
        assert messages[3].content.strip() == POEM
        assert messages[3].model == "box/demo"
        assert "in the server's process" in screen.text
        metrics = screen.controller.session.turns[1].metrics
        assert metrics.sources["decode_tps"] == "engine"
        assert metrics.rss_anon_bytes is None


async def test_a_draft_is_an_estimate_where_the_server_does_not_count(stage: ServedStage):
    async with wire_server() as server:
        server.says(text("hi", "stop"), usage(5, 2))
        stage.serve(box=server.url)
        async with stage.run(model="box/m") as screen:
            screen.chat.query_one("#composer").set_draft("how many tokens are these?")
            await screen.see("+~7 tok")
            await screen.ask("hello")
            await screen.answered(1)
            assert screen.controller.session.messages[1].content == "hi"


async def test_a_silent_server_keeps_nobody_waiting(stage: ServedStage):
    async def silent(_request: Request, reply: Reply) -> None:
        await reply.gone()

    stage.add_model("zebra")
    async with wire_server() as server:
        server.routes["/v1/models"] = silent
        stage.serve(slow=server.url)
        async with stage.run() as screen:
            await screen.pilot.press("ctrl+o")
            await screen.see("asking 1 server …")
            assert "zebra" in screen.text
            await screen.pilot.press("down")
            await screen.pilot.press("enter")
            await screen.until(lambda: len(stage.opened) == 2 and screen.controller.loading is None)
            assert screen.controller.model.name == "zebra"


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_a_server_is_asked_for_details_and_never_waited_for(
    stage: ServedStage, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("llmtui.services.servers.LIST_S", 60.0)
    monkeypatch.setattr("llmtui.app.screens.model_picker.ASK_S", 60.0)
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request, reply: Reply) -> None:
        asked.set()
        await go.wait()
        await reply.json(
            {"default_generation_settings": {"n_ctx": 2048}, "total_slots": 3, "chat_template": "x" * 1234}
        )

    stage.add_model("zebra")
    async with wire_server() as server:
        server.on_models({"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 8192}}]})
        server.routes["/props"] = slow
        stage.serve(box=server.url)
        async with stage.run(size=size) as screen:
            await screen.pilot.press("ctrl+o")
            await screen.see("3 models")
            screen.app.screen.set_class(True, "-details")
            await screen.pilot.press("down")
            await screen.see("asking the server")
            await asked.wait()
            await screen.pilot.press("up")
            await screen.see("3.9M")
            await screen.pilot.press("down")
            go.set()
            await screen.until(lambda: "box/m" in screen.app.screen._known)
            await screen.pilot.press(*["shift+down"] * 9)
            await screen.see("told by the server, 1,234")
            assert "asking the server" not in screen.text


async def test_a_server_that_tells_nothing_is_given_up(stage: ServedStage, monkeypatch):
    monkeypatch.setattr("llmtui.app.screens.model_picker.ASK_S", 0.05)
    silent = asyncio.Event()

    async def models(_request: Request, reply: Reply) -> None:
        if silent.is_set():
            await reply.gone()
        silent.set()
        await reply.json({"data": [{"id": "m"}]})

    async with wire_server() as server:
        server.routes["/v1/models"] = models
        stage.serve(box=server.url)
        async with stage.run(size=(140, 40)) as screen:
            await screen.pilot.press("ctrl+o")
            await screen.see("2 models")
            await screen.pilot.press("end", "down")
            await screen.see("the server did not answer within")


async def test_rows_that_come_later_leave_the_mark_where_it_is(stage: ServedStage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("llmtui.services.servers.LIST_S", 60.0)
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request, reply: Reply) -> None:
        asked.set()
        await go.wait()
        await reply.json({"data": [{"id": "late"}]})

    stage.add_model("zebra")
    async with wire_server() as server:
        server.routes["/v1/models"] = slow
        stage.serve(slow=server.url)
        async with stage.run() as screen:
            await screen.pilot.press("ctrl+o")
            await screen.see("zebra")
            await asked.wait()
            await screen.pilot.press("down")
            rows = screen.app.screen.query_one(RowList)
            assert rows.rows[rows.mark].key == "zebra"
            go.set()
            await screen.see("slow/late")
            assert rows.rows[rows.mark].key == "zebra"


async def test_an_answer_of_a_server_can_be_stopped(stage: ServedStage):
    gone = asyncio.Event()

    async def endless(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("it begins")))
        await reply.gone()
        gone.set()

    async with wire_server() as server:
        server.on_chat(endless)
        stage.serve(box=server.url)
        async with stage.run(model="box/m") as screen:
            await screen.ask("go")
            await screen.see("it begins")
            await screen.pilot.press("escape")
            await screen.answered(1)
            await asyncio.wait_for(gone.wait(), 5)
            assert screen.controller.session.messages[1].finish_reason == "cancelled"


async def test_a_server_that_is_down_is_told_and_the_question_kept(stage: ServedStage):
    stage.serve(off="http://127.0.0.1:1/v1")
    async with stage.run(model="off/m") as screen:
        await screen.see("off cannot be reached")
        await screen.see("Start the server")
