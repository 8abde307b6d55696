"""A prompt shown token by token, without evaluating it."""

from array import array  # noqa: TC003 (msgspec reads the annotation)
from collections.abc import Sequence

import msgspec

from llmtui.domain.messages import ChatMessage
from llmtui.domain.rendered import ADDED, ENDS, SPECIAL, Rendered, assemble
from llmtui.engines.llama.worker.passages import Passage
from llmtui.engines.llama.worker.vocabulary import Vocabulary


class Explanation(msgspec.Struct, frozen=True):
    """A prompt on its way to the loop, which adds what the cache of the slot holds of it.

    Attributes:
        id: of the question.
        tokens: of the prompt, as the loop compares them.
    """

    id: str
    slot: int
    tokens: "array[int]"
    rendered: Rendered


def explained(
    passage: Passage,
    vocabulary: Vocabulary,
    *,
    messages: Sequence[ChatMessage],
    frame: str | None,
    bos_count: int,
    context_size: int,
    notes: tuple[str, ...] = (),
) -> Rendered:
    """The prompt with a piece, flags and a message for every token.

    Args:
        passage: the prompt's text, and the tokens that a turn would evaluate.
        vocabulary: of the model.
        messages: that were rendered; none when the text is continued as it is.
        frame: the rendering with marks for the messages' texts, where there is one.
        bos_count: begin tokens at the head.
        context_size: in tokens.
        notes: how the conversation was changed for its template.
    """
    ids, text = passage.tokens, passage.text
    known = {token: (vocabulary.written(token), _flags(token, vocabulary)) for token in set(ids)}
    flags = bytearray(known[token][1] for token in ids)
    bos_text = vocabulary.bos_text
    if ids and ids[0] == vocabulary.bos and not (bos_text and text.startswith(bos_text)):
        flags[0] |= ADDED
    return assemble(
        text,
        ids,
        [known[token][0] for token in ids],
        bytes(flags),
        messages=messages,
        frame=frame,
        bos_count=bos_count,
        context_size=context_size,
        notes=notes,
    )


def _flags(token: int, vocabulary: Vocabulary) -> int:
    return SPECIAL * vocabulary.is_special(token) | ENDS * vocabulary.ends_answer(token)
