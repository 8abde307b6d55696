"""Pulling models from a Hugging Face hub: what there is, which one to take, and bringing it here."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from llmtui.domain.fit import Room
from llmtui.domain.hub import HubFile, HubReference, Listing, Offer, matching, offers, parse_reference, recommended
from llmtui.domain.operations import Progress
from llmtui.domain.quantities import UNKNOWN, size
from llmtui.domain.text import visible_line
from llmtui.engines.hub.client import fetch, list_files
from llmtui.engines.hub.wire import Fetched, FetchJob, ListJob
from llmtui.errors import ModelError, UsageError
from llmtui.services.hashing import checksums
from llmtui.services.model_files import NOT_MODELS, survey
from llmtui.store.config import Config
from llmtui.store.downloads import Partial, check_room, usable_name
from llmtui.store.paths import Folders

ENDPOINT = "https://huggingface.co"
_MOST_NAMED = 12


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a reference leads to.

    Attributes:
        offered: all models of the repository, smallest first.
        matching: those that the reference allows.
        recommended: which of them to take when the user does not choose; None when that is not clear.
        memory_bytes: that can be had now, by which it was chosen; None where unknown.
        memory: which one, in words.
    """

    endpoint: str
    reference: HubReference
    listing: Listing
    offered: tuple[Offer, ...]
    matching: tuple[Offer, ...]
    recommended: Offer | None
    memory_bytes: int | None
    memory: str = "memory"

    @property
    def reason(self) -> str:
        """Why the recommended one is."""
        offer = self.recommended
        if offer is None or len(self.matching) == 1:
            return ""
        named = offer.quantisation or offer.name
        if self.memory_bytes is None:
            return f"{named}: the usual compromise between size and quality"
        return f"{named}: the largest usual one that fits {size(self.memory_bytes)} of free {self.memory}"


def endpoint_of(given: str | None, config: Config, environ: Mapping[str, str] | None = None) -> str:
    """The hub to ask: what was given, else the configured one, else HF_ENDPOINT, else huggingface.co.

    Raises:
        UsageError: it is no http(s) address.
    """
    environ = os.environ if environ is None else environ
    chosen = given or config.hub_endpoint or environ.get("HF_ENDPOINT") or ENDPOINT
    try:
        address = urlsplit(chosen)
        valid = address.scheme in {"http", "https"} and bool(address.hostname) and not address.query
        _ = address.port
    except ValueError:
        valid = False
    if valid and (address.username or address.password):
        raise UsageError(
            "The hub's address holds a name or password",
            cause=f"It is the one of {address.hostname}",
            remedy="Take it out; a token for gated repositories is taken from HF_TOKEN",
        )
    if not valid:
        raise UsageError(
            f"{visible_line(chosen)!r} is no hub's address",
            cause="It begins with https:// or http:// and names a host",
            remedy="Write for instance https://huggingface.co",
        )
    return chosen.rstrip("/")


async def look_up(
    text: str,
    *,
    endpoint: str,
    revision: str | None = None,
    quantisation: str | None = None,
    room: Room | None = None,
) -> Found:
    """Ask the hub what a reference means.

    Args:
        text: as typed; see `parse_reference`.
        endpoint: of the hub, as `endpoint_of` gives it.
        revision: branch, tag or commit.
        quantisation: over what the text says.
        room: memory by which to choose.

    Raises:
        UsageError: it means nothing, or the repository has no such model; what it has is named.
        EngineError: the hub cannot be asked.
    """
    reference = parse_reference(text, revision=revision, hosts=[urlsplit(endpoint).netloc])
    if quantisation is not None:
        reference = msgspec.structs.replace(reference, quantisation=quantisation.upper(), file=None)
    job = ListJob(endpoint=endpoint, repository=reference.repository, revision=reference.revision)
    room = room or Room()
    listing = await list_files(job)
    offered = offers(listing)
    chosen = matching(offered, reference)
    if not chosen:
        raise _nothing(reference, listing, offered)
    return Found(
        endpoint=endpoint,
        reference=reference,
        listing=listing,
        offered=offered,
        matching=chosen,
        recommended=chosen[0] if len(chosen) == 1 else recommended(chosen, room.available_bytes),
        memory_bytes=room.available_bytes,
        memory=room.where,
    )


def folder_for(found: Found, folders: Folders) -> Path:
    """Where a model goes when the user names no folder: plain files in the data folder, by repository.

    Not into the hub's cache: there a model is a link to a blob named by its checksum, which is hard to see, to copy
    and to delete; and the data folder can be moved to a larger disk by one variable.
    """
    return folders.models_dir.joinpath(*found.reference.repository.split("/"))


async def pull(found: Found, offer: Offer, folder: Path) -> AsyncGenerator[Progress]:
    """Bring a model here; the last event names its file.

    Nothing gets its final name before all of it has come, has the hub's checksum, and has a model's header. What has
    come when this is cancelled or fails stays hidden beside it, and the next pull goes on from there.

    Raises:
        ModelError: no room, another pull of it runs, another file of that name is there, or it is no model.
        EngineError: the network, the hub or the disk.
        UsageError: the repository changed meanwhile.
    """
    finals = [folder / usable_name(file.path.rpartition("/")[2]) for file in offer.files]
    with contextlib.ExitStack() as stack:
        partials = []
        for file, final in zip(offer.files, finals, strict=True):
            partial = Partial(final, _key(file, found))
            partial.lock()
            stack.callback(partial.close)
            partials.append(partial)
        present: list[Path] = []
        async with contextlib.aclosing(_present(offer.files, finals, present)) as events:
            async for progress in events:
                yield progress
        missing = [
            (file, partial) for file, partial in zip(offer.files, partials, strict=True) if partial.final not in present
        ]
        total = offer.size_bytes
        here = sum(partial.size for _, partial in missing)
        check_room(folder, sum(file.size_bytes or 0 for file, _ in missing) - here)
        before = sum(path.stat().st_size for path in present)
        for file, partial in missing:
            async with contextlib.aclosing(_one(found, file, partial, before=before, total=total)) as events:
                async for progress in events:
                    yield progress
            before += partial.size
        await asyncio.to_thread(_check_headers, offer, partials, present)
        for _, partial in reversed(missing):
            partial.finish()
    whole = sum(path.stat().st_size for path in finals)
    yield Progress(stage="done", done=whole, total=whole, path=str(finals[0]))


async def _one(
    found: Found, file: HubFile, partial: Partial, *, before: int, total: int | None
) -> AsyncGenerator[Progress]:
    job = FetchJob(
        endpoint=found.endpoint,
        repository=found.reference.repository,
        commit=found.listing.commit,
        file=file,
        partial=str(partial.path),
    )
    yield Progress(stage="downloading", done=before + partial.size, total=total)
    async with contextlib.aclosing(fetch(job)) as replies:
        async for reply in replies:
            if isinstance(reply, Fetched):
                continue
            if reply.stage == "downloading":
                yield Progress(stage="downloading", done=before + reply.done, total=total)
            else:
                yield Progress(stage=reply.stage, done=reply.done, total=file.size_bytes)


async def _present(files: Sequence[HubFile], finals: Sequence[Path], into: list[Path]) -> AsyncGenerator[Progress]:
    """Files that are there already, by size and checksum; another one of that name is not touched.

    Raises:
        ModelError: there is one.
    """
    for file, final in zip(files, finals, strict=True):
        if not (final.exists() or final.is_symlink()):
            continue
        same = final.is_file() and file.size_bytes in {None, final.stat().st_size}
        if same and file.sha256 is not None:
            sums: dict[Path, str] = {}
            async with contextlib.aclosing(checksums([final], sums)) as events:
                async for progress in events:
                    yield progress
            same = sums[final] == file.sha256
        if not same:
            raise ModelError(
                "Another file of that name is there",
                cause=f"{final} is not what the repository has now",
                remedy="Remove it with `llmtui models rm`, or pull into another folder with -o FOLDER",
            )
        into.append(final)


def _check_headers(offer: Offer, partials: Sequence[Partial], present: Sequence[Path]) -> None:
    """Refuse what is whole and yet no model; it is deleted, since it will be no model the next time either."""
    paths = [partial.final if partial.final in present else partial.path for partial in partials]
    try:
        kind = survey(paths).kind
    except ModelError:
        _delete(partials)
        raise
    if kind not in {"model", "adapter"}:
        _delete(partials)
        raise ModelError(
            f"{visible_line(offer.files[0].path)} is not a language model",
            cause=NOT_MODELS[kind],
            remedy="Pull another file of the repository",
        )


def _delete(partials: Sequence[Partial]) -> None:
    for partial in partials:
        partial.delete()


def _key(file: HubFile, found: Found) -> str:
    """Tells the content apart, so that a cut download goes on with the same file only."""
    told = file.sha256 or file.git_sha1
    if told is not None and told.isalnum():
        return told
    words = (found.endpoint, found.reference.repository, found.listing.commit, file.path)
    return hashlib.sha256(repr(words).encode("utf-8", "replace")).hexdigest()


def _nothing(reference: HubReference, listing: Listing, offered: Sequence[Offer]) -> UsageError:
    name = reference.repository
    if not offered:
        return UsageError(
            f"{name} has no GGUF models",
            cause=f"it has {len(listing.files):,} other files",
            remedy="Look for a repository of the same model whose name ends in GGUF",
        )
    if reference.file is not None and any(file.path == reference.file for file in listing.files):
        return UsageError(
            f"{visible_line(reference.file)} is not a language model",
            cause="Its name says that it is a projector, an importance matrix, or a part without the others",
            remedy=f"{name} has {offered_line(offered)}",
        )
    wanted = reference.file or reference.quantisation or ""
    return UsageError(f"{name} has no {visible_line(wanted)}", remedy=f"Choose one of {offered_line(offered)}")


def ambiguous(found: Found) -> UsageError:
    """Nobody can be asked, and it is not clear which one to take."""
    why = "several have the same quantisation" if found.memory_bytes is None else "none of the usual ones fits clearly"
    return UsageError(
        f"{found.reference.repository} has several models, and which one to take is not clear",
        cause=f"{why}: {offered_line(found.matching)}",
        remedy="Choose with --quant, or name the file: ORG/REPO/FILE.gguf",
    )


def offered_line(offered: Sequence[Offer]) -> str:
    """Names and sizes on one line."""
    names = [f"{offer.quantisation or offer.name} ({size(offer.size_bytes)})" for offer in offered[:_MOST_NAMED]]
    more = f" and {len(offered) - _MOST_NAMED} more" if len(offered) > _MOST_NAMED else ""
    return (", ".join(names) or UNKNOWN) + more
