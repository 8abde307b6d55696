"""`llmtui compare`: runs side by side."""

import click

from llmtui.cli import output

EXAMPLES = """\
\b
Examples:
  llmtui compare 3f2a                            the models of one run side by side
  llmtui compare 3f2a 9c10 --baseline 3f2a       what has changed for better and worse
  llmtui compare 3f2a 9c10 -f markdown -o report.md

RUN is the id of a run, its beginning, or the file. A row is a sample in an epoch, a column a model of a run: ✓ passed,
✗ failed, … waits, ! no answer; the score; tokens a second. Below stand totals, the interval of the share that passed
(95 %, Wilson), and against a baseline every flip, with the p-value of McNemar's exact test. A model is held against the
same model of the baseline run, or else against the first one there."""


@click.command(name="compare", epilog=EXAMPLES)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--baseline", metavar="RUN", help="Tell what flips against this run.")
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["table", "markdown", "csv", "json"]),
    default="table",
    help="How it is written; table without this.",
)
@click.option("-o", "--output", "file", metavar="FILE", help="Write it into a file.")
def command(runs: tuple[str, ...], *, baseline: str | None, format_: str, file: str | None) -> None:
    """Lay runs side by side: scores, speed, and what flips."""
    from llmtui.cli.compare_formats import written  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.compare import compare_runs, write_report  # noqa: PLC0415
    from llmtui.services.setup import prepare  # noqa: PLC0415

    text = written(compare_runs(prepare().folders, runs, baseline), format_)
    if file is None:
        output.write(text)
        return
    write_report(file, text)
