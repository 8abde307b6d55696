"""The fetching process: one job on standard input, replies on standard output, over when either end closes.

A process because a download must stop at once when it is cancelled, whatever the library waits for, and because the
library is slow to import and writes bars, logs and warnings of its own, which end here.
"""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec

import llmtui
from llmtui.domain.hub import HubFile, Listing
from llmtui.engines.hub.wire import Fetched, FetchJob, Got, Job, Listed, ListJob, Refused, Reply

CHUNK = 1 << 18
"""Bytes written at a time: what a cut can lose, and what progress moves by on a slow line."""
TELL_S = 0.1
RETRIES = 4
LONGEST_WAIT_S = 8
BUSY = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that another try may mend."""
SHA256_DIGITS = 64
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_VERBOSITY": "critical",
}
"""Keeps the library to the endpoint and to itself; set before it is imported. Xet has servers of its own, and a cut
download of it begins anew."""

Send = Callable[[Reply], None]


class UnusableTokenError(Exception):
    """The token holds what no header can carry. It does not say what: errors are shown and kept."""


def main() -> None:
    """Do the one job."""
    os.environ.update(QUIET)
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(reply: Reply) -> None:
        replies.write(msgspec.json.encode(reply) + b"\n")

    try:
        send(do(job, send))
    except BrokenPipeError:
        os._exit(1)


def do(job: Job, send: Send) -> Reply:
    """The last reply to a job."""
    from llmtui.engines.hub import faults  # noqa: PLC0415 - imports the library, for which the environment is set first

    try:
        return listed(job) if isinstance(job, ListJob) else fetched(job, send)
    except UnusableTokenError:
        return Refused(
            title="The token cannot be sent",
            cause="HF_TOKEN holds spaces, line breaks or other characters that are none of a token's",
            remedy="Set it again, or unset it: most repositories want none",
        )
    except Exception as error:  # noqa: BLE001 - the boundary: whatever the library raises becomes words
        return faults.refused(error, job)


def listed(job: ListJob) -> Listed:
    """All files of a repository at the commit that the revision means now."""
    from huggingface_hub import HfApi  # noqa: PLC0415 - after the environment is set
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential  # noqa: PLC0415 - as above

    api = HfApi(endpoint=job.endpoint, token=_token(), library_name="llmtui")
    for attempt in Retrying(
        retry=retry_if_exception(passing),
        stop=stop_after_attempt(RETRIES),
        wait=wait_exponential(multiplier=0.5, max=LONGEST_WAIT_S),
        reraise=True,
    ):
        with attempt:
            info = api.model_info(job.repository, revision=job.revision, files_metadata=True, timeout=30)
    files = tuple(_file(sibling) for sibling in info.siblings or ())
    return Listed(listing=Listing(repository=job.repository, commit=info.sha or job.revision or "main", files=files))


def passing(error: BaseException) -> bool:
    """Whether another try may mend it. An address where nobody is will have nobody there a second later."""
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - after the environment is set

    from llmtui.engines.hub.faults import is_transport  # noqa: PLC0415 - as above

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in BUSY
    return is_transport(error) and type(error).__name__ != "ConnectError"


def _file(sibling: Any) -> HubFile:
    lfs = sibling.lfs
    size = sibling.size if sibling.size is not None else lfs.size if lfs else None
    return HubFile(
        path=sibling.rfilename, size_bytes=size, sha256=lfs.sha256 if lfs else None, git_sha1=sibling.blob_id
    )


def fetched(job: FetchJob, send: Send) -> Reply:
    """Fetch what is missing, then check the whole.

    Raises:
        OSError: the disk is full or cannot be written.
        Exception: the library's, of the network and the hub.
    """
    from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE  # noqa: PLC0415 - after the environment is set

    file = _with_checksum(job)
    if (file.size_bytes or 0) > MAX_HTTP_DOWNLOAD_SIZE:
        return Refused(
            title=f"{file.path} is larger than a hub sends",
            cause=f"it has {file.size_bytes:,} bytes, and {MAX_HTTP_DOWNLOAD_SIZE:,} are the most of one file",
            remedy="Choose a quantisation that is smaller, or split into parts",
        )
    with Path(job.partial).open("ab") as partial:
        if file.size_bytes is not None and partial.tell() > file.size_bytes:
            partial.truncate(0)
        _download(job, file, partial, send)
        partial.flush()
        os.fsync(partial.fileno())
    size = Path(job.partial).stat().st_size
    if file.sha256 is None and file.git_sha1 is None:
        return Fetched(size_bytes=size, checked=False)
    told, expected = file.sha256 or file.git_sha1, checksum(Path(job.partial), file, send)
    if told != expected:
        Path(job.partial).unlink()
        return Refused(
            title=f"{file.path} arrived damaged",
            cause=f"its checksum is {expected}, the hub says {told}",
            remedy="Pull it again. What came is deleted",
        )
    return Fetched(size_bytes=size, checked=True)


def _with_checksum(job: FetchJob) -> HubFile:
    """Size and checksum; what the listing lacks, as some mirrors' does, is asked of the file itself."""
    file = job.file
    if file.size_bytes is not None and (file.sha256 or file.git_sha1):
        return file
    from huggingface_hub import get_hf_file_metadata  # noqa: PLC0415 - after the environment is set

    found = get_hf_file_metadata(_address(job), token=_token(), endpoint=job.endpoint, retry_on_errors=True)
    etag = found.etag or ""
    return msgspec.structs.replace(
        file,
        size_bytes=file.size_bytes if file.size_bytes is not None else found.size,
        sha256=etag if len(etag) == SHA256_DIGITS and all(digit in "0123456789abcdef" for digit in etag) else None,
    )


def _download(job: FetchJob, file: HubFile, partial: BinaryIO, send: Send) -> None:
    from huggingface_hub import constants  # noqa: PLC0415 - after the environment is set
    from huggingface_hub.file_download import http_get  # noqa: PLC0415 - as above

    constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    token = _token()
    headers = {"user-agent": f"llmtui/{llmtui.__version__}", "accept-encoding": "identity"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    tries = 0
    while True:
        here = partial.seek(0, os.SEEK_END)
        try:
            http_get(
                _address(job),
                partial,
                resume_size=here,
                headers=headers,
                expected_size=file.size_bytes,
                displayed_filename="file",
                tqdm_class=_teller(here, send),
            )
        except Exception as error:
            tries = 0 if partial.seek(0, os.SEEK_END) > here else tries + 1
            if tries >= RETRIES or not passing(error):
                raise
            time.sleep(min(LONGEST_WAIT_S, 0.5 * 2**tries))
        else:
            return


def _teller(here: int, send: Send) -> Any:
    """A class in the place of tqdm's bar that tells how far it is, by a clock: a line that stalls is told, too."""

    class Teller:
        def __init__(self, *_: Any, **__: Any) -> None:
            self.n, self._told = here, -1
            self._over = threading.Event()
            self._clock = threading.Thread(target=self._tick, daemon=True)

        def __enter__(self) -> Self:
            self._clock.start()
            return self

        def __exit__(self, *_: object) -> None:
            self._over.set()
            self._clock.join()
            self._tell()

        def update(self, more: float | None = 1) -> None:
            self.n += int(more or 0)

        def close(self) -> None:
            """A bar would be taken away."""

        def _tick(self) -> None:
            self._tell()
            while not self._over.wait(TELL_S):
                self._tell()

        def _tell(self) -> None:
            if self.n != self._told:
                self._told = self.n
                send(Got(stage="downloading", done=self.n))

    return Teller


def checksum(path: Path, file: HubFile, send: Send) -> str:
    """Of the kind that the hub gave: SHA-256 of the content, or git's SHA-1 of its blob."""
    size = path.stat().st_size
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    done, due = 0, 0.0
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
            done += len(block)
            if time.monotonic() >= due or done == size:
                due = time.monotonic() + TELL_S
                send(Got(stage="checking", done=done))
    return digest.hexdigest()


def _address(job: FetchJob) -> str:
    from huggingface_hub import hf_hub_url  # noqa: PLC0415 - after the environment is set

    return str(hf_hub_url(job.repository, job.file.path, revision=job.commit, endpoint=job.endpoint))


def _token() -> str | bool:
    """From the environment only: a login of other programs is not ours to use.

    Raises:
        UnusableTokenError: it cannot be sent; the HTTP client's own complaint would show it.
    """
    found = (os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN") or "").strip()
    if not (found.isascii() and found.isprintable()):
        raise UnusableTokenError
    return found or False


def _end_with_parent() -> None:
    """Standard input closes when the program cancels, or is gone."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
