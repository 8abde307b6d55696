"""A run as the program's form has it, planned: sets or a conversation, models, a profile."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from llmtui.domain.fit import fit_of
from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.models import ModelInfo
from llmtui.domain.profile import Profile
from llmtui.domain.run import RunPlan
from llmtui.domain.settings import Runtime
from llmtui.domain.text import visible_line
from llmtui.errors import LlmtuiError
from llmtui.services.fits import read_room
from llmtui.services.profiles import runtime_layers, runtime_of, template_of, wanted
from llmtui.services.runs.plan import Wishes, make_plan
from llmtui.services.wiring import Services
from llmtui.store.chat_sets import write_chat_set
from llmtui.store.runs import runs_dir

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_ID = 60


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that can be put to models like a prompt set.

    Attributes:
        name: of the set that is made of it.
        said: the last message is the user's, the first may be the system message.
    """

    name: str
    said: tuple[ChatMessage, ...]

    @property
    def question(self) -> str:
        """What is asked, on one line; safe to show."""
        return visible_line(" ".join(self.said[-1].content.split())) or "…"


def sources_of(system: str | None, messages: Sequence[Message], draft: str) -> list[Source]:
    """What of a chat can be put to models: what is being typed, by itself, and the conversation.

    Args:
        system: the system message in force.
        messages: the conversation; what follows its last question is left out.
        draft: what stands in the input line.
    """
    head = (ChatMessage("system", system),) if system is not None else ()
    sources = [Source(name="draft", said=(*head, ChatMessage("user", draft)))] if draft.strip() else []
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    said: list[ChatMessage] = []
    for message in messages[: last + 1]:
        if said and said[-1].role == message.role == "user":  # two in a row would leave the answer between to the model
            said[-1] = ChatMessage("user", f"{said[-1].content}\n\n{message.content}")
        elif message.role != "system":
            said.append(ChatMessage(message.role, message.content))
    return [*sources, Source(name="chat", said=(*head, *said))] if said else sources


def plan_run(
    services: Services,
    wishes: Wishes,
    sources: Sequence[Source],
    profile: Profile,
    edits: Mapping[str, Any],
) -> RunPlan:
    """Plan a run, and write the sets that conversations make. Touches the disk: call it from a thread.

    Args:
        services: the parts of the program.
        wishes: the sets among them by name or path, without those that conversations make.
        sources: conversations.
        profile: whose settings hold.
        edits: fields of `Sampling` that were changed over it.

    Raises:
        UsageError: an unknown set, or two of the same name.
        ConfigError: a set or the profile is not valid.
        StoreError: a conversation cannot be kept.
    """
    host = services.host.sibling()
    host.runtime = _runtime(services, profile)
    chosen = dataclasses.replace(services, host=host, profile=profile, template=template_of(services.folders, profile))
    made: list[Path] = []
    try:
        for source in sources:
            sample = source.question[:LONGEST_ID]
            made.append(write_chat_set(runs_dir(services.folders), source.name, sample, source.said))
        plan = make_plan(chosen, msgspec.structs.replace(wishes, sets=(*map(str, made), *wishes.sets)))
    except LlmtuiError:
        for path in made:
            with contextlib.suppress(OSError):
                path.unlink()
        raise
    if not edits:
        return plan
    config = msgspec.structs.replace(services.config, system=None)
    changed = wanted(config, services.own, profile, edits=edits, template=plan.wanted.template)
    return msgspec.structs.replace(plan, wanted=changed)


class Crowding(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a run that has no room beside the chat's.

    Attributes:
        model: the largest.
        needed_bytes, available_bytes: what it takes, what there is beside the chat's model.
        fits_alone: it has room once the chat's model is unloaded.
    """

    model: str
    needed_bytes: int
    available_bytes: int
    fits_alone: bool


def crowding(services: Services, models: Sequence[ModelInfo], profile: Profile, *, parallel: int) -> Crowding | None:
    """The model that has the least room beside the chat's; None where all have. Looks at memory: call it in a thread.

    Raises:
        LlmtuiError: the profile's settings of loads exclude each other.
    """
    runtime = msgspec.structs.replace(_runtime(services, profile), slots=parallel)
    room, alone = read_room(runtime), read_room(runtime, services.host.pids)
    worst: Crowding | None = None
    for info in models:
        fit = fit_of(info, runtime, room)
        if info.server is not None or fit.verdict != "no":
            continue
        needed, available = fit.total_bytes, room.available_bytes
        if needed is None or available is None or (worst is not None and worst.needed_bytes >= needed):
            continue
        fits_alone = bool(services.host.pids) and fit_of(info, runtime, alone).verdict != "no"
        worst = Crowding(model=info.name, needed_bytes=needed, available_bytes=available, fits_alone=fits_alone)
    return worst


def _runtime(services: Services, profile: Profile) -> Runtime:
    """As the command line would load models; adapters of the chat's model are for that model."""
    return runtime_of(runtime_layers(services.config, profile, services.runtime_flags))
