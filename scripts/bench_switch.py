"""What it costs to switch to another model and back in the middle of a long conversation.

Two models are loaded through the program's own host: A, the 0.5B shape, and B, the demo model, which stay warm. A
conversation of 2,000 tokens stands on A. Each repeat asks A twice, once without and once with a switch, in turn:

- switched: the host goes to B, B answers a question in the same conversation, the host goes back to A, A is asked;
- stayed: the same conversation grows by as much (a question and an answer like B's, put there by hand), A is asked.

So A evaluates the same number of new tokens in both: an exchange that it has not seen, and the question. Printed: the
time to the first text after the switch over that without, how many tokens each had to evaluate and how many were
cached, and how long the switch back itself took.

Run: .venv/bin/python scripts/bench_switch.py [--repeats 5] [--tokens 2000]
"""

import argparse
import asyncio
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench_common import half_billion, report
from pty_program import ROOT

from llmtui.domain.events import Delta, Failed, Finished
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.base import GenerateRequest, error_of
from llmtui.services.host import ModelHost
from llmtui.services.wiring import open_llama

CONTEXT = 4096
ANSWER = Sampling(temperature=0, max_tokens=8, ignore_eos=True)
BOUND = 1.2


class Turn(NamedTuple):
    """One answer; counts are tokens, `held` those in the model's cache after it."""

    ttft_s: float
    cached: int
    evaluated: int
    held: int


class Conversation:
    """A conversation that goes on under whichever model the host has."""

    def __init__(self, host: ModelHost) -> None:
        self.host = host
        self.messages: list[ChatMessage] = []
        self._numbers = iter(range(1_000_000, 9_999_999))

    def question(self) -> ChatMessage:
        """A question that was never asked before, as long as every other."""
        return ChatMessage("user", f"Q{next(self._numbers)}: which key opens the models?")

    async def ask(self) -> Turn:
        """Ask the present model; its answer becomes part of the conversation."""
        self.messages.append(self.question())
        request = GenerateRequest(id=str(next(self._numbers)), messages=tuple(self.messages), sampling=ANSWER)
        text, first_s, started_s = "", 0.0, time.perf_counter()
        engine = self.host.engine
        assert engine is not None
        async for event in engine.generate(request):
            if isinstance(event, Delta):
                text += event.text
                first_s = first_s or (time.perf_counter() - started_s if text.strip() else 0.0)
            elif isinstance(event, Failed):
                raise error_of(event)
            elif isinstance(event, Finished):
                timings = event.timings
        self.messages.append(ChatMessage("assistant", text))
        cached = timings.cached_tokens or 0
        return Turn(first_s, cached, (timings.prompt_tokens or 0) - cached, timings.context_used or 0)


def model(path: Path, name: str) -> ModelInfo:
    size = path.stat().st_size
    return ModelInfo(name=name, path=str(path), parts=(str(path),), source="file", size_bytes=size, modified_ns=0)


async def switch(host: ModelHost, info: ModelInfo) -> float:
    """Seconds until the model can be asked."""
    started_s = time.perf_counter()
    async for _ in host.load(info):
        pass
    return time.perf_counter() - started_s


async def history(host: ModelHost, tokens: int) -> list[ChatMessage]:
    """Questions and answers of about `tokens` tokens for the present model."""
    engine = host.engine
    assert engine is not None
    messages: list[ChatMessage] = []
    while not messages or await engine.count_prompt(messages) < tokens:
        number = len(messages) // 2
        messages.append(ChatMessage("user", f"What did we say in part {number} about the keys of the program?"))
        messages.append(
            ChatMessage("assistant", f"In part {number}: one key opens the list of models, one the help. " * 4)
        )
    return messages


async def measure(repeats: int, tokens: int) -> None:
    a, b = model(half_billion(), "A"), model(ROOT / "tui/llmtui/data/demo.gguf", "B")
    host = ModelHost(open_llama, Runtime(context=CONTEXT))
    stayed: list[Turn] = []
    switched: list[Turn] = []
    backs: list[float] = []
    lost = 0
    try:
        cold_s = await switch(host, a)
        chat = Conversation(host)
        chat.messages = await history(host, tokens)
        before = await chat.ask()
        print(
            f"conversation: {before.evaluated:,} tokens read in {before.ttft_s:.2f} s; A was loaded in {cold_s:.2f} s"
        )
        await switch(host, b)
        await chat.ask()
        answer = chat.messages[-1]
        await switch(host, a)
        before = await chat.ask()
        for number in range(2 * repeats):
            if number % 4 in {0, 3}:
                chat.messages += [chat.question(), answer]
                turns = stayed
            else:
                await switch(host, b)
                await chat.ask()
                backs.append(await switch(host, a))
                turns = switched
            turns.append(await chat.ask())
            lost += before.held - turns[-1].cached
            before = turns[-1]
    finally:
        await host.close()
    for name, turns in (("stayed", stayed), ("switched", switched)):
        ttft_ms = 1e3 * median(turn.ttft_s for turn in turns)
        cached, evaluated = (median(getattr(turn, key) for turn in turns) for key in ("cached", "evaluated"))
        print(f"{name:8} ttft {ttft_ms:6.0f} ms, {cached:,.0f} tokens cached, {evaluated:,.0f} evaluated (medians)")
    print(f"switching back: {1e3 * median(backs):.1f} ms; of what A's cache held, {lost} tokens were evaluated again")
    ratios = [after.ttft_s / without.ttft_s for after, without in zip(switched, stayed, strict=True)]
    report("ttft switched / stayed", ratios, bound=f"at most {BOUND}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=2000)
    args = parser.parse_args()
    asyncio.run(measure(args.repeats, args.tokens))


if __name__ == "__main__":
    main()
