"""Writes the tables of keys from the action registry, so that they are true: README.md has the chat's, KEYS.md all.

Run: .venv/bin/python scripts/make_docs.py [--check]
"""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from llmtui.app.action import Action
from llmtui.app.actions import ACTIONS, GROUPS

README = Path(__file__).resolve().parent.parent / "README.md"
KEYS = README.with_name("KEYS.md")
_TABLE = re.compile(r"(<!-- keys:[^>]*-->\n).*?(<!-- /keys -->)", re.DOTALL)
_HEAD = """# Keys

Made by scripts/make_docs.py from the action registry. Every key can be rebound by the name of its action, under
`[keymap]` in the configuration; in the program F1 shows the keys as they are.
"""


def key_table(actions: Iterable[Action]) -> str:
    """Actions by group, as a Markdown table."""
    listed = [action for action in actions if action.listed]
    rows = [
        f"| {action.key_name} | {action.help} | `{action.id}` |\n"
        for group in GROUPS
        for action in listed
        if action.group == group
    ]
    return "| key | does | action |\n| --- | --- | --- |\n" + "".join(rows)


def all_keys() -> str:
    """The text of KEYS.md: a table for each group."""
    tables = [f"\n## {group}\n\n{key_table(action for action in ACTIONS if action.group == group)}" for group in GROUPS]
    return _HEAD + "".join(tables)


def with_table(text: str) -> str:
    """README's text with the table of now: of the keys that count in the chat.

    Raises:
        ValueError: the marks around the table are gone.
    """
    table = key_table(action for action in ACTIONS if action.scope in {"chat", "app"})
    new, count = _TABLE.subn(lambda match: match[1] + table + match[2], text)
    if count != 1:
        raise ValueError("README.md has lost the marks around its table of keys")
    return new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a table is old")
    args = parser.parse_args()
    text = README.read_text(encoding="utf-8")
    new = {README: with_table(text), KEYS: all_keys()}
    if args.check:
        sys.exit(any(not path.exists() or path.read_text(encoding="utf-8") != text for path, text in new.items()))
    for path, content in new.items():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
