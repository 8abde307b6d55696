"""Where an Ollama server is: `OLLAMA_HOST` in all its forms."""

from urllib.parse import urlsplit

DEFAULT_PORT = 11434
_PORTS = {"http": 80, "https": 443}
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, never listened on
"""Addresses that a server listens on and nobody can call."""


def host_url(host: str | None) -> str:
    """The URL that `OLLAMA_HOST` means; this machine's own server when it is empty or not set.

    It may be a host, `host:port`, `:port`, an IPv6 address with or without brackets, or a URL with or without a path.
    As Ollama does it, a scheme brings its own port with it, and a port that is none is as good as not given.

    Raises:
        ValueError: there is no host in it.
    """
    text = (host or "").strip().strip("\"'").strip()
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "http", text
    if scheme not in _PORTS:
        raise ValueError(f"{text!r} begins with neither http:// nor https://")
    authority, _, path = rest.partition("/")
    name, port = _split(authority)
    if not name.isprintable() or any(sign in name for sign in " @?#[]"):
        raise ValueError(f"{text!r} holds no usable host")
    name = _ANY.get(name, name) or "127.0.0.1"
    shown = f"[{name}]" if ":" in name else name
    tail = path.strip("/").removesuffix("v1").rstrip("/")
    number = port or (_PORTS[scheme] if mark else DEFAULT_PORT)
    url = f"{scheme}://{shown}:{number}" + (f"/{tail}" if tail else "")
    if not urlsplit(url).hostname:
        raise ValueError(f"{text!r} holds no usable host")
    return url


def tagged(model: str) -> str:
    """A model's name with its tag, which is `latest` where none is said."""
    return f"{model}:latest" if model and ":" not in model.rpartition("/")[2] else model


def _split(authority: str) -> tuple[str, int | None]:
    """Host and port; without brackets an address with several colons is IPv6."""
    if authority.startswith("["):
        name, _, rest = authority[1:].partition("]")
        return name, _port(rest.removeprefix(":"))
    if authority.count(":") > 1:
        return authority, None
    name, _, port = authority.partition(":")
    return name, _port(port)


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 65_536 else None
