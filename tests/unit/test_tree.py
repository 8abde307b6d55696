"""The tree of a conversation."""

from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.messages import Message, Role
from llmtui.domain.tree import MessageTree


def message(id_: str, parent: str | None, role: Role = "user") -> Message:
    return Message(id=id_, parent_id=parent, role=role, content=id_, created_at="")


def names(messages: tuple[Message, ...]) -> str:
    return " ".join(message.id for message in messages)


def two_versions() -> MessageTree:
    """q1 → a1 → q2 → a2, and a1b, a1c beside a1."""
    tree = MessageTree()
    for id_, parent in (("q1", None), ("a1", "q1"), ("q2", "a1"), ("a2", "q2"), ("a1b", "q1"), ("a1c", "q1")):
        tree = tree.add(message(id_, parent, "assistant" if id_[0] == "a" else "user"))
    return tree


def test_the_path_leads_from_the_first_message_to_the_head() -> None:
    assert names(two_versions().path) == "q1 a1c"
    assert names(two_versions().at("a2").path) == "q1 a1 q2 a2"
    assert MessageTree().path == ()


def test_versions_share_parent_and_role() -> None:
    assert names(two_versions().versions("a1b")) == "a1 a1b a1c"
    assert names(two_versions().versions("q2")) == "q2"
    assert two_versions().versions("unknown") == ()


def test_a_version_goes_on_to_where_it_had_gone() -> None:
    assert two_versions().end_below("a1") == "a2"
    assert two_versions().end_below("a1b") == "a1b"


def test_removing_takes_all_that_follows_and_shows_the_version_before() -> None:
    tree = two_versions()
    assert names(tree.without("a1c").path) == "q1 a1b"
    assert names(tree.at("a2").without("a1").path) == "q1 a1b"
    assert names(tree.at("a2").without("a1").messages) == "q1 a1b a1c"
    assert tree.without("q1").path == ()
    assert names(tree.without("q2").path) == "q1 a1c"
    assert tree.without("unknown") == tree


def test_a_missing_parent_is_the_message_before() -> None:
    tree = MessageTree.mended((message("a", None), message("b", "lost"), message("c", "b")), "c")
    assert names(tree.path) == "a b c"
    assert MessageTree.mended((message("a", None),), "lost").path == ()


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(0, 30))
def test_any_tree_of_a_file_has_a_path_without_repetition(parents: list[int], head: int) -> None:
    messages = tuple(message(str(at), str(parent)) for at, parent in enumerate(parents))
    tree = MessageTree.mended(messages, str(head))
    path = [found.id for found in tree.path]
    assert len(path) == len(set(path))
    for found in tree.messages:
        assert tree.end_below(found.id)
        left = tree.without(found.id)
        assert left.get(found.id) is None
        assert all(each.parent_id is None or left.get(each.parent_id) for each in left.path[1:])
