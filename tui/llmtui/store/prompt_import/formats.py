"""The formats that can be imported, and how a file tells which one it has."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from llmtui.domain.prompt_set import SCHEMA
from llmtui.errors import ConfigError
from llmtui.store.prompt_import import benchmarks, plain
from llmtui.store.prompt_import.drafts import Drafts, Wishes
from llmtui.store.prompt_import.promptfoo import promptfoo
from llmtui.store.prompt_import.rows import csv_rows, json_rows, wrong
from llmtui.store.yaml_stream import YamlError, open_yaml

Importer = Callable[[Path, Wishes], Drafts]
_CHOICE_WIDTH = 6


class Format(msgspec.Struct, frozen=True):
    """A format by the name that `--format` takes."""

    name: str
    what: str
    read: Importer


FORMATS = {
    known.name: known
    for known in (
        Format("humaneval", "HumanEval's JSONL: functions to be continued, with tests", benchmarks.humaneval),
        Format("mbpp", "MBPP's JSONL: tasks in words, with asserts", benchmarks.mbpp),
        Format("gsm8k", "GSM8K's JSONL: word problems, the number behind ####", benchmarks.gsm8k),
        Format("choice", "CSV of MMLU, C-Eval, CMMLU: questions with lettered choices", benchmarks.choice),
        Format("promptfoo", "promptfoo's YAML: prompts, tests, assertions", promptfoo),
        Format("jsonl", "JSONL or a JSON array of objects with a prompt or messages", plain.objects),
        Format("csv", "CSV or TSV with a column of prompts", plain.table),
        Format("text", "plain text, a prompt a line", plain.lines),
    )
}


def format_of(path: Path) -> Format:
    """The format that a file's name and first row tell.

    Raises:
        ConfigError: the file cannot be read, is a prompt set already, or is of no known kind.
    """
    match path.suffix.lower():
        case ".yaml" | ".yml":
            return FORMATS[_yaml_format(path)]
        case ".jsonl" | ".ndjson" | ".json":
            return FORMATS[_json_format(path)]
        case ".csv" | ".tsv":
            return FORMATS[_csv_format(path)]
        case ".txt" | ".md" | "":
            return FORMATS["text"]
        case suffix:
            remedy = f"Name the format with --format: {', '.join(FORMATS)}"
            raise wrong(path, None, f"the ending `{suffix}` does not tell the format", remedy)


def _yaml_format(path: Path) -> str:
    try:
        with open_yaml(path) as stream:
            for key, line, part in stream.top_level():
                value = part.read().value
                if key == "schema" and value == SCHEMA:
                    raise wrong(path, line, "this is a prompt set already", "Put it into your folder of prompt sets")
                if key in {"prompts", "providers", "tests", "defaultTest"}:
                    return "promptfoo"
    except YamlError as error:
        raise wrong(path, error.line, str(error)) from error
    except OSError as error:
        raise wrong(path, None, error.strerror or str(error), "Check the path and its permissions") from error
    raise _unknown(path, "neither a prompt set nor a configuration of promptfoo")


def _json_format(path: Path) -> str:
    first = next(json_rows(path), None)
    if first is None:
        raise _unknown(path, "the file is empty")
    keys = set(first.value)
    if {"prompt", "entry_point", "test"} <= keys:
        return "humaneval"
    if "test_list" in keys:
        return "mbpp"
    if {"question", "answer"} <= keys and "####" in str(first.value["answer"]):
        return "gsm8k"
    return "jsonl"


def _csv_format(path: Path) -> str:
    first = next(csv_rows(path), None)
    if first is None:
        raise _unknown(path, "the file is empty")
    cells = first.value
    headless = len(cells) == _CHOICE_WIDTH and cells[-1].strip() in {"A", "B", "C", "D"}
    return "choice" if headless or benchmarks.choice_columns(cells) else "csv"


def _unknown(path: Path, what: str) -> ConfigError:
    return wrong(path, None, what, f"Name the format with --format: {', '.join(FORMATS)}")
