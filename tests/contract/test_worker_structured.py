"""Answers that follow a grammar or a JSON schema, and the rarer samplers, in a real worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_engine_contract import finish_of, play, request, text_of

from llmtui.domain.events import Delta, Failed
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling

QUESTION = ChatMessage("user", "背诵李白的《静夜思》，只写正文。")
CARD = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 12},
        "lines": {"type": "array", "items": {"enum": ["床前明月光", "疑是地上霜", "举头望明月"]}, "maxItems": 3},
        "year": {"type": "integer", "minimum": 700, "maximum": 799},
        "kind": {"enum": ["poem", "riddle", None]},
    },
    "required": ["title", "lines", "year", "kind"],
    "additionalProperties": False,
}


def fits(card: Any) -> bool:
    return (
        list(card) == ["title", "lines", "year", "kind"]
        and isinstance(card["title"], str)
        and len(card["title"].replace("\ufffd", "")) <= 12  # random tokens hold broken UTF-8, which is replaced later
        and all(line in {"床前明月光", "疑是地上霜", "举头望明月"} for line in card["lines"])
        and 700 <= card["year"] <= 799
        and card["kind"] in {"poem", "riddle", None}
    )


async def test_a_hundred_random_answers_fit_their_schema(open_worker: Callable[..., Any], tiny_gguf: Path) -> None:
    async with open_worker(tiny_gguf) as engine:
        for seed in range(100):
            sampling = Sampling(temperature=1.5, top_k=0, top_p=1, min_p=0, seed=seed, json_schema=CARD, max_tokens=300)
            events = await play(engine, request("turn", sampling))
            assert finish_of(events).reason == "stop"
            assert fits(json.loads(text_of(events)))


async def test_the_demo_answers_under_a_schema_at_temperature_0(open_worker: Callable[..., Any], demo: Path) -> None:
    async with open_worker(demo) as engine:
        events = await play(engine, request("turn", Sampling(temperature=0, json_schema=CARD, max_tokens=200)))
    assert finish_of(events).reason == "stop"
    assert fits(json.loads(text_of(events)))


async def test_strings_hold_nothing_that_json_forbids(open_worker: Callable[..., Any], tiny_gguf: Path) -> None:
    schema = {"type": "array", "items": {"type": "string", "pattern": "^..?.?$"}, "minItems": 20, "maxItems": 20}
    async with open_worker(tiny_gguf) as engine:
        for seed in range(5):
            sampling = Sampling(temperature=5, top_k=0, top_p=1, min_p=0, seed=seed, json_schema=schema)
            assert len(json.loads(text_of(await play(engine, request("turn", sampling))))) == 20


async def test_a_grammar_holds_and_the_next_turn_is_free_of_it(open_worker: Callable[..., Any], demo: Path) -> None:
    async with open_worker(demo) as engine:
        free = text_of(await play(engine, request("turn", Sampling(temperature=0), QUESTION)))
        held = text_of(
            await play(engine, request("turn", Sampling(temperature=0, grammar='root ::= "是" | "否" "!"'), QUESTION))
        )
        again = text_of(await play(engine, request("turn", Sampling(temperature=0), QUESTION)))
    assert held in {"是", "否!"}
    assert free == again
    assert "床前明月光" in free


@pytest.mark.parametrize(
    ("sampling", "title"),
    [
        (Sampling(grammar="root := broken"), "The grammar cannot be read"),
        (Sampling(grammar='start ::= "a"'), "The grammar cannot be read"),
        (Sampling(grammar="root ::= root root"), "The grammar cannot be read"),
        (Sampling(grammar='root ::= "a"{2001}'), "The grammar cannot be read"),
        (Sampling(json_schema={"$ref": "https://example.org/schema.json"}), "The JSON schema cannot be made"),
        (Sampling(json_schema={"type": "unicorn"}), "The JSON schema cannot be made"),
        (Sampling(json_schema={"type": "array", "items": {"not": {}}}), "The JSON schema asks for"),
        (Sampling(json_schema={"type": "string", "pattern": "^[^a]$"}), "The JSON schema asks for"),
        (Sampling(json_schema={"type": "integer", "minimum": 0}), "The JSON schema asks for"),
        (Sampling(json_schema={"$ref": "#/$defs/no"}), "The JSON schema cannot be made"),
    ],
)
async def test_what_is_no_grammar_is_refused_and_the_model_lives(
    open_worker: Callable[..., Any], demo: Path, sampling: Sampling, title: str
) -> None:
    async with open_worker(demo) as engine:
        failed = (await play(engine, request("turn", sampling)))[-1]
        assert isinstance(failed, Failed)
        assert failed.kind == "usage"
        assert failed.title.startswith(title)
        assert finish_of(await play(engine, request("turn", Sampling(max_tokens=2)))).reason == "length"


async def test_an_answer_cut_by_its_limit_says_so(open_worker: Callable[..., Any], demo: Path) -> None:
    async with open_worker(demo) as engine:
        events = await play(engine, request("turn", Sampling(json_schema=CARD, max_tokens=3)))
    assert finish_of(events).reason == "length"


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(seed=1, typical_p=0.5),
        Sampling(seed=1, mirostat=1),
        Sampling(seed=1, mirostat=2, mirostat_tau=8),
        Sampling(seed=1, xtc_probability=1, xtc_threshold=0.0),
        Sampling(seed=1, frequency_penalty=1.5, temperature=1.5),
        Sampling(seed=1, presence_penalty=1.5, temperature=1.5),
        Sampling(seed=1, dry_multiplier=5, dry_allowed_length=1, temperature=1.5),
    ],
    ids=lambda sampling: next(name for name in sampling.__struct_fields__ if name not in {"seed", "temperature"}
                              and getattr(sampling, name) != getattr(Sampling(), name)),
)  # fmt: skip
async def test_each_sampler_changes_what_is_drawn_and_a_seed_repeats_it(
    open_worker: Callable[..., Any], tiny_gguf: Path, sampling: Sampling
) -> None:
    from msgspec.structs import replace

    plain = replace(Sampling(seed=1), temperature=sampling.temperature)
    async with open_worker(tiny_gguf) as engine:

        async def draw(settings: Sampling) -> str:
            limited = replace(settings, max_tokens=60, ignore_eos=True)
            return "".join(e.text for e in await play(engine, request("turn", limited)) if isinstance(e, Delta))

        drawn = await draw(sampling)
        assert drawn == await draw(sampling)
        assert drawn != await draw(plain)


def test_settings_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot both"):
        Sampling(grammar="root ::= [a]", json_schema={})
    with pytest.raises(ValueError, match="no end"):
        Sampling(grammar="root ::= [a]", ignore_eos=True)
