"""What slots bring: samples of one shared prefix, answered one by one and with many in flight.

Printed: tokens a second of all answers together, with 16 slots over 1, in turns within one process each; and how many
answers at temperature 0 are the same.

Run: .venv/bin/python scripts/bench_parallel.py [--samples 32] [--slots 16] [--prefix 200] [--tokens 32] [--repeats 1]
"""

import argparse
import asyncio
import time
from pathlib import Path

from bench_common import half_billion, report

from llmtui.domain.events import Delta, Failed, Finished
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.base import GenerateRequest
from llmtui.engines.llama.client import LlamaEngine


async def answer(engine: LlamaEngine, number: int, slot: int, prefix: str, tokens: int) -> tuple[str, int]:
    """One answer and its tokens."""
    request = GenerateRequest(
        id=f"sample-{number}",
        prompt=f"{prefix} Question {number}:",
        sampling=Sampling(temperature=0, max_tokens=tokens, ignore_eos=True),
        slot=slot,
    )
    text, count = "", 0
    async for event in engine.generate(request):
        assert not isinstance(event, Failed), event
        if isinstance(event, Delta):
            text += event.text
        elif isinstance(event, Finished):
            count = event.timings.completion_tokens or 0
    return text, count


async def measure(model: Path, slots: int, args: argparse.Namespace) -> tuple[float, list[str]]:
    """Tokens a second of all samples together, from the first question to the last answer, and the answers."""
    context = args.prefix * 2 + args.tokens + 64
    engine = LlamaEngine("bench", str(model), Runtime(context=context, slots=slots))
    try:
        async for _ in engine.load():
            pass
        await answer(engine, -1, 0, "warm", 2)
        prefix = " word" * (args.prefix // len(await engine.tokenise(" word")))
        waiting = iter(range(args.samples))
        answers: dict[int, str] = {}
        total = 0

        async def lane(slot: int) -> None:
            nonlocal total
            for number in waiting:
                answers[number], count = await answer(engine, number, slot, prefix, args.tokens)
                total += count

        started = time.perf_counter()
        await asyncio.gather(*(lane(slot) for slot in range(slots)))
        return total / (time.perf_counter() - started), [answers[number] for number in range(args.samples)]
    finally:
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--prefix", type=int, default=200, help="tokens of the shared prefix")
    parser.add_argument("--tokens", type=int, default=32, help="of each answer")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--model", type=Path, help="another one than the 0.5B shape")
    args = parser.parse_args()
    model = args.model or half_billion()
    ratios = []
    for _ in range(args.repeats):
        one, alone = asyncio.run(measure(model, 1, args))
        many, together = asyncio.run(measure(model, args.slots, args))
        same = sum(a == b for a, b in zip(alone, together, strict=True))
        print(f"1 slot {one:.1f} tok/s, {args.slots} slots {many:.1f} tok/s, {same} of {len(alone)} answers the same")
        ratios.append(many / one)
    report(f"{args.slots} slots over 1", ratios, bound="at least 2.2 on two cores")


if __name__ == "__main__":
    main()
