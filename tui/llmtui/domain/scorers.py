"""What a prompt set says about scoring: one struct a scorer, told apart by `type`. How they score is elsewhere."""

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Fold = Literal["t2s", "punct", "case", "space"]
"""Differences that do not count: traditional characters, punctuation, upper case, white space."""
Script = Literal["Han", "Latin", "Hiragana", "Katakana", "Hangul", "Cyrillic", "Arabic", "Greek"]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[int, Meta(ge=1)]


class Scorer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all scorers have in common: nothing but `type`.

    Where `values` is empty, the sample's `targets` are meant. Reasoning is stripped from the answer before scoring.
    """


class Equals(Scorer, frozen=True, kw_only=True, tag="equals"):
    """The whole answer, without white space at its ends, is one of the values."""

    values: tuple[str, ...] = ()
    fold: tuple[Fold, ...] = ()


class Contains(Scorer, frozen=True, kw_only=True, tag="contains"):
    """The answer contains a value.

    Attributes:
        every: all values must occur, not only one.
    """

    values: tuple[str, ...] = ()
    every: bool = False
    fold: tuple[Fold, ...] = ()


class NotContains(Scorer, frozen=True, kw_only=True, tag="not_contains"):
    """The answer contains none of the values."""

    values: Annotated[tuple[str, ...], Meta(min_length=1)]
    fold: tuple[Fold, ...] = ()


class Regex(Scorer, frozen=True, kw_only=True, tag="regex"):
    """The expression (Python's `re`) matches somewhere in the answer; `.` also matches line breaks."""

    pattern: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not compile."""
        check_pattern(self.pattern)


class NotRegex(Scorer, frozen=True, kw_only=True, tag="not_regex"):
    """The expression matches nowhere in the answer."""

    pattern: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not compile."""
        check_pattern(self.pattern)


class Number(Scorer, frozen=True, kw_only=True, tag="number"):
    """The last number of the answer equals the value; thousands separators and full-width digits are understood.

    Attributes:
        value: None takes the sample's first target.
        tolerance: absolute difference that is still right.
        relative: difference that is still right, as a share of the value.
    """

    value: float | None = None
    tolerance: Annotated[float, Meta(ge=0)] = 1e-9
    relative: Fraction = 0.0


class Choice(Scorer, frozen=True, kw_only=True, tag="choice"):
    """The letter that the answer chooses is the right one.

    Attributes:
        value: None takes the sample's first target.
        letters: that can be chosen.
    """

    value: Annotated[str, Meta(pattern="^[A-Z]$")] | None = None
    letters: Annotated[str, Meta(pattern="^[A-Z]{2,26}$")] = "ABCD"


class JsonSchema(Scorer, frozen=True, kw_only=True, tag="json_schema"):
    """The answer, or the code block in it, is JSON that fits the schema; without one, any JSON will do."""

    schema: dict[str, Any] | str | None = None


class ScriptRatio(Scorer, frozen=True, kw_only=True, tag="script_ratio"):
    """Letters of the script over all letters, code blocks and URLs left out; kana count against Han."""

    script: Script
    min: Fraction = 0.98


class Verbatim(Scorer, frozen=True, kw_only=True, tag="verbatim"):
    """The targets' lines are in the answer, word for word.

    Attributes:
        threshold: of the share of reference lines found.
        script: letters of other scripts are left out before comparing; None keeps all.
    """

    fold: tuple[Fold, ...] = ("t2s", "punct")
    threshold: Fraction = 0.95
    script: Script | None = "Han"


class Similarity(Scorer, frozen=True, kw_only=True, tag="similarity"):
    """1 - edit distance / length of the longer text, for the target that comes nearest."""

    values: tuple[str, ...] = ()
    threshold: Fraction = 0.8
    fold: tuple[Fold, ...] = ()


class Length(Scorer, frozen=True, kw_only=True, tag="length"):
    """The answer is neither too short nor too long.

    Attributes:
        unit: `characters` are those a reader sees, white space excluded; `words` are split at white space.
    """

    min: Annotated[int, Meta(ge=0)] = 0
    max: Positive | None = None
    unit: Literal["characters", "words", "lines"] = "characters"

    def __post_init__(self) -> None:
        """Refuse a range that nothing fits."""
        if self.max is not None and self.max < self.min:
            raise ValueError("`max` is below `min`")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What code under test may use.

    Attributes:
        wall_s: seconds for all cases together.
        memory_mb: MiB of address space.
        processes: alive at once.
        output_kb: KiB that it may print.
    """

    wall_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    memory_mb: Annotated[int, Meta(ge=16, le=65_536)] = 512
    processes: Annotated[int, Meta(ge=1, le=256)] = 16
    output_kb: Annotated[int, Meta(ge=1, le=65_536)] = 256


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One call of the function under test. The expected value never enters the process that runs the code.

    Attributes:
        args, kwargs: of the call, as JSON values.
        expect: the value to be returned, as JSON: tuples come back as lists.
        raises: name of the exception that must be raised instead.
        tolerance: absolute difference of numbers that is still right, also inside lists and objects.
    """

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    expect: Any = None
    raises: str | None = None
    tolerance: Annotated[float, Meta(ge=0)] | None = None


class Program(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tests that are themselves a program, as HumanEval and MBPP have them: it passes when it ends without an error.

    Attributes:
        program: run after the code under test.
        call: names a function of the program that is called with the function under test.
    """

    program: str
    call: str | None = None


class UnitTests(Scorer, frozen=True, kw_only=True, tag="unit_tests"):
    """The code in the answer is run, in a sandbox, against tests that the model has not seen.

    Attributes:
        entry_point: the function under test.
        tests: cases, or a program; in a file `file://` and a JSON or YAML file stands for either.
        assemble: what is run: the answer alone, the prompt continued by the answer, or the answer between the sample's
            prefix and suffix.
        limits: what the code may use.
    """

    language: Literal["python"] = "python"
    entry_point: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
    tests: Annotated[tuple[Case, ...], Meta(min_length=1)] | Program
    assemble: Literal["answer", "continuation", "infill"] = "answer"
    limits: Limits = Limits()


class Graded(Scorer, frozen=True, kw_only=True):
    """What is graded by the sample's rubric, later than it is answered.

    Attributes:
        scale: the grades there are, the worst first.
        pass_at: the worst grade that is good enough; None takes the first one above the middle of the scale.
    """

    scale: Annotated[tuple[int, ...], Meta(min_length=2)] = (0, 1, 2)
    pass_at: int | None = None

    def __post_init__(self) -> None:
        """Refuse a scale without an order, and a bound that is no grade."""
        rising = all(low < high for low, high in pairwise(self.scale))
        if not rising and not all(low > high for low, high in pairwise(self.scale)):
            raise ValueError("`scale` must go from the worst grade to the best one, each of them once")
        if self.pass_at is not None and self.pass_at not in self.scale:
            raise ValueError(f"`pass_at` is {self.pass_at}, which is no grade of the scale")


class ModelGraded(Graded, frozen=True, kw_only=True, tag="model_graded"):
    """Another model grades the answer."""


class Human(Graded, frozen=True, kw_only=True, tag="human"):
    """A person grades the answer."""


AnyScorer = (
    Equals
    | Contains
    | NotContains
    | Regex
    | NotRegex
    | Number
    | Choice
    | JsonSchema
    | ScriptRatio
    | Verbatim
    | Similarity
    | Length
    | UnitTests
    | ModelGraded
    | Human
)

SCORERS: dict[str, type[Scorer]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        *(Equals, Contains, NotContains, Regex, NotRegex, Number, Choice, JsonSchema, ScriptRatio, Verbatim),
        *(Similarity, Length, UnitTests, ModelGraded, Human),
    )
}
"""Every scorer by the name that a prompt set gives it."""


def name_of(scorer: AnyScorer) -> str:
    """What a prompt set calls a scorer."""
    return str(scorer.__struct_config__.tag)


def check_pattern(pattern: str) -> None:
    """Refuse what Python's `re` does not compile.

    Raises:
        ValueError: with the reason.
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
