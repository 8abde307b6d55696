"""From an entry of a prompt set to its samples: variables filled, defaults applied, matrices laid out."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from llmtui.domain.prompt_set import Defaults, Entry, Haystack, Mode, Sample, Turn, Value, Values
from llmtui.domain.scorers import AnyScorer, Contains, Equals, NotContains, Similarity

_VARIABLE = re.compile(r"\\\{\{|\{\{\s*([^\W\d]\w*)\s*\}\}")
_LONGEST_LABEL = 60
MAX_MATRIX = 100_000
"""Samples that one entry may make."""


class FillError(ValueError):
    """An entry cannot become a sample.

    Attributes:
        place: of the field, below the entry: `.input`, `.messages[0].content`.
        remedy: what the author can do.
    """

    def __init__(self, message: str, place: str = "", remedy: str = "Correct the value") -> None:
        super().__init__(message)
        self.place = place
        self.remedy = remedy


def samples_of(entry: Entry, defaults: Defaults) -> Iterator[Sample]:
    r"""The samples of an entry, in the order of its lists.

    `{{name}}` is replaced in every text by the variable's value, which is not searched again; `\{{` stands for two
    plain braces. Several samples are told apart by the values: `poem[静夜思]`.

    Raises:
        FillError: a variable has no value, the modes do not fit, or the matrix is too large.
    """
    values = {**defaults.vars, **entry.vars}
    lists = {name: value for name, value in values.items() if isinstance(value, list)}
    _check_matrix(lists)
    mode = _mode_of(entry, defaults)
    for combination in itertools.product(*lists.values()):
        chosen: dict[str, Value] = {name: value for name, value in values.items() if not isinstance(value, list)}
        chosen.update(zip(lists, combination, strict=True))
        label = f"[{','.join(map(_label, combination))}]" if lists else ""
        yield _sample(entry, defaults, mode, entry.id + label, chosen)


def variables_in(text: str) -> set[str]:
    """Names of the variables that a text asks for."""
    return {match[1] for match in _VARIABLE.finditer(text) if match[1]}


def escaped(text: str) -> str:
    """Text in which nothing is taken for a variable, for importers."""
    return text.replace("{{", r"\{{")


def build_haystack(value: Haystack) -> str:
    """The filler's paragraphs, repeated to the length, with every needle as a paragraph of its own at its depth."""
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", value.haystack) if part.strip()]
    if not paragraphs:
        raise FillError("the haystack is empty")
    chosen: list[str] = []
    length = 0
    for paragraph in itertools.cycle(paragraphs):
        if length >= value.characters:
            break
        chosen.append(paragraph)
        length += len(paragraph)
    count = len(chosen)
    for needle in sorted(value.needles, key=lambda needle: needle.depth, reverse=True):
        chosen.insert(round(needle.depth * count), needle.text)
    return "\n\n".join(chosen)


def _check_matrix(lists: Mapping[str, Values]) -> None:
    count = 1
    for name, value in lists.items():
        if not value:
            raise FillError("the list is empty, so there is nothing to ask", f".vars.{name}")
        count *= len(value) if isinstance(value, list) else 1
    if count > MAX_MATRIX:
        raise FillError(f"the lists make {count:,} samples; {MAX_MATRIX:,} are allowed", ".vars")


def _mode_of(entry: Entry, defaults: Defaults) -> Mode:
    mode = entry.mode or ("infill" if entry.prefix is not None else defaults.mode)
    if (mode == "infill") != (entry.prefix is not None):
        raise FillError("mode `infill` and the fields `prefix` and `suffix` belong together", ".mode")
    if mode == "text" and entry.input is None:
        raise FillError("mode `text` needs `input`, the raw text", ".mode")
    return mode


def _sample(entry: Entry, defaults: Defaults, mode: Mode, id_: str, values: Mapping[str, Value]) -> Sample:
    def fill(text: str, place: str) -> str:
        return _filled(text, values, place)

    def maybe(text: str | None, place: str) -> str | None:
        return None if text is None else fill(text, place)

    rubric = entry.rubric if entry.rubric is not None else defaults.rubric
    scorers = defaults.scorers if entry.scorers is None else entry.scorers
    return Sample(
        id=id_,
        tags=tuple(dict.fromkeys((*defaults.tags, *entry.tags))),
        mode=mode,
        turns=() if mode in {"text", "infill"} else _turns(entry, defaults, fill),
        text=maybe(entry.input, ".input") if mode == "text" else None,
        prefix=maybe(entry.prefix, ".prefix"),
        suffix=maybe(entry.suffix, ".suffix"),
        targets=tuple(fill(target, f".targets[{number}]") for number, target in enumerate(entry.targets)),
        rubric=maybe(rubric, ".rubric"),
        reference=maybe(entry.reference, ".reference"),
        generation=entry.generation.over(defaults.generation),
        epochs=entry.epochs or defaults.epochs,
        scorers=tuple(_filled_scorer(scorer, values) for scorer in scorers),
    )


def _turns(entry: Entry, defaults: Defaults, fill: Callable[[str, str], str]) -> tuple[Turn, ...]:
    """The conversation, with the system message in front and a turn of the model between two of the user."""
    given = entry.messages or (Turn(role="user", content=entry.input),)
    turns: list[Turn] = []
    system = entry.system if entry.system is not None else defaults.system
    if given[0].role != "system" and system:
        turns.append(Turn(role="system", content=fill(system, ".system")))
    for number, turn in enumerate(given):
        place = f".messages[{number}].content" if entry.messages else ".input"
        content = None if turn.content is None else fill(turn.content, place)
        if turn.role == "user" and turns and turns[-1].role == "user":
            turns.append(Turn(role="assistant"))
        turns.append(Turn(role=turn.role, content=content))
    return tuple(turns)


def _filled(text: str, values: Mapping[str, Value], place: str) -> str:
    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "{{"
        if name not in values:
            known = f"known here: {', '.join(values)}" if values else "the sample has no `vars`"
            remedy = r"Add it to `vars`; where braces are meant, write \{{"
            raise FillError(f"the variable `{name}` has no value; {known}", place, remedy)
        value = values[name]
        return build_haystack(value) if isinstance(value, Haystack) else str(value)

    return _VARIABLE.sub(value_of, text)


def _filled_scorer(scorer: AnyScorer, values: Mapping[str, Value]) -> AnyScorer:
    """A scorer with the variables in its `values` filled; expressions, which have braces of their own, stay."""
    if not isinstance(scorer, Equals | Contains | NotContains | Similarity):
        return scorer
    filled = tuple(_filled(text, values, ".scorers") for text in scorer.values)
    return scorer if filled == scorer.values else msgspec.structs.replace(scorer, values=filled)


def _label(value: str | int) -> str:
    line = " ".join(str(value).split())
    return line if len(line) <= _LONGEST_LABEL else f"{line[: _LONGEST_LABEL - 1]}…"
