#!/usr/bin/env python3
"""PyTorch's scaled_dot_product_attention on the CPU, behind the protocol of README.md. Argument: threads."""
import sys
import time

try:
    import numpy
except ImportError:
    print("missing no NumPy: package python3-numpy is not installed")
    sys.exit(0)
try:
    import torch
except ImportError:
    print("missing no PyTorch: package python3-torch is not installed")
    sys.exit(0)

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
CHUNK = 1 << 22


def mix(x):
    x = (x ^ x >> numpy.uint32(16)) * numpy.uint32(0x7FEB352D)
    x = (x ^ x >> numpy.uint32(15)) * numpy.uint32(0x846CA68B)
    return x ^ x >> numpy.uint32(16)


def numbers(tensor, shape, dtype):
    """The numbers of contender.c as their storage holds them."""
    count = int(numpy.prod(shape))
    values = numpy.empty(count, numpy.float32)
    offset = numpy.uint32(tensor * 0x9E3779B9 & 0xFFFFFFFF)
    for start in range(0, count, CHUNK):
        index = numpy.arange(start, min(start + CHUNK, count), dtype=numpy.uint32) + offset
        hashed = (mix(index) >> numpy.uint32(8)).astype(numpy.int32) - 0x800000
        values[start:start + CHUNK] = hashed.astype(numpy.float32) / numpy.float32(0x800000)
    return torch.from_numpy(values).reshape(shape).to(dtype)


def checksum(tensors):
    total, index = 0, 0
    for tensor in tensors:
        bits = tensor.float().numpy().reshape(-1).view(numpy.uint32)
        for start in range(0, bits.size, CHUNK):
            part = bits[start:start + CHUNK].astype(numpy.uint64)
            weights = 2 * numpy.arange(index, index + part.size, dtype=numpy.uint64) + numpy.uint64(1)
            total += int((part * weights).sum(dtype=numpy.uint64))
            index += part.size
    return total & 0xFFFFFFFFFFFFFFFF


class Problem:
    def __init__(self, words):
        heads_q, heads_k, seq_q, seq_k, dim = map(int, words[1:6])
        dtype = DTYPES[words[0]]
        self.q = numbers(0, (1, heads_q, seq_q, dim), dtype)
        self.k = numbers(1, (1, heads_k, seq_k, dim), dtype)
        self.v = numbers(2, (1, heads_k, seq_k, dim), dtype)
        # is_causal aligns the first query with the first key, as it should be here for square problems alone.
        self.options = {"is_causal": bool(int(words[6])), "enable_gqa": heads_q != heads_k}

    def run(self):
        return torch.nn.functional.scaled_dot_product_attention(self.q, self.k, self.v, **self.options)


def refusal(words):
    if words[0] == "matmul":
        return "not asked for products"
    if words[0] not in DTYPES:
        return "its attention has one storage for all tensors"
    if int(words[6]) and words[3] != words[4]:
        return "its causal mask starts at the first key"
    return None


def answer_time(problem, seconds):
    problem.run()
    times, end = [], time.monotonic() + seconds
    while len(times) < 3 or time.monotonic() < end:
        start = time.perf_counter()
        problem.run()
        times.append(time.perf_counter() - start)
    times.sort()
    return f"time {times[len(times) // 2]:.9f} {times[0]:.9f} {len(times)}"


def answer_rows(problem, wanted):
    o = problem.run().double()
    o = o.reshape(-1, o.shape[-1])
    rows = min(wanted, len(o))
    picked = [i * (len(o) - 1) // (rows - 1) if rows > 1 else 0 for i in range(rows)]
    values = " ".join(value.hex() for value in o[picked].reshape(-1).tolist())
    return f"rows {checksum((problem.q, problem.k, problem.v))} {values}"


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    print(f"ready PyTorch {torch.__version__}", flush=True)
    current, problem = None, None
    for line in sys.stdin:
        request, *words, number = line.split()
        why = refusal(words)
        if why:
            print("none", why, flush=True)
            continue
        if words != current:
            problem = None
            current, problem = words, Problem(words)
        with torch.inference_mode():
            print(answer_time(problem, float(number)) if request == "time" else answer_rows(problem, int(number)), flush=True)


main()
