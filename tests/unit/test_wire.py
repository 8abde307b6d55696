"""Frames: whatever the pipe does to them, what comes out is what went in, or an error."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.events import Delta, Failed, Finished, LoadProgress, PrefillProgress, Timings
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.base import GenerateRequest
from llmtui.engines.llama import wire
from llmtui.engines.llama.wire import (
    Cancel,
    Command,
    Count,
    Counted,
    Generate,
    Load,
    LoadReply,
    Refused,
    Reply,
    Shutdown,
    Tokenise,
    Tokens,
    TurnReply,
    command_reader,
    encode,
    reply_reader,
)
from llmtui.errors import EngineError

MESSAGES = (ChatMessage("system", "你是助理"), ChatMessage("user", "\x1b[2J hello"))
REQUEST = GenerateRequest(id="a", messages=MESSAGES, sampling=Sampling(stop=("\n",), seed=3), slot=1)
FAILURE = Failed("engine", "It broke", "why", "do this")
COMMANDS: list[Command] = [
    Load("demo", "/models/demo.gguf", "", Runtime(context=4096)),
    Generate(REQUEST),
    Cancel("a"),
    Count("b", MESSAGES),
    Tokenise("c", "text"),
    Shutdown(),
]
REPLIES: list[Reply] = [
    LoadReply(LoadProgress("reading weights", 0.5)),
    LoadReply(FAILURE),
    TurnReply("a", PrefillProgress(1, 2, 0, 10)),
    TurnReply("a", Delta("床前明月光", (11, 12))),
    TurnReply("a", Finished("stop", Timings(prompt_tokens=2), 13)),
    Counted("b", 7),
    Tokens("c", [1, 2, 3]),
    Refused("d", FAILURE),
]


@given(cuts=st.lists(st.integers(1, 40)))
def test_commands_arrive_whole_however_the_pipe_cuts_them(cuts: list[int]) -> None:
    data = b"".join(encode(command) for command in COMMANDS)
    reader = command_reader()
    received: list[Command] = []
    for cut in [*cuts, len(data)]:
        received += reader.feed(data[:cut])
        data = data[cut:]
    assert received == COMMANDS


def test_replies_arrive_as_sent() -> None:
    assert reply_reader().feed(b"".join(encode(reply) for reply in REPLIES)) == REPLIES


@given(st.binary(max_size=200))
def test_garbage_never_becomes_a_message_of_ours(data: bytes) -> None:
    reader = reply_reader()
    received: list[Reply] = []
    with contextlib.suppress(EngineError):
        received = reader.feed(data)
    assert all(encode(reply) for reply in received)
    assert len(received) <= len(data) // 5


def test_an_absurd_length_is_refused_before_it_is_awaited() -> None:
    with pytest.raises(EngineError, match="4,294,967,295"):
        reply_reader().feed(struct.pack(">I", 0xFFFFFFFF))


def test_a_command_is_no_reply() -> None:
    with pytest.raises(EngineError, match="unreadable"):
        reply_reader().feed(encode(Shutdown()))


def test_a_torn_frame_is_no_message() -> None:
    reader = reply_reader()
    assert reader.feed(encode(Counted("b", 7))[:-1]) == []
    assert reader.feed(encode(Counted("b", 7))[-1:]) == [Counted("b", 7)]


def test_a_message_above_the_cap_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME", 100)
    with pytest.raises(EngineError, match="too long"):
        encode(Tokenise("a", "x" * 200))
