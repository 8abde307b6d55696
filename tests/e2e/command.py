"""The real command in a process of its own, without a terminal, with an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

ANSWER_S = 120.0
DEMO = Path(__file__).resolve().parents[2] / "tui" / "llmtui" / "data" / "demo.gguf"
RECITE = "背诵李白的《静夜思》，只写正文。"
POEM = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"


def environment(user: dict[str, str]) -> dict[str, str]:
    """Nothing of the caller's but the path; `user` names the folders."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **user}


def llmtui(
    user: dict[str, str], *args: str | bytes, stdin: bytes | int = subprocess.DEVNULL, **more: Any
) -> "subprocess.CompletedProcess[bytes]":
    """Run the command to its end.

    Args:
        user: environment with the folders.
        args: words behind `llmtui`.
        stdin: what is piped in; without it, standard input is empty.
        more: of `subprocess.run`.
    """
    source: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    return subprocess.run(
        [sys.executable, "-m", "llmtui", *args],
        capture_output=True,
        timeout=ANSWER_S,
        check=False,
        env=environment(user),
        **source,
        **more,
    )


def workers_of(pid: int) -> list[psutil.Process]:
    """The processes below a process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
