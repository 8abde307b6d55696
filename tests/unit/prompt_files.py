"""Prompt sets written for one test."""

from pathlib import Path

from llmtui.domain.prompt_set import Sample
from llmtui.store.prompt_errors import Problem
from llmtui.store.prompt_sets import open_prompt_set

HEAD = "schema: llmtui.promptset/1\nname: set\n"


def write_set(folder: Path, text: str | bytes, *, head: str = HEAD) -> Path:
    """A set file of the head, which takes two lines, and a text."""
    path = folder / "set.yaml"
    path.write_bytes(head.encode() + (text if isinstance(text, bytes) else text.encode()))
    return path


def scan(path: Path) -> list[Sample | Problem]:
    """All that a set holds, problems included."""
    with open_prompt_set(path) as reader:
        return list(reader.scan())


def samples(folder: Path, text: str) -> list[Sample]:
    """The samples of a set that must be valid."""
    with open_prompt_set(write_set(folder, text)) as reader:
        return list(reader.samples())


def only_problem(folder: Path, text: str) -> Problem:
    """The one thing that is wrong with a set of one sample or more."""
    found = [item for item in scan(write_set(folder, text)) if isinstance(item, Problem)]
    assert len(found) == 1, found
    return found[0]
