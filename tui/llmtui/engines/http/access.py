"""How a server may be reached: time limits, the certificates trusted, proxies, and the key."""

import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from llmtui.domain.text import visible_line
from llmtui.errors import EngineError


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for what, in seconds. A long prompt on a slow machine takes minutes before the first byte."""

    connect_s: float = 5.0
    question_s: float = 10.0
    answer_s: float = 900.0


def is_loopback(url: str) -> bool:
    """Whether a server runs on this machine, where no proxy leads."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def trusted(verify: bool | str) -> ssl.SSLContext | bool:  # noqa: FBT001 - as configured
    """What is trusted: the system's list and httpx's own, or the file that is named; False trusts everyone.

    Raises:
        OSError, ValueError: the file cannot be used.
    """
    if verify is False:
        return False
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=str(Path(verify).expanduser()))
    import certifi  # noqa: PLC0415 - comes with httpx

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def key_header(variable: str | None, name: str) -> dict[str, str]:
    """The header that carries the key; nothing for a server that has none.

    Args:
        variable: the environment variable that holds the key.
        name: of the server, as the user knows it.

    Raises:
        EngineError: the variable is not set, or holds what cannot be a key.
    """
    if variable is None:
        return {}
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise EngineError(
            f"There is no key for {name}",
            cause=f"the environment variable {variable} is {'not usable' if key else 'not set'}",
            remedy=f"Set it: export {variable}=…",
        )
    return {"Authorization": f"Bearer {key}"}


def unusable_settings(name: str, error: Exception) -> EngineError:
    """A client could not be made: a file or a proxy variable is wrong."""
    return EngineError(
        f"The settings for {name} cannot be used",
        cause=visible_line(str(error)),
        remedy="Check `verify` in config.toml and the variables HTTP_PROXY, HTTPS_PROXY and ALL_PROXY.",
    )
