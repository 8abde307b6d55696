"""`llmtui run`: prompt sets across models, for pipes, scripts and long nights."""

from typing import Any

import click

from llmtui.cli.open import runtime_options
from llmtui.domain.limits import MAX_INT, MAX_SEED

EXAMPLES = """\
\b
Examples:
  llmtui run li-bai -m demo                        one set on one model
  llmtui run li-bai ruozhiba -m qwen2-q8 -m qwen2-q4
  llmtui run coding -m qwen2 --epochs 5 --allow-code       pass@1 and pass@5
  llmtui run my-set.yaml -m vllm/qwen2-72b --parallel 16
  llmtui run --resume 3f2a                         go on with a run that was stopped or killed
  llmtui run ruozhiba -m qwen2 --judge vllm/qwen2-72b
  llmtui run --resume 3f2a --judge qwen2-7b        grade, or have another judge grade, what a run answered
  llmtui run maths -m demo --json | jq 'select(.event == "sample")'

SET is a name from `llmtui prompts` or a path, MODEL a name from `llmtui models`, a path, SERVER/ID, or a URL with #ID.
Each model is loaded once and asked everything. Every answer is on the disk when it is told, with metrics and scores, in
the folder `runs` of the data folder, or in DIR. Ctrl-C stops, keeps what has come, and prints how to go on; samples
without an answer are asked again then, and no others.

Code in answers runs with --allow-code only, else its samples wait: in a sandbox (bubblewrap, Linux) without network or
your files, and with limits. Without a sandbox it is refused; --unsafe-code as well runs it as you, with limits only.

--judge MODEL has a model grade the answers that ask for a judge, once the others are unloaded: twice, with the scale
listed from either end. Where the two differ the grade between them counts; how often they agree is told at the end. A
person's grade stands above a judge's: Alt+G in llmtui shows what waits for one.

--parallel N asks N samples at once: N requests to a server, or to all that `urls` of [servers.NAME] lists together; N
slots of a model in this machine's memory.

Exit codes: 0 every sample passed or waits; 1 some failed, or have no answer; 2 usage; 3 no model could be asked,
or the judge failed; 130 interrupted."""


@click.command(name="run", epilog=EXAMPLES)
@click.argument("sets", metavar="[SET]...", nargs=-1)
@click.option("-m", "--model", "models", multiple=True, metavar="MODEL", help="Ask this model; may be repeated.")
@click.option("-p", "--profile", metavar="PROFILE", help="A name from `llmtui profiles`, or a .yaml file.")
@click.option("--epochs", type=click.IntRange(1, 1000), metavar="N", help="Ask every sample N times.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), metavar="N", help="Of the first epoch; each adds one.")
@click.option("--limit", type=click.IntRange(1, MAX_INT), metavar="N", help="The first N samples of each set only.")
@click.option("--timeout", type=click.FloatRange(1, 86_400), metavar="S", help="Seconds that a sample may take.")
@click.option("--parallel", type=click.IntRange(1, 256), default=1, metavar="N", help="Ask N samples at once.")
@click.option("--allow-code", is_flag=True, help="Run the code in answers, in a sandbox, to score it.")
@click.option("--unsafe-code", is_flag=True, help="With --allow-code: where there is no sandbox, run it without one.")
@click.option("--judge", metavar="MODEL", help="Have this model grade the answers that a judge is to grade.")
@click.option("--resume", metavar="ID", help="Go on with a run.")
@click.option("-o", "--output", "folder", metavar="DIR", help="Keep the run in this folder.")
@runtime_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line: every sample, then the totals.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    sets: tuple[str, ...],
    models: tuple[str, ...],
    *,
    profile: str | None,
    allow_code: bool,
    unsafe_code: bool,
    judge: str | None,
    resume: str | None,
    folder: str | None,
    parallel: int,
    runtime: dict[str, Any],
    as_json: bool,
    **wishes: Any,
) -> int:
    """Put prompt sets to models, and score the answers."""
    given = [
        f"--{name.replace('_', '-')}"
        for name, value in (("profile", profile), *runtime.items(), *wishes.items())
        if value is not None
    ]
    if resume is not None and (sets or models or given):
        what = ", ".join([*(["sets"] if sets else []), *(["-m"] if models else []), *given])
        raise click.UsageError(f"--resume takes the run up as it was planned; leave out {what}", ctx)
    if resume is None and not sets:
        raise click.UsageError("name at least one prompt set; `llmtui prompts` lists them", ctx)
    if unsafe_code and not allow_code:
        raise click.UsageError("--unsafe-code is for use with --allow-code", ctx)
    from llmtui.cli.running import Code, resume_run, start_run  # noqa: PLC0415 - loaded once the words of the command are right

    code: Code = "unsafe" if unsafe_code else "sandbox" if allow_code else "no"
    if resume is not None:
        return resume_run(resume, folder=folder, parallel=parallel, judge=judge, code=code, as_json=as_json)
    return start_run(
        sets,
        models,
        wishes,
        profile=profile,
        folder=folder,
        parallel=parallel,
        runtime=runtime,
        judge=judge,
        code=code,
        as_json=as_json,
    )
