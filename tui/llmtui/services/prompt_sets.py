"""The prompt sets there are: those that come along, the user's own, and any file."""

import difflib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from llmtui.domain.prompt_set import Header, Sample
from llmtui.domain.scorers import name_of
from llmtui.domain.text import visible_line
from llmtui.errors import ConfigError, UsageError
from llmtui.store.paths import Folders
from llmtui.store.prompt_errors import Problem
from llmtui.store.prompt_sets import SUFFIXES, open_prompt_set, set_files, shipped_folder, user_folder

Origin = Literal["shipped", "user", "file"]


class SetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt set as listed.

    Attributes:
        name: what the user types: the file's name without its ending.
        header: None when the file cannot be read.
        samples: how many; of those that are valid.
        tags, modes, scorers: how many samples have each.
        problems: how many samples are not valid.
        problem: the first mistake, in words.
    """

    name: str
    path: str
    origin: Origin
    header: Header | None = None
    samples: int = 0
    tags: dict[str, int] = {}
    modes: dict[str, int] = {}
    scorers: dict[str, int] = {}
    problems: int = 0
    problem: str | None = None


def title_of(header: Header, language: str = "en") -> str:
    """The set's title in a language, else in any."""
    if isinstance(header.title, str):
        return header.title
    return header.title.get(language) or next(iter(header.title.values()), "")


def list_sets(folders: Folders) -> Iterator[SetSummary]:
    """Every set by name, read from end to end; a user's set stands before one of the same name that comes along."""
    for name, (origin, path) in sorted(_known(folders).items()):
        yield summary_of(path, name=name, origin=origin)


def summary_of(path: Path, *, name: str | None = None, origin: Origin = "file") -> SetSummary:
    """What a set holds; its problems are part of the summary, never raised."""
    found = SetSummary(name=name or path.stem, path=str(path), origin=origin)
    tags, modes, scorers = Counter[str](), Counter[str](), Counter[str]()
    count, problems, header = 0, [], None
    try:
        with open_prompt_set(path) as reader:
            header = reader.header
            for item in reader.scan():
                if isinstance(item, Problem):
                    problems.append(item)
                    continue
                count += 1
                tags.update(item.tags)
                modes[item.mode] += 1
                scorers.update(dict.fromkeys(map(name_of, item.scorers), 1))
    except ConfigError as error:
        return msgspec.structs.replace(found, problems=1, problem=error.cause)
    first = f"{problems[0].where}: {problems[0].message}" if problems else None
    return msgspec.structs.replace(
        found,
        header=header,
        samples=count,
        tags=dict(tags.most_common()),
        modes=dict(modes.most_common()),
        scorers=dict(scorers.most_common()),
        problems=len(problems),
        problem=first,
    )


def find_set(folders: Folders, spec: str) -> Path:
    """The file of a set: by name, by a unique beginning of a name, or by path.

    Raises:
        UsageError: there is no such set, or several begin so.
    """
    known = {name: path for name, (_, path) in _known(folders).items()}
    if spec in known:
        return known[spec]
    if "/" in spec or Path(spec).suffix in SUFFIXES:
        path = Path(spec).expanduser() if spec.startswith("~") else Path(spec)
        if "\0" not in spec and path.exists():
            return path
        raise UsageError(
            f"There is no file {visible_line(spec)}",
            remedy="Give the path of a prompt set, or a name from `llmtui prompts`",
        )
    near = [name for name in known if spec and name.casefold().startswith(spec.casefold())]
    if len(near) == 1:
        return known[near[0]]
    near = near or difflib.get_close_matches(spec, known, n=3)
    raise UsageError(
        f"No prompt set is called {visible_line(spec)!r}",
        cause=f"near matches: {', '.join(near)}" if near else f"known are {', '.join(known) or 'none'}",
        remedy=f"Choose one from `llmtui prompts`, give a path, or put one into {user_folder(folders)}",
    )


def read_set(path: Path) -> tuple[Header, list[Sample]]:
    """A whole set in memory.

    Raises:
        ConfigError: it is not valid; the first mistake.
    """
    with open_prompt_set(path) as reader:
        return reader.header, list(reader.samples())


def _known(folders: Folders) -> dict[str, tuple[Origin, Path]]:
    known: dict[str, tuple[Origin, Path]] = {
        name: ("shipped", path) for name, path in set_files(shipped_folder()).items()
    }
    known.update({name: ("user", path) for name, path in set_files(user_folder(folders)).items()})
    return known
