"""Answers as columns of rows: label, text, scores, figures and settings; pure layout."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from llmtui.app import format as fmt
from llmtui.app.render.lines import Line, wrap_plain, wrap_runs
from llmtui.app.render.palette import Palette
from llmtui.domain.text import visible, visible_line
from llmtui.services.answer_table import Figure
from llmtui.services.answers import ShownAnswer, ShownScore
from llmtui.services.word_diff import Stretch

MOST_SHOWN: Final = 100_000
"""Characters of an answer or a prompt that are laid out: more would stall the screen."""
FOLDED_PROMPT: Final = 2
"""Rows of a prompt that is folded."""
BAR, MARKED_BAR = "▌ ", "█ "
DIFFERS: Final = "≠ "
_NAME: Final = 14
EMPTY: Final = Line([], 0)


class Head(NamedTuple):
    """The rows that stand above a column and stay there."""

    label: Line
    figures: Line


HEAD_ROWS: Final = 2


def head(answer: ShownAnswer, width: int, palette: Palette, *, marked: bool) -> Head:
    """Whose answer it is, and its figures in short."""
    bar = MARKED_BAR if marked else BAR
    style = palette.assistant + palette.strong if marked else palette.label
    label, note = visible_line(answer.label) or "model", visible_line(answer.note)
    room = max(1, width - cell_len(bar))
    if note and cell_len(label) + cell_len(note) + 2 <= room:
        runs = [Segment(bar, palette.assistant), Segment(label, style), Segment(f"  {note}", palette.muted)]
        note = ""
    else:
        runs = [Segment(bar, palette.assistant), Segment(fmt.cut(label, room), style)]
    parts = [part for part in (note, in_short(answer)) if part]
    figures = [Segment(bar, palette.assistant), Segment(fmt.cut(" · ".join(parts), room), palette.muted)]
    return Head(_line(runs), _line(figures))


def in_short(answer: ShownAnswer) -> str:
    """`✓ 1.00 · 42.1 tok/s · 128 tok`, as far as it is known."""
    if answer.running:
        return "writing …"
    parts = [_verdict(answer.scores)] if answer.scores else []
    known = answer.metrics
    if known is not None and known.completion_tokens is not None:
        parts += [f"{fmt.rate(known.decode_tps)} tok/s", f"{fmt.integer(known.completion_tokens)} tok"]
    return " · ".join(parts)


def _verdict(scores: Sequence[ShownScore]) -> str:
    judged = [score for score in scores if score.value is not None]
    if not judged:
        return "waits"
    mark = "✗" if any(score.passed is False for score in judged) else "✓" if len(judged) == len(scores) else "…"
    return f"{mark} {min(score.value or 0.0 for score in judged):.2f}"


def body(answer: ShownAnswer, width: int, palette: Palette, *, opened: bool) -> list[Line]:
    """The answer as Markdown, its thoughts folded or opened above it, and what went wrong below it."""
    from llmtui.app.entries import with_thoughts  # noqa: PLC0415 - entries know the view that knows the rows
    from llmtui.app.render.markdown import render_markdown  # noqa: PLC0415 - not needed before an answer is shown

    text = with_thoughts(answer.reasoning, answer.content, opened=opened)
    rows = render_markdown(text[:MOST_SHOWN], width, palette) if text.strip() else []
    return [*rows, *_more(len(text) - MOST_SHOWN, palette), *endings(answer, width, palette)]


def endings(answer: ShownAnswer, width: int, palette: Palette) -> list[Line]:
    """What is to be said where text is missing, or ended in an error."""
    if answer.error:
        return wrap_plain(visible(answer.error)[:MOST_SHOWN], width, palette.error)
    if answer.content.strip() or answer.reasoning:
        return []
    return wrap_plain("no text yet" if answer.running else "no text", width, palette.muted)


def difference(stretches: Iterable[Stretch], width: int, palette: Palette) -> list[Line]:
    """An answer with what differs from another one: struck out what only that has, underlined what only this has."""
    styles = {
        "same": palette.text,
        "gone": palette.error + palette.struck,
        "new": palette.assistant + Style(bold=True, underline=True),
    }
    lines: list[list[Segment]] = [[]]
    for stretch in stretches:
        style = styles[stretch.kind]
        for number, piece in enumerate(stretch.text.split("\n")):
            if number:
                if stretch.kind != "same":
                    lines[-1].append(Segment("↵", style))
                if stretch.kind != "gone":
                    lines.append([])
            if piece:
                lines[-1].append(Segment(piece, style))
    return [row for runs in lines for row in wrap_runs(runs, width)]


def scores(answer: ShownAnswer, width: int, palette: Palette) -> list[Line]:
    """Each scorer's judgement with its reasons."""
    rows: list[Line] = []
    for score in answer.scores:
        mark = {True: "✓", False: "✗", None: "…"}[score.passed]
        value = "" if score.value is None else f" {score.value:.2f}"
        style = {True: palette.assistant, False: palette.error, None: palette.muted}[score.passed]
        rows.extend(wrap_plain(f"{mark} {visible_line(score.scorer)}{value}", width, style))
        if score.explanation.strip():
            rows.extend(_hung(visible(score.explanation)[:MOST_SHOWN].strip("\n"), 2, width, palette.muted))
    return rows


def figure(line: Figure, at: int, width: int, palette: Palette) -> list[Line]:
    """A figure or setting of one answer; where it differs between the answers it is stressed and marked."""
    stress = palette.strong if line.differs else palette.muted
    name = fmt.fitted(f"{DIFFERS if line.differs else '  '}{line.name}", min(_NAME, width // 2))
    rows = wrap_plain(visible_line(line.values[at]), max(2, width - cell_len(name) - 1), stress)
    lead = cell_len(name) + 1
    blank = Segment(" " * lead)
    first = Segment(f"{name} ", palette.strong if line.differs else palette.muted)
    return [
        Line([first if not number else blank, *row.segments], row.cells + lead, row.joint, lead)
        for number, row in enumerate(rows)
    ]


def prompt(answer: ShownAnswer, width: int, palette: Palette, *, opened: bool, differ: bool) -> list[Line]:
    """What was asked: its end in two rows, or all of it.

    Args:
        answer: the marked one.
        width: cells of a row.
        palette: the styles.
        opened: show every message of it in full.
        differ: the answers were asked different things.
    """
    if not answer.prompt:
        return []
    room = max(2, width - 2)
    rows: list[Line] = []
    if opened:
        for message in answer.prompt:
            who = {"user": "you", "assistant": "model"}.get(message.role, message.role)
            rows.extend(wrap_plain(who, room, palette.label))
            rows.extend(wrap_plain(visible(message.content[:MOST_SHOWN]).strip("\n"), room, palette.text))
            rows.extend(_more(len(message.content) - MOST_SHOWN, palette))
    else:
        text = visible(answer.prompt[-1].content[: room * 2 * FOLDED_PROMPT]).strip("\n")
        rows = wrap_plain(text, room, palette.text)
        hidden = len(rows) > FOLDED_PROMPT or len(answer.prompt[-1].content) > room * 2 * FOLDED_PROMPT
        rows = rows[:FOLDED_PROMPT]
        if hidden:
            rows[-1] = wrap_plain(fmt.cut(f"{fmt.cut(rows[-1].plain, room - 2)} …", room), room, palette.text)[0]
    if differ:
        rows.extend(wrap_plain("The answers were asked different things; this is of the marked one.", room))
    bar = Segment(BAR, palette.user)
    return [*(row._replace(segments=[bar, *row.segments], cells=row.cells + 2) for row in rows), EMPTY]


def _hung(text: str, lead: int, width: int, style: Style) -> list[Line]:
    blank = Segment(" " * lead)
    return [
        row._replace(segments=[blank, *row.segments], cells=row.cells + lead, lead=lead)
        for row in wrap_plain(text, max(2, width - lead), style)
    ]


def _more(characters: int, palette: Palette) -> list[Line]:
    return [_line([Segment(f"… {characters:,} more characters", palette.muted)])] if characters > 0 else []


def _line(runs: list[Segment]) -> Line:
    return Line(runs, sum(cell_len(run.text) for run in runs))
