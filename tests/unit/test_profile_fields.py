"""A profile as a form: every text there and back, and what is said of one that is wrong."""

import pytest

from llmtui.domain.profile import Character, Profile
from llmtui.domain.profile_fields import FIELDS, check, profile_of, texts_of
from llmtui.store.profiles import profile_files, read_profile, shipped_folder

BY_PATH = {field.path: field for field in FIELDS}
FULL = Profile(
    name="poet",
    description="写诗",
    language="zh",
    mode="chat",
    template="chatml",
    system="a\n\nb",
    character=Character(name="李白", user_name="你", context="x", greeting="y", example_dialogue="z"),
    command="c",
    generation={
        "temperature": 0.5, "top_k": 3, "seed": 0, "stop": ["###", "\n", "a, b"], "ignore_eos": False,
        "json_schema": {"type": "object"}, "dry_last_n": 9,
        "reasoning": "on", "reasoning_effort": "high",
    },
    runtime={
        "context": 512, "mmap": False, "kv_type_k": "q8_0", "flash_attention": "on",
        "adapters": [{"path": "/a:b.gguf", "scale": 0.5}],
    },
    overflow="compact",
)  # fmt: skip


def test_a_profile_comes_back_from_its_texts() -> None:
    assert profile_of(texts_of(FULL)) == FULL
    assert profile_of(texts_of(Profile())) == Profile()
    for path in profile_files(shipped_folder()).values():
        profile = read_profile(path)
        assert profile_of(texts_of(profile)) == profile, path.stem


def test_what_is_empty_is_not_set() -> None:
    texts = {**texts_of(FULL), "generation.temperature": " ", "runtime.context": "", "character.greeting": ""}
    found = profile_of(texts)
    assert "temperature" not in found.generation
    assert "context" not in found.runtime
    assert found.character is not None
    assert found.character.greeting == ""


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("generation.temperature", "hot", "write a number"),
        ("generation.temperature", "nan", "finite"),
        ("generation.temperature", "-1", ">= 0"),
        ("generation.top_k", "1.5", "a whole number"),
        ("generation.top_p", "2", "<= 1"),
        ("generation.mirostat", "3", "3"),
        ("generation.stop", '"a', "between quotes"),
        ("generation.json_schema", "[1]", "between braces"),
        ("generation.json_schema", "{", "write JSON"),
        ("generation.ignore_eos", "true", "yes or no"),
        ("runtime.context", "3", ">= 16"),
        ("runtime.adapters", "a.gguf:99", "<= 10"),
        ("mode", "shout", "choose one of instruct, chat, chat-instruct, text, infill"),
        ("name", "a/b", "use letters"),
        ("system", "x" * (1 << 21), "1048576"),
    ],
)
def test_what_is_wrong_is_said_in_words(path: str, text: str, told: str) -> None:
    found = check(BY_PATH[path], text)
    assert found is not None
    assert told in found
    assert "$" not in found
    assert "Expected" not in found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("generation.seed", "0"),
        ("generation.stop", "###"),
        ("mode", "text"),
        ("system", "x"),
        ("runtime.adapters", "a"),
    ],
)
def test_what_is_right_has_nothing_said_of_it(path: str, text: str) -> None:
    assert check(BY_PATH[path], text) is None


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="cannot both"):
        profile_of({"generation.grammar": "root ::= [a]", "generation.json_schema": "{}", "name": "x"})
