"""Where the prompt of `llmtui ask` comes from."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llmtui.cli import prompt
from llmtui.errors import UsageError


@contextmanager
def stdin_of(data: bytes) -> Iterator[None]:
    """Standard input is a file that holds `data`."""
    with tempfile.TemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        file.write(data)
        file.seek(0)
        with os.fdopen(os.dup(file.fileno()), encoding="utf-8") as stream:
            patch.setattr(sys, "stdin", stream)
            yield


@contextmanager
def stdin_at(path: str) -> Iterator[None]:
    with open(path) as stream, pytest.MonkeyPatch.context() as patch:  # noqa: PTH123 - /dev/null
        patch.setattr(sys, "stdin", stream)
        yield


@pytest.mark.parametrize(
    ("argument", "data", "whole"),
    [
        (None, b"hello\n", "hello"),
        ("-", b"hello\n\n", "hello"),
        ("Review this", b"diff\n", "Review this\n\ndiff"),
        ("Review this", b"", "Review this"),
        ("Review this", b" \n", "Review this"),
        (None, "\ufeff静夜思\r\n床前".encode(), "静夜思\n床前"),
        ("a\nb", b"", "a\nb"),
    ],
)
def test_argument_and_standard_input(argument: str | None, data: bytes, whole: str) -> None:
    with stdin_of(data):
        assert prompt.read_prompt(argument) == whole


@pytest.mark.parametrize(
    ("argument", "data", "whole"),
    [
        (None, b"def f():\n    ", "def f():\n    "),
        ("-", b"hello\r\n\n", "hello\r\n\n"),
        ("def f():", b"\n", "def f():\n"),
        ("hello ", b"", "hello "),
        (None, b"\n", "\n"),
    ],
)
def test_a_raw_prompt_is_taken_to_the_letter(argument: str | None, data: bytes, whole: str) -> None:
    with stdin_of(data):
        assert prompt.read_prompt(argument, raw=True) == whole


def test_an_empty_raw_prompt_is_refused() -> None:
    with stdin_of(b""), pytest.raises(UsageError, match="There is no prompt"):
        prompt.read_prompt(None, raw=True)


def test_beside_an_argument_other_kinds_of_standard_input_are_left_alone() -> None:
    with stdin_at("/dev/null"):
        assert prompt.read_prompt("hello") == "hello"


@pytest.mark.parametrize(("argument", "data"), [(None, b""), ("-", b" \n\t"), ("", b""), ("  ", b"")])
def test_an_empty_prompt_is_refused(argument: str | None, data: bytes) -> None:
    with stdin_of(data), pytest.raises(UsageError, match="There is no prompt"):
        prompt.read_prompt(argument)


@pytest.mark.parametrize("argument", [None, "-", "hello"])
def test_invalid_utf8_is_refused_with_its_offset(argument: str | None) -> None:
    with stdin_of("静".encode() + b"ab\xff\xfe"), pytest.raises(UsageError, match="0xff at offset 5") as caught:
        prompt.read_prompt(argument)
    assert "iconv" in caught.value.remedy


def test_half_a_character_at_the_end_is_refused() -> None:
    with stdin_of("静夜".encode()[:-1]), pytest.raises(UsageError, match="offset 3"):
        prompt.read_prompt(None)


def test_bytes_of_the_command_line_that_are_no_utf8_are_refused() -> None:
    argument = os.fsdecode(b"ab\xff")
    with stdin_at("/dev/null"), pytest.raises(UsageError, match="Character 3 is the byte 0xff"):
        prompt.read_prompt(argument)


def test_endless_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "LIMIT", 1 << 20)
    with stdin_at("/dev/zero"), pytest.raises(UsageError, match="More than 1 MiB"):
        prompt.read_prompt("-")


def test_a_silent_pipe_is_said_to_be_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(prompt, "_PATIENCE_S", 0.0)
    note = prompt.output.note

    def note_and_answer(line: str) -> None:
        note(line)
        os.write(writer, b"late")
        os.close(writer)

    monkeypatch.setattr(prompt.output, "note", note_and_answer)
    with os.fdopen(reader) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert prompt.read_prompt("hello") == "hello\n\nlate"
    assert "reading the prompt from standard input" in capsys.readouterr().err
