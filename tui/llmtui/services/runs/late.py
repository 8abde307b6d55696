"""Answers that wait for their scores, found in a run's file without asking any model again."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from llmtui.domain.prompt_set import Sample
from llmtui.domain.run import SampleRecord, ScoreRecord
from llmtui.domain.scorers import AnyScorer, name_of
from llmtui.services.conversation import now_text
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.events import Remark, RunEvent, SampleScored
from llmtui.services.runs.judging import Scoring, scored, scores_of
from llmtui.services.runs.plan import jobs_of, key_of
from llmtui.services.scoring.registry import Waits, waits_for
from llmtui.store.run_answers import RunAnswers


class Waiting(NamedTuple):
    """A scorer that has not scored an answer yet.

    Attributes:
        place: of the scorer among the sample's.
    """

    record: SampleRecord
    place: int
    scorer: AnyScorer
    sample: Sample


def waiting_scorers(book: RunBook, kind: Waits, *, again: bool = False) -> Iterator[Waiting]:
    """Scorers of one kind that wait, in the order of the sets. Reads from disk: call it from a thread.

    An answer whose sample has been changed since is left out: its scorers are for another question.

    Args:
        book: of the run.
        kind: what they wait for.
        again: also those that have scored before.

    Raises:
        ConfigError, StoreError: a set or the run's file cannot be read.
    """
    names = {key: result.waiting for key, result in book.stored.results.items() if result.is_final}
    identities = list(book.stored.identities.values())
    answers = RunAnswers(book.path)
    for planned in book.plan.sets:
        for job in jobs_of(book.plan, planned):
            scorers = [(index, one) for index, one in enumerate(job.sample.scorers) if waits_for(one) == kind]
            for key in (key_of(job, identity) for identity in identities) if scorers else ():
                if not (key in names and (again or names[key])):
                    continue
                answer = answers.read(key)
                for index, scorer in scorers:
                    if answer is not None and (again or name_of(scorer) in names[key]):
                        yield Waiting(answer.record, index, scorer, job.sample)


def unscored(book: RunBook) -> Iterator[tuple[SampleRecord, Sample]]:
    """Answers that the program was killed on before their scores were written, with their samples.

    Raises:
        ConfigError: a set is not valid any more.
    """
    identities = list(book.stored.identities.values())
    for planned in book.plan.sets:
        for job in jobs_of(book.plan, planned) if book.stored.unscored else ():
            for identity in identities:
                record = book.stored.unscored.get(key_of(job, identity))
                if record is not None:
                    yield record, job.sample


async def score_late(book: RunBook, scoring: Scoring, stop: asyncio.Event, tell: Callable[[RunEvent], None]) -> None:
    """Score what waits and can be scored now, without loading a model for it.

    Args:
        book: of the run.
        scoring: who can score.
        stop: ends it; what is not scored by then waits on.
        tell: given what came of each answer.

    Raises:
        ConfigError, StoreError: a set or the run's file cannot be read.
    """
    left = unscored(book)
    while not stop.is_set() and (found := await asyncio.to_thread(next, left, None)) is not None:
        record, sample = found
        await _note(book, await asyncio.to_thread(scores_of, record, sample, scoring), tell)
    if scoring.run_code is None:
        return
    count = sum(counts["sandbox"] for counts in book.waiting().values())
    if count:
        tell(Remark(f"running the code of {count:,} answers that have waited"))
    coded = waiting_scorers(book, "sandbox")
    while not stop.is_set() and (some := await asyncio.to_thread(_next_few, coded)):
        tries = (asyncio.to_thread(scored, *waits, scoring) for waits in some)
        for score in await asyncio.gather(*tries):
            await _note(book, (msgspec.structs.replace(score, at=now_text()),), tell)


def _next_few(coded: Iterator[Waiting]) -> list[Waiting]:
    """As many as there are processors to run them."""
    return list(itertools.islice(coded, os.cpu_count() or 1))


async def _note(book: RunBook, scores: tuple[ScoreRecord, ...], tell: Callable[[RunEvent], None]) -> None:
    if scores:
        await book.note_scores(scores)
        tell(SampleScored(scores, book.stored.results[scores[0].key]))
