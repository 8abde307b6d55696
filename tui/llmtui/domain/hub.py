"""Model files on a Hugging Face hub: what a user's words mean, and which quantisations a repository offers. Pure."""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote, urlsplit

import msgspec

from llmtui.domain.text import visible_line
from llmtui.errors import UsageError

HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
"""Hosts whose addresses mean a repository, whatever endpoint is asked."""
FLOOR = 4.0
"""Bits a weight below which answers suffer too much to be chosen without being asked for."""
COMMON = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "Q4_K_S", "Q5_K_S", "Q4_0", "IQ4_XS", "MXFP4")
"""What is taken without being asked for; the larger the better. Sixteen bits take twice the room for no gain."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.gguf", re.IGNORECASE)
_QUANT = re.compile(
    r"(?:(?<=[-._/])|^)((?:UD-)?(?:I?Q[1-8]|TQ[12])_[A-Z0-9]+(?:_[A-Z0-9]+)*|BF16|F16|F32|FP16|FP32|MXFP4(?:_MOE)?|NVFP4)"
    r"(?=[-._/]|$)",
    re.IGNORECASE,
)
_BITS = re.compile(r"Q(\d)")
_NOT_MODELS = re.compile(r"(?:^|[-._/])(?:mmproj|imatrix)(?:[-._/]|$)", re.IGNORECASE)


class HubReference(msgspec.Struct, frozen=True, kw_only=True):
    """What to pull from a hub.

    Attributes:
        repository: `ORG/REPO`.
        file: one file in it; None lets the quantisation decide.
        quantisation: e.g. `Q4_K_M`, upper case; None lets llmtui or the user decide.
        revision: branch, tag or commit; None takes `main`.
    """

    repository: str
    file: str | None = None
    quantisation: str | None = None
    revision: str | None = None


class HubFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the hub lists it.

    Attributes:
        path: in the repository, with `/`.
        sha256: of its content, from LFS; None for files that the hub keeps in git itself.
        git_sha1: of its git blob; None where the hub does not say.
    """

    path: str
    size_bytes: int | None
    sha256: str | None = None
    git_sha1: str | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A repository at one commit."""

    repository: str
    commit: str
    files: tuple[HubFile, ...]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One model that can be pulled: a file, or all parts of a split one in their order.

    Attributes:
        name: of the file without its ending and part number.
        quantisation: as the name says, upper case; None where it does not.
    """

    name: str
    quantisation: str | None
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int | None:
        """Of all parts; None when the size of one is not known."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def bits(self) -> float:
        """Bits a weight as the quantisation's name says, roughly; 16 or 32 for floats; 0 where unknown."""
        name = (self.quantisation or "").upper()
        if "FP4" in name:
            return 4
        if name.endswith(("32", "16")):
            return float(name[-2:])
        digits = _BITS.search(name)
        return float(digits[1]) if digits else 0


def parse_reference(text: str, *, revision: str | None = None, hosts: Iterable[str] = ()) -> HubReference:
    """What `ORG/REPO`, `ORG/REPO:Q4_K_M`, `ORG/REPO/file.gguf` or a hub's address means.

    Args:
        text: as typed.
        revision: overrides the address's.
        hosts: further hosts that are hubs: of the configured endpoint.

    Raises:
        UsageError: it is none of these.
    """
    known = HOSTS | {host.casefold() for host in hosts}
    words = text.strip().removeprefix("hf://").removeprefix("models/")
    if "://" in words:
        try:
            address = urlsplit(words)
        except ValueError as error:
            raise _not_understood(text, "it is no address") from error
        if (address.netloc.casefold() not in known and (address.hostname or "") not in known) or not address.path:
            raise _not_understood(text, f"{address.netloc or 'it'} is not the hub that is asked")
        words = unquote(address.path).strip("/")
    elif words.partition("/")[0].casefold() in known:
        words = unquote(words.partition("/")[2].partition("?")[0])
    words, _, quantisation = words.strip("/").partition(":")
    segments = words.split("/")
    if len(segments) < 2 or not all(_NAME.fullmatch(name) for name in segments[:2]) or ".." in words:
        raise _not_understood(text, "a repository is ORG/REPO")
    if len(segments) > 3 and segments[2] in {"blob", "resolve", "raw", "tree"}:
        revision = revision or segments[3]
        segments[2:4] = []
    file = "/".join(segments[2:]) or None
    if file is not None and not file.lower().endswith(".gguf"):
        found = _QUANT.findall(segments[-1])
        if not found or quantisation:
            raise _not_understood(text, f"{segments[-1]} is not a .gguf file")
        file, quantisation = None, found[-1]
    if file is not None and any(part in {"", ".", ".."} or "\0" in part for part in file.split("/")):
        raise _not_understood(text, "it names no file")
    return HubReference(
        repository="/".join(segments[:2]), file=file, quantisation=quantisation.upper() or None, revision=revision
    )


def quantisation_of(path: str) -> str | None:
    """What a file's name, or else its folder's, says of its quantisation, e.g. `Q4_K_M`."""
    for part in reversed(path.removesuffix(".gguf").removesuffix(".GGUF").split("/")):
        stem = _PART.sub(r"\g<stem>", f"{part}.gguf").removesuffix(".gguf")
        found = _QUANT.findall(stem)
        if found:
            name: str = found[-1].upper()
            return name.replace("FP16", "F16").replace("FP32", "F32")
    return None


def offers(listing: Listing) -> tuple[Offer, ...]:
    """The models of a repository, smallest first; projectors and importance matrices are none.

    A split model of which a part is missing is left out.
    """
    whole: list[Offer] = []
    split: dict[tuple[str, int], dict[int, HubFile]] = {}
    for file in listing.files:
        if not file.path.lower().endswith(".gguf") or _NOT_MODELS.search(file.path):
            continue
        part = _PART.fullmatch(file.path)
        if part is None:
            whole.append(_offer(file.path[: -len(".gguf")], (file,)))
        else:
            split.setdefault((part["stem"], int(part["total"])), {})[int(part["number"])] = file
    for (stem, total), parts in split.items():
        if sorted(parts) == list(range(1, total + 1)):
            whole.append(_offer(stem, tuple(parts[number] for number in sorted(parts))))
    return tuple(sorted(whole, key=lambda offer: (offer.size_bytes or 0, offer.name)))


def matching(offered: Sequence[Offer], reference: HubReference) -> tuple[Offer, ...]:
    """Those that the reference allows; naming one part of a split model means all of it."""
    if reference.file is not None:
        return tuple(offer for offer in offered if any(file.path == reference.file for file in offer.files))
    if reference.quantisation is None:
        return tuple(offered)
    exact = [offer for offer in offered if offer.quantisation == reference.quantisation]
    wanted = reference.quantisation.removeprefix("UD-")
    return tuple(exact or [o for o in offered if (o.quantisation or "").removeprefix("UD-") == wanted])


def fits(offer: Offer, memory_bytes: int | None) -> bool | None:
    """Whether weights, cache and buffers go into the memory, by the weights' size; None where either is unknown."""
    if offer.size_bytes is None or memory_bytes is None:
        return None
    return offer.size_bytes * 1.2 + (512 << 20) <= memory_bytes


def recommended(offered: Sequence[Offer], memory_bytes: int | None) -> Offer | None:
    """The largest of the common quantisations that fits, four bits at least; None when none does, or several vie.

    Args:
        offered: of one repository.
        memory_bytes: that a model may take; None where unknown, then four bits are enough.
    """
    common = [offer for offer in offered if offer.quantisation in COMMON and offer.bits >= FLOOR]
    if len({offer.quantisation for offer in common}) != len(common):
        return None
    if memory_bytes is None:
        return next((offer for name in COMMON for offer in common if offer.quantisation == name), None)
    fitting = [offer for offer in common if fits(offer, memory_bytes)]
    return max(fitting, key=lambda offer: offer.size_bytes or 0, default=None)


def _offer(stem: str, files: tuple[HubFile, ...]) -> Offer:
    return Offer(name=visible_line(stem.rpartition("/")[2]), quantisation=quantisation_of(files[0].path), files=files)


def _not_understood(text: str, why: str) -> UsageError:
    return UsageError(
        f"{visible_line(text)!r} names no model to pull",
        cause=why,
        remedy="Write ORG/REPO, ORG/REPO:Q4_K_M, ORG/REPO/file.gguf, an address of the hub, or ollama/NAME:TAG",
    )
