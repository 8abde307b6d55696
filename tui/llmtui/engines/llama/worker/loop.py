"""The loop that decodes: one batch from every slot's next token and a piece of a waiting prompt, again and again."""

import queue
import time
from array import array  # noqa: TC003 - small, and loaded anyway
from collections import deque

import msgspec

from llmtui.domain.events import Delta, Failed, Finished, FinishReason, PrefillProgress, ReasoningDelta
from llmtui.engines.base import failure_of
from llmtui.engines.llama.wire import AdaptersSet, Explained, Refused, SetAdapters, TurnReply
from llmtui.engines.llama.worker.adapters import Adapters
from llmtui.engines.llama.worker.batch import Batch
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.explaining import Explanation
from llmtui.engines.llama.worker.loading import OpenModel
from llmtui.engines.llama.worker.outbox import Outbox
from llmtui.engines.llama.worker.passages import Passages
from llmtui.engines.llama.worker.sampler import Sampler
from llmtui.engines.llama.worker.sequences import common_prefix
from llmtui.engines.llama.worker.shelf import WORTH_TOKENS, Shelf
from llmtui.engines.llama.worker.slots import Job, Prepared, Slot
from llmtui.engines.llama.worker.tickets import Tickets
from llmtui.engines.llama.worker.vocabulary import Vocabulary
from llmtui.errors import EngineError, LlmtuiError

CHUNK_SECONDS = 0.3
"""Aim for one decode of prompt tokens where it can be broken off: what a cancel loses, and how long the tokens of other
slots wait. Shorter pieces cost speed: a 0.5B model on two cores evaluates 245 tok/s in pieces of 32, 320 of 96."""
CHUNK_SECONDS_UNBROKEN = 0.15
"""The same where a decode cannot be broken off: how long a cancel waits."""
SMALLEST_CHUNK = 32
FIRST_CHUNK = 64
PROGRESS_NS = 50_000_000
ABORTED = 2


class Loop:
    """Works on turns for ever.

    Args:
        model: opened.
        vocabulary: of the model.
        adapters: on the model.
        tickets: tell which turns were cancelled.
        outbox: takes the events.
        shelf: takes sequences that a slot gives up.
    """

    def __init__(
        self,
        model: OpenModel,
        vocabulary: Vocabulary,
        *,
        adapters: Adapters,
        tickets: Tickets,
        outbox: Outbox,
        shelf: Shelf,
    ) -> None:
        self.passages = Passages()
        self.inbox: queue.SimpleQueue[Prepared | SetAdapters | Explanation] = queue.SimpleQueue()
        self._model = model
        self._vocabulary = vocabulary
        self._adapters = adapters
        self._tickets = tickets
        self._outbox = outbox
        self._shelf = shelf
        self._slots = [Slot(index, model, shelf) for index in range(model.slots)]
        self._waiting: deque[Prepared | SetAdapters] = deque()
        self._batch = Batch(model.batch, model.slots)
        self._chunk = min(FIRST_CHUNK, model.batch)
        self._chunk_ns = 1e9 * (CHUNK_SECONDS if model.abortable else CHUNK_SECONDS_UNBROKEN)

    def run(self) -> None:
        """Decode while there is work, wait while there is none."""
        while True:
            self._take()
            self._admit()
            self._drop_cancelled()
            jobs = self._fill()
            if jobs:
                self._decode(jobs)

    def _take(self) -> None:
        idle = not self._waiting and all(slot.job is None for slot in self._slots)
        try:
            item = self.inbox.get(block=idle)
            while True:
                if isinstance(item, Explanation):
                    self._explain(item)
                else:
                    self._waiting.append(item)
                item = self.inbox.get_nowait()
        except queue.Empty:
            return

    def _explain(self, asked: Explanation) -> None:
        """Say what a prompt would find in the cache: only here nothing changes it meanwhile."""
        cached, miss = self._slots[asked.slot].outlook(asked.tokens)
        self._outbox.send(Explained(asked.id, msgspec.structs.replace(asked.rendered, cached=cached, miss=miss)))

    def _admit(self) -> None:
        """Start what can be; a change of adapters waits for the turns before it, and those after it wait for it."""
        held_up = False
        for item in list(self._waiting):
            if isinstance(item, SetAdapters):
                held_up = held_up or item is not self._waiting[0] or any(slot.job for slot in self._slots)
                if not held_up:
                    self._waiting.popleft()
                    self._change(item)
                continue
            slot = self._slots[item.request.slot]
            free = slot.job is None and not held_up
            if item.ticket.cancelled or (free and not self._is_being_read(item.prompt, slot)):
                self._waiting.remove(item)
                self._start(slot, item)

    def _change(self, change: SetAdapters) -> None:
        try:
            attached = self._adapters.attach(change.adapters)
        except LlmtuiError as error:
            self._outbox.send(Refused(change.id, failure_of(error)))
            return
        self.forget_caches()
        self._outbox.send(AdaptersSet(change.id, attached))

    def forget_caches(self) -> None:
        """Drop whatever was computed with the weights as they were before."""
        self._shelf.clear()
        for slot in self._slots:
            slot.keep_nothing()

    def _start(self, slot: Slot, prepared: Prepared) -> None:
        sampler = Sampler(
            prepared.request.sampling,
            self._vocabulary,
            prepared.prompt,
            grammar=prepared.grammar,
            context_size=self._model.context_size,
        )
        if prepared.ticket.cancelled:
            self._end(Job(prepared, sampler, 0, None), slot, "cancelled")
            return
        self._borrow(slot, prepared.prompt)
        cached, miss = slot.reuse(prepared.prompt)
        slot.job = Job(prepared, sampler, cached, miss)
        slot.job.adapters = self._adapters.attached
        self._report_progress(slot.job, time.perf_counter_ns())

    def _is_being_read(self, prompt: "array[int]", slot: Slot) -> bool:
        """Whether another slot is about to have evaluated more of a prompt's beginning than any holds now.

        Then waiting for it is quicker than evaluating the same once more.
        """
        if len(self._slots) == 1:
            return False
        coming = [
            min(common_prefix(other.job.prompt, prompt), len(prompt) - 1)
            for other in self._slots
            if other is not slot and other.job is not None and other.job.in_prefill
        ]
        if not coming or not self._model.trimmable or self._model.window:
            return False
        return max(coming) - max(other.lendable(prompt) for other in self._slots) >= WORTH_TOKENS

    def _borrow(self, slot: Slot, prompt: "array[int]") -> None:
        """Take from the slot that shares most with a prompt, when that is more than the own one does."""
        lender = max(self._slots, key=lambda other: other.lendable(prompt))
        count = lender.lendable(prompt)
        if lender is not slot and count - slot.lendable(prompt) >= WORTH_TOKENS:
            slot.borrow(lender, count)

    def _drop_cancelled(self) -> None:
        for slot in self._slots:
            if slot.job is not None and slot.job.ticket.cancelled:
                self._finish(slot, slot.job, "cancelled")

    def _fill(self) -> list[tuple[Slot, Job]]:
        """Next tokens first, so that no answer waits for a prompt; then as much of the prompts as the aim allows."""
        batch = self._batch
        batch.clear()
        jobs: list[tuple[Slot, Job]] = []
        for slot in self._slots:
            job = slot.job
            if job is not None and not job.in_prefill:
                job.output = batch.add_token(job.next_token, len(slot.tokens), slot.index)
                job.share = 1
                jobs.append((slot, job))
        left = min(self._chunk, batch.room)
        for slot in self._slots:
            job = slot.job
            if job is not None and job.in_prefill and left > 0:
                part = job.prompt[job.done : job.done + left]
                last = job.done + len(part) == len(job.prompt)
                index = batch.add_prompt(part, job.done, slot.index, output=last)
                job.output = index if last else -1
                job.share = len(part)
                left -= len(part)
                jobs.append((slot, job))
        return jobs

    def _decode(self, jobs: list[tuple[Slot, Job]]) -> None:
        started_ns = time.perf_counter_ns()
        in_prefill = sum(job.share for _, job in jobs if job.in_prefill)
        for _, job in jobs:
            if in_prefill:
                # A piece of a prompt takes longer than a token: what has gathered must not wait for it.
                self._send_all(job, job.gatherer.end([]))
            if job.prefill_started_ns is None:
                job.prefill_started_ns = started_ns
        self._tickets.begin(job.ticket for _, job in jobs)
        code = self._batch.decode(self._model.context)
        self._tickets.end()
        if code == 0:
            if in_prefill:
                # A GPU returns before it has worked; progress, rates and the next piece need the time it took.
                llama.llama_synchronize(self._model.context)
            self._advance(jobs)
            self._adapt(in_prefill, time.perf_counter_ns() - started_ns)
            return
        for slot, job in jobs:
            slot.resynchronise()
            if code != ABORTED:
                self._fail(slot, job, _undecoded(code))

    def _advance(self, jobs: list[tuple[Slot, Job]]) -> None:
        for slot, job in jobs:
            if job.in_prefill:
                slot.tokens.extend(job.prompt[job.done : job.done + job.share])
                job.done += job.share
                if job.output < 0:
                    self._report_progress(job, time.perf_counter_ns())
                    continue
                job.prefill_ended_ns = time.perf_counter_ns()
                job.progress_ns = 0
                self._report_progress(job, job.prefill_ended_ns)
            else:
                slot.tokens.append(job.next_token)
            try:
                token = job.sampler.sample(self._model.context, job.output)
            except EngineError as error:
                self._fail(slot, job, failure_of(error))
                continue
            self._take_token(slot, job, token, time.perf_counter_ns())

    def _take_token(self, slot: Slot, job: Job, token: int, t_ns: int) -> None:
        job.generated += 1
        job.next_token = token
        ended = job.stops_at_end and self._vocabulary.ends_answer(token)
        pieces = [] if ended else job.write(token, self._vocabulary.piece(token))
        self._send_all(job, job.gatherer.take(pieces, t_ns))
        if ended or job.answer.stopped:
            self._finish(slot, job, "stop")
        elif job.generated == job.max_tokens:
            self._finish(slot, job, "length")
        elif len(slot.tokens) >= self._model.context_size:
            self._finish(slot, job, "context_full")

    def _adapt(self, tokens: int, elapsed_ns: int) -> None:
        """Learn from a piece of a prompt how much fits into the time aimed at."""
        if tokens < min(SMALLEST_CHUNK, self._model.batch):
            return
        fitting = int(tokens * self._chunk_ns / max(1, elapsed_ns))
        rounded = fitting // SMALLEST_CHUNK * SMALLEST_CHUNK
        self._chunk = min(self._model.batch, max(SMALLEST_CHUNK, rounded))

    def _report_progress(self, job: Job, t_ns: int) -> None:
        if t_ns - job.progress_ns >= PROGRESS_NS:
            job.progress_ns = t_ns
            self._send(job, PrefillProgress(job.done, len(job.prompt), job.cached, t_ns))

    def _finish(self, slot: Slot, job: Job, reason: FinishReason) -> None:
        slot.job = None
        self._end(job, slot, reason)

    def _end(self, job: Job, slot: Slot, reason: FinishReason) -> None:
        self._send_all(job, job.gatherer.end(job.rest()))
        timings = job.timings(len(slot.tokens), slot.state_bytes())
        job.sampler.free()
        self._tickets.close(job.ticket)
        self.passages.remember(job.passage())
        self._send(job, Finished(reason, timings, time.perf_counter_ns()))

    def _fail(self, slot: Slot, job: Job, failure: Failed) -> None:
        slot.job = None
        job.sampler.free()
        self._tickets.close(job.ticket)
        self._send_all(job, job.gatherer.end(job.rest()))
        self._send(job, failure)

    def _send_all(self, job: Job, deltas: list[Delta | ReasoningDelta]) -> None:
        for delta in deltas:
            self._send(job, delta)

    def _send(self, job: Job, event: PrefillProgress | Delta | ReasoningDelta | Finished | Failed) -> None:
        self._outbox.send(TurnReply(job.ticket.id, event))


def _undecoded(code: int) -> Failed:
    cause = "the KV cache has no room left" if code == 1 else f"llama_decode returned {code}"
    return Failed("engine", "llama.cpp could not evaluate the text", cause, "Send the message again.")
