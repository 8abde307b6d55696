"""One Ollama server through the `ollama` package: bounded answers, time limits, and errors in our words."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx
import msgspec
import ollama
from ollama import ResponseError

from llmtui.domain.settings import Server
from llmtui.domain.text import visible_line
from llmtui.engines.http.access import Patience, key_header, proxy_for, trusted, unusable_settings
from llmtui.engines.http.faults import malformed, reported, status_error, transport_error
from llmtui.engines.ollama.address import host_url
from llmtui.errors import EngineError, LlmtuiError, ModelError

AnswerT = TypeVar("AnswerT")
MAX_LINE = 64 << 20
"""Bytes of one JSON document; a vocabulary of 256,000 tokens with its merges takes some 20 MiB."""
_NOT_OLLAMA = "Check that the address is that of an Ollama server, e.g. http://host:11434, without a path."
_LOG = "Look into the server's log; then ask again, or set fewer options."
_ODD = (ValueError, AttributeError, TypeError, RecursionError)
"""What the package lets out when an answer is not JSON, or not of the form that it expects."""


class Connection:
    """A client for one server; nothing is sent before the first request.

    Args:
        server: address, key, headers.
        name: of the server, as the user knows it.
        patience: time limits.

    Raises:
        EngineError: the key's variable is not set, or a file or proxy setting cannot be used.
    """

    def __init__(self, server: Server, name: str, patience: Patience | None = None) -> None:
        self.name = visible_line(name)
        self._key_env = server.key_env
        self._patience = patience or Patience()
        headers = {"Accept-Encoding": "identity", **server.headers, **key_header(server.key_env, self.name)}
        try:
            self.url = host_url(server.url)
            self._client = _Client(
                self.url,
                headers=headers,
                follow_redirects=False,
                verify=trusted(server.verify) if self.url.startswith("https") else False,
                trust_env=False,  # see the OpenAI engine's: NO_PROXY with IPv6, and keys from ~/.netrc
                proxy=proxy_for(self.url),
                event_hooks={"response": [_bound]},
            )
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            raise unusable_settings(self.name, error) from error

    async def get(self, path: str, answer: type[AnswerT]) -> AnswerT:
        """Ask a question that changes nothing.

        Raises:
            LlmtuiError: whatever stands between us and the answer.
        """
        with self._translated(None):
            return msgspec.convert(
                await self._client.ask("GET", path, None, self._timeout(self._patience.question_s)),
                answer,
                strict=False,
            )

    async def post(
        self, path: str, body: dict[str, Any], answer: type[AnswerT], *, model: str | None, patient: bool = False
    ) -> AnswerT:
        """Ask a question that has a body.

        Args:
            path: of the route.
            body: of the request.
            answer: what is expected.
            model: that it is about; None when it is no matter of a model.
            patient: give it the time of an answer: a model may have to be loaded first.

        Raises:
            ModelError: the server has no such model.
            LlmtuiError: whatever else stands between us and the answer.
        """
        wait_s = self._patience.answer_s if patient else self._patience.question_s
        with self._translated(model):
            return msgspec.convert(
                await self._client.ask("POST", path, body, self._timeout(wait_s)), answer, strict=False
            )

    async def delete(self, model: str) -> None:
        """Remove a model from the server.

        Raises:
            ModelError: it has no such model.
        """
        with self._translated(model):
            await self._client.remove(model, self._timeout(self._patience.question_s))

    async def stream(
        self, path: str, body: dict[str, Any], answer: type[AnswerT], *, model: str
    ) -> AsyncGenerator[AnswerT]:
        """The parts of an answer as they come; closing it closes the connection, which ends the server's work.

        Raises:
            LlmtuiError: whatever stands between us and the answer.
        """
        begun = False
        async with contextlib.aclosing(self._client.parts(path, body, self._timeout(self._patience.answer_s))) as parts:
            while True:
                with self._translated(model, begun=begun):
                    try:
                        part = msgspec.convert(await anext(parts), answer, strict=False)
                    except StopAsyncIteration:
                        return
                begun = True
                yield part

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()  # type: ignore[no-untyped-call]

    def _timeout(self, read_s: float) -> httpx.Timeout:
        return httpx.Timeout(read_s, connect=self._patience.connect_s)

    @contextlib.contextmanager
    def _translated(self, model: str | None, *, begun: bool = False) -> Iterator[None]:
        """Errors of the package, of HTTP and of the network in our words."""
        try:
            yield
        except LlmtuiError:
            raise
        except ResponseError as error:
            raise self._refusal(error, model, begun=begun) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # The package hides why it could not connect behind a sentence of its own.
            inner = error.__context__ if type(error) is ConnectionError else error
            raise transport_error(inner if isinstance(inner, Exception) else error, self.name, begun=begun) from error
        except _ODD as error:
            sent = getattr(error, "doc", "").encode(errors="replace")
            raise malformed(sent, self.name, str(error), remedy=_NOT_OLLAMA) from error

    def _refusal(self, error: ResponseError, model: str | None, *, begun: bool) -> LlmtuiError:
        said = str(error.error)
        if error.status_code < 0 or begun:
            return reported(said, self.name, begun=begun)
        if error.status_code == 404 and model is not None and "model" in said:
            return missing_model(self.name, model, said)
        found = status_error(error.status_code, said.encode(), self.name, key_env=self._key_env, model=None)
        if error.status_code in {400, 404} and isinstance(found, EngineError):
            return EngineError(found.title, cause=found.cause, remedy=_NOT_OLLAMA if error.status_code == 404 else _LOG)
        return found


def missing_model(where: str, model: str, said: str, near: str = "") -> ModelError:
    """The server has no model of that name."""
    shown = visible_line(model)
    return ModelError(
        f"{where} has no model {shown!r}",
        cause=near or visible_line(said)[:300],
        remedy=f"Fetch it: ollama pull {shown}, or llmtui models pull ollama/{shown}",
    )


class _Client(ollama.AsyncClient):
    """The package's client, with time limits a request and the routes' newer fields.

    The package sends `OLLAMA_API_KEY` to whichever host it talks to; here a key goes only where the user sent it.
    """

    def __init__(self, host: str, *, headers: dict[str, str], **kwargs: Any) -> None:
        super().__init__(host, headers=headers, **kwargs)
        if not any(name.casefold() == "authorization" for name in headers):
            self._client.headers.pop("authorization", None)

    async def ask(self, method: str, path: str, body: dict[str, Any] | None, wait: httpx.Timeout) -> dict[str, Any]:
        """An answer at once."""
        return await self._request(dict, method, path, stream=False, json=body, timeout=wait)

    async def parts(self, path: str, body: dict[str, Any], wait: httpx.Timeout) -> AsyncGenerator[dict[str, Any]]:
        """An answer in parts."""
        parts = await self._request(dict, "POST", path, json=body, timeout=wait, stream=True)
        async with contextlib.aclosing(parts):  # type: ignore[type-var]
            async for part in parts:
                yield part

    async def remove(self, model: str, wait: httpx.Timeout) -> None:
        """The answer has no body."""
        await self._request_raw(  # type: ignore[no-untyped-call]
            "DELETE", "/api/delete", json={"model": model}, timeout=wait
        )


async def _bound(response: httpx.Response) -> None:
    response.stream = _Bounded(response.stream)  # type: ignore[arg-type]


class _Bounded(httpx.AsyncByteStream):
    """A body none of whose lines is too long: the package would gather it without end."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._stream:
            at = data.rfind(b"\n")
            size = size + len(data) if at < 0 else len(data) - at - 1
            if size > MAX_LINE:
                raise EngineError(
                    "The server sent a line without end",
                    cause=f"more than {MAX_LINE >> 20} MiB in one document",
                    remedy="See whether the address is that of an Ollama server.",
                )
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()
