"""`llmtui doctor`: is this machine fit, and is this installation whole?"""

from typing import TYPE_CHECKING

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned

if TYPE_CHECKING:
    from llmtui.services.checkup.report import Check, Section, Status

MARKS: "dict[Status, str]" = {"ok": "✓ ok", "info": "· info", "warn": "! warning", "fail": "✗ failed"}

EXAMPLES = """\
\b
Examples:
  llmtui doctor
  llmtui doctor --json | jq '.sections[].checks[] | select(.status == "fail")'

The memory bandwidth that it measures is kept: answers are compared with it from then on (bandwidth_fraction). Ends with
exit code 1 when a check failed; warnings do not count."""


@click.command(name="doctor", epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> int:
    """Check this machine and this installation: versions, llama.cpp, processor, memory, GPU, terminal, files, model."""
    import asyncio  # noqa: PLC0415 - `--help` loads none of what follows

    if as_json:
        import msgspec  # noqa: PLC0415

        from llmtui.services.doctor import examine  # noqa: PLC0415

        report = asyncio.run(examine())
        output.write_json(msgspec.to_builtins(report))
        return 0 if report.ok else 1
    return asyncio.run(_tell_sections())


async def _tell_sections() -> int:
    from llmtui.services.doctor import passed, sections  # noqa: PLC0415 - see `command`

    progress = output.ProgressLine()
    found = []
    progress.show("looking at this machine …")
    async for section in sections():
        progress.clear()
        output.write("\n".join(_section_lines(section)) + "\n\n")
        found.append(section)
        progress.show("looking further …")
    progress.clear()
    failed = [check for section in found for check in section.checks if check.status == "fail"]
    if not passed(tuple(found)):
        output.write(output.safe_line(f"{len(failed)} failed: {', '.join(check.key for check in failed)}") + "\n")
        return 1
    output.write("Everything that llmtui needs works.\n")
    return 0


def _section_lines(section: "Section") -> list[str]:
    rows = [
        (MARKS[check.status], output.safe_line(check.label), output.safe_line(check.value)) for check in section.checks
    ]
    lines = aligned(rows)
    told = [section.title]
    for check, line in zip(section.checks, lines, strict=True):
        told.append(f"  {line}")
        told.extend(_hint_lines(check))
    return told


def _hint_lines(check: "Check") -> list[str]:
    return [f"      {output.safe_line(check.hint)}"] if check.hint else []
