"""Slots of one worker that share the beginning of their prompts: it is evaluated once."""

import asyncio
from pathlib import Path

from test_engine_contract import GREEDY, finish_of, play, text_of

from llmtui.domain.messages import ChatMessage
from llmtui.engines.base import GenerateRequest

SHARED = "llmtui is a program for the terminal. " * 20
QUESTIONS = (
    "What is llmtui?",
    "背诵李白的《静夜思》，只写正文。",
    "Which key opens the model picker?",
    "What is llmtui?",
)


def asked(slot: int, *, name: str = "q", own: str = "") -> GenerateRequest:
    return GenerateRequest(
        id=f"{name}{slot}",
        messages=(ChatMessage("system", f"{own}{SHARED}"), ChatMessage("user", QUESTIONS[slot])),
        sampling=GREEDY,
        slot=slot,
    )


async def test_a_beginning_that_slots_share_is_evaluated_once(open_worker, demo: Path) -> None:
    async with open_worker(demo, slots=1) as engine:
        alone = [text_of(await play(engine, GenerateRequest(**{**as_dict(asked(n)), "slot": 0}))) for n in range(4)]
        shared = await engine.count_prompt([ChatMessage("system", SHARED)])
    async with open_worker(demo, slots=4) as engine:
        together = await asyncio.gather(*(play(engine, asked(slot)) for slot in range(4)))
        timings = [finish_of(events).timings for events in together]
        assert [text_of(events) for events in together] == alone
        cached = sorted(timing.cached_tokens or 0 for timing in timings)
        assert cached[0] < 16
        assert all(count > shared - 16 for count in cached[1:])
        again = await asyncio.gather(*(play(engine, asked(slot, name="r")) for slot in range(4)))
        assert [text_of(events) for events in again] == alone
        other = await play(engine, asked(1, name="s", own="Besides: "))
        assert (finish_of(other).timings.cached_tokens or 0) < 16
        assert text_of(await play(engine, asked(0, name="t"))) == alone[0]


def as_dict(request: GenerateRequest) -> dict[str, object]:
    return {name: getattr(request, name) for name in request.__struct_fields__}
