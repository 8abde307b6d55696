"""The tokens that conversations were really made of, so that the next turn finds them in the cache.

A model may write a text in other tokens than the tokeniser would. Tokenised anew, its answer then differs from what
the cache holds, and everything behind the first difference has to be evaluated again. So a prompt that begins with a
known text, character by character, takes that text's tokens; only the rest is tokenised.
"""

from array import array  # noqa: TC003 (msgspec reads the annotation)

import msgspec

from llmtui.engines.llama.worker.sequences import common_prefix
from llmtui.engines.llama.worker.vocabulary import Vocabulary

MOST_PASSAGES = 16


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A text and its tokens.

    Attributes:
        joints: ends of prompts and answers in it, as characters and tokens from the start.
    """

    text: str
    tokens: "array[int]"
    joints: tuple[tuple[int, int], ...] = ()

    def ended(self) -> "Passage":
        """The same with a joint at its end."""
        joint = (len(self.text), len(self.tokens))
        return self if joint in self.joints else msgspec.structs.replace(self, joints=(*self.joints, joint))

    def answered(self, written: bytes, tokens: "array[int]") -> "Passage":
        """The same with an answer behind it, unless that is no text.

        Args:
            written: bytes of the answer's tokens.
            tokens: of the answer, without an end token; each of them has bytes.
        """
        try:
            text = self.text + written.decode()
        except UnicodeDecodeError:
            return self
        return Passage(text=text, tokens=self.tokens + tokens, joints=self.joints).ended()


class Passages:
    """The conversations seen last. The loop remembers, the clerk looks up: each exchanges the whole tuple at once."""

    def __init__(self) -> None:
        self._recent: tuple[Passage, ...] = ()

    def remember(self, passage: Passage) -> None:
        """Take a passage; those that it continues are not needed any more."""
        others = (known for known in self._recent if not passage.text.startswith(known.text))
        self._recent = (passage, *others)[:MOST_PASSAGES]

    def tokenise(self, text: str, vocabulary: Vocabulary, *, add_special: bool) -> Passage:
        """The tokens of a prompt: those of the longest known beginning, and behind it the tokeniser's.

        A known text ends where the prompt ends, too, or where a special token follows: there, the tokeniser makes a
        cut of its own, whatever stands before.
        """
        for chars, count, known in self._beginnings(text):
            rest = text[chars:]
            ids = vocabulary.tokenise(rest, add_special=False) if rest else None
            if ids is not None and not vocabulary.begins_special(rest, ids):
                continue
            kept = tuple(joint for joint in known.joints if joint <= (chars, count))
            tokens = known.tokens[:count]
            return Passage(text=text, tokens=tokens if ids is None else tokens + ids, joints=kept).ended()
        return Passage(text=text, tokens=vocabulary.tokenise(text, add_special=add_special)).ended()

    def _beginnings(self, text: str) -> list[tuple[int, int, Passage]]:
        """Joints up to which a passage and the text are the same, one a passage, the longest first."""
        found = []
        for known in self._recent:
            shared = common_prefix(known.text, text)
            fitting = [joint for joint in known.joints if joint[0] <= shared]
            found += [(*joint, known) for joint in fitting[-2:]]
        return sorted(found, key=lambda beginning: beginning[0], reverse=True)
