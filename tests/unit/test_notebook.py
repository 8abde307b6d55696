"""A notebook as a conversation: what is sent, what is kept, and going back and forth."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from session_bench import ENDLESS, Bench, SpyEngine, until

from llmtui.domain.events import Failed, Notice
from llmtui.domain.models import LoadedModel
from llmtui.domain.profile import Character, Layer, Profile, Wanted
from llmtui.domain.settings import Sampling
from llmtui.engines.base import GenerateRequest
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import UsageError
from llmtui.services.chats import kind_of, past_chats
from llmtui.services.inspection import inspect, subjects
from llmtui.services.notebook import Notebook, Passage, settings_for
from llmtui.services.prompting import GAP
from llmtui.store.paths import Folders
from llmtui.store.transcripts import read_transcript

MORE = ScriptedTurn(tokens=(" upon", " a", " time"))
OTHER = ScriptedTurn(tokens=(" more",))
PLAIN = Wanted.plain(Sampling(seed=1))


class Asked(SpyEngine):
    """Remembers whole requests."""

    requests: list[GenerateRequest]

    async def generate(self, request: object) -> AsyncIterator[object]:
        self.requests = [*getattr(self, "requests", []), request]
        async for event in super().generate(request):
            yield event


class Desk(Bench):
    """A bench with notebooks."""

    def __init__(self, folders: Folders) -> None:
        super().__init__(folders)
        self.notebooks: list[Notebook] = []

    async def begin(self, *script: ScriptedTurn, context: int = 4096, infill: bool = True) -> Asked:
        model = LoadedModel(
            name="tiny",
            description="",
            engine="scripted",
            engine_build="1",
            context_size=context,
            infill=("<PRE>", "<SUF>", "<MID>") if infill else None,
        )
        await self.load()
        self.engine = engine = Asked(script or [MORE, OTHER], model=model)
        async for _ in self.host.load(msgspec.structs.replace(self.host.info, path="/other.gguf")):
            pass
        return engine

    def notebook(self, text: str = "", wanted: Wanted = PLAIN) -> Notebook:
        self.notebooks.append(Notebook.new(self.host, self.folders, wanted=wanted))
        self.notebooks[-1].note(text)
        return self.notebooks[-1]

    def again(self, path: Path) -> Notebook:
        self.notebooks.append(Notebook.reopen(self.host, self.folders, path, wanted=PLAIN))
        return self.notebooks[-1]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(Folders(data_dir=tmp_path, config_dir=tmp_path, cache_dir=tmp_path))
    yield desk
    for notebook in desk.notebooks:
        await notebook.close()
    await desk.host.close()


async def write(notebook: Notebook) -> list[object]:
    return [event async for event in notebook.write()]


async def again(notebook: Notebook) -> list[object]:
    return [event async for event in notebook.again()]


def kinds(path: Path) -> list[str]:
    return [json.loads(line)["record"] for line in path.read_text("utf-8").splitlines()]


async def test_the_model_goes_on_at_the_end_without_template_persona_or_system(desk: Desk) -> None:
    engine = await desk.begin()
    profile = Profile(
        name="p", mode="chat-instruct", character=Character(name="李白"), system="be brief", overflow="slide"
    )
    wanted = Wanted(profile=profile, layers=(Layer("edit", {"top_k": 7, "stop": ["###"]}),), system="be brief")
    notebook = desk.notebook("Once", wanted)
    await write(notebook)
    assert notebook.text == "Once upon a time"
    assert notebook.generated == Passage(4, 16)
    (request,) = engine.requests
    assert (request.prompt, request.messages, request.template) == ("Once", (), None)
    assert (request.sampling.top_k, request.sampling.stop) == (7, ("###",))
    manifest = notebook.last_turn.manifest
    assert (manifest.mode, manifest.profile, manifest.system) == ("text", "p", None)


async def test_a_profile_for_raw_text_keeps_its_system_text(desk: Desk) -> None:
    engine = await desk.begin()
    notebook = desk.notebook("Once", Wanted(profile=Profile(mode="text", system="# Tale\n"), system="of the config"))
    await write(notebook)
    assert engine.requests[0].prompt == "# Tale\nOnce"
    assert settings_for(Wanted(system="of the config"), "").system == ""


async def test_a_gap_is_filled_between_prefix_and_suffix(desk: Desk) -> None:
    engine = await desk.begin()
    notebook = desk.notebook(f"def f():{GAP}\nend")
    await write(notebook)
    assert engine.requests[0].prompt == "<PRE>def f():<SUF>\nend<MID>"
    assert notebook.text == "def f(): upon a time\nend"
    assert notebook.generated == Passage(8, 20)
    notebook.undo()
    assert notebook.text == f"def f():{GAP}\nend"


@pytest.mark.parametrize(
    ("text", "infill", "words"),
    [
        ("  \n", True, "nothing to go on from"),
        (f"a{GAP}b", False, "cannot fill a gap"),
        (f"a{GAP}b{GAP}", True, "more than one gap"),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_stays_as_it_is(
    desk: Desk, text: str, infill: bool, words: str
) -> None:
    engine = await desk.begin(infill=infill)
    notebook = desk.notebook(text)
    with pytest.raises(UsageError, match=words):
        await write(notebook)
    assert notebook.text == text
    assert not hasattr(engine, "requests")
    await notebook.close()
    assert "message" not in kinds(notebook.session.path)


async def test_without_a_model_the_text_is_kept(desk: Desk) -> None:
    notebook = desk.notebook("Once")
    with pytest.raises(UsageError, match="No model"):
        await write(notebook)
    await notebook.close()
    assert desk.again(notebook.session.path).text == "Once"


async def test_generations_are_taken_back_and_brought_back_one_by_one_with_what_was_typed_between(desk: Desk) -> None:
    await desk.begin(MORE, OTHER)
    notebook = desk.notebook("Once")
    await write(notebook)
    notebook.note("Once upon a time, long ago")
    await write(notebook)
    notebook.note("Once upon a time, long ago more. End")
    states = ["Once upon a time, long ago", "Once"]
    for state in states:
        notebook.undo()
        assert notebook.text == state
    with pytest.raises(UsageError, match="nothing to take back"):
        notebook.undo()
    for state in ["Once upon a time", "Once upon a time, long ago more", "Once upon a time, long ago more. End"]:
        notebook.redo()
        assert notebook.text == state
    with pytest.raises(UsageError, match="nothing to bring back"):
        notebook.redo()


async def test_a_text_changed_after_going_back_is_a_branch_of_its_own(desk: Desk) -> None:
    await desk.begin(MORE, OTHER)
    notebook = desk.notebook("Once")
    await write(notebook)
    notebook.undo()
    assert notebook.taken_back
    notebook.note("Twice")
    with pytest.raises(UsageError, match="changed"):
        notebook.redo()
    await write(notebook)
    assert notebook.text == "Twice more"
    notebook.undo()
    assert notebook.text == "Twice"
    notebook.redo()
    assert notebook.text == "Twice more"


async def test_written_anew_is_another_version_of_the_same_place(desk: Desk) -> None:
    engine = await desk.begin(MORE, OTHER)
    notebook = desk.notebook("Once")
    await write(notebook)
    await again(notebook)
    assert notebook.text == "Once more"
    assert notebook.versions == (2, 2)
    assert [request.prompt for request in engine.requests] == ["Once", "Once"]
    notebook.show_version(-1)
    assert (notebook.text, notebook.versions) == ("Once upon a time", (1, 2))
    with pytest.raises(UsageError, match="no older version"):
        notebook.show_version(-1)
    notebook.undo()
    notebook.redo()
    assert notebook.text == "Once upon a time"  # the version that was shown
    notebook.undo()
    await again(notebook)
    assert notebook.versions == (3, 3)
    notebook.note("changed")
    for move in (lambda: notebook.show_version(-1), notebook.redo):
        with pytest.raises(UsageError, match="changed"):
            move()
    with pytest.raises(UsageError, match="changed"):
        await again(notebook)


async def test_everything_is_the_same_after_reopening(desk: Desk) -> None:
    await desk.begin(MORE, OTHER)
    notebook = desk.notebook("Once")
    await write(notebook)
    notebook.note("Once upon a time 月 \ud800 and")
    await write(notebook)
    notebook.note("Once upon a time 月 \ufffd and more!")
    await notebook.close()
    path = notebook.session.path
    assert path.stat().st_mode & 0o777 == 0o600
    assert kind_of(path) == "notebook"

    reopened = desk.again(path)
    assert reopened.text == "Once upon a time 月 \ufffd and more!"
    assert reopened.changed
    assert (reopened.session.damaged, read_transcript(path).unknown) == (0, 0)
    reopened.undo()
    assert reopened.text == "Once upon a time 月 \ufffd and"
    reopened.undo()
    assert reopened.text == "Once"
    await reopened.close()
    last = desk.again(path)
    assert last.text == "Once"
    last.redo()
    assert last.text == "Once upon a time"


async def test_what_was_only_typed_is_in_the_history_and_can_be_opened(desk: Desk) -> None:
    notebook = desk.notebook("静夜")
    notebook.note("静夜思\nby Li Bai")
    await notebook.close()
    (chat,) = past_chats(desk.folders).chats
    assert (chat.title, chat.kind, chat.turns) == ("静夜思 by Li Bai", "notebook", 0)
    assert desk.again(notebook.session.path).text == "静夜思\nby Li Bai"


async def test_a_stop_keeps_what_came_and_the_text_goes_on_from_there(desk: Desk) -> None:
    await desk.begin(ENDLESS, OTHER)
    notebook = desk.notebook("Once ")
    events = notebook.write()
    async for _ in events:
        if len(notebook.running or "") > 3:
            with pytest.raises(UsageError, match="being written"):
                notebook.note("other")
            await notebook.session.cancel()
    assert notebook.text.startswith("Once aaa")
    assert notebook.last_turn.message.finish_reason == "cancelled"
    await write(notebook)
    assert notebook.text.endswith("a more")


async def test_a_killed_program_loses_less_than_a_second_of_what_was_written(desk: Desk) -> None:
    await desk.begin(ENDLESS)
    notebook = desk.notebook("Once ")
    path = notebook.session.path
    events = notebook.write()
    async for _ in events:
        if path.exists() and "partial" in kinds(path):
            break
    killed = path.with_name("killed.jsonl")
    killed.write_bytes(path.read_bytes())
    await events.aclose()
    reopened = desk.again(killed)
    assert reopened.text.startswith("Once aaa")
    reopened.undo()
    assert reopened.text == "Once "


async def test_a_text_beyond_the_context_is_refused_with_numbers_and_there_after_reopening(desk: Desk) -> None:
    await desk.begin(context=8)
    notebook = desk.notebook("far too many words for so small a context")
    event = (await write(notebook))[-1]
    assert isinstance(event, Failed)
    assert "the context holds 8" in event.cause
    assert notebook.text == "far too many words for so small a context"
    assert not notebook.taken_back
    count = await notebook.count(notebook.text)
    assert count.exact
    assert count.total_tokens > count.context_size == 8
    await notebook.close()
    reopened = desk.again(notebook.session.path)
    assert reopened.text == notebook.text
    assert not reopened.changed


async def test_a_model_that_adds_nothing_changes_nothing(desk: Desk) -> None:
    await desk.begin(ScriptedTurn(), MORE)
    notebook = desk.notebook("The end.")
    await write(notebook)
    assert notebook.text == "The end."
    await write(notebook)
    assert notebook.text == "The end. upon a time"


async def test_control_characters_of_a_model_are_made_visible(desk: Desk) -> None:
    await desk.begin(ScriptedTurn(tokens=("\x1b[31m", "red\r", "\nnext")))
    notebook = desk.notebook("a ")
    await write(notebook)
    assert notebook.text == "a ␛[31mred\nnext"
    assert not notebook.changed


async def test_a_file_whose_states_go_round_in_circles_is_no_trap(desk: Desk) -> None:
    await desk.begin()
    path = desk.folders.chats_dir / "circle.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"record": "chat", "id": "c", "created_at": "", "llmtui": "0", "kind": "notebook"}]
    for id_, other in (("a", "b"), ("b", "a")):
        message = {"id": id_, "parent_id": None, "role": "user", "content": id_, "created_at": "", "edited_from": other}
        lines.append({"record": "message", "message": message})
    lines.append({"record": "text", "at": 999, "removed": 5, "text": "!"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    notebook = desk.again(path)
    assert notebook.text == "b!"
    for move in (notebook.undo, notebook.redo):
        with pytest.raises(UsageError):
            move()


async def test_changes_are_written_one_by_one(desk: Desk) -> None:
    notebook = desk.notebook("a")
    notebook.note("ab")
    notebook.note("ab")
    path = notebook.session.path
    await until(lambda: path.exists() and kinds(path) == ["chat", "text", "text"])


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (
            "".join(f"line {number} of them\n" for number in range(12)),
            "line 10 of them\nline 11 of them\n",
        ),
        ("one long line of many words without an end " * 3, "an end one long line of many words without an end "),
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。" * 2, "疑是地上霜。举头望明月，低头思故乡。"),
    ],
)
async def test_a_profile_that_lets_slide_sends_the_end_of_the_text_and_says_what_is_left_out(
    desk: Desk, text: str, sent: str
) -> None:
    engine = await desk.begin(context=44)
    notebook = desk.notebook(text, Wanted(profile=Profile(mode="text", system="# ", overflow="slide", reserve=20)))
    events = await write(notebook)
    assert engine.requests[0].prompt == f"# {sent}"
    turn = notebook.last_turn
    cut = len(text) - len(sent)
    assert turn.manifest.cut == cut
    assert f"first {cut} characters of the text are not sent" in turn.message.notices[0]
    assert any(isinstance(event, Notice) and "44 tokens, 20 of which" in event.text for event in events)
    assert notebook.text == f"{text} upon a time"
    past = await inspect(notebook.session, engine, subjects(notebook.session)[0], "")
    assert past.rendered.text == f"# {sent}"


async def test_a_word_that_is_longer_than_the_context_is_refused_with_the_numbers(desk: Desk) -> None:
    await desk.begin(context=44)
    notebook = desk.notebook("1234567890" * 9, Wanted(profile=Profile(mode="text", overflow="slide", reserve=20)))
    event = (await write(notebook))[-1]
    assert isinstance(event, Failed)
    assert "90 tokens" in event.cause
