"""The modes on real models: the demo model in a persona, and a vocabulary with fill-in-the-middle tokens."""

from pathlib import Path

import msgspec
import pytest
from contract.conftest import DEMO, loaded
from test_engine_contract import finish_of, play, text_of

from llmtui.domain.dialogue import greeting_of
from llmtui.domain.events import Failed, Finished
from llmtui.domain.messages import ChatMessage
from llmtui.domain.profile import Character, Profile
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.llama.client import LlamaEngine
from llmtui.errors import UsageError
from llmtui.services.conversation import as_messages
from llmtui.services.prompting import GAP, build
from llmtui.services.sending import request_of
from llmtui.store.profiles import read_profile, shipped_folder

GREEDY = Sampling(temperature=0, max_tokens=60)
POET = Character(name="AI助理", user_name="你", context="{{char}}是一位助手。")


async def test_a_persona_answers_behind_its_name_and_stops_before_the_users() -> None:
    engine = LlamaEngine("demo", str(DEMO), Runtime(context=512, threads=1))
    async with loaded(engine):
        for mode in ("chat", "chat-instruct"):
            profile = Profile(mode=mode, character=POET, language="zh")
            said = as_messages([ChatMessage("user", "背诵李白的《静夜思》，只写正文。")])
            asked = build(profile, said, loaded=engine.loaded)
            events = await play(engine, request_of(mode, asked, GREEDY))
            assert text_of(events).strip()
            assert "\n你:" not in text_of(events)
            count = await engine.count_prompt(asked.counted, answer_start=asked.answer_start)
            assert finish_of(events).timings.prompt_tokens == count


async def test_the_shipped_persona_answers_in_character_and_not_in_the_words_of_the_demo() -> None:
    assistant = read_profile(shipped_folder() / "assistant-zh.yaml")
    assert assistant.character is not None
    greeting = ChatMessage("assistant", greeting_of(assistant.character))
    expected = {
        "你是谁？": "我是AI助理",
        "Who are you?": "我是AI助理",
        "背诵李白的《静夜思》，只写正文。": "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。",
        "法国的首都是哪里？": "不知道",
    }
    engine = LlamaEngine("demo", str(DEMO), Runtime(context=1024, threads=1))
    async with loaded(engine):
        for number, (question, words) in enumerate(expected.items()):
            said = as_messages([greeting, ChatMessage("user", question)])
            asked = build(assistant, said, system=assistant.system, loaded=engine.loaded)
            events = await play(engine, request_of(f"turn-{number}", asked, GREEDY))
            assert words in text_of(events)
            assert "AI助理:" not in text_of(events)
            assert finish_of(events).reason == "stop"


async def test_a_plain_dialogue_goes_on_to_the_users_name_where_it_is_ended() -> None:
    assistant = read_profile(shipped_folder() / "assistant-zh.yaml")
    plain = msgspec.structs.replace(assistant, mode="chat")
    engine = LlamaEngine("demo", str(DEMO), Runtime(context=1024, threads=1))
    async with loaded(engine):
        said = as_messages([ChatMessage("user", "背诵李白的《静夜思》，只写正文。")])
        asked = build(plain, said, system=plain.system, loaded=engine.loaded)
        events = await play(engine, request_of("ended", asked, GREEDY))
        assert finish_of(events).reason == "stop"
        assert text_of(events).strip() == "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"
        free = msgspec.structs.replace(asked, stops=())
        went_on = text_of(await play(engine, request_of("free", free, GREEDY)))
        assert went_on.startswith(f"{text_of(events)}\n用户:")


async def test_a_gap_is_filled_with_the_models_own_tokens() -> None:
    engine = LlamaEngine("demo", str(DEMO), Runtime(context=512, threads=1))
    async with loaded(engine):
        said = as_messages([ChatMessage("user", f"床前明月光，\n{GAP}\n举头望明月，\n低头思故乡。")])
        asked = build(Profile(mode="infill"), said, loaded=engine.loaded)
        assert asked.prompt == "<|fim_prefix|>床前明月光，\n<|fim_suffix|>\n举头望明月，\n低头思故乡。<|fim_middle|>"
        events = await play(engine, request_of("x", asked, GREEDY))
        assert isinstance(events[-1], Finished)
        tokens = await engine.tokenise(asked.prompt)
        assert finish_of(events).timings.prompt_tokens - len(tokens) in {0, 1}  # a begin token
        assert len(await engine.tokenise("<|fim_prefix|><|fim_suffix|><|fim_middle|>")) == 3


async def test_a_model_without_the_tokens_refuses_to_fill_a_gap(tiny_gguf: Path) -> None:
    engine = LlamaEngine("tiny", str(tiny_gguf), Runtime(context=512, threads=1))
    async with loaded(engine):
        said = as_messages([ChatMessage("user", f"a{GAP}b")])
        with pytest.raises(UsageError, match="cannot fill a gap"):
            build(Profile(mode="infill"), said, loaded=engine.loaded)
        served = build(Profile(mode="infill"), said)
        (event,) = await play(engine, request_of("x", served, GREEDY))
        assert isinstance(event, Failed)
