"""Which LoRA adapters fit which model, told from their headers, and how they are named."""

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf_lora import make_lora
from make_gguf import make

from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Adapter, Runtime
from llmtui.errors import ConfigError, EngineError, LlmtuiError, ModelError, UsageError
from llmtui.services.adapters import attach, check_adapters, parse_adapter
from llmtui.services.host import ModelHost
from llmtui.services.model_files import inspect
from llmtui.services.models import Catalogue
from llmtui.store.config import Config, load_config
from llmtui.store.paths import Folders

Write = Callable[..., str]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    path = make("llama-tiny", "f16", tmp_path_factory.mktemp("base") / "base.gguf", vocab=300)
    return inspect((path,), name="base", source="file")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an adapter file: `write(pairs, arch=…, kind=…)` with the shapes of its tensors, rows first."""

    def write(
        tensors: dict[str, tuple[int, ...]],
        *,
        arch: str = "llama",
        kind: str = "lora",
        alpha: float | None = 8.0,
        invocation: bool = False,
    ) -> str:
        writer = gguf.GGUFWriter(tmp_path / "adapter.gguf", arch)
        writer.add_type("adapter")
        writer.add_string("adapter.type", kind)
        if alpha is not None:
            writer.add_float32("adapter.lora.alpha", alpha)
        if invocation:
            writer.add_array("adapter.alora.invocation_tokens", [1, 2])
        for name, shape in tensors.items():
            writer.add_tensor(name, np.zeros(shape, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return str(tmp_path / "adapter.gguf")

    return write


A, B = "blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"
GOOD = {A: (4, 256), B: (256, 4)}


def test_an_adapter_of_the_model_passes(base: ModelInfo, write: Write, tmp_path: Path) -> None:
    check_adapters(base, [Adapter(path=write(GOOD))])
    check_adapters(
        base, [Adapter(path=write({"token_embd.weight.lora_a": (300, 4), "token_embd.weight.lora_b": (256, 4)}))]
    )
    check_adapters(base, [Adapter(path=str(make_lora(Path(base.path), tmp_path / "made.gguf")))])


@pytest.mark.parametrize(
    ("tensors", "options", "words"),
    [
        (GOOD, {"arch": "qwen2"}, "architecture 'qwen2'"),
        (GOOD, {"kind": "ia3"}, "kind 'ia3'"),
        (GOOD, {"alpha": None}, "adapter.lora.alpha"),
        (GOOD, {"alpha": float("nan")}, "adapter.lora.alpha"),
        (GOOD, {"invocation": True}, "aLoRA"),
        ({}, {}, "no weights"),
        ({A: (4, 256)}, {}, "not a pair"),
        ({B: (256, 4)}, {}, "not one of a pair"),
        ({**GOOD, "blk.0.attn_q.bias": (256,)}, {}, "not one of a pair"),
        ({A: (4, 512), B: (256, 4)}, {}, "do not make"),
        ({A: (4, 256), B: (512, 4)}, {}, "do not make"),
        ({A: (4, 256), B: (256, 8)}, {}, "do not make"),
        ({A.replace("0", "7"): (4, 256), B.replace("0", "7"): (256, 4)}, {}, "no tensor"),
    ],
)
def test_adapters_of_other_models_are_refused(
    base: ModelInfo, write: Write, tensors: dict[str, tuple[int, ...]], options: dict[str, object], words: str
) -> None:
    with pytest.raises(ModelError, match="does not fit") as caught:
        check_adapters(base, [Adapter(path=write(tensors, **options))])
    assert words in caught.value.cause


def test_files_that_are_none(base: ModelInfo, write: Write, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        check_adapters(base, [Adapter(path=base.path)])
    assert "no adapter" in caught.value.cause
    path = Path(write(GOOD))
    data = path.read_bytes()
    for end in (0, 3, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(ModelError):
            check_adapters(base, [Adapter(path=str(path))])
    with pytest.raises(ModelError):
        check_adapters(base, [Adapter(path=str(tmp_path / "none.gguf"))])


def test_twice_the_same_and_a_servers_model(base: ModelInfo, write: Write, tmp_path: Path) -> None:
    path = write(GOOD)
    link = tmp_path / "link.gguf"
    link.symlink_to(path)
    with pytest.raises(UsageError, match="twice"):
        check_adapters(base, [Adapter(path=path), Adapter(path=str(link), scale=0.5)])
    served = ModelInfo(
        name="x", path="http://x/v1#x", parts=(), source="server", size_bytes=None, modified_ns=0, server="http://x/v1"
    )
    with pytest.raises(EngineError, match="takes no adapters"):
        check_adapters(served, [Adapter(path=path)])


async def test_without_a_model_there_is_nothing_to_attach_to() -> None:
    def never(*_: object) -> object:
        raise AssertionError

    with pytest.raises(LlmtuiError, match="No model is loaded"):
        await attach(ModelHost(never, Runtime()), [])  # type: ignore[arg-type]


@pytest.fixture
def catalogue(base: ModelInfo, tmp_path: Path) -> Catalogue:
    folders = Folders(config_dir=tmp_path / "c", data_dir=tmp_path / "d", cache_dir=tmp_path / "e")
    folders.models_dir.mkdir(parents=True)
    for name in ("诗人.gguf", "poet-7b.gguf", "poet-1b.gguf"):
        make_lora(Path(base.path), folders.models_dir / name)
    return Catalogue(folders, Config(discover=(), model_folders=()), environ={})


def test_how_adapters_are_named(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "d" / "models"
    odd = folder / "a:2.gguf"
    (folder / "poet-1b.gguf").rename(odd)
    for text, name, scale in (
        ("诗人", "诗人.gguf", 1.0),
        ("poet:0.8", "poet-7b.gguf", 0.8),
        ("POET-7B:-1", "poet-7b.gguf", -1.0),
        (f"{folder}/诗人.gguf:.5", "诗人.gguf", 0.5),
        (str(odd), "a:2.gguf", 1.0),
        (f"{odd}:0", "a:2.gguf", 0.0),
    ):
        assert parse_adapter(catalogue, text) == Adapter(path=str(folder / name), scale=scale)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nobody", "No adapter is called"),
        ("poet", "More than one"),
        ("poet-7b:11", "out of bounds"),
        ("poet-7b:nan", "out of bounds"),
        ("poet-7b:inf", "out of bounds"),
        ("poet-7b:much", "No adapter is called"),
        ("", "More than one"),
    ],
)
def test_names_that_are_wrong(catalogue: Catalogue, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_adapter(catalogue, text)


def test_the_configuration_takes_none(tmp_path: Path) -> None:
    folders = Folders(config_dir=tmp_path, data_dir=tmp_path, cache_dir=tmp_path)
    folders.config_file.write_text('[runtime]\nadapters = [{path = "x.gguf"}]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="belong to one base model"):
        load_config(folders)
