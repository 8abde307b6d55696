"""Character cards of other programs: text-generation-webui's files, and TavernAI's and SillyTavern's, also in pictures.

A card is a stranger's: its size is bounded, nothing in it is run, and what a page or a terminal would act on is left
out of the texts.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from llmtui.errors import ConfigError
from llmtui.store.files import open_regular

MAX_CARD = 64 << 20
"""Bytes of a file: pictures of cards take a few MiB."""
MAX_TEXT = 16 << 20
"""Bytes of a card's text, also unpacked."""
_PNG = b"\x89PNG\r\n\x1a\n"
_KEYWORDS = ("ccv3", "chara")
"""Under which a picture keeps its card, the newer one first."""
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


class Card(NamedTuple):
    """A card as it was found.

    Attributes:
        format: in words.
        fields: of builtins.
    """

    format: str
    fields: dict[str, Any]


def read_card(path: Path) -> Card:
    """The card in a file: a picture (PNG), JSON, or YAML.

    Raises:
        ConfigError: it cannot be read, or holds no card.
    """
    try:
        with open_regular(path) as file:
            data = file.read(MAX_CARD + 1)
    except OSError as error:
        raise _refused(path, error.strerror or str(error), "Check the path and its permissions") from error
    if len(data) > MAX_CARD:
        raise _refused(path, f"the file holds more than {MAX_CARD >> 20} MiB")
    if data.startswith(_PNG):
        return _of_json(path, _in_picture(path, data), "a card in a picture")
    if data[:4] in {b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"RIFF", b"GIF8"}:
        raise _refused(path, "it is a picture, but not PNG, which alone keeps cards", "Save the original PNG")
    if len(data) > MAX_TEXT:
        raise _refused(path, f"the text holds more than {MAX_TEXT >> 20} MiB")
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return _of_json(path, data.removeprefix(b"\xef\xbb\xbf"), "JSON")
    return _of_yaml(path)


def _of_yaml(path: Path) -> Card:
    from llmtui.store.yaml_stream import YamlError, read_yaml  # noqa: PLC0415 - for YAML only

    try:
        value = read_yaml(path).value
    except YamlError as error:
        line = f"line {error.line}: " if error.line else ""
        raise _refused(path, f"{line}{error}") from error
    if not isinstance(value, dict) or not value.keys() & {"name", "context", "greeting", "bot"}:
        raise _refused(path, "it is no character: there is neither `name` nor `context`")
    return Card("text-generation-webui, YAML", value)


def _of_json(path: Path, data: bytes, what: str) -> Card:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(path, f"{what} that is not valid: {error}") from error
    if not isinstance(value, dict):
        raise _refused(path, f"{what} that holds no card")
    spec = value.get("spec")
    if isinstance(spec, str) and isinstance(value.get("data"), dict):
        return Card(f"character card {spec.removeprefix('chara_card_')}", value["data"])
    if "char_name" in value or "char_persona" in value:
        return Card("text-generation-webui, JSON", value)
    if not value.keys() & {"name", "description", "context", "first_mes", "greeting"}:
        raise _refused(path, f"{what} that holds no card: there is neither `name` nor `description`")
    tavern = value.keys() & {"first_mes", "description", "mes_example"}
    return Card("character card v1" if tavern else "text-generation-webui, JSON", value)


def _in_picture(path: Path, data: bytes) -> bytes:
    """The JSON text that a picture keeps."""
    found: dict[str, bytes] = {}
    for kind, content in _chunks(path, data):
        keyword, _, rest = content.partition(b"\0")
        name = keyword.decode("latin-1").casefold()
        if name in _KEYWORDS and name not in found:
            found[name] = _text(path, kind, rest)
    for name in _KEYWORDS:
        if name in found:
            text = b"".join(found[name].split()).rstrip(b"=")
            try:
                return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
            except binascii.Error as error:
                raise _refused(path, f"the card in the picture is not base64: {error}") from error
    raise _refused(path, "the picture keeps no card", "Download the card's original PNG: other programs strip it")


def _chunks(path: Path, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG that hold text, up to its end; each with its checksum proved."""
    at = len(_PNG)
    while at < len(data):
        if at + 12 > len(data):
            raise _refused(path, "the picture ends too early", "Download it again")
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise _refused(path, "the picture ends too early", "Download it again")
        if kind == b"IEND":
            return
        if kind in _TEXTS:
            if length > MAX_TEXT:
                raise _refused(path, f"a text in the picture holds more than {MAX_TEXT >> 20} MiB")
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise _refused(path, "a checksum in the picture is wrong", "Download it again")
            yield kind, data[at + 8 : end - 4]
        at = end
    raise _refused(path, "the picture ends too early", "Download it again")


def _text(path: Path, kind: bytes, rest: bytes) -> bytes:
    """The text of a chunk behind its keyword, unpacked."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _unpacked(path, rest[1:])
    packed = rest[:1] == b"\1"
    text = rest[2:].split(b"\0", 2)[-1]
    return _unpacked(path, text) if packed else text


def _unpacked(path: Path, data: bytes) -> bytes:
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(data, MAX_TEXT)
    except zlib.error as error:
        raise _refused(path, f"a text in the picture cannot be unpacked: {error}") from error
    if unpack.unconsumed_tail:
        raise _refused(path, f"a text in the picture unpacks to more than {MAX_TEXT >> 20} MiB")
    if not unpack.eof:
        raise _refused(path, "a text in the picture ends too early", "Download it again")
    return text


def _refused(path: Path, why: str, remedy: str = "Give another file") -> ConfigError:
    line = re.sub(r"\s+", " ", why)
    return ConfigError("The character cannot be imported", cause=f"{path}: {line}", remedy=remedy)
