"""The code in an answer: which of its blocks is meant, and what it is put together with.

Nothing is compiled here: forms that the code may have are listed, the likeliest first, and the first that is Python is
run, inside the sandbox.
"""

import re
import textwrap
from collections.abc import Iterator

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import UnitTests

_PYTHON = {"", "python", "py", "python3", "py3", "pycon"}
_BEGINS = re.compile(r"(?:from|import|def|class|async def|@)\b|@")
_DEFINED = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_WORD = re.compile(r"\w+")
_MOST_FORMS = 20
"""Blocks of one answer that are tried."""
_LONGEST = 1 << 20
"""Characters of an answer that are looked at."""
_SPACES = re.compile(r"[ \t]*")


def forms_of(scorer: UnitTests, answer: str, sample: Sample) -> tuple[str, ...]:
    """Forms of a program from an answer, the likeliest first.

    Args:
        scorer: says how the answer is put together with the prompt.
        answer: without its reasoning.
        sample: has the prompt.
    """
    answer = answer[:_LONGEST]
    defines = re.compile(
        rf"^(?:async\s+def|def|class)\s+{scorer.entry_point}\b|^{scorer.entry_point}\s*=", re.MULTILINE
    )
    match scorer.assemble:
        case "continuation":
            forms = _continued(sample.text if sample.text is not None else sample.prompt, answer, defines)
        case "infill":
            forms = _filled(sample.prefix or "", answer, sample.suffix or "", defines)
        case _:
            forms = _alone(answer, defines)
    return tuple(dict.fromkeys(form for form in forms if form.strip()))


def blocks(text: str) -> list[str]:
    """Fenced blocks of Python, or of no language; one that never ends goes to the end of the text."""
    found: list[str] = []
    fence, wanted = "", False
    lines: list[str] = []
    for line in text.split("\n"):
        mark = line.strip()
        if fence:
            if mark.startswith(fence) and not mark.strip(fence[0]):
                if wanted:
                    found.append(_joined(lines))
                fence, lines = "", []
            else:
                lines.append(line)
        elif mark.startswith(("```", "~~~")):
            ticks = len(mark) - len(mark.lstrip(mark[0]))
            label = mark[ticks:].strip().split(" ")[0].strip("{}.").lower()
            if mark[0] not in label:
                fence, wanted = mark[:ticks], label in _PYTHON
    if fence and wanted:
        found.append(_joined(lines))
    return found


def _joined(lines: list[str]) -> str:
    """The lines of a block, without the indentation of a list item around it that all of them share."""
    return textwrap.dedent("\n".join(lines)) if lines and lines[0].startswith((" ", "\t")) else "\n".join(lines)


def _alone(answer: str, defines: re.Pattern[str]) -> Iterator[str]:
    """The last block with the function, which is the corrected one where there are several; all blocks; the text."""
    fenced = blocks(answer)
    meant = [number for number, block in enumerate(fenced) if defines.search(block)]
    for number in meant[: -_MOST_FORMS - 1 : -1]:
        yield "\n".join([*_helpers(fenced[:number], fenced[number]), fenced[number]])
    yield "\n".join(fenced)
    yield from fenced[: -_MOST_FORMS - 1 : -1]
    yield answer
    yield from _without_talk(answer)


def _helpers(earlier: list[str], meant: str) -> list[str]:
    """Blocks before the one with the function that define what it uses and does not define itself."""
    words, own = set(_WORD.findall(meant)), set(_DEFINED.findall(meant))
    return [block for block in earlier if (set(_DEFINED.findall(block)) & words) - own]


def _without_talk(answer: str) -> Iterator[str]:
    """Code that stands in prose without fences: from the first line that begins like code to a last line of it."""
    lines = answer.split("\n")
    first = next((number for number, line in enumerate(lines) if _BEGINS.match(line)), None)
    if first is None:
        return
    inside = [number for number, line in enumerate(lines[first:], first) if line[:1].isspace() and line.strip()]
    yield "\n".join(lines[first:])
    if inside:
        yield "\n".join(lines[first : inside[-1] + 1])


def _continued(prompt: str, answer: str, defines: re.Pattern[str]) -> Iterator[str]:
    """The prompt and what goes on from it; a function that is given whole stands for itself, behind the imports."""
    begin = defines.search(prompt)
    head = prompt[: begin.start()] if begin else ""
    fenced = blocks(answer)
    for text in (*reversed([block for block in fenced if defines.search(block)]), answer):
        if defines.search(text):
            yield f"{head}\n{text}"
    for text in (answer, *fenced):
        if not defines.search(text):
            yield from _behind(prompt, text)


def _behind(prompt: str, text: str) -> Iterator[str]:
    """The body as it is, its end cut off, and indented where the model left that out."""
    for body in dict.fromkeys((text, _body(text))):
        yield prompt + body
        yield f"{prompt.rstrip()}\n{textwrap.indent(textwrap.dedent(body.strip(chr(10))), '    ')}\n"
        yield f"{prompt.rstrip()}\n    {body.lstrip()}\n"


def _body(text: str) -> str:
    """A continuation up to the first line that is not part of the function any more."""
    lines = text.split("\n")
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() and not line[0].isspace()), len(lines))
    return "\n".join(lines[:end])


def _filled(prefix: str, answer: str, suffix: str, defines: re.Pattern[str]) -> Iterator[str]:
    """The answer in its gap; a function that is given whole stands for itself."""
    fenced = blocks(answer)
    for text in reversed([*fenced, answer]):
        if defines.search(text):
            yield text
    last = _SPACES.match(suffix.lstrip("\n"))
    indent = last[0] if last else ""
    for text in (answer, *fenced):
        yield prefix + text + suffix
        plain = textwrap.dedent(text.strip("\n"))
        yield f"{prefix}{textwrap.indent(plain, indent)}\n{suffix}"
        yield f"{prefix} {plain}\n{suffix}"
