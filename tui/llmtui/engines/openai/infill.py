"""Gaps in a text: llama-server's own route, and what other servers make of a suffix.

llama-server's route knows the tokens of the model it serves; its completions route ignores a suffix without a word.
"""

from typing import Any

import msgspec

from llmtui.domain.events import Notice
from llmtui.domain.text import estimate_tokens, visible_line, well_formed
from llmtui.engines.base import GenerateRequest
from llmtui.engines.http.alarms import SURELY
from llmtui.engines.openai.wire import Choice, Chunk, Progress, ServerTimings, Usage, beyond_standard
from llmtui.errors import ContextError, EngineError, LlmtuiError, UsageError

ROUTE = "/infill"
"""Below the server's root, not below its OpenAI-compatible API."""
LONG_SUFFIX = 20
"""Tokens of an estimate from which on a server's count tells whether it has read them."""
_REASONS = {"eos": "stop", "word": "stop", "limit": "length"}


class InfillChunk(msgspec.Struct):
    """One event of a streamed answer of `/infill`; the last one says why it ends, and what the prompt was."""

    content: str = ""
    stop: bool = False
    stop_type: str | None = None
    model: Any = None
    tokens_evaluated: int | None = None
    tokens_predicted: int | None = None
    timings: ServerTimings | None = None
    prompt_progress: Progress | None = None
    prompt: str | None = None
    error: Any = None

    def as_chunk(self) -> Chunk:
        """The same, as the OpenAI-compatible routes would say it."""
        if self.error:
            return Chunk(error=self.error)
        reason = _REASONS.get(self.stop_type or "", "stop") if self.stop else None
        usage = Usage(self.tokens_evaluated, self.tokens_predicted) if self.stop else None
        return Chunk(
            model=self.model,
            choices=[Choice(text=self.content, finish_reason=reason)],
            usage=usage,
            timings=self.timings,
            prompt_progress=self.prompt_progress,
        )


def infill_body(request: GenerateRequest, model: str, *, seed: int, kind: str) -> dict[str, Any]:
    """The body of a request to `/infill`.

    Args:
        request: with a prompt and a suffix.
        model: its id on the server.
        seed: for sampling.
        kind: of server, as in `OWNERS`.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "input_prefix": well_formed(request.prompt or ""),
        "input_suffix": well_formed(request.suffix or ""),
        "prompt": well_formed(request.answer_start),
        "stream": True,
        "n_predict": -1 if sampling.max_tokens is None else sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "timings_per_token": True,
        "return_progress": True,
        **beyond_standard(sampling, kind),
    }
    if stops := [well_formed(stop) for stop in sampling.stop if stop]:
        body["stop"] = stops
    if sampling.json_schema is not None:
        body["json_schema"] = sampling.json_schema
    return body


def refused(error: LlmtuiError, where: str) -> LlmtuiError:
    """What a server's refusal of a request with a gap means; the error itself where it means something else."""
    told = error.cause
    if isinstance(error, ContextError) or not any(f"HTTP {code}" in told for code in (400, 404, 405, 422, 501)):
        return error
    return UsageError(
        f"{where} cannot fill a gap with this model",
        cause=told,
        remedy="Serve a model trained for it, e.g. Qwen2.5-Coder, with llama-server; run its file itself; or use the "
        "mode `text`.",
    )


def cut_text(request: GenerateRequest, prompt: str | None) -> Notice | None:
    """Tells that a llama-server left out a part of the text, as it does without a word where it exceeds its batch.

    Args:
        request: that was sent.
        prompt: as the server made it; None where it does not tell.
    """
    if prompt is None:
        return None
    before, behind = well_formed(request.prompt or ""), well_formed(request.suffix or "")
    cut = [word for word, text in (("before", before), ("behind", behind)) if text not in prompt]
    if not cut:
        return None
    return Notice(
        "truncated",
        f"The server left out a part of the text {' and '.join(cut)} the gap: it is longer than the server's batch",
        "Start the llama-server with a larger --batch-size, or give it less text.",
    )


def ignored_suffix(request: GenerateRequest, read: int | None) -> Notice | None:
    """Tells that a server read so few tokens that the text behind the gap cannot be among them.

    Args:
        request: that was sent.
        read: tokens of the prompt as the server counts them; None where it does not.
    """
    behind = estimate_tokens(request.suffix or "")
    whole = estimate_tokens(request.prompt or "") + behind
    if read is None or behind < LONG_SUFFIX or read >= SURELY * whole:
        return None
    return Notice(
        "truncated",
        f"The server read only {read:,} of about {whole:,} tokens: it seems to ignore the text behind the gap",
        "Use a llama-server, Ollama, or the model's file itself.",
    )


def not_shown(where: str) -> EngineError:
    """The prompt of a request with a gap cannot be shown beforehand."""
    return EngineError(
        f"{visible_line(where)} does not show prompts with a gap",
        cause="it puts the text before and behind the gap together itself",
        remedy="Use the model's file itself.",
    )
