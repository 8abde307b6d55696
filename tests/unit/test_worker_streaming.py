"""Tokens into text: nothing lost, nothing split, nothing of a stop string let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.fold import NS, TurnFold
from llmtui.engines.streaming import AnswerText, DeltaGatherer, StopStrings

SMALL = st.text(alphabet="ab静", max_size=12)


def pieces(text: str, cuts: list[int]) -> list[str]:
    parts = []
    for cut in cuts:
        parts.append(text[:cut])
        text = text[cut:]
    return [*parts, text]


@given(text=SMALL, stops=st.lists(st.text(alphabet="ab静", max_size=4), max_size=3), cuts=st.lists(st.integers(0, 4)))
def test_the_text_ends_before_its_first_stop_string(text: str, stops: list[str], cuts: list[int]) -> None:
    filter_ = StopStrings(stops)
    given_out = "".join(filter_.feed(piece) for piece in pieces(text, cuts)) + filter_.flush()
    starts = [text.index(stop) for stop in stops if stop and stop in text]
    assert filter_.hit == bool(starts)
    if not starts:
        assert given_out == text
    elif not cuts:
        assert given_out == text[: min(starts)]
    else:
        # In pieces the stop string that is complete first ends the text.
        assert given_out in {text[:start] for start in starts}


@given(text=SMALL, stops=st.lists(st.text(alphabet="ab静", min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_given_out_can_no_longer_belong_to_a_stop_string(text: str, stops: list[str]) -> None:
    filter_ = StopStrings(stops)
    given_out = "".join(filter_.feed(char) for char in text)
    assert not any(stop in given_out for stop in stops)
    for stop in stops:
        for length in range(1, len(stop)):
            assert filter_.hit or not given_out.endswith(stop[:length]) or len(given_out) < len(text)


@given(text=st.text(max_size=30), cuts=st.lists(st.integers(0, 5)))
def test_characters_survive_being_cut_between_tokens(text: str, cuts: list[int]) -> None:
    data = text.encode("utf-8", "replace")
    answer = AnswerText(())
    given_out = ""
    for cut in cuts:
        given_out += answer.feed(data[:cut])
        data = data[cut:]
    given_out += answer.feed(data) + answer.finish()
    assert given_out == text.encode("utf-8", "replace").decode()


@given(st.lists(st.binary(max_size=4)))
def test_any_bytes_become_text(parts: list[bytes]) -> None:
    answer = AnswerText(())
    text = "".join(answer.feed(part) for part in parts) + answer.finish()
    assert text == b"".join(parts).decode("utf-8", "replace")


def test_a_stop_string_whose_character_comes_in_pieces_is_found() -> None:
    answer = AnswerText(("。",))
    data = "好。再见".encode()
    assert "".join(answer.feed(bytes([byte])) for byte in data) == "好"
    assert answer.stopped
    assert answer.finish() == ""


def test_an_unfinished_character_becomes_a_replacement_at_the_end_only() -> None:
    answer = AnswerText(())
    assert answer.feed("静".encode()[:2]) == ""
    assert answer.finish() == "\ufffd"


def test_the_first_token_goes_out_at_once_and_the_rest_in_spans() -> None:
    gatherer = DeltaGatherer(interval_ns=100)
    first = gatherer.add("a", 1000)
    assert first is not None
    assert (first.text, first.t_ns) == ("a", (1000,))
    assert gatherer.add("b", 1050) is None
    due = gatherer.add("c", 1100)
    assert due is not None
    assert (due.text, due.t_ns) == ("bc", (1050, 1100))
    assert gatherer.flush() is None
    gatherer.add("d", 1101)
    last = gatherer.flush("e")
    assert last is not None
    assert (last.text, last.t_ns) == ("de", (1101,))


@pytest.mark.parametrize(
    ("tokens", "first"),
    [
        ([b"hello", b" you"], 0),
        ([b"\n", b" \n", b"hello", b" you"], 2),
        ([*(bytes([byte]) for byte in "静".encode()), b"a"], 2),
        ([b"\n", *(bytes([byte]) for byte in "😀".encode()), b"a"], 4),
    ],
)
def test_the_first_text_is_seen_when_its_token_came(tokens: list[bytes], first: int) -> None:
    gatherer, answer, fold = DeltaGatherer(interval_ns=1_000_000), AnswerText(()), TurnFold(0)
    for number, token in enumerate(tokens):
        delta = gatherer.add(answer.feed(token), 1000 + number)
        if number <= first:
            assert delta is not None
        if delta is not None:
            fold.add(delta)
    assert fold.live().ttft_s == pytest.approx((1000 + first) / NS)
    assert gatherer.flush() is not None, "what follows is gathered"


@given(st.lists(st.tuples(SMALL, st.integers(0, 50)), max_size=20))
def test_gathering_loses_neither_text_nor_stamps(tokens: list[tuple[str, int]]) -> None:
    gatherer = DeltaGatherer(interval_ns=100)
    now, stamps, deltas = 0, [], []
    for text, gap in tokens:
        now += gap
        stamps.append(now)
        deltas.append(gatherer.add(text, now))
    deltas.append(gatherer.flush())
    sent = [delta for delta in deltas if delta is not None]
    assert "".join(delta.text for delta in sent) == "".join(text for text, _ in tokens)
    assert [stamp for delta in sent for stamp in delta.t_ns] == stamps
