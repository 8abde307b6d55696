"""Who counts a text: the engine, the model's vocabulary, or nobody."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from gguf_vocab import vocabulary as words_of
from make_gguf import make
from servers.ollama_server import OllamaServer, ollama_server

from llmtui.app import captions
from llmtui.domain.models import ModelInfo
from llmtui.domain.profile import Profile
from llmtui.domain.settings import Runtime, Server
from llmtui.domain.vocabulary import TokenSource
from llmtui.engines.base import Engine
from llmtui.engines.ollama.client import OllamaEngine
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.errors import ModelError
from llmtui.services.conversation import DraftCount
from llmtui.services.draft import DraftCounter
from llmtui.services.host import ModelHost
from llmtui.services.planning import Terms
from llmtui.services.tokens.counting import Encodings, count_text
from llmtui.services.tokens.encoding import TextEncoding
from llmtui.store import gguf_vocabulary
from llmtui.store.gguf_vocabulary import read_vocabulary

TEXT = "in the model, 中文 of it"


def info_of(path: Path, **fields: object) -> ModelInfo:
    info = ModelInfo(
        name="m", path=str(path), parts=(str(path),), source="file", size_bytes=1, modified_ns=1, architecture="qwen2"
    )
    return msgspec.structs.replace(info, **fields)


@pytest.fixture
def model(tmp_path: Path) -> ModelInfo:
    return info_of(make("qwen2-tiny", "q8_0", tmp_path / "m.gguf"))


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    async with ollama_server() as running:
        yield running


def no_engine(info: ModelInfo) -> Engine:
    raise AssertionError(info)


def served(server: OllamaServer) -> tuple[ModelInfo, OllamaEngine]:
    where = Server(url=server.url, kind="ollama")
    info = info_of(Path(f"{server.url}#m"), server="box", served_id="m", parts=())
    return info, OllamaEngine("ollama/m", where, "box", "m")


def test_the_vocabulary_of_a_file_is_read_as_it_was_written(model: ModelInfo) -> None:
    found = read_vocabulary(model.path)
    assert found is not None
    words = words_of(len(found.tokens))
    assert found.tokens == tuple(words.tokens)
    assert found.merges == tuple(words.merges)
    assert (found.pre, found.add_bos) == ("qwen2", False)
    assert found.bos_id == words.specials["<|endoftext|>"]
    assert [found.tokens[index] for index, kind in enumerate(found.token_types) if kind == 3] == list(words.specials)


async def test_a_file_that_is_not_loaded_is_counted_with_its_vocabulary(model: ModelInfo) -> None:
    counted = await count_text(model, TEXT, no_engine)
    encoding = await Encodings().of(model)
    assert encoding is not None
    assert counted.source == "vocabulary"
    assert counted.ids == tuple(encoding.encode(TEXT))
    assert counted.tokens == len(counted.ids)


async def test_without_a_vocabulary_it_is_an_estimate(tmp_path: Path) -> None:
    gone = await count_text(info_of(tmp_path / "gone.gguf"), "hello world!", no_engine)
    assert (gone.tokens, gone.source, gone.ids) == (3, "estimate", None)


async def test_an_encoding_is_made_once_and_anew_when_the_file_changes(model: ModelInfo) -> None:
    encodings = Encodings()
    first = await encodings.of(model)
    assert first is not None
    assert await encodings.of(model) is first
    assert await encodings.of(msgspec.structs.replace(model, modified_ns=2)) is not first


async def test_who_does_not_wait_gets_none_and_the_encoding_later(model: ModelInfo) -> None:
    encodings = Encodings()
    assert await encodings.of(model, wait_s=0) is None
    assert await encodings.of(model) is not None


async def test_a_served_model_is_counted_with_the_vocabulary_that_ollama_tells(
    server: OllamaServer, model: ModelInfo
) -> None:
    found = read_vocabulary(model.path)
    assert found is not None
    told = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": found.pre,
        "tokenizer.ggml.tokens": list(found.tokens),
        "tokenizer.ggml.merges": list(found.merges),
        "tokenizer.ggml.token_type": list(found.token_types),
    }
    server.add("m:latest", verbose=told)
    info, engine = served(server)
    counted = await count_text(info, TEXT, lambda _: engine)
    assert counted == await count_text(model, TEXT, no_engine)
    assert server.bodies("/api/generate") == [], "a count must not load the model into the server's memory"


async def test_a_model_that_ollama_does_not_have_is_no_estimate(server: OllamaServer) -> None:
    info, engine = served(server)
    with pytest.raises(ModelError, match="has no model 'm"):
        await count_text(info, TEXT, lambda _: engine)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.merges": []},
        {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": None, "tokenizer.ggml.merges": None},
        {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": [1, {}], "tokenizer.ggml.merges": "x"},
        {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.merges": ["a b"]},
    ],
)
async def test_what_ollama_does_not_tell_or_tells_wrongly_is_estimated(
    server: OllamaServer, told: dict[str, object]
) -> None:
    server.add("m:latest", verbose=told)
    info, engine = served(server)
    assert (await count_text(info, TEXT, lambda _: engine)).source == "estimate"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("engine", "+214 tok → 50 % context"),
        ("vocabulary", "+214 tok → ~50 % context"),
        ("estimate", "+~214 tok → ~50 % context"),
    ],
)
def test_what_is_estimated_is_marked(source: TokenSource, words: str) -> None:
    count = DraftCount(draft_tokens=214, total_tokens=2048, context_size=4096, source=source)
    assert captions.draft(count).plain.replace("\u202f", " ").replace("\xa0", " ") == words


def test_a_vocabulary_beyond_all_measure_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make("qwen2-tiny", "q8_0", tmp_path / "m.gguf", vocab=5_000)
    assert read_vocabulary(path) is not None
    for name, most in (("MAX_TOKENS", 4_999), ("MAX_BYTES", 10_000)):
        with monkeypatch.context() as patch:
            patch.setattr(gguf_vocabulary, name, most)
            assert read_vocabulary(path) is None


def test_tokens_that_are_no_utf_8_and_other_kinds_of_vocabulary_do_no_harm(tmp_path: Path) -> None:
    path = make("qwen2-tiny", "q8_0", tmp_path / "m.gguf")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"<|im_start|>", b"\xff\xfe\x80" * 4))
    found = read_vocabulary(path)
    assert found is not None
    assert "\ufffd" * 12 in found.tokens
    assert TextEncoding(found).count("hello") > 0
    path.write_bytes(data.replace(b"gpt2", b"bert"))
    assert read_vocabulary(path) is None


class TestDrafts:
    async def test_before_a_model_is_loaded_its_vocabulary_counts(self, model: ModelInfo) -> None:
        encodings = Encodings()
        encoding = await encodings.of(model)
        assert encoding is not None
        counter = DraftCounter(encodings)
        terms = Terms(profile=Profile(), system="be brief", template=None, loaded=None)
        count = await counter.count(
            TEXT, info=model, engine=None, can_count=True, terms=terms, messages=(), note=None, used=None
        )
        assert (count.source, count.exact) == ("vocabulary", False)
        assert count.draft_tokens == encoding.count(TEXT)
        assert count.total_tokens == encoding.count(TEXT) + encoding.count("be brief")

    async def test_the_model_that_is_being_loaded_is_the_one_that_is_counted_for(self, model: ModelInfo) -> None:
        host = ModelHost(lambda *_: ScriptedEngine([ScriptedTurn(tokens=("x",))], load_s=0.05), Runtime())
        assert host.wanted is None
        events = host.load(model)
        await anext(events)
        assert host.wanted == model
        assert host.info is None
        async for _ in events:
            pass
        assert host.wanted == host.info == model
        await host.close()
