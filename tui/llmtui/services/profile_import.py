"""Makes a profile of a character that was written for another program."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from llmtui.domain.profile import MAX_PROSE, Character, Profile
from llmtui.domain.text import UNSAFE, visible_line
from llmtui.errors import ConfigError, UsageError
from llmtui.store.character_cards import Card, read_card
from llmtui.store.paths import Folders
from llmtui.store.profiles import SUFFIXES, check_name, user_folder, write_profile

_ACTIVE = re.compile(
    r"<(script|style|iframe|object|embed)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|</?(?:img|link|meta|base)\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
"""What a web page would act on; other marks, as `<START>`, may mean something in a dialogue."""
_MARKS = re.compile(r"\{\{\s*(char|bot|user)\s*\}\}|<(BOT|CHAR|USER)>", re.IGNORECASE)
_START = re.compile(r"^[ \t]*<START>[ \t]*\n?", re.IGNORECASE | re.MULTILINE)
_MACRO = re.compile(r"\{\{(?!char\}\}|user\}\})[^{}\n]{1,60}\}\}")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\U000e0000-\U000e007f]")
_HAN = re.compile("[\u3400-\u9fff]")
_LONGEST_LINE = 160


class ImportedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What an import brought.

    Attributes:
        path: of the new profile.
        format: of the file it came from, in words.
        notes: what was left out or changed, in words.
    """

    name: str
    path: str
    format: str
    profile: Profile
    notes: tuple[str, ...] = ()


def import_profile(folders: Folders, source: Path, *, name: str | None = None, force: bool = False) -> ImportedProfile:
    """Make a character's file into a profile of the user's.

    Args:
        folders: of the user.
        source: the file: a card (PNG, JSON), or a character of text-generation-webui (YAML, JSON).
        name: of the profile; None makes one of the character's name.
        force: replace a profile of the user's that has this name.

    Raises:
        ConfigError: the file holds no character that can be read.
        UsageError: there is such a profile already, or the name cannot be one.
        StoreError: the profile cannot be written.
    """
    card = read_card(source)
    profile, notes = profile_of(card, source)
    name = name or _name_of(profile, source)
    check_name(name)
    there = [path for suffix in SUFFIXES if (path := user_folder(folders) / f"{name}{suffix}").exists()]
    if there and not force:
        raise UsageError(
            f"A profile of yours is called {name} already",
            cause=str(there[0]),
            remedy="Choose another name with -n, or give --force",
        )
    profile = msgspec.structs.replace(profile, name=name)
    path = write_profile(user_folder(folders), profile)
    return ImportedProfile(name=name, path=str(path), format=card.format, profile=profile, notes=notes)


def profile_of(card: Card, source: Path) -> tuple[Profile, tuple[str, ...]]:
    """The profile that a card describes, and what was left out of it.

    Raises:
        ConfigError: a field is not what it should be.
    """
    reader = _Reader(card.fields, source)
    name = visible_line(reader.text("name", "char_name", "bot"))[:100].strip() or source.stem
    description, personality, scenario = (
        reader.text("description", "char_persona", "context"),
        reader.text("personality"),
        reader.text("scenario", "world_scenario"),
    )
    parts = [description]
    parts += [f"{{{{char}}}}: {personality}"] if personality else []
    parts += [scenario]
    character = Character(
        name=name,
        user_name=visible_line(reader.text("user", "your_name"))[:100].strip() or "You",
        context="\n\n".join(part for part in parts if part),
        greeting=reader.text("first_mes", "char_greeting", "greeting"),
        example_dialogue=_examples(reader.text("mes_example", "example_dialogue")),
    )
    system = re.sub(r"\{\{original\}\}", "", reader.text("system_prompt"), flags=re.IGNORECASE).strip()
    chinese = _is_chinese(character.context + character.greeting)
    if chinese and character.user_name == "You":
        character = msgspec.structs.replace(character, user_name="用户")
    remark = visible_line(reader.text("creator_notes", "creatorcomment"))
    if len(remark) > _LONGEST_LINE:
        remark = f"{remark[: _LONGEST_LINE - 1]}…"
    reader.note_what_is_left()
    profile = Profile(
        description=remark or f"{name}, from {visible_line(source.name)}",
        language="zh" if chinese else None,
        mode="chat-instruct",
        system=system or None,
        character=character,
        overflow="slide",
    )
    return profile, tuple(reader.notes)


class _Reader:
    """Texts of a card, made harmless; `notes` says what that took."""

    def __init__(self, fields: Mapping[str, Any], source: Path) -> None:
        self.notes: list[str] = []
        self._fields = fields
        self._source = source

    def text(self, *names: str) -> str:
        """The first of these fields that says something."""
        for name in names:
            value = self._fields.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                value = str(value)
            if value is None or value == "":
                continue
            if not isinstance(value, str):
                raise self._refused(name, f"must be a text, not {type(value).__name__}")
            if len(value) > MAX_PROSE:
                raise self._refused(name, f"is longer than {MAX_PROSE:,} characters")
            found = self._harmless(name, value)
            if found:
                return found
        return ""

    def note_what_is_left(self) -> None:
        """Say what a profile has no place for."""
        fields = self._fields
        greetings = fields.get("alternate_greetings")
        if isinstance(greetings, list) and greetings:
            self.notes.append(f"{len(greetings)} other greetings were left out")
        book = fields.get("character_book")
        entries = book.get("entries") if isinstance(book, dict) else None
        if entries:
            self.notes.append(f"its lore book was left out ({len(entries)} entries)")
        if fields.get("post_history_instructions"):
            self.notes.append("its instructions behind the conversation were left out")

    def _harmless(self, name: str, value: str) -> str:
        text = value.replace("\r\n", "\n").replace("\r", "\n")
        bare = _ACTIVE.sub("", text)
        if bare != text:
            self.notes.append(f"scripts or markup of pages were taken out of `{name}`")
        clean = _INVISIBLE.sub("", UNSAFE.sub("", bare))
        clean = "".join(char for char in clean if char in "\n\t" or unicodedata.category(char) != "Cc")
        if clean != bare:
            self.notes.append(f"control or invisible characters were taken out of `{name}`")
        clean = _MARKS.sub(_named, clean)
        macro = _MACRO.search(clean)
        if macro and name != "system_prompt":
            self.notes.append(f"`{name}` holds {macro[0]}, which stays as it is")
        return "\n".join(line.rstrip() for line in clean.split("\n")).strip()

    def _refused(self, name: str, why: str) -> ConfigError:
        return ConfigError(
            "The character cannot be imported",
            cause=f"{self._source}: $.{name} {why}",
            remedy="Correct the card, or give another one",
        )


def _named(match: re.Match[str]) -> str:
    return "{{user}}" if (match[1] or match[2]).casefold() == "user" else "{{char}}"


def _examples(text: str) -> str:
    """Example dialogues one after another, without the marks between them."""
    parts = (part.strip() for part in _START.split(text))
    return "\n\n".join(part for part in parts if part)


def _is_chinese(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return bool(letters) and len(_HAN.findall(text)) > 0.3 * len(letters)


def _name_of(profile: Profile, source: Path) -> str:
    """A profile's name from the character's: letters, digits, dots and dashes."""
    for words in (profile.character.name if profile.character else "", source.stem):
        name = re.sub(r"[^\w.-]+", "-", words).strip("-._")[:60]
        if re.match(r"\w", name):
            return name.casefold() if name.isascii() else name
    return "character"
