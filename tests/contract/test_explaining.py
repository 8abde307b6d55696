"""What an engine says it would send is what it evaluates, token by token."""

import hashlib
from pathlib import Path

import pytest
from odd_models import write_gemma3, write_mamba
from servers.ollama_server import ollama_server
from test_engine_contract import GREEDY, finish_of, play, text_of
from test_worker_conversations import CLOSED, READABLE

from llmtui.domain.messages import ChatMessage
from llmtui.domain.rendered import SPECIAL, Rendered
from llmtui.domain.settings import Server
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import Engine, ExplainsPrompts, GenerateRequest
from llmtui.engines.ollama.client import OllamaEngine
from llmtui.engines.scripted import ScriptedEngine
from llmtui.errors import ContextError, EngineError

CHAT = (
    ChatMessage("system", "答得短。"),
    ChatMessage("user", "背诵李白的《静夜思》 🌕 \x1b[31m ünïcode"),
    ChatMessage("assistant", "床前明月光，"),
    ChatMessage("user", "user"),
)
LONG = "Tell me about the key that opens the model picker, and about all the other keys. "


def asked(*messages: ChatMessage, **how: object) -> GenerateRequest:
    return GenerateRequest(id="e", **{"messages": messages, "sampling": GREEDY, **how})  # type: ignore[arg-type]


def holds_together(shown: Rendered) -> None:
    """The tokens are the text, and each of them is somebody's."""
    assert b"".join(shown.slices()).decode() == shown.text
    assert shown.sha256 == hashlib.sha256(shown.text.encode()).hexdigest()
    assert len(shown.ids) == len(shown.pieces) == len(shown.flags) == len(shown.starts) - 1
    edges = [0, *(segment.end for segment in shown.segments)]
    assert [segment.start for segment in shown.segments] == edges[:-1]
    assert edges[-1] == len(shown.ids)


async def test_the_tokens_add_up_to_the_prompt_and_belong_to_its_messages(engine: Engine) -> None:
    assert isinstance(engine, ExplainsPrompts)
    if isinstance(engine, OllamaEngine):
        with pytest.raises(EngineError, match="does not show its prompts"):
            await engine.explain(asked(*CHAT))
        return
    shown = await engine.explain(asked(*CHAT))
    holds_together(shown)
    assert len(shown.ids) == await engine.count_prompt(CHAT)
    whose = [(segment.owner, segment.message) for segment in shown.segments]
    assert whose == [("system", 0), ("user", 1), ("assistant", 2), ("user", 3), ("answer", None)]
    slices = shown.slices()
    for segment, message in zip(shown.segments, CHAT, strict=False):
        assert message.content.strip() in b"".join(slices[segment.start : segment.end]).decode()
    assert any(flag & SPECIAL for flag in shown.flags)
    assert shown.context_size == 512


async def test_what_the_cache_will_give_is_told_before_and_true_after(engine: Engine) -> None:
    if not isinstance(engine, ExplainsPrompts) or isinstance(engine, OllamaEngine):
        return
    first = asked(*CHAT[:2])
    await play(engine, first)
    for messages in (CHAT[:2], CHAT, (ChatMessage("user", "Something else"),)):
        turn = asked(*messages)
        shown = await engine.explain(turn)
        assert await engine.explain(turn) == shown  # asking changes nothing
        timings = finish_of(await play(engine, turn)).timings
        assert timings.prompt_tokens == len(shown.ids)
        if shown.cached is None:
            assert any("cache" in note for note in shown.notes)
        else:
            assert shown.cached == timings.cached_tokens


@pytest.mark.parametrize("kind", ["demo", "window", "recurrent"])
async def test_a_worker_evaluates_exactly_the_tokens_it_shows(
    open_worker, tmp_path: Path, demo: Path, kind: str
) -> None:
    path = tmp_path / "m.gguf"
    model = {"window": lambda: write_gemma3(path, 64, template=CLOSED), "recurrent": lambda: write_mamba(path)}
    async with open_worker(model[kind]() if kind in model else demo, context=1024) as engine:
        messages: list[ChatMessage] = []
        for question in (f"{LONG}?", "again", "third"):
            messages.append(ChatMessage("user", question))
            shown = await engine.explain(asked(*messages))
            holds_together(shown)
            # The passages of earlier turns keep the tokens that answers were really made of.
            events = await play(engine, asked(*messages, sampling=GREEDY if kind == "demo" else READABLE))
            timings = finish_of(events).timings
            assert timings.rendered_sha256 == shown.sha256
            assert (timings.prompt_tokens, timings.cached_tokens) == (len(shown.ids), shown.cached)
            assert timings.cache_miss_at == shown.miss
            messages.append(ChatMessage("assistant", text_of(events)))


async def test_a_character_is_split_where_the_vocabulary_splits_it(open_worker, tiny_gguf: Path) -> None:
    async with open_worker(tiny_gguf) as engine:
        shown = await engine.explain(asked(prompt="霜🌕", messages=()))
    holds_together(shown)
    assert shown.pieces == tuple(bytes([byte]) for byte in "霜🌕".encode())
    assert [segment.owner for segment in shown.segments] == ["text"]


async def test_a_vocabulary_without_every_byte_is_told_of(open_worker, tmp_path: Path) -> None:
    async with open_worker(write_gemma3(tmp_path / "m.gguf", 64)) as engine:
        shown = await engine.explain(asked(prompt="a床b", messages=()))
    assert shown.starts == ()
    assert shown.slices() == list(shown.pieces)
    assert "changes the text" in shown.notes[0]


async def test_after_a_turn_all_its_prompt_is_in_the_cache(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        await play(engine, asked(*CHAT))
        again = await engine.explain(asked(*CHAT))
        other = await engine.explain(asked(*CHAT[:3], ChatMessage("user", "another")))
        fresh = await engine.explain(asked(*CHAT, answer_start="Yes, "))
    assert (again.cached, again.miss) == (len(again.ids) - 1, None)  # the last one is evaluated for its logits
    assert other.miss == other.cached
    assert other.slices()[: other.cached] == again.slices()[: other.cached]
    assert fresh.text == again.text + "Yes, "
    assert fresh.segments[-1].owner == "answer"


async def test_a_prompt_that_cannot_be_shown_is_refused_in_words(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        over = await engine.explain(asked(ChatMessage("user", "word " * 600)))
        assert len(over.ids) > (over.context_size or 0)
        with pytest.raises(ContextError):
            await engine.explain(asked(ChatMessage("user", "<|end|>" * 40_000)))
        with pytest.raises(EngineError, match="slot"):
            await engine.explain(asked(*CHAT, slot=7))
    with pytest.raises(EngineError):
        await engine.explain(asked(*CHAT))


async def test_ollama_shows_the_text_where_it_can(served_demo: str) -> None:
    async with ollama_server(backend=served_demo) as server:
        server.add("demo:latest", context=512)
        engine = OllamaEngine("demo", Server(url=server.url, kind="ollama"), "box", "demo")
        async for _ in engine.load():
            pass

        async def render(request, reply) -> None:
            assert request.json["_debug_render_only"] is True
            await reply.json({"model": "demo", "_debug_info": {"rendered_template": "<user>hi\x1b"}})

        server.on("/api/chat", render)
        try:
            shown = await engine.explain(asked(ChatMessage("user", "hi")))
        finally:
            await engine.close()
    assert (shown.text, shown.ids, shown.cached) == ("<user>hi\x1b", (), None)
    assert "neither its tokens" in shown.notes[0]


async def test_another_template_is_shown_as_it_would_be_sent(engine: Engine) -> None:
    if not isinstance(engine, ExplainsPrompts):
        return
    text = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}[assistant]"
    turn = asked(*CHAT, template=NamedTemplate(name="plain", text=text))
    shown = await engine.explain(turn)
    if not isinstance(engine, ScriptedEngine):  # it plays a template by its name only
        assert shown.text == "".join(f"[{each.role}]{each.content}\n" for each in CHAT) + "[assistant]"
        assert finish_of(await play(engine, turn)).timings.rendered_sha256 in {shown.sha256, None}
    if shown.ids:
        holds_together(shown)
        assert [segment.owner for segment in shown.segments] == ["system", "user", "assistant", "user", "answer"]
