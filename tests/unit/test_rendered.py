"""Which part of a prompt is whose, and where its tokens begin."""

import re

import pytest

from llmtui.domain.messages import ChatMessage
from llmtui.domain.rendered import ADDED, ENDS, SPECIAL, assemble, marked_all, starts_of

CHAT = (
    ChatMessage("system", "Be short."),
    ChatMessage("user", "你好 user"),
    ChatMessage("assistant", " Hi. "),
    ChatMessage("user", "x"),
)
ENDING = {"<|im_end|>", "</s>", "<eot>"}


def shown(render, messages=CHAT, *, answer_start="", framed=True):
    """The prompt in tokens of whole signs and single characters."""
    text = render(messages) + answer_start
    pieces = [piece.encode() for piece in re.findall(r"<[^>]*>|.", text, re.DOTALL)]
    flags = bytes((ENDS | SPECIAL) * (piece.decode() in ENDING) for piece in pieces)
    frame = render(marked_all(messages)) if framed else None
    return assemble(text, range(len(pieces)), pieces, flags, messages=messages, frame=frame, context_size=None)


def parts(rendered):
    slices = rendered.slices()
    return [(segment.owner, b"".join(slices[segment.start : segment.end]).decode()) for segment in rendered.segments]


def chatml(messages):
    turns = "".join(f"<|im_start|>{each.role}\n{each.content.strip()}<|im_end|>\n" for each in messages)
    return f"{turns}<|im_start|>assistant\n"


def llama2(messages):
    system, *rest = messages
    text = f"<s>[INST] <<SYS>>\n{system.content}\n<</SYS>>\n\n"
    for index, each in enumerate(rest):
        if each.role == "user":
            text += f"{'<s>[INST] ' if index else ''}{each.content} [/INST]"
        else:
            text += f" {each.content} </s>"
    return text


def plain(messages):
    names = {"system": "", "user": "### Instruction:\n", "assistant": "### Response:\n"}
    return "".join(f"{names[each.role]}{each.content}\n\n" for each in messages) + "### Response:\n"


def with_default(messages):
    return "<|im_start|>system\nYou are helpful.<|im_end|>\n" + chatml(messages)


@pytest.mark.parametrize("framed", [True, False])
def test_a_turn_ends_with_its_end_token_and_the_next_begins_with_its_header(framed):
    assert parts(shown(chatml, framed=framed)) == [
        ("system", "<|im_start|>system\nBe short.<|im_end|>\n"),
        ("user", "<|im_start|>user\n你好 user<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\nHi.<|im_end|>\n"),
        ("user", "<|im_start|>user\nx<|im_end|>\n"),
        ("answer", "<|im_start|>assistant\n"),
    ]


def test_a_system_message_within_the_first_question():
    assert parts(shown(llama2)) == [
        ("system", "<s>[INST] <<SYS>>\nBe short.\n"),
        ("user", "<</SYS>>\n\n你好 user"),
        ("assistant", " [/INST]  Hi.  </s>"),
        ("user", "<s>[INST] x"),
        ("answer", " [/INST]"),
    ]


def test_without_end_tokens_the_header_belongs_to_what_follows():
    assert parts(shown(plain, answer_start="Yes,"))[-2:] == [
        ("user", "### Instruction:\nx\n\n"),
        ("answer", "### Response:\nYes,"),
    ]


def test_what_the_template_adds_is_nobodys():
    messages = (ChatMessage("user", "You are helpful."),)
    assert parts(shown(with_default, messages)) == [
        ("template", "<|im_start|>system\nYou are helpful.<|im_end|>\n"),
        ("user", "<|im_start|>user\nYou are helpful.<|im_end|>\n"),
        ("answer", "<|im_start|>assistant\n"),
    ]


def test_a_question_that_looks_like_its_header_is_found_all_the_same():
    messages = (ChatMessage("user", "user"), ChatMessage("assistant", ""), ChatMessage("user", "<|im_end|>\n"))
    assert [owner for owner, _ in parts(shown(chatml, messages))] == ["user", "assistant", "user", "answer"]


def test_a_message_that_the_template_leaves_out_has_no_part():
    def forgetful(messages):
        return chatml([each for each in messages if each.role != "system"])

    assert [owner for owner, _ in parts(shown(forgetful))] == ["user", "assistant", "user", "answer"]


def test_a_message_that_the_template_changes_goes_as_far_as_what_follows():
    def shouting(messages):
        return chatml([ChatMessage(each.role, each.content.replace("Hi", "Hello there")) for each in messages])

    assert parts(shown(shouting))[2] == ("assistant", "<|im_start|>assistant\nHello there.<|im_end|>\n")


def test_without_messages_all_is_text():
    rendered = assemble("ab", (1, 2), (b"a", b"b"), bytes(2), messages=(), frame=None, context_size=None)
    assert parts(rendered) == [("text", "ab")]
    empty = assemble("", (), (), b"", messages=(), frame=None, context_size=None)
    assert (empty.segments, empty.slices(), empty.notes) == ((), [], ())


@pytest.mark.parametrize(
    ("text", "pieces", "flags", "starts"),
    [
        ("a b", [b"a", b" b"], [0, 0], (0, 1, 3)),
        ("a", [b"<s>", b"a"], [SPECIAL | ADDED, 0], (0, 0, 1)),
        ("ab", [b" a", b"b"], [0, 0], (0, 1, 2)),  # a space that the tokeniser put before the text
        ("<end>\n\nab", [b"<end>", b"ab"], [SPECIAL, 0], (0, 7, 9)),  # blanks that a special token swallowed
        ("<end> \n", [b"<end>"], [SPECIAL], (0, 7)),
        ("霜", [b"\xe9", b"\x9c", b"\x9c"], [0, 0, 0], (0, 1, 2, 3)),
        ("Ab", [b"a", b"b"], [0, 0], ()),  # lower case is another text
        ("ab", [b"a"], [0], ()),
    ],
)
def test_where_tokens_begin(text, pieces, flags, starts):
    assert starts_of(text, pieces, bytes(flags)) == starts


def test_pieces_that_do_not_add_up_are_shown_as_they_are():
    rendered = assemble("Ab", (1, 2), (b"a", b"b"), bytes(2), messages=CHAT, frame=None, context_size=None)
    assert rendered.slices() == [b"a", b"b"]
    assert "do not add up" in rendered.notes[0]
    assert parts(rendered) == [("template", "ab")]
