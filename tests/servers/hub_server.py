"""A server that speaks the routes of a Hugging Face hub, with the faults of real ones on demand."""

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BLOCK = 1 << 14


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    range: str | None
    headers: dict[str, str]


@dataclass
class HubServer:
    """Knobs and a log.

    Attributes:
        repositories: `ORG/REPO` to its files by path.
        sums: of a file, where the server shall tell a wrong one.
        cut_after: bytes of a body after which the connection is cut, for as many requests as `cuts` says.
        refuse_after_cut: status of every later request for a file.
        fail: statuses that the next requests for a file or listing are answered with, first to last.
        gate: a body is sent on after this many bytes only when the event is set.
        gated, private: repositories that want a token.
        plain: mirrors that tell neither size nor checksum in the listing.
        ranges: whether a part of a file can be asked for.
        sent: bytes of bodies that went out.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    cuts: int = 0
    refuse_after_cut: int | None = None
    fail: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    gate: tuple[int, threading.Event] | None = None
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    token: str = "hf_test"  # noqa: S105 - of this server only
    plain: bool = False
    ranges: bool = True
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0

    def put(self, repository: str, path: str, content: bytes | Path) -> str:
        """Add a file; gives its sha256."""
        data = content.read_bytes() if isinstance(content, Path) else content
        self.repositories.setdefault(repository, {})[path] = data
        return hashlib.sha256(data).hexdigest()

    def sha256(self, path: str, data: bytes) -> str:
        return self.sums.get(path) or hashlib.sha256(data).hexdigest()

    def downloads(self) -> list[Asked]:
        """The requests for bytes of files."""
        return [asked for asked in self.asked if asked.method == "GET" and "/resolve/" in asked.path]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.hub.asked.append(Asked(self.command, self.path, self.headers.get("Range"), dict(self.headers)))
        address = urlsplit(self.path)
        parts = unquote(address.path).strip("/").split("/")
        if self.hub.fail:
            status, headers = self.hub.fail.pop(0)
            self._error(status, **headers)
        elif parts[:2] == ["api", "models"]:
            self._info(parts[2:], parse_qs(address.query))
        elif len(parts) > 4 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._error(404)

    def _refused(self, repository: str, revision: str) -> bool:
        hub = self.hub
        known = self.headers.get("Authorization") == f"Bearer {hub.token}"
        if repository not in hub.repositories or (repository in hub.private and not known):
            self._error(
                404 if known else 401, **{"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            )
        elif repository in hub.gated and not known:
            self._error(
                401, **{"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to {repository} is restricted"}
            )
        elif revision not in {"main", COMMIT}:
            self._error(404, **{"X-Error-Code": "RevisionNotFound", "X-Error-Message": f"Invalid rev id: {revision}"})
        else:
            return False
        return True

    def _info(self, parts: list[str], query: dict[str, list[str]]) -> None:
        repository = "/".join(parts[:2])
        revision = parts[3] if parts[2:3] == ["revision"] else "main"
        if self._refused(repository, revision):
            return
        siblings = []
        for path, data in self.hub.repositories[repository].items():
            sibling: dict[str, Any] = {"rfilename": path}
            if query.get("blobs") and not self.hub.plain:
                sum_ = self.hub.sha256(path, data)
                sibling |= {"size": len(data), "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}  # noqa: S324 - as git does
                sibling["lfs"] = {"sha256": sum_, "size": len(data), "pointerSize": 135}
            siblings.append(sibling)
        self._json({"id": repository, "modelId": repository, "sha": COMMIT, "tags": [], "siblings": siblings})

    def _resolve(self, repository: str, revision: str, path: str) -> None:
        if self._refused(repository, revision):
            return
        if self.hub.refuse_after_cut is not None and self.hub.cut_after is not None and not self.hub.cuts:
            self._error(self.hub.refuse_after_cut)
            return
        data = self.hub.repositories[repository].get(path)
        if data is None:
            self._error(404, **{"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        start, asked = 0, self.headers.get("Range")
        if asked and self.hub.ranges:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(data):
                self._error(416)
                return
        self.send_response(206 if asked and self.hub.ranges else 200)
        sum_ = self.hub.sha256(path, data)
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": str(len(data)),
            "X-Linked-Etag": f'"{sum_}"',
            "ETag": f'"{sum_}"',
            "Accept-Ranges": "bytes",
            "Content-Length": str(len(data) - start),
        }
        if asked and self.hub.ranges:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._body(data[start:])

    def _body(self, data: bytes) -> None:
        hub = self.hub
        end = len(data)
        if hub.cut_after is not None and hub.cuts:
            hub.cuts -= 1
            end = min(end, hub.cut_after)
        for at in range(0, end, BLOCK):
            if hub.gate is not None and at >= hub.gate[0]:
                hub.gate[1].wait(30)
            block = data[at : min(at + BLOCK, end)]
            self.wfile.write(block)
            hub.sent += len(block)
        self.wfile.flush()
        if end < len(data):
            self.close_connection = True

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, **headers: str) -> None:
        body = json.dumps({"error": headers.get("X-Error-Message", HTTPStatus(status).phrase)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


@contextmanager
def hub_server(arrange: Callable[[HubServer], None] | None = None) -> Iterator[HubServer]:
    """A running hub on a free port of this machine."""
    hub = HubServer()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = _Server(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    if arrange is not None:
        arrange(hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        if hub.gate is not None:
            hub.gate[1].set()
        server.shutdown()
        server.server_close()
        thread.join(5)
