"""The scorer of code: runs what is in the answer, and compares what it returned, out here."""

from collections.abc import Sequence

import msgspec

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Case, Limits, Program, UnitTests
from llmtui.domain.text import visible_line
from llmtui.services.sandbox.process import Jail, run
from llmtui.services.sandbox.protocol import CodeTest, Finding, Raised, Report
from llmtui.services.scoring.code import forms_of
from llmtui.services.scoring.folding import outside_reasoning
from llmtui.services.scoring.result import Score, verdict
from llmtui.services.scoring.same import same, shown

_TEXT = 300
"""Characters of a message that came from the code."""
_NAME = "unit_tests"


def unit_tests(scorer: UnitTests, answer: str, sample: Sample, jail: Jail) -> Score:
    """All cases must pass, as pass@k wants it; how many did is among the details. The code that was run is `answer`.

    Takes up to the time limit of the tests: call it from a thread.

    Raises:
        SandboxError: the code could not be run.
    """
    tests = scorer.tests
    forms = forms_of(scorer, outside_reasoning(answer), sample)
    if not forms:
        return _failed("there is no code in the answer", tests)
    cases = () if isinstance(tests, Program) else tests
    test = CodeTest(
        candidates=forms,
        entry_point=scorer.entry_point,
        calls=tuple((case.args, case.kwargs) for case in cases),
        program=tests if isinstance(tests, Program) else None,
        limits=scorer.limits,
    )
    finding = run(test, jail)
    return msgspec.structs.replace(_judged(finding, scorer, cases), answer=forms[finding.form])


def _judged(finding: Finding, scorer: UnitTests, cases: Sequence[Case]) -> Score:
    tests = scorer.tests
    if finding.broken is not None:
        return _failed(f"the code does not run: {_told(finding.broken)}", tests)
    if finding.is_defined is False:
        return _failed(f"the code does not define a function `{scorer.entry_point}`", tests)
    if finding.is_defined is None:
        return _failed(f"the code {_ending(finding, scorer.limits)}", tests)
    return _program_score(finding, scorer.limits) if isinstance(tests, Program) else _score(finding, scorer, cases)


def _score(finding: Finding, scorer: UnitTests, cases: Sequence[Case]) -> Score:
    problems = [_problem(report, case) for report, case in zip(finding.reports, cases, strict=False)]
    passed = problems.count(None)
    first = next((number for number, problem in enumerate(problems) if problem is not None), len(problems))
    told = ""
    if first < len(cases):
        problem = problems[first] if first < len(problems) else _ending(finding, scorer.limits)
        told = f"case {first + 1} of {len(cases)}: {_call(scorer.entry_point, cases[first])} {problem}"
    return Score(
        scorer=_NAME,
        value=float(passed == len(cases)),
        passed=passed == len(cases),
        explanation=told,
        details={"cases": len(cases), "cases_passed": passed},
    )


def _program_score(finding: Finding, limits: Limits) -> Score:
    report = finding.reports[0] if finding.reports else None
    if report is not None and report.passed:
        return verdict(_NAME, passed=True)
    if report is not None and report.raised is not None:
        return verdict(_NAME, passed=False, explanation=f"the tests failed: {_told(report.raised)}")
    return verdict(_NAME, passed=False, explanation=f"the tests {_ending(finding, limits)}")


def _problem(report: Report, case: Case) -> str | None:
    """What is wrong with a case, in words that follow on the call; None when nothing is."""
    wanted = f"{case.raises} was to be raised" if case.raises is not None else f"{shown(case.expect)} was wanted"
    if report.raised is not None:
        if case.raises is not None and case.raises in report.raised.names:
            return None
        return f"raised {_told(report.raised)}; {wanted}"
    if report.unfit is not None:
        return f"gave {visible_line(report.unfit)[:_TEXT]}; {wanted}"
    if case.raises is None and same(report.value, case.expect, case.tolerance):
        return None
    return f"gave {visible_line(shown(report.value))}; {wanted}"


def _ending(finding: Finding, limits: Limits) -> str:
    """Why there is no report, in words that follow on what was run."""
    match finding.end:
        case "time":
            return f"did not end within {limits.wall_s:g} s"
        case "memory":
            return f"took more than {limits.memory_mb:,} MiB of memory in all its processes"
        case "processes":
            return f"started more than {limits.processes} processes"
        case "output":
            return f"printed more than {limits.output_kb:,} KiB"
        case "report":
            return "sent more than a test may return"
        case _:
            words = visible_line(finding.output)[-_TEXT:]
            return f"ended the program{_with_status(finding.status)}{f': {words}' if words else ''}"


def _with_status(status: int | None) -> str:
    if status is None:
        return ""
    return f", killed by signal {-status}" if status < 0 else f" with status {status}"


def _call(name: str, case: Case) -> str:
    parts = [shown(arg) for arg in case.args] + [f"{key}={shown(value)}" for key, value in case.kwargs.items()]
    text = f"{name}({', '.join(parts)})"
    return visible_line(text if len(text) <= _TEXT else f"{text[:_TEXT]}…)")


def _told(raised: Raised) -> str:
    name = visible_line(raised.names[0])[:60] if raised.names else "an error"
    text = visible_line(raised.text)[:_TEXT]
    where = "" if raised.line is None else f" (line {raised.line})"
    return f"{name}{f': {text}' if text else ''}{where}"


def _failed(told: str, tests: Sequence[Case] | Program) -> Score:
    details = {} if isinstance(tests, Program) else {"cases": float(len(tests)), "cases_passed": 0.0}
    return Score(scorer=_NAME, value=0.0, passed=False, explanation=told, details=details)
