"""How fast a long prefill can be cancelled, and that what was evaluated is not lost.

A prompt of 8,000 tokens goes to the 0.5B model and is cancelled half a second later. Printed: how long the worker
took to be idle again, how far the prefill had come, and how much of it the next turn reused.

Run: .venv/bin/python scripts/bench_cancel.py [--repeats 5] [--tokens 8000]
"""

import argparse
import asyncio
import contextlib
import time
from statistics import median

from bench_common import half_billion

from llmtui.domain.events import Finished, PrefillProgress
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.base import GenerateRequest
from llmtui.engines.llama.client import LlamaEngine

DELAY_S = 0.5


async def long_prompt(engine: LlamaEngine, tokens: int, seed: int) -> str:
    """Text of about `tokens` tokens, different for each seed from the first word on."""
    words = [f"{seed}-{number}" for number in range(tokens)]
    low, high = 1, tokens
    while low < high:
        middle = (low + high + 1) // 2
        count = len(await engine.tokenise(" ".join(words[:middle])))
        low, high = (middle, high) if count <= tokens else (low, middle - 1)
    return " ".join(words[:low])


async def once(engine: LlamaEngine, prompt: str, number: int) -> tuple[float, int, int, int]:
    """Milliseconds from cancel to idle; tokens of the prompt, evaluated at the cancel, reused by the next turn."""
    messages = (ChatMessage(role="user", content=prompt),)
    first = GenerateRequest(id=f"cancelled-{number}", messages=messages, sampling=Sampling(max_tokens=1))
    done = total = 0
    cancelled_ns = idle_ns = 0

    async def cancel_later() -> None:
        nonlocal cancelled_ns
        await asyncio.sleep(DELAY_S)
        cancelled_ns = time.perf_counter_ns()
        await engine.cancel(first.id)

    cancelling = asyncio.create_task(cancel_later())
    async for event in engine.generate(first):
        if isinstance(event, PrefillProgress):
            done, total = event.done, event.total
        if isinstance(event, Finished):
            idle_ns = time.perf_counter_ns()
            assert event.reason == "cancelled", event
    await cancelling
    cached = 0
    again = GenerateRequest(id=f"again-{number}", messages=messages, sampling=Sampling(max_tokens=1))
    async with contextlib.aclosing(engine.generate(again)) as events:
        async for event in events:
            if isinstance(event, PrefillProgress):
                cached = event.cached
                break
    return (idle_ns - cancelled_ns) / 1e6, total, done, cached


async def measure(repeats: int, tokens: int) -> None:
    engine = LlamaEngine("bench", str(half_billion()), Runtime(context=tokens + 512))
    try:
        async for _ in engine.load():
            pass
        rows = []
        for number in range(repeats):
            prompt = await long_prompt(engine, tokens, number)
            rows.append(await once(engine, prompt, number))
            print("{:.0f} ms to idle; prompt {:,} tokens, {:,} evaluated, {:,} reused next turn".format(*rows[-1]))
    finally:
        await engine.close()
    print(f"median {median(row[0] for row in rows):.0f} ms from cancel to idle  (at most 200 ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=8000)
    args = parser.parse_args()
    asyncio.run(measure(args.repeats, args.tokens))


if __name__ == "__main__":
    main()
