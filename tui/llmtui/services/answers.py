"""Answers as they are shown beside one another, wherever they come from: a chat's turns, or a run's samples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.run import SampleRecord, ScoreRecord, waiting_for
from llmtui.domain.transcript import Manifest
from llmtui.domain.tree import MessageTree

if TYPE_CHECKING:
    from llmtui.services.conversation import RunningTurn, Turn


class ShownScore(msgspec.Struct, frozen=True, kw_only=True):
    """What a scorer made of an answer.

    Attributes:
        value: 0 to 1; None where it has not judged.
        passed: None where it has not judged.
        explanation: why; also why it failed, or what it waits for.
    """

    scorer: str
    value: float | None = None
    passed: bool | None = None
    explanation: str = ""


class ShownAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer with all that is known of it. Texts are as models and files have them: not safe to show.

    Attributes:
        label: whose it is: the model.
        note: what tells it from another answer of the same model: its version, its run.
        prompt: the conversation that it answers, the question last; a raw prompt is one message of the user.
        reasoning: what the model thought before it.
        metrics: None while it is being written, and where nothing was recorded.
        manifest: where it came from.
        scores: in the order of the scorers.
        error: what went wrong, in words.
        message_id: of the chat's message; None for a run's sample.
        key: of the run's sample; None for a chat's answer.
        running: it is still being written.
    """

    label: str
    note: str = ""
    prompt: tuple[ChatMessage, ...] = ()
    content: str = ""
    reasoning: str | None = None
    metrics: TurnMetrics | None = None
    manifest: Manifest | None = None
    scores: tuple[ShownScore, ...] = ()
    error: str | None = None
    message_id: str | None = None
    key: str | None = None
    running: bool = False


def of_message(message: Message, turn: "Turn | None", tree: MessageTree, *, system: str | None = None) -> ShownAnswer:
    """An answer of a chat.

    Args:
        message: the answer.
        turn: that brought it; None where its record is missing, or the user wrote it.
        tree: tells what it answers, and which of how many versions it is.
        system: the system message that was put before the conversation.
    """
    versions = [version.id for version in tree.versions(message.id)]
    parts = [f"version {versions.index(message.id) + 1} of {len(versions)}"] if len(versions) > 1 else []
    manifest = turn.manifest if turn else None
    parts += [manifest.profile] if manifest and manifest.profile not in {None, "default"} and manifest.profile else []
    parts += ["edited"] if message.edited_from else []
    said = [each for each in tree.at(message.parent_id).path if each.role != "system"]
    first = (ChatMessage("system", system),) if system else ()
    return ShownAnswer(
        label=message.model or message.speaker or "model",
        note=" · ".join(parts),
        prompt=(*first, *(ChatMessage(each.role, each.content) for each in said)),
        content=message.content,
        reasoning=message.reasoning,
        metrics=turn.metrics if turn else None,
        manifest=manifest,
        error=message.error,
        message_id=message.id,
    )


def of_running(turn: "RunningTurn", label: str, *, note: str, prompt: tuple[ChatMessage, ...]) -> ShownAnswer:
    """An answer that is being written."""
    return ShownAnswer(
        label=label,
        note=note,
        prompt=prompt,
        content=turn.text,
        reasoning=turn.fold.reasoning or None,
        message_id=turn.message_id,
        running=True,
    )


def beside(
    tree: MessageTree, turns: "Sequence[Turn]", message_id: str, *, system: str | None = None
) -> tuple[tuple[ShownAnswer, ...], int]:
    """All answers that stand for one another, and the number of the one that is meant.

    They are the versions of an answer, then those of the other versions of its question.

    Args:
        tree: of the chat.
        turns: those of its answers.
        message_id: of an answer, or of a question, whose newest answer is meant then.
        system: the system message that was put before the conversation.
    """
    chosen = tree.get(message_id)
    if chosen is None or chosen.role == "system":
        return (), 0
    question = chosen.id if chosen.role == "user" else chosen.parent_id
    questions = dict.fromkeys([question, *(each.id for each in tree.versions(question or ""))])
    found = [
        message
        for asked in questions
        for message in tree.messages
        if message.parent_id == asked and message.role == "assistant"
    ]
    by_id = {turn.message.id: turn for turn in turns}
    meant = [at for at, message in enumerate(found) if message.id == message_id]
    last = max((at for at, message in enumerate(found) if message.parent_id == question), default=0)
    shown = tuple(of_message(message, by_id.get(message.id), tree, system=system) for message in found)
    return shown, meant[0] if meant else last


def of_sample(record: SampleRecord, scores: Sequence[ScoreRecord], *, note: str = "") -> ShownAnswer:
    """An answer of a run.

    Args:
        record: the sample as it was asked.
        scores: its scorers' judgements.
        note: what tells it from the same model's answer in another run.
    """
    epoch = f"epoch {record.epoch + 1}" if record.epoch else ""
    failure = record.error
    raw = (ChatMessage("user", record.prompt),) if record.prompt is not None else ()
    return ShownAnswer(
        label=record.model,
        note=" · ".join(part for part in (note, epoch) if part),
        prompt=record.messages or raw,
        content=record.content,
        reasoning=record.reasoning,
        metrics=record.metrics,
        manifest=record.manifest,
        scores=(
            *map(_score, scores),
            *(ShownScore(scorer=name, explanation="waits") for name in waiting_for(record, scores)),
        ),
        error=": ".join(part for part in (failure.title, failure.cause) if part) if failure else None,
        key=record.key,
    )


def _score(record: ScoreRecord) -> ShownScore:
    if record.error is not None:
        return ShownScore(scorer=record.scorer, explanation=record.error)
    said = record.explanation
    if record.answer is not None and record.answer not in said:
        said = f"read: {record.answer}\n{said}".rstrip()
    return ShownScore(scorer=record.scorer, value=record.value, passed=record.passed, explanation=said)
