"""A small HTTP server that speaks Ollama's wire format; a real llama.cpp server behind it can do the thinking.

Every knob is a field of `OllamaServer`: what a test sets is what real servers of some version, or on a bad day, do.
"""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from servers.wire_server import Reply, Request, WireServer, wire_server

CREATED = "2026-01-01T00:00:00.000000000Z"
NS = 1_000_000


def line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def part(content: str = "", *, thinking: str | None = None, **more: Any) -> dict[str, Any]:
    """A line of a chat's answer."""
    message = {"role": "assistant", "content": content} | ({} if thinking is None else {"thinking": thinking})
    return {"model": "m", "created_at": CREATED, "message": message, "done": False, **more}


def done(reason: str = "stop", **account: Any) -> dict[str, Any]:
    """The last line."""
    return {**part(), "done": True, "done_reason": reason, **account}


@dataclass
class Model:
    """A model of the server.

    Attributes:
        context: tokens it is loaded with when nobody asks.
        show: of `/api/show`; `verbose` is added to `model_info` when asked for.
    """

    name: str
    digest: str = "0" * 64
    size: int = 4_000_000
    context: int = 512
    show: dict[str, Any] = field(default_factory=dict)
    verbose: dict[str, Any] = field(default_factory=dict)


@dataclass
class OllamaServer:
    """A running server.

    Attributes:
        wire: the HTTP server; its routes can be replaced, its requests looked at.
        models: name to model.
        resident: names of the models in memory, with the context of each.
        backend: address of a llama.cpp server that answers; without one, chats are answered by `answer`.
        answer: lines of a chat's answer.
        version: that it says it has.
        largest_context: it grants no more tokens than this.
        tells_context, tells_cache: whether the fields of newer versions are there.
        obeys_truncate: refuse a prompt that is too long when asked to; older versions cut it silently.
        endless: never end an answer at an end token, which the real one cannot be asked to do.
        load_ns: that a load is said to take.
        pulled: what `/api/pull` adds, line by line.
        left: set when a client went away in the middle of an answer.
    """

    wire: WireServer
    url: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    resident: dict[str, int] = field(default_factory=dict)
    backend: str | None = None
    answer: list[dict[str, Any]] = field(default_factory=lambda: [part("hello"), part(" world"), done()])
    version: str = "0.40.0"
    largest_context: int | None = None
    tells_context: bool = True
    tells_cache: bool = True
    obeys_truncate: bool = True
    endless: bool = False
    load_ns: int = 2_000_000_000
    pulled: list[dict[str, Any]] = field(default_factory=list)
    left: int = 0

    def add(self, name: str, **more: Any) -> Model:
        """Let it have a model."""
        self.models[name] = Model(name, **more)
        return self.models[name]

    def on(self, path: str, handler: Callable[[Request, Reply], Any]) -> None:
        self.wire.routes[path] = handler

    def bodies(self, path: str) -> list[Any]:
        """The bodies that came to a route, in order."""
        return [request.json for request in self.wire.requests if request.path == path]

    @property
    def chat(self) -> Any:
        """The body of the last chat."""
        return self.bodies("/api/chat")[-1]

    def routes(self) -> None:
        """Lay out every route."""
        for path, handler in {
            "/api/version": self._version,
            "/api/tags": self._tags,
            "/api/ps": self._ps,
            "/api/show": self._show,
            "/api/generate": self._generate,
            "/api/chat": self._chat,
            "/api/pull": self._pull,
            "/api/delete": self._delete,
        }.items():
            self.on(path, handler)

    async def _version(self, _request: Request, reply: Reply) -> None:
        await reply.json({"version": self.version})

    async def _tags(self, _request: Request, reply: Reply) -> None:
        rows = [
            {
                "name": model.name,
                "model": model.name,
                "modified_at": CREATED,
                "size": model.size,
                "digest": model.digest,
                "details": model.show.get("details", {}),
            }
            for model in self.models.values()
        ]
        await reply.json({"models": rows})

    async def _ps(self, _request: Request, reply: Reply) -> None:
        rows = []
        for name, context in self.resident.items():
            size = self.models[name].size + 1024 * context
            row = {"name": name, "model": name, "size": size, "size_vram": size // 2, "expires_at": CREATED}
            rows.append(row | ({"context_length": context} if self.tells_context else {}))
        await reply.json({"models": rows})

    async def _show(self, request: Request, reply: Reply) -> None:
        model = await self._found(request, reply)
        if model is not None:
            shown = {"details": {}, "model_info": {}, **model.show}
            if request.json.get("verbose"):
                shown["model_info"] = {**shown["model_info"], **model.verbose}
            await reply.json(shown)

    async def _found(self, request: Request, reply: Reply) -> Model | None:
        name = request.json["model"]
        model = self.models.get(name) or self.models.get(f"{name}:latest")
        if model is None:
            await reply.json({"error": f"model '{name}' not found"}, 404)
        return model

    def _load(self, model: Model, body: dict[str, Any]) -> int:
        """Have the model in memory with the context asked for; nanoseconds of the load."""
        asked = (body.get("options") or {}).get("num_ctx") or self.resident.get(model.name) or model.context
        granted = min(asked, self.largest_context or asked)
        load_ns = 20 * NS if self.resident.get(model.name) == granted else self.load_ns
        self.resident[model.name] = granted
        return load_ns

    async def _generate(self, request: Request, reply: Reply) -> None:
        model = await self._found(request, reply)
        if model is None:
            return
        body = request.json
        load_ns = self._load(model, body)
        if not body.get("prompt"):
            await reply.json({"model": model.name, "response": "", "done": True, "done_reason": "load"})
        elif self.backend is not None:
            await self._think(model, body, body["prompt"], reply, load_ns)
        else:
            texts = [{**each, "response": each.get("message", {}).get("content", "")} for each in self.answer]
            await self._say(reply, [{key: value for key, value in each.items() if key != "message"} for each in texts])

    async def _chat(self, request: Request, reply: Reply) -> None:
        model = await self._found(request, reply)
        if model is None:
            return
        load_ns = self._load(model, request.json)
        if self.backend is None:
            await self._say(reply, self.answer)
            return
        async with httpx.AsyncClient(base_url=self.backend, timeout=60) as client:
            asked = {"messages": request.json["messages"]}
            prompt = (await client.post("/apply-template", json=asked)).json()["prompt"]
        await self._think(model, request.json, prompt, reply, load_ns)

    async def _say(self, reply: Reply, lines: list[dict[str, Any]]) -> None:
        await self._begin(reply)
        for each in lines:
            await reply.chunk(line(each))
        await reply.send(b"0\r\n\r\n")

    async def _begin(self, reply: Reply) -> None:
        await reply.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n"
        )

    async def _think(self, model: Model, body: dict[str, Any], prompt: str, reply: Reply, load_ns: int) -> None:
        """Answer with the server behind; a client that goes away ends its work, too."""
        context = self.resident[model.name]
        async with httpx.AsyncClient(base_url=self.backend or "", timeout=60) as client:
            tokens = await self._tokens(client, prompt)
            if len(tokens) >= context:
                if self.obeys_truncate and body.get("truncate") is False:
                    said = f"request ({len(tokens)} tokens) exceeds the available context size ({context} tokens)"
                    inner = {"code": 400, "message": said, "type": "exceed_context_size_error"}
                    inner |= {"n_prompt_tokens": len(tokens), "n_ctx": context}
                    await reply.json({"error": json.dumps({"error": inner})}, 400)
                    return
                tokens = tokens[:5] + tokens[-(context // 2 - 5) :]
            asked = {"prompt": tokens, "stream": True, "cache_prompt": True, "ignore_eos": self.endless}
            asked |= {key: value for key, value in body.get("options", {}).items() if key != "num_ctx"}
            asked["n_predict"] = asked.pop("num_predict", -1)
            if isinstance(body.get("format"), dict):
                asked["json_schema"] = body["format"]
            streaming = body.get("stream", True)
            started, texts = time.perf_counter_ns(), []
            async with client.stream("POST", "/completion", json=asked) as answer:
                if streaming:
                    await self._begin(reply)
                async for event in answer.aiter_lines():
                    if not event.startswith("data: "):
                        continue
                    chunk = json.loads(event.removeprefix("data: "))
                    texts.append(chunk.get("content", ""))
                    if texts[-1] and streaming:
                        await self._send(reply, self._spoken(body, texts[-1]))
                    if chunk.get("stop"):
                        last = self._account(chunk, load_ns, started)
                        spoken = self._spoken(body, "" if streaming else "".join(texts))
                        if streaming:
                            await self._send(reply, spoken | last)
                            await reply.send(b"0\r\n\r\n")
                        else:
                            await reply.json(spoken | last)

    async def _send(self, reply: Reply, value: dict[str, Any]) -> None:
        try:
            await reply.chunk(line(value))
            if reply.reader.at_eof():
                raise ConnectionResetError
        except ConnectionError:
            self.left += 1
            raise

    def _spoken(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        if "messages" in body:
            return part(text)
        return {"model": body["model"], "created_at": CREATED, "response": text, "done": False}

    def _account(self, chunk: dict[str, Any], load_ns: int, started: int) -> dict[str, Any]:
        timings = chunk["timings"]
        cached = timings.get("cache_n", 0)
        account = {
            "done": True,
            "done_reason": "length" if chunk.get("stop_type") == "limit" else "stop",
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": load_ns,
            "prompt_eval_count": timings["prompt_n"] + cached,
            "prompt_eval_duration": round(timings["prompt_ms"] * NS),
            "eval_count": timings["predicted_n"],
            "eval_duration": round(timings["predicted_ms"] * NS),
        }
        return account | ({"prompt_eval_cached_count": cached} if self.tells_cache else {})

    async def _tokens(self, client: httpx.AsyncClient, prompt: str) -> list[int]:
        asked = {"content": prompt, "add_special": True, "parse_special": True}
        return (await client.post("/tokenize", json=asked)).json()["tokens"]

    async def _pull(self, request: Request, reply: Reply) -> None:
        await self._begin(reply)
        for each in self.pulled:
            await self._send(reply, each)
        if self.pulled and self.pulled[-1].get("status") == "success":
            self.add(request.json["model"])
        await reply.send(b"0\r\n\r\n")

    async def _delete(self, request: Request, reply: Reply) -> None:
        model = await self._found(request, reply)
        if model is not None:
            del self.models[model.name]
            await reply.whole(200, b"", "text/plain")


@contextlib.asynccontextmanager
async def ollama_server(host: str = "127.0.0.1", **knobs: Any) -> AsyncIterator[OllamaServer]:
    """A server without models, on a free port; `port` and `tls` go to the HTTP server, all else are its fields."""
    below = {key: knobs.pop(key) for key in ("port", "tls") if key in knobs}
    async with wire_server(host, **below) as wire:
        server = OllamaServer(wire, wire.url.removesuffix("/v1"), **knobs)
        server.routes()
        yield server
