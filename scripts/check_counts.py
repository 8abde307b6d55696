"""Checks our token counts against llama.cpp's own test strings, for every byte-level BPE vocabulary it has.

    python scripts/check_counts.py

Two witnesses: the tokens that llama.cpp has written down beside each vocabulary, and the tokeniser of our worker,
which is llama.cpp itself. Ends with 1 when a text differs. The vocabularies come with llama-cpp-python's source.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import vocabularies

from llmtui.services.tokens.encoding import TextEncoding
from llmtui.store.gguf_vocabulary import read_vocabulary

if TYPE_CHECKING:
    from llmtui.domain.vocabulary import BpeVocabulary


def check(path: Path, vocabulary: BpeVocabulary) -> bool:
    """Print a vocabulary's line; whether every text has the same tokens."""
    start = time.perf_counter()
    encoding = TextEncoding(vocabulary)
    built_s = time.perf_counter() - start
    cases = vocabularies.cases(path)
    texts = [text for text, _ in cases] or [
        text for text, _ in vocabularies.cases(path.with_name("ggml-vocab-gpt-2.gguf"))
    ]
    written = sum(encoding.encode(text) == tokens for text, tokens in cases)
    with vocabularies.opened(path) as worker:
        told = sum(encoding.encode(text) == worker.tokenise(text, add_special=False).tolist() for text in texts)
    name = path.stem.removeprefix("ggml-vocab-")
    files = f"{written} of {len(cases)}" if cases else "-"
    size, worker_says = len(vocabulary.tokens), f"{told} of {len(texts)}"
    print(f"{name:16} {vocabulary.pre or '-':16} {size:>7} {files:>9} {worker_says:>9} {built_s:>8.2f}")
    return written == len(cases) and told == len(texts)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare our token counts with llama.cpp's own test strings.")
    parser.add_argument("--fetch", action="store_true", help="only see that the vocabularies are there")
    args = parser.parse_args()
    try:
        folder = vocabularies.fetch()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"llama.cpp's test vocabularies cannot be fetched: {error}", file=sys.stderr)
        return 3
    if args.fetch:
        return 0
    print(f"{'vocabulary':16} {'words by':16} {'tokens':>7} {'.out':>9} {'worker':>9} {'build s':>8}")
    found = {path: read_vocabulary(path) for path in sorted(folder.glob("*.gguf"))}
    equal = [check(path, vocabulary) for path, vocabulary in found.items() if vocabulary is not None]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
