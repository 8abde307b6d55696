"""promptfoo's configuration: prompts × tests with assertions. Providers, which say whom to ask, are ignored."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmtui.domain.prompt_fill import variables_in
from llmtui.store.prompt_errors import InvalidError
from llmtui.store.prompt_files import SCHEME, Attachments
from llmtui.store.prompt_import.assertions import scorer_of
from llmtui.store.prompt_import.drafts import Draft, Drafts, Left, Wishes
from llmtui.store.prompt_import.rows import csv_rows, json_rows, wrong
from llmtui.store.yaml_stream import YamlError, read_yaml

_TEMPLATE = re.compile(r"\{%.*?%\}|\{\{(?!\s*\w+\s*\}\}).*?\}\}", re.DOTALL)
"""What Nunjucks does and we do not: statements, filters, members of objects."""
_SEPARATOR = re.compile(r"^---\s*$", re.MULTILINE)
_EXPECTED = re.compile(r"__expected\d*")
_TYPED = re.compile(r"([a-z-]+)(?:\(([\d.]+)\))?:\s*(.*)", re.DOTALL)
_ROLES = {"system", "user", "assistant"}


def promptfoo(path: Path, wishes: Wishes) -> Drafts:  # noqa: ARG001 - the signature of all importers
    """`prompts`, `tests` and `defaultTest`; each prompt is asked with each test's variables."""
    try:
        config = read_yaml(path).value
    except YamlError as error:
        raise wrong(path, error.line, str(error)) from error
    except OSError as error:
        raise wrong(path, None, error.strerror or str(error), "Check the path and its permissions") from error
    if not isinstance(config, dict):
        raise wrong(path, 1, "a configuration holds keys and values")
    try:
        yield from _samples(path, config)
    except InvalidError as error:
        raise wrong(path, None, str(error)) from error


def _samples(path: Path, config: dict[str, Any]) -> Drafts:
    files = Attachments(path.parent)
    prompts = list(_prompts(config.get("prompts"), files, path.parent))
    if not prompts:
        raise wrong(path, None, "there are no `prompts`")
    default = config.get("defaultTest") if isinstance(config.get("defaultTest"), dict) else {}
    tests = list(_tests(config.get("tests"), path)) or [{}]
    yield from (Left(f"`{key}`") for key in ("scenarios", "transform", "derivedMetrics") if key in config)
    for number, test in enumerate(tests, start=1):
        for which, (label, content) in enumerate(prompts, start=1):
            name = str(test.get("description") or f"test {number}")
            id_ = f"{name} / {label or f'prompt {which}'}" if len(prompts) > 1 else name
            yield from _sample(id_, content, default or {}, test, files)


def _sample(id_: str, content: Any, default: dict[str, Any], test: dict[str, Any], files: Attachments) -> Drafts:
    values = {**_mapping(default.get("vars")), **_mapping(test.get("vars"))}
    values = {str(name): _value(files.filled(value)) for name, value in values.items()}
    draft: Draft = {"id": id_, "vars": values}
    texts = [content] if isinstance(content, str) else [turn["content"] for turn in content]
    draft["input" if isinstance(content, str) else "messages"] = content
    for text in texts:
        for found in _TEMPLATE.findall(text):
            yield Left(f"{id_}: the template code {found[:40]!r} stays as text")
        for name in variables_in(text) - set(values):
            values[name] = ""
            yield Left(f"{id_}: the variable `{name}` has no value and is empty")
    scorers: list[Draft] = []
    rubrics: list[str] = []
    for assertion in (*_assertions(default.get("assert")), *_assertions(test.get("assert"))):
        made = scorer_of(assertion)
        if isinstance(made, Left):
            yield Left(f"{id_}: {made.what}")
        elif isinstance(made, str):
            rubrics.append(made)
        else:
            scorers.append(made)
    if rubrics:
        draft["rubric"] = "\n".join(rubrics)
        scorers.append({"type": "model_graded"})
    yield draft | {"scorers": scorers or [{"type": "human"}]}


def _prompts(value: Any, files: Attachments, folder: Path) -> Iterator[tuple[str | None, str | list[Draft]]]:
    """Labels and contents: text, or the messages of a chat."""
    for item in value if isinstance(value, list) else [value]:
        label, text = None, item
        if isinstance(item, dict):
            label, text = item.get("label") or item.get("id"), item.get("raw") or item.get("id")
        if not isinstance(text, str):
            continue
        if text.startswith(SCHEME) or (
            re.fullmatch(r"[\w./-]+\.(txt|json|ya?ml|md)", text) and (folder / text).is_file()
        ):
            whole = files.filled(SCHEME + text.removeprefix(SCHEME))
            parts = _SEPARATOR.split(whole) if text.endswith(".txt") else [whole]
        else:
            parts = [text]
        for part in parts:
            yield (str(label) if label and len(parts) == 1 else None), _chat(part) or part.strip()


def _chat(text: str) -> list[Draft] | None:
    """The messages, where a prompt is a JSON array of them."""
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    turns = [
        {"role": turn["role"], "content": turn["content"]}
        for turn in found
        if isinstance(turn, dict) and turn.get("role") in _ROLES and isinstance(turn.get("content"), str)
    ]
    return turns if turns and len(turns) == len(found) else None


def _tests(value: Any, path: Path) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item
        elif isinstance(item, str):
            yield from _tests_in(item, path)


def _tests_in(name: str, path: Path) -> Iterator[dict[str, Any]]:
    file = (path.parent / name.removeprefix(SCHEME)).resolve()
    if not file.is_relative_to(path.parent.resolve()):
        raise InvalidError(f"{name} leaves the folder of the configuration")
    if file.suffix in {".csv", ".tsv"}:
        rows = csv_rows(file)
        header = next(rows, None)
        for row in rows:
            yield _csv_test(dict(zip(header.value if header else [], row.value, strict=False)))
    elif file.suffix in {".jsonl", ".json"}:
        yield from (row.value for row in json_rows(file))
    else:
        try:
            found = read_yaml(file).value
            yield from (item for item in (found if isinstance(found, list) else [found]) if isinstance(item, dict))
        except (YamlError, OSError) as error:
            raise InvalidError(f"{name}: {error}") from error


def _csv_test(cells: dict[str, str]) -> dict[str, Any]:
    assertions = []
    for name, text in cells.items():
        if _EXPECTED.fullmatch(name) and text:
            typed = _TYPED.fullmatch(text)
            known = typed and not isinstance(scorer_of({"type": typed[1], "value": typed[3]}), Left)
            if typed and (known or typed[1] in {"fn", "eval", "javascript", "python"}):
                assertion = {"type": typed[1], "value": typed[3]}
                assertions.append(assertion | ({"threshold": float(typed[2])} if typed[2] else {}))
            else:
                assertions.append({"type": "equals", "value": text})
    values = {name: text for name, text in cells.items() if not name.startswith("__")}
    return {"vars": values, "assert": assertions, "description": cells.get("__description")}


def _assertions(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict) and item.get("type") == "assert-set":
            yield from _assertions(item.get("assert"))
        elif isinstance(item, dict):
            yield item


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _value(value: Any) -> Any:
    """A variable's value as a prompt set takes it: a text, a whole number, or a list of those."""
    match value:
        case list():
            return [_scalar(item) for item in value]
        case _:
            return _scalar(value)


def _scalar(value: Any) -> str | int:
    match value:
        case bool() | None | dict() | list() | float():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return value
        case _:
            return str(value)
