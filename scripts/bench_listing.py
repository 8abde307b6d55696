"""How long a listing of models takes: 150,000 tokens and as many merges in each header; first read, then cached.

The files are headers only: their weights are holes. Both listings run in fresh processes, as two starts of the program
do, and are measured from the first file to the last.

Run: .venv/bin/python scripts/bench_listing.py [--files 500] [--vocab 150000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np
from gguf_shapes import SHAPES, tensors
from gguf_vocab import CHATML, vocabulary

FIRST_MS, NEXT_MS = 25, 1


def header(path: Path, vocab: int) -> int:
    """Write the header of a real shape with as many merges as tokens; the size that the whole model would have."""
    shape = SHAPES["qwen2-7b"]
    words = vocabulary(vocab).tokens
    writer = gguf.GGUFWriter(path, shape.arch)
    writer.add_name("benchmark")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.context)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types([gguf.TokenType.NORMAL] * vocab)
    writer.add_token_merges([f"{word[:1]} {word[1:]}" for word in words])
    writer.add_chat_template(CHATML)
    weights = 0
    for spec in tensors(shape):
        n_bytes = 2 * int(np.prod(spec.dims, dtype=np.int64))
        writer.add_tensor_info(spec.name, spec.dims, np.dtype(np.float16), n_bytes)
        weights += n_bytes + 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    return path.stat().st_size + weights


def shelf(folder: Path, files: int, vocab: int) -> None:
    """Copies of one header, each in a sparse file of the whole model's size."""
    first = folder / "model-000.gguf"
    size = header(first, vocab)
    head = first.read_bytes()
    for number in range(files):
        path = folder / f"model-{number:03}.gguf"
        path.write_bytes(head)
        os.truncate(path, size)


def listing(folder: Path, data: Path) -> tuple[int, float, float]:
    """Models listed, milliseconds, and those of the processor, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--list", str(folder), str(data)], check=True, capture_output=True, text=True
    )
    count, ms, busy_ms = json.loads(done.stdout)
    return count, ms, busy_ms


def list_here(folder: Path, data: Path) -> None:
    from llmtui.services.models import Catalogue  # noqa: PLC0415 - measured apart from its import
    from llmtui.store.config import Config  # noqa: PLC0415
    from llmtui.store.paths import Folders  # noqa: PLC0415

    folders = Folders(config_dir=data, data_dir=data, cache_dir=data / "cache")
    catalogue = Catalogue(folders, Config(model_folders=(str(folder),), discover=()))
    start, busy = time.perf_counter_ns(), time.process_time_ns()
    count = sum(1 for info in catalogue.scan() if info.source == "folder" and info.problem is None)
    print(json.dumps([count, (time.perf_counter_ns() - start) / 1e6, (time.process_time_ns() - busy) / 1e6]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--vocab", type=int, default=150_000)
    parser.add_argument("--list", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.list:
        list_here(*args.list)
        return
    with tempfile.TemporaryDirectory(prefix="llmtui-bench-") as name:
        folder, data = Path(name) / "models", Path(name) / "data"
        folder.mkdir()
        shelf(folder, args.files, args.vocab)
        for title, bound in (("first listing", FIRST_MS), ("next start", NEXT_MS)):
            count, ms, busy_ms = listing(folder, data)
            each = f"{ms / count:.3f} ms a file, {busy_ms / count:.3f} of them on the processor"
            print(f"{title}: {each}  ({count} models in {ms / 1000:.2f} s; under {bound} ms)")


if __name__ == "__main__":
    main()
