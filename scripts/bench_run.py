"""What a run costs the model: a headless run in one slot over the bare llama.cpp loop.

The run is the whole of it: a prompt set read from disk, the runner, the real worker, metrics, scores, every record
synced to the disk. The model is the 0.5B shape in q4_0 with random weights. The bare loop gets prompts and answers of
the same lengths, the same threads and context, and an empty cache each time. The two alternate; ratios are taken pair
by pair. Printed: decode tok/s, the run's median sample over the bare loop's median round; and all tokens a second, from
the first question to the last record, prompts and everything between samples included.

Run: .venv/bin/python scripts/bench_run.py [--samples 8] [--prompt 16] [--tokens 128] [--repeats 3]
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench_common import half_billion, report
from pty_program import ROOT

from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.llama.process import SPIN_COUNT
from llmtui.services.runner import Runner
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.events import ModelFailed, ModelReady, SampleBegun, SampleEnded
from llmtui.services.runs.plan import Wishes, make_plan
from llmtui.services.wiring import build
from llmtui.store.config import Config
from llmtui.store.paths import Folders

BOUND = "at least 0.97"


class Measured(NamedTuple):
    """Of one run, or of the bare loop.

    Attributes:
        decode_tps: tokens a second while it decodes, median of the samples.
        seconds: of everything.
        prompt: tokens that were evaluated for each answer.
        threads: that decoded.
    """

    decode_tps: float
    seconds: float
    prompt: int
    threads: int


def prompt_set(samples: int, words: int, tokens: int) -> str:
    """Texts to be continued that have no beginning in common, so that nothing of one serves the next."""
    lines = ["schema: llmtui.promptset/1", "name: bench", "samples:"]
    settings = f"{{temperature: 0, max_tokens: {tokens}}}"
    for number in range(samples):
        text = f"{number} " + "word " * words
        lines.append(f"  - {{id: s{number}, mode: text, input: '{text}', generation: {settings}, targets: [x],")
        lines.append("     scorers: [{type: contains}]}")
    return "\n".join(lines) + "\n"


async def run(model: Path, args: argparse.Namespace) -> Measured:
    """One run with one slot; its time ends when the last record is on the disk."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(prompt_set(args.samples, args.prompt, args.tokens), encoding="utf-8")
        folders = Folders.resolve({"LLMTUI_DATA_DIR": folder, "LLMTUI_CONFIG_DIR": folder})
        config = Config(runtime=Runtime(context=args.context), sampling=Sampling(ignore_eos=True))
        services = build(config, folders, frozenset({"ignore_eos"}))
        plan = make_plan(services, Wishes(sets=(str(path),), models=(str(model),)))
        book = await RunBook.begin(folders, None, plan)
        runner = Runner(services, book, services.host)
        speeds: list[float] = []
        begun = ended = 0.0
        prompt = threads = 0
        async with contextlib.aclosing(runner.events()) as events:
            async for event in events:
                match event:
                    case ModelFailed():
                        raise SystemExit(f"{event.error.title}: {event.error.cause}")
                    case ModelReady():
                        threads = event.loaded.threads or 1
                    case SampleBegun():
                        begun = begun or time.perf_counter()
                    case SampleEnded():
                        ended, metrics = time.perf_counter(), event.record.metrics
                        assert metrics.completion_tokens == args.tokens, event.record.error
                        speeds.append(metrics.decode_tps or 0.0)
                        prompt = (metrics.prompt_tokens or 0) - (metrics.cached_tokens or 0)
        await services.host.close()
        await book.close(finished=True)
        return Measured(median(speeds), ended - begun, prompt, threads)


def bare(model: Path, like: Measured, args: argparse.Namespace) -> Measured:
    """The bare loop over as much, in a process of its own, with the worker's setting for how threads wait."""
    command = [sys.executable, str(ROOT / "scripts" / "bare_loop.py"), str(model), "--warm-up", "--temperature", "0"]
    command += ["--threads", str(like.threads), "--context", str(args.context), "--prompt", str(like.prompt)]
    command += ["-n", str(args.tokens), "--rounds", str(args.samples)]
    env = {"GOMP_SPINCOUNT": SPIN_COUNT} | os.environ
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout)
    return Measured(float(told["decode_tps"]), float(told["seconds"]), like.prompt, like.threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=16, help="words of a prompt")
    parser.add_argument("--tokens", type=int, default=128, help="of each answer")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", type=Path, help="another one than the 0.5B shape")
    args = parser.parse_args()
    model = args.model or half_billion()
    decode, whole = [], []
    for _ in range(args.repeats):
        inside = asyncio.run(run(model, args))
        alone = bare(model, inside, args)
        tokens = args.samples * args.tokens
        for name, one in (("run", inside), ("bare", alone)):
            told = f"{one.decode_tps:.1f} tok/s decode, {tokens / one.seconds:.1f} in all"
            print(f"{name:4} {told}, prompts of {one.prompt} tokens")
        decode.append(inside.decode_tps / alone.decode_tps)
        whole.append(alone.seconds / inside.seconds)
    report("decode, run over bare loop", decode, bound=BOUND)
    report("all tokens a second, run over bare loop", whole, bound=BOUND)


if __name__ == "__main__":
    main()
