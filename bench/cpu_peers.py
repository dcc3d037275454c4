#!/usr/bin/env python3
"""Measures the CPU backend beside PyTorch, interleaved in one sitting, and prints medians and ratios.

Each round asks every contender for every case for a short time, one after the other, so that what else the machine
does hits all of them alike. A contender's figure is the median of its rounds' medians; the best round stands beside.

  bench/cpu_peers.py --ours build/bench/cpu_softmax [--peer "sh tools/in-chroot.sh sid $PWD/bench python3 cpu_torch.py"]
                     [--devices cpu,cpu:1] [--threads 2] [--rounds 7] [--seconds 0.3] [--dtypes f32,f16,bf16]
"""
import argparse
import shlex
import statistics
import subprocess

CASES = [  # name, heads_q, heads_k, seq_q, seq_k, dim, causal
    ("prefill 16 heads 1024 x 1024 d64", 16, 16, 1024, 1024, 64, 0),
    ("causal 16 heads 2048 x 2048 d128", 16, 16, 2048, 2048, 128, 1),
    ("decode 32/8 heads 1 x 4096 d128", 32, 8, 1, 4096, 128, 0),
]


class Contender:
    def __init__(self, name, command, dtypes):
        self.name, self.dtypes, self.rounds = name, dtypes, {}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, dtype, case, seconds):
        if dtype not in self.dtypes:
            return
        self.process.stdin.write(" ".join(map(str, (dtype, *case[1:], seconds))) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 3:
            raise SystemExit(f"{self.name} gave no answer for {dtype} {case[0]}")
        self.rounds.setdefault((dtype, case[0]), []).append((float(answer[0]), float(answer[1])))

    def gflops(self, dtype, case):
        """Median of rounds and best run, in GFLOP/s."""
        _, heads, _, seq_q, seq_k, dim, causal = case
        flop = 4e-9 * heads * seq_q * seq_k * dim * (0.5 if causal else 1.0)
        rounds = self.rounds.get((dtype, case[0]))
        if not rounds:
            return None
        return flop / statistics.median(r[0] for r in rounds), flop / min(r[1] for r in rounds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def print_case(contenders, dtype, case):
    peer = next((c.gflops(dtype, case) for c in contenders if c.name == "torch"), None)
    for contender in contenders:
        rate = contender.gflops(dtype, case)
        if rate:
            ratio = f"  {rate[0] / peer[0]:5.2f} x torch" if peer else ""
            print(f"{case[0]:34} {dtype:5} {contender.name:8} {rate[0]:8.1f} GFLOP/s  best {rate[1]:8.1f}{ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="path of cpu_softmax")
    parser.add_argument("--peer", help="command that runs cpu_torch.py; without it the CPU backend runs alone")
    parser.add_argument("--peer-dtypes", default="f32", help="dtypes that the peer is asked for")
    parser.add_argument("--devices", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--dtypes", default="f32,f16,bf16")
    args = parser.parse_args()
    dtypes = args.dtypes.split(",")
    contenders = [Contender(d, [args.ours, d, str(args.threads)], dtypes) for d in args.devices.split(",")]
    if args.peer:
        contenders.append(Contender("torch", shlex.split(args.peer) + [str(args.threads)], args.peer_dtypes.split(",")))
    pairs = [(dtype, case) for case in CASES for dtype in dtypes]
    for _ in range(args.rounds):
        for dtype, case in pairs:
            for contender in contenders:
                contender.ask(dtype, case, args.seconds)
    for dtype, case in pairs:
        print_case(contenders, dtype, case)
    for contender in contenders:
        contender.close()


main()
