"""A model's own byte-level BPE vocabulary: what is needed to split a text into its tokens without the model."""

from typing import Literal

import msgspec

TokenSource = Literal["engine", "vocabulary", "estimate"]
"""Who counted: the engine itself, our own encoder with the model's vocabulary, or a rule of thumb."""

BPE_MODEL = "gpt2"
"""What `tokenizer.ggml.model` says of byte-level BPE, whoever's it is."""


class BpeVocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """The arrays of a GGUF's `tokenizer.ggml.*` keys, or the same out of a server's description.

    Attributes:
        tokens: by id, in GPT-2's alphabet for bytes.
        merges: `left right`, the first is applied first.
        token_types: GGUF's numbers by id (3 is control, 4 user-defined, 2 unknown); may be empty.
        pre: name of the rule that splits a text into words, e.g. `qwen2`; empty when the model does not say.
        add_bos: whether a prompt begins with the begin token; None leaves it to the kind of vocabulary.
    """

    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    token_types: tuple[int, ...] = ()
    pre: str = ""
    add_bos: bool | None = None
    bos_id: int | None = None
    eos_id: int | None = None
