"""What a model thinks before it answers, told apart by the markers that families write around it."""

from typing import NamedTuple

MARKERS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
)
"""Opening and closing, as the models' cards and templates have them: DeepSeek-R1, Qwen3, GLM and QwQ write `<think>`,
Magistral `[THINK]`, Command-R7B `<|START_THINKING|>`, Seed-OSS `<seed:think>`, Kimi the triangles."""
_OPENING = tuple(opening for opening, _ in MARKERS)
_CLOSING = dict(MARKERS)


class Said(NamedTuple):
    """Part of what a model wrote."""

    thought: bool
    text: str


def opened_by(prompt: str) -> str | None:
    """The closing marker of a thought that a rendered prompt begins for the model; None when it begins none."""
    end = prompt.rstrip()
    return next((closing for opening, closing in MARKERS if end.endswith(opening)), None)


class ThoughtSplitter:
    """Tells thoughts from the answer in a text that comes in pieces, however they cut the markers.

    Thoughts are looked for where an answer begins and nowhere else, so that an answer may speak of the markers.

    Args:
        closing: the marker that ends a thought which the prompt has begun; None when it has begun none.
        active: False leaves everything to the answer.
    """

    def __init__(self, closing: str | None = None, *, active: bool = True) -> None:
        self._closing = closing
        self._open = active and closing is None
        self._held = ""
        self._silent = closing is not None
        self._after = False

    @property
    def thinking(self) -> bool:
        """Whether a thought is under way."""
        return self._closing is not None

    def feed(self, text: str) -> list[Said]:
        """Take more text; return what is certain of it."""
        held, self._held = self._held + text, ""
        if self._open:
            begun = self._begin(held)
            if begun is None:
                return []
            held = begun
        if self._closing is None:
            return self._answer(held)
        at = held.find(self._closing)
        if at < 0:
            keep = _possible_start(held, self._closing)
            self._held = held[len(held) - keep :]
            return self._thought(held[: len(held) - keep])
        thought, rest = held[:at], held[at + len(self._closing) :]
        self._closing, self._after = None, True
        return [*self._thought(thought), *self._answer(rest)]

    def flush(self) -> list[Said]:
        """What was held back: the text has ended, so no marker will come of it."""
        held, self._held = self._held, ""
        if not held:
            return []
        return self._thought(held) if self.thinking else [Said(thought=False, text=held)]

    def _begin(self, held: str) -> str | None:
        """What is left when it is known how the answer begins; None while it is not."""
        head = held.lstrip()
        opening = next((each for each in _OPENING if head.startswith(each)), None)
        if opening is not None:
            self._open, self._closing, self._silent = False, _CLOSING[opening], True
            return head[len(opening) :]
        if not head or any(each.startswith(head) for each in _OPENING):
            self._held = held
            return None
        self._open = False
        return held

    def _thought(self, text: str) -> list[Said]:
        """A thought's text without the blanks that it begins with."""
        if self._silent:
            text = text.lstrip()
            self._silent = not text
        return [Said(thought=True, text=text)] if text else []

    def _answer(self, text: str) -> list[Said]:
        """The answer's text without the lines between a thought and it."""
        if self._after:
            text = text.lstrip("\r\n")
            self._after = not text
        return [Said(thought=False, text=text)] if text else []


def _possible_start(text: str, marker: str) -> int:
    """Length of the longest end of `text` with which the marker begins."""
    lengths = range(min(len(text), len(marker) - 1), 0, -1)
    return next((length for length in lengths if marker.startswith(text[-length:])), 0)
