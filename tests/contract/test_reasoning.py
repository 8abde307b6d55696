"""Reasoning on, off and its effort, with the real worker and a real llama-server."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from contract.conftest import OpenEngine
from servers.llama_server import llama_server
from test_engine_contract import QUESTION, finish_of, request

from llmtui.domain.events import Notice, TurnEvent
from llmtui.domain.reasoning import Reasoning
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import Engine, ExplainsPrompts, GenerateRequest
from llmtui.engines.openai.client import OpenAIEngine

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
)
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"


@pytest.fixture(scope="module")
def thinker(make_gguf: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose template has the switch of Qwen3's."""
    return make_gguf("llama-tiny", "f16", tmp_path_factory.mktemp("thinker") / "thinker.gguf", template=TEMPLATE)


@pytest.fixture(params=["worker", "llama-server"])
async def engine(request: pytest.FixtureRequest, open_worker: OpenEngine, thinker: Path) -> AsyncIterator[Engine]:
    if request.param == "worker":
        async with open_worker(thinker) as engine:
            yield engine
        return
    with llama_server(thinker) as address:
        served = OpenAIEngine("box/m", Server(url=f"{address}/v1"), "box", None)
        async for _ in served.load():
            pass
        yield served
        await served.close()


def asked(id_: str, **wishes: object) -> GenerateRequest:
    return request(id_, Sampling(temperature=0, max_tokens=3, ignore_eos=True, **wishes), *QUESTION)  # type: ignore[arg-type]


async def played(engine: Engine, request: GenerateRequest) -> list[TurnEvent]:
    return [event async for event in engine.generate(request)]


async def test_the_switch_is_in_the_prompt_that_is_shown_counted_and_sent(engine: Engine) -> None:
    assert isinstance(engine, ExplainsPrompts)
    plain, on, off = asked("a"), asked("b", reasoning="on"), asked("c", reasoning="off")
    shown = [await engine.explain(each) for each in (plain, on, off)]
    assert shown[2].text == shown[1].text + EMPTY_THOUGHT
    assert shown[0].text in {shown[1].text, shown[2].text}  # what nobody said is the template's, or the server's
    assert not any("nothing changes" in note for each in shown for note in each.notes)
    for each, rendered in zip((plain, on, off), shown, strict=True):
        timings = finish_of(await played(engine, each)).timings
        assert timings.prompt_tokens == len(rendered.ids)
        assert timings.prompt_tokens == await engine.count_prompt(QUESTION, thinking=each.sampling.thinking)


async def test_a_wish_that_the_template_does_not_know_is_told_once(engine: Engine) -> None:
    assert isinstance(engine, ExplainsPrompts)
    wish = {"reasoning": "off", "reasoning_effort": None}
    assert not _notices(await played(engine, asked("a", **wish)))
    hard = {"reasoning": "on", "reasoning_effort": "high"}
    assert any("`reasoning_effort: high`" in note for note in (await engine.explain(asked("b", **hard))).notes)
    first, again = [_notices(await played(engine, asked(id_, **hard))) for id_ in "cd"]
    assert [notice.kind for notice in first] == ["options"]
    assert "knows no `reasoning_effort: high`" in first[0].text
    assert again == []
    counts = [await engine.count_prompt(QUESTION, thinking=Reasoning("on", effort)) for effort in (None, "high")]
    assert counts[0] == counts[1]


def _notices(events: list[TurnEvent]) -> list[Notice]:
    return [event for event in events if isinstance(event, Notice) and event.kind == "options"]
