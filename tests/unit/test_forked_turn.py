"""A question put to another model: its answer stands beside the others, and the chat stays as it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from unit.session_bench import ENDLESS, SHORT, ask, contents, until

from llmtui.domain.events import Failed, TurnEvent
from llmtui.domain.metrics import ProcessMemory
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.profile import Layer, Profile, Wanted
from llmtui.domain.settings import Pool, Runtime, Sampling
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.errors import LlmtuiError, ModelError, OutOfMemoryError, UsageError
from llmtui.services.companion import Companion
from llmtui.services.fork import Fork, question_of
from llmtui.services.host import ModelHost
from llmtui.services.session import ChatSession
from llmtui.store.paths import Folders
from llmtui.store.transcripts import read_transcript

pytestmark = pytest.mark.usefixtures("quiet_host")

MIB = 1 << 20
OTHER = ScriptedTurn(tokens=("床前", "看月光"))
BROKEN = ScriptedTurn(tokens=("half",), failure=Failed("engine", "It broke", "", "Again"))


def info(name: str, size: int = MIB) -> ModelInfo:
    return ModelInfo(
        name=name, path=f"/{name}.gguf", parts=(f"/{name}.gguf",), source="file", size_bytes=size, modified_ns=0
    )


class Bench:
    """A host of scripted models by name, with room as a test wants it, and one chat."""

    def __init__(self, folders: Folders) -> None:
        self.scripts: dict[str, ScriptedTurn] = {}
        self.failure: LlmtuiError | None = None
        self.made: dict[str, ScriptedEngine] = {}
        self.host = ModelHost(
            self.open,
            Runtime(),
            limits=Pool(memory="4GiB"),
            free_memory=lambda: 100 << 30,
            process_memory=lambda _pid: ProcessMemory(rss_anon_bytes=10 * MIB, rss_file_bytes=0),
        )
        self.chat = ChatSession.new(self.host, folders, sampling=Sampling(seed=1))

    def open(self, model: ModelInfo, runtime: Runtime) -> ScriptedEngine:
        granted = LoadedModel(
            name=model.name, description="", engine="scripted", engine_build="1", context_size=4096, pid=1
        )
        script = self.scripts.get(model.name, SHORT)
        self.made[model.name] = ScriptedEngine([script], model=granted, load_failure=self.failure, load_s=0.001)
        return self.made[model.name]

    async def load(self, name: str) -> None:
        async for _ in self.host.load(info(name)):
            pass

    async def fork_host(self, name: str, size: int = MIB) -> Companion:
        host = self.host.companion(self.host.runtime)
        async for _ in host.load(info(name, size)):
            pass
        return host

    async def fork(self, name: str = "other", wanted: Wanted | None = None) -> list[TurnEvent]:
        host = await self.fork_host(name)
        forked = Fork(self.chat, host, question_of(self.chat, None), wanted=wanted)
        events = [event async for event in forked.answer()]
        await host.close()
        return events


@pytest.fixture
async def bench(folders: Folders) -> AsyncIterator[Bench]:
    made = Bench(folders)
    await made.load("tiny")
    yield made
    await made.chat.close()
    await made.host.close()


def versions(chat: ChatSession) -> list[tuple[str | None, str]]:
    question = question_of(chat, None)
    return [(each.model, each.content) for each in chat.thread.tree.messages if each.parent_id == question.id]


def on_disk(chat: ChatSession) -> bytes:
    return Path(chat.path).read_bytes()


async def test_the_answer_stands_beside_and_the_chat_goes_on_from_where_it_is(bench: Bench) -> None:
    bench.scripts["other"] = OTHER
    await ask(bench.chat)
    await bench.fork()

    assert versions(bench.chat) == [("tiny", "yes it is"), ("other", "床前看月光")]
    assert contents(bench.chat) == [("user", "is it?"), ("assistant", "yes it is")]
    assert bench.host.info == info("tiny")
    assert [turn.manifest.model for turn in bench.chat.turns] == ["tiny", "other"]
    await ask(bench.chat, "and now?")
    assert contents(bench.chat)[-1] == ("assistant", "yes it is")
    await bench.chat.close()
    kept = read_transcript(bench.chat.path)
    assert [message.content for message in kept.conversation] == ["is it?", "yes it is", "and now?", "yes it is"]
    assert len(kept.turns) == 3


async def test_the_models_stay_warm_and_going_on_with_the_other_one_takes_no_load(bench: Bench) -> None:
    await ask(bench.chat)
    await bench.fork()
    assert [model.name for model in bench.host.warm] == ["tiny", "other"]
    engine = bench.made["other"]
    await bench.load("other")
    assert bench.host.engine is engine


async def test_an_earlier_question_is_forked_and_the_conversation_behind_it_stays(bench: Bench) -> None:
    bench.scripts["other"] = OTHER
    await ask(bench.chat, "one")
    await ask(bench.chat, "two")
    first = bench.chat.messages[1]
    host = await bench.fork_host("other")
    forked = Fork(bench.chat, host, question_of(bench.chat, first.id))
    async for _ in forked.answer():
        pass
    assert [content for _, content in contents(bench.chat)] == ["one", "yes it is", "two", "yes it is"]
    assert [each.content for each in bench.chat.thread.tree.versions(first.id)] == ["yes it is", "床前看月光"]


async def test_another_profile_brings_its_own_settings_and_the_manifest_tells_them(bench: Bench) -> None:
    await ask(bench.chat)
    profile = Profile(name="terse", overflow="compact")
    wanted = Wanted(profile=profile, layers=(Layer("profile terse", {"temperature": 0.0}),), system="Be short.")
    await bench.fork(wanted=wanted)
    manifest = bench.chat.turns[-1].manifest
    assert (manifest.profile, manifest.system, manifest.sampling.temperature) == ("terse", "Be short.", 0.0)
    assert bench.chat.system is None
    assert bench.chat.wanted.profile.name == "default"


async def test_a_stopped_answer_is_kept_and_the_chat_can_be_asked_at_once(bench: Bench) -> None:
    bench.scripts["other"] = ENDLESS
    await ask(bench.chat)
    host = await bench.fork_host("other")
    forked = Fork(bench.chat, host, question_of(bench.chat, None))

    async def run() -> None:
        async for _ in forked.answer():
            pass

    task = asyncio.create_task(run())
    await until(lambda: forked.running is not None and bool(forked.running.text))
    with pytest.raises(UsageError):
        bench.chat.thread.refuse_if_busy()
    await forked.cancel()
    await task
    assert versions(bench.chat)[-1][1].startswith("a")
    assert contents(bench.chat)[-1] == ("assistant", "yes it is")
    await ask(bench.chat, "again?")
    assert contents(bench.chat)[-2] == ("user", "again?")


async def test_what_came_before_a_kill_is_kept_beside_the_conversation(bench: Bench) -> None:
    bench.scripts["other"] = ENDLESS
    await ask(bench.chat)
    host = await bench.fork_host("other")
    forked = Fork(bench.chat, host, question_of(bench.chat, None))

    async def run() -> None:
        async for _ in forked.answer():
            pass

    task = asyncio.create_task(run())

    await until(lambda: b'"partial"' in on_disk(bench.chat) and on_disk(bench.chat).endswith(b"\n"))
    copy = bench.chat.path.with_name("killed.jsonl")
    copy.write_bytes(on_disk(bench.chat))
    found = read_transcript(copy)
    assert [message.content for message in found.conversation] == ["is it?", "yes it is"]
    beside = [message for message in found.messages if message.model == "other"]
    assert len(beside) == 1
    assert beside[0].content.startswith("a")
    await forked.cancel()
    await task


async def test_a_turn_that_breaks_keeps_what_came_and_tells_why(bench: Bench) -> None:
    bench.scripts["other"] = BROKEN
    await ask(bench.chat)
    events = await bench.fork()
    assert isinstance(events[-1], Failed)
    assert versions(bench.chat)[-1] == ("other", "half")
    assert contents(bench.chat)[-1] == ("assistant", "yes it is")


async def test_a_model_that_cannot_be_loaded_changes_nothing(bench: Bench) -> None:
    await ask(bench.chat)
    before = on_disk(bench.chat)
    bench.failure = ModelError("The model is damaged", cause="x", remedy="Fetch it again")
    with pytest.raises(ModelError):
        await bench.fork()
    assert bench.host.alive
    assert on_disk(bench.chat) == before


async def test_without_room_for_both_the_present_model_stays_and_the_error_tells_what_to_do(bench: Bench) -> None:
    await bench.load("spare")
    await bench.load("tiny")
    with pytest.raises(OutOfMemoryError, match="no room for large beside tiny") as raised:
        await bench.fork_host("large", 8 << 30)
    assert "about 10.1 GiB; loaded models may take 4.0 GiB" in raised.value.cause
    assert "answer the question again" in raised.value.remedy
    assert bench.made["tiny"].alive
    assert [model.name for model in bench.host.warm] == ["tiny", "spare"]


async def test_a_spare_model_makes_room_but_never_the_present_one(bench: Bench) -> None:
    await bench.load("spare")
    await bench.load("tiny")
    present = bench.host.engine
    host = await bench.fork_host("other", 2973 * MIB)
    assert bench.host.engine is present
    assert present is not None
    assert present.alive
    assert host.alive
    await host.close()


async def test_what_cannot_be_forked_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no question yet"):
        question_of(bench.chat, None)
    bench.scripts["tiny"] = ENDLESS
    await bench.load("tiny2")
    bench.scripts["slow"] = ENDLESS
    await bench.load("slow")
    task = asyncio.create_task(ask(bench.chat))
    await until(lambda: bench.chat.running is not None and bool(bench.chat.running.text))
    with pytest.raises(UsageError, match="being written"):
        question_of(bench.chat, None)
    await bench.chat.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_the_present_model_may_answer_the_fork_too_and_stays(bench: Bench) -> None:
    await ask(bench.chat)
    engine = bench.host.engine
    await bench.fork("tiny")
    assert bench.host.engine is engine
    assert bench.host.alive
    assert [model for model, _ in versions(bench.chat)] == ["tiny", "tiny"]
    assert list(bench.made) == ["tiny"]


async def test_ending_a_fork_by_force_leaves_the_chats_model_alone(bench: Bench) -> None:
    bench.scripts["other"] = ENDLESS
    await ask(bench.chat)
    host = await bench.fork_host("other")
    forked = Fork(bench.chat, host, question_of(bench.chat, None))

    async def run() -> list[TurnEvent]:
        return [event async for event in forked.answer()]

    task = asyncio.create_task(run())
    await until(lambda: forked.running is not None and bool(forked.running.text))
    await host.give_up()
    assert isinstance((await task)[-1], Failed)
    assert not bench.made["other"].alive
    assert bench.host.alive
    assert versions(bench.chat)[-1][1].startswith("a")
    await host.close()
    assert [model.name for model in bench.host.warm] == ["tiny"]
