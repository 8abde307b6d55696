"""The samples of a run in the order in which one model is asked them."""

import asyncio
import contextlib
from collections.abc import Generator
from typing import NamedTuple

from llmtui.domain.run import Identity
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.choices import Choices
from llmtui.services.runs.grid import Place
from llmtui.services.runs.plan import Job, jobs_of, key_of


class Taken(NamedTuple):
    """A sample that a model is to be asked now.

    Attributes:
        key: of its record.
    """

    key: str
    job: Job


def all_jobs(book: RunBook) -> Generator[Job]:
    """Every sample of a run's sets, its epochs in a row. Reads from disk.

    Raises:
        ConfigError: a set is not valid any more.
    """
    for planned in book.plan.sets:
        yield from jobs_of(book.plan, planned)


def place_of(job: Job, model: str) -> Place:
    """Where a sample stands in the grid."""
    return (job.set, job.sample.id, model, job.epoch)


class Source:
    """Gives one model its samples: those that the user wants asked again, then those without an answer.

    Args:
        book: of the run.
        identity: of the model.
        choices: of the user.
        only_wishes: nothing but what is to be asked again.
    """

    def __init__(self, book: RunBook, identity: Identity, choices: Choices, *, only_wishes: bool) -> None:
        self._book = book
        self._identity = identity
        self._choices = choices
        self._only_wishes = only_wishes
        self._jobs = all_jobs(book)
        self._taking = asyncio.Lock()
        self._asked: set[str] = set()

    async def count(self) -> tuple[int, Job | None]:
        """How many samples times epochs are to be asked, and the first.

        Raises:
            ConfigError: a set is not valid any more.
        """
        if not self._only_wishes:
            return await asyncio.to_thread(pending, self._book, self._identity)
        wished = self._choices.wished(self._identity.name)
        return len(wished), await asyncio.to_thread(self._find, wished[0]) if wished else None

    async def take(self) -> Taken | None:
        """The next sample; nobody else is given it until it is put `back`. None when there is none left.

        Raises:
            ConfigError: a set is not valid any more.
        """
        async with self._taking:
            taken = await self._again() or await self._next()
            if taken is not None:
                self._asked.add(taken.key)
            return taken

    def back(self, taken: Taken) -> None:
        """A sample has been asked, or was not after all."""
        self._asked.discard(taken.key)

    def leaves_out(self, taken: Taken) -> bool:
        """Whether the user wants a sample left out, also while it waited for its turn."""
        return self._choices.leaves_out(place_of(taken.job, self._identity.name))

    def close(self) -> None:
        """Let go of the sets' files."""
        with contextlib.suppress(ValueError):  # a thread reads on in it, when the run was broken off
            self._jobs.close()

    async def _again(self) -> Taken | None:
        while (place := self._choices.take(self._identity.name)) is not None:
            job = await asyncio.to_thread(self._find, place)
            if job is None:  # its set has been changed since
                continue
            taken = Taken(key_of(job, self._identity), job)
            if taken.key not in self._asked:
                return taken
        return None

    async def _next(self) -> Taken | None:
        while not self._only_wishes and (job := await asyncio.to_thread(next, self._jobs, None)) is not None:
            taken = Taken(key_of(job, self._identity), job)
            if not (self._book.is_answered(taken.key) or taken.key in self._asked or self.leaves_out(taken)):
                return taken
        return None

    def _find(self, place: Place) -> Job | None:
        jobs = all_jobs(self._book)
        with contextlib.closing(jobs):
            return next((job for job in jobs if place_of(job, self._identity.name) == place), None)


def pending(book: RunBook, identity: Identity) -> tuple[int, Job | None]:
    """How many samples times epochs have no answer of a model, and the first. Reads from disk."""
    count, first = 0, None
    for job in all_jobs(book):
        if not book.is_answered(key_of(job, identity)):
            first = first or job
            count += 1
    return count, first
