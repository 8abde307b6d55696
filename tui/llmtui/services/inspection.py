"""What a model is sent, and was sent: the next prompt and those of past turns, without generating."""

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import msgspec

from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.models import LoadedModel
from llmtui.domain.rendered import Rendered
from llmtui.domain.template_families import FAMILIES
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import well_formed
from llmtui.domain.transcript import Manifest
from llmtui.engines.base import Engine, ExplainsPrompts, GenerateRequest, not_loaded
from llmtui.engines.rendering.shipped import shipped
from llmtui.errors import EngineError, LlmtuiError
from llmtui.services.conversation import Turn, as_messages
from llmtui.services.prompting import without_head
from llmtui.services.sending import asked_of, request_of

if TYPE_CHECKING:
    from llmtui.services.session import ChatSession

SAME = "exactly what was sent: the recorded SHA-256 is the same"
OTHER = "not what was sent: the recorded SHA-256 is another; the model, its template or the date has changed since"
UNRECORDED = "whether it was sent like this is not known: the engine that answered records no SHA-256"


class Subject(msgspec.Struct, frozen=True):
    """A prompt that can be looked at.

    Attributes:
        turn: the past turn whose prompt it was; None for the one to be sent next.
        number: of the turn, from 1.
    """

    turn: Turn | None = None
    number: int = 0


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt as far as it can be shown.

    Attributes:
        rendered: None when it cannot be; then `error` says why.
        remarks: what the user should know of it, safe to show.
        as_sent: whether it is what was sent; None where that is not known, and for what was not sent yet.
    """

    subject: Subject
    rendered: Rendered | None = None
    error: LlmtuiError | None = None
    remarks: tuple[str, ...] = ()
    as_sent: bool | None = None


def subjects(session: "ChatSession") -> tuple[Subject, ...]:
    """All turns whose question is still there, oldest first, then the next prompt."""
    asked = [turn for turn in session.turns if session.thread.tree.get(turn.message.parent_id or "") is not None]
    return (*(Subject(turn, number) for number, turn in enumerate(asked, 1)), Subject())


async def inspect(
    session: "ChatSession",
    engine: Engine | None,
    subject: Subject,
    draft: str,
    *,
    template: NamedTemplate | None = None,
) -> Inspected:
    """Have a prompt rendered and tokenised by the present model.

    Args:
        session: whose prompt it is.
        engine: of the present model.
        subject: one of `subjects`.
        draft: for the next prompt: what the user has written so far.
        template: instead of the one that is, or was, used.
    """
    try:
        if subject.turn is not None:
            return await _past(session, engine, subject.turn, subject, template)
        request = _next_request(session, engine, draft)
        if template is not None and request.prompt is None:
            request = msgspec.structs.replace(request, template=template)
        return Inspected(subject=subject, rendered=await explain(engine, request))
    except LlmtuiError as error:
        return Inspected(subject=subject, error=error)


async def explain(engine: Engine | None, request: GenerateRequest) -> Rendered:
    """The prompt of a request.

    Raises:
        EngineError: no model is loaded, or its engine does not show prompts.
        LlmtuiError: the prompt cannot be rendered.
    """
    if engine is None or not engine.alive:
        raise not_loaded()
    if not isinstance(engine, ExplainsPrompts):
        raise EngineError(
            "This engine does not show its prompts", cause="its server renders them", remedy="Use the model's own file."
        )
    return await engine.explain(request)


def _next_request(session: "ChatSession", engine: Engine | None, draft: str) -> GenerateRequest:
    """What sending a draft would ask the engine; without one, the conversation as it stands."""
    loaded = engine.loaded if engine else None
    settled, messages = session.settled(loaded), session.thread.kept
    if draft.strip():
        messages = (*messages, *as_messages((ChatMessage("user", well_formed(draft)),)))
    asked = asked_of(session.wanted, messages, session.system or settled.system, loaded, note=session.thread.note)
    return request_of("next", asked, settled.sampling)


def _template_of(manifest: Manifest, chosen: NamedTemplate | None, loaded: LoadedModel | None) -> NamedTemplate | None:
    """The template that a turn was rendered with; None where that is the model's own, or it cannot be found."""
    wanted = manifest.template_sha256
    if wanted is None or (loaded is not None and loaded.template_sha256 == wanted):
        return None
    known = ([chosen] if chosen else []) + [shipped(family) for family in FAMILIES]
    return next((template for template in known if template.sha256 == wanted), None)


async def _past(
    session: "ChatSession", engine: Engine | None, turn: Turn, subject: Subject, template: NamedTemplate | None
) -> Inspected:
    tree, manifest = session.thread.tree, turn.manifest
    dropped = set(manifest.dropped)
    path = tree.at(turn.message.parent_id).path
    said = [message for message in path if message.role != "system" and message.id not in dropped]
    note = session.thread.note_for(manifest.dropped)
    loaded = engine.loaded if engine else None
    wanted = msgspec.structs.replace(
        session.wanted,
        profile=msgspec.structs.replace(session.wanted.profile, mode=manifest.mode or "instruct"),
        template=template or _template_of(manifest, session.wanted.template, loaded),
    )
    system = session.thread.system if manifest.system is None else manifest.system
    asked = asked_of(wanted, said, system, loaded, note=note)
    if manifest.cut:
        asked = without_head(asked, "".join(message.content for message in said), manifest.cut)
    request = request_of("past", asked, manifest.sampling)
    rendered = await explain(engine, request)
    if template is not None:
        return Inspected(subject=subject, rendered=rendered)
    recorded = manifest.rendered_sha256
    if recorded is not None and rendered.sha256 != recorded:
        for start in _beginnings(turn.message, tree.versions(turn.message.id)):
            going_on = await explain(engine, msgspec.structs.replace(request, answer_start=start))
            if going_on.sha256 == recorded:
                rendered = going_on
                break
    as_sent = None if recorded is None else rendered.sha256 == recorded
    return Inspected(
        subject=subject,
        rendered=rendered,
        as_sent=as_sent,
        remarks=(UNRECORDED if as_sent is None else SAME if as_sent else OTHER,),
    )


def _beginnings(answer: Message, versions: tuple[Message, ...]) -> list[str]:
    """Versions that this one may be the continuation of: they are its beginning. The record does not say which."""
    others = {other.content for other in versions if other.id != answer.id and other.content}
    return sorted((text for text in others if answer.content.startswith(text)), key=len, reverse=True)


def find_places(rendered: Rendered, wanted: str) -> list[range]:
    """Where a text stands in a prompt, as tokens, or lines where there are none; upper and lower case are the same."""
    if not wanted:
        return []
    text, places = rendered.text, []
    at = byte = line = 0
    for match in re.finditer(re.escape(wanted), text, re.IGNORECASE):
        passed = text[at : match.start()]
        byte, line, at = byte + len(passed.encode()), line + passed.count("\n"), match.start()
        if rendered.starts:
            end = byte + len(match[0].encode())
            places.append(range(bisect_right(rendered.starts, byte) - 1, bisect_left(rendered.starts, end)))
        elif not rendered.ids:
            places.append(range(line, line + 1))
    return places
