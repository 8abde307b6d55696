"""The hub library's exceptions in a user's words. Only the fetching process imports this."""

import errno

from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from llmtui.domain.text import visible_line
from llmtui.engines.hub.wire import Job, Refused

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TOKEN = "Put a token into HF_TOKEN"  # noqa: S105 - words, not a token
_AGAIN = "Pull again later; it goes on where it stopped"


def refused(error: Exception, job: Job) -> Refused:  # noqa: PLR0911 - a table of errors, one line each
    """Why the job did not work."""
    match error:
        case GatedRepoError():
            return _of(
                f"{job.repository} is gated",
                error,
                f"Accept its terms at {job.endpoint}/{job.repository}. {_TOKEN} of the account that did",
            )
        case RepositoryNotFoundError() | DisabledRepoError():
            return _of(
                f"The hub has no repository {job.repository}, or not for you",
                error,
                f"Check the name. If it is private: {_TOKEN} of an account that may read it",
                usage=True,
            )
        case RevisionNotFoundError():
            return _of(f"{job.repository} has no such revision", error, "Check --revision", usage=True)
        case EntryNotFoundError():
            return _of(f"{job.repository} has no such file", error, "Pull again: the repository changed", usage=True)
        case HfHubHTTPError():
            return _of_status(error, job)
        case OfflineModeIsEnabled():
            return _of("The hub may not be asked", error, "Unset HF_HUB_OFFLINE")
        case _ if is_transport(error):
            return _of(f"{job.endpoint} cannot be reached, or does not answer", error, f"{_AGAIN}. {_ENDPOINT}")
        case OSError() if error.errno in _FULL:
            return Refused(
                title="The disk is full",
                cause=f"{getattr(job, 'partial', '')}: {error.strerror}",
                remedy="Free some space and pull again: it goes on where it stopped. Or choose a folder with -o",
            )
        case OSError() if error.errno is not None:
            return _of("The file cannot be written", error, "Choose a folder that can be written with -o")
        case _:
            return _of("The hub's answer cannot be used", error, f"{_AGAIN}. {_ENDPOINT}")


def is_transport(error: BaseException) -> bool:
    """Whether the network failed. By name: the library changes its HTTP client (httpx, httpx2) between versions."""
    return any(kind.__name__ in {"TransportError", "InvalidURL"} for kind in type(error).__mro__)


_ENDPOINT = "A mirror is named with --endpoint, hub_endpoint in the configuration, or HF_ENDPOINT"


def _of_status(error: HfHubHTTPError, job: Job) -> Refused:
    status = error.response.status_code
    if status == 401 or status == 403:  # noqa: PLR1714 - two statuses, not a set of values
        return _of(f"The hub refuses {job.repository} ({status})", error, f"{_TOKEN} that may read it, or a new one")
    if status == 429:
        return _of("The hub asks to come back later (429)", error, f"{_AGAIN}. A token in HF_TOKEN raises the limit")
    return _of(f"The hub answers with an error ({status})", error, _AGAIN)


def _of(title: str, error: Exception, remedy: str, *, usage: bool = False) -> Refused:
    return Refused(title=title, cause=_cause(error), remedy=remedy, usage=usage)


def _cause(error: Exception) -> str:
    """The last line of what the library says, which is the server's own words; its hints are for its own users."""
    server = getattr(error, "server_message", None)
    text = server or str(error) or type(error).__name__
    lines = [visible_line(line) for line in text.splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
