"""JSON schemas into GBNF: what the converter honours, and an error for what it would pass over in silence."""

import importlib
import json
from typing import Any

from llmtui.domain.text import visible_line
from llmtui.engines.llama.worker.bindings import PACKAGE
from llmtui.errors import UsageError

MAX_GRAMMAR = 1 << 20
"""Characters a schema may become: a schema of a few kilobytes can name rules without end."""
MAX_RANGE = 1000
"""Whole numbers of a `minimum` and `maximum` that are written out one by one."""
_NOT_HONOURED = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "contains",
    "minContains", "maxContains", "minProperties", "maxProperties", "patternProperties", "propertyNames",
    "dependentRequired", "dependentSchemas", "dependencies", "not", "if", "then", "else", "unevaluatedItems",
    "unevaluatedProperties", "$dynamicRef", "$recursiveRef",
})  # fmt: skip
_STRICTER = {
    r'char ::= [^"\\] | ': r'char ::= [^"\\\x00-\x1F\x7F] | ',
    r"dot ::= [^\x0A\x0D]": r'dot ::= [^"\\\x00-\x1F\x7F]',
}
"""Rules of the converter that let a string hold what JSON does not allow there, and those that do not."""
_OF_ONE = ("items", "additionalProperties", "additionalItems")
_OF_MANY = ("oneOf", "anyOf", "allOf", "prefixItems")
_OF_NAMED = ("properties", "$defs", "definitions")


def schema_grammar(schema: dict[str, Any]) -> str:
    """The GBNF of the JSON documents that fit a schema; nothing is fetched for a `$ref` to elsewhere.

    Raises:
        UsageError: it is no schema, or asks for what a grammar cannot hold.
    """
    convert = importlib.import_module(f"{PACKAGE}.llama_grammar").json_schema_to_gbnf
    try:
        text: str = convert(json.dumps(_expanded(schema, "$")))
    except UsageError:
        raise
    except (Exception, RecursionError) as error:
        raise UsageError(
            "The JSON schema cannot be made into a grammar",
            cause=visible_line(f"{type(error).__name__}: {error}")[:300],
            remedy="Use types, properties, enums, lengths and references within the schema (`#/...`).",
        ) from error
    for loose, strict in _STRICTER.items():
        text = text.replace(loose, strict)
    if len(text) > MAX_GRAMMAR:
        raise UsageError(
            "The JSON schema is too large",
            cause=f"it becomes a grammar of {len(text):,} characters, at most {MAX_GRAMMAR:,} are possible",
            remedy="Make fewer of its properties optional, or split it.",
        )
    return text


def _expanded(schema: Any, path: str) -> Any:
    """The schema with short ranges of whole numbers written out.

    Raises:
        UsageError: a keyword that the converter passes over.
    """
    if not isinstance(schema, dict):
        return schema
    numbers = _whole_numbers(schema)
    if numbers is not None:
        return {"enum": numbers}
    passed_over = sorted(_NOT_HONOURED & schema.keys())
    if "[^" in str(schema.get("pattern", "")):
        passed_over.append("a pattern with `[^`, which lets quotes into a string")
    if passed_over:
        raise UsageError(
            "The JSON schema asks for what a grammar cannot hold",
            cause=visible_line(f"{path}: {', '.join(passed_over)}"),
            remedy=f"Take it out; `minimum` and `maximum` hold for integers of up to {MAX_RANGE:,} values.",
        )
    fresh = dict(schema)
    for key in _OF_ONE:
        if key in fresh:
            fresh[key] = _expanded(fresh[key], f"{path}.{key}")
    for key in _OF_MANY:
        if isinstance(fresh.get(key), list):
            fresh[key] = [_expanded(part, f"{path}.{key}[{at}]") for at, part in enumerate(fresh[key])]
    for key in _OF_NAMED:
        if isinstance(fresh.get(key), dict):
            fresh[key] = {name: _expanded(part, f"{path}.{key}.{name}") for name, part in fresh[key].items()}
    return fresh


def _whole_numbers(schema: dict[str, Any]) -> list[int] | None:
    """The values of an integer between `minimum` and `maximum`; None when it is no such thing, or too wide."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema.get("type") != "integer" or not isinstance(low, int) or not isinstance(high, int):
        return None
    if _NOT_HONOURED & schema.keys() != {"minimum", "maximum"} or not 0 <= high - low < MAX_RANGE:
        return None
    return list(range(low, high + 1))
