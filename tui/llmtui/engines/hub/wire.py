"""What the program and the fetching process say to each other: a JSON line each way at a time."""

import msgspec

from llmtui.domain.hub import HubFile, Listing


class ListJob(msgspec.Struct, frozen=True, kw_only=True, tag="list"):
    """Tell which files a repository has.

    Attributes:
        endpoint: the hub, e.g. `https://huggingface.co`.
        revision: branch, tag or commit; None takes `main`.
    """

    endpoint: str
    repository: str
    revision: str | None


class FetchJob(msgspec.Struct, frozen=True, kw_only=True, tag="fetch"):
    """Append what is missing of a file to what is there, then check it.

    Attributes:
        commit: so that every part is of one state of the repository.
        partial: where the bytes go; what it holds is taken as the beginning of the file.
    """

    endpoint: str
    repository: str
    commit: str
    file: HubFile
    partial: str


class Got(msgspec.Struct, frozen=True, kw_only=True, tag="got"):
    """How far it is.

    Attributes:
        stage: `downloading` or `checking`.
        done: bytes of the file; those that were there before count.
    """

    stage: str
    done: int


class Listed(msgspec.Struct, frozen=True, kw_only=True, tag="listed"):
    """The answer to a `ListJob`."""

    listing: Listing


class Fetched(msgspec.Struct, frozen=True, kw_only=True, tag="fetched"):
    """The file is whole.

    Attributes:
        checked: whether the hub gave a checksum; the file then has it.
    """

    size_bytes: int
    checked: bool


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It did not work: an `LlmtuiError` in three parts.

    Attributes:
        usage: the user's words are off: no such repository, revision or file.
    """

    title: str
    cause: str
    remedy: str
    usage: bool = False


Job = ListJob | FetchJob
Reply = Got | Listed | Fetched | Refused
