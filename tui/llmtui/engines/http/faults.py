"""What can go wrong between us and a server, in words: what, why, and what to do."""

import os
import re
import socket
import ssl
from typing import Any

import httpx
import msgspec

from llmtui.domain.text import visible_line
from llmtui.engines.http.lenient import decode_json
from llmtui.errors import ContextError, EngineError, LlmtuiError, ModelError

_CONTEXT = re.compile(
    r"context (length|size|window)|exceed_context|context_length_exceeded|too many tokens", re.IGNORECASE
)
_NO_MODEL = re.compile(
    r"model_not_found|no models? (is )?(currently )?loaded|model .{0,200}not (been )?loaded", re.IGNORECASE
)
_NO_TLS = re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST")
"""What OpenSSL says of a server that was spoken to with https and only knows http."""
_SHOWN = 300
_NOT_OPENAI = "Check that the URL is that of an OpenAI-compatible server; it often ends in /v1."
_STATUS = {
    404: ("does not know the route", "Check the URL; it often ends in /v1."),
    429: ("is asked too often", "Wait a moment, then ask again."),
    503: ("is not ready", "It may still be loading the model: wait, then try again."),
    5: ("failed", "Look into the server's log, then ask again."),
    3: ("sends us elsewhere", "Use the final address as the server's URL."),
    4: (
        "refuses the request",
        "If it names an option, set `standard_only = true` for this server in config.toml; else see its log.",
    ),
}
"""What an HTTP status means, by itself or by its first digit, and what to do about it."""


class NotFoundError(ModelError):
    """A turn was answered 404: the server lacks the model or the route, and only its list of models tells which."""


def transport_error(error: Exception, where: str, *, begun: bool = False) -> EngineError:
    """An error of the network.

    Args:
        error: as httpx raised it.
        where: the server, as the user knows it.
        begun: part of an answer had come.
    """
    detail = visible_line(_system_error(error) or str(error))[:_SHOWN] or type(error).__name__
    if (of_tls := _tls_error(error, where, detail)) is not None:
        return of_tls
    if isinstance(error, httpx.ProxyError):
        return EngineError(
            f"The proxy refused the way to {where}",
            cause=detail,
            remedy="Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the host in NO_PROXY.",
        )
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return EngineError(
            f"{where} cannot be reached",
            cause=detail,
            remedy="Start the server, or correct its address; then try again.",
        )
    if isinstance(error, httpx.TimeoutException):
        return EngineError(
            f"{where} has fallen silent",
            cause=detail if detail != type(error).__name__ else "nothing came for too long",
            remedy="See what the server is doing, then ask again.",
        )
    if begun:
        closed = isinstance(error, httpx.RemoteProtocolError) and "closed connection" in detail
        return EngineError(
            f"The connection to {where} broke in the middle of the answer",
            cause="the server closed it" if closed else detail,
            remedy="What had come is kept. See whether the server still runs, then ask again.",
        )
    return EngineError(
        f"{where} did not answer as a web server does", cause=detail, remedy="Check address and port, then try again."
    )


def status_error(status: int, body: bytes, where: str, *, key_env: str | None, model: str | None) -> LlmtuiError:
    """An HTTP status other than success, with what the server says of it.

    Args:
        status: of the response.
        body: of the response, JSON or not.
        where: the server, as the user knows it.
        key_env: the variable that holds the key; None when none was sent.
        model: the id that was asked for; None when it was no matter of a model.
    """
    said = server_message(body)
    cause = f"HTTP {status}" + (f": {said}" if said else "")
    if _CONTEXT.search(said + body[:2000].decode(errors="replace")) and status in {400, 413, 422}:
        return ContextError(
            "The prompt is longer than the context",
            cause=_context_cause(body) or cause,
            remedy="Shorten the message, start a new chat, or serve the model with a larger context.",
        )
    if status in {401, 403}:
        key = (
            f"See what is in ${key_env}." if key_env else "Name the variable that holds it as `key_env` in config.toml."
        )
        return EngineError(f"{where} {'refuses the key' if key_env else 'wants a key'}", cause=cause, remedy=key)
    if status == 404 and model is not None:
        return NotFoundError(
            f"{where} does not know the model or the route",
            cause=f"{cause}; asked for {visible_line(model)!r}",
            remedy="Choose one from `llmtui models`, and check that the URL ends as the server wants it, often in /v1.",
        )
    if model is not None and status < 500 and _NO_MODEL.search(said + body[:2000].decode(errors="replace")):
        return ModelError(
            f"{where} has not loaded the model",
            cause=f"{cause}; asked for {visible_line(model)!r}",
            remedy="Load it there, or choose another one; then ask again.",
        )
    title, remedy = _STATUS.get(status) or _STATUS.get(status // 100, _STATUS[4])
    return EngineError(f"{where} {title}", cause=cause, remedy=remedy)


def another_model(where: str, wanted: str, answers: str) -> ModelError:
    """The server was started again with another model, and answers with that one whatever it is asked for."""
    return ModelError(
        f"{where} serves another model now",
        cause=f"{visible_line(answers)!r} answers; asked for {visible_line(wanted)!r}",
        remedy="Choose the one that it serves now, or load yours there again; then ask again.",
    )


def no_such_route(error: LlmtuiError, where: str, route: str, *, raw: bool) -> EngineError:
    """The server has the model, so what it lacks is the way to it.

    Args:
        error: that came instead of an answer.
        where: the server, as the user knows it.
        route: that was asked.
        raw: a text was to be continued; else a conversation.
    """
    url = "Check that the URL ends as the server wants it, often in /v1."
    other = "For a server that only continues texts there is `llmtui ask --raw`"
    if raw:
        other = "Ask without --raw, and without a template of your own"
    return EngineError(
        f"{where} cannot {'continue a text' if raw else 'chat'}: it has no such route",
        cause=f"{visible_line(route)}: {error.cause}",
        remedy=f"{url} {other}.",
    )


def malformed(data: bytes, where: str, why: str, *, remedy: str = _NOT_OPENAI) -> EngineError:
    """Something that should have been JSON of a known form."""
    shown = visible_line(data[:120].decode(errors="replace"))
    return EngineError(
        f"{where} sent something that is not part of this API",
        cause=": ".join(part for part in (visible_line(why)[:_SHOWN], shown) if part),
        remedy=remedy,
    )


def reported(error: Any, where: str, *, begun: bool = True) -> LlmtuiError:
    """An error that came inside an answer with the status of success.

    Args:
        error: as the server wrote it.
        where: the server, as the user knows it.
        begun: part of the answer had come.
    """
    body = msgspec.json.encode({"error": error})
    found = status_error(_code(error), body, where, key_env=None, model=None)
    if isinstance(found, ContextError) or not begun:
        return found
    return EngineError(
        f"{where} failed in the middle of the answer",
        cause=server_message(body),
        remedy="What had come is kept. Look into the server's log, then ask again.",
    )


def server_message(body: bytes) -> str:
    """What a server says in the body of an error, on one line and safe to show; empty when it says nothing."""
    try:
        found = decode_json(body, object)
    except (msgspec.DecodeError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", body[:4000].decode(errors="replace"))
        return visible_line(text)[:_SHOWN]
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(key):
            found = found[key]
    return visible_line(found if isinstance(found, str) else msgspec.json.encode(found).decode())[:_SHOWN]


def _code(error: Any) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _context_cause(body: bytes) -> str | None:
    """Both numbers, where llama-server gives them."""
    try:
        error = msgspec.json.decode(body).get("error")
        return (
            f"{error['n_prompt_tokens']:,} tokens of prompt; the context holds {error['n_ctx']:,}, the answer included"
        )
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError):
        return None


def _system_error(error: BaseException | None) -> str | None:
    """What the operating system said, where that is the reason: `Connection refused` tells more than what wraps it."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return error.strerror
        if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
            return os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return None


def _tls_error(error: BaseException | None, where: str, detail: str) -> EngineError | None:
    """What TLS has against the server; None when the reason is another one."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return EngineError(
                f"The certificate of {where} is not trusted",
                cause=detail,
                remedy="Name its authority's file as `verify` in config.toml, "
                "or set `verify = false` for your own server.",
            )
        if isinstance(error, ssl.SSLError) and _NO_TLS.search(str(error)):
            return EngineError(
                f"{where} does not speak TLS",
                cause=detail,
                remedy="Write its address with http://, or name the port that speaks TLS.",
            )
        error = error.__cause__ or error.__context__
    return None
