"""A comparison as Markdown, CSV or JSON, and as rows for a table. All of it is safe to show."""

import csv
import io
import json
from collections.abc import Sequence

import msgspec

from llmtui.domain.quantities import number
from llmtui.domain.text import UNSAFE, visible_line
from llmtui.services.compare import Cell, Column, Comparison, Row

_MARKS = {"passed": "✓", "failed": "✗", "waiting": "…", "unscored": "·", "error": "!", "cancelled": "!"}
_NONE = "–"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for a formula: names come from files of others."""


def as_json(comparison: Comparison) -> str:
    """One object: columns and rows."""
    text = json.dumps(json.loads(msgspec.json.encode(comparison)), ensure_ascii=False, indent=2, allow_nan=False)
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """Totals, every sample, and what flips."""

    def table(rows: Sequence[Sequence[str]], *, right: bool) -> list[str]:
        rule = ["---", *(["---:" if right else "---"] * (len(rows[0]) - 1))]
        return [
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in (rows[0], rule, *rows[1:])
        ]

    lines = [*table(totals(comparison), right=True), "", *table(matrix(comparison), right=False)]
    flips = [line.strip() for line in flip_lines(comparison) if line]
    return "\n".join([*lines, *(["", *(f"- {line}" for line in flips)] if flips else [])]) + "\n"


def as_csv(comparison: Comparison) -> str:
    """A row a sample, three columns a model: outcome, score, tokens a second."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    heads = [f"{column.label} {what}" for column in comparison.columns for what in ("outcome", "score", "tok/s")]
    writer.writerow([_plain(cell) for cell in ("set", "sample", "epoch", *heads)])
    for row in comparison.rows:
        cells: list[object] = []
        for cell in row.cells:
            cells += [cell.outcome, cell.value, cell.decode_tps] if cell else ["", "", ""]
        writer.writerow([_plain(row.set), _plain(row.sample), row.epoch, *cells])
    return stream.getvalue()


def matrix(comparison: Comparison) -> list[list[str]]:
    """A heading, then a row a sample and epoch, a cell a column."""
    epochs = any(row.epoch for row in comparison.rows)
    head = ["SAMPLE", *(column.label for column in comparison.columns)]
    return [head, *([_name(row, epochs=epochs), *map(_cell_text, row.cells)] for row in comparison.rows)]


def totals(comparison: Comparison) -> list[list[str]]:
    """A heading, then a row a figure, a cell a column."""
    columns = comparison.columns
    head = ["TOTAL", *(column.label for column in columns)]
    rows = [
        ["asked", *(f"{column.asked:,}" for column in columns)],
        ["score", *(_share(column.score) for column in columns)],
        ["passed", *(_passed(column) for column in columns)],
        ["waiting", *(f"{column.waiting:,}" for column in columns)],
        ["no answer", *(f"{column.errors:,}" for column in columns)],
        ["tok/s", *(number(column.decode_tps) + ("*" if column.parallel else "") for column in columns)],
        ["ttft s", *(number(column.ttft_s, digits=2) for column in columns)],
    ]
    if any(column.flips for column in columns):
        rows.append(["flips", *(flips_text(column) for column in columns)])
    return [head, *rows]


def flip_lines(comparison: Comparison) -> list[str]:
    """What flips against the baseline, an empty line before each column's; also what is to be said of speeds."""
    lines: list[str] = []
    if any(column.parallel for column in comparison.columns):
        lines += ["", "* of one stream among several in flight"]
    epochs = any(row.epoch for row in comparison.rows)
    for column in comparison.columns:
        if column.flips is None:
            continue
        base = comparison.columns[column.flips.baseline].label
        found = column.flips
        lines += ["", f"{column.label} against {base}: {found.joined:,} joined, p = {found.p:.3g}"]
        for flip in found.flips:
            name = visible_line(f"{flip.set}/{flip.sample}{f' #{flip.epoch + 1}' if epochs else ''}")
            lines.append(f"  {'✓ mended' if flip.mended else '✗ broken'}  {name}")
    return lines


def flips_text(column: Column) -> str:
    """`+3 −1`, or that it is the baseline."""
    return "baseline" if column.flips is None else f"+{column.flips.mended} −{column.flips.broken}"


def _passed(column: Column) -> str:
    if column.interval is None:
        return _NONE
    low, high = column.interval
    return f"{column.passed:,}/{column.passed + column.failed:,} ({100 * low:.0f}–{100 * high:.0f} %)"


def _name(row: Row, *, epochs: bool) -> str:
    return visible_line(f"{row.set}/{row.sample}{f' #{row.epoch + 1}' if epochs else ''}")


def _cell_text(cell: Cell | None) -> str:
    if cell is None:
        return _NONE
    return f"{_MARKS[cell.outcome]} {_share(cell.value):>5} {number(cell.decode_tps):>6}"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    line = visible_line(text)
    return f"'{line}" if line.startswith(_FORMULA) else line
