"""How soon the program is there: first painted screen of llmtui over that of a minimal Textual app.

Both run in a real pseudo-terminal of 80x24 and alternate. A screen counts as painted when a word that stands in its
last part has been written. Also: what `scripts/llmtui` adds to the program when nothing is to install.

Run: .venv/bin/python scripts/bench_start.py [--repeats 9]
"""

import argparse
import subprocess
import sys
import time
from statistics import median

from bench_common import report
from pty_program import LLMTUI, ROOT, PtyProgram, user_folders

MINIMAL = """
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    def compose(self):
        yield Static("painted")
Minimal().run()
"""


def painted_s(argv: list[str], env: dict[str, str], word: bytes) -> float:
    """Seconds from the start of the process to `word` on the screen."""
    program = PtyProgram(argv, env=env, size=(80, 24))
    try:
        program.wait_for(lambda: word in program.output, 30, f"{word!r}")
        return (time.perf_counter_ns() - program.started_ns) / 1e9
    finally:
        program.stop()


def command_s(argv: list[str]) -> float:
    """Seconds of a whole command."""
    start = time.perf_counter_ns()
    subprocess.run(argv, check=True, capture_output=True)
    return (time.perf_counter_ns() - start) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    ratios, ours, theirs, extra = [], [], [], []
    with user_folders() as env:
        for repeat in range(args.repeats + 1):
            minimal = painted_s([sys.executable, "-c", MINIMAL], env, b"painted")
            llmtui = painted_s([str(LLMTUI), "demo"], env, b"^O")
            script = command_s([str(ROOT / "scripts" / "llmtui"), "--version"])
            direct = command_s([str(LLMTUI), "--version"])
            if repeat:  # the first pair warms the page cache
                ratios.append(llmtui / minimal)
                ours.append(llmtui)
                theirs.append(minimal)
                extra.append(1000 * (script - direct))
    print(f"first painted screen: llmtui {median(ours):.3f} s, minimal Textual app {median(theirs):.3f} s")
    report("llmtui / minimal Textual app", ratios, bound="at most 1.8, aim 1.4")
    print(f"scripts/llmtui adds {median(extra):.0f} ms to `llmtui --version`  (under 50 ms)")


if __name__ == "__main__":
    main()
