"""A comparison as a table, Markdown, CSV or JSON."""

from llmtui.cli.columns import aligned
from llmtui.services.compare import Comparison
from llmtui.services.compare_text import as_csv, as_json, as_markdown, flip_lines, matrix, totals


def written(comparison: Comparison, format_: str) -> str:
    """The whole text, safe to show.

    Args:
        comparison: of runs.
        format_: `table`, `markdown`, `csv` or `json`.
    """
    match format_:
        case "csv":
            return as_csv(comparison)
        case "json":
            return as_json(comparison)
        case "markdown":
            return as_markdown(comparison)
        case _:
            return _table(comparison)


def _table(comparison: Comparison) -> str:
    count = len(comparison.columns)
    lines = aligned(matrix(comparison))
    lines += ["", *aligned(totals(comparison), right=frozenset(range(1, count + 1)))]
    for line in flip_lines(comparison):
        lines += [line]
    return "\n".join(lines) + "\n"
