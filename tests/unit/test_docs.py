"""The documents say what the registry says."""

from make_docs import KEYS, README, all_keys, with_table

from llmtui.app.actions import ACTIONS


def test_the_documents_list_every_action_with_its_key() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run scripts/make_docs.py"
    assert KEYS.read_text(encoding="utf-8") == all_keys(), "run scripts/make_docs.py"
    assert all(f"`{action.id}`" in all_keys() for action in ACTIONS if action.listed)
    assert all(f"`{action.id}`" in text for action in ACTIONS if action.listed and action.scope in {"chat", "app"})
