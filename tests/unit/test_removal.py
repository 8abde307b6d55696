"""Removing models: what goes, what stays, and what is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ollama_store import OllamaStore

from llmtui.errors import ModelError, UsageError
from llmtui.services.models import DEMO_FILE, Catalogue
from llmtui.services.removal import Removal, find, plan_removal, remove
from llmtui.store.config import Config
from llmtui.store.paths import Folders


class Home:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
        self.folders = Folders(config_dir=root / "c", data_dir=root / "d", cache_dir=root / "cache")
        config = Config(model_folders=(str(self.models),))
        environ = {"HF_HUB_CACHE": str(root / "hub"), "OLLAMA_MODELS": str(root / "ollama"), "LLAMA_CACHE": str(root)}
        self.catalogue = Catalogue(self.folders, config, environ=environ)

    def put(self, path: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(DEMO_FILE, target))

    def plan(self, spec: str) -> Removal:
        return plan_removal(find(self.catalogue, spec), self.catalogue.places)

    def remove(self, spec: str) -> Removal:
        removal = self.plan(spec)
        remove(removal, [self.folders.models_dir])
        return removal

    def files(self) -> set[str]:
        found = (path for path in self.root.rglob("*") if not path.is_dir() or path.is_symlink())
        return {str(path.relative_to(self.root)) for path in found if "cache" not in path.parts}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_file_goes_and_its_neighbours_stay(home: Home):
    home.put("models/a.gguf")
    home.put("models/b.gguf")
    (home.models / "a.txt").write_text("notes")
    removal = home.remove("a")
    assert removal.freed_bytes == DEMO_FILE.stat().st_size
    assert home.files() == {"models/b.gguf", "models/a.txt"}


def test_folders_of_llmtuis_own_go_when_empty_and_others_stay(home: Home):
    home.put("d/models/org/repo/m.gguf")
    home.put("models/deep/n.gguf")
    home.remove("m")
    home.remove("n")
    assert home.folders.models_dir.exists()
    assert not (home.folders.models_dir / "org").exists()
    assert (home.models / "deep").exists()


def test_all_parts_go_also_of_a_model_with_one_missing(home: Home):
    for number in (1, 3):
        home.put(f"models/big-0000{number}-of-00003.gguf")
    removal = home.remove("big")
    assert len(removal.files) == 2
    assert home.files() == set()


def test_a_damaged_file_can_be_removed(home: Home):
    path = home.put("models/torn.gguf")
    with path.open("r+b") as handle:
        handle.truncate(1000)
    home.remove("torn")
    assert home.files() == set()


def test_of_a_link_only_the_link_goes(home: Home):
    target = home.put("elsewhere/precious.gguf")
    home.models.mkdir()
    (home.models / "link.gguf").symlink_to(target)
    removal = home.remove("link")
    assert removal.freed_bytes == 0
    assert "stays" in removal.files[0].note
    assert home.files() == {"elsewhere/precious.gguf"}


def test_another_name_of_the_same_bytes_is_said(home: Home):
    path = home.put("models/one.gguf")
    os.link(path, home.root / "other.gguf")
    removal = home.remove("one")
    assert removal.freed_bytes == 0
    assert home.files() == {"other.gguf"}


def hub(home: Home, *snapshots: str) -> Path:
    repository = home.root / "hub" / "models--org--repo"
    blob = home.put(f"hub/models--org--repo/blobs/{'a' * 64}")
    for snapshot in snapshots:
        link = repository / "snapshots" / snapshot / "m.gguf"
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return repository


def test_the_hubs_blob_goes_with_its_only_link(home: Home):
    hub(home, "c1")
    removal = home.remove("m")
    assert removal.freed_bytes == DEMO_FILE.stat().st_size
    assert home.files() == set()


def test_the_hubs_blob_stays_while_another_snapshot_needs_it(home: Home):
    hub(home, "c1", "c2")
    removal = home.remove("m")
    assert removal.freed_bytes == 0
    assert home.files() == {f"hub/models--org--repo/blobs/{'a' * 64}", "hub/models--org--repo/snapshots/c2/m.gguf"}
    assert home.remove("m").freed_bytes == DEMO_FILE.stat().st_size


def test_a_shared_blob_is_a_link_and_what_it_leads_to_stays(home: Home):
    repository = hub(home, "c1")
    blob = repository / "blobs" / ("a" * 64)
    shared = home.root / "store" / "shared"
    shared.parent.mkdir()
    blob.rename(shared)
    blob.symlink_to(shared)
    assert home.remove("m").freed_bytes == 0
    assert home.files() == {"store/shared"}


def test_a_link_out_of_the_hubs_cache_is_not_followed(home: Home):
    target = home.put("elsewhere/precious.gguf")
    folder = home.root / "hub" / "models--org--repo" / "snapshots" / "c1"
    folder.mkdir(parents=True)
    (folder / "m.gguf").symlink_to(target)
    home.remove("m")
    assert home.files() == {"elsewhere/precious.gguf"}


def test_demo_stays(home: Home):
    with pytest.raises(UsageError, match="comes with llmtui"):
        home.plan("demo")


def test_ollamas_models_are_ollamas(home: Home):
    store = OllamaStore(home.root / "ollama")
    store.add("library/poet:7b", model=DEMO_FILE.read_bytes())
    with pytest.raises(UsageError, match="ollama rm poet:7b"):
        home.plan("ollama/poet:7b")


def test_a_link_into_ollamas_store_goes_alone(home: Home):
    store = OllamaStore(home.root / "ollama")
    blob = store.add("library/poet:7b", model=DEMO_FILE.read_bytes())
    home.models.mkdir()
    (home.models / "alias.gguf").symlink_to(blob)
    assert home.remove(str(home.models / "alias.gguf")).freed_bytes == 0
    assert blob.exists()


def test_a_path_outside_is_refused(home: Home, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = Path(shutil.copy(DEMO_FILE, tmp_path_factory.mktemp("far") / "x.gguf"))
    with pytest.raises(UsageError, match="none of the folders"):
        home.plan(str(elsewhere))
    assert elsewhere.exists()


def test_what_changed_since_is_not_removed(home: Home):
    home.put("models/a-00001-of-00002.gguf")
    second = home.put("models/a-00002-of-00002.gguf")
    removal = home.plan("a")
    second.unlink()
    second.write_bytes(b"another")
    with pytest.raises(ModelError, match="changed since"):
        remove(removal)
    assert len(home.files()) == 2


def test_a_closed_folder_is_told(home: Home, monkeypatch: pytest.MonkeyPatch):
    home.put("models/a.gguf")
    removal = home.plan("a")

    def closed(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", closed)
    with pytest.raises(ModelError, match="Permission denied"):
        remove(removal)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells")
def test_another_process_that_uses_it_is_named(home: Home):
    path = home.put("models/a.gguf")
    code = (
        "import mmap, sys\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "print(1, flush=True)\ninput()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (note,) = home.plan("a").notes
        own = plan_removal(find(home.catalogue, "a"), home.catalogue.places, [other.pid])
        other.communicate("\n")
    assert f"in use by process {other.pid}" in note
    assert own.notes == ()
    assert home.plan("a").notes == ()


def test_no_dots_lead_out_of_the_folders(tmp_path: Path):
    home = Home(tmp_path / "home")
    home.put("models/below/a.gguf")
    mine = home.put("../mine.gguf")
    for spec in ("models/../../mine.gguf", "models/below/../../../mine.gguf"):
        with pytest.raises(UsageError, match="none of the folders"):
            home.plan(str(home.root / spec))
    assert mine.exists()


def test_dots_that_stay_within_the_folders_are_followed(home: Home):
    home.put("models/a.gguf")
    home.put("models/below/b.gguf")
    home.remove(str(home.root / "models/below/../a.gguf"))
    assert home.files() == {"models/below/b.gguf"}


@pytest.mark.parametrize("spec", ["", " "])
def test_no_name_is_not_the_default_model(home: Home, spec: str):
    home.put("models/a.gguf")
    home.catalogue = Catalogue(home.folders, Config(model_folders=(str(home.models),), default_model="a"), environ={})
    with pytest.raises(UsageError, match="No model is named"):
        find(home.catalogue, spec)
