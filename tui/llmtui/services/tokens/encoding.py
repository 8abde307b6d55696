"""A `tiktoken.Encoding` made of a model's own vocabulary: exact token counts without the model."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmtui.domain.vocabulary import BpeVocabulary
from llmtui.services.tokens.pretokenisers import PRETOKENISERS
from llmtui.services.tokens.ranks import NO_TOKEN, InexpressibleError, ranks_of

if TYPE_CHECKING:
    import regex

_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
_SPECIAL_TYPES = {_UNKNOWN, _CONTROL, _USER_DEFINED}
MAX_SPECIALS = 20_000
"""Special tokens are searched for one by one, as llama.cpp does; no model has more than a few thousand."""
_KNOWN_SPECIALS = """
<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> <|end_of_text|> <EOT> _<EOT> [EOT] [EOS] <eos>
<｜end▁of▁sentence｜> <end_of_utterance> <|eom_id|> <|return|> <|call|> <|flush|> <|calls|> </s> <turn|>
<|tool_response> [e~[ <|channel|> <|message|> <|start|> <|constrain|>
<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> <|prefix|>
<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|> <|suffix|>
<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|> <|middle|>
<|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD] <|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame> <|file_sep|>
"""
"""Taken as special whatever type the file gives them, as llama.cpp does; between spaces."""
MAX_CHARACTERS = 1_000_000
"""Of a text, a few seconds' work; hardly a context holds as much."""
MAX_SPLIT_S = 5.0
"""For the words of one piece of text; a megabyte of prose takes a second."""


class TooLongError(Exception):
    """A text whose tokens would take too long to find."""


class TextEncoding:
    """Text into a model's tokens, as llama.cpp does it.

    Making one takes a second for 150,000 tokens: do it in a thread. The interpreter stands still for a tenth of that,
    while tiktoken copies the ranks.

    Its methods may be called from any thread. Nothing is downloaded. Words are split here and not by tiktoken, whose
    own splitting panics on long runs of spaces and knows no chain of patterns.

    Raises:
        InexpressibleError: the vocabulary splits words by an unknown rule, or cannot be put into ranks.
    """

    def __init__(self, vocabulary: BpeVocabulary) -> None:
        import regex  # noqa: PLC0415 - used here only
        import tiktoken  # noqa: PLC0415 - used here only

        rule = PRETOKENISERS.get(vocabulary.pre)
        if rule is None:
            raise InexpressibleError("its rule for splitting words is not known")
        ranks = ranks_of(vocabulary)
        self._ids = ranks.ids
        self._specials = _specials(vocabulary)
        self._words = _whole_words(ranks.words) if rule.keeps_words else {}
        self._stages = [regex.compile(pattern, regex.V1) for pattern in rule.patterns]
        self._encoding = tiktoken.Encoding("model", pat_str=r"[\s\S]+", mergeable_ranks=ranks.ranks, special_tokens={})

    def encode(self, text: str) -> list[int]:
        """Token ids of a text; special tokens written in it are recognised, none is added.

        Raises:
            TooLongError: it would take many seconds.
        """
        if len(text) > MAX_CHARACTERS:
            raise TooLongError(f"{len(text):,} characters")
        ids: list[int] = []
        for piece in self._partitioned(text):
            if isinstance(piece, int):
                ids.append(piece)
                continue
            try:
                for word in _cut(self._stages, piece):
                    ids += self._encode_word(word)
            except TimeoutError as error:
                raise TooLongError("its words cannot be told apart in time") from error
        return ids

    def count(self, text: str) -> int:
        """How many tokens `encode` gives."""
        return len(self.encode(text))

    def _encode_word(self, word: str) -> list[int]:
        whole = self._words.get(word)
        if whole is not None:
            return [whole]
        ids = self._ids
        return [id_ for rank in self._encoding.encode_ordinary(word) if (id_ := ids[rank]) != NO_TOKEN]

    def _partitioned(self, text: str) -> list[str | int]:
        """The text between special tokens, and these; the longest are looked for first."""
        pieces: list[str | int] = [text]
        for special, id_ in self._specials:
            if special not in text:
                continue
            cut: list[str | int] = []
            for piece in pieces:
                if isinstance(piece, int) or special not in piece:
                    cut.append(piece)
                    continue
                for index, part in enumerate(piece.split(special)):
                    if index:
                        cut.append(id_)
                    if part:
                        cut.append(part)
            pieces = cut
        return pieces


def _whole_words(words: dict[bytes, int]) -> dict[str, int]:
    """Tokens that no merge makes, by their text. A word never is half a character."""
    found = {data.decode("utf-8", "replace"): (data, id_) for data, id_ in words.items()}
    return {text: id_ for text, (data, id_) in found.items() if text.encode() == data}


def _specials(vocabulary: BpeVocabulary) -> list[tuple[str, int]]:
    types, known = vocabulary.token_types, frozenset(_KNOWN_SPECIALS.split())
    found = {
        text: id_
        for id_, text in enumerate(vocabulary.tokens)
        if text and ((id_ < len(types) and types[id_] in _SPECIAL_TYPES) or text in known)
    }
    if len(found) > MAX_SPECIALS:
        raise InexpressibleError(f"it has {len(found):,} special tokens")
    return sorted(found.items(), key=lambda item: len(item[0].encode("utf-8", "replace")), reverse=True)


def _cut(stages: "list[regex.Pattern[str]]", text: str) -> Iterator[str]:
    """The pieces after all stages; every stage sees one piece of those before, and nothing around it."""
    if not stages:
        yield text
        return
    stage, *later = stages
    end = 0
    for match in stage.finditer(text, timeout=MAX_SPLIT_S):
        if match.start() > end:
            yield from _cut(later, text[end : match.start()])
        if match.end() > match.start():
            yield from _cut(later, match[0])
        end = match.end()
    if end < len(text):
        yield from _cut(later, text[end:])
