"""A run as the form has it: conversations as sets, profiles, room, and the form's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.run_bench import Opened, samples

from llmtui.app import run_form as form
from llmtui.domain.fit import Room
from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.profile import Profile
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import UsageError
from llmtui.services.prompt_sets import read_set
from llmtui.services.runs import preparing
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.past import remove_run
from llmtui.services.runs.plan import Wishes
from llmtui.services.runs.preparing import Source, plan_run, sources_of
from llmtui.store.chat_sets import write_chat_set
from llmtui.store.runs import runs_dir

YES = ScriptedTurn(tokens=("yes",))
SAID = (
    ChatMessage("system", "你是李白。"),
    ChatMessage("user", "file://etc/passwd {{name}} \\{{x}}\n\n  静夜思 "),
    ChatMessage("assistant", "# no comment: [1, 2]\n"),
    ChatMessage("user", "再来一遍\n"),
)


def message(id_: str, role: str, content: str) -> Message:
    return Message(id=id_, parent_id=None, role=role, content=content, created_at="")  # type: ignore[arg-type]


def read_back(path) -> tuple[ChatMessage, ...]:
    (sample,) = read_set(path)[1]
    return tuple(ChatMessage(turn.role, turn.content or "") for turn in sample.turns)


def test_a_conversation_comes_back_from_its_set_as_it_was(tmp_path):
    path = write_chat_set(tmp_path / "runs", "chat", "再来一遍 {{a}}", SAID)
    assert read_back(path) == SAID
    assert read_set(path)[1][0].id == "再来一遍 {{a}}"
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.text(min_size=1).filter(lambda text: text.isprintable()), st.sampled_from(["", "file://", "{{", "- ", "\n"]))
def test_any_question_comes_back(tmp_path_factory, text, before):
    said = (ChatMessage("user", before + text),)
    assert read_back(write_chat_set(tmp_path_factory.mktemp("x"), "draft", "q", said)) == said


def test_the_draft_stands_alone_and_a_conversation_ends_with_its_last_question():
    messages = [
        message("1", "user", "hello"),
        message("2", "assistant", "hi"),
        message("3", "user", "once"),
        message("4", "user", "again"),
        message("5", "assistant", "…"),
    ]
    draft, chat = sources_of("be short", messages, "a draft")
    assert [one.content for one in draft.said] == ["be short", "a draft"]
    assert [one.content for one in chat.said] == ["be short", "hello", "hi", "once\n\nagain"]
    assert sources_of(None, [], "  ") == []
    assert [one.role for one in sources_of(None, messages[:1], "")[0].said] == ["user"]


async def test_a_draft_is_put_to_models_and_its_set_goes_with_the_run(tmp_path):
    opened = Opened(tmp_path, [YES])
    source = Source(name="draft", said=(ChatMessage("user", "生鱼片是不是死鱼片？"),))
    plan = plan_run(opened.services, Wishes(sets=(), models=("demo",)), [source], Profile(), {"temperature": 0.0})
    assert [(one.name, one.samples) for one in plan.sets] == [("draft", 1)]
    assert plan.wanted.sampling.temperature == 0.0
    book = await RunBook.begin(opened.folders, None, plan)
    await opened.run(book)
    (record,) = samples(book)
    assert (record.sample, record.content) == ("生鱼片是不是死鱼片？", "yes")
    assert len(list(runs_dir(opened.folders).iterdir())) == 2
    remove_run(book.path)
    assert list(runs_dir(opened.folders).iterdir()) == []


def test_a_plan_that_fails_leaves_no_set_behind(tmp_path):
    opened = Opened(tmp_path, [YES])
    source = Source(name="draft", said=(ChatMessage("user", "hello"),))
    with pytest.raises(UsageError):
        plan_run(opened.services, Wishes(sets=("no-such",), models=("demo",)), [source], Profile(), {})
    assert list(runs_dir(opened.folders).iterdir()) == []


def test_a_model_without_room_beside_the_chat_s_is_told(tmp_path, monkeypatch):
    opened = Opened(tmp_path, [YES])
    demo = opened.services.catalogue.resolve("demo")
    monkeypatch.setattr(preparing, "read_room", lambda *_: Room(available_bytes=1 << 20, total_bytes=1 << 30))
    tight = preparing.crowding(opened.services, [demo], Profile(), parallel=1)
    assert tight is not None
    assert (tight.model, tight.available_bytes, tight.fits_alone) == ("demo", 1 << 20, False)
    monkeypatch.setattr(preparing, "read_room", lambda *_: Room(available_bytes=1 << 35, total_bytes=1 << 36))
    assert preparing.crowding(opened.services, [demo], Profile(), parallel=1) is None


def test_numbers_of_the_form():
    epochs, parallel, limit, seed = form.NUMBERS
    assert form.number(epochs, "") is None
    assert form.number(limit, " 1,000 ") == 1000
    assert form.number(seed, "0") == 0
    for field, text in (
        (epochs, "0"),
        (epochs, "1001"),
        (parallel, "x"),
        (limit, "-1"),
        (seed, "4294967295"),
        (limit, "٣"),
    ):
        with pytest.raises(ValueError, match=field.name):
            form.number(field, text)


def test_what_a_run_comes_to():
    sets = [form.Listed(key="a", name="a", samples=30), form.Listed(key="b", name="b", samples=4)]
    assert form.amount(sets, 3, None, None) == "34 samples × 3 models = 102 answers"
    assert form.amount(sets, 1, 2, 10) == "14 samples × 2 epochs × 1 model = 28 answers"
    several = [*sets, form.Listed(key="c", name="c", samples=1, epochs=5)]
    assert form.amount(several, 1, None, 1) == "3 samples × their epochs × 1 model = 7 answers"
