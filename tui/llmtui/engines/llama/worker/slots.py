"""Slots: what each sequence of the KV cache holds, and how much of it a new prompt can keep."""

from array import array

from llmtui.domain.events import Timings
from llmtui.domain.models import AttachedAdapter  # noqa: TC001 - small, and the worker needs it anyway
from llmtui.engines.base import GenerateRequest
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.grammar import Grammar
from llmtui.engines.llama.worker.loading import OpenModel
from llmtui.engines.llama.worker.passages import Passage
from llmtui.engines.llama.worker.sampler import Sampler
from llmtui.engines.llama.worker.sequences import common_prefix, keepable
from llmtui.engines.llama.worker.shelf import WORTH_TOKENS, Saved, Shelf
from llmtui.engines.llama.worker.tickets import Ticket
from llmtui.engines.streaming import AnswerText, DeltaGatherer
from llmtui.engines.thoughts import Said, ThoughtSplitter


class Prepared:
    """A request whose prompt is rendered and tokenised.

    Args:
        passage: the prompt and its tokens.
        stops: the request's and the template's.
        rendered_sha256: of the rendered prompt.
        bos_count: begin tokens at its head.
        template_note: how the conversation was changed for its template.
        grammar: that the answer follows.
        thoughts: tells them from the answer.
    """

    __slots__ = (
        "bos_count",
        "grammar",
        "passage",
        "prompt",
        "rendered_sha256",
        "request",
        "stops",
        "template_note",
        "thoughts",
        "ticket",
    )

    def __init__(
        self,
        request: GenerateRequest,
        ticket: Ticket,
        passage: Passage,
        *,
        stops: tuple[str, ...],
        rendered_sha256: str,
        bos_count: int,
        template_note: str | None = None,
        grammar: Grammar | None = None,
        thoughts: ThoughtSplitter,
    ) -> None:
        self.thoughts = thoughts
        self.grammar = grammar
        self.request = request
        self.ticket = ticket
        self.passage = passage
        self.prompt = passage.tokens
        self.stops = stops
        self.rendered_sha256 = rendered_sha256
        self.bos_count = bos_count
        self.template_note = template_note


class Job:
    """A turn that a slot works on.

    Attributes:
        done: prompt tokens in the cache.
        next_token: sampled, not yet evaluated; meaningless before the prompt is done.
        generated: tokens sampled, the end token included.
        written, written_tokens: bytes and tokens of the answer, the end token excluded.
        has_hidden: a token of the answer has no bytes, so that its text does not tell of it.
        output: index in the batch whose logits are for this job; -1 when it gets none.
        share: tokens of the current batch that are this job's.
        adapters: that act on the model meanwhile.
    """

    __slots__ = (
        "adapters", "answer", "cache_miss_at", "cached", "done", "gatherer", "generated", "has_hidden", "max_tokens",
        "next_token", "output", "prefill_ended_ns", "prefill_started_ns", "prepared", "progress_ns", "prompt",
        "sampler", "share", "stops_at_end", "ticket", "written", "written_tokens",
    )  # fmt: skip

    def __init__(self, prepared: Prepared, sampler: Sampler, cached: int, cache_miss_at: int | None) -> None:
        sampling = prepared.request.sampling
        self.prepared = prepared
        self.ticket = prepared.ticket
        self.prompt = prepared.prompt
        self.sampler = sampler
        self.cached = self.done = cached
        self.cache_miss_at = cache_miss_at
        self.answer = AnswerText(prepared.stops)
        self.gatherer = DeltaGatherer()
        self.max_tokens = sampling.max_tokens
        self.stops_at_end = not sampling.ignore_eos
        self.adapters: tuple[AttachedAdapter, ...] = ()
        self.next_token = -1
        self.generated = 0
        self.written = bytearray()
        self.written_tokens = array("i")
        self.has_hidden = False
        self.output = -1
        self.share = 0
        self.progress_ns = 0
        self.prefill_started_ns: int | None = None
        self.prefill_ended_ns: int | None = None

    @property
    def in_prefill(self) -> bool:
        """Whether part of the prompt is to be evaluated."""
        return self.done < len(self.prompt)

    def write(self, token: int, piece: bytes) -> list[Said]:
        """Take a token of the answer; return its text as far as it is complete and certain."""
        self.written += piece
        self.written_tokens.append(token)
        self.has_hidden = self.has_hidden or not piece
        return self.prepared.thoughts.feed(self.answer.feed(piece))

    def rest(self) -> list[Said]:
        """What was held back of the answer, which has ended."""
        thoughts = self.prepared.thoughts
        return [*thoughts.feed(self.answer.finish()), *thoughts.flush()]

    def passage(self) -> Passage:
        """The prompt, and the answer behind it as far as its text tells its tokens."""
        prompt = self.prepared.passage
        return prompt if self.has_hidden else prompt.answered(bytes(self.written), self.written_tokens)

    def timings(self, context_used: int, kv_bytes: int) -> Timings:
        """The account of the turn as it stands."""
        prefill_ns = None
        if self.prefill_started_ns is not None and self.prefill_ended_ns is not None:
            prefill_ns = self.prefill_ended_ns - self.prefill_started_ns
        return Timings(
            prompt_tokens=len(self.prompt),
            cached_tokens=self.cached,
            prefill_ns=prefill_ns,
            completion_tokens=self.generated,
            context_used=context_used,
            kv_bytes=kv_bytes,
            cache_miss_at=self.cache_miss_at,
            rendered_sha256=self.prepared.rendered_sha256,
            bos_count=self.prepared.bos_count,
            template_note=self.prepared.template_note,
            seed=self.sampler.seed,
            adapters=self.adapters,
        )


class Slot:
    """One sequence of the KV cache.

    Attributes:
        tokens: what the cache holds of it.
        job: the turn it works on.
    """

    def __init__(self, index: int, model: OpenModel, shelf: Shelf) -> None:
        self.index = index
        self._shelf = shelf
        self.tokens = array("i")
        self.job: Job | None = None
        self._model = model

    def lendable(self, prompt: "array[int]") -> int:
        """Leading tokens of a prompt that other sequences can take from this one."""
        if not self._model.trimmable or self._model.window:
            return 0
        return min(common_prefix(self.tokens, prompt), len(prompt) - 1)

    def borrow(self, lender: "Slot", count: int) -> None:
        """Begin with another sequence's first tokens: the cache notes that they are of both, and copies nothing."""
        self._shelf.put(self.index, self.tokens)
        self.keep_nothing()
        llama.llama_memory_seq_cp(self._model.memory, lender.index, self.index, 0, count)
        self.tokens = lender.tokens[:count]

    def reuse(self, prompt: "array[int]") -> tuple[int, int | None]:
        """Keep what the cache shares with a prompt, or fetch a saved sequence that shares more; cut off the rest.

        What is given up, and what a model without trimming is about to write over, is saved.

        Returns:
            Tokens that need not be evaluated again (at least one is left to evaluate, for its logits), and the first
            token that differed, when something in the cache did not fit.
        """
        model, held = self._model, self.tokens
        keep, found = self._best(prompt)
        if not model.trimmable or len(held) - keep >= WORTH_TOKENS:
            self._shelf.put(self.index, held)
        if found is not None:
            fetched = self._shelf.fetch(found, self.index, keep=keep)
            self.tokens = found.tokens[:] if fetched else array("i")
            keep = keep if fetched else 0
        miss = _first_difference(self.tokens, prompt)
        return self._cut(keep), miss

    def outlook(self, prompt: "array[int]") -> tuple[int, int | None]:
        """What `reuse` would return for a prompt; nothing is changed."""
        keep, found = self._best(prompt)
        return keep, _first_difference(self.tokens if found is None else found.tokens, prompt)

    def resynchronise(self) -> None:
        """After a decode that did not end: note what of the batch is in the cache nevertheless."""
        job = self.job
        if not self._model.trimmable:
            # A state that some layers have updated and others not is of no use.
            self.keep_nothing()
        elif job is not None:
            held = llama.llama_memory_seq_pos_max(self._model.memory, self.index) + 1
            pending = job.prompt[job.done : job.done + job.share] if job.in_prefill else array("i", [job.next_token])
            self.tokens.extend(pending[: max(0, held - len(self.tokens))])
            if held < len(self.tokens):
                del self.tokens[held:]
        if job is not None and job.in_prefill:
            job.done = len(self.tokens)

    def keep_nothing(self) -> None:
        """Drop the sequence."""
        llama.llama_memory_seq_rm(self._model.memory, self.index, -1, -1)
        del self.tokens[:]

    def state_bytes(self) -> int:
        """Bytes of the cache that this sequence takes."""
        size: int = llama.llama_state_seq_get_size(self._model.context, self.index)
        return size

    def _best(self, prompt: "array[int]") -> tuple[int, Saved | None]:
        """Tokens that can be kept for a prompt, and the saved sequence that has them, where that has more."""
        model, held = self._model, self.tokens
        oldest = llama.llama_memory_seq_pos_min(model.memory, self.index)
        shared = common_prefix(held, prompt)
        keep = keepable(model, shared=shared, held=len(held), prompt=len(prompt), oldest=oldest)
        found = self._shelf.find(prompt, more_than=keep)
        return (keep, None) if found is None else (found[1], found[0])

    def _cut(self, count: int) -> int:
        """Cut the sequence to `count` tokens; where that cannot be done, drop it all. Returns what is kept."""
        if 0 < count < len(self.tokens) and llama.llama_memory_seq_rm(self._model.memory, self.index, count, -1):
            del self.tokens[count:]
        if count != len(self.tokens):
            self.keep_nothing()
        return len(self.tokens)


def _first_difference(held: "array[int]", prompt: "array[int]") -> int | None:
    shared = common_prefix(held, prompt)
    return shared if shared < len(held) and shared < len(prompt) else None
