"""Scorers that read a value out of the answer: a number, a letter, JSON."""

import json
import re
from collections.abc import Iterator
from typing import Any

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Choice, JsonSchema, Number
from llmtui.services.scoring.folding import normal
from llmtui.services.scoring.result import Score, verdict
from llmtui.services.scoring.searching import search

_RAISED = re.compile("[⁰¹²³⁴-⁹₀-₉]+")
"""Exponents and indices: as plain digits they would be part of the number before them."""
_NUMBER = re.compile(
    r"(?<![A-Za-z\d.])((?<![\d)])[-+−])?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE]([-+]?\d{1,3})\b)?"
)
_ROUNDING = 1e-12
"""So that 0.31 is within 0.01 of 0.3, which it is not in binary fractions."""
_SPACES = re.compile(r"\s{2,}")
"""Kept as one: a model may write thousands of them, through which the expressions below would go again and again."""
_FENCE = re.compile(r"```(?:json)?(.*?)```", re.DOTALL | re.IGNORECASE)


def number(scorer: Number, answer: str, sample: Sample) -> Score:
    """The last number of the answer equals the value."""
    wanted = scorer.value if scorer.value is not None else _target(sample)
    found = last_number(answer)
    if wanted is None or found is None:
        told = "the sample has no number as its target" if wanted is None else "there is no number in the answer"
        return verdict("number", passed=False, explanation=told)
    allowed = max(scorer.tolerance, scorer.relative * abs(wanted))
    passed = abs(found - wanted) <= allowed + _ROUNDING * max(1.0, abs(wanted))
    told = "" if passed else f"{wanted:.10g} was wanted"
    return verdict("number", passed=passed, answer=f"{found:.10g}", explanation=told)


def last_number(text: str) -> float | None:
    """The last number in a text; digits behind a letter (`H2`, `cm2`) and exponents are none."""
    text = normal(_RAISED.sub(" ", text)).replace("{,}", ",")
    matches = list(_NUMBER.finditer(text))
    if not matches:
        return None
    sign, digits, exponent = matches[-1].groups()
    value = float(digits.replace(",", "") + (f"e{exponent}" if exponent else ""))
    return -value if sign in {"-", "−"} else value


def choice(scorer: Choice, answer: str, sample: Sample) -> Score:
    """The letter that the answer chooses is the right one."""
    wanted = scorer.value or (sample.targets[0].strip().upper() if sample.targets else None)
    found = chosen_letter(answer, scorer.letters)
    told = "no letter is chosen" if found is None else "" if found == wanted else f"{wanted} was wanted"
    return verdict("choice", passed=found is not None and found == wanted, answer=found, explanation=told)


def chosen_letter(text: str, letters: str) -> str | None:
    """The letter that an answer chooses: said in so many words, standing first, or else standing last by itself."""
    text = _SPACES.sub(_one_space, normal(text).replace("*", "").strip())
    letter = f"[{letters}]"
    free = rf"(?<![A-Za-z]){{0}}({letter})(?![A-Za-z'])"
    said = rf"(?:answer|choice|option)\s*(?:is|:|=)?\s*[:(\[]*\s*{free.format('')}"
    chinese = rf"(?:答案|正确选项|选项|应选|故选|选择|选)\s*(?:是|为|应为|应该是|:)?\s*[:(\[“\"]*\s*{free.format('')}"
    boxed = rf"\\boxed\{{(?:\\text\{{)?\s*({letter})"
    for pattern in (boxed, said, chinese):
        matches = re.findall(pattern, text, re.IGNORECASE if pattern == said else 0)
        if matches:
            return str(matches[-1]).upper()
    first = re.match(rf"[(\[“\"]?({letter})(?:[)\].:,、。”\"]|\s*$|\s*\n)", text)
    if first:
        return first[1]
    alone = re.findall(rf"(?<![A-Za-z])({letter})(?![A-Za-z']|\s+[a-z])", text)
    return str(alone[-1]) if alone else None


def _one_space(spaces: re.Match[str]) -> str:
    return "\n" if "\n" in spaces[0] else " "


def json_schema(scorer: JsonSchema, answer: str, sample: Sample) -> Score:  # noqa: ARG001 - all scorers' signature
    """The answer, or the last code block in it, is JSON that fits the schema."""
    blocks = _FENCE.findall(answer)
    text = (blocks[-1] if blocks else answer).strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return verdict("json_schema", passed=False, answer=text, explanation=f"not JSON: {error}")
    problem = _misfit(value, scorer.schema) if isinstance(scorer.schema, dict) else None
    return verdict("json_schema", passed=problem is None, answer=text, explanation=problem or "")


def _misfit(value: Any, schema: dict[str, Any]) -> str | None:
    """The first thing that does not fit; nothing is fetched for a reference in the schema."""
    import jsonschema  # noqa: PLC0415 - needed by few sets
    import referencing  # noqa: PLC0415
    import referencing.exceptions  # noqa: PLC0415

    validators: Any = jsonschema.validators
    given = validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    kind = validators.extend(given, {"pattern": _pattern, "patternProperties": _pattern_properties})
    try:
        error = next(kind(schema, registry=referencing.Registry()).iter_errors(value), None)
    except (jsonschema.SchemaError, referencing.exceptions.Unresolvable) as error_:
        return f"the schema is not valid: {error_}"
    return f"{error.json_path}: {error.message}" if error else None


def _pattern(validator: Any, pattern: str, text: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001 - jsonschema's signature
    """The keyword, searched for within a time limit."""
    import jsonschema  # noqa: PLC0415 - needed by few sets

    if validator.is_type(text, "string") and search(pattern, text, any_char=False) is None:
        yield jsonschema.ValidationError(f"{text!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: dict[str, Any], value: Any, schema: Any) -> Iterator[Any]:  # noqa: ARG001 - the same
    """The keyword, searched for within a time limit."""
    if not validator.is_type(value, "object"):
        return
    for pattern, inner in patterns.items():
        for key, one in value.items():
            if search(pattern, key, any_char=False) is not None:
                yield from validator.descend(one, inner, path=key, schema_path=pattern)


def _target(sample: Sample) -> float | None:
    return last_number(sample.targets[0]) if sample.targets else None
