"""Templates for servers: the conversation is rendered here, and sent by the route that takes a text as it is."""

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec

from llmtui.domain.events import Finished, Notice, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import GenerateRequest, template_notice, unheeded_notice
from llmtui.engines.rendering.renderer import Rendered, Renderer

_NO_END = Notice(
    "template",
    "The template writes the end token, which this server does not tell, so answers of earlier turns have none",
    "Write the token itself into the template, e.g. </s> instead of {{ eos_token }}.",
)


class ServedTemplates:
    """Renders for one engine; the process is started at the first use.

    Servers put the begin token in front of a text by themselves where their tokenizer has one, so templates get an
    empty one to write.

    Attributes:
        eos_text: what templates write for the end token; empty where the server does not tell.
    """

    def __init__(self) -> None:
        self.eos_text = ""
        self._renderer: Renderer | None = None
        self._told: tuple[Notice, ...] = ()

    async def put(self, request: GenerateRequest) -> "Put":
        """The request as a text to be continued, where it names a template; else as it is.

        Raises:
            TemplateError, ContextError: see `Renderer.render`.
        """
        template = request.template
        if template is None or request.prompt is not None:
            return Put(request)
        rendered = await self.rendered(template, request.messages, request.sampling.thinking)
        stops = tuple(dict.fromkeys([*request.sampling.stop, *template.stops]))
        changed = msgspec.structs.replace(
            request,
            messages=(),
            prompt=rendered.text,
            template=None,
            sampling=msgspec.structs.replace(request.sampling, stop=stops),
        )
        remarks = [template_notice(rendered.note)] if rendered.note else []
        if rendered.unheeded:
            remarks.append(unheeded_notice(rendered.unheeded))
        if not self.eos_text and "eos_token" in template.text:
            remarks.append(_NO_END)
        new = tuple(remark for remark in remarks if remark not in self._told)
        self._told = tuple(remarks)
        return Put(changed, new, rendered, request.answer_start)

    async def text(
        self,
        prompt: Sequence[ChatMessage] | str,
        template: NamedTemplate | None,
        thinking: Reasoning = NO_WISH,
    ) -> Sequence[ChatMessage] | str:
        """What is counted: the conversation rendered where a template is given, else what was given.

        Raises:
            TemplateError, ContextError: see `Renderer.render`.
        """
        if template is None or isinstance(prompt, str):
            return prompt
        return (await self.rendered(template, prompt, thinking)).text

    async def rendered(
        self, template: NamedTemplate, messages: Sequence[ChatMessage], thinking: Reasoning = NO_WISH
    ) -> Rendered:
        """A conversation through a template.

        Raises:
            TemplateError, ContextError: see `Renderer.render`.
        """
        clean = [message.well_formed() for message in messages]
        return await asyncio.to_thread(self._work, template, clean, thinking)

    async def close(self) -> None:
        """End the process."""
        if self._renderer is not None:
            await asyncio.to_thread(self._renderer.close)

    def _work(self, template: NamedTemplate, messages: Sequence[ChatMessage], thinking: Reasoning) -> Rendered:
        if self._renderer is None:
            self._renderer = Renderer()
        return self._renderer.render(template, messages, bos_text="", eos_text=self.eos_text, thinking=thinking)


class Put:
    """A request as it is sent.

    Attributes:
        request: with the text instead of the conversation.
        remarks: to be told before the turn.
    """

    def __init__(
        self,
        request: GenerateRequest,
        remarks: tuple[Notice, ...] = (),
        rendered: Rendered | None = None,
        answer_start: str = "",
    ) -> None:
        self.request = request
        self.remarks = remarks
        self._rendered = rendered
        self._answer_start = answer_start

    def stamped(self, event: TurnEvent) -> TurnEvent:
        """The event, the last one with what is known of the rendered prompt."""
        if self._rendered is None or not isinstance(event, Finished):
            return event
        sent = (self._rendered.text + self._answer_start).encode("utf-8", "replace")
        timings = msgspec.structs.replace(
            event.timings, rendered_sha256=hashlib.sha256(sent).hexdigest(), template_note=self._rendered.note
        )
        return msgspec.structs.replace(event, timings=timings)
