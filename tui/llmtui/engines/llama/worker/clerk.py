"""The clerk: renders and tokenises on a thread of its own, so that the loop goes on decoding meanwhile."""

import hashlib
from collections.abc import Sequence
from queue import SimpleQueue

import msgspec

from llmtui.domain.events import Notice
from llmtui.domain.messages import ChatMessage
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.rendered import marked_all
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import GenerateRequest, failure_of, prompt_too_long, template_notice, unheeded_notice
from llmtui.engines.llama.wire import Count, Counted, Explain, Refused, SetAdapters, Tokenise, Tokens, TurnReply
from llmtui.engines.llama.worker.explaining import Explanation, explained
from llmtui.engines.llama.worker.grammar import grammar_for
from llmtui.engines.llama.worker.outbox import Outbox
from llmtui.engines.llama.worker.passages import Passage, Passages
from llmtui.engines.llama.worker.slots import Prepared
from llmtui.engines.llama.worker.tickets import Ticket, Tickets
from llmtui.engines.llama.worker.vocabulary import Vocabulary
from llmtui.engines.rendering.renderer import Rendered, Renderer
from llmtui.engines.thoughts import ThoughtSplitter, opened_by
from llmtui.errors import EngineError, LlmtuiError, TemplateError

LONG_TEXT_BYTES = 128 * 1024
"""Up to here the slowest text, special tokens and nothing else, takes 0.3 s; its count is told exactly."""
PART_CHARACTERS = 16 * 1024
PART_MARGIN = 1.25

Paper = tuple[GenerateRequest, Ticket] | Count | Tokenise | Explain | SetAdapters


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation rendered and tokenised, or a text tokenised as it is.

    Attributes:
        closing: the marker that ends the thought which the template has begun; None when it has begun none.
    """

    passage: Passage
    rendered_sha256: str
    bos_count: int
    note: str | None = None
    unheeded: tuple[str, ...] = ()
    closing: str | None = None

    @property
    def remarks(self) -> tuple[Notice, ...]:
        """What the user is told of it."""
        changed = (template_notice(self.note),) if self.note else ()
        return (*changed, unheeded_notice(self.unheeded)) if self.unheeded else changed


class Clerk:
    """Prepares turns for the loop, and answers what needs no decode.

    Args:
        loop_inbox: takes what is prepared.
        passages: conversations whose tokens are known.
        context_size: longest prompt and answer of a slot, in tokens.
        slots: how many there are.
    """

    def __init__(
        self,
        *,
        template: NamedTemplate,
        renderer: Renderer,
        vocabulary: Vocabulary,
        context_size: int,
        slots: int,
        loop_inbox: SimpleQueue[Prepared | SetAdapters | Explanation],
        passages: Passages,
        tickets: Tickets,
        outbox: Outbox,
    ) -> None:
        self._template = template
        self._renderer = renderer
        self._vocabulary = vocabulary
        self._context_size = context_size
        self._slots = slots
        self._loop_inbox = loop_inbox
        self._passages = passages
        self._tickets = tickets
        self._outbox = outbox
        self._told: tuple[Notice, ...] = ()

    def run(self, inbox: SimpleQueue[Paper]) -> None:
        """Work through the inbox for ever."""
        while True:
            match inbox.get():
                case Count() as asked:
                    self._count(asked)
                case Tokenise(id=id_, text=plain):
                    ids = self._vocabulary.tokenise(plain, add_special=False)
                    self._outbox.send(Tokens(id_, ids.tolist()))
                case Explain(id=id_, request=wanted):
                    self._explain(id_, wanted)
                case SetAdapters() as change:
                    self._loop_inbox.put(change)  # in its turn, between the requests before and after it
                case (request, ticket):
                    self._prepare(request, ticket)

    def _count(self, asked: Count) -> None:
        what = asked.messages if asked.prompt is None else asked.prompt
        try:
            prompt = self._prompt(what, asked.template, asked.answer_start, thinking=asked.thinking)
            self._outbox.send(Counted(asked.id, len(prompt.passage.tokens)))
        except LlmtuiError as error:
            self._outbox.send(Refused(asked.id, failure_of(error)))

    def _explain(self, id_: str, request: GenerateRequest) -> None:
        try:
            if not 0 <= request.slot < self._slots:
                raise _no_such_slot(request.slot, self._slots)
            thinking = request.sampling.thinking
            prompt = self._prompt(request.asked, request.template, request.answer_start, thinking=thinking)
            frame = self._frame(request.messages, request.template, thinking)
        except LlmtuiError as error:
            self._outbox.send(Refused(id_, failure_of(error)))
            return
        rendered = explained(
            prompt.passage,
            self._vocabulary,
            messages=request.messages,
            frame=frame,
            bos_count=prompt.bos_count,
            context_size=self._context_size,
            notes=tuple(remark.text for remark in prompt.remarks),
        )
        self._loop_inbox.put(Explanation(id_, request.slot, prompt.passage.tokens, rendered))

    def _frame(
        self, messages: Sequence[ChatMessage], template: NamedTemplate | None, thinking: Reasoning
    ) -> str | None:
        """The conversation rendered with marks for its texts; None when the template does not take them."""
        try:
            return self._rendered(marked_all(messages), template, thinking).text if messages else None
        except LlmtuiError:
            return None

    def _rendered(
        self, messages: Sequence[ChatMessage], template: NamedTemplate | None, thinking: Reasoning
    ) -> Rendered:
        bos_text, eos_text = self._vocabulary.bos_text, self._vocabulary.eos_text
        chosen = template or self._template
        return self._renderer.render(chosen, messages, bos_text=bos_text, eos_text=eos_text, thinking=thinking)

    def _prepare(self, request: GenerateRequest, ticket: Ticket) -> None:
        template = request.template or self._template
        try:
            if not 0 <= request.slot < self._slots:
                raise _no_such_slot(request.slot, self._slots)
            formed = request.sampling.grammar is not None or request.sampling.json_schema is not None
            thinking = request.sampling.thinking
            prompt = self._prompt(
                request.asked, template, request.answer_start, thinking=thinking, answers_at_once=formed
            )
            self._check_length(len(prompt.passage.tokens), raw=request.prompt is not None)
            grammar = grammar_for(request.sampling, self._vocabulary)
        except LlmtuiError as error:
            self._tickets.close(ticket)
            self._outbox.send(TurnReply(request.id, failure_of(error)))
            return
        self._remark(request.id, prompt.remarks)
        self._loop_inbox.put(
            Prepared(
                request,
                ticket,
                prompt.passage,
                stops=request.sampling.stop + (template.stops if request.prompt is None else ()),
                rendered_sha256=prompt.rendered_sha256,
                bos_count=prompt.bos_count,
                template_note=prompt.note,
                grammar=grammar,
                thoughts=ThoughtSplitter(prompt.closing, active=request.prompt is None),
            )
        )

    def _remark(self, request_id: str, remarks: tuple[Notice, ...]) -> None:
        """Tell how the template took conversation and wishes; not again while that stays so."""
        for remark in remarks:
            if remark not in self._told:
                self._outbox.send(TurnReply(request_id, remark))
        self._told = remarks

    def _prompt(
        self,
        asked: Sequence[ChatMessage] | str,
        template: NamedTemplate | None,
        answer_start: str = "",
        *,
        thinking: Reasoning = NO_WISH,
        answers_at_once: bool = False,
    ) -> Prompt:
        """Tokens of a conversation or text. A begin token that is written at the head is not put there again.

        A thought that the template begins is ended where the answer is begun, or must have a form from its first
        token on.
        """
        vocabulary = self._vocabulary
        rendered = Rendered(asked) if isinstance(asked, str) else self._rendered(asked, template, thinking)
        closing = opened_by(rendered.text) if not isinstance(asked, str) else None
        if closing is not None and (answer_start or answers_at_once):
            answer_start, closing = f"{closing}\n\n{answer_start}", None
        text = rendered.text + answer_start
        printed = bool(vocabulary.bos_text) and text.startswith(vocabulary.bos_text)
        self._check_text(text)
        passage = self._passages.tokenise(text, vocabulary, add_special=not printed)
        tokens = passage.tokens
        count = 0
        while count < len(tokens) and tokens[count] == vocabulary.bos:
            count += 1
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Prompt(
            passage=passage,
            rendered_sha256=digest,
            bos_count=count,
            note=rendered.note,
            unheeded=rendered.unheeded,
            closing=closing,
        )

    def _check_text(self, text: str) -> None:
        """Refuse a text far beyond the context without tokenising all of it.

        llama.cpp takes a time that grows with the square of a text of special tokens, half a minute for a megabyte.
        Its parts take a little. A cut adds a few tokens to a part of hundreds: the margin is far above that.
        """
        if len(text.encode()) <= LONG_TEXT_BYTES:
            return
        tokens = 0
        for start in range(0, len(text), PART_CHARACTERS):
            tokens += len(self._vocabulary.tokenise(text[start : start + PART_CHARACTERS], add_special=False))
            if tokens >= PART_MARGIN * self._context_size:
                raise prompt_too_long(int(tokens / PART_MARGIN), self._context_size, at_least=True)

    def _check_length(self, tokens: int, *, raw: bool) -> None:
        if tokens == 0 and raw:
            raise EngineError(
                "There is nothing to continue",
                cause="the prompt is empty, and this model's tokenizer adds no begin token",
                remedy="Write at least one character.",
            )
        if tokens == 0:
            raise TemplateError(
                "The chat template rendered nothing",
                cause="the prompt has no tokens",
                remedy="Choose another template, or a file of this model with a working one: llmtui templates list",
            )
        if tokens >= self._context_size:
            raise prompt_too_long(tokens, self._context_size)


def _no_such_slot(slot: int, slots: int) -> EngineError:
    return EngineError(
        "The request names a slot that does not exist",
        cause=f"slot {slot} of {slots}",
        remedy="Load the model with more slots.",
    )
