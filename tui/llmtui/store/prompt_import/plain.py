"""Lists without a format of their own: a prompt a line, and tables of prompts with or without answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmtui.store.prompt_import.drafts import Draft, Drafts, Left, Wishes, literal
from llmtui.store.prompt_import.rows import Row, csv_rows, json_rows, text_rows, wrong

_PROMPTS = ("messages", "conversations", "prompt", "instruction", "input", "question", "query", "text")
_TARGETS = ("targets", "target", "ideal", "expected", "answer", "answers", "label")
_REFERENCES = ("reference", "output", "response", "completion", "solution")
_TAGS = ("tags", "category", "subject", "topic", "type")
_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}


def lines(path: Path, wishes: Wishes) -> Drafts:  # noqa: ARG001 - the signature of all importers
    """A prompt a line; empty lines do not count."""
    for row in text_rows(path):
        yield {"input": literal(row.value), "scorers": [{"type": "human"}]}


def objects(path: Path, wishes: Wishes) -> Drafts:
    """JSON objects with a prompt or messages, and perhaps answers."""
    for row in json_rows(path):
        yield _draft(path, row, row.value, wishes)


def table(path: Path, wishes: Wishes) -> Drafts:
    """A CSV file whose header names a prompt's column, and perhaps one of answers."""
    rows = csv_rows(path)
    header = next(rows, None)
    if header is None:
        return
    names = [cell.strip() for cell in header.value]
    if len(names) == 1 and names[0].casefold() not in _PROMPTS and names[0] != wishes.prompt_field:
        yield {"input": literal(names[0]), "scorers": [{"type": "human"}]}
        names = ["prompt"]
    for row in rows:
        value = {name: cell for name, cell in zip(names, row.value, strict=False) if cell.strip()}
        yield _draft(path, row, value, wishes)


def _draft(path: Path, row: Row, value: Mapping[str, Any], wishes: Wishes) -> Draft | Left:
    fields = {name.casefold(): name for name in value}
    key = wishes.prompt_field or next((fields[name] for name in _PROMPTS if name in fields), None)
    if key is None or key not in value:
        known = ", ".join(map(str, value)) or "none"
        remedy = "Name the field with --prompt-field"
        raise wrong(path, row.line, f"no field `{wishes.prompt_field or 'prompt'}`; fields here: {known}", remedy)
    asked = value[key]
    draft: Draft = {"id": str(value[fields["id"]])} if fields.get("id") and value[fields["id"]] is not None else {}
    if isinstance(asked, list):
        turns = _turns(asked)
        if not turns:
            return Left(f"row {row.line}: its messages do not end with one of the user")
        draft["messages"] = turns
    elif isinstance(asked, str) and asked.strip():
        extra = value.get("input") if key == "instruction" else None
        draft["input"] = literal(f"{asked}\n\n{extra}" if isinstance(extra, str) and extra.strip() else asked)
    else:
        return Left(f"row {row.line}: `{key}` is empty or is no text")
    _answers(draft, value, fields, wishes, key)
    return draft


def _answers(draft: Draft, value: Mapping[str, Any], fields: Mapping[str, str], wishes: Wishes, asked: str) -> None:
    names = [wishes.target_field] if wishes.target_field else [fields[name] for name in _TARGETS if name in fields]
    targets = [text for name in names if name != asked for text in _texts(value.get(name))]
    system = value.get(fields.get("system", "system"))
    if isinstance(system, str) and system and "messages" not in draft:
        draft["system"] = literal(system)
    draft["tags"] = [text for name in _TAGS if name in fields for text in _texts(value[fields[name]]) if text]
    draft["targets"] = [literal(text) for text in targets]
    reference = next((value[fields[name]] for name in _REFERENCES if name in fields and fields[name] != asked), None)
    if isinstance(reference, str) and reference:
        draft["reference"] = literal(reference)
    draft["scorers"] = [{"type": "contains", "fold": ["case", "punct"]}] if targets else [{"type": "human"}]


def _turns(messages: list[Any]) -> list[Draft]:
    """Messages up to the last of the user; ShareGPT's `from` and `value` are understood."""
    turns: list[Draft] = []
    for message in messages:
        if not isinstance(message, dict):
            return []
        role = _ROLES.get(str(message.get("role") or message.get("from") or ""))
        content = message.get("content", message.get("value"))
        if role is None or not isinstance(content, str):
            return []
        turns.append({"role": role, "content": literal(content)})
    while turns and turns[-1]["role"] != "user":
        turns.pop()
    return turns


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value.strip()] if value.strip() else []
        case bool() | None:
            return []
        case int() | float():
            return [str(value)]
        case list():
            return [text for item in value for text in _texts(item)]
        case _:
            return []
