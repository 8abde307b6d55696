"""Answers that follow a grammar: GBNF, or a JSON schema made into one."""

from typing import Any

from llmtui.domain.settings import Sampling
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.schema import schema_grammar
from llmtui.engines.llama.worker.vocabulary import Vocabulary
from llmtui.errors import UsageError

ROOT = b"root"


class Grammar:
    """The state of a grammar in one answer.

    Args:
        text: in GBNF.
        vocabulary: of the model; the grammar looks at what its tokens spell.

    Raises:
        UsageError: the text is no grammar.
    """

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._sampler = llama.llama_sampler_init_grammar(vocabulary.pointer, text.encode(), ROOT)
        if not self._sampler:
            raise UsageError(
                "The grammar cannot be read",
                cause="llama.cpp's parser refuses it",
                remedy="Write it in GBNF, with a rule `root`, without left recursion and without huge repetitions.",
            )

    def allows(self, token: int) -> bool:
        """Whether the answer may go on with a token."""
        one = (llama.llama_token_data * 1)(llama.llama_token_data(token, 0.0, 0.0))
        self.apply(llama.llama_token_data_array(one, 1, -1, False))  # noqa: FBT003 - a C struct's field
        return bool(one[0].logit == 0.0)

    def apply(self, candidates: Any) -> None:
        """Set the logits of all candidates that do not fit to minus infinity."""
        llama.llama_sampler_apply(self._sampler, candidates)

    def accept(self, token: int) -> None:
        """Go on behind a token, which must be an allowed one: llama.cpp ends the process otherwise."""
        llama.llama_sampler_accept(self._sampler, token)

    def free(self) -> None:
        """Give the state back; the grammar is of no use afterwards."""
        llama.llama_sampler_free(self._sampler)


def grammar_for(sampling: Sampling, vocabulary: Vocabulary) -> Grammar | None:
    """The grammar that an answer must follow; None without one.

    Raises:
        UsageError: the grammar or the schema cannot be used.
    """
    if sampling.json_schema is not None:
        return Grammar(schema_grammar(sampling.json_schema), vocabulary)
    return None if sampling.grammar is None else Grammar(sampling.grammar, vocabulary)
