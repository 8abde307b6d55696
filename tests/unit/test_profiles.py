"""Profile files: those that come along, the user's own, and what is said about one that is wrong."""

import re
from pathlib import Path

import pytest

from llmtui.domain.profile import Character, Profile
from llmtui.domain.settings import Runtime, Sampling
from llmtui.errors import ConfigError, StoreError, UsageError
from llmtui.services.profiles import find_profile, list_profiles, load_profile, runtime_layers, runtime_of, wanted
from llmtui.store.config import Config
from llmtui.store.paths import Folders
from llmtui.store.profiles import profile_files, read_profile, shipped_folder, text_of, user_folder, write_profile

SHIPPED = {
    *("default", "assistant-zh", "precise", "coder", "infill", "base-text", "classical-zh", "creative"),
}


def put(folder: Path, text: str | bytes, name: str = "mine") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(folder: Path, text: str | bytes, name: str = "mine") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_profile(put(folder, text, name))
    assert caught.value.title == "The profile is not valid"
    return caught.value


def test_those_that_come_along_are_valid_and_say_what_they_are_for() -> None:
    assert set(profile_files(shipped_folder())) == SHIPPED
    modes = {}
    for name, path in profile_files(shipped_folder()).items():
        profile = read_profile(path)
        assert (profile.name, bool(profile.description)) == (name, True)
        assert re.search(r"(?m)^ *#.*\S", path.read_text(encoding="utf-8").partition("mode:")[2]), (
            "what a field means stands below it"
        )
        modes[name] = profile.mode
    assert modes["assistant-zh"] == "chat-instruct"
    assert (modes["infill"], modes["base-text"], modes["precise"]) == ("infill", "text", "instruct")
    assert read_profile(shipped_folder() / "precise.yaml").generation["temperature"] == 0
    assistant = read_profile(shipped_folder() / "assistant-zh.yaml")
    assert assistant.character is not None
    assert assistant.character.name == "AI助理"


def test_the_default_profile_sets_nothing_and_shows_every_key() -> None:
    path = shipped_folder() / "default.yaml"
    profile = read_profile(path)
    assert profile == Profile(description=profile.description)
    text = path.read_text(encoding="utf-8")
    shown = {line.lstrip("# ").partition(":")[0] for line in text.splitlines()}
    assert shown >= set(Profile.__struct_fields__) | set(Character.__struct_fields__)
    left = {"dry_last_n", "ignore_eos", "slots"}
    assert shown >= {*Sampling.__struct_fields__, *Runtime.__struct_fields__} - left


def test_what_is_shown_behind_a_number_sign_is_valid(tmp_path: Path) -> None:
    lines = (shipped_folder() / "default.yaml").read_text(encoding="utf-8").splitlines()
    keys = [f"{key}:" for key in (*Profile.__struct_fields__, "")]
    bare = [line.removeprefix("# ") for line in lines if line.startswith(("# ", "#   "))]
    kept = [line for line in bare if line.startswith((*keys[:-1], "  ")) and not line.lstrip().startswith(
        ("instruct ", "chat ", "chat-instruct ", "text ", "infill ", "json_schema"))]  # fmt: skip
    profile = read_profile(put(tmp_path, "\n".join(kept)))
    assert profile.generation["mirostat_tau"] == 5.0
    assert profile.runtime["adapters"][0]["scale"] == 0.8


def test_a_profile_of_the_users_stands_before_one_that_comes_along(folders: Folders) -> None:
    put(user_folder(folders), "description: my own\n", "precise")
    put(user_folder(folders), "temperature: 1\n", "broken")
    listed = {summary.name: summary for summary in list_profiles(folders)}
    assert set(listed) == SHIPPED | {"broken"}
    assert next(iter(listed)) == "default"
    assert (listed["precise"].origin, listed["coder"].origin) == ("user", "shipped")
    assert listed["broken"].profile is None
    assert "unknown key" in (listed["broken"].problem or "")
    assert load_profile(folders, "precise").description == "my own"
    assert load_profile(folders, "assist").name == "assistant-zh", "a unique beginning is enough"


def test_without_a_name_the_users_default_is_taken(folders: Folders) -> None:
    assert load_profile(folders, None) == Profile()
    put(user_folder(folders), "system: Be kind.\n", "default")
    assert load_profile(folders, None).system == "Be kind."


@pytest.mark.parametrize("spec", ["no-such", "c", "", "./none.yaml", "a\0b", "x" * 5000 + "/y", "~nobody/x.yaml"])
def test_a_profile_that_is_not_there(folders: Folders, spec: str) -> None:
    with pytest.raises(UsageError):
        find_profile(folders, spec)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("descripton: x\n", "line 1: $.descripton: unknown key"),
        ("generation:\n  temperature: 0\n  top_q: 1\n", "line 3: $.generation.top_q: unknown key"),
        ("generation:\n  top_p: 2\n", "line 2: $.generation.top_p: Expected `float` <= 1"),
        ("generation: [1]\n", "line 1: $.generation: expected keys and values"),
        ("generation:\n  seed: abc\n", "line 2: $.generation.seed: Expected `int"),
        ("\ngeneration:\n  grammar: root ::= [a]\n  json_schema: {}\n", "line 3: $.generation: `grammar` and"),
        ("runtime:\n  adapters:\n  - {path: a, scal: 1}\n", "line 3: $.runtime.adapters[0].scal: unknown key"),
        ("mode: chta\n", "line 1: $.mode: unknown: 'chta'"),
        ("character:\n  nam: x\n", "line 2: $.character.nam: unknown key"),
        ('character: {name: "a\\nb"}\n', "$.character.name: the name must be one line"),
        ("system: 42\n", "$.system: Expected `str | null`, got `int`"),
        ("system: ok\nsystem: again\n", "line 2: the key `system` is there twice"),
        ("system: a\n\tdescription: b\n", "line 2: not valid YAML"),
        ("name: other\n", "line 1: $.name: `name` is 'other', but the file is called 'mine'"),
        ("- a\n- b\n", "the file must hold keys and values"),
        ("", "the file is empty"),
        ("system: a\n---\nsystem: b\n", "a second document begins"),
        ("system: !!python/object:os.system a\n", "is not allowed"),
        (b"system: \xff\xfe\n", "line 1: not UTF-8 text: byte 0xff"),
        (b"system: a\x1bb\n", "control character U+001B"),
        (f"system: {'x' * (1 << 21)}\n", "$.system: Expected `str` of length <= 1048576"),
        ("a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in ("ab", "bc", "cd", "de", "ef", "fg")),
         "aliases repeat more than"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_line_and_place(tmp_path: Path, text: str | bytes, told: str) -> None:
    error = refused(tmp_path, text)
    assert told in error.cause
    assert error.cause.startswith(str(tmp_path / "mine.yaml"))
    assert error.remedy


def test_the_key_that_was_probably_meant(tmp_path: Path) -> None:
    assert refused(tmp_path, "descripton: x\n").remedy == "Did you mean `description`?"
    assert refused(tmp_path, "generation: {temprature: 1}\n").remedy == "Did you mean `temperature`?"
    assert refused(tmp_path, "runtime: {adapters: [{pth: x}]}\n").remedy == "Did you mean `path`?"


def test_odd_files(tmp_path: Path) -> None:
    profile = read_profile(put(tmp_path, "\ufeffsystem: |\r\n  一\r\n  二\r\n"))
    assert profile.system == "一\n二\n"
    assert len(read_profile(put(tmp_path, f"system: {'字' * 1_000_000}\n")).system or "") == 1_000_000
    assert "holds more than 16 MiB" in refused(tmp_path, b"# " + b"x" * (17 << 20)).cause
    with pytest.raises(ConfigError, match="is not valid"):
        read_profile(tmp_path)
    with pytest.raises(ConfigError, match="is not valid"):
        read_profile(tmp_path / "none.yaml")
    assert "is no profile's" in refused(tmp_path, "system: x\n", "a b").cause


def test_written_without_defaults_and_readable(tmp_path: Path) -> None:
    profile = Profile(
        name="诗人",
        description="写诗",
        system="第一行\n\n第二行",
        character=Character(name="李白", greeting="no"),
        generation={"temperature": 0.5, "stop": ["1e3", "null", "12:30", "\n"], "seed": None},
        runtime={"context": 4096},
    )
    path = write_profile(tmp_path / "new", profile)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("name: 诗人\ndescription: 写诗\nsystem: |-\n  第一行\n\n  第二行\n")
    assert "mode" not in text
    assert "user_name" not in text
    assert read_profile(path) == profile
    assert [entry.name for entry in path.parent.iterdir()] == ["诗人.yaml"]


def test_comments_of_a_file_that_is_replaced_are_kept_beside_it(tmp_path: Path) -> None:
    put(tmp_path, "# why\nsystem: old\n")
    write_profile(tmp_path, Profile(name="mine", system="new"))
    assert (tmp_path / "mine.yaml.bak").read_text(encoding="utf-8") == "# why\nsystem: old\n"
    write_profile(tmp_path, Profile(name="mine", system="newer"))
    assert (tmp_path / "mine.yaml.bak").read_text(encoding="utf-8") == "# why\nsystem: old\n"
    assert profile_files(tmp_path) == {"mine": tmp_path / "mine.yaml"}


def test_a_name_that_no_file_can_have_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    for name in ("../up", "a/b", ".hidden", "a b", ""):
        with pytest.raises(UsageError):
            write_profile(tmp_path, Profile(name=name))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_profile(tmp_path / "file", Profile(name="x"))


def test_settings_come_from_configuration_profile_flags_and_edits() -> None:
    config = Config(sampling=Sampling(temperature=0.3, top_k=7), system="of the configuration")
    profile = Profile(name="p", system="I am {{char}}.", generation={"top_k": 9, "min_p": 0.2})
    asked = wanted(config, frozenset({"top_p"}), profile, flags={"min_p": 0.3}, edits={"seed": 4})
    assert asked.sampling == Sampling(temperature=0.3, top_k=9, min_p=0.3, seed=4)
    assert [layer.origin for layer in asked.layers] == ["config", "profile p", "flag", "edit"]
    assert asked.layers[0].values["top_p"] == 0.95, "set, though to what everybody has"
    assert (asked.system, asked.system_origin) == ("I am AI.", "profile p")
    assert wanted(config, frozenset(), profile, system="").system == ""
    assert wanted(config, frozenset(), Profile()).system_origin == "config"
    layers = runtime_layers(Config(runtime=Runtime(threads=2, context=100)), Profile(runtime={"context": 50}), {})
    assert runtime_of(layers) == Runtime(threads=2, context=50)


def test_text_of_long_prose_is_a_block() -> None:
    assert "system: |-\n" in text_of(Profile(system="a\nb"))
