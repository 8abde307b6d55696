"""How well the demo recites: exact greedy answers, teacher-forced.

If every token of the wanted answer is the most likely one after the tokens before it, greedy
decoding writes exactly that answer. So one pass without a cache measures what decoding would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import torch

from demo_model import persona
from demo_model.chat import RowSampler, render
from demo_model.corpus import Sampler, Turn, intents, load
from demo_model.tokens import END, ids

if TYPE_CHECKING:
    from demo_model.network import Network


@dataclass(frozen=True)
class Probe:
    """A prompt, the answer wanted, and a name to report it under."""

    name: str
    prompt: str
    say: str


def answers() -> dict[str, str]:
    """Answer by intent id; ``pair.LANG.a+b`` is resolved by ``wanted``."""
    return {intent.id: intent.say for intent in intents()}


def wanted(name: str, known: dict[str, str]) -> str:
    """The answer that the evaluation id ``name`` stands for."""
    if not name.startswith("pair."):
        return known[name]
    _, lang, both = name.split(".")
    said = [known.get(f"fact.{lang}.{part}") or known[f"key.{lang}.{part}"] for part in both.split("+")]
    return (" " if lang == "en" else "").join(said)


def written(system: str | None = None) -> list[tuple[str, Probe]]:
    """(question, probe) of every line of ``evaluation.yaml``, as a first turn."""
    known = answers()
    return [
        (question, Probe(name, render([], question, system), wanted(name, known)))
        for name, questions in load("evaluation")["questions"].items()
        for question in questions
    ]


def conversations(count: int, turns: int, seed: int) -> list[Probe]:
    """Last turns of random conversations of ``turns`` turns, with answers as given."""
    sampler = Sampler(Random(seed))
    found = []
    for _ in range(count):
        talk = [sampler.turn(longest=400) for _ in range(turns)]
        system = sampler.system() if sampler.rng.random() < 0.5 else None
        found.append(Probe("talk", render(talk[:-1], talk[-1].ask, system), talk[-1].say))
    return found


def personas() -> list[tuple[str, Probe]]:
    """(question, probe) of every question to the shipped persona."""
    return [(question, Probe(name, prompt, say)) for name, question, prompt, say in persona.probes(answers())]


def singles(count: int, seed: int) -> list[Probe]:
    """Random first turns."""
    return conversations(count, 1, seed)


@torch.no_grad()
def exact(network: Network, sampler: RowSampler, probes: list[Probe], *, tokens_per_pass: int = 8192) -> list[bool]:
    """For each probe whether greedy decoding gives exactly the answer and then stops."""
    network.eval()
    rows = []
    for probe in probes:
        prompt = ids(sampler.tokenizer, probe.prompt)
        rows.append((prompt, ids(sampler.tokenizer, probe.say + END)))
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    right = [False] * len(rows)
    while order:
        longest = len(rows[order[-1]][0]) + len(rows[order[-1]][1])
        take = max(1, min(len(order), tokens_per_pass // longest))
        chunk, order = order[-take:], order[:-take]
        tokens = torch.zeros(take, longest, dtype=torch.long)
        mask = torch.zeros(take, longest, dtype=torch.bool)
        for j, i in enumerate(chunk):
            prompt, answer = rows[i]
            tokens[j, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            mask[j, len(prompt) : len(prompt) + len(answer)] = True
        with torch.autocast("cpu", torch.bfloat16):
            best = network(tokens[:, :-1]).argmax(-1)
        hit = (best == tokens[:, 1:]) | ~mask[:, 1:]
        for j, i in enumerate(chunk):
            right[i] = bool(hit[j].all())
    network.train()
    return right


def share(right: list[bool]) -> float:
    """Part that is right, 0 to 1."""
    return sum(right) / max(1, len(right))


__all__ = ["Probe", "Turn", "conversations", "exact", "personas", "share", "singles", "written"]
