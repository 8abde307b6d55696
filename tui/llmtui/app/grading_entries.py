"""What the grading screen shows of an answer, of a sitting, and around them. Pure."""

from collections.abc import Sequence

from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app.entries import ENDINGS, notice_entry, with_thoughts
from llmtui.app.widgets.transcript_view import Entry
from llmtui.domain.grades import is_enough
from llmtui.domain.run import ScoreRecord
from llmtui.domain.scorers import Graded
from llmtui.services.runs.desk import Desk, ModelGrades
from llmtui.services.runs.grading import ToGrade

HIDDEN = "model hidden"
_NO_RUBRIC = "None is written: grade whether the answer is right, complete and to the point."
_LABELS = {"system": "System message", "user": "Question"}


def answer_entries(answer: ToGrade, *, revealed: bool, opened: bool) -> list[Entry]:
    """Question, rubric, references and answer, in this order.

    Args:
        answer: to be graded.
        revealed: name the model, and show what a judge said.
        opened: show what the model thought, not only how much.
    """
    record = answer.record
    name = fmt.name(record.model) if revealed else HIDDEN
    entries: list[Entry] = []
    for number, message in enumerate(record.messages):
        kind = {"user": "user", "assistant": "assistant", "system": "notice"}[message.role]
        label = _LABELS.get(message.role, name)
        entries.append(Entry(f"asked-{number}", kind, label, message.content))  # type: ignore[arg-type]
    if record.prompt is not None:
        entries.append(Entry("asked", "user", "The text to go on with", record.prompt))
    entries.append(notice_entry("rubric", "Rubric", record.rubric or _NO_RUBRIC))
    entries += [
        notice_entry(f"reference-{number}", "Reference", reference)
        for number, reference in enumerate(record.references)
    ]
    text = with_thoughts(record.reasoning, record.content, opened=opened)
    footer = ENDINGS.get(record.finish_reason or "") or ("no text" if not record.content.strip() else None)
    entries.append(Entry("answer", "assistant", f"Answer · {name}", text, footer))
    if revealed:
        entries += [_judged(score) for score in answer.given if score.scorer == "model_graded" and score.error is None]
    return entries


def _judged(score: ScoreRecord) -> Entry:
    return notice_entry("judge", f"Judge {fmt.name(score.by)}: {score.answer}", score.explanation)


def header(desk: Desk) -> tuple[Content, Content]:
    """Which sample at the left, how far one is at the right."""
    answer, total = desk.answer, len(desk.tasks)
    left = Content.styled("Grading", "bold $primary")
    if answer is not None:
        record = answer.record
        place = f"{record.set}/{record.sample}" + (f" · epoch {record.epoch + 1}" if record.epoch else "")
        run = f" · run {desk.task.run.id}" if desk.task is not None else ""
        left = Content.assemble(left, " · ", (fmt.name(place), "$foreground"), (run, "$text-muted"))
        if answer.changed:
            left = Content.assemble(left, (" · changed since", "$warning"))
        return left, Content.styled(f"{desk.at + 1:,} of {total:,}{'' if desk.complete else '+'}", "bold")
    return left, Content.styled(f"{len(desk.given):,} of {total:,} graded" if total else "", "$text-muted")


def scale_line(answer: ToGrade, typed: str, note: str) -> tuple[Content, Content]:
    """The grades to choose from, those that pass apart; and the grade and note that are there."""
    scorer, grade = answer.scorer, answer.grade
    parts: list[Content] = [Content.styled("grade ", "$text-muted")]
    given = grade.answer if grade is not None else None
    for one in scorer.scale:
        enough = is_enough(scorer, one)
        style = "bold reverse" if str(one) == given else "bold $success" if enough else "bold $warning"
        parts += [Content.styled(f" {one} ", style)]
    passing = [one for one in scorer.scale if is_enough(scorer, one)]
    parts.append(Content.styled(f"  {_passing(passing)}", "$text-muted"))
    if typed:
        parts.append(Content.styled(f"  {typed}▏ Enter gives it", "bold $primary"))
    said = note or (grade.explanation if grade is not None else "")
    told = [f"graded {given}"] if given is not None else []
    told += [f"note: {fmt.name(said)}"] if said else []
    return Content.assemble(*parts), Content.styled(" · ".join(told), "$text-muted")


def _passing(passing: Sequence[int]) -> str:
    return f"{passing[0]} passes" if len(passing) == 1 else f"{passing[0]} and better pass"


def is_short(scorer: Graded) -> bool:
    """Whether one key is a grade."""
    return all(0 <= grade <= 9 for grade in scorer.scale)


def closing_entries(desk: Desk, keys: str) -> list[Entry]:
    """What stands behind the last answer: what was graded, by model.

    Args:
        desk: through.
        keys: what can be done now.
    """
    if not desk.tasks and not desk.given:
        text = (
            "A prompt set's samples wait for one where a scorer is `human`: llmtui run ruozhiba -m demo, for instance, "
            f"leaves 28 here. {keys}"
        )
        return [notice_entry("none", "No answer waits for a person", text)]
    left = len(desk.tasks) - len(desk.given)
    lines = [f"{len(desk.given):,} graded, {left:,} left for another time. All grades are in their runs' files."]
    lines += ["", *_model_lines(desk.by_model()), ""] if desk.given else [""]
    return [notice_entry("closing", "That was the last one", "\n".join([*lines, keys]))]


def _model_lines(found: Sequence[ModelGrades]) -> list[str]:
    return [f"  {fmt.name(one.model)}: {one.passed:,} of {one.given:,} passed, score {one.score:.2f}" for one in found]
