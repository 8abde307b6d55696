"""What the benchmarks share: the 0.5B model and how a ratio is reported."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pty_program import ROOT


def half_billion() -> Path:
    """The 0.5B qwen2 shape in q4_0 with random weights, written once into the cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmtui-bench"
    path = cache / "qwen2-0.5b-q4_0.gguf"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"writing {path} (once)", file=sys.stderr)
        part = path.with_suffix(".part")
        script = str(ROOT / "scripts" / "make_gguf.py")
        command = [sys.executable, script, "--shape", "qwen2-0.5b", "--type", "q4_0", "-o", str(part)]
        subprocess.run(command, check=True)
        part.rename(path)
    return path


def report(name: str, ratios: Sequence[float], *, bound: str) -> None:
    """Print a ratio's median and range beside what is asked of it."""
    print(f"{name}: {median(ratios):.3f}  (min {min(ratios):.3f}, max {max(ratios):.3f}, n={len(ratios)}; {bound})")
