"""Chat templates in a real worker: chosen for a turn, and such as do not take a conversation as it is."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from test_engine_contract import GREEDY, QUESTION, finish_of, play, request

from llmtui.domain.events import Notice, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import Engine, GenerateRequest
from llmtui.errors import TemplateError

MakeGguf = Callable[..., Path]
REFUSES = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ m.content }}{% endfor %}"
)
IGNORES = "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}"
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}<{{ m.content }}>{% endfor %}"
)
ENDLESS = "{% for a in range(10**5) %}{% for b in range(10**5) %}{% endfor %}{% endfor %}"
BOTH = (ChatMessage("system", "Be brief."), *QUESTION)


async def everything(engine: Engine, asked: GenerateRequest) -> list[TurnEvent]:
    return [event async for event in engine.generate(asked)]


def notices_of(events: list[TurnEvent]) -> list[Notice]:
    return [event for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("template", [REFUSES, IGNORES, ALTERNATES])
async def test_a_system_prompt_that_a_template_does_not_take_goes_into_the_first_question(
    open_worker, make_gguf: MakeGguf, tmp_path: Path, template: str
) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "m.gguf", template=template)
    async with open_worker(path) as engine:
        merged = (ChatMessage("user", f"Be brief.\n\n{QUESTION[0].content}"), *QUESTION[1:])
        counted = await engine.count_prompt(BOTH)
        assert counted == await engine.count_prompt(merged) > await engine.count_prompt(QUESTION)
        events = await everything(engine, request("a", GREEDY, *BOTH))
        assert [notice.kind for notice in notices_of(events)] == ["template"]
        assert "first user message" in finish_of(events).timings.template_note
        assert notices_of(await everything(engine, request("b", GREEDY, *BOTH))) == []
        assert finish_of(await play(engine, request("c"))).timings.template_note is None


async def test_messages_of_one_side_are_joined_where_a_template_wants_them_to_alternate(
    open_worker, make_gguf: MakeGguf, tmp_path: Path
) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "m.gguf", template=ALTERNATES)
    async with open_worker(path) as engine:
        twice = (ChatMessage("user", "one"), ChatMessage("user", "two"))
        assert await engine.count_prompt(twice) == await engine.count_prompt((ChatMessage("user", "one\n\ntwo"),))
        events = await everything(engine, request("a", GREEDY, *twice))
        assert "alternate" in finish_of(events).timings.template_note


async def test_a_turn_can_name_its_own_template(open_worker, demo: Path) -> None:
    text = "Q: {{ messages[-1].content }}\nA:"
    chosen = NamedTemplate(name="mine", text=text, stops=("\n",))
    async with open_worker(demo) as engine:
        turn = msgspec.structs.replace(request(), template=chosen)
        raw = await play(engine, GenerateRequest(id="raw", prompt=f"Q: {QUESTION[-1].content}\nA:", sampling=GREEDY))
        timings = finish_of(await play(engine, turn)).timings
        assert timings.prompt_tokens == finish_of(raw).timings.prompt_tokens
        assert timings.prompt_tokens == await engine.count_prompt(QUESTION, template=chosen)
        assert timings.prompt_tokens != await engine.count_prompt(QUESTION)
        assert timings.bos_count == finish_of(raw).timings.bos_count


@pytest.mark.parametrize(
    "text", ["{{ broken", "{% for a in range(10**5) %}{% for b in range(10**5) %}{% endfor %}{% endfor %}"]
)
async def test_a_bad_template_of_the_users_ends_the_turn_and_not_the_worker(open_worker, demo: Path, text: str) -> None:
    chosen = NamedTemplate(name="mine", text=text, source="file: mine.jinja")
    async with open_worker(demo) as engine:
        with pytest.raises(TemplateError, match="mine"):
            await engine.count_prompt(QUESTION, template=chosen)
        assert finish_of(await play(engine, request())).reason
