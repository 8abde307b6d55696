"""The bare llama.cpp loop that benchmarks compare with: decode, sample, stamp; no text, no frames, no screen.

Prints one JSON object: `decode_tps` by the definition of the profiler, (n - 1) / (t_n - t_1), the median over rounds;
and `seconds`, prompts included, of all rounds together, each of which begins with an empty cache.
"""

import argparse
import ctypes
import json
import time
from pathlib import Path
from statistics import median

import llama_cpp as lc
import numpy as np


@lc.llama_log_callback
def _quiet(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:
    """Drop the log."""


def load(path: Path, context: int, threads: int) -> tuple[object, object]:
    """Model and context with the settings of the worker."""
    lc.llama_log_set(_quiet, ctypes.c_void_p(0))
    lc.llama_backend_init()
    model = lc.llama_model_load_from_file(str(path).encode(), lc.llama_model_default_params())
    params = lc.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = context, 512, 512
    params.n_threads = params.n_threads_batch = threads
    params.no_perf = True
    return model, lc.llama_init_from_model(model, params)


def sampler(temperature: float, seed: int) -> object:
    """The same chain as a chat's default settings."""
    chain = lc.llama_sampler_chain_init(lc.llama_sampler_chain_default_params())
    if temperature == 0:
        lc.llama_sampler_chain_add(chain, lc.llama_sampler_init_greedy())
        return chain
    lc.llama_sampler_chain_add(chain, lc.llama_sampler_init_top_k(40))
    lc.llama_sampler_chain_add(chain, lc.llama_sampler_init_top_p(0.95, 1))
    lc.llama_sampler_chain_add(chain, lc.llama_sampler_init_min_p(0.05, 1))
    lc.llama_sampler_chain_add(chain, lc.llama_sampler_init_temp(temperature))
    lc.llama_sampler_chain_add(chain, lc.llama_sampler_init_dist(seed))
    return chain


def run(context: object, chain: object, prompt: int, count: int) -> list[int]:
    """Evaluate `prompt` tokens, then sample and decode `count`; returns one stamp (ns) a token."""
    tokens = (np.arange(prompt, dtype=np.int32) % 200) + 10
    batch = lc.llama_batch_get_one(tokens.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)), prompt)
    one = (ctypes.c_int32 * 1)()
    stamps: list[int] = []
    while True:
        if lc.llama_decode(context, batch):
            raise SystemExit("llama_decode failed")
        one[0] = lc.llama_sampler_sample(chain, context, -1)
        stamps.append(time.perf_counter_ns())
        if len(stamps) == count:
            return stamps
        batch = lc.llama_batch_get_one(one, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--prompt", type=int, default=64, help="prompt tokens")
    parser.add_argument("-n", type=int, default=128, help="tokens to generate")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--warm-up", action="store_true", help="two tokens before the first round, which do not count")
    args = parser.parse_args()
    _model, context = load(args.model, args.context, args.threads)
    if args.warm_up:
        run(context, sampler(args.temperature, 1), 8, 2)
    speeds, started = [], time.perf_counter()
    for _ in range(args.rounds):
        lc.llama_memory_seq_rm(lc.llama_get_memory(context), -1, -1, -1)
        stamps = run(context, sampler(args.temperature, 1), args.prompt, args.n)
        speeds.append((len(stamps) - 1) / ((stamps[-1] - stamps[0]) / 1e9))
    print(json.dumps({"decode_tps": median(speeds), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
