"""Turns in a real worker: the KV cache, cancelling, slots, templates."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from odd_models import TEMPLATE, write_mamba
from test_engine_contract import GREEDY, QUESTION, finish_of, play, request, text_of

from llmtui.domain.events import Delta, Failed, Finished, PrefillProgress, Timings
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling
from llmtui.engines.base import GenerateRequest
from llmtui.engines.llama.client import LlamaEngine
from llmtui.errors import ContextError, EngineError, TemplateError

MakeGguf = Callable[..., Path]
ENDLESS = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"
BOMB = "{{ 'a' * 10**10 }}"
POWER = "{{ 10**(10**9) }}"


def timings_of(events: list) -> Timings:
    return finish_of(events).timings


async def chat(engine: LlamaEngine, turns: int) -> list[Timings]:
    messages: list[ChatMessage] = []
    seen = []
    for number in range(turns):
        messages.append(ChatMessage("user", f"Question {number}: which key opens the model picker?"))
        events = await play(engine, request(f"turn{number}", Sampling(temperature=0, max_tokens=20), *messages))
        messages.append(ChatMessage("assistant", text_of(events)))
        seen.append(timings_of(events))
    return seen


async def test_every_turn_reuses_all_earlier_ones(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        first, second, third = await chat(engine, 3)
    assert first.cached_tokens == 0
    assert second.cached_tokens == first.context_used
    assert third.cached_tokens == second.context_used
    assert third.cache_miss_at is None
    assert third.kv_bytes > second.kv_bytes > 0


async def test_an_edited_question_reports_where_the_cache_missed(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        await play(engine, request("a", GREEDY, ChatMessage("user", "alpha beta gamma")))
        edited = timings_of(await play(engine, request("b", GREEDY, ChatMessage("user", "alpha beta delta"))))
    assert edited.cache_miss_at == edited.cached_tokens
    assert 0 < edited.cached_tokens < edited.prompt_tokens


async def test_asking_the_same_again_evaluates_one_token(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        first = await play(engine, request("a"))
        again = await play(engine, request("b"))
    assert timings_of(again).cached_tokens == timings_of(again).prompt_tokens - 1
    assert timings_of(again).cache_miss_at is None
    assert text_of(again) == text_of(first)


async def test_a_prompt_cancelled_half_way_is_not_evaluated_twice(open_worker, slow_gguf: Path) -> None:
    long = ChatMessage("user", "one two three four five " * 60)
    async with open_worker(slow_gguf, context=2048) as engine:
        events = []
        async for event in engine.generate(request("a", GREEDY, long)):
            events.append(event)
            if isinstance(event, PrefillProgress) and event.done:
                await engine.cancel("a")
        first = finish_of(events)
        assert first.reason == "cancelled"
        assert first.timings.completion_tokens == 0
        assert 0 < first.timings.context_used < first.timings.prompt_tokens
        second = await play(engine, request("b", GREEDY, long))
        assert timings_of(second).cached_tokens == first.timings.context_used
        fresh = await play(engine, request("c", GREEDY, long))
    assert text_of(fresh) == text_of(second)


async def test_what_an_aborted_prompt_leaves_gives_the_same_answer(open_worker, slow_gguf: Path) -> None:
    long = ChatMessage("user", "one two three four five " * 60)
    async with open_worker(slow_gguf, context=2048) as engine:
        async for event in engine.generate(request("a", GREEDY, long)):
            if isinstance(event, PrefillProgress) and event.done:
                await engine.cancel("a")
        resumed = text_of(await play(engine, request("b", GREEDY, long)))
    async with open_worker(slow_gguf, context=2048) as engine:
        assert text_of(await play(engine, request("a", GREEDY, long))) == resumed


async def test_slots_in_parallel_answer_as_they_would_alone(open_worker, demo: Path) -> None:
    questions = ["What is llmtui?", "背诵李白的《静夜思》，只写正文。", "Which key opens the model picker?"]
    sampling = Sampling(temperature=0, max_tokens=40)

    def asked(slot: int) -> GenerateRequest:
        return GenerateRequest(
            id=f"q{slot}", messages=(ChatMessage("user", questions[slot]),), sampling=sampling, slot=slot
        )

    async with open_worker(demo, slots=3) as engine:
        alone = [text_of(await play(engine, asked(slot))) for slot in range(3)]
    async with open_worker(demo, slots=3) as engine:
        together = await asyncio.gather(*(play(engine, asked(slot)) for slot in range(3)))
    assert [text_of(events) for events in together] == alone
    first_tokens = [next(event.t_ns[0] for event in events if isinstance(event, Delta)) for events in together]
    assert max(first_tokens) < min(finish_of(events).t_ns for events in together)


async def test_two_turns_for_one_slot_wait_for_each_other(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        alone = text_of(await play(engine, request("alone")))
        both = await asyncio.gather(play(engine, request("a")), play(engine, request("b")))
        assert [text_of(events) for events in both] == [alone, alone]


async def test_a_waiting_turn_can_be_cancelled(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        running = engine.generate(request("a", Sampling(temperature=0, ignore_eos=True)))
        await anext(running)
        waiting = asyncio.create_task(play(engine, request("b")))
        await engine.count_prompt(QUESTION)
        await engine.cancel("b")
        assert finish_of(await waiting).reason == "cancelled"
        await engine.cancel("a")
        assert isinstance([event async for event in running][-1], Finished)


async def test_a_slot_that_does_not_exist_is_refused(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        asked = GenerateRequest(id="a", messages=QUESTION, sampling=GREEDY, slot=1)
        failed = (await play(engine, asked))[-1]
        assert isinstance(failed, Failed)
        assert "slot 1" in failed.cause


async def test_repeat_penalty_changes_a_greedy_answer(open_worker, tiny_gguf: Path) -> None:
    plain = Sampling(temperature=0, max_tokens=40, ignore_eos=True)
    penalised = Sampling(temperature=0, max_tokens=40, ignore_eos=True, repeat_penalty=5.0)
    async with open_worker(tiny_gguf) as engine:
        assert text_of(await play(engine, request("a", plain))) != text_of(await play(engine, request("b", penalised)))


async def test_a_seed_is_drawn_and_told(open_worker, tiny_gguf: Path) -> None:
    sampling = Sampling(temperature=2.0, top_k=0, top_p=1, min_p=0, max_tokens=20, ignore_eos=True)
    async with open_worker(tiny_gguf) as engine:
        first, second = await play(engine, request("a", sampling)), await play(engine, request("b", sampling))
        assert text_of(first) != text_of(second)
        seeded = Sampling(
            temperature=2.0, top_k=0, top_p=1, min_p=0, max_tokens=20, ignore_eos=True, seed=timings_of(first).seed
        )
        assert text_of(await play(engine, request("c", seeded))) == text_of(first)


async def test_text_without_utf8_is_replaced_not_refused(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        message = ChatMessage("user", "broken \udcff and \x00 zero")
        assert await engine.count_prompt((message,)) > 3
        assert await engine.tokenise("\udcff") == await engine.tokenise("\ufffd")
        assert finish_of(await play(engine, request("a", GREEDY, message))).reason == "length"


@pytest.mark.parametrize("text", ["<|im_end|>" * 100_000, "床前明月光" * 400_000])
async def test_a_text_far_beyond_the_context_is_refused_without_tokenising_it(
    open_worker, tiny_gguf: Path, text: str
) -> None:
    message = ChatMessage("user", text)
    async with open_worker(tiny_gguf) as engine:
        started = time.monotonic()
        failed = (await play(engine, request("a", GREEDY, message)))[-1]
        assert isinstance(failed, Failed)
        assert failed.kind == "context"
        assert failed.cause.startswith("at least ")
        with pytest.raises(ContextError):
            await engine.count_prompt((message,))
        assert time.monotonic() - started < 5


async def test_a_long_text_that_fits_is_counted_exactly(open_worker, make_gguf: MakeGguf, tmp_path: Path) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "m.gguf", template="{{ messages[0].content }}", context=4096)
    text = "<|im_end|>" * 4_090
    async with open_worker(path, context=4096) as engine:
        tokens = await engine.tokenise(text)
        assert 0 <= await engine.count_prompt((ChatMessage("user", text),)) - len(tokens) <= 1


async def test_a_conversation_too_long_to_render_is_not_blamed_on_the_template(open_worker, tiny_gguf: Path) -> None:
    async with open_worker(tiny_gguf) as engine:
        with pytest.raises(ContextError, match="longer than the context") as caught:
            await engine.count_prompt((ChatMessage("user", "x" * 5_000_000),))
        assert "5,000,000 characters" in caught.value.cause


@pytest.mark.parametrize("template", [ENDLESS, BOMB, POWER, "{{ broken", "{{ 1 // 0 }}"])
async def test_a_hostile_template_is_an_error_and_the_worker_lives(
    open_worker, make_gguf: MakeGguf, tmp_path: Path, template: str
) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "m.gguf", template=template)
    async with open_worker(path) as engine:
        started = time.monotonic()
        failed = (await play(engine, request()))[-1]
        assert isinstance(failed, Failed)
        assert failed.kind == "template"
        assert failed.remedy
        assert time.monotonic() - started < 30
        with pytest.raises(TemplateError):
            await engine.count_prompt(QUESTION)
        assert await engine.tokenise("still here")
        assert engine.alive


@pytest.mark.parametrize(
    "template", ["{{ strftime_now('%Y') }}{{ messages | tojson }}{% for m in messages %}{% break %}{% endfor %}"]
)
async def test_templates_have_what_they_are_written_for(
    open_worker, make_gguf: MakeGguf, tmp_path: Path, template: str
) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "m.gguf", template=template)
    async with open_worker(path) as engine:
        assert await engine.count_prompt(QUESTION) > 10


async def test_without_a_template_it_is_told_which_one_is_used_and_why(
    open_worker, make_gguf: MakeGguf, tmp_path: Path
) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "m.gguf", template=None)
    async with open_worker(path) as engine:
        assert engine.loaded is not None
        assert engine.loaded.template_source.startswith("shipped: ChatML, because the vocabulary has")
        assert finish_of(await play(engine, request())).reason == "length"


@pytest.mark.parametrize(
    ("printed", "adds_bos", "count"), [(0, False, 0), (1, False, 1), (0, True, 1), (1, True, 1), (2, True, 2)]
)
async def test_a_begin_token_is_not_doubled_by_us_and_told_when_the_template_does(
    open_worker, tmp_path: Path, printed: int, adds_bos: bool, count: int
) -> None:
    path = write_mamba(tmp_path / "m.gguf", template="{{ bos_token }}" * printed + TEMPLATE, adds_bos=adds_bos)
    async with open_worker(path) as engine:
        assert timings_of(await play(engine, request())).bos_count == count


async def test_questions_to_a_worker_that_died_are_answered(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        await engine.close()
        with pytest.raises(EngineError):
            await engine.count_prompt(QUESTION)


@pytest.mark.parametrize(("written", "adds_bos", "count"), [(0, False, 0), (1, False, 1), (0, True, 1), (1, True, 1)])
async def test_a_raw_prompt_begins_as_the_tokenizer_wants(
    open_worker, tmp_path: Path, written: int, adds_bos: bool, count: int
) -> None:
    path = write_mamba(tmp_path / "m.gguf", template="{{ bos_token }}" * 5, adds_bos=adds_bos)
    text = "<|end|>" * written + "abc"
    async with open_worker(path) as engine:
        asked = GenerateRequest(id="raw", prompt=text, sampling=Sampling(temperature=0, max_tokens=2))
        timings = timings_of(await play(engine, asked))
        assert timings.bos_count == count
        assert timings.prompt_tokens == await engine.count_prompt(text)


async def test_an_empty_raw_prompt_is_refused_where_nothing_begins_it(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        failed = (await play(engine, GenerateRequest(id="raw", prompt="", sampling=GREEDY)))[0]
        assert isinstance(failed, Failed)
        assert failed.title == "There is nothing to continue"
