"""A small process that runs chat templates and nothing else.

A template is a stranger's program. The sandbox keeps it from Python's objects, but not from running for ever or from
`'a' * 10**10`, and such an operation cannot be interrupted from inside the process. So it runs here, with an address
space of its own size and without the model; `Renderer` kills it when its time is over and starts another one.

Its frames, on standard input and output, are those of `frames.py`.
"""

import contextlib
import json
import os
import resource
import sys
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NoReturn

import msgspec
from jinja2 import Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llmtui.domain.reasoning import Passed, Reasoning, variables_of
from llmtui.domain.text import well_formed
from llmtui.engines.lifeline import die_with_parent
from llmtui.engines.rendering.frames import LENGTH, OUTPUT_CHARACTERS, RenderReply, RenderRequest

MEMORY_BYTES = 512 * 1024 * 1024
"""Of address space: the interpreter takes some 60 MB of it, a long conversation a few more."""
KEPT_TEMPLATES = 4
"""A model has one; compiling it takes up to 40 ms, which would be part of every answer's first token."""


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(value: object, indent: int | None = None, *, ensure_ascii: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _environment() -> ImmutableSandboxedEnvironment:
    """The environment chat templates are written for, as the Transformers library documents it."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return environment


def compiler() -> Callable[[str], Template]:
    """Compiles templates, and keeps the last few."""
    return lru_cache(maxsize=KEPT_TEMPLATES)(_environment().from_string)


def passed(text: str, wish: Reasoning) -> Passed:
    """A wish in the words of a template: of the variables that it reads and does not set itself.

    Raises:
        TemplateError: it is not valid.
    """
    if not wish:
        return Passed({})
    known = meta.find_undeclared_variables(_environment().parse(text))
    return variables_of(wish, known, has_none="'none'" in text or '"none"' in text)


def render(compile_: Callable[[str], Template], request: RenderRequest) -> RenderReply:
    """One conversation through one template; whatever goes wrong is in the reply."""
    try:
        wishes = passed(request.template, request.thinking)
        text = compile_(request.template).render(
            messages=request.messages,
            add_generation_prompt=True,
            bos_token=request.bos_token,
            eos_token=request.eos_token,
            tools=None,
            documents=None,
            **wishes.variables,
        )
    except MemoryError:
        return RenderReply(problem="it needs too much memory")
    except RecursionError:
        return RenderReply(problem="it recurses too deeply")
    except Exception as error:  # noqa: BLE001 (a stranger's program may raise anything)
        return RenderReply(problem=str(error)[:500] or type(error).__name__, refused=True)
    if len(text) > OUTPUT_CHARACTERS:
        return RenderReply(problem=f"it renders {len(text):,} characters")
    return RenderReply(text=well_formed(text), unheeded=wishes.unheeded)


def _read(count: int) -> bytes:
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        os._exit(0)
    return data


def _write(reply: RenderReply) -> None:
    body = msgspec.msgpack.encode(reply)
    sys.stdout.buffer.write(LENGTH.pack(len(body)) + body)
    sys.stdout.buffer.flush()


def main() -> None:
    """Render until standard input closes. The first reply is empty and says that the imports are done."""
    die_with_parent()
    compile_ = compiler()
    compile_("{{ '' }}").render()
    with contextlib.suppress(ValueError, OSError):
        # macOS refuses this limit; the time limit holds there too.
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    decoder = msgspec.msgpack.Decoder(RenderRequest)
    _write(RenderReply())
    while True:
        (length,) = LENGTH.unpack(_read(LENGTH.size))
        _write(render(compile_, decoder.decode(_read(length))))


if __name__ == "__main__":
    main()
