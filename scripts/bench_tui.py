"""What the screen costs the model: decode speed inside the running program over the bare llama.cpp loop.

The program runs in a real pseudo-terminal with a 0.5B q4_0 model of random weights; the bare loop has the same
threads, context, prompt length and sampler. The two alternate; ratios are taken pair by pair. Also printed: bytes
written to the terminal a token, and processor seconds of the program (without the worker) per 1,000 tokens.

Run: .venv/bin/python scripts/bench_tui.py [--repeats 5] [-n 192] [--size 140x40] [--notebook]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import psutil
from bench_common import half_billion, report
from pty_program import LLMTUI, ROOT, PtyProgram, user_folders

from llmtui.engines.llama.process import SPIN_COUNT

F5, F7 = b"\x1b[15~", b"\x1b[18~"
PROMPT = "Tell me a long story about a river, a mountain and the moon, and do not stop early. " * 3


def bare(model: Path, threads: int, prompt: int, tokens: int) -> float:
    """Tokens a second of the bare loop, with the worker's setting for how threads wait for each other."""
    command = [sys.executable, str(ROOT / "scripts" / "bare_loop.py"), str(model), "--threads", str(threads)]
    command += ["--prompt", str(prompt), "-n", str(tokens)]
    env = {"GOMP_SPINCOUNT": SPIN_COUNT} | os.environ
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return float(json.loads(result.stdout)["decode_tps"])


def turn_records(folder: str) -> list[dict[str, object]]:
    """The finished turns in the transcripts under `folder`."""
    lines = [line for path in Path(folder).glob("chats/*.jsonl") for line in path.read_text("utf-8").splitlines()]
    return [record for line in lines if (record := json.loads(line)).get("record") == "turn"]


def wait_for_turn(program: PtyProgram, folder: str) -> None:
    """Read the terminal until the turn is over, looking for its record seldom: looking costs the model its cores."""
    deadline = time.monotonic() + 300
    while not turn_records(folder):
        if time.monotonic() > deadline:
            raise TimeoutError("the turn did not end within 300 s")
        look_again = time.monotonic() + 1
        while (left := look_again - time.monotonic()) > 0:
            program.pump(left)


def inside(model: Path, threads: int, tokens: int, size: tuple[int, int], *, notebook: bool) -> dict[str, float]:
    """One turn in the chat or the notebook: its decode speed, bytes a token, processor seconds per 1,000 tokens."""
    config = (
        f"[sampling]\nmax_tokens = {tokens}\nseed = 1\nignore_eos = true\n\n"
        f"[runtime]\nthreads = {threads}\ncontext = 4096\n"
    )
    with user_folders(config) as env:
        program = PtyProgram([str(LLMTUI), str(model)], env=env, size=size)
        try:
            children = psutil.Process(program.pid).children
            program.wait_for(lambda: bool(children()), 30, "the worker")
            program.wait_for(lambda: b"Q4_0" in program.output, 60, "the model's name on screen")
            program.wait_quiet(1.5, 60)
            if notebook:
                program.send(F7)
                program.wait_quiet(1.0, 30)
            program.send(PROMPT.encode())
            program.wait_quiet(1.0, 30)
            before, cpu = len(program.output), psutil.Process(program.pid).cpu_times()
            program.send(F5 if notebook else b"\r")
            wait_for_turn(program, env["LLMTUI_DATA_DIR"])
            program.wait_quiet(0.5, 10)
            after = psutil.Process(program.pid).cpu_times()
        finally:
            program.stop()
        metrics = turn_records(env["LLMTUI_DATA_DIR"])[0]["metrics"]
    assert isinstance(metrics, dict)
    used = (after.user + after.system) - (cpu.user + cpu.system)
    return {
        "decode_tps": metrics["decode_tps"],
        "prompt_tokens": metrics["prompt_tokens"],
        "bytes_per_token": (len(program.output) - before) / metrics["completion_tokens"],
        "cpu_s_per_1000": 1000 * used / metrics["completion_tokens"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-n", type=int, default=192, help="tokens a turn")
    parser.add_argument("--size", default="140x40")
    parser.add_argument("--threads", type=int, default=psutil.cpu_count(logical=False) or 1)
    parser.add_argument("--model", type=Path, help="another GGUF instead of the random 0.5B")
    parser.add_argument("--notebook", action="store_true", help="in the notebook, not in the chat")
    args = parser.parse_args()
    columns, rows = (int(part) for part in args.size.split("x"))
    model = args.model or half_billion()
    ratios, seen = [], []
    bare(model, args.threads, 16, 16)
    for repeat in range(args.repeats):
        turn = inside(model, args.threads, args.n, (columns, rows), notebook=args.notebook)
        base = bare(model, args.threads, int(turn["prompt_tokens"]), args.n)
        ratios.append(turn["decode_tps"] / base)
        seen.append(turn)
        print(f"{repeat + 1}: bare {base:.1f} tok/s, in the program {turn['decode_tps']:.1f} tok/s", file=sys.stderr)
    print(f"{args.threads} threads, {args.n} tokens, terminal {args.size}, {args.repeats} alternating repeats")
    report("decode in the program / bare loop", ratios, bound="at least 0.93, aim 0.97")
    print(f"bytes to the terminal per token: {median(t['bytes_per_token'] for t in seen):.0f}  (at most 600, aim 300)")
    print(f"processor seconds of the program per 1,000 tokens: {median(t['cpu_s_per_1000'] for t in seen):.2f}")


if __name__ == "__main__":
    main()
