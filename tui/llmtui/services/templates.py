"""Chat templates by name: those that come along, and the user's own files."""

import difflib
import re
from pathlib import Path

import msgspec

from llmtui.domain.template_families import FAMILIES
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import visible_line
from llmtui.engines.rendering.shipped import family_of, shipped
from llmtui.errors import ConfigError, UsageError
from llmtui.store.files import open_regular
from llmtui.store.paths import Folders

FOLDER = "templates"
SUFFIXES = (".jinja", ".jinja2", ".j2")
MAX_BYTES = 1 << 20
"""Of a template's file; the longest published ones have some 20 KiB."""
_STOPS = re.compile(r"\{#-?\s*stops:\s*(\[.*?\])\s*-?#\}", re.DOTALL)


def find_template(folders: Folders, wanted: str) -> NamedTemplate:
    """The template that a name or path means: a file, a file of the user's folder, or a shipped one.

    Raises:
        UsageError: there is none.
        ConfigError: the file cannot be read, is too large, or not UTF-8; or its list of stops is none.
    """
    path = Path(wanted).expanduser()
    if path.suffix in SUFFIXES or "/" in wanted:
        return read_template(path)
    for suffix in SUFFIXES:
        if (own := folders.config_dir / FOLDER / f"{wanted}{suffix}").is_file():
            return read_template(own)
    family = family_of(wanted.casefold())
    if family is not None:
        return shipped(family)
    known = [*own_templates(folders), *(family.name for family in FAMILIES)]
    near = difflib.get_close_matches(wanted.casefold(), known, n=3, cutoff=0.4)
    raise UsageError(
        f"There is no chat template {visible_line(wanted)!r}",
        cause=f"near matches: {', '.join(map(visible_line, near))}" if near else "",
        remedy="See `llmtui templates list`, or name a .jinja file.",
    )


def own_templates(folders: Folders) -> dict[str, Path]:
    """The user's own templates: names to files, in order."""
    try:
        files = sorted((folders.config_dir / FOLDER).iterdir())
    except OSError:
        return {}
    return {file.stem: file for file in files if file.suffix in SUFFIXES and file.is_file()}


def read_template(path: Path) -> NamedTemplate:
    r"""A user's template. A comment `{# stops: ["\nUser:"] #}` in it names strings that end an answer.

    Raises:
        ConfigError: it cannot be read, is too large, not UTF-8, or empty; or its list of stops is none.
    """
    shown = visible_line(str(path))
    try:
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "The template cannot be read", cause=f"{shown}: {error.strerror}", remedy="Check the path."
        ) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(
            "The template's file is too large",
            cause=f"{shown} has more than {MAX_BYTES >> 10:,} KiB",
            remedy="See whether it is the right file; a template has a few.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("The template is not UTF-8", cause=f"{shown}: {error}", remedy="Save it as UTF-8.") from error
    if not text.strip():
        raise ConfigError("The template is empty", cause=shown, remedy="Write a Jinja chat template into it.")
    return NamedTemplate(name=visible_line(path.stem), text=text, stops=_stops(text, shown), source=f"file: {shown}")


def _stops(text: str, shown: str) -> tuple[str, ...]:
    found = _STOPS.search(text)
    if found is None:
        return ()
    try:
        stops = msgspec.json.decode(found[1], type=tuple[str, ...])
    except msgspec.DecodeError as error:
        raise ConfigError(
            "The template's stops are no list of strings",
            cause=f"{shown}: {error}",
            remedy='Write them as JSON: {# stops: ["</s>"] #}',
        ) from error
    return tuple(stop for stop in stops if stop)
