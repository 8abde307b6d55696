"""Sampling settings into one of llama.cpp's sampler chains."""

import ctypes
import secrets
from collections.abc import Sequence
from typing import Any

from llmtui.domain.settings import Sampling
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.vocabulary import Vocabulary

MAX_SEED = 0xFFFFFFFE
"""llama.cpp takes 0xFFFFFFFF as "draw one yourself", and then does not tell which."""


class Sampler:
    """Draws the tokens of one turn.

    Args:
        sampling: the settings; temperature 0 is greedy.
        vocabulary: of the model.
        prompt: the turn's prompt; its last tokens count for the repeat penalty.

    Attributes:
        seed: the one used, also when it was drawn.
    """

    def __init__(self, sampling: Sampling, vocabulary: Vocabulary, prompt: Sequence[int]) -> None:
        self.seed = secrets.randbelow(MAX_SEED + 1) if sampling.seed is None else sampling.seed
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        self._forbid(vocabulary.suppressed(), vocabulary)
        if sampling.ignore_eos:
            self._forbid(vocabulary.end_tokens(), vocabulary)
        penalises = sampling.repeat_penalty != 1.0 and sampling.repeat_last_n > 0
        if penalises:
            self._add(
                llama.llama_sampler_init_penalties(
                    vocabulary.size, sampling.repeat_last_n, sampling.repeat_penalty, 0.0, 0.0
                )
            )
        if sampling.temperature == 0:
            self._add(llama.llama_sampler_init_greedy())
        else:
            self._draw(sampling)
        if penalises:
            for token in prompt[-sampling.repeat_last_n :]:
                llama.llama_sampler_accept(self._chain, token)

    def sample(self, context: Any, index: int) -> int:
        """The next token after position `index` of the batch that was decoded last."""
        token: int = llama.llama_sampler_sample(self._chain, context, index)
        return token

    def free(self) -> None:
        """Give the chain back; the sampler is of no use afterwards."""
        llama.llama_sampler_free(self._chain)

    def _draw(self, sampling: Sampling) -> None:
        if sampling.top_k > 0:
            self._add(llama.llama_sampler_init_top_k(sampling.top_k))
        if sampling.top_p < 1:
            self._add(llama.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0:
            self._add(llama.llama_sampler_init_min_p(sampling.min_p, 1))
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
