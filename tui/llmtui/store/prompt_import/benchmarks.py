"""The files of HumanEval, MBPP, GSM8K, and of multiple-choice sets: MMLU, C-Eval, CMMLU."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llmtui.store.prompt_import.drafts import Draft, Drafts, Left, Wishes, has_han, literal
from llmtui.store.prompt_import.rows import Row, csv_rows, json_rows, wrong

_STOP = ["\nclass ", "\ndef ", "\n#", "\nif ", "\nprint"]
"""Where a continued function is over, as the HumanEval paper has it."""
_LETTERS = "ABCDEFGHIJ"
_SHORTEST = 4
"""Columns of a choice row without a header: question, two choices, answer."""


def humaneval(path: Path, wishes: Wishes) -> Drafts:
    """`task_id, prompt, entry_point, canonical_solution, test`: a function to be continued, tests in `check`."""
    for row in json_rows(path):
        prompt, entry, test = (_text(path, row, key) for key in ("prompt", "entry_point", "test"))
        draft: Draft = {"id": str(row.value.get("task_id") or f"task-{row.line}"), "tags": ["code"]}
        scorer: Draft = {"type": "unit_tests", "entry_point": entry, "tests": {"program": test, "call": "check"}}
        if wishes.mode == "instruct":
            ask = "Complete this Python function. Return the whole function with its imports in one code block."
            draft["input"] = literal(f"{ask}\n\n```python\n{prompt.rstrip()}\n```")
        else:
            scorer["assemble"] = "continuation"
            draft |= {"mode": "text", "input": literal(prompt), "generation": {"max_tokens": 512, "stop": _STOP}}
        solution = row.value.get("canonical_solution")
        if isinstance(solution, str):
            draft["reference"] = literal(prompt + solution if wishes.mode == "instruct" else solution)
        yield draft | {"scorers": [scorer]}


def mbpp(path: Path, wishes: Wishes) -> Drafts:  # noqa: ARG001 - the signature of all importers
    """`text` or `prompt`, `code`, `test_list`: a task in words, with asserts that the model is shown."""
    for row in json_rows(path):
        value = row.value
        tests = value.get("test_list")
        if not isinstance(tests, list) or not tests:
            raise wrong(path, row.line, "`test_list` is missing or empty")
        code = str(value.get("code", ""))
        entry = _tested_function(code, [str(test) for test in tests])
        task = str(value.get("task_id", row.line))
        if entry is None:
            yield Left(f"task {task}: no function of its solution is named in its tests")
            continue
        shown = "\n".join(map(str, tests))
        setup = [str(value.get("test_setup_code") or ""), *map(str, value.get("test_imports") or ())]
        program = "\n".join(part for part in (*setup, shown) if part)
        text = str(value.get("text") or value.get("prompt") or "")
        yield {
            "id": f"mbpp-{task}",
            "tags": ["code"],
            "input": literal(f"{text}\nReturn only Python code. It must pass these tests:\n{shown}"),
            "reference": literal(code),
            "scorers": [{"type": "unit_tests", "entry_point": entry, "tests": {"program": program}}],
        }


def gsm8k(path: Path, wishes: Wishes) -> Drafts:  # noqa: ARG001 - the signature of all importers
    """`question, answer`, the number behind `####`."""
    for row in json_rows(path):
        question, answer = (_text(path, row, key) for key in ("question", "answer"))
        steps, mark, number = answer.rpartition("####")
        number = number.strip().replace(",", "").lstrip("$")
        try:
            float(number)
        except ValueError:
            mark = ""
        if not mark:
            raise wrong(path, row.line, "the answer does not end in `####` and a number")
        yield {
            "id": f"gsm8k-{row.line}",
            "input": literal(question),
            "targets": [number],
            "reference": literal(steps.strip()) or None,
            "scorers": [{"type": "number"}],
        }


def choice(path: Path, wishes: Wishes) -> Drafts:  # noqa: ARG001 - the signature of all importers
    """Question, choices, and the letter of the right one; with a header (C-Eval, CMMLU) or without (MMLU)."""
    rows = csv_rows(path)
    first = next(rows, None)
    if first is None:
        return
    columns = choice_columns(first.value)
    if columns is None:
        width = len(first.value)
        if width < _SHORTEST:
            raise wrong(path, first.line, "a row needs a question, choices and an answer")
        columns = {"question": 0, "answer": width - 1} | {_LETTERS[n]: n + 1 for n in range(min(width - 2, 10))}
        yield _choice(path, first, columns)
    for row in rows:
        yield _choice(path, row, columns)


def choice_columns(cells: Sequence[str]) -> dict[str, int] | None:
    """Where the columns are, if this is a header of a choice file."""
    names = {cell.strip().casefold(): number for number, cell in enumerate(cells)}
    letters = [letter for letter in _LETTERS if letter.casefold() in names]
    if "question" not in names or len(letters) < 2:
        return None
    found = {"question": names["question"], **{letter: names[letter.casefold()] for letter in letters}}
    return found | {key: names[key] for key in ("answer", "id", "explanation") if key in names}


def _choice(path: Path, row: Row, columns: dict[str, int]) -> Draft:
    def cell(key: str) -> str:
        place = columns.get(key)
        return row.value[place].strip() if place is not None and place < len(row.value) else ""

    letters = [letter for letter in _LETTERS if letter in columns]
    question, answer = cell("question"), cell("answer").upper()
    if not question:
        raise wrong(path, row.line, "the question is empty")
    if answer and answer not in letters:
        raise wrong(path, row.line, f"the answer is {answer!r}, which is none of {', '.join(letters)}")
    ask = "只写一个字母。" if has_han(question) else "Answer with one letter only."
    lines = [question, *(f"{letter}. {cell(letter)}" for letter in letters), ask]
    scorer = {"type": "choice"} | ({} if letters == list("ABCD") else {"letters": "".join(letters)})
    return {
        "id": f"{path.stem}-{cell('id') or row.line}",
        "tags": [path.stem],
        "input": literal("\n".join(lines)),
        "targets": [answer] if answer else [],
        "reference": literal(cell("explanation")) or None,
        "scorers": [scorer] if answer else [{"type": "human"}],
    }


def _text(path: Path, row: Row, key: str) -> str:
    value: Any = row.value.get(key)
    if not isinstance(value, str) or not value:
        raise wrong(path, row.line, f"`{key}` is missing or is no text")
    return value


def _tested_function(code: str, tests: Sequence[str]) -> str | None:
    """The function of the solution that the tests call: the last one defined, if several are."""
    try:
        defined = [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
        called = {name for test in tests for name in _names(ast.parse(test))}
    except (SyntaxError, ValueError, RecursionError):
        return None
    found = [name for name in defined if name in called]
    return found[-1] if found else None


def _names(tree: ast.AST) -> Iterator[str]:
    return (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
