"""What goes to an Ollama server, what is made of its answers, and what it grants."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers.ollama_server import OllamaServer, done, ollama_server, part

from llmtui.domain.events import Delta, Failed, Finished, Notice, ReasoningDelta, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.ollama.address import host_url
from llmtui.engines.ollama.client import OllamaEngine
from llmtui.engines.ollama.wire import parameters_of
from llmtui.errors import ModelError

GREEDY = Sampling(temperature=0, seed=1)
SHOW = {
    "parameters": 'stop                           "<|im_end|>"\nstop    "</s>"\nnum_ctx   2048\ntemperature 0.6',
    "template": "{{ .Prompt }}",
    "details": {"family": "qwen2", "parameter_size": "494.03M", "quantization_level": "Q4_0"},
    "model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768},
}


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    async with ollama_server() as running:
        running.add("m:latest", show=SHOW)
        yield running


async def opened(server: OllamaServer, context: int | None = None, **settings: Any) -> OllamaEngine:
    where = Server(url=server.url, kind="ollama", **settings)
    engine = OllamaEngine("ollama/m", where, "box", "m", context=context)
    async for _ in engine.load():
        pass
    return engine


async def granted(server: OllamaServer, context: int | None = None) -> LoadedModel:
    engine = await opened(server, context)
    await engine.close()
    assert engine.loaded is not None
    return engine.loaded


async def play(
    server: OllamaServer, sampling: Sampling = GREEDY, context: int | None = None, **request: Any
) -> tuple[list[TurnEvent], TurnFold]:
    engine = await opened(server, context)
    fold = TurnFold(time.perf_counter_ns())
    events = []
    if "prompt" not in request:
        request.setdefault("messages", (ChatMessage("user", "hello"),))
    async for event in engine.generate(GenerateRequest(id="turn", sampling=sampling, **request)):
        fold.add(event)
        events.append(event)
    await engine.close()
    return events, fold


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "http://127.0.0.1:11434"),
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 - called, not listened on
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        (":8080", "http://127.0.0.1:8080"),
        ("box", "http://box:11434"),
        ('"box:1234"', "http://box:1234"),
        ("box:nonsense", "http://box:11434"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("https://box:1/ollama/", "https://box:1/ollama"),
        ("http://box:11434/v1", "http://box:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::]:99", "http://[::1]:99"),
        ("[fe80::1]", "http://[fe80::1]:11434"),
        ("http://[::1]:1234", "http://[::1]:1234"),
    ],
)
def test_every_form_of_the_host_is_understood(host: str | None, url: str) -> None:
    assert host_url(host) == url


@pytest.mark.parametrize("host", ["ftp://box", "a b", "user@box", "box\x1b"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"holds no usable host|begins with neither"):
        host_url(host)


async def test_every_option_is_sent_with_the_models_own_stops(server: OllamaServer) -> None:
    sampling = Sampling(
        temperature=0.3, top_k=7, top_p=0.8, min_p=0.1, repeat_penalty=1.1, repeat_last_n=9, seed=5, max_tokens=11
    )
    stop = Sampling(stop=("END", "</s>")).stop
    _, fold = await play(server, Sampling(**{**_fields(sampling), "stop": stop}), context=1024)

    sent = server.chat["options"]
    assert sent | {"stop": None} == {
        "temperature": 0.3,
        "top_k": 7,
        "top_p": 0.8,
        "min_p": 0.1,
        "repeat_penalty": 1.1,
        "repeat_last_n": 9,
        "seed": 5,
        "num_predict": 11,
        "num_ctx": 1024,
        "typical_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": None,
    }
    assert sent["stop"] == ["<|im_end|>", "</s>", "END"]
    assert fold.timings.options == sent
    assert (server.chat["truncate"], server.chat["shift"]) == (False, False)


def _fields(sampling: Sampling) -> dict[str, Any]:
    return {name: getattr(sampling, name) for name in sampling.__struct_fields__}


async def test_what_it_has_no_option_for_is_told(server: OllamaServer) -> None:
    events, fold = await play(server, Sampling(seed=1, ignore_eos=True, xtc_probability=0.5))

    assert isinstance(events[0], Notice)
    assert "going on after the end token, XTC" in events[0].text
    assert fold.text == "hello world"
    events, _ = await play(server, Sampling(seed=1, grammar='root ::= "a"'))
    assert isinstance(events[-1], Failed)
    assert "grammar" in events[-1].title


async def test_a_schema_is_sent_as_format(server: OllamaServer) -> None:
    await play(server, Sampling(json_schema={"type": "object"}))

    assert server.chat["format"] == {"type": "object"}


async def test_a_text_is_sent_raw(server: OllamaServer) -> None:
    _, fold = await play(server, prompt="Once upon\udc80")

    body = server.bodies("/api/generate")[-1]
    assert (body["prompt"], body["raw"]) == ("Once upon\ufffd", True)
    assert "messages" not in body
    assert fold.text == "hello world"


async def test_the_context_granted_is_told_not_the_one_asked_for(server: OllamaServer) -> None:
    server.largest_context = 1000
    assert (await granted(server, 4096)).context_size == 1000


async def test_an_older_server_is_believed_up_to_the_trained_context(server: OllamaServer) -> None:
    server.tells_context = False
    assert (await granted(server)).context_size == 2048, "of the model's own parameters"
    assert (await granted(server, 99_999)).context_size == 32768


async def test_the_model_is_described_with_its_memory(server: OllamaServer) -> None:
    loaded = await granted(server, 1000)

    assert loaded.description == "qwen2 494.03M Q4_0"
    assert (loaded.architecture, loaded.quantisation, loaded.trained_context) == ("qwen2", "Q4_0", 32768)
    assert (loaded.memory.total_bytes, loaded.memory.gpu_bytes) == (5_024_000, 2_512_000)
    assert loaded.engine_build == "Ollama 0.40.0"
    assert loaded.load_s is not None
    assert (await granted(server, 1000)).load_s is None, "it was in memory already"


async def test_keep_alive_goes_with_load_and_turn(server: OllamaServer) -> None:
    engine = await opened(server, keep_alive="10m")
    async for _ in engine.generate(GenerateRequest(id="a", messages=(ChatMessage("user", "x"),), sampling=GREEDY)):
        pass
    await engine.close()

    assert server.bodies("/api/generate")[0]["keep_alive"] == server.chat["keep_alive"] == "10m"


async def test_thoughts_are_kept_apart_from_the_answer(server: OllamaServer) -> None:
    server.answer = [part(thinking="hm"), part(thinking=" so"), part("42"), done(eval_count=4, eval_duration=3_000_000)]
    events, fold = await play(server)

    assert [type(event) for event in events] == [ReasoningDelta, ReasoningDelta, Delta, Finished]
    assert (fold.text, fold.reasoning) == ("42", "hm so")
    metrics = fold.metrics(await granted(server))
    thought, answered = (event.t_ns[-1] for event in (events[1], events[2]))  # type: ignore[union-attr]
    assert metrics.completion_tokens == 4
    assert metrics.ttft_s == pytest.approx((answered - fold.submitted_ns) / 1e9)
    assert thought < answered


async def test_durations_become_our_definitions(server: OllamaServer) -> None:
    account = {
        "prompt_eval_count": 100,
        "prompt_eval_cached_count": 60,
        "prompt_eval_duration": 400_000_000,
        "eval_count": 11,
        "eval_duration": 2_000_000_000,
    }
    server.answer = [part("a"), done(**account)]
    _, fold = await play(server)
    metrics = fold.metrics(await granted(server))

    assert metrics.prefill_tps == pytest.approx(100), "40 tokens in 0.4 s: cached ones do not count"
    assert metrics.decode_tps == pytest.approx(5), "10 tokens after the first one, in 2 s"
    assert (metrics.prompt_tokens, metrics.cached_tokens, metrics.completion_tokens) == (100, 60, 11)
    assert metrics.context_used == 110
    assert {metrics.sources[key] for key in ("prefill_tps", "decode_tps", "gpu_bytes")} == {"engine"}


async def test_an_unknown_cache_leaves_the_prefill_rate_unknown(server: OllamaServer) -> None:
    server.answer = [part("a"), done(prompt_eval_count=100, prompt_eval_duration=1_000_000, eval_count=2)]
    _, first = await play(server)
    _, second = await play(server)

    assert first.timings.cached_tokens == 0, "the model was loaded for this turn"
    assert second.timings.cached_tokens is None
    metrics = second.metrics(await granted(server))
    assert metrics.prefill_tps is None
    assert "cached" in metrics.reasons["prefill_tps"]


async def test_a_load_within_the_turn_is_told(server: OllamaServer) -> None:
    engine = await opened(server)
    server.resident.clear()
    server.answer = [part("a"), done(load_duration=3_000_000_000, prompt_eval_count=5, eval_count=2)]
    fold = TurnFold(time.perf_counter_ns())
    async for event in engine.generate(GenerateRequest(id="a", messages=(ChatMessage("user", "x"),), sampling=GREEDY)):
        fold.add(event)
    await engine.close()

    assert engine.loaded is not None
    metrics = fold.metrics(engine.loaded)
    assert (metrics.load_s, metrics.sources["load_s"], metrics.cached_tokens) == (3.0, "engine", 0)


async def test_a_prompt_cut_silently_raises_the_alarm(server: OllamaServer) -> None:
    server.answer = [part("a"), done(prompt_eval_count=300, eval_count=2)]
    events, fold = await play(server, context=512, messages=(ChatMessage("user", "word " * 3000),))

    assert isinstance(events[-2], Notice)
    assert events[-2].kind == "truncated"
    assert "300" in events[-2].text
    assert "512" in events[-2].text
    assert fold.notices == [events[-2]]


async def test_a_count_near_our_estimate_raises_none(server: OllamaServer) -> None:
    server.answer = [part("a"), done(prompt_eval_count=300, eval_count=2)]
    events, _ = await play(server, context=4096, messages=(ChatMessage("user", "word " * 300),))

    assert not any(isinstance(event, Notice) for event in events)


async def test_a_full_context_is_told_from_our_limit(server: OllamaServer) -> None:
    server.answer = [part("a"), done("length", prompt_eval_count=500, eval_count=12)]
    assert (await play(server, context=512))[1].finish_reason == "context_full"
    assert (await play(server, Sampling(max_tokens=12), context=4096))[1].finish_reason == "length"


async def test_an_account_without_counts_is_unknown_not_zero(server: OllamaServer) -> None:
    _, fold = await play(server)
    metrics = fold.metrics(await granted(server))

    assert (metrics.prompt_tokens, metrics.completion_tokens, metrics.decode_tps) == (None, None, None)
    assert metrics.finish_reason == "stop"


async def test_the_only_model_need_not_be_named(server: OllamaServer) -> None:
    engine = OllamaEngine("box", Server(url=server.url, kind="ollama"), "box", None)
    async for _ in engine.load():
        pass
    await engine.close()
    assert engine.loaded is not None
    assert engine.loaded.name == "box/m:latest"

    server.add("other:latest")
    engine = OllamaEngine("box", Server(url=server.url, kind="ollama"), "box", None)
    with pytest.raises(ModelError, match="several models"):
        async for _ in engine.load():
            pass


async def test_an_unknown_model_names_near_ones_and_how_to_fetch_it(server: OllamaServer) -> None:
    server.add("qwen2:7b")
    engine = OllamaEngine("box/qwen2:8b", Server(url=server.url, kind="ollama"), "box", "qwen2:8b")
    with pytest.raises(ModelError) as caught:
        async for _ in engine.load():
            pass

    assert "qwen2:7b" in caught.value.cause
    assert "ollama pull qwen2:8b" in caught.value.remedy


def test_parameters_are_read_with_their_quotes() -> None:
    assert parameters_of('stop "a b"\nstop  "\\n"\n\ntop_k 4\nodd "x') == {
        "stop": ["a b", "\n"],
        "top_k": ["4"],
        "odd": ['"x'],
    }


@pytest.mark.parametrize(
    ("capabilities", "family", "wishes", "think"),
    [
        (["completion", "thinking"], "qwen3", {"reasoning": "off"}, False),
        (["completion", "thinking"], "qwen3", {"reasoning": "on"}, True),
        (["completion", "thinking"], "gptoss", {"reasoning_effort": "high"}, "high"),
        (["completion", "thinking"], "qwen3", {}, None),
        (["completion"], "qwen2", {"reasoning": "off"}, None),
    ],
)
async def test_whether_the_model_thinks_is_sent(
    server: OllamaServer, capabilities: list[str], family: str, wishes: dict[str, Any], think: bool | str | None
) -> None:
    server.add("m:latest", show={**SHOW, "capabilities": capabilities, "details": {"family": family}})
    events, _ = await play(server, Sampling(temperature=0, **wishes))
    assert server.chat.get("think") == think
    assert not [event for event in events if isinstance(event, Notice)]


async def test_a_model_that_does_not_think_is_not_asked_to(server: OllamaServer) -> None:
    server.add("m:latest", show={**SHOW, "capabilities": ["completion"]})
    events, fold = await play(server, Sampling(temperature=0, reasoning="on"))
    assert "think" not in server.chat
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "This model knows no `reasoning: on`, so nothing changes"
    ]
    assert fold.failure is None
