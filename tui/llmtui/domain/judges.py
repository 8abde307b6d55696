"""How far a judge can be trusted: whether it agrees with itself, and with people. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from llmtui.domain.run import ScoreRecord


class JudgeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One judge in one run.

    Attributes:
        judge: the model's name.
        graded: its grades that stand.
        agreed: of them, those where the scale listed from either end brought the same grade.
        checked: answers that a person has graded, too.
        confirmed: of them, those that both passed, or both failed.
    """

    judge: str
    graded: int = 0
    agreed: int = 0
    checked: int = 0
    confirmed: int = 0


def judge_rows(answers: Iterable[Sequence[ScoreRecord]]) -> list[JudgeRow]:
    """A row for each judge, in the order of their first grades.

    Args:
        answers: the scores of each answer, the last of each scorer.
    """
    rows: dict[str, JudgeRow] = {}
    for scores in answers:
        given = [score for score in scores if score.error is None]
        human = next((score for score in given if score.scorer == "human"), None)
        for score in given:
            if score.scorer != "model_graded" or score.by is None:
                continue
            row = rows.get(score.by, JudgeRow(judge=score.by))
            rows[score.by] = msgspec.structs.replace(
                row,
                graded=row.graded + 1,
                agreed=row.agreed + (score.details.get("agreed") == 1.0),
                checked=row.checked + (human is not None),
                confirmed=row.confirmed + (human is not None and human.passed == score.passed),
            )
    return list(rows.values())
