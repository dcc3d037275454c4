#!/usr/bin/env python3
"""PyTorch's scaled_dot_product_attention behind the protocol of cpu_softmax.c. Argument: threads."""
import sys
import time

import torch
import torch.nn.functional as F

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def measure(dtype, heads_q, heads_k, seq_q, seq_k, dim, causal, seconds):
    q = torch.randn(1, heads_q, seq_q, dim).to(dtype)
    k = torch.randn(1, heads_k, seq_k, dim).to(dtype)
    v = torch.randn(1, heads_k, seq_k, dim).to(dtype)

    def run():
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=heads_q != heads_k)

    run()
    times, end = [], time.monotonic() + seconds
    while len(times) < 3 or time.monotonic() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 2], times[0], len(times)


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    for line in sys.stdin:
        dtype, *sizes, causal, seconds = line.split()
        median, least, count = measure(DTYPES[dtype], *map(int, sizes), bool(int(causal)), float(seconds))
        print(f"{median:.9f} {least:.9f} {count}", flush=True)


main()
