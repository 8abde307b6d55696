"""What a llama-server would evaluate, as it tells itself: it renders and tokenises without generating."""

import re
from collections.abc import Sequence
from functools import partial

import msgspec

from llmtui.domain.messages import ChatMessage
from llmtui.domain.reasoning import unheeded_text
from llmtui.domain.rendered import ADDED, ENDS, SPECIAL, Rendered, assemble, marked_all
from llmtui.domain.text import well_formed
from llmtui.engines.base import GenerateRequest
from llmtui.engines.openai.connection import Connection
from llmtui.engines.openai.facts import LLAMA_SERVER
from llmtui.engines.openai.facts import Rendered as Applied
from llmtui.engines.openai.infill import not_shown
from llmtui.engines.openai.thinking import Told
from llmtui.engines.openai.wire import chat_messages
from llmtui.engines.rendering.served import ServedTemplates
from llmtui.errors import LlmtuiError

BY_LOOKS = "This server does not tell which tokens are special: they are marked by their looks."
NO_CACHE = "This server does not tell beforehand what its cache holds."
_SPECIAL = re.compile(r"<[|｜].+[|｜]>|</?s>|<(bos|eos|pad|start_of_turn|end_of_turn|EOT)>|\[/?INST\]")
_ENDS = {
    "<|im_end|>", "<|eot_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>", "</s>", "<eos>",
    "<｜end▁of▁sentence｜>", "<|END_OF_TURN_TOKEN|>", "<EOT>",
}  # fmt: skip


class _Token(msgspec.Struct):
    """A token with its piece; one that is no text by itself comes as numbers."""

    id: int
    piece: str | list[int]

    @property
    def written(self) -> bytes:
        return self.piece.encode() if isinstance(self.piece, str) else bytes(byte & 0xFF for byte in self.piece)


class _Tokens(msgspec.Struct):
    tokens: list[_Token]


async def explained(
    connection: Connection,
    templates: ServedTemplates,
    request: GenerateRequest,
    model: str,
    context_size: int | None,
    *,
    thinking: Told,
) -> Rendered:
    """The prompt of a request, token by token.

    Raises:
        EngineError: the request has a gap to fill.
        LlmtuiError: the template refuses the conversation, or the server is gone.
    """
    if request.suffix is not None:
        raise not_shown(connection.name)
    text, frame = request.prompt or "", None
    notes: tuple[str, ...] = (BY_LOOKS, NO_CACHE)
    if request.prompt is None:
        render = partial(
            _rendered, connection=connection, templates=templates, request=request, model=model, thinking=thinking
        )
        text, more = await render(request.messages)
        notes = (*more, *notes)
        try:
            frame, _ = await render(marked_all(request.messages))
        except LlmtuiError:
            frame = None  # the template does not take the marks: messages are searched for
    text = well_formed(text + request.answer_start)
    body = {"model": model, "content": text, "add_special": True, "parse_special": True, "with_pieces": True}
    tokens = (await connection.post(f"{connection.root}/tokenize", body, _Tokens, model=None)).tokens
    pieces = [token.written for token in tokens]
    flags = bytearray(_flags(piece) for piece in pieces)
    if pieces and not text.encode().startswith((pieces[0], pieces[0].lstrip(b" ") or pieces[0])):
        flags[0] |= SPECIAL | ADDED
    return assemble(
        text,
        [token.id for token in tokens],
        pieces,
        bytes(flags),
        messages=request.messages,
        frame=frame,
        context_size=context_size,
        notes=notes,
    )


async def _rendered(
    messages: Sequence[ChatMessage],
    *,
    connection: Connection,
    templates: ServedTemplates,
    request: GenerateRequest,
    model: str,
    thinking: Told,
) -> tuple[str, tuple[str, ...]]:
    """The text, and what is to be told of how the template took conversation and wishes."""
    if request.template is not None:
        rendered = await templates.rendered(request.template, messages, request.sampling.thinking)
        unheeded = (unheeded_text(rendered.unheeded),) if rendered.unheeded else ()
        return rendered.text, (rendered.note, *unheeded) if rendered.note else unheeded
    question = {"model": model, "messages": chat_messages(messages, LLAMA_SERVER), **thinking.body}
    applied = await connection.post(f"{connection.root}/apply-template", question, Applied, model=None)
    return applied.prompt, (
        unheeded_text(thinking.unheeded, "The server's chat template"),
    ) if thinking.unheeded else ()


def _flags(piece: bytes) -> int:
    text = piece.decode("utf-8", "replace").strip()
    return (SPECIAL if _SPECIAL.fullmatch(text) else 0) | (ENDS if text in _ENDS else 0)
