"""What a chat's next turn sends: its profile's mode, then its policy for a context that is too small."""

from collections.abc import Sequence

import msgspec

from llmtui.domain.messages import Message, Note
from llmtui.domain.models import LoadedModel
from llmtui.domain.profile import Profile, Wanted
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.settings import Sampling
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import Engine, failure_of
from llmtui.errors import LlmtuiError
from llmtui.services.conversation import NOTE_REQUEST, RunningTurn
from llmtui.services.fitting import Fitted, Situation, counted, fit
from llmtui.services.host import ModelHost
from llmtui.services.prompting import Asked, build
from llmtui.services.thread import Thread
from llmtui.services.tokens.counting import encoded

WAIT_S = 2.0
"""For an encoding to be made, where the engine cannot count."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the turns of a chat with the present model.

    Attributes:
        profile: how they are put.
        system: the system message that is in force.
        template: in place of the model's own.
        thinking: what is asked of the model's thinking.
        loaded: the model.
    """

    profile: Profile
    system: str | None
    template: NamedTemplate | None
    thinking: Reasoning = NO_WISH
    loaded: LoadedModel | None

    def asked(
        self, messages: Sequence[Message], note: Note | None, *, answer_start: str = "", leave_out: int = 0
    ) -> Asked:
        """What is sent to have the last message answered; see `build`."""
        return build(
            self.profile,
            messages,
            system=self.system,
            answer_start=answer_start,
            loaded=self.loaded,
            template=self.template,
            thinking=self.thinking,
            leave_out=leave_out,
            note=note,
        )


def terms_of(wanted: Wanted, system: str | None, loaded: LoadedModel | None) -> Terms:
    """The terms of what the user wants, with the system message that is in force."""
    return Terms(
        profile=wanted.profile,
        system=system,
        template=wanted.template,
        thinking=wanted.sampling.thinking,
        loaded=loaded,
    )


async def plan(
    turn: RunningTurn, terms: Terms, thread: Thread, host: ModelHost, *, engine: Engine, sampling: Sampling
) -> Fitted:
    """What a turn sends; a refusal when it does not fit, or the mode cannot send it."""
    messages = thread.messages
    loaded, info = terms.loaded, host.info

    def begin_note() -> None:
        if not turn.is_stopping():
            turn.state = "compacting"

    async def estimate(text: str) -> int:
        encoding = await host.encodings.of(info, engine, wait_s=WAIT_S) if info is not None else None
        return (await encoded(encoding, text)).tokens

    situation = Situation(
        engine=engine,
        context_size=loaded.context_size if loaded else None,
        profile=terms.profile,
        sampling=sampling,
        messages=messages,
        make=lambda leave_out, note: terms.asked(messages, note, answer_start=turn.answer_start, leave_out=leave_out),
        count=lambda asked: counted(engine, asked, estimate),
        note=thread.note,
        request_id=turn.message_id + NOTE_REQUEST,
        stopping=turn.is_stopping,
        compacting=begin_note,
    )
    try:
        return await fit(situation)
    except LlmtuiError as error:
        return Fitted(Asked(), refusal=failure_of(error))
