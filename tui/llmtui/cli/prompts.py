"""`llmtui prompts`: the prompt sets, what is in them, whether they are valid, and other formats made into them."""

from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned, width
from llmtui.cli.open import runtime_options
from llmtui.cli.prompts_import import command as import_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtui.domain.prompt_set import Header, Sample
    from llmtui.services.prompt_check import ModelFit, SetCheck
    from llmtui.services.prompt_sets import SetSummary

EXAMPLES = """\
\b
Examples:
  llmtui prompts                            the sets there are
  llmtui prompts show li-bai                its samples
  llmtui prompts show coding fix-binary-search
  llmtui prompts check my-set.yaml          is it valid? every mistake with file, line and place
  llmtui prompts check long-context -m demo what does not fit into the model's context?
  llmtui prompts import HumanEval.jsonl     a set of one's own from the field's files

SET is a name from `llmtui prompts` (a unique beginning is enough) or a path. Your own sets are YAML files in the data
folder under `prompts`; one that is named like a set that comes along is taken in its place."""
CHECK_EXAMPLES = """\
\b
Examples:
  llmtui prompts check li-bai coding
  llmtui prompts check *.yaml --json | jq .sets[].problems
  llmtui prompts check long-context -m demo --context 2048

With -m every sample is rendered in the model's template and counted; nothing is generated. Ends with exit code 1 when a
sample is not valid or cannot be asked; an answer that may be cut short is told, and does not count."""
_WIDEST = 60
_TOLD = 50
"""Mistakes told of one set, so that a broken file of 100,000 rows does not fill the terminal."""


@click.group(name="prompts", invoke_without_command=True, epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List, show, check and import prompt sets."""
    ctx.obj = as_json
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List the sets there are."""
    from llmtui.services.prompt_sets import list_sets, title_of  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415

    found = list(list_sets(prepare().folders))
    if as_json or ctx.obj:
        output.write_json({"sets": [_summary(summary) for summary in found]})
        return
    rows = [("NAME", "SAMPLES", "TITLE", "SCORERS", "WHERE")]
    for summary in found:
        titles = [title_of(summary.header, language) for language in ("en", "zh")] if summary.header else []
        rows.append(
            (
                output.safe_line(summary.name),
                f"{summary.samples:,}",
                output.safe_line(" · ".join(dict.fromkeys(filter(None, titles)))),
                ", ".join(summary.scorers),
                _where(summary),
            )
        )
    for line in aligned(rows, right=frozenset({1})):
        output.write(line + "\n")


@command.command(name="show")
@click.argument("set_", metavar="SET")
@click.argument("sample", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, set_: str, sample: str | None, *, as_json: bool) -> None:
    """Show a set, or one SAMPLE of it by its id, with every variable filled."""
    from llmtui.errors import UsageError  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.prompt_sets import find_set, read_set  # noqa: PLC0415
    from llmtui.services.setup import prepare  # noqa: PLC0415

    path = find_set(prepare().folders, set_)
    header, samples = read_set(path)
    if sample is not None:
        chosen = [found for found in samples if found.id == sample]
        if not chosen:
            import difflib  # noqa: PLC0415

            near = difflib.get_close_matches(sample, [found.id for found in samples], n=5, cutoff=0.4)
            raise UsageError(
                f"The set has no sample {output.safe_line(sample)!r}",
                cause=output.safe_line(f"near matches: {', '.join(near)}") if near else "",
                remedy=f"See `llmtui prompts show {set_}`",
            )
        samples = chosen
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415

        values = msgspec.to_builtins(header)
        output.write_json({**values, "path": str(path), "samples": msgspec.to_builtins(samples)})
        return
    lines = _sample_lines(samples[0]) if sample is not None else _set_lines(header, str(path), samples)
    for line in lines:
        output.write(line + "\n")


@command.command(name="check", epilog=CHECK_EXAMPLES)
@click.argument("sets", metavar="SET...", nargs=-1, required=True)
@click.option("-m", "--model", metavar="MODEL", help="Also render every sample for this model, and count its tokens.")
@runtime_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(
    ctx: click.Context,
    sets: tuple[str, ...],
    model: str | None,
    *,
    runtime: dict[str, Any],
    as_json: bool,
) -> int:
    """Check sets for mistakes, and with -m against a model's context."""
    import asyncio  # noqa: PLC0415 - `--help` loads none of what follows

    from llmtui.services.prompt_check import check_file, check_with_model  # noqa: PLC0415
    from llmtui.services.prompt_sets import find_set  # noqa: PLC0415
    from llmtui.services.setup import prepare  # noqa: PLC0415

    services = prepare(**runtime)
    paths = [find_set(services.folders, name) for name in sets]
    if model is None:
        checks = [check_file(path) for path in paths]
    else:
        progress = output.ProgressLine()
        try:
            checks = asyncio.run(check_with_model(services, paths, model, progress.show))
        finally:
            progress.clear()
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415

        told = [{**msgspec.to_builtins(check), "ok": check.ok} for check in checks]
        output.write_json({"ok": all(check.ok for check in checks), "sets": told})
    else:
        for found in checks:
            output.write("\n".join(_check_lines(found)) + "\n")
    return 0 if all(check.ok for check in checks) else 1


command.add_command(import_command)


def _summary(summary: "SetSummary") -> dict[str, Any]:
    import msgspec  # noqa: PLC0415 - only for JSON

    values: dict[str, Any] = msgspec.to_builtins(summary)
    header = values.pop("header") or {}
    return {**values, "title": header.get("title", ""), "license": header.get("license")}


def _where(summary: "SetSummary") -> str:
    where = "comes along" if summary.origin == "shipped" else output.safe_line(summary.path)
    return f"{where}  ! {output.safe_line(summary.problem)}" if summary.problem else where


def _set_lines(header: "Header", path: str, samples: "Sequence[Sample]") -> list[str]:
    titles = [header.title] if isinstance(header.title, str) else list(header.title.values())
    texts = [header.description] if isinstance(header.description, str) else list(header.description.values())
    facts = [
        ("name", header.name),
        ("title", " · ".join(filter(None, titles))),
        ("file", path),
        ("license", header.license or ""),
        ("samples", f"{len(samples):,}"),
    ]
    lines = aligned([(name, output.safe_line(value)) for name, value in facts if value])
    lines += ["", *(output.safe_line(text) for text in texts)] if any(texts) else []
    rows = [("ID", "TAGS", "PROMPT", "SCORERS")]
    rows += [(sample.id, ",".join(sample.tags), _cut(sample.prompt), _scorers(sample)) for sample in samples]
    return [*lines, "", *aligned([tuple(map(output.safe_line, row)) for row in rows])]


def _sample_lines(sample: "Sample") -> list[str]:
    generation = ", ".join(f"{name} {value}" for name, value in sample.generation.given.items())
    facts = [
        ("id", sample.id),
        ("tags", ", ".join(sample.tags)),
        ("mode", sample.mode),
        ("epochs", str(sample.epochs)),
        ("generation", generation),
        ("scorers", _scorers(sample)),
    ]
    lines = aligned([(name, output.safe_line(value)) for name, value in facts if value])
    parts: list[tuple[str, str]] = []
    parts += [(turn.role, "(left to the model)" if turn.content is None else turn.content) for turn in sample.turns]
    parts += [(name, value) for name in ("text", "prefix", "suffix") if (value := getattr(sample, name)) is not None]
    parts += [(f"target {number}", target) for number, target in enumerate(sample.targets, start=1)]
    parts += [(name, value) for name in ("rubric", "reference") if (value := getattr(sample, name))]
    for name, text in parts:
        lines += ["", name, *(f"  {line}" for line in output.safe_text(text).splitlines())]
    return lines


def _scorers(sample: "Sample") -> str:
    from llmtui.domain.scorers import name_of  # noqa: PLC0415 - only where sets are read

    return ", ".join(map(name_of, sample.scorers))


def _cut(text: str) -> str:
    line = output.safe_line(text)
    if width(line) <= _WIDEST:
        return line
    while width(line) >= _WIDEST:
        line = line[: max(1, len(line) - 1 - (width(line) - _WIDEST) // 2)]
    return f"{line}…"


def _check_lines(check: "SetCheck") -> list[str]:
    mark = "✓" if check.ok else "✗"
    wrong = f", {len(check.problems):,} not valid" if check.problems else ""
    lines = [f"{mark} {output.safe_line(check.name)}: {check.samples:,} samples{wrong}"]
    for problem in check.problems[:_TOLD]:
        lines += [f"    {output.safe_line(problem.where)}: {output.safe_line(problem.message)}"]
        lines += [f"      {output.safe_line(problem.remedy)}"]
    if len(check.problems) > _TOLD:
        lines.append(f"    … and {len(check.problems) - _TOLD:,} more")
    return [*lines, *_fit_lines(check.fit)] if check.fit else lines


def _fit_lines(fit: "ModelFit") -> list[str]:
    context = "an unknown number of" if fit.context is None else f"{fit.context:,}"
    longest = "" if fit.longest is None else f", the longest prompt takes {fit.longest:,}"
    lines = [f"    {output.safe_line(fit.model)}: the context holds {context} tokens{longest}"]
    for sample in fit.samples:
        name, tokens = output.safe_line(sample.id), "?" if sample.tokens is None else f"{sample.tokens:,}"
        match sample.verdict:
            case "too_long":
                lines.append(f"    ✗ {name}: {sample.reason or f'{tokens} tokens do not fit'}")
            case "failed":
                lines.append(f"    ✗ {name}: {output.safe_line(sample.reason)}")
            case "tight":
                lines.append(f"    ! {name}: {tokens} tokens leave less than {sample.max_tokens:,} for the answer")
    return lines
