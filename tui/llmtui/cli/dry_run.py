"""`llmtui ask --dry-run`: what would be sent, without asking."""

import asyncio
from typing import Any

from llmtui.cli import output
from llmtui.domain.messages import ChatMessage
from llmtui.domain.profile import Wanted
from llmtui.domain.rendered import ADDED, ENDS, SPECIAL, Rendered
from llmtui.domain.text import visible
from llmtui.services.ask import render
from llmtui.services.wiring import Services


def show(
    services: Services,
    model: str | None,
    prompt: tuple[ChatMessage, ...] | str,
    wanted: Wanted,
    *,
    as_json: bool,
) -> int:
    """Print the rendered prompt, or all about it as JSON; how many tokens it has goes to standard error.

    Args:
        services: the parts of the program.
        model: as the user wrote it.
        prompt: a conversation, or a text that is continued as it is.
        wanted: the user's settings.
        as_json: one JSON object with text, tokens and whose they are.

    Returns:
        The exit code.

    Raises:
        LlmtuiError: the prompt cannot be shown.
    """
    progress = output.ProgressLine()
    try:
        rendered = asyncio.run(render(services, model, prompt, wanted, on_progress=progress.show))
    finally:
        progress.clear()
    if as_json:
        output.write_json(as_builtins(rendered))
    else:
        text = visible(rendered.text)
        output.write(text if text.endswith("\n") else f"{text}\n")
    if rendered.ids:
        size = f" of {rendered.context_size:,}" if rendered.context_size else ""
        output.note(f"{len(rendered.ids):,}{size} tokens")
    for note in rendered.notes:
        output.note(f"note: {note}")
    if rendered.context_size is not None and len(rendered.ids) >= rendered.context_size:
        output.note("warning: it is too long for the context")
    return 0


def as_builtins(rendered: Rendered) -> dict[str, Any]:
    """A prompt as JSON: `text` of a token is null where its bytes are no text by themselves."""
    return {
        "text": rendered.text,
        "sha256": rendered.sha256,
        "context_size": rendered.context_size,
        "bos_count": rendered.bos_count,
        "notes": list(rendered.notes),
        "segments": [
            {"owner": each.owner, "message": each.message, "start": each.start, "end": each.end}
            for each in rendered.segments
        ],
        "tokens": [
            {
                "id": id_,
                "text": _text(piece),
                "bytes": piece.hex(),
                "special": bool(flag & SPECIAL),
                "added": bool(flag & ADDED),
                "ends_turn": bool(flag & ENDS),
            }
            for id_, piece, flag in zip(rendered.ids, rendered.pieces, rendered.flags, strict=True)
        ],
    }


def _text(piece: bytes) -> str | None:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return None
