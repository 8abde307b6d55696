"""The catalogue: what is listed, what a word resolves to, and what is said when it does not."""

import os
from pathlib import Path

import pytest
from gguf_bytes import gguf, kv_string, kv_strings, kv_u32, kv_u32s, model, tensor, write

from llmtui.errors import ModelError, UsageError
from llmtui.services.model_files import details
from llmtui.services.models import Catalogue
from llmtui.store.config import Config
from llmtui.store.gguf import GgufHeader, read_header
from llmtui.store.paths import Folders


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "none"))
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "LLAMA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(config_dir=tmp_path / "c", data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


@pytest.fixture
def catalogue(folders: Folders, tmp_path: Path) -> Catalogue:
    demo = write(tmp_path / "pkg" / "demo.gguf", model(name="Demo"))
    return Catalogue(folders, Config(), demo_file=demo)


def names(catalogue: Catalogue) -> list[str]:
    return [info.name for info in catalogue.list()]


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_none_of_the_configured_model(catalogue: Catalogue, name: str) -> None:
    with pytest.raises(UsageError):
        catalogue.resolve(name)


def test_a_model_is_described_from_its_header(catalogue: Catalogue) -> None:
    path = write(Path("models/qwen2-0_5b-q8.gguf"), model(name="Qwen2 \x1b[2J 0.5B", arch="qwen2"))

    info = catalogue.list()[1]

    assert info.name == "qwen2-0_5b-q8"
    assert info.title == "Qwen2 ␛[2J 0.5B"
    assert (info.architecture, info.quantisation, info.parameters, info.trained_context) == ("qwen2", "Q8_0", 128, 2048)
    assert info.size_bytes == path.stat().st_size
    assert info.path == str(path.absolute())
    assert info.problem is None


def test_without_a_file_type_the_largest_tensors_name_the_quantisation(catalogue: Catalogue) -> None:
    write(Path("models/m.gguf"), model(file_type=None))

    assert catalogue.list()[1].quantisation == "F32"


def test_folders_are_searched_deep_and_demo_comes_first(folders: Folders, catalogue: Catalogue) -> None:
    write(Path("models/b.gguf"), model())
    write(Path("models/deep/er/A.GGUF"), model())
    write(folders.models_dir / "c.gguf", model())
    write(Path("models/notes.txt"), b"no model")
    write(Path("models/.hidden/d.gguf"), model())

    assert names(catalogue) == ["demo", "A", "b", "c"]
    assert catalogue.list()[0].source == "demo"


def test_loops_broken_links_and_closed_folders_are_skipped(catalogue: Catalogue, tmp_path: Path) -> None:
    write(Path("models/a.gguf"), model())
    Path("models/loop").symlink_to(Path("models").absolute())
    Path("models/broken.gguf").symlink_to("nowhere")
    Path("models/again.gguf").symlink_to(Path("models/a.gguf").absolute())
    write(tmp_path / "elsewhere" / "linked.gguf", model())
    Path("models/out").symlink_to(tmp_path / "elsewhere")

    assert names(catalogue) == ["demo", "a", "linked"]


def test_a_folder_that_cannot_be_read_is_skipped(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("models/a.gguf"), model())
    Path("models/closed").mkdir()
    real = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("llmtui.services.discovery.os.scandir", refuse)
    assert names(catalogue) == ["demo", "a"]


def test_configured_folders_may_be_relative_or_in_the_home(folders: Folders, tmp_path: Path) -> None:
    write(tmp_path / "gguf" / "home.gguf", model())
    write(Path("here/rel.gguf"), model())
    catalogue = Catalogue(folders, Config(model_folders=("~/gguf", "here")), demo_file=tmp_path / "none")

    assert names(catalogue)[1:] == ["home", "rel"]


def test_models_of_one_name_are_told_apart_by_folder(catalogue: Catalogue) -> None:
    for place in ("x/m.gguf", "y/m.gguf", "z/demo.gguf"):
        write(Path("models") / place, model())

    assert names(catalogue) == ["demo", "x/m", "y/m", "z/demo"]
    assert catalogue.resolve("y/m").path.endswith("y/m.gguf")


def test_even_folders_of_one_name_are_told_apart(catalogue: Catalogue) -> None:
    for place in ("1/x/m.gguf", "2/x/m.gguf"):
        write(Path("models") / place, model())

    assert len(set(names(catalogue))) == 3


def part(number: int, total: int = 3) -> bytes:
    head = [kv_string("general.architecture", "llama"), kv_string("general.name", "Big")] if number == 1 else []
    pairs = [*head, kv_u32("split.count", total), kv_u32("split.no", number - 1)]
    return gguf(pairs, [tensor(f"t{number}", [8], 0)], data=32)


def test_split_files_are_one_model(catalogue: Catalogue) -> None:
    sizes = [write(Path(f"models/big-q4-0000{n}-of-00003.gguf"), part(n)).stat().st_size for n in (1, 2, 3)]

    info = catalogue.list()[1]

    assert (info.name, info.parameters, info.size_bytes, len(info.parts)) == ("big-q4", 24, sum(sizes), 3)
    assert info.path.endswith("big-q4-00001-of-00003.gguf")
    assert catalogue.resolve("models/big-q4-00002-of-00003.gguf").path == info.path


def test_a_missing_part_is_a_problem(catalogue: Catalogue) -> None:
    for n in (2, 3):
        write(Path(f"models/big-0000{n}-of-00003.gguf"), part(n))

    _, info = catalogue.list()

    assert info.problem is not None
    assert "big-00001-of-00003.gguf" in info.problem
    with pytest.raises(ModelError, match="part of the split model is missing"):
        catalogue.resolve("big")


def test_projectors_and_adapters_are_no_models(catalogue: Catalogue) -> None:
    write(Path("models/mmproj.gguf"), model(arch="clip"))
    write(Path("models/proj2.gguf"), model(extra=[kv_string("general.type", "mmproj")]))
    write(Path("models/lora.gguf"), model(extra=[kv_string("general.type", "adapter")]))

    assert names(catalogue) == ["demo"]
    with pytest.raises(ModelError, match="not a language model"):
        catalogue.resolve("models/mmproj.gguf")


def test_bad_files_are_listed_with_their_problem(catalogue: Catalogue) -> None:
    write(Path("models/cut.gguf"), model()[:-10])
    write(Path("models/empty.gguf"), b"")
    write(
        Path("models/vocab.gguf"),
        gguf([kv_string("general.architecture", "llama"), kv_string("tokenizer.ggml.model", "gpt2")]),
    )

    problems = {info.name: info.problem for info in catalogue.list()[1:]}

    assert "truncated" in (problems["cut"] or "")
    assert "bytes" in (problems["cut"] or "")
    assert "/" not in (problems["cut"] or "")
    assert "empty" in (problems["empty"] or "")
    assert "vocabulary only" in (problems["vocab"] or "")
    with pytest.raises(ModelError, match="vocabulary only") as caught:
        catalogue.resolve("vocab")
    assert caught.value.exit_code == 3


def test_a_missing_demo_is_an_entry_with_a_problem_and_a_clear_error(folders: Folders, tmp_path: Path) -> None:
    catalogue = Catalogue(folders, Config(), demo_file=tmp_path / "demo.gguf")

    assert catalogue.list()[0].problem
    with pytest.raises(ModelError, match="demo model is missing"):
        catalogue.resolve("demo")


class TestResolve:
    def test_nothing_means_the_configured_model_or_demo(self, folders: Folders, catalogue: Catalogue) -> None:
        write(Path("models/mine.gguf"), model())
        configured = Catalogue(folders, Config(default_model="mine"))

        assert catalogue.resolve().name == "demo"
        assert configured.resolve().name == "mine"

    def test_a_path_in_every_form(self, catalogue: Catalogue, tmp_path: Path) -> None:
        path = write(tmp_path / "some" / "x.gguf", model())
        write(Path("plain"), model())

        for spec in (str(path), "~/some/x.gguf", "../some/x.gguf"):
            info = catalogue.resolve(spec)
            assert (info.name, info.source) == ("x", "file")
            assert Path(info.path).samefile(path)
        assert catalogue.resolve("plain").source == "file"

    def test_a_name_its_beginning_and_any_case(self, catalogue: Catalogue) -> None:
        write(Path("models/Qwen2-7B.gguf"), model())
        write(Path("models/qwen2-7b-chat.gguf"), model())

        assert catalogue.resolve("Qwen2-7B").name == "Qwen2-7B"
        assert catalogue.resolve("qwen2-7b").name == "Qwen2-7B", "a whole name comes before a beginning"
        assert catalogue.resolve("QWEN2-7b-c").name == "qwen2-7b-chat"

    def test_an_ambiguous_beginning_lists_what_it_could_be(self, catalogue: Catalogue) -> None:
        write(Path("models/qwen2-7b.gguf"), model())
        write(Path("models/qwen2-72b.gguf"), model())

        with pytest.raises(UsageError) as caught:
            catalogue.resolve("qwen")

        assert caught.value.cause == "qwen2-72b, qwen2-7b"
        assert caught.value.exit_code == 2

    def test_an_unknown_name_lists_near_ones(self, catalogue: Catalogue) -> None:
        write(Path("models/qwen2-7b-instruct.gguf"), model())

        for spec in ("qwem2-7b-instruct", "7b"):
            with pytest.raises(UsageError, match="near matches: qwen2-7b-instruct"):
                catalogue.resolve(spec)
        with pytest.raises(UsageError, match="known are demo"):
            catalogue.resolve("zzz")

    def test_a_projector_beside_its_model_does_not_make_a_name_ambiguous(self, catalogue: Catalogue) -> None:
        write(Path("models/qwen2-vl.gguf"), model())
        write(Path("models/qwen2-vl-mmproj.gguf"), model(arch="clip"))

        assert catalogue.resolve("qwen2").name == "qwen2-vl"

    def test_a_name_reads_no_other_header(self, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("a", "b", "c"):
            write(Path(f"models/{name}.gguf"), model())
        read: list[str] = []

        def note(path: Path) -> GgufHeader:
            read.append(Path(path).name)
            return read_header(path)

        monkeypatch.setattr("llmtui.services.model_files.read_header", note)
        catalogue.resolve("b")

        assert read == ["b.gguf"]

    @pytest.mark.parametrize("spec", ["x" * 5000, "a\0b", "/" + "y" * 5000 + ".gguf"])
    def test_words_that_are_no_file_names_are_clear_errors(self, catalogue: Catalogue, spec: str) -> None:
        with pytest.raises((UsageError, ModelError)):
            catalogue.resolve(spec)

    def test_a_current_folder_that_is_gone_is_no_obstacle(self, catalogue: Catalogue, folders: Folders) -> None:
        write(folders.models_dir / "kept.gguf", model())
        Path.cwd().rmdir()

        assert names(catalogue) == ["demo", "kept"]
        assert catalogue.resolve("kept").name == "kept"

    @pytest.mark.parametrize("spec", ["nowhere/x.gguf", "x.gguf", "/nowhere"])
    def test_a_missing_path_is_a_model_error(self, catalogue: Catalogue, spec: str) -> None:
        with pytest.raises(ModelError, match="does not exist"):
            catalogue.resolve(spec)

    def test_a_folder_names_the_file_inside(self, catalogue: Catalogue) -> None:
        write(Path("models/x.gguf"), model())

        for spec in ("models", "./models", str(Path("models").absolute())):
            with pytest.raises(ModelError, match=r"x\.gguf") as caught:
                catalogue.resolve(spec)
            assert "folder" in caught.value.title

    def test_a_name_comes_before_a_folder_of_that_name(self, catalogue: Catalogue) -> None:
        write(Path("models/x.gguf"), model())
        Path("x").mkdir()

        assert catalogue.resolve("x").name == "x"

    def test_a_hostile_word_is_shown_as_text(self, catalogue: Catalogue) -> None:
        with pytest.raises(UsageError) as caught:
            catalogue.resolve("\x1b[2J")

        assert "\x1b" not in str(caught.value)


def test_details_say_what_the_header_says(catalogue: Catalogue) -> None:
    tokens = [f"t{n}" for n in range(2000)]
    extra = [
        kv_strings("tokenizer.ggml.tokens", tokens),
        kv_u32("tokenizer.ggml.eos_token_id", 1999),
        kv_u32("tokenizer.ggml.bos_token_id", 1),
        kv_u32("tokenizer.ggml.unknown_token_id", 9999),
        kv_string("tokenizer.chat_template", "{{ messages }}"),
        kv_string("general.license", "mit"),
        kv_u32s("llama.attention.head_count_kv", [2] * 32),
        kv_u32s("llama.layer_kinds", [1, 2]),
    ]
    write(Path("models/m.gguf"), model(extra=extra))

    found = details(catalogue.resolve("m"))

    assert found.metadata["tokenizer.ggml.tokens"] == "[string × 2000]"
    assert found.metadata["llama.attention.head_count_kv"] == "[2 × 32]"
    assert found.metadata["llama.layer_kinds"] == "[1, 2]"
    assert found.metadata["llama.context_length"] == 2048
    assert "tokenizer.chat_template" not in found.metadata
    assert found.special_tokens == {"eos": "t1999", "bos": "t1"}
    assert (found.template, found.licence, found.tensors, found.gguf_version) == ("{{ messages }}", "mit", 2, 3)
    shares = {share.type: (share.tensors, share.size_bytes) for share in found.tensor_types}
    assert shares == {"F32": (1, 256), "Q8_0": (1, 68)}
    assert sum(share.share for share in found.tensor_types) == pytest.approx(1)
