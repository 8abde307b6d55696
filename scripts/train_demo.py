# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "tokenizers", "gguf", "numpy", "pyyaml", "msgspec", "platformdirs"]
# ///
"""Trains the demo model that llmtui ships, from the text in ``scripts/demo_model/data``.

    python scripts/train_demo.py -o tui/llmtui/data/demo.gguf

Needs PyTorch (CPU is enough), tokenizers, gguf, numpy, pyyaml, msgspec and platformdirs; about a
quarter of an hour on two cores.
The same seed on the same machine gives the same file. It prints the loss and, at the end, how many
questions are answered exactly at temperature 0: written ones, seen and unseen in training, and the
last turns of random conversations. ``scripts/check_demo.py`` repeats that through llama.cpp.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))

from demo_model import evaluate, export, persona
from demo_model.chat import UNLEARNED, Batch, RowSampler
from demo_model.corpus import Sampler, intents, run_code_checks
from demo_model.network import Network, Shape
from demo_model.optimizer import Muon
from demo_model.tokens import train_bpe

VOCABULARY = 3072
LENGTHS = (((128, 3), (192, 4), (384, 2)), ((192, 4), (384, 4), (768, 3), (2048, 1.5)))
"""Row lengths and how often each is drawn, first and then: what to answer is learned on short rows,
which are cheap, and that it holds in long chats on long ones."""
LONG_FROM = 0.5
"""Part of the training after which rows are long."""


def tokenizer_texts(seed: int) -> list[str]:
    """What the tokenizer is trained on: every answer, and wordings in the proportion they are asked."""
    sampler = Sampler(Random(seed))
    texts = [intent.say for intent in intents()] * 4
    for _ in range(30_000):
        texts.append(sampler.turn().ask)
    persona_texts = [persona.render([], intent.say) for intent in intents() if intent.lang == "zh"]
    return texts + persona_texts + [sampler.system() for _ in range(1_000)]


def schedule(step: int, steps: int) -> float:
    """Learning-rate factor: a short warm-up, then linearly to zero.

    Muon's steps are as large as the rate says however small the loss, so a level rate would forget as
    fast as it learns.
    """
    return min((step + 1) / 20, 1 - step / steps)


def loss_of(network: Network, sampler: RowSampler, batch: Batch) -> torch.Tensor:
    """Mean loss over the learned tokens; tells the sampler what each answer cost."""
    tokens, marks = torch.from_numpy(batch.tokens), torch.from_numpy(batch.marks)[:, 1:]
    wanted = marks != UNLEARNED
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(tokens[:, :-1], wanted)
    losses = functional.cross_entropy(logits.float(), tokens[:, 1:][wanted], reduction="none")
    marks = marks[wanted]
    answers = marks >= 0
    cost = torch.zeros(len(batch.intents)).index_add_(0, marks[answers], losses.detach()[answers])
    shown = set(marks[answers].tolist())
    sampler.learn((batch.intents[n], cost[n].item()) for n in sorted(shown))
    return losses.mean()


def train(args: argparse.Namespace, sampler: RowSampler, network: Network) -> None:
    """Trains ``network`` in place for ``args.steps`` steps."""
    hidden = [p for p in network.blk.parameters() if p.ndim == 2]
    norms = [p for p in network.parameters() if p.ndim == 1]
    muon = Muon(hidden, rate=args.muon_rate, decay=0.01)
    adam = torch.optim.AdamW(
        [{"params": [network.token_embd.weight], "lr": args.rate}, {"params": norms, "lr": args.rate}],
        betas=(0.9, 0.98), weight_decay=0.0,
    )  # fmt: skip
    bases = [group["lr"] for group in adam.param_groups]
    begun, seen = time.monotonic(), 0
    for step in range(args.steps):
        factor = schedule(step, args.steps)
        lengths = LENGTHS[step >= LONG_FROM * args.steps]
        length = sampler.rng.choices([n for n, _ in lengths], [w for _, w in lengths])[0]
        batch = sampler.batch(max(1, args.tokens // length), length)
        loss = loss_of(network, sampler, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        for group, base in zip(adam.param_groups, bases, strict=True):
            group["lr"] = base * factor
        adam.step()
        muon.step(factor)
        adam.zero_grad()
        seen += batch.tokens.size
        if step % 25 == 24:
            spent = time.monotonic() - begun
            print(f"step {step + 1:5d}  loss {loss.item():.4f}  {seen / spent:6.0f} tok/s  {spent:5.0f} s", flush=True)
        if args.evaluate_every and step % args.evaluate_every == args.evaluate_every - 1:
            report(network, sampler, brief=True)


def report(network: Network, sampler: RowSampler, *, brief: bool = False) -> None:
    """Prints the share of exact greedy answers; ``brief`` is for use during training."""
    pairs = evaluate.written()
    right = evaluate.exact(network, sampler, [probe for _, probe in pairs])
    known = {text.lower() for text in sampler.seen}
    old = [ok for (question, _), ok in zip(pairs, right, strict=True) if question.lower() in known]
    new = [ok for (question, _), ok in zip(pairs, right, strict=True) if question.lower() not in known]
    print(f"written questions: {sum(old)}/{len(old)} seen in training, {sum(new)}/{len(new)} never seen", flush=True)
    for turns in (1, 6):
        found = evaluate.exact(network, sampler, evaluate.conversations(100 if brief else 400, turns, seed=77))
        print(f"random conversations, turn {turns}: {evaluate.share(found):.3f}", flush=True)
    played = evaluate.exact(network, sampler, [probe for _, probe in evaluate.personas()])
    print(f"questions to the persona: {sum(played)}/{len(played)}", flush=True)
    if brief:
        return
    for (question, probe), ok in zip(pairs, right, strict=True):
        if not ok:
            print(f"  wrong: {probe.name}: {question}")
    for system in ("You are a helpful assistant.", "请用简体中文回答。", "你是AI助理。"):
        found = evaluate.exact(network, sampler, [probe for _, probe in evaluate.written(system)])
        print(f"written questions under {system!r}: {evaluate.share(found):.3f}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train llmtui's demo model.")
    parser.add_argument("-o", "--output", type=Path, default=Path("tui/llmtui/data/demo.gguf"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--tokens", type=int, default=3072, help="tokens per step")
    parser.add_argument("--rate", type=float, default=8e-3)
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--feed-forward", type=int, default=768)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--evaluate-every", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Tokenizer, training, report, file."""
    args = parse()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(mode=True)
    print(f"{run_code_checks()} checks of the coding answers hold", flush=True)
    begun = time.monotonic()
    tokenizer = train_bpe(tokenizer_texts(args.seed), VOCABULARY)
    shape = Shape(vocab=tokenizer.get_vocab_size(), layers=args.layers, feed_forward=args.feed_forward)
    network = Network(shape)
    count = sum(p.numel() for p in network.parameters())
    print(f"vocabulary {shape.vocab}, parameters {count / 1e6:.2f} M", flush=True)
    sampler = RowSampler(tokenizer, Random(args.seed))
    train(args, sampler, network)
    export.write(args.output, network, tokenizer)
    print(
        f"{args.output}: {args.output.stat().st_size / 1e6:.2f} MB after {time.monotonic() - begun:.0f} s", flush=True
    )
    report(network, sampler)


if __name__ == "__main__":
    main()
