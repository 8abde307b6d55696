"""How a server may be reached: time limits, the certificates trusted, proxies, and the key."""

import contextlib
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


def proxy_for(url: str) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY name for a server, unless NO_PROXY or loopback spares it.

    NO_PROXY is read as widely as its writers mean it: `*`, names and all below them, host and port, addresses,
    networks such as `192.168.0.0/16`, and IPv6 addresses in brackets or not.
    """
    from urllib.request import getproxies  # noqa: PLC0415 - httpx loads it, and this module is asked when httpx is

    if is_loopback(url):
        return None
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    spared = any(_spares(entry.strip().lower(), host, port) for entry in proxies.get("no", "").split(","))
    if not proxy or spared:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _spares(entry: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY means the host, whose IPv6 address is without brackets."""
    name, wanted = entry, str(port)
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        wanted = rest.removeprefix(":") or wanted
    elif entry.count(":") == 1:
        name, _, wanted = entry.partition(":")
    if not name or wanted != str(port):
        return False
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    name = name.removeprefix("*").removeprefix(".")
    return not name or host == name or host.endswith(f".{name}")


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
