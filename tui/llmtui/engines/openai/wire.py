"""A turn on its way: what goes to a server, and what comes back. Everything a server may leave out is optional."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llmtui.domain.events import Notice
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling
from llmtui.domain.text import well_formed
from llmtui.engines.base import GenerateRequest
from llmtui.engines.openai.facts import FASTCHAT, LLAMA_SERVER, LM_STUDIO, OLLAMA, SGLANG, VLLM
from llmtui.engines.openai.thinking import told
from llmtui.errors import UsageError

TEXT_TOKENS = 1024
"""Most tokens of a text's continuation where neither the user nor the context says; many servers would stop at 16."""


_WISHES = {
    "top_k": "top-k",
    "min_p": "min-p",
    "repeat_penalty": "the repeat penalty",
    "ignore_eos": "going on after the end token",
    "typical_p": "typical-p",
    "dry_multiplier": "the DRY penalty",
    "xtc_probability": "XTC",
    "mirostat": "mirostat",
}
"""Settings beyond OpenAI's own, in words."""
_OF_LLAMA_CPP = {"typical_p", "dry_multiplier", "xtc_probability", "mirostat"}
_KNOWN = {
    OLLAMA: frozenset[str](),
    FASTCHAT: frozenset({"top_k"}),
    LM_STUDIO: frozenset({"top_k", "repeat_penalty"}),
}
"""Which of them kinds of servers heed that heed fewer than most."""


class Piece(msgspec.Struct):
    """Text of an answer; thinking comes under either of two names."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class Choice(msgspec.Struct):
    """One answer: `delta` of a chat, `message` where that is not streamed, `text` where a text is continued."""

    delta: Piece | None = None
    message: Piece | None = None
    text: str | None = None
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct):
    """How much of the prompt was cached."""

    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    """Tokens counted by the server."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None


class ServerTimings(msgspec.Struct):
    """llama-server's account: evaluated prompt tokens, cached ones, generated ones, milliseconds of both phases."""

    prompt_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0
    cache_n: int | None = None


class Progress(msgspec.Struct):
    """llama-server's account of a prompt being evaluated, in tokens."""

    total: int = 0
    cache: int = 0
    processed: int = 0


class Chunk(msgspec.Struct):
    """One event of a streamed answer.

    Errors come as `error`, from FastChat as `error_code` and `text`, elsewhere as `message` or `detail` and no choices.
    """

    model: Any = None
    choices: list[Choice] | None = None
    usage: Usage | None = None
    timings: ServerTimings | None = None
    prompt_progress: Progress | None = None
    error: Any = None
    error_code: int = 0
    text: str | None = None
    message: Any = None
    detail: Any = None

    @property
    def failure(self) -> Any:
        """What the server says went wrong; None when nothing did."""
        if self.choices is None and not self.error_code and (self.message or self.detail):
            return self.error or self.message or self.detail
        return self.error or (self.text or f"error {self.error_code}" if self.error_code else None)


def chat_messages(messages: Sequence[ChatMessage], kind: str = "") -> list[dict[str, str]]:
    """The conversation as the API takes it; thoughts only for servers whose templates may ask for them."""
    clean = [message.well_formed() for message in messages]
    thoughts = kind in {LLAMA_SERVER, VLLM, SGLANG}
    return [
        {"role": message.role, "content": message.content}
        | ({"reasoning_content": message.reasoning} if message.reasoning and thoughts else {})
        for message in clean
    ]


def turn_body(
    request: GenerateRequest,
    model: str,
    *,
    kind: str,
    seed: int,
    standard_only: bool,
    context_size: int | None,
    template: str | None = None,
) -> dict[str, Any]:
    """The body of a request for a turn, by the chat route or, of a text as it is, by the completions route.

    Args:
        request: the turn.
        model: its id on the server.
        kind: of server, as in `OWNERS`; some are asked for more than others understand.
        seed: for sampling.
        standard_only: leave out what OpenAI's own API refuses.
        context_size: tokens; None where the server does not say.
        template: text of the server's chat template, where it tells it.

    Raises:
        UsageError: an option that this server cannot honour, and that must not be left out in silence.
    """
    sampling, text = request.sampling, request.prompt
    if sampling.grammar is not None and (kind != LLAMA_SERVER or standard_only):
        raise _no_grammar(kind)
    options = {"include_usage": True} | ({"continuous_usage_stats": True} if kind in {VLLM, SGLANG} else {})
    body: dict[str, Any] = {
        "model": model,
        **_asked(request, kind),
        "stream": True,
        "stream_options": options,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed,
    }
    if sampling.max_tokens is not None:
        body["max_tokens"] = sampling.max_tokens
    elif text is not None and kind not in {LLAMA_SERVER, OLLAMA}:
        body["max_tokens"] = _room(text, context_size)
    if stops := [well_formed(stop) for stop in sampling.stop if stop]:
        body["stop"] = stops
    body |= _standard_options(sampling)
    if text is None:
        body |= told(sampling.thinking, kind, standard_only=standard_only, template=template).body
    if kind == LLAMA_SERVER:
        body |= {"timings_per_token": True, "return_progress": True, "reasoning_format": "none"}
    return body if standard_only else body | beyond_standard(sampling, kind)


def _no_grammar(kind: str) -> UsageError:
    return UsageError(
        "This server takes no grammar",
        cause=f"GBNF is understood by llama.cpp's server; this one is {kind or 'of another kind'}",
        remedy="Give a JSON schema instead, or run the model's file itself.",
    )


def _asked(request: GenerateRequest, kind: str) -> dict[str, Any]:
    """What is to be answered or continued. A conversation whose last message is the model's own is gone on with."""
    start = well_formed(request.answer_start)
    if request.prompt is not None:
        gap = {} if request.suffix is None else {"suffix": well_formed(request.suffix)}
        return {"prompt": well_formed(request.prompt) + start, **gap}
    chat = chat_messages(request.messages, kind)
    if not start:
        return {"messages": chat}
    asked: dict[str, Any] = {"messages": [*chat, {"role": "assistant", "content": start}]}
    return asked | {"add_generation_prompt": False, "continue_final_message": True} if kind in {VLLM, SGLANG} else asked


def _room(text: str, context_size: int | None) -> int:
    """Tokens a continuation may certainly have: no tokenizer makes more tokens of a text than it has bytes."""
    return TEXT_TOKENS if context_size is None else max(1, context_size - len(well_formed(text).encode()) - 1)


def _standard_options(sampling: Sampling) -> dict[str, Any]:
    """What OpenAI's own API knows; only what differs from its defaults, since some servers refuse what they lack."""
    named = ("presence_penalty", "frequency_penalty")
    options: dict[str, Any] = {name: getattr(sampling, name) for name in named if getattr(sampling, name) != 0}
    if sampling.json_schema is not None:
        shape = {"name": "answer", "schema": sampling.json_schema, "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": shape}
    return options


def beyond_standard(sampling: Sampling, kind: str) -> dict[str, Any]:
    """Options that local servers know, under the names of each family."""
    top_k = -1 if kind in {VLLM, SGLANG, FASTCHAT} and sampling.top_k == 0 else sampling.top_k
    more: dict[str, Any] = {"top_k": top_k, "min_p": sampling.min_p}
    if sampling.repeat_penalty != 1:
        more |= {"repeat_penalty": sampling.repeat_penalty, "repetition_penalty": sampling.repeat_penalty}
    if kind == LLAMA_SERVER:
        more["repeat_last_n"] = sampling.repeat_last_n
        more |= _of_llama_server(sampling)
    if sampling.ignore_eos:
        more["ignore_eos"] = True
    return more


def unheeded(sampling: Sampling, kind: str, *, standard_only: bool) -> Notice | None:
    """The wishes that this server does not know, so that they are not done; None when there is none.

    Args:
        sampling: of the turn; what nobody changed is no wish.
        kind: of server, as in `OWNERS`.
        standard_only: only what OpenAI's own API knows is sent.
    """
    if kind == LLAMA_SERVER and not standard_only:
        return None
    known = frozenset[str]() if standard_only else _KNOWN.get(kind, frozenset(_WISHES) - _OF_LLAMA_CPP)
    usual = Sampling()
    asked = [
        word for name, word in _WISHES.items() if name not in known and getattr(sampling, name) != getattr(usual, name)
    ]
    if not asked:
        return None
    text = f"This server has no option for {', '.join(asked)}"
    return Notice("options", text, "Run the model's file itself for that.")


def _of_llama_server(sampling: Sampling) -> dict[str, Any]:
    """Options that differ from their defaults, where llama-server's names are llama.cpp's."""
    named = {
        "typical_p": 1.0,
        "dry_multiplier": 0.0,
        "dry_base": 1.75,
        "dry_allowed_length": 2,
        "xtc_probability": 0.0,
        "xtc_threshold": 0.1,
        "mirostat": 0,
        "mirostat_tau": 5.0,
        "mirostat_eta": 0.1,
        "grammar": None,
    }
    more = {name: getattr(sampling, name) for name, default in named.items() if getattr(sampling, name) != default}
    if sampling.dry_last_n is not None:
        more["dry_penalty_last_n"] = sampling.dry_last_n
    return more
