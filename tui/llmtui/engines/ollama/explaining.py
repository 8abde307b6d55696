"""What an Ollama server would evaluate, where it can be asked to render only."""

from typing import Any

from llmtui.engines.base import no_infill
from llmtui.engines.ollama.connection import Connection
from llmtui.engines.ollama.wire import Rendered
from llmtui.errors import EngineError

TEXT_ONLY = "Ollama shows the text of a prompt, but neither its tokens nor what its cache holds."


async def rendered_only(connection: Connection, model: str, body: dict[str, Any]) -> str:
    """The prompt's text; nothing is generated.

    A server that does not know the wish would answer: it is asked for one token at most.

    Args:
        connection: to the server.
        model: its name there.
        body: of the turn.

    Raises:
        EngineError: this server does not show it.
        UsageError: there is a gap to fill, for which the server alone knows the tokens.
        LlmtuiError: whatever else stands between us and the answer.
    """
    if "suffix" in body:
        raise no_infill("a prompt that is shown")
    if body.get("raw"):
        return str(body["prompt"])
    options = {**body.get("options", {}), "num_predict": 1}
    asked = {**body, "stream": False, "options": options, "_debug_render_only": True}
    shown = await connection.post("/api/chat", asked, Rendered, model=model, patient=True)
    if shown.debug is None or shown.debug.rendered_template is None:
        raise EngineError(
            f"{connection.name} does not show its prompts",
            cause="this version of Ollama renders no conversation without answering it",
            remedy="Use the model's file itself: llmtui opens what Ollama keeps on this machine.",
        )
    return shown.debug.rendered_template
