"""The form with which a run is begun: its numbers, and what they come to. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from llmtui.app import format as fmt
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.fit import Fit
from llmtui.domain.limits import MAX_INT, MAX_SEED
from llmtui.domain.models import ModelInfo
from llmtui.domain.prompt_set import Header
from llmtui.services.bookmarks import RunChoice

if TYPE_CHECKING:
    from llmtui.services.prompt_sets import SetSummary
    from llmtui.services.runs.preparing import Source


class NumberField(msgspec.Struct, frozen=True, kw_only=True):
    """A number that may be left out.

    Attributes:
        name: as in `RunChoice`.
        empty: what holds where nothing is written.
        width: cells.
    """

    name: str
    low: int
    high: int
    empty: str
    width: int


NUMBERS = (
    NumberField(name="epochs", low=1, high=1000, empty="set's", width=6),
    NumberField(name="parallel", low=1, high=256, empty="1", width=4),
    NumberField(name="limit", low=1, high=MAX_INT, empty="all", width=7),
    NumberField(name="seed", low=0, high=MAX_SEED, empty="drawn", width=11),
)
SET_COLUMNS = (
    Column(name="prompt set", flexible=True),
    Column(name="samples", right=True, rank=3),
    Column(name="scored by", rank=1),
)
MODEL_COLUMNS = (
    Column(name="model", flexible=True),
    Column(name="size", right=True, rank=2),
    Column(name="fits", rank=3),
    Column(name="", rank=4),
)
_FIT_STYLES = {"yes": "$success", "tight": "$warning", "no": "$error"}


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt set, or a conversation, of the list.

    Attributes:
        key: by name or path; of a conversation, its name between angle brackets.
        epochs: that the set asks for.
        scorers: their names.
        problem: why it cannot be run.
    """

    key: str
    name: str
    title: str = ""
    samples: int = 0
    epochs: int = 1
    scorers: tuple[str, ...] = ()
    problem: str | None = None


class Setting(RunChoice, frozen=True, kw_only=True):
    """What is to be run.

    Attributes:
        sources: conversations, by name.
        allow_code: run the code in answers, in a sandbox.
        infos: the models.
        warned: the user has been told that it does not fit, and wants it.
    """

    sources: tuple[str, ...] = ()
    allow_code: bool = False
    infos: tuple["ModelInfo", ...] = ()
    warned: bool = False


def listed_set(found: "SetSummary", *, key: str | None = None) -> Listed:
    """A prompt set for the list; `key` in place of its name for a file."""
    header = found.header
    return Listed(
        key=key or found.name,
        name=found.name,
        title=_title_of(header),
        samples=found.samples,
        epochs=header.defaults.epochs if header is not None else 1,
        scorers=tuple(found.scorers),
        problem=found.problem,
    )


def listed_source(source: "Source") -> Listed:
    """A conversation for the list."""
    return Listed(key=f"<{source.name}>", name=f"this {source.name}", title=source.question, samples=1)


def number(field: NumberField, text: str) -> int | None:
    """The number of a field; None where nothing is written.

    Raises:
        ValueError: it is none, or out of bounds; the message is for people.
    """
    written = text.strip().replace(",", "")
    if not written:
        return None
    bounds = f"{field.low:,} to {field.high:,}" if field.high < MAX_INT else f"{field.low:,} or more"
    if (
        not (written.isascii() and written.isdigit())
        or not field.low <= int((written.lstrip("0") or "0")[:20]) <= field.high
    ):
        raise ValueError(f"{field.name}: a whole number, {bounds}")
    return int(written.lstrip("0") or "0")


def _title_of(header: Header | None) -> str:
    """A set's title in English, and in Chinese where it has one."""
    if header is None or isinstance(header.title, str):
        return header.title if header is not None and isinstance(header.title, str) else ""
    titles = [header.title[language] for language in ("en", "zh") if language in header.title]
    return " · ".join(titles or list(header.title.values())[:1])


def set_row(one: Listed) -> Row:
    """A set as a row."""
    name = fmt.name(one.name) + (f"  {fmt.name(one.title)}" if one.title else "")
    return Row(
        key=one.key,
        cells=(name, f"{one.samples:,}", fmt.name(", ".join(one.scorers))),
        search=f"{fmt.name(one.name)} {fmt.name(one.title)}",
        problem=fmt.name(one.problem) if one.problem else None,
    )


def run_model_row(info: ModelInfo, fit: Fit | None, *, loaded: bool) -> Row:
    """A model as a row."""
    verdict = (fit.verdict or "?") if fit is not None and info.server is None else ""
    where = fmt.name(info.server) if info.server is not None else "loaded" if loaded else ""
    return Row(
        key=info.name,
        cells=(fmt.name(info.name), fmt.size(info.size_bytes), verdict, where),
        search=" ".join(fmt.name(part) for part in (info.name, info.title, info.source) if part),
        problem=fmt.name(info.problem) if info.problem else None,
        styles={2: _FIT_STYLES.get(verdict, "$text-muted"), 3: "$primary" if loaded else "$text-muted"},
    )


def amount(sets: Sequence[Listed], models: int, epochs: int | None, limit: int | None) -> str:
    """`34 samples × 2 epochs × 3 models = 204 answers`."""
    asked = [(min(one.samples, limit or one.samples), epochs or one.epochs) for one in sets]
    samples, turns = sum(count for count, _ in asked), sum(count * times for count, times in asked)
    parts = [f"{samples:,} sample{'' if samples == 1 else 's'}"]
    if turns != samples:
        same = {times for _, times in asked}
        parts.append(f"{same.pop()} epochs" if len(same) == 1 else "their epochs")
    parts.append(f"{models:,} model{'' if models == 1 else 's'}")
    answers = turns * models
    return f"{' × '.join(parts)} = {answers:,} answer{'' if answers == 1 else 's'}"
