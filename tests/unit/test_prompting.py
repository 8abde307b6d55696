"""How each mode puts a conversation before a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.messages import ChatMessage, Message, Role
from llmtui.domain.models import LoadedModel
from llmtui.domain.profile import Character, Mode, Profile
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.streaming import AnswerText
from llmtui.errors import UsageError
from llmtui.services.conversation import as_messages
from llmtui.services.prompting import GAP, Asked, Note, build, whole_turns

POET = Character(
    name="Li Bai",
    user_name="Du Fu",
    context="{{char}} is a poet. <BOT> drinks with {{user}}.",
    greeting="Welcome, <USER>!",
    example_dialogue="{{user}}: Wine?\n{{char}}: Always.",
)
SAID = as_messages(
    [
        ChatMessage("assistant", "Welcome, Du Fu!"),
        ChatMessage("user", "How are you?"),
        ChatMessage("assistant", "Drunk."),
        ChatMessage("user", "Still?"),
    ]
)


def loaded(**more: object) -> LoadedModel:
    return LoadedModel(name="m", description="", engine="llama.cpp", engine_build="1", context_size=512, **more)


def test_instruct_sends_roles_and_leaves_a_greeting_out() -> None:
    template = NamedTemplate(name="t", text="{{ messages }}")
    asked = build(Profile(), SAID, system="be brief", answer_start="Yes", template=template)
    assert [(each.role, each.content) for each in asked.messages] == [
        ("system", "be brief"),
        ("user", "How are you?"),
        ("assistant", "Drunk."),
        ("user", "Still?"),
    ]
    assert asked.dropped == ("0",)
    assert (asked.answer_start, asked.template, asked.stops) == ("Yes", template, ())


def test_chat_is_a_dialogue_of_names_behind_the_persona() -> None:
    asked = build(Profile(mode="chat", character=POET), SAID)
    assert asked.prompt is not None
    assert asked.prompt + asked.answer_start == (
        "Li Bai is a poet. Li Bai drinks with Du Fu.\n\n"
        "Du Fu: Wine?\nLi Bai: Always.\n\n"
        "Li Bai: Welcome, Du Fu!\nDu Fu: How are you?\nLi Bai: Drunk.\nDu Fu: Still?\nLi Bai:"
    )
    assert asked.stops == ("\nDu Fu:", "\nDu Fu\uff1a", "\nLi Bai:", "\nLi Bai\uff1a")
    assert asked.trimmed
    assert asked.dropped == ()


def test_chat_drops_the_oldest_turns_and_never_the_persona() -> None:
    asked = build(Profile(mode="chat", character=POET), SAID, leave_out=99)
    assert asked.prompt == (
        "Li Bai is a poet. Li Bai drinks with Du Fu.\n\nDu Fu: Wine?\nLi Bai: Always.\n\nDu Fu: Still?\n"
    )
    assert asked.dropped == ("0", "1", "2")


@pytest.mark.parametrize(
    ("language", "command", "begins"),
    [
        ("en", None, "Below is a dialogue."),
        ("zh-CN", None, "下面是一段对话。"),
        ("zh", "Be {{char}}!", "Be Li Bai!\n\nLi Bai is a poet."),
    ],
)
def test_chat_instruct_wraps_the_whole_dialogue_in_one_turn(language: str, command: str | None, begins: str) -> None:
    profile = Profile(mode="chat-instruct", character=POET, language=language, command=command)
    asked = build(profile, SAID, system="S", answer_start="Ye")
    system, turn = asked.messages
    assert (system.role, system.content, turn.role) == ("system", "S", "user")
    assert turn.content.startswith(begins)
    assert "Li Bai" in turn.content.split("\n")[0]
    assert turn.content.endswith("Li Bai: Drunk.\nDu Fu: Still?")
    assert asked.answer_start == "Li Bai: Ye"


def test_text_is_what_was_written_and_nothing_else() -> None:
    said = as_messages([ChatMessage("user", "Once upon"), ChatMessage("assistant", " a time"), ChatMessage("user", "")])
    assert build(Profile(mode="text"), said).prompt == "Once upon a time"


def test_infill_writes_the_models_own_tokens() -> None:
    model = loaded(infill=("<P>", "<S>", "<M>"))
    said = as_messages([ChatMessage("user", f"def f():{GAP}\nf()")])
    assert build(Profile(mode="infill"), said, loaded=model).prompt == "<P>def f():<S>\nf()<M>"
    served = build(Profile(mode="infill"), said, loaded=loaded(served_by="Ollama"))
    assert (served.prompt, served.suffix) == ("def f():", "\nf()")


@pytest.mark.parametrize(("text", "problem"), [("no gap", "has no gap"), (f"{GAP}{GAP}", "more than one gap")])
def test_infill_needs_one_gap(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        build(Profile(mode="infill"), as_messages([ChatMessage("user", text)]), loaded=loaded(infill=("a", "b", "c")))


def test_infill_on_a_model_without_the_tokens_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot fill a gap"):
        build(Profile(mode="infill"), as_messages([ChatMessage("user", f"a{GAP}b")]), loaded=loaded())


@pytest.mark.parametrize("mode", ["instruct", "chat", "chat-instruct"])
def test_a_note_stands_for_what_it_covers(mode: Mode) -> None:
    note = Note(covers=("0", "1", "2"), text="They drink.")
    asked = build(Profile(mode=mode, character=POET, language="zh"), SAID, system="S", note=note)
    sent = asked.prompt or asked.messages[-1].content
    assert "此前对话的摘要：\nThey drink." in sent
    assert "Drunk." not in sent
    assert asked.dropped == ("0", "1", "2")


def test_a_reply_ends_at_the_names_however_the_tokens_cut_them() -> None:
    stops = build(Profile(mode="chat", character=Character(name="李白", user_name="杜甫")), SAID).stops
    for text in ("床前明月光\n杜甫：好", "床前明月光\n杜甫: 好", "床前明月光\n李白:"):
        data = text.encode()
        for width in (1, 2, 4, 5, 7):
            answer = AnswerText(stops)
            pieces = [data[at : at + width] for at in range(0, len(data), width)]
            said = "".join(answer.feed(piece) for piece in pieces)
            assert answer.stopped
            assert said == "床前明月光"


ROLES: list[Role] = ["user", "assistant"]
MODES: list[Mode] = ["instruct", "chat", "chat-instruct", "text"]


@given(
    st.lists(st.tuples(st.sampled_from(ROLES), st.text("ab ", min_size=1).filter(str.strip))),
    st.sampled_from(MODES),
    st.integers(0, 5),
)
def test_every_message_is_sent_or_told_as_dropped(said: list[tuple[Role, str]], mode: Mode, leave_out: int) -> None:
    conversation: list[Message] = [
        Message(id=str(at), parent_id=None, role=role, content=f"<{at}>{text}", created_at="")
        for at, (role, text) in enumerate([*said, ("user", "last")])
    ]
    asked: Asked = build(Profile(mode=mode, character=POET), conversation, leave_out=leave_out)
    sent = asked.prompt or "\n".join(message.content for message in asked.messages)
    for message in conversation:
        assert (message.content.strip() in sent) is (message.id not in asked.dropped)
    assert conversation[-1].id not in asked.dropped
    assert [message for turn in whole_turns(conversation) for message in turn] == conversation
