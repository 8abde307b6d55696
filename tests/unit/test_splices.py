"""Changes of a text as one cut."""

from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.splices import Splice, splice_between

TEXTS = st.text(st.sampled_from("ab月\n"), max_size=40)


@given(TEXTS, TEXTS)
def test_a_change_leads_from_one_text_to_the_other_and_is_no_longer_than_need_be(before: str, after: str) -> None:
    change = splice_between(before, after)
    if change is None:
        assert before == after
        return
    assert change.applied(before) == after
    assert before[: change.at + 1] != after[: change.at + 1]
    assert len(before) - change.removed == len(after) - len(change.text)


def test_typing_and_deleting_are_kept_as_what_they_are() -> None:
    assert splice_between("床前光", "床前明月光") == Splice(2, 0, "明月")
    assert splice_between("床前明月光", "床前光") == Splice(2, 2, "")
    assert splice_between("same", "same") is None


def test_a_change_beyond_the_end_of_a_damaged_text_ends_there() -> None:
    assert Splice(10, 5, "x").applied("abc") == "abcx"
