"""Writes the table of keys into README.md from the action registry, so that it is true.

Run: .venv/bin/python scripts/make_docs.py [--check]
"""

import argparse
import re
import sys
from pathlib import Path

from llmtui.app.actions import ACTIONS, GROUPS

README = Path(__file__).resolve().parent.parent / "README.md"
_TABLE = re.compile(r"(<!-- keys:[^>]*-->\n).*?(<!-- /keys -->)", re.DOTALL)


def key_table() -> str:
    """All actions by group, as a Markdown table."""
    rows = [
        f"| {action.key_name} | {action.help} | `{action.id}` |\n"
        for group in GROUPS
        for action in ACTIONS
        if action.group == group and action.listed
    ]
    return "| key | does | action |\n| --- | --- | --- |\n" + "".join(rows)


def with_table(text: str) -> str:
    """README's text with the table of now.

    Raises:
        ValueError: the marks around the table are gone.
    """
    new, count = _TABLE.subn(lambda match: match[1] + key_table() + match[2], text)
    if count != 1:
        raise ValueError("README.md has lost the marks around its table of keys")
    return new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the table is old")
    args = parser.parse_args()
    text = README.read_text(encoding="utf-8")
    new = with_table(text)
    if args.check:
        sys.exit(new != text)
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
