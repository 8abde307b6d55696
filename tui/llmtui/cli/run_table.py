"""The totals of a run as lines: a row for each set and model."""

from collections.abc import Mapping, Sequence

from llmtui.cli import output
from llmtui.cli.columns import aligned
from llmtui.domain.judges import JudgeRow
from llmtui.domain.quantities import number
from llmtui.domain.run_summary import SummaryRow
from llmtui.services.scoring.registry import Waits

_NONE = "–"
_WAITS: dict[Waits, str] = {
    "sandbox": "wait for their code to be run, which --allow-code allows",
    "judge": "wait for a judge model",
    "person": "wait for a person",
}


def summary_lines(rows: Sequence[SummaryRow]) -> list[str]:
    """The table; columns that would be empty everywhere are left out."""
    ks = sorted({k for row in rows for k in row.pass_at})
    unscored = any(row.unscored for row in rows)
    head = ["SET", "MODEL", "ASKED", "SCORE", *(f"PASS@{k}" for k in ks), "PASSED", "FAILED", "WAITING", "ERRORS"]
    head += [*(["UNSCORED"] if unscored else []), "TOK/S", "TTFT"]
    table = [head, *(_cells(row, ks, unscored=unscored) for row in rows)]
    return aligned(table, right=frozenset(range(2, len(head))))


def waiting_lines(waiting: Mapping[str, Mapping[Waits, int]]) -> list[str]:
    """What waits for whom, a line for each set.

    Args:
        waiting: answers by what they wait for, by set.
    """
    lines = []
    for name, counts in waiting.items():
        parts = [f"{count:,} {_WAITS[waits]}" for waits, count in sorted(counts.items())]
        lines.append(f"{output.safe_line(name)}: of the answers {'; '.join(parts)}")
    return lines


def judge_lines(judged: Sequence[JudgeRow]) -> list[str]:
    """How far each judge is to be trusted, a line for each."""
    lines = []
    for row in judged:
        told = f"judge {output.safe_line(row.judge)}: {row.graded:,} graded"
        if row.graded:
            told += f"; the same grade with the scale listed from either end: {_of(row.agreed, row.graded)}"
        if row.checked:
            told += f"; people agree with it: {_of(row.confirmed, row.checked)}"
        lines.append(told)
    return lines


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({100 * part / whole:.0f} %)"


def _cells(row: SummaryRow, ks: Sequence[int], *, unscored: bool) -> list[str]:
    asked = f"{row.asked:,}" if row.asked == row.planned else f"{row.asked:,}/{row.planned:,}"
    return [
        output.safe_line(row.set),
        output.safe_line(row.model),
        asked,
        _share(row.score),
        *(_share(row.pass_at.get(k)) for k in ks),
        f"{row.passed:,}",
        f"{row.failed:,}",
        f"{row.waiting:,}",
        f"{row.errors + row.cancelled:,}",
        *([f"{row.unscored:,}"] if unscored else []),
        number(row.decode_tps),
        _NONE if row.ttft_s is None else f"{number(row.ttft_s, digits=2)} s",
    ]


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"
