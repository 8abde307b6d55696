"""What is wrong with a file that its user wrote: place, line, and what was probably meant."""

import difflib
import re
from typing import TYPE_CHECKING, Any

import msgspec

from llmtui.errors import ConfigError

if TYPE_CHECKING:
    from llmtui.store.yaml_stream import Node

Place = tuple[str | int, ...]
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in a prompt set or a profile.

    Attributes:
        file: where it is.
        place: in the document, e.g. `$.samples[3].scorers[0]`.
        line: from 1; None where it is not known.
        fatal: nothing behind it could be read.
        kind: of the file.
    """

    file: str
    message: str
    remedy: str
    place: str = "$"
    line: int | None = None
    fatal: bool = False
    kind: str = "prompt set"

    @property
    def where(self) -> str:
        """File, line and place."""
        line = f", line {self.line}" if self.line else ""
        return f"{self.file}{line}: {self.place}" if self.place != "$" else f"{self.file}{line}"

    def as_error(self) -> ConfigError:
        """The error to raise."""
        return ConfigError(f"The {self.kind} is not valid", cause=f"{self.where}: {self.message}", remedy=self.remedy)


class InvalidError(Exception):
    """A value does not fit; `place` is below the value, `remedy` may say what was meant."""

    def __init__(self, message: str, place: Place = (), remedy: str = "Correct the value") -> None:
        super().__init__(message)
        self.place = place
        self.remedy = remedy


def dotted(root: str, place: Place) -> str:
    """`$.samples[3].input` for a root `$.samples[3]` and a place `("input",)`."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)


def steps(text: str) -> Place:
    """The place that `dotted` would write as the text, without its root."""
    return tuple(int(index) if index.isdigit() else name or "..." for name, index in _STEP.findall(text))


def problem(file: str, root: str, node: "Node | None", error: InvalidError) -> Problem:
    """The mistake with its line, found in the node it concerns."""
    line = node.line_of(error.place) if node else None
    return Problem(file=file, message=str(error), remedy=error.remedy, place=dotted(root, error.place), line=line)


def near_match(word: str, known: Any) -> str:
    """What was probably meant, as a remedy."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}"
