"""One run from the command line: the interrupt, the progress, and what is told at the end."""

import asyncio
import contextlib
import shlex
import signal
from pathlib import Path
from typing import Any, Literal

import msgspec

from llmtui.cli import output
from llmtui.cli.failures import INTERRUPTED
from llmtui.cli.run_table import judge_lines, summary_lines, waiting_lines
from llmtui.cli.run_view import viewed
from llmtui.domain.run import RunPlan
from llmtui.domain.run_summary import SummaryRow
from llmtui.errors import ModelError
from llmtui.services.runner import Runner
from llmtui.services.runs.book import RunBook, find_run
from llmtui.services.runs.events import JudgeFailed
from llmtui.services.runs.judging import Scoring
from llmtui.services.runs.plan import Wishes, make_plan
from llmtui.services.setup import prepare
from llmtui.services.wiring import Services

NO_MODEL = 3
_ENDING = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what a scheduler of a cluster sends some seconds before it kills."""
Code = Literal["no", "sandbox", "unsafe"]
"""Whether code in answers is run: not at all; in the sandbox or not at all; without one where there is none."""


def start_run(
    sets: tuple[str, ...],
    models: tuple[str, ...],
    wishes: dict[str, Any],
    *,
    profile: str | None,
    folder: str | None,
    parallel: int,
    judge: str | None,
    code: Code,
    runtime: dict[str, Any],
    as_json: bool,
) -> int:
    """Plan a run, run it, and return the exit code.

    Args:
        sets: as the user named them.
        models: as the user named them; none takes the configured one.
        wishes: of the run: epochs, seed, limit, timeout; None where the user set none.
        profile: by name or path; None takes the configured one.
        folder: where the run is kept; None takes the user's own.
        parallel: samples in flight.
        judge: the model that grades; None grades nothing.
        code: whether code in answers is run, and in what.
        runtime: fields of `Runtime` over those of the profile and the configuration.
        as_json: print JSON lines instead of a table.
    """
    services = prepare(profile=profile, **runtime)
    given = {name: value for name, value in wishes.items() if value is not None}
    if "timeout" in given:
        given["timeout_s"] = given.pop("timeout")
    plan = make_plan(services, Wishes(sets=sets, models=models or (services.catalogue.default,), **given))
    for name in plan.models:
        with contextlib.suppress(ModelError):  # a damaged file is recorded when its turn comes, and the next goes on
            services.catalogue.resolve(name)
    scoring = _scoring(services, judge, code)
    where = Path(folder) if folder is not None else None
    return asyncio.run(_begin(services, plan, where, scoring, parallel=parallel, as_json=as_json))


def resume_run(word: str, *, folder: str | None, parallel: int, judge: str | None, code: Code, as_json: bool) -> int:
    """Take a run up again, and return the exit code.

    Args:
        word: id or file of the run.
        folder: where it is kept; None takes the user's own.
        parallel: samples in flight.
        judge: the model that grades what waits, or what another one has graded; None grades nothing.
        code: whether code in answers is run, and in what.
        as_json: print JSON lines instead of a table.
    """
    services = prepare()
    path = find_run(services.folders, word, Path(folder) if folder is not None else None)
    return asyncio.run(_resume(services, path, _scoring(services, judge, code), parallel=parallel, as_json=as_json))


def _scoring(services: Services, judge: str | None, code: Code) -> Scoring:
    """Who scores.

    Raises:
        UsageError: there is no such judge; better now than after hours of answers.
        SandboxError: code cannot be run as it should be.
    """
    if judge is not None:
        services.catalogue.resolve(judge)
    if code == "no":
        return Scoring(judge=judge)
    from llmtui.services.scoring.running import code_runner  # noqa: PLC0415 - most runs have no code in them

    run_code = code_runner(unsafe=code == "unsafe")
    if not run_code.contained:
        output.note(
            "WARNING: code in answers runs WITHOUT A SANDBOX, as you: it can read, change and send whatever you can. "
            "Only its time, memory and output are limited"
        )
    return Scoring(run_code=run_code, judge=judge)


async def _begin(
    services: Services, plan: RunPlan, folder: Path | None, scoring: Scoring, *, parallel: int, as_json: bool
) -> int:
    book = await RunBook.begin(services.folders, folder, plan)
    return await _follow(services, book, scoring, parallel=parallel, as_json=as_json)


async def _resume(services: Services, path: Path, scoring: Scoring, *, parallel: int, as_json: bool) -> int:
    book = await asyncio.to_thread(RunBook.reopen, services.folders, path)
    return await _follow(services, book, scoring, parallel=parallel, as_json=as_json)


async def _follow(services: Services, book: RunBook, scoring: Scoring, *, parallel: int, as_json: bool) -> int:
    """Run to the end, to the first Ctrl-C, or until it is told to end; a second Ctrl-C ends the program."""
    runner = Runner(services, book, services.host, parallel=parallel, scoring=scoring)
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        runner.stop.set()
        for number in _ENDING:
            loop.remove_signal_handler(number)

    for number in _ENDING:
        loop.add_signal_handler(number, interrupt)
    finished = judge_failed = False
    try:
        with viewed(book, as_json=as_json) as view:
            async with contextlib.aclosing(runner.events()) as events:
                async for event in events:
                    judge_failed = judge_failed or isinstance(event, JudgeFailed)
                    view.take(event)
        finished = not runner.stop.is_set()
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)
        await services.host.close()
        await book.close(finished=finished)
    return _tell_end(book, finished=finished, judge_failed=judge_failed, as_json=as_json)


def _tell_end(book: RunBook, *, finished: bool, judge_failed: bool, as_json: bool) -> int:
    rows, judged = book.summary(), book.judged()
    code = _exit_code(book, rows, judge_failed=judge_failed) if finished else INTERRUPTED
    if as_json:
        output.write_json_line(
            {
                "event": "end",
                "id": book.run.id,
                "path": str(book.path),
                "finished": finished,
                "exit_code": code,
                "failures": book.stored.failures,
                "totals": msgspec.to_builtins(rows, str_keys=True),
                "judges": msgspec.to_builtins(judged),
            }
        )
    else:
        for line in summary_lines(rows):
            output.write(line + "\n")
    waiting = book.waiting()
    for line in (*judge_lines(judged), *waiting_lines(waiting)):
        output.note(line)
    for model, title in book.stored.failures.items():
        output.note(f"not asked to the end: {output.safe_line(model)}: {output.safe_line(title)}")
    output.note(f"kept in {output.safe_line(book.path)}")
    if not finished:
        output.note(f"interrupted; go on with: llmtui run --resume {_resume_word(book)}")
    elif book.stored.failures or any(row.errors for row in rows):
        output.note(f"ask again what has no answer: llmtui run --resume {_resume_word(book)}")
    if finished and any(counts["sandbox"] for counts in waiting.values()):
        output.note(f"run the code in a sandbox: llmtui run --resume {_resume_word(book)} --allow-code")
    if finished and any(counts["judge"] for counts in waiting.values()):
        output.note(f"have a model grade them: llmtui run --resume {_resume_word(book)} --judge MODEL")
    if finished and not book.elsewhere and any(counts["person"] for counts in waiting.values()):
        output.note("grade them yourself: llmtui, then Alt+G")
    return code


def _resume_word(book: RunBook) -> str:
    return shlex.quote(output.safe_line(book.path)) if book.elsewhere else book.run.id


def _exit_code(book: RunBook, rows: list[SummaryRow], *, judge_failed: bool) -> int:
    if judge_failed or (book.stored.failures and not any(row.asked for row in rows)):
        return NO_MODEL
    imperfect = any(row.failed or row.errors or row.cancelled or row.asked < row.planned for row in rows)
    return int(imperfect or bool(book.stored.failures))
