"""Long pastes, folded into a few words that stand for them until the text is sent."""

import re
from typing import Final

FOLD_CHARACTERS: Final = 2_000
FOLD_LINES: Final = 30
"""A paste above either is folded."""
_SPACE: Final = "\u00a0"
"""Inside a chip, so that the same words typed by hand are not one."""
_CHIP: Final = re.compile(rf"\[pasted{_SPACE}[\d,]+{_SPACE}characters{_SPACE}#(\d+)\]")


def is_long(text: str) -> bool:
    """Whether a paste is worth folding."""
    return len(text) > FOLD_CHARACTERS or text.count("\n") >= FOLD_LINES


class Pastes:
    """The pastes of one draft, by number. A chip that is deleted takes its paste out of what is sent."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def fold(self, text: str) -> str:
        """Keep a text; gives the chip that stands for it."""
        number = len(self._texts) + 1
        chip = f"[pasted {len(text):,} characters #{number}]".replace(" ", _SPACE)
        self._texts[chip] = text
        return chip

    def expand(self, text: str) -> str:
        """A text with every chip replaced by what it stands for."""
        if not self._texts:
            return text
        return _CHIP.sub(lambda match: self._texts.get(match[0], match[0]), text)

    def chips_in(self, line: str) -> list[tuple[int, int]]:
        """Where the chips of a line begin and end."""
        if not self._texts or _SPACE not in line:
            return []
        return [match.span() for match in _CHIP.finditer(line) if match[0] in self._texts]

    def clear(self) -> None:
        """Forget all of them."""
        self._texts.clear()
