"""Models where other programs keep them: laid out on disk as those programs do it."""

import json
import os
from pathlib import Path

import pytest
from gguf_bytes import gguf, kv_string, kv_u32, model, tensor, write
from ollama_store import OllamaStore

from llmtui.domain.models import ModelInfo
from llmtui.errors import ModelError, UsageError
from llmtui.services.checkup.files import model_folders
from llmtui.services.models import Catalogue
from llmtui.store import places
from llmtui.store.config import Config
from llmtui.store.paths import Folders


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    monkeypatch.chdir(home / "work")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(places, "SYSTEM_OLLAMA", tmp_path / "system" / "models")
    return home


@pytest.fixture
def store(home: Path) -> OllamaStore:
    return OllamaStore(home / ".ollama" / "models")


def catalogue(home: Path, config: Config | None = None, **environ: str) -> Catalogue:
    folders = Folders(config_dir=home / "c", data_dir=home / "data", cache_dir=home / "cache")
    demo = home / "demo.gguf"
    if not demo.exists():
        write(demo, model(name="Demo"))
    return Catalogue(folders, config or Config(), demo_file=demo, environ=environ)


def listed(home: Path, config: Config | None = None, **environ: str) -> dict[str, ModelInfo]:
    """What is found beside the demo model, by name."""
    found = catalogue(home, config, **environ).list()
    assert found[0].name == "demo"
    assert len({info.name for info in found}) == len(found)
    return {info.name: info for info in found[1:]}


def in_hub(cache: Path, repository: str, name: str, data: bytes, revision: str = "a1b2") -> Path:
    """A file as the hub's client keeps it: a link from the snapshot to a blob."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    blob = write(folder / "blobs" / str(abs(hash(data))), data)
    link = folder / "snapshots" / revision / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return link


class TestHub:
    def test_links_in_snapshots_are_models(self, home: Path) -> None:
        cache = home / ".cache" / "huggingface" / "hub"
        in_hub(cache, "Qwen/Qwen2-7B-GGUF", "q4/qwen2-q4_0.gguf", model())
        (cache / "models--Qwen--Qwen2-7B-GGUF" / "refs").mkdir()
        write(cache / "datasets--x--y" / "snapshots" / "1" / "no.gguf", model())

        found = listed(home)

        assert list(found) == ["qwen2-q4_0"]
        assert found["qwen2-q4_0"].source == "huggingface"
        assert catalogue(home).resolve("qwen2").source == "huggingface"

    def test_two_revisions_of_one_blob_are_one_row(self, home: Path) -> None:
        cache = home / ".cache" / "huggingface" / "hub"
        for revision in ("a1", "b2"):
            in_hub(cache, "org/repo", "m.gguf", model(), revision)

        assert list(listed(home)) == ["m"]

    def test_models_of_one_name_are_told_apart_by_repository(self, home: Path) -> None:
        cache = home / ".cache" / "huggingface" / "hub"
        for repository in ("one/repo", "two/repo"):
            in_hub(cache, repository, "model.gguf", model(name=repository))

        assert list(listed(home)) == ["one/repo/model", "two/repo/model"]
        assert catalogue(home).resolve("two/repo/model").title == "two/repo"

    def test_a_broken_link_is_skipped(self, home: Path) -> None:
        link = in_hub(home / ".cache" / "huggingface" / "hub", "org/repo", "m.gguf", model())
        link.resolve().unlink()

        assert listed(home) == {}

    def test_a_split_model_in_the_hub_is_one_row(self, home: Path) -> None:
        cache = home / ".cache" / "huggingface" / "hub"
        for n in (1, 2):
            head = [kv_string("general.architecture", "llama")] if n == 1 else []
            part = gguf([*head, kv_u32("split.count", 2)], [tensor(f"t{n}", [8])], data=32)
            in_hub(cache, "org/big", f"big-0000{n}-of-00002.gguf", part)

        found = listed(home)

        assert list(found) == ["big"]
        assert (found["big"].parameters, len(found["big"].parts)) == (16, 2)

    @pytest.mark.parametrize(
        ("variable", "below"), [("HF_HUB_CACHE", "."), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", "huggingface/hub")]
    )
    def test_variables_lead_elsewhere(self, home: Path, variable: str, below: str) -> None:
        in_hub(home / "elsewhere" / below, "org/repo", "there.gguf", model())
        in_hub(home / ".cache" / "huggingface" / "hub", "org/repo", "here.gguf", model(name="other"))

        assert list(listed(home, **{variable: str(home / "elsewhere")})) == ["there"]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("lmstudio", ".lmstudio/models/org/repo/m.gguf"),
        ("lmstudio", ".cache/lm-studio/models/org/repo/m.gguf"),
        ("llama.cpp", ".cache/llama.cpp/m.gguf"),
        ("llama.cpp", "Library/Caches/llama.cpp/m.gguf"),
    ],
)
def test_other_programs_folders(home: Path, source: str, path: str) -> None:
    write(home / path, model())

    assert listed(home)["m"].source == source
    assert listed(home, Config(discover=("huggingface", "ollama"))) == {}


def test_llama_cache_leads_elsewhere(home: Path) -> None:
    write(home / "elsewhere" / "m.gguf", model())

    assert listed(home, LLAMA_CACHE=str(home / "elsewhere"))["m"].source == "llama.cpp"


@pytest.mark.parametrize("below", ["user_data/models", "models", "."])
def test_text_generation_webui_is_searched_when_configured(home: Path, below: str) -> None:
    write(home / "webui" / below / "m.gguf", model())

    assert listed(home) == {}
    assert listed(home, Config(webui_folder="~/webui"))["m"].source == "webui"


def test_two_thousand_files_with_loops_and_broken_links_are_one_list(home: Path) -> None:
    folder = home / "work" / "models"
    for n in range(2000):
        write(folder / f"{n % 40}" / f"m{n:04}.gguf", b"GGUF")
    (folder / "7" / "up").symlink_to(folder)
    (folder / "broken.gguf").symlink_to(folder / "nowhere")

    found = listed(home)

    assert len(found) == 2000
    assert all(info.problem for info in found.values())


def test_adapters_are_listed_apart(home: Path) -> None:
    write(home / "work" / "models" / "lora.gguf", model(extra=[kv_string("general.type", "adapter")]))
    write(home / "work" / "models" / "mmproj.gguf", model(arch="clip"))

    found = {info.name: info.kind for info in catalogue(home).scan()}

    assert found == {"demo": "model", "lora": "adapter"}
    assert listed(home) == {}
    with pytest.raises(ModelError, match="a LoRA adapter"):
        catalogue(home).resolve("lora")


class TestOllama:
    def test_a_model_is_found_by_its_manifest(self, home: Path, store: OllamaStore) -> None:
        blob = store.add("library/qwen2:7b", model=model(name="Qwen2"), template=b"{{ .Prompt }}", params=b"{}")

        found = listed(home)

        assert list(found) == ["ollama/qwen2:7b"]
        info = found["ollama/qwen2:7b"]
        assert (info.source, info.path, info.title, info.problem) == ("ollama", str(blob), "Qwen2", None)
        for spec in ("ollama/qwen2:7b", "ollama/qwen2", "OLLAMA/Qwen2:7B"):
            assert catalogue(home).resolve(spec) == info

    def test_names_leave_out_what_ollama_leaves_out(self, home: Path, store: OllamaStore) -> None:
        store.add("library/a:latest", model=model(name="a"))
        store.add("someone/b:v1", model=model(name="b"))
        store.add("org/repo:Q4_K_M", registry="hf.co", model=model(name="c"))

        assert list(listed(home)) == ["ollama/a:latest", "ollama/hf.co/org/repo:Q4_K_M", "ollama/someone/b:v1"]

    def test_latest_need_not_be_said(self, home: Path, store: OllamaStore) -> None:
        store.add("library/qwen2:latest", model=model(name="new"))
        store.add("library/qwen2:7b", model=model(name="old"))

        assert catalogue(home).resolve("ollama/qwen2").title == "new"
        with pytest.raises(UsageError, match="More than one"):
            catalogue(home).resolve("ollama/qwen2:")

    def test_tags_of_one_blob_are_one_row_and_each_resolves(self, home: Path, store: OllamaStore) -> None:
        store.add("library/q:latest", model=model())
        store.add("library/q:7b", model=model(), system=b"Speak Chinese.")

        assert list(listed(home)) == ["ollama/q:7b"]
        assert catalogue(home).resolve("ollama/q:latest").name == "ollama/q:latest"
        assert catalogue(home).resolve("ollama/q:7b").name == "ollama/q:7b"

    def test_a_blob_that_a_folder_has_too_is_one_row_and_resolves_by_both_names(
        self, home: Path, store: OllamaStore
    ) -> None:
        own = write(home / "work" / "models" / "mine.gguf", model())
        store.add("library/q:7b", model=own)

        assert {name: info.source for name, info in listed(home).items()} == {"mine": "folder"}
        assert catalogue(home).resolve("mine").path == str(own)
        assert catalogue(home).resolve("ollama/q:7b").source == "ollama"

    def test_the_variable_and_the_services_folder(self, home: Path, tmp_path: Path) -> None:
        OllamaStore(tmp_path / "system" / "models").add("library/service:1", model=model(name="s"))
        OllamaStore(home / "elsewhere").add("library/there:1", model=model(name="t"))

        assert list(listed(home)) == ["ollama/service:1"]
        assert list(listed(home, OLLAMA_MODELS=str(home / "elsewhere"))) == ["ollama/there:1"]
        assert listed(home, Config(discover=())) == {}

    @pytest.mark.parametrize(
        ("manifest", "problem"),
        [
            (b"", "damaged"),
            (b"\xff\xfe", "damaged"),
            (b'{"layers": 7}', "damaged"),
            (b"[" * 100_000, "damaged"),
            (b" " * (2 << 20), "longer than"),
            (b'{"layers": []}', "names no GGUF file"),
            (b"{}", "names no GGUF file"),
        ],
    )
    def test_a_damaged_manifest_is_a_row_with_its_problem(
        self, home: Path, store: OllamaStore, manifest: bytes, problem: str
    ) -> None:
        store.add("library/good:1", model=model())
        write(store.manifest("library/bad:1"), manifest)

        found = listed(home)

        assert list(found) == ["ollama/bad:1", "ollama/good:1"]
        assert problem in (found["ollama/bad:1"].problem or "")
        with pytest.raises(ModelError, match="ollama pull bad:1"):
            catalogue(home).resolve("ollama/bad:1")

    @pytest.mark.parametrize("digest", ["sha256:../../../secret", "sha256:" + "a" * 63, "", "md5:" + "a" * 64])
    def test_a_digest_leads_nowhere_but_into_the_blobs(self, home: Path, store: OllamaStore, digest: str) -> None:
        write(store.root / "secret", model())
        layer = {"mediaType": "application/vnd.ollama.image.model", "digest": digest}
        write(store.manifest("library/evil:1"), json.dumps({"layers": [layer]}).encode())

        assert "digest" in (listed(home)["ollama/evil:1"].problem or "")

    def test_a_missing_blob_is_a_problem(self, home: Path, store: OllamaStore) -> None:
        blob = store.add("library/gone:1", model=model())
        blob.rename(blob.with_name(f"{blob.name}-partial"))

        assert "weights are missing" in (listed(home)["ollama/gone:1"].problem or "")

    def test_a_blob_that_is_a_loop_of_links_is_a_problem(self, home: Path, store: OllamaStore) -> None:
        blob = store.add("library/loop:1", model=model())
        blob.unlink()
        blob.symlink_to(blob.name)

        assert "cannot be read" in (listed(home)["ollama/loop:1"].problem or "")

    def test_a_store_below_a_closed_folder_is_skipped_and_the_doctor_names_it(
        self, home: Path, store: OllamaStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.add("library/hidden:1", model=model())
        real_scan, real_stat = os.scandir, Path.stat

        def closed(path: object) -> None:
            if str(path).startswith(str(store.root)):
                raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "scandir", lambda path: closed(path) or real_scan(path))
        monkeypatch.setattr(Path, "stat", lambda path, **how: closed(path) or real_stat(path, **how))

        assert listed(home) == {}
        checks = {check.label: check for check in model_folders(catalogue(home))}
        assert (checks["ollama"].status, str(store.root) in checks["ollama"].value) == ("warn", True)

    def test_the_doctor_counts_models_by_place(self, home: Path, store: OllamaStore) -> None:
        store.add("library/q:1", model=model())

        counts = {check.label: check.amount for check in model_folders(catalogue(home))}

        assert counts == {"models": 0, "ollama": 1}

    def test_a_truncated_blob_says_so(self, home: Path, store: OllamaStore) -> None:
        blob = store.add("library/cut:1", model=model())
        blob.write_bytes(model()[:-10])

        assert "truncated" in (listed(home)["ollama/cut:1"].problem or "")

    def test_a_base_with_an_adapter_is_not_passed_off_as_the_whole(self, home: Path, store: OllamaStore) -> None:
        store.add("library/base:1", model=model())
        store.add("me/tuned:1", model=model(), adapter=model(extra=[kv_string("general.type", "adapter")]))

        found = listed(home)

        assert found["ollama/base:1"].problem is None
        assert "LoRA adapter" in (found["ollama/me/tuned:1"].problem or "")

    def test_projectors_are_no_models(self, home: Path, store: OllamaStore) -> None:
        store.add("library/seeing:1", model=model(), projector=model(arch="clip"))

        assert list(listed(home)) == ["ollama/seeing:1"]

    def test_an_old_blob_name_is_found(self, home: Path, store: OllamaStore) -> None:
        blob = store.add("library/old:1", model=model())
        blob.rename(blob.with_name(blob.name.replace("-", ":")))

        assert listed(home)["ollama/old:1"].problem is None

    def test_stray_files_and_hostile_names_harm_nothing(self, home: Path, store: OllamaStore) -> None:
        store.add("library/x\x1b[2J:1", model=model())
        write(store.root / "manifests" / "registry.ollama.ai" / "library" / ".DS_Store", b"x")
        write(store.root / "manifests" / "notes.txt", b"x")

        assert list(listed(home)) == ["ollama/x␛[2J:1"]

    def test_an_unknown_name_lists_near_ones_and_where_the_store_was_looked_for(
        self, home: Path, store: OllamaStore
    ) -> None:
        store.add("library/qwen2:7b", model=model())

        with pytest.raises(UsageError, match="near matches: ollama/qwen2:7b") as caught:
            catalogue(home).resolve("ollama/qwem2:7b")
        assert str(store.root) in caught.value.remedy
        with pytest.raises(UsageError, match="leaves Ollama out"):
            catalogue(home, Config(discover=())).resolve("ollama/qwen2:7b")

    def test_details_carry_what_the_manifest_adds(self, home: Path, store: OllamaStore) -> None:
        store.add(
            "library/q:1", model=model(), template=b"{{ .Prompt }}", system=b"Be brief.", params=b'{"stop":["#"]}'
        )
        known = catalogue(home)

        extras = known.details(known.resolve("ollama/q")).ollama

        assert extras is not None
        assert (extras.template, extras.system, extras.parameters) == ("{{ .Prompt }}", "Be brief.", '{"stop":["#"]}')
        assert known.details(known.resolve("demo")).ollama is None
