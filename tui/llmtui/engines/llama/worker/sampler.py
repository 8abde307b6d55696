"""Sampling settings into one of llama.cpp's sampler chains."""

import ctypes
import secrets
from collections.abc import Sequence
from typing import Any

from llmtui.domain.limits import MAX_SEED
from llmtui.domain.settings import Sampling
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.grammar import Grammar
from llmtui.engines.llama.worker.vocabulary import Vocabulary
from llmtui.errors import EngineError

DRY_BREAKERS = (b"\n", b":", b'"', b"*")
"""Sequences that a repetition does not reach across: those of the penalty's authors."""
MIROSTAT_M = 100
"""Tokens from which mirostat 1 estimates the distribution: its authors' choice."""


class Sampler:
    """Draws the tokens of one turn.

    Args:
        sampling: the settings; temperature 0 is greedy.
        vocabulary: of the model.
        prompt: the turn's prompt; its last tokens count for the penalties.
        grammar: that the answer follows; given back with the sampler.
        context_size: tokens that the search for repetition may go through.

    Attributes:
        seed: the one used, also when it was drawn.
    """

    def __init__(
        self,
        sampling: Sampling,
        vocabulary: Vocabulary,
        prompt: Sequence[int],
        *,
        grammar: Grammar | None = None,
        context_size: int = 0,
    ) -> None:
        self.seed = secrets.randbelow(MAX_SEED + 1) if sampling.seed is None else sampling.seed
        self._grammar = grammar
        self._candidates = Candidates(vocabulary.size) if grammar else None
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        self._forbid(vocabulary.suppressed(), vocabulary)
        if sampling.ignore_eos:
            self._forbid(vocabulary.end_tokens(), vocabulary)
        looked_at = self._penalise(sampling, vocabulary, context_size)
        if sampling.temperature == 0:
            self._add(llama.llama_sampler_init_greedy())
        else:
            self._draw(sampling, vocabulary)
        if looked_at:
            for token in prompt[-looked_at:]:
                llama.llama_sampler_accept(self._chain, token)

    def sample(self, context: Any, index: int) -> int:
        """The next token after position `index` of the batch that was decoded last.

        Raises:
            EngineError: the model has no token that fits the grammar here.
        """
        if self._grammar is None or self._candidates is None:
            token: int = llama.llama_sampler_sample(self._chain, context, index)
            return token
        logits = llama.llama_get_logits_ith(context, index)
        token = self._candidates.choose(logits, self._chain)
        if not self._grammar.allows(token):
            # Looking at one token is cheap, at the whole vocabulary not: that is done when the first choice is wrong.
            token = self._candidates.choose(logits, self._chain, self._grammar)
        llama.llama_sampler_accept(self._chain, token)
        self._grammar.accept(token)
        return token

    def free(self) -> None:
        """Give the chain back; the sampler is of no use afterwards."""
        llama.llama_sampler_free(self._chain)
        if self._grammar is not None:
            self._grammar.free()

    def _penalise(self, sampling: Sampling, vocabulary: Vocabulary, context_size: int) -> int:
        """Returns how many tokens of the prompt the penalties look at."""
        looked_at = 0
        changes = sampling.repeat_penalty != 1.0 or sampling.frequency_penalty != 0 or sampling.presence_penalty != 0
        if changes and sampling.repeat_last_n > 0:
            looked_at = sampling.repeat_last_n
            self._add(
                llama.llama_sampler_init_penalties(
                    vocabulary.size,
                    sampling.repeat_last_n,
                    sampling.repeat_penalty,
                    sampling.frequency_penalty,
                    sampling.presence_penalty,
                )
            )
        last_n = context_size if sampling.dry_last_n is None else sampling.dry_last_n
        if sampling.dry_multiplier > 0 and last_n > 0:
            looked_at = max(looked_at, last_n)
            breakers = (ctypes.c_char_p * len(DRY_BREAKERS))(*DRY_BREAKERS)
            self._add(
                llama.llama_sampler_init_dry(
                    vocabulary.pointer,
                    sampling.dry_multiplier,
                    sampling.dry_base,
                    sampling.dry_allowed_length,
                    last_n,
                    breakers,
                    len(DRY_BREAKERS),
                )
            )
        return looked_at

    def _draw(self, sampling: Sampling, vocabulary: Vocabulary) -> None:
        if sampling.mirostat:
            self._add(llama.llama_sampler_init_temp(sampling.temperature))
            tau, eta = sampling.mirostat_tau, sampling.mirostat_eta
            if sampling.mirostat == 1:
                self._add(llama.llama_sampler_init_mirostat(vocabulary.size, self.seed, tau, eta, MIROSTAT_M))
            else:
                self._add(llama.llama_sampler_init_mirostat_v2(self.seed, tau, eta))
            return
        if sampling.top_k > 0:
            self._add(llama.llama_sampler_init_top_k(sampling.top_k))
        if sampling.typical_p < 1:
            self._add(llama.llama_sampler_init_typical(sampling.typical_p, 1))
        if sampling.top_p < 1:
            self._add(llama.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0:
            self._add(llama.llama_sampler_init_min_p(sampling.min_p, 1))
        if sampling.xtc_probability > 0:
            xtc = llama.llama_sampler_init_xtc(sampling.xtc_probability, sampling.xtc_threshold, 1, self.seed)
            self._add(xtc)
        self._add(llama.llama_sampler_init_temp(sampling.temperature))
        self._add(llama.llama_sampler_init_dist(self.seed))

    def _forbid(self, tokens: Sequence[int], vocabulary: Vocabulary) -> None:
        if not tokens:
            return
        biases = (llama.llama_logit_bias * len(tokens))()
        for bias, token in zip(biases, tokens, strict=True):
            bias.token = token
            bias.bias = float("-inf")
        start = ctypes.cast(biases, ctypes.POINTER(llama.llama_logit_bias))  # copied by the sampler
        self._add(llama.llama_sampler_init_logit_bias(vocabulary.size, len(tokens), start))

    def _add(self, sampler: Any) -> None:
        llama.llama_sampler_chain_add(self._chain, sampler)


class Candidates:
    """The array of candidates that samplers work on, filled again for each token.

    Args:
        size: of the vocabulary.
    """

    def __init__(self, size: int) -> None:
        import numpy as np  # noqa: PLC0415 - for answers that follow a grammar only

        self._table = np.zeros(size, dtype=[("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
        self._ids = np.arange(size, dtype="<i4")
        self._size = size

    def choose(self, logits: Any, chain: Any, grammar: Grammar | None = None) -> int:
        """The token a chain takes from the model's logits, or from those that a grammar leaves.

        Raises:
            EngineError: the grammar leaves none.
        """
        import numpy as np  # noqa: PLC0415 - as above

        self._table["id"] = self._ids
        self._table["logit"] = np.ctypeslib.as_array(logits, shape=(self._size,))
        data = self._table.ctypes.data_as(ctypes.POINTER(llama.llama_token_data))
        candidates = llama.llama_token_data_array(data, self._size, -1, False)  # noqa: FBT003 - a C struct's field
        if grammar is not None:
            grammar.apply(candidates)
            if not np.isfinite(self._table["logit"]).any():
                raise EngineError(
                    "The model has no token that fits the grammar here",
                    cause="its vocabulary cannot spell what the grammar asks for",
                    remedy="Widen the grammar, or take a model that can write it.",
                )
        llama.llama_sampler_apply(chain, candidates)
        return int(candidates.data[candidates.selected].id)
