"""The command line with a running Ollama server, which a real llama.cpp server thinks for."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from e2e.command import DEMO, POEM, RECITE, llmtui
from servers.llama_server import llama_server
from servers.ollama_server import OllamaServer, done, ollama_server, part

if TYPE_CHECKING:
    import subprocess


@pytest.fixture
async def server(user: dict[str, str]) -> AsyncIterator[OllamaServer]:
    async with ollama_server() as running:
        user["OLLAMA_HOST"] = running.url.removeprefix("http://")
        running.add("reciter:latest", context=1024, show={"details": {"family": "llama"}})
        yield running


async def run(user: dict[str, str], *args: str) -> "subprocess.CompletedProcess[bytes]":
    return await asyncio.to_thread(llmtui, user, *args)


@pytest.mark.parametrize("spec", ["ollama/reciter", "ollama-server/reciter:latest"])
async def test_the_server_recites_as_the_worker_does(user: dict[str, str], server: OllamaServer, spec: str) -> None:
    with llama_server(DEMO, context=1024) as backend:
        server.backend = backend
        ran = await run(user, "ask", "-m", spec, "--temperature", "0", "--context", "1024", "--json", RECITE)
    assert (ran.returncode, ran.stderr) == (0, b"")
    there = json.loads(ran.stdout)
    here = json.loads((await run(user, "ask", "--temperature", "0", "--json", RECITE)).stdout)

    assert there["content"].strip() == here["content"].strip() == POEM
    for key in ("prompt_tokens", "completion_tokens", "context_used", "finish_reason", "cached_tokens"):
        assert there["metrics"][key] == here["metrics"][key], key
    assert there["metrics"]["context_size"] == 1024
    assert there["metrics"]["sources"]["decode_tps"] == there["metrics"]["sources"]["prefill_tps"] == "engine"
    assert (there["manifest"]["engine"], there["manifest"]["engine_build"]) == ("ollama", "Ollama 0.40.0")
    assert there["manifest"]["options"]["num_ctx"] == 1024
    assert there["manifest"]["options"]["temperature"] == 0


async def test_remarks_and_a_smaller_context_go_to_standard_error(user: dict[str, str], server: OllamaServer) -> None:
    server.largest_context = 512
    server.answer = [part(thinking="secret thoughts"), part("well"), done(prompt_eval_count=300, eval_count=2)]
    ran = await run(user, "ask", "-m", "ollama/reciter", "--context", "4096", "word " * 3000)
    told = ran.stderr.decode()

    assert ran.stdout.decode() == "well\n"
    assert "the context is 512 tokens, not 4,096" in told
    assert "warning: The server read only 300 of about" in told
    answer = json.loads((await run(user, "ask", "-m", "ollama/reciter", "--json", "hello")).stdout)
    assert (answer["content"], answer["reasoning"]) == ("well", "secret thoughts")


async def test_models_lists_pulls_and_removes_through_the_server(user: dict[str, str], server: OllamaServer) -> None:
    server.pulled = [{"status": "pulling", "digest": "a", "total": 9, "completed": 9}, {"status": "success"}]
    pulled = await run(user, "models", "pull", "ollama/fresh:1b")
    assert (pulled.returncode, pulled.stdout) == (0, b"ollama/fresh:1b\n"), pulled.stderr
    listed = json.loads((await run(user, "models", "--json")).stdout)["models"]
    assert [info["name"] for info in listed][-2:] == ["ollama-server/reciter:latest", "ollama-server/fresh:1b"]
    shown = await run(user, "models", "show", "ollama-server/reciter")
    assert b"Ollama" in shown.stdout
    refused = await run(user, "models", "rm", "ollama/fresh:1b")
    assert refused.returncode == 2
    removed = await run(user, "models", "rm", "--yes", "ollama/fresh:1b")
    assert removed.returncode == 0, removed.stderr
    assert list(server.models) == ["reciter:latest"]


async def test_an_unknown_model_says_how_to_fetch_it(user: dict[str, str], server: OllamaServer) -> None:
    ran = await run(user, "ask", "-m", "ollama/recitr", "hello")

    assert ran.returncode == 3
    assert "reciter:latest" in ran.stderr.decode()
    assert "ollama pull recitr" in ran.stderr.decode()
