"""What is asked of a model's thinking, in the words of each kind of server."""

import re
from typing import Any, NamedTuple

from llmtui.domain.reasoning import EFFORT, SWITCHES, VARIABLES, Reasoning, variables_of
from llmtui.engines.openai.facts import LLAMA_SERVER, OLLAMA, SGLANG, VLLM, WEBUI


class Told(NamedTuple):
    """Fields of a request's body, and wishes that this server cannot be told."""

    body: dict[str, Any]
    unheeded: tuple[str, ...] = ()


def told(wish: Reasoning, kind: str, *, standard_only: bool = False, template: str | None = None) -> Told:
    """A wish as a server takes it.

    Args:
        wish: of the user.
        kind: of server, as in `OWNERS`.
        standard_only: only what OpenAI's own API knows is sent.
        template: text of the chat template, where the server tells it.
    """
    if not wish or standard_only:
        return _standard(wish)
    if kind == LLAMA_SERVER:
        passed = variables_of(wish, _known(template), has_none="none" in re.findall(r"['\"](\w+)['\"]", template or ""))
        return Told(_for_template(passed.variables), passed.unheeded)
    if kind in {VLLM, SGLANG}:  # their templates are not known; what one does not read does no harm
        everything = variables_of(wish, {*SWITCHES, EFFORT}).variables
        return Told(_for_template(everything) | ({EFFORT: wish.hard} if wish.hard else {}))
    if kind == OLLAMA:
        return Told({EFFORT: "none"} if wish.switch == "off" else {EFFORT: wish.hard} if wish.hard else {})
    if kind == WEBUI:
        return Told(variables_of(wish, {SWITCHES[0], EFFORT}).variables)
    return _standard(wish)


def _standard(wish: Reasoning) -> Told:
    unheeded = (f"reasoning: {wish.switch}",) if wish.switch == "off" or (wish.switch and not wish.hard) else ()
    return Told({EFFORT: wish.hard} if wish.hard else {}, unheeded)


def _for_template(variables: dict[str, bool | int | str]) -> dict[str, Any]:
    return {"chat_template_kwargs": variables} if variables else {}


def _known(template: str | None) -> frozenset[str]:
    """Variables that a template reads, by its text; all of them where that is not told.

    A word behind a dot or a quote is a field of a message or a text.
    """
    if template is None:
        return VARIABLES
    return frozenset(name for name in VARIABLES if re.search(rf"(?<![\w.'\"]){name}(?![\w'\"])", template))
