"""Chat templates as the worker uses them: which one, and rendered under limits."""

import contextlib
import hashlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from llmtui.domain.messages import ChatMessage
from llmtui.domain.text import visible_line
from llmtui.engines.llama.worker.render_frames import LENGTH, OUTPUT_CHARACTERS, RenderReply, RenderRequest
from llmtui.errors import ContextError, TemplateError

if TYPE_CHECKING:
    # The template process is started before llama.cpp's library is loaded.
    from llmtui.engines.llama.worker.vocabulary import Vocabulary

RENDER_SECONDS = 2.0
START_SECONDS = 30.0

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)
DIALOGUE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + '\n' }}{% endif %}"
    "{% endfor %}"
    "{{ 'Assistant:' }}"
)


class ChatTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template, where it comes from, and the strings that end an answer besides the end tokens.

    Attributes:
        source: `model`, or `fallback: …` with the reason.
    """

    text: str
    source: str
    stops: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the template's UTF-8 bytes."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def choose_template(own: str | None, vocabulary: "Vocabulary") -> ChatTemplate:
    """The model's own template; without one ChatML if the vocabulary has its tokens, else a plain dialogue."""
    if own and own.strip():
        return ChatTemplate(text=own, source="model")
    if vocabulary.special("<|im_start|>") is not None:
        return ChatTemplate(
            text=CHATML,
            source="fallback: ChatML, because the file has no chat template but the tokens of this one",
            stops=("<|im_end|>",),
        )
    return ChatTemplate(
        text=DIALOGUE,
        source="fallback: a plain dialogue, because the file has no chat template",
        stops=("\nUser:",),
    )


class Renderer:
    """Renders with the process of `renderer.py`; one caller at a time.

    The process is started at once, so that its imports are done when the first conversation comes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        with contextlib.suppress(TemplateError):
            self._start()

    def render(self, template: ChatTemplate, vocabulary: "Vocabulary", messages: Sequence[ChatMessage]) -> str:
        """The prompt for a conversation, with the head of the answer to come.

        Raises:
            TemplateError: the template raised, took longer than `RENDER_SECONDS`, or needed too much memory; or its
                process cannot be started.
            ContextError: that happened because the conversation itself is longer than any context.
        """
        request = RenderRequest(
            template.text,
            [{"role": message.role, "content": message.content} for message in messages],
            vocabulary.bos_text,
            vocabulary.eos_text,
        )
        with self._lock:
            if self._process is None:
                self._start()
            reply = self._ask(request)
        if reply.text is None:
            characters = sum(len(message.content) for message in messages)
            if characters > OUTPUT_CHARACTERS:
                raise _too_long(characters)
            raise _template_error(reply.problem or "it broke off", messages)
        return reply.text

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
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None
        # Where that fails now, the next rendering tries again and tells.
        with contextlib.suppress(TemplateError):
            self._start()

    def _start(self) -> None:
        self._ready = False
        try:
            self._process = subprocess.Popen(
                # -P: a file named like a module in the user's folder must not be imported.
                [sys.executable, "-P", "-m", "llmtui.engines.llama.worker.renderer"],
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


def _template_error(problem: str, messages: Sequence[ChatMessage]) -> TemplateError:
    remedy = "Choose another model, or a file of this model with a working template."
    if any(message.role == "system" for message in messages) and "system" in problem.lower():
        remedy = "Remove the system prompt: this model's template does not take one."
    return TemplateError(
        "The model's chat template cannot render this conversation", cause=visible_line(problem), remedy=remedy
    )
