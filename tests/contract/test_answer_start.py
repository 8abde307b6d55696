"""An answer that is begun for the model, and one of a given form, by the worker and by a real server."""

import json

import pytest
from contract.conftest import DEMO, loaded
from servers.llama_server import llama_server
from test_engine_contract import finish_of, play, text_of

from llmtui.domain.events import Failed
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Runtime, Sampling, Server
from llmtui.engines.base import Engine, GenerateRequest
from llmtui.engines.llama.client import LlamaEngine
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.engines.openai.wire import turn_body

ASKED = (ChatMessage("user", "背诵李白的《静夜思》，只写正文。"),)
GREEDY = Sampling(temperature=0)
SCHEMA = {"type": "array", "items": {"enum": ["明月", "故乡"]}, "minItems": 2, "maxItems": 2}


@pytest.fixture(params=["worker", "llama-server"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "worker":
        return LlamaEngine("demo", str(DEMO), Runtime(context=512, threads=1))
    address = request.getfixturevalue("address")
    return OpenAIEngine("demo", Server(url=address), "box", "demo")


@pytest.fixture
def address():
    with llama_server(DEMO) as address:
        yield address


def turn(start: str = "", sampling: Sampling = GREEDY) -> GenerateRequest:
    return GenerateRequest(id="turn", messages=ASKED, sampling=sampling, answer_start=start)


async def test_the_model_goes_on_from_where_the_answer_was_begun(engine: Engine) -> None:
    async with loaded(engine):
        whole = text_of(await play(engine, turn()))
        start = whole[: whole.index("疑")]
        events = await play(engine, turn(start))
        assert start + text_of(events) == whole
        other = text_of(await play(engine, turn("Li Bai wrote: ")))
        assert not other.startswith("Li Bai")
        assert finish_of(events).timings.prompt_tokens > await engine.count_prompt(ASKED)


async def test_the_answer_has_the_form_of_a_schema(engine: Engine) -> None:
    async with loaded(engine):
        answer = json.loads(text_of(await play(engine, turn(sampling=Sampling(json_schema=SCHEMA)))))
    assert len(answer) == 2
    assert set(answer) <= {"明月", "故乡"}


async def test_the_answer_follows_a_grammar(engine: Engine) -> None:
    async with loaded(engine):
        assert text_of(await play(engine, turn(sampling=Sampling(grammar='root ::= "是" | "否"')))) in {"是", "否"}


async def test_a_server_that_takes_no_grammar_is_not_asked(address: str) -> None:
    sampling = Sampling(grammar='root ::= "a"')
    async with loaded(OpenAIEngine("demo", Server(url=address, standard_only=True), "box", "demo")) as engine:
        failed = (await play(engine, turn(sampling=sampling)))[-1]
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.title) == ("usage", "This server takes no grammar")


def test_servers_that_need_to_be_told_are_told_to_continue() -> None:
    def body(kind: str) -> dict:
        return turn_body(turn("Yes"), "m", kind=kind, seed=1, standard_only=False, context_size=None)

    assert body("vLLM")["messages"][-1] == {"role": "assistant", "content": "Yes"}
    assert (body("vLLM")["add_generation_prompt"], body("vLLM")["continue_final_message"]) == (False, True)
    assert "add_generation_prompt" not in body("llama-server")


def test_options_that_differ_from_their_defaults_are_sent() -> None:
    def body(sampling: Sampling, *, standard_only: bool = False) -> dict:
        asked = turn(sampling=sampling)
        return turn_body(asked, "m", kind="llama-server", seed=1, standard_only=standard_only, context_size=None)

    plain = body(Sampling())
    changed = body(Sampling(presence_penalty=1, mirostat=2, dry_multiplier=0.8, dry_last_n=64, typical_p=0.9))
    assert {key: changed[key] for key in changed.keys() - plain.keys()} == {
        "presence_penalty": 1, "mirostat": 2, "dry_multiplier": 0.8, "dry_penalty_last_n": 64, "typical_p": 0.9,
    }  # fmt: skip
    assert "mirostat" not in body(Sampling(mirostat=2), standard_only=True)
