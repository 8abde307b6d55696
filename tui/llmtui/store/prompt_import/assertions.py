"""promptfoo's assertions as scorers."""

import json
import re
from typing import Any

from llmtui.store.prompt_import.drafts import Draft, Left

_RUBRICS = {"llm-rubric", "g-eval", "factuality", "model-graded-closedqa", "model-graded-factuality", "grade"}
_MANY = {"contains-any", "contains-all", "icontains-any", "icontains-all"}


def scorer_of(assertion: dict[str, Any]) -> Draft | str | Left:
    """The scorer of an assertion; a text is a rubric for a judge model; what has no counterpart is left out."""
    kind, value = str(assertion.get("type")), assertion.get("value")
    if kind in _RUBRICS:
        return _text(value)
    negative, plain = kind.startswith("not-"), kind.removeprefix("not-")
    made = _negative(plain, value) if negative else _positive(plain, value, assertion.get("threshold"))
    return made or Left(f"the assertion `{kind}` has no counterpart")


def _positive(kind: str, value: Any, threshold: Any) -> Draft | None:
    fold: Draft = {"fold": ["case"]} if kind.startswith("icontains") else {}
    made: Draft | None = None
    match kind:
        case "equals":
            made = {"type": "equals", "values": [_text(value)]}
        case "contains" | "icontains":
            made = {"type": "contains", "values": [_text(value)], **fold}
        case _ if kind in _MANY:
            made = {"type": "contains", "values": _list(value), "every": kind.endswith("all"), **fold}
        case "regex" if _compiles(value):
            made = {"type": "regex", "pattern": _text(value)}
        case "starts-with":
            made = {"type": "regex", "pattern": rf"\A\s*{re.escape(_text(value))}"}
        case "is-json" | "contains-json":
            made = {"type": "json_schema"} | ({"schema": value} if isinstance(value, dict) else {})
        case "similar":
            made = {"type": "similarity", "values": _list(value), "threshold": _fraction(threshold, 0.75)}
        case "word-count":
            made = _words(value)
    return made


def _negative(kind: str, value: Any) -> Draft | None:
    match kind:
        case "contains" | "icontains" | "contains-any" | "icontains-any":
            values = _list(value) if kind.endswith("any") else [_text(value)]
            return {"type": "not_contains", "values": values, **({"fold": ["case"]} if kind[0] == "i" else {})}
        case "regex":
            return {"type": "not_regex", "pattern": _text(value)} if _compiles(value) else None
        case "equals":
            return {"type": "not_regex", "pattern": rf"\A\s*{re.escape(_text(value))}\s*\Z"}
        case "starts-with":
            return {"type": "not_regex", "pattern": rf"\A\s*{re.escape(_text(value))}"}
        case _:
            return None


def _words(value: Any) -> Draft | None:
    match value:
        case {"min": int(low), "max": int(high)} if 0 <= low <= high:
            return {"type": "length", "unit": "words", "min": low, "max": high}
        case {"min": int(low)} if low >= 0:
            return {"type": "length", "unit": "words", "min": low}
        case {"max": int(high)} if high >= 1:
            return {"type": "length", "unit": "words", "max": high}
        case int() if value >= 1 and not isinstance(value, bool):
            return {"type": "length", "unit": "words", "min": value, "max": value}
        case _:
            return None


def _compiles(value: Any) -> bool:
    try:
        re.compile(_text(value))
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _fraction(value: Any, otherwise: float) -> float:
    is_fraction = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if is_fraction else otherwise


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]
