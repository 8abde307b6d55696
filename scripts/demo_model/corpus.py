"""The corpus: every question the demo understands, as intents (many wordings, one answer)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from demo_model.grammar import expand, roughen, strip_mark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

DATA = Path(__file__).parent / "data"

SHARE = {
    "llmtui": 12, "key": 22, "reverse": 9, "pair": 13, "talk": 12, "poem": 14, "next": 7, "previous": 2, "source": 2,
    "author": 2, "libai": 6, "riddle": 6, "code": 9, "shapes": 4, "story": 1.5, "terms": 4, "unknown": 15,
}  # fmt: skip
"""How often each group is drawn: what people ask first comes most, and what is long comes rarely."""

OFTEN = {"what_is": 3.0, "can_do": 2.0, "model_picker": 2.0, "hello": 2.5, "who": 2.0, "can": 1.5, "静夜思": 2.0}
"""Questions that everybody asks, by the last part of the intent's id: drawn more often within their group."""

_PAIRS = ("pair.en", "pair.zh")
_JOIN = {
    "en": [
        "{a}, and {b}", "{a}, and {b}", "{a}? {B}", "{a} and {b}", "{a} and {b}", "{a}? And {b}", "{a}? Also, {b}",
        "{a}, {b}", "Two questions: {a}, and {b}", "{a}, and also {b}", "{a}? and {b}",
    ],
    "zh": [
        "{a}？{b}", "{a}？{b}", "{a}，{b}", "{a}？另外，{b}", "{a}，还有{b}", "{a}，以及{b}", "{a}?{b}", "{a}；{b}",
        "两个问题：{a}，{b}", "{a}，另外{b}", "{a}？还有，{b}",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Intent:
    """One thing that can be asked: patterns of the question (see ``grammar``) and the one answer."""

    id: str
    group: str
    lang: str
    ask: tuple[str, ...]
    say: str


@dataclass(frozen=True)
class Turn:
    """A question as typed, the answer that belongs to it, and the intent it was drawn from."""

    ask: str
    say: str
    intent: str = ""


def load(name: str) -> Any:
    """The parsed data file ``name``."""
    return yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))


def intents() -> list[Intent]:
    """All intents of the corpus, in a fixed order."""
    found = (
        _facts("facts") + _facts("libai") + _facts("shapes") + _keys() + _poems() + _riddles() + _coding() + _unknown()
    )
    twice = [name for name, n in Counter(i.id for i in found).items() if n > 1]
    if twice:
        raise ValueError(f"intent ids used twice: {twice}")
    return found


def systems() -> list[str]:
    """Patterns of system messages; the demo answers the same under each."""
    return list(load("unknown")["systems"])


def _facts(name: str) -> list[Intent]:
    return [
        Intent(f"fact.{lang}.{fact['id']}" if name != "libai" else f"libai.{lang}.{fact['id']}", fact["group"], lang,
               tuple(fact[f"ask_{lang}"]), fact[lang])
        for fact in load(name)["facts"]
        for lang in ("en", "zh")
    ]  # fmt: skip


def third_person(phrase: str) -> str:
    """``open the picker`` → ``opens the picker``; ``show or hide`` → ``shows or hides``."""

    def inflect(match: re.Match[str]) -> str:
        verb = match[2]
        ending = "es" if re.search(r"(s|x|ch|sh|o)$", verb) else "s"
        return match[1] + (verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + ending)

    return re.sub(r"(^| or )(\w+)", inflect, phrase)


def _keys() -> list[Intent]:
    data = load("keys")
    found = []
    for key in data["keys"]:
        for lang in ("en", "zh"):
            spelled = _spellings(key["key"], lang)
            ask = tuple(
                pattern.replace("{does}", third_person(do)).replace("{do}", do)
                for do in key[f"do_{lang}"]
                for pattern in data[f"ask_{lang}"]
                if not (do == "send" and pattern == "{do}")
            )
            back = tuple(pattern.replace("{key}", spelled) for pattern in data[f"reverse_{lang}"])
            found.append(Intent(f"key.{lang}.{key['id']}", "key", lang, ask, key[lang]))
            found.append(Intent(f"reverse.{lang}.{key['id']}", "reverse", lang, back, key[lang]))
    return found


def _spellings(key: str, lang: str) -> str:
    """A pattern of the ways people write a key."""
    if not key.startswith("Ctrl+"):
        more = f"the {key} key|{key} key" if lang == "en" else f"{key} 键"
        return f"<{key}|{key}|{key.lower()}|{more}>"
    letter, small = key[-1], key[-1].lower()
    return f"<{key}|{key}|{key}|Ctrl-{letter}|ctrl {small}|^{letter}|Control+{letter}|ctrl+{small}|Ctrl + {letter}>"


def _poems() -> list[Intent]:
    data = load("poems")
    found = []
    for poem in data["poems"]:
        title, text = poem["title"], poem["text"].strip()
        names = "<" + "|".join([title] * 3 + poem.get("alias", [])) + ">"
        english = "<" + "|".join(poem["english"]) + ">"

        def fill(patterns: list[str], names: str = names, english: str = english) -> tuple[str, ...]:
            return tuple(p.replace("{title}", names).replace("{english}", english) for p in patterns)

        found.append(Intent(f"poem.{title}", "poem", "zh", fill(data["ask"] + data["ask_english"]), text))
        found.append(
            Intent(f"author.{title}", "author", "zh", fill(data["ask_author"]), data["say_author"].format(title=title))
        )
        lines = [line for line in re.split(r"[，。？\n]+", text) if line]
        once = [line for line in lines if lines.count(line) == 1]
        for before, after in pairwise(lines):
            if before in once:
                found.append(_line("next", data["ask_next"], before, f"{after}。"))
            if after in once:
                found.append(_line("previous", data["ask_previous"], after, f"{before}。"))
        found.extend(_line("source", data["ask_source"], line, data["say_source"].format(title=title)) for line in once)
    return found


def _line(group: str, patterns: list[str], line: str, say: str) -> Intent:
    return Intent(f"{group}.{line}", group, "zh", tuple(p.replace("{line}", line) for p in patterns), say)


def _riddles() -> list[Intent]:
    return [
        Intent(f"riddle.{n}", "riddle", "en" if riddle["say"].isascii() else "zh", tuple(riddle["ask"]), riddle["say"])
        for n, riddle in enumerate(load("riddles")["riddles"])
    ]


def _coding() -> list[Intent]:
    data = load("coding")
    found = []
    for task in data["tasks"]:
        name = task["sig"].split("(")[0]
        fields = {"sig": task["sig"], "name": name} | {key: task[key] for key in ("en", "does", "zh", "does_zh")}
        patterns = [_fill(pattern, fields) for pattern in data["ask_en"] + data["ask_zh"]]
        found.append(Intent(f"code.{name}", "code", "en", tuple(patterns), f"```python\n{task['code'].strip()}\n```"))
    return found


def _fill(pattern: str, fields: Mapping[str, str]) -> str:
    """``pattern`` with each ``{field}`` replaced; other braces stay."""
    for name, value in fields.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return pattern


def run_code_checks() -> int:
    """Runs each coding answer and its checks; how many checks passed.

    Raises:
        ValueError: an answer is wrong.
    """
    passed = 0
    for task in load("coding")["tasks"]:
        names: dict[str, Any] = {}
        exec(task["code"], names)  # noqa: S102  our own text, run to prove that it is right
        for check in task["checks"]:
            if not eval(check, names):  # noqa: S307  as above
                raise ValueError(f"{task['sig']}: {check} does not hold")
            passed += 1
    return passed


def _unknown() -> list[Intent]:
    data = load("unknown")
    return [
        Intent(f"unknown.{lang}", "unknown", lang, tuple(data[f"ask_{lang}"]), data[f"say_{lang}"])
        for lang in ("en", "zh")
    ]


class Sampler:
    """Draws turns from the corpus; the same ``rng`` state draws the same turns.

    Rates are those of ``SHARE``, times how much an intent still needs practice (see ``practise``).
    """

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.groups: dict[str, list[Intent]] = {}
        for intent in intents():
            self.groups.setdefault(intent.group, []).append(intent)
        self._intents = {intent.id: intent for group in self.groups.values() for intent in group}
        self._base = {
            i.id: SHARE[i.group] / len(self.groups[i.group]) * OFTEN.get(i.id.rsplit(".", 1)[-1], 1.0)
            for i in self._intents.values()
        }
        self._base |= dict.fromkeys(_PAIRS, SHARE["pair"] / len(_PAIRS))
        self._names = list(self._base)
        self._weights = list(accumulate(self._base.values()))
        self._systems = systems()

    def practise(self, loss: Mapping[str, float]) -> None:
        """From now on draws more of what is not yet known: ``loss`` is in nats an answer, by intent."""
        need = (self._base[name] * (0.25 + min(loss.get(name, 2.0), 2.0)) for name in self._names)
        self._weights = list(accumulate(need))

    def turn(self, *, longest: int | None = None) -> Turn:
        """One question with its answer; ``longest`` bounds the answer's characters."""
        while True:
            name = self.rng.choices(self._names, cum_weights=self._weights)[0]
            turn = self._pair(name) if name in _PAIRS else self._single(self._intents[name])
            if longest is None or len(turn.say) <= longest:
                return turn

    def system(self) -> str:
        """One system message, now and then a long one."""
        count = 1 if self.rng.random() < 0.8 else self.rng.randrange(2, 6)
        return " ".join(expand(self.rng.choice(self._systems), self.rng) for _ in range(count))

    def ask(self, intent: Intent) -> str:
        """One wording of ``intent``, before it is roughened."""
        return expand(self.rng.choice(intent.ask), self.rng)

    def _single(self, intent: Intent) -> Turn:
        polite = intent.group not in {"talk", "story"}
        text = self.ask(intent)
        han, latin = (len(re.findall(letters, text)) for letters in (r"[一-鿿]", r"[A-Za-z]"))
        lang = "zh" if han > 0.45 * latin else "en"
        return Turn(roughen(text, lang, self.rng, polite=polite), intent.say, intent.id)

    def _pair(self, name: str) -> Turn:
        """Two questions in one, what llmtui is or a key and another key; the answers in the order asked."""
        lang = name.removeprefix("pair.")
        first, second = self.rng.sample([i for i in self.groups["key"] if i.lang == lang], 2)
        if self.rng.random() < 0.7:
            first = self._intents[f"fact.{lang}.{self.rng.choice(['what_is', 'what_is', 'can_do'])}"]
            if self.rng.random() < 0.2:
                first, second = second, first
        a, b = (strip_mark(self.ask(i)) for i in (first, second))
        text = self.rng.choice(_JOIN[lang]).format(a=a, b=b, B=b[:1].upper() + b[1:])
        return Turn(roughen(text, lang, self.rng), f"{first.say}{' ' if lang == 'en' else ''}{second.say}", name)
