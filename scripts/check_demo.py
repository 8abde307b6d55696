# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "llama-cpp-python", "torch", "tokenizers", "gguf", "numpy", "pyyaml", "jinja2", "msgspec", "platformdirs"
# ]
# ///
"""Asks a demo model its questions through llama.cpp, as its users will.

    python scripts/check_demo.py tui/llmtui/data/demo.gguf

Training measures the network before quantisation, with the training tokenizer. This measures the
file: the same token ids for the whole corpus, the template, exact answers at temperature 0 with and
without a system message and after other turns, recitation at temperature 0.7, and infilling.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

import jinja2
from llama_cpp import Llama

sys.path.insert(0, str(Path(__file__).parent))

from typing import TYPE_CHECKING

from demo_model import evaluate
from demo_model.chat import render
from demo_model.corpus import Sampler, Turn, intents
from demo_model.tokens import FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, ids, read_bpe

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEMS = (None, "You are a helpful assistant.", "请用简体中文回答。", "你是AI助理。")


def tokens(model: Llama, text: str) -> list[int]:
    found: list[int] = model.tokenize(text.encode(), add_bos=False, special=True)
    return found


def answer(model: Llama, prompt: str, *, temperature: float = 0.0, seed: int = 0, limit: int = 900) -> str:
    model.set_seed(seed)
    out = model.create_completion(tokens(model, prompt), max_tokens=limit, temperature=temperature, seed=seed)
    return str(out["choices"][0]["text"])


def check_tokenizer(model: Llama, path: Path) -> str:
    """How many texts of the corpus llama.cpp splits otherwise than training did."""
    trained = read_bpe(path)
    sampler = Sampler(Random(1))
    texts = [intent.say for intent in intents()]
    texts += [render([sampler.turn()], sampler.turn().ask, sampler.system()) for _ in range(20_000)]
    return f"{sum(ids(trained, text) != tokens(model, text) for text in texts)} of {len(texts)}"


def check_template(model: Llama) -> bool:
    """Whether the file's Jinja template writes what training wrote."""
    text = model.metadata["tokenizer.chat_template"]
    template = jinja2.Environment(autoescape=False).from_string(text)  # noqa: S701  plain text, no HTML
    turns = [Turn("hi", "Hello"), Turn("你好", "你好！")]
    said = [{"role": "system", "content": "Be brief."}]
    for turn in turns:
        said += [{"role": "user", "content": turn.ask}, {"role": "assistant", "content": turn.say}]
    said.append({"role": "user", "content": "who are you"})
    return bool(template.render(messages=said, add_generation_prompt=True) == render(turns, "who are you", "Be brief."))


def report(name: str, tried: list[tuple[str, bool, str]], *, show: int) -> None:
    """Prints the share that is right, and the first wrong ones with what was said."""
    wrong = [(what, said) for what, ok, said in tried if not ok]
    print(f"{name}: {len(tried) - len(wrong)}/{len(tried)} = {1 - len(wrong) / len(tried):.3f}", flush=True)
    for what, said in wrong[:show]:
        print(f"    {what!r} -> {said[:70]!r}")


def check_questions(model: Llama, show: int) -> None:
    for system in SYSTEMS:
        tried = []
        for question, probe in evaluate.written(system):
            said = answer(model, probe.prompt)
            tried.append((question, said == probe.say, said))
        report(f"written questions, system {system!r}", tried, show=show)


def check_persona(model: Llama, show: int) -> None:
    """Questions to the persona of the profile assistant-zh."""
    tried = []
    for question, probe in evaluate.personas():
        said = answer(model, probe.prompt)
        tried.append((question, said == probe.say, said))
    report("questions to the persona", tried, show=show)


def check_conversations(model: Llama, count: int, show: int) -> None:
    for turns in (1, 2, 6):
        tried = []
        for probe in evaluate.conversations(count, turns, seed=4242):
            said = answer(model, probe.prompt)
            tried.append((probe.prompt[-60:], said == probe.say, said))
        report(f"random conversations, turn {turns}", tried, show=show)


def check_recitation(model: Llama, seeds: int, show: int) -> None:
    """Every poem at temperature 0 and 0.7, and the line that must follow."""
    for temperature in (0.0, 0.7):
        tried = []
        for intent in (i for i in intents() if i.group == "poem"):
            title = intent.id.removeprefix("poem.")
            for seed in range(seeds if temperature else 1):
                prompt = render([], f"背诵李白的《{title}》，只写正文。", SYSTEMS[seed % len(SYSTEMS)])
                said = answer(model, prompt, temperature=temperature, seed=seed)
                tried.append((f"{title} {seed}", said == intent.say, said))
        report(f"recitation at temperature {temperature}", tried, show=show)


def check_infill(model: Llama, show: int) -> None:
    """Every line of every coding task left out in turn."""
    tried = []
    for intent in (i for i in intents() if i.group == "code"):
        code = intent.say.removeprefix("```python\n").removesuffix("\n```") + "\n"
        lines = code.splitlines(keepends=True)
        for n, line in enumerate(lines):
            if n == 0:
                continue
            prompt = f"{FIM_PREFIX}{''.join(lines[:n])}{FIM_SUFFIX}{''.join(lines[n + 1 :])}{FIM_MIDDLE}"
            said = answer(model, prompt, limit=200)
            tried.append((f"{intent.id} line {n}", said == line, said))
    report("infill of one line", tried, show=show)


def main() -> None:
    parser = argparse.ArgumentParser(description="Check a demo model through llama.cpp.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=200, help="random conversations")
    parser.add_argument("--seeds", type=int, default=5, help="recitations of each poem at temperature 0.7")
    parser.add_argument("--show", type=int, default=12, help="wrong answers shown of each kind")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    model = Llama(str(args.model), n_ctx=4096, n_threads=args.threads, verbose=False)
    checks: list[Callable[[], None]] = [
        lambda: print(f"texts tokenised otherwise than in training: {check_tokenizer(model, args.model)}"),
        lambda: print(f"template as in training: {check_template(model)}"),
        lambda: check_questions(model, args.show),
        lambda: check_persona(model, args.show),
        lambda: check_recitation(model, args.seeds, args.show),
        lambda: check_conversations(model, args.count, args.show),
        lambda: check_infill(model, args.show),
    ]
    for check in checks:
        begun = time.monotonic()
        check()
        print(f"    ({time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
