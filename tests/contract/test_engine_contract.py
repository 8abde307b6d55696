"""What every engine does, whatever works behind it."""

import asyncio
import time

import pytest

from llmtui.domain.events import Delta, Failed, Finished, Loaded, LoadProgress, Notice, PrefillProgress, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling
from llmtui.engines.base import Engine, GenerateRequest
from llmtui.errors import EngineError

GREEDY = Sampling(temperature=0, max_tokens=12, ignore_eos=True)
QUESTION = (ChatMessage("user", "What is llmtui?"),)


def request(id_: str = "turn", sampling: Sampling = GREEDY, *messages: ChatMessage) -> GenerateRequest:
    return GenerateRequest(id=id_, messages=messages or QUESTION, sampling=sampling)


async def play(engine: Engine, asked: GenerateRequest) -> list[TurnEvent]:
    """The events but remarks: some engines remark that they cannot go on after the end token."""
    return [event async for event in engine.generate(asked) if not isinstance(event, Notice)]


def tells_little(engine: Engine) -> bool:
    """Ollama tells nothing of a prompt under way, counts tokens at the end only, and counts none before sending."""
    return engine.loaded is not None and engine.loaded.engine == "ollama"


async def count(engine: Engine, prompt: tuple[ChatMessage, ...] | str = QUESTION) -> int:
    """Tokens of a prompt as the engine counts them; where it does not, as it says after a turn."""
    if not tells_little(engine):
        return await engine.count_prompt(prompt)
    with pytest.raises(EngineError, match="does not count"):
        await engine.count_prompt(prompt)
    one = Sampling(temperature=0, max_tokens=1)
    what = {"prompt": prompt} if isinstance(prompt, str) else {"messages": prompt}
    tokens = finish_of(await play(engine, GenerateRequest(id="count", sampling=one, **what))).timings.prompt_tokens
    assert tokens is not None
    return tokens


def text_of(events: list[TurnEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def finish_of(events: list[TurnEvent]) -> Finished:
    last = events[-1]
    assert isinstance(last, Finished), last
    return last


async def test_loading_reports_progress_and_ends_with_the_model(unloaded: Engine) -> None:
    assert unloaded.loaded is None
    assert not unloaded.alive
    events = [event async for event in unloaded.load()]
    assert isinstance(events[0], LoadProgress)
    assert isinstance(events[-1], Loaded)
    assert events[-1].model == unloaded.loaded
    assert unloaded.loaded.context_size == 512
    assert unloaded.alive


async def test_a_turn_is_prefill_then_text_then_the_end(engine: Engine) -> None:
    events = await play(engine, request())
    kinds = [type(event) for event in events]
    first_delta = kinds.index(Delta)
    assert set(kinds[:first_delta]) == (set() if tells_little(engine) else {PrefillProgress})
    assert set(kinds[first_delta:-1]) == {Delta}
    finish = finish_of(events)
    prefill = [event for event in events if isinstance(event, PrefillProgress)]
    if prefill:
        assert prefill[-1].done == prefill[-1].total == finish.timings.prompt_tokens
    assert [event.done for event in prefill] == sorted(event.done for event in prefill)
    assert finish.timings.prompt_tokens == await count(engine)


async def test_every_token_has_one_stamp_and_they_rise(engine: Engine) -> None:
    before = time.perf_counter_ns()
    events = await play(engine, request())
    stamps = [stamp for event in events if isinstance(event, Delta) for stamp in event.t_ns]
    assert len(stamps) == finish_of(events).timings.completion_tokens == 12
    assert stamps == sorted(stamps)
    assert before < stamps[0]
    assert stamps[-1] <= finish_of(events).t_ns <= time.perf_counter_ns()


async def test_max_tokens_ends_the_answer(engine: Engine) -> None:
    assert finish_of(await play(engine, request())).reason == "length"


async def test_the_end_token_ends_the_answer_and_is_counted(engine: Engine) -> None:
    events = await play(engine, request("turn", Sampling(temperature=0)))
    finish = finish_of(events)
    assert finish.reason == "stop"
    assert text_of(events)
    counted = [event.n_tokens for event in events if isinstance(event, Delta)]
    if tells_little(engine):
        assert set(counted) == {None}
        assert (finish.timings.completion_tokens or 0) > 1
    else:
        assert finish.timings.completion_tokens == sum(counted)


async def test_a_stop_string_ends_the_answer_and_is_not_in_it(engine: Engine) -> None:
    whole = text_of(await play(engine, request("whole")))
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    sampling = Sampling(temperature=0, max_tokens=40, ignore_eos=True, stop=("never", stop))
    events = await play(engine, request("cut", sampling))
    assert finish_of(events).reason == "stop"
    assert text_of(events) == whole[: whole.index(stop)]


@pytest.mark.endless
async def test_the_context_full_ends_the_answer(engine: Engine) -> None:
    room = 512 - await count(engine)
    events = await play(engine, request("long", Sampling(temperature=0, ignore_eos=True)))
    finish = finish_of(events)
    assert finish.reason == "context_full"
    generated = finish.timings.completion_tokens
    assert generated in {room, room + 1}, (
        "the last token is sampled, and needs no place, where the engine goes that far"
    )
    assert finish.timings.context_used == 512 - room + generated - 1


async def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(engine: Engine) -> None:
    message = ChatMessage("user", "word 1 " * 600)
    events = await play(engine, request("long", GREEDY, message))
    assert len(events) == 1
    failed = events[0]
    assert isinstance(failed, Failed)
    assert failed.kind == "context"
    assert "512" in failed.cause
    if not tells_little(engine):
        assert f"{await count(engine, (message,)):,}" in failed.cause
    assert finish_of(await play(engine, request("next"))).reason == "length"


async def test_cancel_in_the_prompt_ends_the_turn(engine: Engine) -> None:
    if tells_little(engine):
        pytest.skip("it shows no prompt under way; a turn cancelled before anything came has a test of its own")
    long = ChatMessage("user", "one two three " * 60)
    sampling = Sampling(temperature=0, ignore_eos=True)
    events: list[TurnEvent] = []
    async for event in engine.generate(request("turn", sampling, long)):
        events.append(event)
        if len(events) == 1:
            assert isinstance(event, PrefillProgress)
            await engine.cancel("turn")
    assert finish_of(events).reason == "cancelled"
    assert finish_of(await play(engine, request("next"))).reason == "length"


async def test_cancel_in_the_answer_keeps_what_was_written(engine: Engine) -> None:
    fold = TurnFold(time.perf_counter_ns())
    async for event in engine.generate(request("turn", Sampling(temperature=0, ignore_eos=True))):
        fold.add(event)
        if len(fold.text) >= 8:
            await engine.cancel("turn")
    assert fold.finish_reason == "cancelled"
    assert fold.text
    assert fold.timings.completion_tokens == fold.completion_tokens
    assert tells_little(engine) or fold.completion_tokens >= 2


async def test_cancel_of_an_unknown_turn_is_ignored(engine: Engine) -> None:
    await engine.cancel("nobody")
    assert finish_of(await play(engine, request())).reason == "length"


async def test_closing_the_stream_cancels(engine: Engine) -> None:
    events = engine.generate(request("left", Sampling(temperature=0, ignore_eos=True)))
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()  # type: ignore[attr-defined]
    assert finish_of(await play(engine, request("next"))).reason == "length"


async def test_temperature_zero_repeats_itself(engine: Engine) -> None:
    first = text_of(await play(engine, request("a")))
    assert first
    assert text_of(await play(engine, request("b"))) == first


async def test_the_same_seed_repeats_itself(engine: Engine) -> None:
    sampling = Sampling(temperature=1.5, top_k=0, seed=7, max_tokens=12, ignore_eos=True)
    first, second = await play(engine, request("a", sampling)), await play(engine, request("b", sampling))
    assert text_of(first) == text_of(second)
    assert finish_of(first).timings.seed == finish_of(second).timings.seed == 7


async def test_the_second_turn_reuses_the_first(engine: Engine) -> None:
    first = await play(engine, request("a", Sampling(temperature=0, max_tokens=12)))
    answer = ChatMessage("assistant", text_of(first))
    follow_up = (*QUESTION, answer, ChatMessage("user", "And who wrote it?"))
    second = finish_of(await play(engine, request("b", GREEDY, *follow_up))).timings
    assert finish_of(first).timings.cached_tokens == 0
    prompt_tokens = finish_of(first).timings.prompt_tokens
    assert prompt_tokens is not None
    assert second.cached_tokens is not None
    assert second.prompt_tokens is not None
    assert prompt_tokens <= second.cached_tokens < second.prompt_tokens


async def test_tokenise_gives_one_id_a_token(engine: Engine) -> None:
    if tells_little(engine):
        with pytest.raises(EngineError, match="does not count"):
            await engine.tokenise("hello")
        return
    ids = await engine.tokenise("hello 世界")
    assert ids
    assert ids == await engine.tokenise("hello 世界")
    assert ids != await engine.tokenise("hello 世")


async def test_a_text_is_continued_as_it_is(engine: Engine) -> None:
    events = await play(engine, GenerateRequest(id="raw", prompt="What is llmtui?", sampling=GREEDY))
    finish = finish_of(events)
    assert finish.reason == "length"
    assert finish.timings.prompt_tokens == await count(engine, "What is llmtui?")
    assert await count(engine, "What is llmtui?") < await count(engine)
    assert len([stamp for event in events if isinstance(event, Delta) for stamp in event.t_ns]) == 12


async def test_a_text_longer_than_the_context_is_refused(engine: Engine) -> None:
    events = await play(engine, GenerateRequest(id="raw", prompt="word 1 " * 600, sampling=GREEDY))
    assert isinstance(events[0], Failed)
    assert events[0].kind == "context"
    assert "512" in events[0].cause


@pytest.mark.endless
async def test_a_text_with_lone_surrogates_is_sent_repaired(engine: Engine) -> None:
    events = await play(engine, GenerateRequest(id="raw", prompt="What \ud800 is", sampling=GREEDY))
    assert finish_of(events).reason == "length"


async def test_close_twice_and_use_afterwards(engine: Engine) -> None:
    await engine.close()
    await engine.close()
    assert not engine.alive
    events = await play(engine, request())
    assert len(events) == 1
    assert isinstance(events[0], Failed)
    assert events[0].remedy
    with pytest.raises(EngineError):
        await engine.count_prompt(QUESTION)
    with pytest.raises(EngineError):
        await engine.tokenise("x")


async def test_close_in_an_answer_ends_the_stream_with_a_failure(engine: Engine) -> None:
    started = asyncio.Event()

    async def answer() -> list[TurnEvent]:
        events: list[TurnEvent] = []
        async for event in engine.generate(request("turn", Sampling(temperature=0, ignore_eos=True))):
            events.append(event)
            started.set()
        return events

    task = asyncio.create_task(answer())
    await started.wait()
    await engine.close()
    assert isinstance((await task)[-1], Failed)


async def test_close_before_load_is_harmless(unloaded: Engine) -> None:
    await unloaded.close()
    assert not unloaded.alive
