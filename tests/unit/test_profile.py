"""Profiles as values, and settings laid over one another."""

import msgspec
import pytest

from llmtui.domain.profile import Layer, Profile, effective, set_fields
from llmtui.domain.settings import Sampling


def test_the_last_layer_wins_and_every_value_has_its_origin() -> None:
    used = effective([
        Layer("model", {"temperature": 0.5, "stop": ["</s>"]}),
        Layer("profile poet", {"temperature": 1.2}),
        Layer("flag", {"seed": 3}),
    ])  # fmt: skip
    assert used.sampling == Sampling(temperature=1.2, stop=("</s>",), seed=3)
    assert used.origins == {"temperature": "profile poet", "stop": "model", "seed": "flag"}


def test_a_value_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match="temperature"):
        effective([Layer("flag", {"temperature": -1})])
    with pytest.raises(ValueError, match="cannot both"):
        effective([Layer("a", {"grammar": "root ::= [a]", "json_schema": {"a": 1}})])


def test_a_setting_displaces_what_it_excludes_below_it() -> None:
    used = effective([
        Layer("config", {"ignore_eos": True}),
        Layer("profile", {"grammar": "root ::= [a]"}),
        Layer("flag", {"json_schema": {"type": "object"}}),
    ])  # fmt: skip
    assert used.sampling == Sampling(json_schema={"type": "object"})
    assert used.origins == {"json_schema": "flag"}


def test_what_is_set_of_a_whole_sampling() -> None:
    assert set_fields(Sampling(temperature=0, seed=1)) == {"temperature": 0, "seed": 1}
    assert set_fields(Sampling()) == {}


def test_a_profile_says_only_what_it_was_told() -> None:
    profile = Profile(name="poet", generation={"temperature": 1.1})
    assert msgspec.to_builtins(profile) == {"name": "poet", "generation": {"temperature": 1.1}}
    assert msgspec.convert(msgspec.to_builtins(profile), Profile) == profile


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"mode": "shout"}, "mode"),
        ({"colour": "red"}, "unknown field `colour`"),
        ({"generation": {"temperatur": 1}}, "generation: .*temperatur"),
        ({"runtime": {"context": 1}}, "runtime: .*context"),
        ({"runtime": {"kv_type_k": "q8_1"}}, "runtime: Invalid enum value 'q8_1'"),
        ({"runtime": {"kv_type_v": "q4_0", "flash_attention": "off"}}, "runtime: .*needs flash attention"),
        ({"system": "x" * (1 << 21)}, "system"),
        ({"character": {"name": ""}}, "character.name"),
    ],
)
def test_what_a_profile_cannot_say(values: dict, told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        msgspec.convert(values, Profile)
