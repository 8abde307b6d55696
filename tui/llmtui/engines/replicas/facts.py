"""What several servers say of the model they share: as one, and where they differ."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from llmtui.domain.events import Failed, Notice
from llmtui.domain.models import LoadedModel
from llmtui.domain.text import visible_line

_ANSWERED = re.compile(r"HTTP (4(?:01|03|08|25|29)|5\d\d)\b")
"""A refusal that another server may not share; whether this one is to blame shows when another answers."""
_REFUSED = re.compile(r"HTTP [34]\d\d\b")
SAME = "Answers may depend on who gives them; the record of each names its server."
SHARES = "It takes its share of the requests."
BACK = "It is asked from time to time whether it answers again."


def is_fault(failure: Failed) -> bool:
    """Whether another server may answer what this one could not."""
    if failure.kind not in {"engine", "model"}:
        return False
    return bool(_ANSWERED.match(failure.cause)) or not _REFUSED.match(failure.cause)


def may_be_the_request(failure: Failed) -> bool:
    """Whether the server is there, so that the fault may lie in what it was asked."""
    return bool(_ANSWERED.match(failure.cause))


def reason(failure: Failed) -> str:
    """What went wrong, and why."""
    return ": ".join(part for part in (failure.title, failure.cause) if part)


def served_id(loaded: LoadedModel) -> str:
    """What its server calls the model."""
    return (loaded.path or "").partition("#")[2]


def united(name: str, loaded: Sequence[LoadedModel], total: int) -> LoadedModel:
    """The model as one: what all of them can hold, and all that they write at once.

    Args:
        name: of the servers together.
        loaded: of those that answer, at least one; the first stands for what all should share.
        total: servers, those that do not answer included.
    """
    first = loaded[0]
    if not _is_told(first):
        first = msgspec.structs.replace(first, engine_build=name, served_by=name)
    sizes = [one.context_size for one in loaded if one.context_size is not None]
    slots = [one.slots for one in loaded if one.slots is not None]
    return msgspec.structs.replace(
        first,
        description=f"{visible_line(served_id(first))} at {visible_line(name)}, {total} replicas",
        context_size=min(sizes, default=None),
        slots=sum(slots) if len(slots) == len(loaded) else None,
        replicas=tuple((one.path or "").partition("#")[0] for one in loaded),
    )


def difference(first: LoadedModel, other: LoadedModel) -> str:
    """In what a server's model is not like the first's; empty when nothing shows."""
    pairs = (
        ("model", served_id(first), served_id(other)),
        ("context", first.context_size, other.context_size),
        ("quantisation", first.quantisation, other.quantisation),
        ("vocabulary", first.vocabulary_size, other.vocabulary_size),
        ("server", *(one.engine_build if _is_told(one) else None for one in (first, other))),
    )
    parts = [
        f"{what} {_shown(theirs)} instead of {_shown(ours)}"
        for what, ours, theirs in pairs
        if ours != theirs and None not in (ours, theirs)
    ]
    if first.template_sha256 != other.template_sha256 and None not in (first.template_sha256, other.template_sha256):
        parts.append("another chat template")
    return ", ".join(parts)


def notice(text: str, remedy: str) -> Notice:
    """What is told of the servers."""
    return Notice("replica", visible_line(text), remedy)


def _is_told(loaded: LoadedModel) -> bool:
    """Whether it is known what kind of server it is; else its address stands in the kind's place."""
    return loaded.served_by != urlsplit(loaded.path or "").netloc


def _shown(value: str | int | None) -> str:
    return f"{value:,}" if isinstance(value, int) else visible_line(str(value))
