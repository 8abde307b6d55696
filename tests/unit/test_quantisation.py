"""Which quantisations are offered, refused and warned of; where the file goes; that it comes whole or not at all."""

import os
from pathlib import Path
from typing import Self

import pytest
from make_gguf import make

from llmtui.domain.quantisation import TYPES, judge, quant_type
from llmtui.errors import StoreError, UsageError
from llmtui.services.model_files import inspect
from llmtui.services.quantise_target import check_target
from llmtui.store.gguf_tables import FILE_TYPES
from llmtui.store.staging import StagedFile, clear_leftovers


def kind(name: str):
    found = quant_type(name)
    assert found is not None
    return found


def test_every_type_of_llama_cpp_that_the_quantiser_writes_is_offered() -> None:
    assert {known.number: known.name for known in TYPES} == {
        number: name for number, name in FILE_TYPES.items() if name != "NVFP4"
    }


def test_names_are_taken_in_either_case() -> None:
    assert quant_type("q4_k_m") == quant_type("Q4-K-M") == kind("Q4_K_M")
    assert kind("mxfp4_moe").name == "MXFP4"
    assert quant_type("Q9") is None


@pytest.mark.parametrize(
    ("source", "bits", "target", "target_bits", "harmful"),
    [
        ("F16", 16.0, "Q4_K_M", 4.9, None),
        ("Q8_0", 8.5, "Q4_K_M", 4.9, None),
        ("Q6_K", 6.56, "Q4_K_M", 4.9, "rounding it again"),
        ("Q4_0", 4.6, "Q2_K", 3.2, "rounding it again"),
        ("Q4_0", 4.6, "Q8_0", 8.5, "would not make it smaller"),
        ("Q8_0", 8.5, "Q8_0", 8.5, "would not make it smaller"),
        ("Q4_0", 4.6, "F16", 16.0, None),
    ],
)
def test_rounding_twice_is_refused_where_it_costs(
    source: str, bits: float, target: str, target_bits: float, harmful: str | None
) -> None:
    found = judge(source, bits, kind(target), target_bits).harmful
    assert (found is None) == (harmful is None)
    assert harmful is None or harmful in (found or "")


def test_warnings() -> None:
    assert judge("F16", 16.0, kind("Q4_K_M"), 4.9).warnings == ()
    assert "4-bit floor" in judge("F16", 16.0, kind("Q3_K_M"), 4.0).warnings[0]
    assert "lost twice" in judge("Q8_0", 8.5, kind("Q4_K_M"), 4.9).warnings[0]
    assert "not better" in judge("Q4_0", 4.6, kind("F16"), 16.0).warnings[0]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return make("llama-tiny", "f16", tmp_path / "here" / "模型-f16.gguf", layers=1, vocab=300)


def target_of(model: Path, output: Path | None = None, *, replace: bool = False) -> Path:
    info = inspect((model,), name=model.stem, source="file")
    return check_target(info, "Q4_K_M", model.parent.parent / "data", output, replace=replace)


def test_the_file_goes_beside_the_model(model: Path) -> None:
    assert target_of(model) == model.parent / "模型-f16-Q4_K_M.gguf"
    assert target_of(model, model.parent.parent) == model.parent.parent / "模型-f16-Q4_K_M.gguf"


def test_the_demo_and_other_programs_caches_go_to_the_data_folder(model: Path) -> None:
    info = inspect((model,), name="ollama/qwen2:7b", source="ollama")
    assert check_target(info, "Q2_K", Path("/data"), None, replace=False) == Path("/data/qwen2-7b-Q2_K.gguf")
    demo = inspect((model,), name="demo", source="demo")
    assert check_target(demo, "Q2_K", Path("/data"), None, replace=False).name == "demo-Q2_K.gguf"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_closed_folder_is_not_written_to(model: Path) -> None:
    model.parent.chmod(0o555)
    try:
        assert target_of(model).parent == model.parent.parent / "data"
        with pytest.raises(StoreError, match="cannot be written"):
            target_of(model, model.parent / "x.gguf")
    finally:
        model.parent.chmod(0o755)


def test_targets_that_are_refused(model: Path) -> None:
    link = model.parent / "link.gguf"
    link.symlink_to(model)
    loose = model.parent / "loose.gguf"
    loose.symlink_to("nowhere.gguf")
    (model.parent / "folder.gguf").mkdir()
    for replace in (False, True):
        for output, words in (
            (model, "the model itself"),
            (link, "the model itself"),
            (model.parent / "x.bin", "must end in .gguf"),
            (model.parent / "x-00001-of-00002.gguf", "part of a split model"),
            (model.parent / "none" / "x.gguf", "no such folder"),
        ):
            with pytest.raises(UsageError, match=words):
                target_of(model, output, replace=replace)
    with pytest.raises(UsageError, match="exists already"):
        target_of(model, loose)
    assert target_of(model, loose, replace=True) == loose
    assert target_of(model, model.parent / "folder.gguf").parent.name == "folder.gguf"


def test_a_staged_file_is_published_whole_or_not_at_all(tmp_path: Path) -> None:
    staged = StagedFile(tmp_path / "x.gguf")
    staged.path.write_bytes(b"new")
    assert not (tmp_path / "x.gguf").exists()
    staged.publish(replace=False)
    staged.close()
    staged.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x.gguf"]
    with StagedClosed(tmp_path / "x.gguf") as second:
        second.path.write_bytes(b"newer")
        with pytest.raises(FileExistsError):
            second.publish(replace=False)
    assert (tmp_path / "x.gguf").read_bytes() == b"new"
    with StagedClosed(tmp_path / "x.gguf") as third:
        third.path.write_bytes(b"newest")
        third.publish(replace=True)
    assert (tmp_path / "x.gguf").read_bytes() == b"newest"
    assert len(list(tmp_path.iterdir())) == 1


class StagedClosed(StagedFile):
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_replacing_a_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "x.gguf").symlink_to("kept")
    with StagedClosed(tmp_path / "x.gguf") as staged:
        staged.publish(replace=True)
    assert (tmp_path / "kept").read_bytes() == b"kept"
    assert not (tmp_path / "x.gguf").is_symlink()


def test_leftovers_of_dead_runs_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    dead = tmp_path / ".llmtui-0123456789ab.unfinished"
    dead.write_bytes(b"half")
    other = tmp_path / "other.unfinished"
    other.write_bytes(b"not ours")
    with StagedClosed(tmp_path / "x.gguf") as living:
        clear_leftovers(tmp_path)
        assert living.path.exists()
        assert not dead.exists()
        assert other.exists()
