"""The form an answer must have: a JSON schema or a grammar from a file."""

import json
from pathlib import Path
from typing import Any

from llmtui.domain.limits import MAX_GRAMMAR
from llmtui.domain.text import visible_line
from llmtui.errors import UsageError


def read_schema(path: str) -> dict[str, Any]:
    """The JSON schema in a file.

    Raises:
        UsageError: it cannot be read, or holds no JSON object.
    """
    try:
        schema = json.loads(_read(path, "--json-schema"))
    except (ValueError, RecursionError) as error:
        raise _unusable(path, "--json-schema", f"it is not JSON: {error}") from error
    if not isinstance(schema, dict):
        raise _unusable(path, "--json-schema", "it holds no JSON object")
    return schema


def read_grammar(path: str) -> str:
    """The GBNF grammar in a file.

    Raises:
        UsageError: it cannot be read, or is empty.
    """
    text = _read(path, "--grammar")
    if not text.strip():
        raise _unusable(path, "--grammar", "it is empty")
    return text


def _read(path: str, option: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(4 * MAX_GRAMMAR + 1)
        text = data.decode()
    except (OSError, ValueError) as error:
        raise _unusable(path, option, getattr(error, "strerror", None) or str(error)) from error
    if len(text) > MAX_GRAMMAR:
        raise _unusable(path, option, f"it is longer than {MAX_GRAMMAR:,} characters")
    return text.removeprefix("\ufeff")


def _unusable(path: str, option: str, cause: str) -> UsageError:
    return UsageError(
        f"The file of {option} cannot be used",
        cause=visible_line(f"{path}: {cause}"),
        remedy="Name a text file with a JSON schema (--json-schema) or a GBNF grammar (--grammar).",
    )
