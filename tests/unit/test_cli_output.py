"""What reaches the terminal: nothing raw, everything aligned, numbers as people read them."""

import io
import json
import math
import sys

import pytest

from llmtui.cli import output
from llmtui.cli.columns import aligned, width
from llmtui.cli.stats import stats_lines
from llmtui.domain.metrics import TurnMetrics
from llmtui.errors import StoreError


def written(pieces: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    writer = output.AnswerWriter()
    for piece in pieces:
        writer.write(piece)
    writer.end()
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["春眠", "不觉晓"], "春眠不觉晓\n"),
        (["a\n"], "a\n"),
        ([], ""),
        (["", ""], ""),
        (["\x1b]52;c;aGk=\x07"], "␛]52;c;aGk=␇\n"),
        (["\x1b", "[2J"], "␛[2J\n"),
        (["a\r", "\nb"], "a\nb\n"),
        (["a\r", "b"], "a\nb\n"),
        (["a\r"], "a\n"),
        (["\x9b31m\u202eevil"], "<U+009B>31m<U+202E>evil\n"),
    ],
)
def test_answers_are_made_visible_piece_by_piece(
    pieces: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert written(pieces, capsys) == shown


def test_json_has_null_where_a_number_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_json({"a": math.nan, "b": [math.inf, (-math.inf, 1.5)], "c": {"d": "NaN"}})

    assert capsys.readouterr().out == '{"a": null, "b": [null, [null, 1.5]], "c": {"d": "NaN"}}\n'


def test_json_keeps_hostile_text_but_writes_none_of_it_raw(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "静\x1b[2J\x07\x7f\x9b1m\u202e\u2028\udcff\n"
    output.write_json({"content": hostile})
    text = capsys.readouterr().out
    assert json.loads(text)["content"] == hostile
    assert "静" in text
    assert text.count("\n") == 1
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in text.removesuffix("\n"))
    assert not set("\u202e\u2028\udcff") & set(text)


class FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_behind_standard_output_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    with pytest.raises(StoreError, match="No space left on device"):
        output.write("text")


def test_a_closed_standard_output_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(StoreError, match="closed"):
        output.write("text")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        monkeypatch.setattr(sys, "stderr", stream)
        progress = output.ProgressLine()
        progress.show("reading weights 50 %")
        progress.clear()
        progress.clear()
    assert pipe.getvalue() == ""
    assert terminal.getvalue() == "\r\x1b[Kreading weights 50 %\r\x1b[K"


def test_a_dumb_terminal_gets_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    output.ProgressLine().show("reading weights")
    assert terminal.getvalue() == ""


def test_columns_count_wide_and_combining_characters() -> None:
    assert [width(text) for text in ("abc", "静夜思", "e\u0301", "１", "🙂", "a\u200bb")] == [3, 6, 1, 2, 2, 2]
    lines = aligned([("静夜思", "1"), ("abc", "10")], right=frozenset({1}))
    assert lines == ["静夜思   1", "abc     10"]


def test_stats_show_every_group_and_why_figures_are_missing() -> None:
    metrics = TurnMetrics(
        prompt_tokens=1234,
        cached_tokens=0,
        completion_tokens=1,
        context_used=1235,
        context_size=2470,
        kv_bytes=1 << 20,
        finish_reason="length",
        energy_j=3.0,
        total_s=0.5,
        sources={"energy_j": "estimated"},
        reasons={"decode_tps": "fewer than two tokens were generated", "gpu_bytes": "no \x1b[31mdriver"},
    )
    lines = dict(line.split(maxsplit=1) for line in stats_lines(metrics, "none: the prompt was sent as it is"))
    assert " ".join(lines["template"].split()) == "none the prompt was sent as it is"
    assert list(lines) == [
        *("template", "load", "prefill", "ttft", "decode", "itl", "context"),
        *("memory", "gpu", "energy", "bandwidth", "finish", "total"),
    ]
    assert "1,234 prompt tokens, 0 cached" in lines["prefill"]
    assert lines["decode"].endswith("fewer than two tokens were generated")
    assert "1,235 / 2,470  50.0 %, KV cache 1.0 MiB" in lines["context"]
    assert "no ␛[31mdriver" in lines["gpu"]
    assert "too short" in lines["energy"]


def test_one_monstrous_name_pushes_only_its_own_row_aside():
    lines = aligned([("a", "1", "x"), ("n" * 3000, "2", "y")], right=frozenset({1}), most=8)
    assert lines == [f"a{' ' * 9}1  x", f"{'n' * 3000}  2  y"]
