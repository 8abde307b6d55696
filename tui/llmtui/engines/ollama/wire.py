"""What goes to an Ollama server and what comes back, as values. Everything a server may leave out is optional."""

from typing import Any

import msgspec

from llmtui.domain.events import Notice
from llmtui.domain.messages import ChatMessage
from llmtui.domain.reasoning import Reasoning
from llmtui.domain.settings import Sampling
from llmtui.domain.text import well_formed
from llmtui.engines.base import GenerateRequest

Options = dict[str, int | float | str | list[str]]


class Piece(msgspec.Struct):
    """Text of an answer, and what was thought before it."""

    content: str | None = None
    thinking: str | None = None


class Part(msgspec.Struct):
    """One line of a streamed answer of `/api/chat` or, with `response`, of `/api/generate`.

    The last one is `done` and carries the account: counts are tokens, durations nanoseconds. `prompt_eval_count` is the
    whole prompt as the server evaluated it, cached tokens included; what was truncated is not in it.
    """

    message: Piece | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_cached_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None

    @property
    def text(self) -> str:
        """Of the answer."""
        return (self.message.content if self.message else self.response) or ""

    @property
    def thought(self) -> str:
        """What is no part of the answer."""
        return (self.message.thinking if self.message else self.thinking) or ""


class Version(msgspec.Struct):
    """The answer of `/api/version`."""

    version: str = ""


class Details(msgspec.Struct):
    """What a list says of a model."""

    format: str | None = None
    family: str | None = None
    parameter_size: str | None = None
    quantization_level: str | None = None


class ListedModel(msgspec.Struct):
    """A row of `/api/tags`; `digest` is the SHA-256 of its manifest."""

    name: str | None = None
    model: str | None = None
    size: int | None = None
    digest: str | None = None
    details: Details | None = None

    @property
    def id(self) -> str:
        """What the server calls it."""
        return self.model or self.name or ""


class ModelList(msgspec.Struct):
    """The answer of `/api/tags`."""

    models: list[ListedModel] | None = None


class Resident(msgspec.Struct):
    """A model in the server's memory; sizes are bytes, the context is tokens."""

    name: str | None = None
    model: str | None = None
    size: int | None = None
    size_vram: int | None = None
    context_length: int | None = None


class ResidentList(msgspec.Struct):
    """The answer of `/api/ps`."""

    models: list[Resident] | None = None


class Shown(msgspec.Struct):
    """The answer of `/api/show`; `parameters` is text, a name and a value a line."""

    parameters: str | None = None
    template: str | None = None
    system: str | None = None
    details: Details | None = None
    model_info: dict[str, Any] | None = None
    capabilities: list[str] | None = None


class Rendered(msgspec.Struct):
    """The prompt of a chat, from a server that was asked to render it only."""

    class Debug(msgspec.Struct):
        """The part that holds it."""

        rendered_template: str | None = None

    debug: Debug | None = msgspec.field(name="_debug_info", default=None)


def options_of(sampling: Sampling, *, seed: int, context: int | None, stops: tuple[str, ...]) -> Options:
    """Every option of a turn under Ollama's names, so that nothing is left to a default that nobody sees.

    Args:
        sampling: of the turn.
        seed: that is used.
        context: tokens asked for; None leaves them to the server.
        stops: of the model itself; sending any would drop them.
    """
    wanted = dict.fromkeys([*stops, *(well_formed(stop) for stop in sampling.stop if stop)])
    options: Options = {
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repeat_penalty,
        "repeat_last_n": sampling.repeat_last_n,
        "seed": seed,
        "num_predict": -1 if sampling.max_tokens is None else sampling.max_tokens,
        "typical_p": sampling.typical_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    if sampling.mirostat:
        options |= {
            "mirostat": sampling.mirostat,
            "mirostat_tau": sampling.mirostat_tau,
            "mirostat_eta": sampling.mirostat_eta,
        }
    if wanted:
        options["stop"] = list(wanted)
    if context is not None:
        options["num_ctx"] = context
    return options


class Thinker(msgspec.Struct, frozen=True):
    """What can be asked of a model's thinking.

    Attributes:
        thinks: None where the server does not say.
        by_effort: it always thinks, and takes an effort.
    """

    thinks: bool | None = None
    by_effort: bool = False

    @classmethod
    def of(cls, shown: Shown) -> "Thinker":
        """By what the server says of the model."""
        family = (shown.details.family if shown.details else None) or ""
        able = None if shown.capabilities is None else "thinking" in shown.capabilities
        return cls(able, family.replace("-", "") == "gptoss")

    def asked(self, wish: Reasoning) -> tuple[dict[str, bool | str], tuple[str, ...]]:
        """Fields of a request, and wishes that the server cannot be told."""
        switch, effort = wish.switch, wish.hard
        if self.thinks is False:  # the server would refuse the request; a model that does not think is off already
            wishes = ("reasoning: on" if switch == "on" else "", f"reasoning_effort: {effort}" if effort else "")
            return {}, tuple(filter(None, wishes))
        if self.by_effort:
            return {"think": effort} if effort else {}, ("reasoning: off",) if switch == "off" else ()
        if switch is None and effort is None:
            return {}, ()
        return {"think": switch != "off"}, (f"reasoning_effort: {effort}",) if effort else ()


def turn_body(
    request: GenerateRequest,
    model: str,
    options: Options,
    keep_alive: str | float | None,
    thinker: Thinker = Thinker(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """The body of a request for a turn, by the chat route or, of a text as it is, by the generate route.

    A server that knows `truncate` and `shift` refuses a prompt that is too long, and ends an answer that fills the
    context; older ones cut silently.
    """
    body: dict[str, Any] = {"model": model, "stream": True, "truncate": False, "shift": False, "options": options}
    if request.suffix is not None:  # by the model's own template, so it is not sent as it is
        body |= {"prompt": well_formed(request.prompt or ""), "suffix": well_formed(request.suffix)}
    elif request.prompt is None:
        body["messages"] = [_as_dict(each.well_formed()) for each in request.messages]
        if start := well_formed(request.answer_start):
            # Ollama goes on with a last message that is the assistant's; its text is not sent back.
            body["messages"].append({"role": "assistant", "content": start})
        body |= thinker.asked(request.sampling.thinking)[0]
    else:
        body |= {"prompt": well_formed((request.prompt or "") + request.answer_start), "raw": True}
    if request.sampling.json_schema is not None:
        body["format"] = request.sampling.json_schema
    return body if keep_alive is None else body | {"keep_alive": keep_alive}


def _as_dict(message: ChatMessage) -> dict[str, str]:
    """A message with its thoughts; the model's template uses them or not."""
    thoughts = {"thinking": message.reasoning} if message.reasoning else {}
    return {"role": message.role, "content": message.content, **thoughts}


def unheeded(sampling: Sampling) -> Notice | None:
    """What Ollama has no option for, so that it is not done; None when there is no such wish."""
    wishes = {
        "going on after the end token": sampling.ignore_eos,
        "the DRY penalty": sampling.dry_multiplier > 0,
        "XTC": sampling.xtc_probability > 0,
    }
    asked = [name for name, wanted in wishes.items() if wanted]
    if not asked:
        return None
    return Notice("options", f"Ollama has no option for {', '.join(asked)}", "Run the model's file itself for that.")


def parameters_of(text: str | None) -> dict[str, list[str]]:
    """The parameters of `/api/show`: name to values, e.g. `stop` to several; quotes around a value are taken off."""
    found: dict[str, list[str]] = {}
    for line in (text or "").splitlines():
        name, _, value = line.strip().partition(" ")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = _unquoted(value)
        if name:
            found.setdefault(name, []).append(value)
    return found


def _unquoted(value: str) -> str:
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.DecodeError:
        return value[1:-1]
