"""Thoughts told apart from answers, wherever tokens and chunks cut the markers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.events import Delta, ReasoningDelta
from llmtui.engines.streaming import DeltaGatherer
from llmtui.engines.thoughts import MARKERS, Said, ThoughtSplitter, opened_by


def split(text: str, cuts: list[int], **options: object) -> tuple[str, str]:
    splitter = ThoughtSplitter(**options)  # type: ignore[arg-type]
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    said = [each for piece in pieces for each in splitter.feed(piece)] + splitter.flush()
    return "".join(e.text for e in said if e.thought), "".join(e.text for e in said if not e.thought)


CUTS = st.lists(st.integers(0, 60))


@pytest.mark.parametrize(("opening", "closing"), MARKERS)
@given(CUTS)
def test_every_familys_markers(opening: str, closing: str, cuts: list[int]) -> None:
    whole = f"\n{opening}\nlet me < think{closing}\n\nThe answer"
    assert split(whole, cuts) == ("let me < think", "The answer")


@given(CUTS)
def test_a_thought_that_the_prompt_began(cuts: list[int]) -> None:
    assert split("hm, hm</think>\n\n42", cuts, closing="</think>") == ("hm, hm", "42")


@given(st.text("<think>/ \n"), CUTS)
def test_nothing_is_lost(text: str, cuts: list[int]) -> None:
    assert split(text, cuts) == split(text, [])
    assert split(text, cuts, active=False) == ("", text)


def test_an_answer_may_speak_of_the_markers() -> None:
    text = "Write <think>so</think> around it"
    assert split(text, [7, 9]) == ("", text)


def test_a_thought_that_never_ends_is_a_thought() -> None:
    assert split("<think>and then </thi", [9]) == ("and then </thi", "")


def test_what_only_looks_like_a_marker_is_the_answer() -> None:
    assert split("<thi", [2]) == ("", "<thi")
    assert split("<b>bold</b>", [2]) == ("", "<b>bold</b>")


def test_which_prompts_begin_a_thought() -> None:
    assert opened_by("<|Assistant|><think>\n") == "</think>"
    assert opened_by("<think>\n\n</think>\n\n") is None


def test_events_are_of_one_kind_and_every_token_has_one_stamp() -> None:
    gatherer = DeltaGatherer(interval_ns=1_000)
    events = gatherer.take([Said(thought=True, text="hm")], 1)
    events += gatherer.take([Said(thought=True, text=" so")], 2)
    events += gatherer.take([Said(thought=True, text="."), Said(thought=False, text="Yes")], 3)
    events += gatherer.take([Said(thought=False, text=" it")], 4)
    events += gatherer.end([Said(thought=False, text=" is")])
    assert [(type(event), event.text) for event in events] == [
        (ReasoningDelta, "hm"),
        (ReasoningDelta, " so."),
        (Delta, "Yes"),
        (Delta, " it is"),
    ]
    assert [stamp for event in events for stamp in event.t_ns] == [1, 2, 3, 4]
    assert events[2].t_ns == (3,)
