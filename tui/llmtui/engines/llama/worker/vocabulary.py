"""A model's vocabulary: text into tokens and a token into bytes."""

import ctypes
import functools
from array import array
from typing import Any

from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.thoughts import MARKERS

PIECE_BYTES = 256
NO_TOKEN = -1
_PARSE_SPECIAL = True
_SHOW_SPECIAL = False
_SPECIAL = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_USER_DEFINED


class Vocabulary:
    """Tokens of one model. `tokenise` may be called from any thread, `piece` from one.

    Args:
        model: llama.cpp's model pointer.

    Attributes:
        pointer: llama.cpp's own.
        size: number of tokens.
    """

    def __init__(self, model: Any) -> None:
        self.pointer = llama.llama_model_get_vocab(model)
        self.size: int = llama.llama_vocab_n_tokens(self.pointer)
        self.bos: int = llama.llama_vocab_bos(self.pointer)
        self.eos: int = llama.llama_vocab_eos(self.pointer)
        self.bos_text = self._text(self.bos)
        self.eos_text = self._text(self.eos)
        self.adds_eos = bool(llama.llama_vocab_get_add_eos(self.pointer))
        self._buffer = ctypes.create_string_buffer(PIECE_BYTES)
        self._ends: list[int] | None = None

    def tokenise(self, text: str, *, add_special: bool) -> "array[int]":
        """Token ids of a text; special tokens written in it are recognised.

        Args:
            text: any text that UTF-8 can hold.
            add_special: add the begin token where the vocabulary asks for it.
        """
        data = text.encode()
        room = len(data) + 16
        while True:
            tokens = (ctypes.c_int32 * room)()
            count = llama.llama_tokenize(self.pointer, data, len(data), tokens, room, add_special, _PARSE_SPECIAL)
            if count >= 0:
                break
            room = -count
        ids = array("i", bytes(memoryview(tokens).cast("B")[: 4 * count]))
        if add_special and self.adds_eos and ids and ids[-1] == self.eos:
            # Some vocabularies end every text; a prompt that has ended would not be answered.
            ids.pop()
        return ids

    def piece(self, token: int) -> bytes:
        """Bytes a token stands for; none for control tokens but those that stand around a model's thoughts."""
        if token in self._around_thoughts:
            return self._around_thoughts[token]
        length = llama.llama_token_to_piece(self.pointer, token, self._buffer, PIECE_BYTES, 0, _SHOW_SPECIAL)
        if length >= 0:
            return self._buffer.raw[:length]
        longer = ctypes.create_string_buffer(-length)
        length = llama.llama_token_to_piece(self.pointer, token, longer, -length, 0, _SHOW_SPECIAL)
        return longer.raw[: max(0, length)]

    def written(self, token: int) -> bytes:
        """Bytes a token stands for, also those of control tokens; from any thread."""
        room = PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = llama.llama_token_to_piece(self.pointer, token, buffer, room, 0, not _SHOW_SPECIAL)
            if length >= 0:
                return buffer.raw[:length]
            room = -length

    def is_special(self, token: int) -> bool:
        """Whether it is a control token, or one that is recognised as a whole wherever it is written."""
        return bool(llama.llama_vocab_get_attr(self.pointer, token) & _SPECIAL)

    @functools.cached_property
    def _around_thoughts(self) -> dict[int, bytes]:
        texts = [text for pair in MARKERS for text in pair]
        return {token: text.encode() for text in texts if (token := self.special(text)) is not None}

    def ends_answer(self, token: int) -> bool:
        """Whether the token ends a generation: end of text, end of turn, and the like."""
        return bool(llama.llama_vocab_is_eog(self.pointer, token))

    def infill(self) -> tuple[str, str, str] | None:
        """Texts of the fill-in-the-middle tokens: before the prefix, before the suffix, before the middle."""
        found = [
            llama.llama_vocab_fim_pre(self.pointer),
            llama.llama_vocab_fim_suf(self.pointer),
            llama.llama_vocab_fim_mid(self.pointer),
        ]
        texts = [self._text(token) for token in found]
        if any(not text or self.special(text) != token for text, token in zip(texts, found, strict=True)):
            return None
        return texts[0], texts[1], texts[2]

    def end_tokens(self) -> list[int]:
        """All tokens for which `ends_answer` holds."""
        if self._ends is None:
            self._ends = [token for token in range(self.size) if self.ends_answer(token)]
        return self._ends

    def suppressed(self) -> list[int]:
        """Tokens the model's file forbids."""
        count = ctypes.c_int32(0)
        tokens = llama.llama_vocab_get_suppress_tokens(self.pointer, ctypes.byref(count))
        return [tokens[index] for index in range(count.value)]

    def begins_special(self, text: str, ids: "array[int]") -> bool:
        """Whether a text's first token is a special one written in it, so that it is cut off from what stands before.

        Args:
            text: any text.
            ids: its tokens.
        """
        if not ids or not self.is_special(ids[0]):
            return False
        written = self._text(ids[0])
        return bool(written) and text.startswith(written)

    def special(self, text: str) -> int | None:
        """The one token that `text` stands for; None when it takes several."""
        ids = self.tokenise(text, add_special=False)
        return ids[0] if len(ids) == 1 else None

    def _text(self, token: int) -> str:
        if token == NO_TOKEN:
            return ""
        return (llama.llama_vocab_get_text(self.pointer, token) or b"").decode("utf-8", "replace")
