"""Renders conversations through chat templates, under limits."""

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import msgspec

from llmtui.domain.messages import ChatMessage
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.templates import OWN, NamedTemplate
from llmtui.domain.text import visible_line
from llmtui.engines.rendering.adapting import adaptations, lost_system
from llmtui.engines.rendering.frames import LENGTH, OUTPUT_CHARACTERS, RenderReply, RenderRequest
from llmtui.errors import ContextError, TemplateError

RENDER_SECONDS = 2.0
START_SECONDS = 30.0
THOUGHTS = ("reasoning_content", "thinking")
"""What families call the thoughts of a message: Qwen, GLM and DeepSeek the one, gpt-oss the other."""


class Rendered(msgspec.Struct, frozen=True):
    """The prompt for a conversation.

    Attributes:
        text: with the head of the answer to come.
        note: how the conversation was changed so that the template takes it; None when it was not.
        unheeded: what was asked of the model's thinking and the template has no variable for; see `unheeded_text`.
    """

    text: str
    note: str | None = None
    unheeded: tuple[str, ...] = ()


class Renderer:
    """Renders with the process of `process.py`; one caller at a time.

    The process is started at once, so that its imports are done when the first conversation comes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        with contextlib.suppress(TemplateError):
            self._start()

    def render(
        self,
        template: NamedTemplate,
        messages: Sequence[ChatMessage],
        *,
        bos_text: str,
        eos_text: str,
        thinking: Reasoning = NO_WISH,
    ) -> Rendered:
        """The prompt for a conversation.

        What a template refuses, or leaves out, is put so that it takes it: see `adapting`.

        Args:
            template: to render with.
            messages: the conversation.
            bos_text: what the template writes for the vocabulary's begin token.
            eos_text: likewise for its end token.
            thinking: what is asked of the model's thinking; passed in the template's own variables.

        Raises:
            TemplateError: the template raised, took longer than `RENDER_SECONDS`, or needed too much memory; or its
                process cannot be started.
            ContextError: that happened because the conversation itself is longer than any context.
        """
        request = RenderRequest(template.text, [], bos_text, eos_text, thinking)
        with self._lock:
            reply = self._attempt(request, messages)
            if reply.text is not None and not lost_system(messages, reply.text):
                return Rendered(reply.text, unheeded=reply.unheeded)
            if reply.text is not None or reply.refused:
                for changed, note in adaptations(messages):
                    again = self._attempt(request, changed)
                    if again.text is not None and not lost_system(messages, again.text):
                        return Rendered(again.text, note, again.unheeded)
        if reply.text is not None:
            return Rendered(reply.text, unheeded=reply.unheeded)
        characters = sum(len(message.content) for message in messages)
        if characters > OUTPUT_CHARACTERS:
            raise _too_long(characters)
        raise _template_error(template, reply.problem or "it broke off", messages)

    def close(self) -> None:
        """End the process; the next rendering starts another one."""
        with self._lock:
            self._end()

    def _attempt(self, request: RenderRequest, messages: Sequence[ChatMessage]) -> RenderReply:
        if self._process is None:
            self._start()
        chat = [_as_dict(message, request.template) for message in messages]
        return self._ask(msgspec.structs.replace(request, messages=chat))

    def _ask(self, request: RenderRequest) -> RenderReply:
        try:
            if not self._ready:
                self._read(START_SECONDS)
                self._ready = True
            body = msgspec.msgpack.encode(request)
            self._write(LENGTH.pack(len(body)) + body, time.monotonic() + RENDER_SECONDS)
            return self._read(RENDER_SECONDS)
        except TimeoutError:
            self._restart()
            return RenderReply(problem=f"it did not end within {RENDER_SECONDS:g} seconds")
        except (EOFError, OSError, msgspec.DecodeError):
            self._restart()
            return RenderReply(problem="its process ended: it needs too much memory, or crashed the interpreter")

    def _read(self, seconds: float) -> RenderReply:
        deadline = time.monotonic() + seconds
        (length,) = LENGTH.unpack(self._read_bytes(LENGTH.size, deadline))
        return msgspec.msgpack.decode(self._read_bytes(length, deadline), type=RenderReply)

    def _read_bytes(self, count: int, deadline: float) -> bytes:
        descriptor = _descriptor(self._process and self._process.stdout)
        data = bytearray()
        while len(data) < count:
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(descriptor, count - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _write(self, data: bytes, deadline: float) -> None:
        descriptor = _descriptor(self._process and self._process.stdin)
        view = memoryview(data)
        while view:
            if not select.select([], [descriptor], [], max(0.0, deadline - time.monotonic()))[1]:
                raise TimeoutError
            view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]

    def _restart(self) -> None:
        self._end()
        # Where that fails now, the next rendering tries again and tells.
        with contextlib.suppress(TemplateError):
            self._start()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _start(self) -> None:
        self._ready = False
        try:
            self._process = subprocess.Popen(
                # -P: a file named like a module in the user's folder must not be imported.
                [sys.executable, "-P", "-m", "llmtui.engines.rendering.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError as error:
            raise TemplateError(
                "The process that renders chat templates cannot be started",
                cause=str(error),
                remedy="Free some memory and send the message again.",
            ) from error


def _as_dict(message: ChatMessage, template: str) -> dict[str, str]:
    """A message as templates get it, with its thoughts under the names by which this one asks for them."""
    thoughts = {name: message.reasoning for name in THOUGHTS if name in template} if message.reasoning else {}
    return {"role": message.role, "content": message.content, **thoughts}


def _descriptor(pipe: object) -> int:
    fileno = getattr(pipe, "fileno", None)
    if fileno is None:
        raise EOFError
    number: int = fileno()
    return number


def _too_long(characters: int) -> ContextError:
    return ContextError(
        "The prompt is longer than the context",
        cause=f"the conversation has {characters:,} characters; prompts of up to {OUTPUT_CHARACTERS:,} are possible",
        remedy="Shorten the message, or start a new chat.",
    )


def _template_error(template: NamedTemplate, problem: str, messages: Sequence[ChatMessage]) -> TemplateError:
    own = template.source == OWN
    remedy = "Choose another template, or a file of this model with a working one: llmtui templates list"
    if any(message.role == "system" for message in messages) and "system" in problem.lower():
        remedy = "Remove the system prompt: this template does not take one."
    whose = "model's chat template" if own else f"chat template {visible_line(template.name)}"
    return TemplateError(f"The {whose} cannot render this conversation", cause=visible_line(problem), remedy=remedy)
