"""A publisher's settings: below the user's own, and told."""

from pathlib import Path

import msgspec
import pytest
from ollama_store import OllamaStore

from llmtui.domain.defaults import ModelDefaults, ollama_defaults, settle
from llmtui.domain.profile import Layer, Wanted
from llmtui.domain.settings import Sampling
from llmtui.services.models import Catalogue
from llmtui.store.config import Config, own_settings
from llmtui.store.ollama import read_defaults
from llmtui.store.paths import Folders

DEMO = Path(__file__).parents[2] / "tui" / "llmtui" / "data" / "demo.gguf"
THEIRS = ModelDefaults(sampling=(("temperature", 0.2), ("top_k", 5), ("stop", ("<|end|>",))), system="Be brief.")


def test_ollamas_parameters_come_under_our_names() -> None:
    parameters = {
        "temperature": 0.6, "num_predict": 128, "stop": ["a", "b"], "num_ctx": 4096, "top_k": "7", "mirostat": 2,
        "num_gpu": 3, "min_p": 7, "repeat_last_n": -1, "seed": ["4"],
    }  # fmt: skip
    found = ollama_defaults(parameters, " Be kind. ")

    assert found is not None
    assert dict(found.sampling) == {
        "temperature": 0.6, "max_tokens": 128, "stop": ("a", "b"), "top_k": 7, "mirostat": 2, "seed": 4,
    }  # fmt: skip
    assert (found.system, found.context) == (" Be kind. ", 4096)
    assert isinstance(hash(found), int)


@pytest.mark.parametrize("parameters", [{}, {"num_predict": -1}, {"num_ctx": "x", "temperature": {}, "stop": 3}])
def test_parameters_of_no_use_are_none(parameters: dict[str, object]) -> None:
    assert ollama_defaults(parameters, "  ") is None


def test_they_count_where_the_user_said_nothing() -> None:
    settled = settle(Wanted(layers=(Layer("config", {"top_k": 9, "stop": ("END",)}),)), THEIRS)

    assert settled.sampling == Sampling(temperature=0.2, top_k=9, stop=("<|end|>", "END"))
    assert settled.system == "Be brief."
    assert set(settled.names) == {"temperature", "stop", "system"}
    assert settled.origins == {
        "temperature": "model", "top_k": "config", "stop": "model and config", "system": "model",
    }  # fmt: skip


def test_the_users_word_counts_more_and_none_leaves_them_out() -> None:
    every = msgspec.structs.asdict(Sampling(temperature=1))
    settled = settle(Wanted(layers=(Layer("flag", every),), system=""), THEIRS)
    assert (settled.sampling.temperature, settled.system) == (1, None)
    assert settled.sampling.stop == ("<|end|>",), "a model without its own runs on"
    assert settle(Wanted.plain(Sampling()), THEIRS)[:3] == (Sampling(), None, ())


def test_what_the_configuration_sets_is_known(tmp_path: Path) -> None:
    folders = Folders(config_dir=tmp_path, data_dir=tmp_path, cache_dir=tmp_path)
    assert own_settings(folders) == frozenset()
    folders.config_file.write_text('system = "x"\n[sampling]\ntop_k = 40\n', encoding="utf-8")
    assert own_settings(folders) == {"system", "top_k"}


def test_a_model_of_the_store_brings_those_of_its_own_name(tmp_path: Path) -> None:
    store = OllamaStore(tmp_path / "store")
    store.add("library/a:latest", model=DEMO, params=b'{"temperature": 0.1}', system=b"I am a.")
    store.add("library/b:latest", model=DEMO)
    odd = store.add("library/c:latest", params=b"[1", system=b"\xff")
    folders = Folders(config_dir=tmp_path, data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")
    known = Catalogue(folders, Config(), environ={"OLLAMA_MODELS": str(store.root), "OLLAMA_HOST": ":1"})

    defaults = known.resolve("ollama/a").defaults
    assert defaults == ModelDefaults(sampling=(("temperature", 0.1),), system="I am a.")
    assert known.resolve("ollama/b").defaults is None
    listed = next(info for info in known.list() if info.name.startswith("ollama/a"))
    assert listed.defaults == defaults
    assert read_defaults(odd) == ModelDefaults(system="\ufffd")
