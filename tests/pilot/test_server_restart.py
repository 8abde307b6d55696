"""A server that dies in an answer and comes back: nothing is lost, and the same chat goes on with it."""

import pytest
from pilot.test_served_models import ServedStage
from servers.wire_server import Reply, Request, sse, text, usage, wire_server


@pytest.fixture
def stage(tmp_path) -> ServedStage:
    return ServedStage(tmp_path)


async def test_the_chat_goes_on_once_the_server_is_back(stage: ServedStage):
    async def half(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("half an answer")))
        await reply.gone()

    running = wire_server()
    server = await running.__aenter__()
    server.on_chat(half)
    stage.serve(box=server.url)
    async with stage.run(model="box") as screen:
        await screen.see("box/m · openai")
        await screen.ask("first")
        await screen.see("half an answer")
        await running.__aexit__(None, None, None)
        await screen.see("broke in the middle of the answer")
        session = screen.controller.session
        assert session.messages[1].content == "half an answer"
        assert session.messages[1].error is not None
        await screen.ask("second")
        await screen.see("box cannot be reached")
        async with wire_server(port=server.port) as again:
            again.says(text("back again", "stop"), usage(9, 3))
            await screen.pilot.press("ctrl+l")
            await screen.until(lambda: screen.controller.loading is None)
            await screen.ask("third")
            await screen.see("back again")
            sent = again.chat["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"] == "half an answer"
    assert sent[2]["content"].endswith("third")
