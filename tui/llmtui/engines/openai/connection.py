"""HTTP to one server: its addresses, its key, time limits, and errors in our words."""

from collections.abc import AsyncGenerator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from llmtui.domain.settings import Server
from llmtui.domain.text import visible_line
from llmtui.engines.http.access import Patience, key_header, proxy_for, trusted, unusable_settings
from llmtui.engines.http.faults import malformed, status_error, transport_error
from llmtui.engines.http.lenient import decode_json

AnswerT = TypeVar("AnswerT")
MAX_BODY = 16 << 20
"""Bytes of an answer that is not streamed."""


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
        self._server = server
        self.patience = patience or Patience()
        self.api = api_url(server.url)
        self.root = self.api.removesuffix("/v1")
        self._client = self._open()

    async def get(self, url: str, answer: type[AnswerT], *, patient: bool = False) -> AnswerT:
        """Ask a question that changes nothing.

        Args:
            url: the route.
            answer: what is expected back.
            patient: wait as long as for a turn, since the server may load a model first.

        Raises:
            LlmtuiError: whatever stands between us and the answer.
        """
        wait_s = self.patience.answer_s if patient else self.patience.question_s
        return await self._ask("GET", url, None, answer, model=None, wait_s=wait_s)

    async def post(self, url: str, body: dict[str, Any], answer: type[AnswerT], *, model: str | None) -> AnswerT:
        """Ask a question that has a body.

        Raises:
            LlmtuiError: whatever stands between us and the answer.
        """
        return await self._ask("POST", url, body, answer, model=model, wait_s=self.patience.question_s)

    async def stream(self, url: str, body: dict[str, Any], *, model: str) -> AsyncGenerator[bytes]:
        """The bytes of an answer as they come; closing it closes the connection.

        Raises:
            LlmtuiError: whatever stands between us and the answer.
        """
        begun = False
        try:
            async with self._client.stream(
                "POST", url, json=body, timeout=self._timeout(self.patience.answer_s)
            ) as reply:
                if reply.status_code != 200:
                    raise self._refusal(reply, await _body(reply), model)
                async for data in reply.aiter_bytes():
                    begun = True
                    yield data
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise transport_error(error, self.name, begun=begun) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _ask(
        self,
        method: str,
        url: str,
        body: dict[str, Any] | None,
        answer: type[AnswerT],
        *,
        model: str | None,
        wait_s: float,
    ) -> AnswerT:
        try:
            async with self._client.stream(method, url, json=body, timeout=self._timeout(wait_s)) as reply:
                data = await _body(reply)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise transport_error(error, self.name) from error
        if reply.status_code != 200:
            raise self._refusal(reply, data, model)
        try:
            return decode_json(data, answer)
        except (msgspec.DecodeError, RecursionError) as error:
            raise malformed(data, self.name, str(error)) from error

    def _refusal(self, reply: httpx.Response, body: bytes, model: str | None) -> Exception:
        if reply.has_redirect_location:
            body = f"to {reply.headers['location']}".encode()
        return status_error(reply.status_code, body, self.name, key_env=self._server.key_env, model=model)

    def _timeout(self, read_s: float) -> httpx.Timeout:
        return httpx.Timeout(read_s, connect=self.patience.connect_s)

    def _open(self) -> httpx.AsyncClient:
        headers = {"Accept-Encoding": "identity", **self._server.headers, **key_header(self._server.key_env, self.name)}
        secure = self.api.startswith("https")
        try:
            return httpx.AsyncClient(
                headers=headers,
                verify=trusted(self._server.verify) if secure else False,
                trust_env=False,  # httpx falls over an IPv6 address in NO_PROXY, and would send keys from ~/.netrc
                proxy=proxy_for(self.api),
                limits=httpx.Limits(max_keepalive_connections=0),  # llama-server closes some without saying so
            )
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            raise unusable_settings(self.name, error) from error


def api_url(url: str) -> str:
    """The URL of the API without a slash at its end; `/v1` where the URL names a host only."""
    parts = urlsplit(url.partition("#")[0].rstrip("/"))
    return parts._replace(path=parts.path or "/v1", query="").geturl()


async def _body(reply: httpx.Response) -> bytes:
    data = bytearray()
    async for piece in reply.aiter_bytes():
        data += piece
        if len(data) > MAX_BODY:
            break
    return bytes(data)
