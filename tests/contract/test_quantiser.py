"""llama.cpp's quantiser through the service: what it writes, what it refuses, what is left when it is stopped."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import psutil
import pytest
from gguf_shapes import Shape

from llmtui.domain.models import ModelInfo
from llmtui.domain.quantisation import TYPES, quant_type
from llmtui.engines.llama import quantiser
from llmtui.engines.llama.quantising import Conversion
from llmtui.errors import EngineError, ModelError, StoreError, UsageError
from llmtui.services import quantise as service
from llmtui.services.model_files import inspect, sibling_parts
from llmtui.services.quantise import QuantisePlan, TypeChoice, choices, plan, quantise
from llmtui.store.gguf import read_header

Make = Callable[..., Path]


def info_of(path: Path) -> ModelInfo:
    return inspect(sibling_parts(path), name=path.stem, source="file")


async def planned(path: Path, name: str, **options: object) -> QuantisePlan:
    kind = quant_type(name)
    assert kind is not None
    return await plan(info_of(path), kind, path.parent / "data", **options)  # type: ignore[arg-type]


async def tried(path: Path) -> dict[str, TypeChoice]:
    return {choice.type.name: choice async for choice in choices(info_of(path))}


def size_of(path: Path) -> int:
    return path.stat().st_size


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def slow_gguf(make_gguf: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes some seconds to quantise to IQ3_S."""
    return make_gguf("qwen2-tiny", "f16", tmp_path_factory.mktemp("slow") / "slow.gguf", vocab=90_000)


async def test_sizes_are_foretold_and_kept(make_gguf: Make, tmp_path: Path) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "tiny.gguf")
    found = await tried(path)
    assert list(found) == [kind.name for kind in TYPES]
    for name in ("Q8_0", "Q4_K_M", "Q2_K"):
        done = [progress async for progress in quantise(await planned(path, name))]
        made = Path(done[-1].path or "")
        assert made == tmp_path / f"tiny-{name}.gguf"
        assert inspect((made,), name="x", source="file").quantisation == name
        assert abs(size_of(made) - (found[name].size_bytes or 0)) < 1024
        assert {progress.unit for progress in done} == {"tensors"}
        assert done[-1].done == done[-1].total == len(read_header(path).tensors)


async def test_types_that_need_a_matrix_are_refused(make_gguf: Make, tmp_path: Path) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "tiny.gguf")
    refused = {name for name, choice in (await tried(path)).items() if choice.impossible}
    assert refused == {kind.name for kind in TYPES if kind.matrix} | {"MXFP4"}
    with pytest.raises(UsageError, match="importance matrix"):
        await planned(path, "IQ2_XXS")


async def test_rows_that_do_not_divide_are_told(make_gguf: Make, tmp_path: Path) -> None:
    shape = Shape("qwen2", 2, 224, 4, 2, 480, 1000, 2048, 1e6, 1e-6, tied=True, qkv_bias=True)
    path = make_gguf(shape, "f16", tmp_path / "odd.gguf")
    made = await planned(path, "Q4_K_M")
    assert len(made.choice.fallbacks) == 14
    first = made.choice.fallbacks[0]
    assert (first.tensor, first.columns, first.wanted, first.given) == ("blk.0.attn_k.weight", 224, "Q4_K", "Q5_0")
    async for _ in quantise(made):
        pass
    types = {tensor.name: tensor.type_name for tensor in read_header(made.target).tensors}
    assert types["blk.0.attn_k.weight"] == "Q5_0"


async def test_a_quantised_model_is_quantised_again_only_when_insisted_upon(make_gguf: Make, tmp_path: Path) -> None:
    path = make_gguf("llama-tiny", "q4_0", tmp_path / "tiny.gguf")
    with pytest.raises(UsageError, match="rounding it again"):
        await planned(path, "Q2_K")
    made = await planned(path, "Q2_K", allow_requantise=True)
    async for _ in quantise(made):
        pass
    assert made.target.exists()


async def test_a_split_model_becomes_one_file(make_gguf: Make, tmp_path: Path) -> None:
    whole = make_gguf("llama-tiny", "f16", tmp_path / "tiny.gguf")
    first = split(whole, tmp_path / "parts")
    made = await planned(first, "Q4_K_M")
    assert made.target.name == "tiny-Q4_K_M.gguf"
    async for _ in quantise(made):
        pass
    assert len(read_header(made.target).tensors) == len(read_header(whole).tensors)
    assert info_of(made.target).parts == (str(made.target),)


async def test_closing_stops_within_a_second_and_leaves_nothing(slow_gguf: Path, tmp_path: Path) -> None:
    made = await planned(slow_gguf, "IQ3_S", output=tmp_path, threads=1)
    running = quantise(made)
    async for progress in running:
        if progress.done:
            break
    children = psutil.Process().children()
    assert children
    started = time.monotonic()
    await running.aclose()
    assert time.monotonic() - started < 1
    assert not names_in(tmp_path)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


async def test_a_killed_quantiser_is_an_error_and_leaves_nothing(slow_gguf: Path, tmp_path: Path) -> None:
    made = await planned(slow_gguf, "IQ3_S", output=tmp_path, threads=1)
    with pytest.raises(EngineError, match="killed"):  # noqa: PT012 - the kill belongs to it
        async for progress in quantise(made):
            if progress.done:
                for child in psutil.Process().children():
                    child.kill()
    assert not names_in(tmp_path)


async def test_a_task_that_is_cancelled_leaves_nothing(slow_gguf: Path, tmp_path: Path) -> None:
    made = await planned(slow_gguf, "IQ3_S", output=tmp_path, threads=1)
    begun = asyncio.Event()

    async def work() -> None:
        async with contextlib.aclosing(quantise(made)) as events:
            async for _ in events:
                begun.set()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert not names_in(tmp_path)


async def test_too_little_space_is_told_before(
    make_gguf: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "tiny.gguf")
    monkeypatch.setattr(service, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StoreError, match="not enough space"):
        await planned(path, "Q4_K_M")


async def test_a_file_that_cannot_be_written_is_a_store_error(make_gguf: Make, tmp_path: Path) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "tiny.gguf")
    with pytest.raises(EngineError, match="iostream"):
        async for _ in quantiser.convert(Conversion(str(path), "/dev/full", 15)):
            pass


async def test_a_model_that_goes_away_meanwhile(make_gguf: Make, tmp_path: Path) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "tiny.gguf")
    made = await planned(path, "Q4_K_M")
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(EngineError, match="could not quantise"):
        async for _ in quantise(made):
            pass
    assert names_in(tmp_path) == ["tiny.gguf"]
    with pytest.raises(ModelError):
        await planned(path, "Q4_K_M")


def split(path: Path, folder: Path) -> Path:
    """The model in two parts, as llama.cpp names them; gives the first."""
    folder.mkdir()
    reader = gguf.GGUFReader(path)
    half = len(reader.tensors) // 2
    parts = [folder / f"{path.stem}-{number:05}-of-00002.gguf" for number in (1, 2)]
    for number, part in enumerate(parts):
        writer = gguf.GGUFWriter(part, "llama")
        if number == 0:
            for key, field in reader.fields.items():
                if key.startswith("GGUF.") or key == "general.architecture":
                    continue
                sub = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(key, field.contents(), field.types[0], sub_type=sub)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in reader.tensors[:half] if number == 0 else reader.tensors[half:]:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return parts[0]
