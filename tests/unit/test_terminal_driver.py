"""Keys that a terminal sends in one piece."""

import pytest
from textual import _ansi_sequences
from textual._xterm_parser import XTermParser

from llmtui.app.terminal_driver import in_one_piece


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b\x12", ["ctrl+r"]),
        ("a\x1b\x07b", ["a", "ctrl+g", "b"]),
        ("\x1b1", ["alt+1"]),
    ],
)
def test_escape_in_one_piece_with_a_key_is_no_character(monkeypatch, sent, keys):
    monkeypatch.setattr(
        _ansi_sequences, "ANSI_SEQUENCES_KEYS", {**_ansi_sequences.ANSI_SEQUENCES_KEYS, **in_one_piece()}
    )
    monkeypatch.setattr("textual._xterm_parser.ANSI_SEQUENCES_KEYS", _ansi_sequences.ANSI_SEQUENCES_KEYS)
    assert [event.key for event in XTermParser(False).feed(sent)] == keys
