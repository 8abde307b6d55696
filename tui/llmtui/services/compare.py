"""Runs side by side: joined on set, sample and epoch."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, median

import msgspec

from llmtui.domain.paired import mcnemar, wilson
from llmtui.domain.run import Outcome, Result
from llmtui.domain.text import visible_line
from llmtui.errors import StoreError, UsageError
from llmtui.services.runs.book import find_run
from llmtui.store.paths import Folders
from llmtui.store.runs import StoredRun, read_head, read_run

Place = tuple[str, str, int]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample came to in one column; the fields of `Result`."""

    outcome: Outcome
    value: float | None
    decode_tps: float | None
    completion_tokens: int | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One sample in one epoch; `cells` follow the columns, None where a column has not asked it."""

    set: str
    sample: str
    epoch: int
    cells: tuple[Cell | None, ...]


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that one column passes and the baseline fails (`mended`), or the other way round."""

    set: str
    sample: str
    epoch: int
    mended: bool


class Flips(msgspec.Struct, frozen=True, kw_only=True):
    """A column against its baseline, over samples that both have passed or failed.

    Attributes:
        baseline: number of its column.
        joined: samples times epochs that were compared.
        p: of McNemar's exact test.
    """

    baseline: int
    joined: int
    p: float
    flips: tuple[Flip, ...]

    @property
    def mended(self) -> int:
        """How many the baseline fails and this one passes."""
        return sum(flip.mended for flip in self.flips)

    @property
    def broken(self) -> int:
        """How many the baseline passes and this one fails."""
        return len(self.flips) - self.mended


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One model of one run.

    Attributes:
        label: the model, with the run's id where several runs have it.
        score: mean value of what has been scored.
        passed, failed: samples times epochs.
        interval: of the share that passed, 95 %.
        decode_tps, ttft_s: medians.
        parallel: whether samples were in flight together, so that the speed is that of one stream among several.
        flips: None for a baseline, and without one.
    """

    run: str
    model: str
    label: str
    asked: int
    score: float | None
    passed: int
    failed: int
    waiting: int
    errors: int
    interval: tuple[float, float] | None
    decode_tps: float | None
    ttft_s: float | None
    parallel: bool
    flips: Flips | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Columns and rows, both in the order in which they were asked for and asked."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def write_report(file: str, text: str) -> None:
    """Write a comparison into a file, in place of what stood there, but never of a run.

    Raises:
        StoreError: it cannot be written, or a run is kept there.
    """
    path, problem = Path(file), ""
    try:
        if path.is_file() and read_head(path) is not None:
            problem = "a run is kept there"
        else:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = error.strerror or str(error)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise StoreError(
            "The comparison cannot be written", cause=f"{file}: {problem}", remedy="Choose another file with -o"
        )


def compare_runs(folders: Folders, words: Sequence[str], baseline: str | None) -> Comparison:
    """Read runs and join them. Reads from disk.

    Args:
        folders: of the user.
        words: runs by id or file.
        baseline: one of them, or another run; None compares with none.

    Raises:
        UsageError: there is no such run.
        StoreError: a file is no run, or cannot be read.
    """
    paths = list(dict.fromkeys(find_run(folders, word).resolve() for word in words))
    base = find_run(folders, baseline).resolve() if baseline is not None else None
    if base is not None and base not in paths:
        paths.insert(0, base)
    runs = [(path, read_run(path)) for path in paths]
    return join(runs, base)


def join(runs: Sequence[tuple[Path, StoredRun]], base: Path | None) -> Comparison:
    """Runs that have been read, on set, sample and epoch; a column a model of a run, in the order of `columns_of`.

    Args:
        runs: each with its file.
        base: the file of one of them; None compares with none.

    Raises:
        UsageError: there is none.
    """
    sources = columns_of(runs)
    if not sources:
        raise UsageError("There is nothing to compare", remedy="Name at least one run")
    tables = [table_of(stored, model) for _, stored, model in sources]
    places = list(dict.fromkeys(place for table in tables for place in table))
    first = [number for number, (path, _, _) in enumerate(sources) if path == base]
    columns = []
    for number, (path, stored, model) in enumerate(sources):
        several = sum(other == model for _, _, other in sources) > 1
        label = visible_line(f"{model} ({stored.run.id})" if several else model)
        like = [other for other in first if sources[other][2] == model and path != base]
        against = (like or first)[0] if first else None
        flips = (
            None if against in {None, number} else _flips(tables[against or 0], tables[number], against or 0, places)
        )
        columns.append(_column(stored.run.id, model, label, tables[number], flips))
    rows = (
        Row(set=place[0], sample=place[1], epoch=place[2], cells=tuple(_cell(table.get(place)) for table in tables))
        for place in places
    )
    return Comparison(columns=tuple(columns), rows=tuple(rows))


def columns_of(runs: Sequence[tuple[Path, StoredRun]]) -> list[tuple[Path, StoredRun, str]]:
    """The models of every run, one after the other."""
    return [(path, stored, model) for path, stored in runs for model in stored.run.plan.models]


def table_of(stored: StoredRun, model: str) -> dict[Place, Result]:
    """What a model's samples came to; one that was stopped counts as not asked."""
    return {
        (one.set, one.sample, one.epoch): one
        for one in stored.results.values()
        if one.model == model and one.outcome != "cancelled"
    }


def _column(run: str, model: str, label: str, table: dict[Place, Result], flips: Flips | None) -> Column:
    results = list(table.values())
    values = [one.value for one in results if one.value is not None]
    passed, failed, waiting, errors = (
        sum(one.outcome == outcome for one in results) for outcome in ("passed", "failed", "waiting", "error")
    )
    return Column(
        run=run,
        model=model,
        label=label,
        asked=len(results),
        score=fmean(values) if values else None,
        passed=passed,
        failed=failed,
        waiting=waiting,
        errors=errors,
        interval=wilson(passed, passed + failed),
        decode_tps=_median(one.decode_tps for one in results),
        ttft_s=_median(one.ttft_s for one in results),
        parallel=any(one.parallel > 1 for one in results),
        flips=flips,
    )


def _flips(base: dict[Place, Result], table: dict[Place, Result], number: int, places: Iterable[Place]) -> Flips:
    decided = {"passed", "failed"}
    joined = [
        (place, base[place].outcome, table[place].outcome)
        for place in places
        if place in base and place in table and {base[place].outcome, table[place].outcome} <= decided
    ]
    flips = tuple(
        Flip(set=place[0], sample=place[1], epoch=place[2], mended=after == "passed")
        for place, before, after in joined
        if before != after
    )
    mended = sum(flip.mended for flip in flips)
    return Flips(baseline=number, joined=len(joined), p=mcnemar(len(flips) - mended, mended), flips=flips)


def _cell(result: Result | None) -> Cell | None:
    if result is None:
        return None
    return Cell(
        outcome=result.outcome,
        value=result.value,
        decode_tps=result.decode_tps,
        completion_tokens=result.completion_tokens,
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
