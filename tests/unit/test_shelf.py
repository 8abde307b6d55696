"""Which sequences are kept, for how long, and what text their tokens stand for; llama.cpp is played here."""

from array import array
from typing import TYPE_CHECKING, cast

import pytest

from llmtui.engines.llama.worker import shelf as module
from llmtui.engines.llama.worker.passages import MOST_PASSAGES, Passage, Passages
from llmtui.engines.llama.worker.shelf import Shelf, shelf_bytes

if TYPE_CHECKING:
    from llmtui.engines.llama.worker.loading import OpenModel
    from llmtui.engines.llama.worker.vocabulary import Vocabulary

STATE = 1000


class Native:
    """The few functions that the shelf calls."""

    def __init__(self) -> None:
        self.room = True
        self.dropped: list[int] = []

    def llama_state_seq_get_size(self, _context: object, _sequence: int) -> int:
        return STATE

    def llama_state_seq_get_data(self, _context: object, _state: object, size: int, _sequence: int) -> int:
        return size

    def llama_state_seq_set_data(self, _context: object, _state: object, size: int, _sequence: int) -> int:
        return size if self.room else 0

    def llama_memory_seq_pos_min(self, _memory: object, _sequence: int) -> int:
        return 100

    def llama_memory_seq_rm(self, _memory: object, sequence: int, _start: int, _end: int) -> bool:
        self.dropped.append(sequence)
        return True


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Native:
    made = Native()
    monkeypatch.setattr(module, "llama", made)
    return made


class Model:
    context = memory = None

    def __init__(self, *, trimmable: bool = True, window: int = 0) -> None:
        self.trimmable = trimmable
        self.window = window


def shelf_of(states: int = 3, available: int | None = None, **model: int) -> Shelf:
    return Shelf(cast("OpenModel", Model(**model)), states * STATE, lambda: available)  # type: ignore[arg-type]


def tokens(name: int, length: int = 200) -> "array[int]":
    return array("i", [name] * length)


def kept(shelf: Shelf, prompt: "array[int]", more_than: int = 0) -> int:
    found = shelf.find(prompt, more_than=more_than)
    return found[1] if found else 0


@pytest.mark.usefixtures("native")
def test_the_state_saved_first_goes_when_there_are_too_many() -> None:
    shelf = shelf_of(3)
    for name in range(4):
        shelf.put(0, tokens(name))

    assert [kept(shelf, tokens(name, 300)) for name in range(4)] == [0, 200, 200, 200]
    assert shelf.held_bytes == 3 * STATE


@pytest.mark.usefixtures("native")
def test_what_is_too_large_too_short_or_there_already_is_not_saved() -> None:
    shelf_of(0).put(0, tokens(1))
    shelf = shelf_of()
    shelf.put(0, tokens(1, module.WORTH_TOKENS - 1))
    assert shelf.held_bytes == 0
    shelf.put(0, tokens(1))
    shelf.put(0, tokens(1))
    assert shelf.held_bytes == STATE


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("available", "saved"), [(STATE, False), (module.SPARE_FACTOR * STATE, True), (None, True)])
def test_nothing_is_saved_when_memory_is_short(available: int | None, *, saved: bool) -> None:
    shelf = shelf_of(available=available)
    shelf.put(0, tokens(1))
    assert bool(shelf.held_bytes) is saved


def test_a_state_for_which_there_is_no_memory_is_not_saved(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "llama_state_seq_get_size", lambda *_: 1 << 62)
    shelf = Shelf(cast("OpenModel", Model()), 1 << 62, lambda: None)
    shelf.put(0, tokens(1))
    assert shelf.held_bytes == 0


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("model", "states"), [({}, 1), ({"trimmable": False}, 2), ({"window": 64}, 2)])
def test_a_longer_state_stands_for_the_shorter_one_where_it_can_be_cut(model: dict[str, int], states: int) -> None:
    shelf = shelf_of(**model)
    shelf.put(0, tokens(1, 100))
    shelf.put(0, tokens(1, 200))
    assert shelf.held_bytes == states * STATE


@pytest.mark.usefixtures("native")
def test_a_state_is_only_fetched_where_it_saves_work() -> None:
    shelf = shelf_of()
    shelf.put(0, tokens(1))
    assert kept(shelf, tokens(1, 300), more_than=200) == 0
    assert kept(shelf, tokens(1, 300), more_than=200 - module.WORTH_TOKENS) == 200
    assert kept(shelf, tokens(1, 200)) == 199  # the last token of a prompt is evaluated for its logits


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    ("model", "shared", "keep"),
    [
        ({}, 150, 150),
        ({"trimmable": False}, 150, 0),
        ({"trimmable": False}, 200, 200),
        ({"window": 20}, 150, 150),
        ({"window": 60}, 150, 0),  # the tokens from 90 on are needed, those before 100 forgotten
        ({"window": 60}, 200, 200),
    ],
)
def test_what_can_be_kept_depends_on_the_kind_of_memory(model: dict[str, int], shared: int, keep: int) -> None:
    shelf = shelf_of(**model)
    shelf.put(0, tokens(1))
    assert kept(shelf, tokens(1, shared) + tokens(2, 100)) == keep


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("shared", "left"), [(200, 0), (100, STATE)])
def test_a_state_leaves_the_shelf_when_all_of_it_is_used(shared: int, left: int) -> None:
    shelf = shelf_of()
    shelf.put(0, tokens(1))
    found = shelf.find(tokens(1, shared) + tokens(2, 100), more_than=0)
    assert found is not None
    assert shelf.fetch(found[0], 0, keep=found[1])
    assert shelf.held_bytes == left


def test_a_cache_without_room_leaves_the_sequence_empty(native: Native) -> None:
    shelf = shelf_of()
    shelf.put(3, tokens(1))
    found = shelf.find(tokens(1, 300), more_than=0)
    assert found is not None
    native.room = False
    assert not shelf.fetch(found[0], 3, keep=found[1])
    assert native.dropped == [3]
    assert shelf.held_bytes == 0


@pytest.mark.usefixtures("native")
def test_a_cleared_shelf_is_empty() -> None:
    shelf = shelf_of()
    shelf.put(0, tokens(1))
    shelf.clear()
    assert shelf.held_bytes == 0


@pytest.mark.parametrize(("cache", "budget"), [(None, 64 << 20), (256 << 20, 256 << 20), (8 << 30, 1 << 30)])
def test_the_shelf_is_as_large_as_the_cache_within_bounds(cache: int | None, budget: int) -> None:
    assert shelf_bytes(cache) == budget


class Letters:
    """A tokeniser that makes a token of each letter, and one of `<end>`."""

    def tokenise(self, text: str, *, add_special: bool) -> "array[int]":
        ids = array("i", [1] if add_special else [])
        for index, part in enumerate(text.split("<end>")):
            ids.extend([0] if index else [])
            ids.extend(ord(letter) for letter in part)
        return ids

    def begins_special(self, text: str, _ids: "array[int]") -> bool:
        return text.startswith("<end>")


LETTERS = cast("Vocabulary", Letters())
WORD = 9999


def prompt(passages: Passages, text: str) -> Passage:
    return passages.tokenise(text, LETTERS, add_special=True)


def test_an_answer_keeps_its_tokens_in_the_next_prompt() -> None:
    passages = Passages()
    asked = prompt(passages, "Q:")
    passages.remember(asked.answered(b"word", array("i", [WORD])))
    following = prompt(passages, "Q:word<end>R:")
    assert following.tokens == array("i", [1, ord("Q"), ord(":"), WORD, 0, ord("R"), ord(":")])

    passages.remember(following.answered(b"more", array("i", [WORD + 1])))
    third = prompt(passages, "Q:word<end>R:more<end>S:")
    assert list(third.tokens[:7]) == list(following.tokens)
    assert third.tokens[7] == WORD + 1


@pytest.mark.parametrize("text", ["Q:words<end>R:", "Q:wor<end>", "Q:word and more", "P:word<end>"])
def test_where_the_text_differs_or_goes_on_the_tokeniser_decides(text: str) -> None:
    passages = Passages()
    passages.remember(prompt(passages, "Q:").answered(b"word", array("i", [WORD])))
    assert prompt(passages, text).tokens == Letters().tokenise(text, add_special=True)


def test_the_same_prompt_has_the_same_tokens_and_an_edit_keeps_the_turns_before() -> None:
    passages = Passages()
    passages.remember(prompt(passages, "Q:").answered(b"word", array("i", [WORD])))
    second = prompt(passages, "Q:word<end>R:")
    passages.remember(second.answered(b"x", array("i", [WORD + 1])))
    assert prompt(passages, "Q:word<end>R:").tokens == second.tokens
    edited = prompt(passages, "Q:word<end>other:")
    assert edited.tokens[:5] == second.tokens[:5]
    assert edited.tokens[5] == ord("o")


def test_an_answer_that_is_no_text_is_left_to_the_tokeniser() -> None:
    passages = Passages()
    asked = prompt(passages, "Q:")
    assert asked.answered(b"\xff", array("i", [WORD])) is asked


def test_only_the_conversations_seen_last_are_remembered() -> None:
    passages = Passages()
    for number in range(MOST_PASSAGES + 1):
        passages.remember(prompt(passages, f"{number:02}:").answered(b"word", array("i", [WORD])))
    assert WORD not in prompt(passages, "00:word<end>").tokens
    assert WORD in prompt(passages, "01:word<end>").tokens
