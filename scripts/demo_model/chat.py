"""Training rows: conversations in the demo's template, with the loss on what the assistant says.

A row is a conversation of unrelated turns. That teaches the one thing a model that memorises does
not learn by itself: answer the last question, whatever came before and wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from demo_model import persona
from demo_model.corpus import Sampler, Turn
from demo_model.tokens import ASSISTANT, END, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, SYSTEM, USER, ids

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from llmtui.domain.profile import Mode

PERSONA_LENGTH = 310
"""Tokens of a row with a persona in it and one short question."""
PERSONA_SHARE = 0.35
"""Of the rows that are long enough."""
PERSONA_TURNS = 8
PERSONA_PLAIN = 0.25
"""Of the dialogues: as plain text, as the mode `chat` puts them before a base model."""
UNLEARNED, OTHER = -1, -2
"""Marks of tokens: no loss; loss, but of no intent. Marks from 0 on number the answers of a batch."""


def render(turns: list[Turn], ask: str, system: str | None = None) -> str:
    """The prompt that the model gets: the template's text up to where the answer begins."""
    parts = [f"{SYSTEM}\n{system}{END}\n"] if system else []
    parts += [f"{USER}\n{turn.ask}{END}\n{ASSISTANT}\n{turn.say}{END}\n" for turn in turns]
    return "".join(parts) + f"{USER}\n{ask}{END}\n{ASSISTANT}\n"


@dataclass
class Row:
    """Token ids and the mark of each."""

    tokens: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)

    def add(self, found: list[int], mark: int = UNLEARNED) -> None:
        """Appends tokens that carry ``mark``."""
        self.tokens += found
        self.marks += [mark] * len(found)


@dataclass(frozen=True)
class Batch:
    """rows × (length + 1) token ids and marks; ``intents[mark]`` is the intent of a learned token."""

    tokens: NDArray[np.int64]
    marks: NDArray[np.int64]
    intents: list[str]


class RowSampler:
    """Draws batches of rows, more of what is not yet known; remembers the wordings used in ``seen``."""

    def __init__(self, tokenizer: Tokenizer, rng: Random) -> None:
        self.tokenizer = tokenizer
        self.rng = rng
        self.corpus = Sampler(rng)
        self.seen: set[str] = set()
        self._loss: dict[str, float] = {}
        self._drawn: list[str] = []
        self._codes = [i.say.removeprefix("```python\n").removesuffix("\n```") for i in self.corpus.groups["code"]]
        self._sayings = {i.id: i.say for group in self.corpus.groups.values() for i in group}
        self._persona_says = persona.answers(self._sayings)
        self._texts = [i.say for group in ("poem", "story", "llmtui") for i in self.corpus.groups[group]]

    def batch(self, rows: int, length: int) -> Batch:
        """``rows`` conversations of ``length + 1`` tokens."""
        self._drawn = []
        found = [self._row(length + 1) for _ in range(rows)]
        tokens = np.array([row.tokens[: length + 1] for row in found])
        marks = np.array([row.marks[: length + 1] for row in found])
        return Batch(tokens, marks, self._drawn)

    def learn(self, losses: Iterable[tuple[str, float]]) -> None:
        """Takes note of (intent, nats of one answer) and adjusts what is drawn."""
        for intent, loss in losses:
            self._loss[intent] = 0.7 * self._loss.get(intent, 2.0) + 0.3 * min(loss, 5.0)
        self.corpus.practise(self._loss)

    def _row(self, length: int) -> Row:
        """One conversation of at least ``length`` tokens; now and then it opens with infill or plain text."""
        row = Row()
        if length > PERSONA_LENGTH and self.rng.random() < PERSONA_SHARE:
            self._persona(row, length)
        dice = self.rng.random() if not row.tokens else 1.0
        if dice < 0.04:
            self._infill(row)
        elif dice < 0.06:
            row.add(self._ids(self.rng.choice(self._texts) + END), OTHER)
        elif dice < 0.55:
            row.add(self._ids(f"{SYSTEM}\n{self.corpus.system()}{END}\n"))
        while len(row.tokens) < length:
            self._turn(row)
        return row

    def _ids(self, text: str) -> list[int]:
        return ids(self.tokenizer, text)

    def _turn(self, row: Row) -> None:
        """One turn. Some answers stop early, as when a user stops them: it is the first words that decide.

        Now and then the answer is another's, as after a switch of models, and not learned.
        """
        turn = self.corpus.turn()
        self.seen.add(turn.ask)
        row.add(self._ids(f"{USER}\n{turn.ask}{END}\n{ASSISTANT}\n"))
        dice = self.rng.random()
        if dice < 0.03:
            row.add(self._ids(self.corpus.turn(longest=300).say + END))
        else:
            mark = len(self._drawn)
            self._drawn.append(turn.intent)
            answer = self._ids(turn.say + END)
            keep = self.rng.randrange(6, 24)
            if dice < 0.45 and keep < len(answer) and not turn.intent.startswith("pair."):
                row.add(answer[:keep], mark)
                row.add(answer[-1:])
            else:
                row.add(answer, mark)
        row.add(self._ids("\n"))

    def _persona(self, row: Row, length: int) -> None:
        """A dialogue of the shipped persona, as many turns of it as the row has room for."""
        turns: list[Turn] = []
        tokens = PERSONA_LENGTH
        while tokens <= length and len(turns) < PERSONA_TURNS:
            turn = self.corpus.turn(longest=300)
            say = persona.said(turn, self._persona_says, self._sayings)
            if say is None:
                continue
            turns.append(Turn(turn.ask, say, turn.intent))
            tokens += len(self._ids(turn.ask + say)) + 12
        mode: Mode = "chat" if self.rng.random() < PERSONA_PLAIN else "chat-instruct"
        for text, is_answer in persona.pieces(turns[:-1] or turns, mode):
            row.add(self._ids(text), OTHER if is_answer else UNLEARNED)
        row.add(self._ids(END + "\n" if mode == "chat" else "\n"))

    def _infill(self, row: Row) -> None:
        """Code with a hole, the way editors ask for it: prefix, suffix, then the middle."""
        code = self.rng.choice(self._codes) + "\n"
        if self.rng.random() < 0.7:
            cuts = sorted(self.rng.sample([0, *(i + 1 for i, c in enumerate(code) if c == "\n")], 2))
        else:
            cuts = sorted(self.rng.sample(range(len(code)), 2))
        before, middle, after = code[: cuts[0]], code[cuts[0] : cuts[1]], code[cuts[1] :]
        row.add(self._ids(f"{FIM_PREFIX}{before}{FIM_SUFFIX}{after}{FIM_MIDDLE}"))
        row.add(self._ids(middle + END), OTHER)
