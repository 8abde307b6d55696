"""The documents say what the registry says."""

from make_docs import README, key_table, with_table

from llmtui.app.actions import ACTIONS


def test_readme_lists_every_action_with_its_key() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run scripts/make_docs.py"
    assert all(f"`{action.id}`" in key_table() for action in ACTIONS if action.listed)
