#!/usr/bin/env python3
"""Measures Fovea beside PyTorch, oneDNN and ggml on one machine in one run: ratios of time, and of error against
double precision. README.md says how the peers are installed and how the contenders are asked.

  peers.py [--build build] [--chroot NAME] [--devices cpu,vulkan:0] [--peers PyTorch,oneDNN,ggml] [--cases REGEX]
           [--rounds 5] [--seconds 0.3] [--threads N] [--json FILE]

Exit: 0 done, peers that are missing are named; 1 a contender gave a wrong answer or none; 2 bad usage.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import figures

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHROOT_ROOT = "/srv/fovea"  # where chroot.sh puts the tree
ROWS = 32
SETTLE_S = 0.05  # between two contenders: worker threads of the last one stop spinning
ANSWER_S = 900
MATMUL = (2048, 2048, 2048)

Case = collections.namedtuple("Case", "family dtype name heads_q heads_k seq_q seq_k dim causal ops", defaults=[None])
PREFILL = ("prefill 16 heads 1024 x 1024 d64", 16, 16, 1024, 1024, 64, 0)
CAUSAL = ("causal 16 heads 2048 x 2048 d128", 16, 16, 2048, 2048, 128, 1)
DECODE = ("decode 32/8 heads 1 x 4096 d128", 32, 8, 1, 4096, 128, 0)
LONG = ("long 4 heads 8 x 131072 d64", 4, 4, 8, 131072, 64, 0)
SQUARE = ("square 8 heads 4096 x 4096 d64", 8, 8, 4096, 4096, 64, 0)
# f16kv: float32 queries and outputs, float16 keys and values, which is what ggml computes.
CASES = [Case("cpu", dtype, *shape) for shape in (PREFILL, CAUSAL, DECODE) for dtype in ("f32", "f16", "bf16")]
CASES += [Case("cpu", dtype, *LONG) for dtype in ("f32", "f16", "f16kv")]
CASES += [Case("vulkan", "f16kv", *SQUARE, "square")]
CASES += [Case("vulkan", dtype, *LONG) for dtype in ("f32", "f16kv")]


def flop(case):
    """Of the visible pairs; square problems alone are causal here."""
    pairs = case.seq_q * (case.seq_q + 1) / 2 if case.causal else case.seq_q * case.seq_k
    return 4.0 * case.heads_q * pairs * case.dim


def title(case):
    return f"{case.family} {case.dtype} {case.name}"


class Place:
    """Where contenders run: on this machine or in a chroot of it."""

    def __init__(self, build, chroot):
        root = CHROOT_ROOT if chroot else str(ROOT)
        self.programs = os.path.join(root, build, "bench/peers")
        self.scripts = os.path.join(root, "bench/peers")
        self.prefix = ["sh", str(ROOT / "tools/in-chroot.sh"), chroot, "/"] if chroot else []

    def output(self, *command):
        """What a command prints; None where it fails or is not there."""
        try:
            done = subprocess.run(self.prefix + list(command), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        except OSError:
            return None
        return done.stdout if done.returncode == 0 else None

    def lacks(self, what, program, package):
        """Why a program is not there; None where it is."""
        if self.output("test", "-x", program) is not None:
            return None
        state = self.output("dpkg-query", "-W", "-f", "${db:Status-Status}", package)
        if state == "installed":
            return f"no {what}: {program} is not there, though package {package} is installed"
        return f"no {what}: package {package} is not installed"


# ---- contenders --------------------------------------------------------------------------------------------------

class Contender:
    """A process that is kept open and asked. `peer` is the family of settings that it is one of."""

    def __init__(self, place, name, command, environment=(), peer=None, roof=False):
        self.name, self.peer, self.roof, self.about, self.missing = name, peer or name, roof, "", None
        self.once = roof  # large products take long on software drivers: in the first round alone
        self.errors = tempfile.TemporaryFile("w+")
        variables = ["OMP_NUM_THREADS=" + command[-1]] if command[-1].isdigit() else []
        self.process = subprocess.Popen(place.prefix + ["env"] + variables + list(environment) + list(command),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        kind, _, self.about = self.read().rstrip("\n").partition(" ")
        if kind == "missing":
            self.missing = self.about
        elif kind != "ready":
            raise figures.Fault(f"does not start: {self.last_error()}")

    def read(self):
        timer = threading.Timer(ANSWER_S, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        return line

    def last_error(self):
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1][:200] if lines else "it says nothing"

    def ask(self, kind, what, number):
        try:
            self.process.stdin.write(f"{kind} {what} {number}\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it ended; the answer is missing too
        line = self.read()
        if not line:
            raise figures.Fault(f"ended without an answer: {self.last_error()}")
        return line

    def request(self, case):
        return "matmul %d %d %d" % MATMUL if self.roof else " ".join(map(str, (case.dtype, *case[3:9])))

    def time(self, case, seconds):
        return figures.parse_time(self.ask("time", self.request(case), seconds))

    def rows(self, case):
        count = min(ROWS, case.heads_q * case.seq_q) * case.dim
        return figures.parse_rows(self.ask("rows", self.request(case), ROWS), count)

    def close(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        self.process.wait()
        self.errors.close()


class Operations:
    """ggml's own test-backend-ops, started for each request: it measures cases of its own table, with numbers of its
    own, and tells a mean. Its only error is one against ggml's CPU backend, so that none is asked for here."""

    once = True  # a request takes long: in the first round alone

    FILTERS = {"square": ("FLASH_ATTN_EXT", r"hsk=64,hsv=64,nh=8,nr23=\[1,1\],kv=4096,nb=4096.*f16")}

    def __init__(self, place, name, program, environment):
        self.name, self.peer, self.roof, self.missing = name, name.split()[0], False, None
        self.about = program
        self.command = place.prefix + ["env", *environment, program, "perf", "-b", "Vulkan0"]

    def time(self, case, seconds):
        if case.ops not in self.FILTERS:
            raise figures.Refused("its table has no such case")
        operation, pattern = self.FILTERS[case.ops]
        try:
            done = subprocess.run(self.command + ["-o", operation, "-p", pattern], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=ANSWER_S)
        except subprocess.TimeoutExpired:
            raise figures.Fault(f"took more than {ANSWER_S} s") from None
        found = figures.parse_ops(done.stdout)
        if not found:
            raise figures.Fault(f"printed no figure (exit {done.returncode}): {done.stdout[-200:]!r}")
        mean = next(iter(found.values()))[0]
        return mean, mean, 1

    def rows(self, case):
        raise figures.Refused("it tells no error against double precision")

    def close(self):
        pass


VULKAN_SETTINGS = [("", []), (" no f16", ["GGML_VK_DISABLE_F16=1"])]  # both are asked, the better one counts
VISIBLE = "GGML_VK_VISIBLE_DEVICES=0"


def fovea_plans(family, devices):
    """(name, command without its folder, environment, what, package): what may be started for a family."""
    return [(f"fovea {device}", ["peers_fovea", device], [], "Fovea", None)
            for device in devices if device.split(":")[0] == family]


def peer_plans(family):
    if family == "cpu":
        return [("oneDNN", ["peers_onednn"], [], "oneDNN", "libdnnl-dev"),
                ("ggml-cpu", ["peers_ggml", "CPU"], [], "ggml", "libggml-dev")]
    return [(f"ggml-vulkan{mark}", ["peers_ggml", "Vulkan0"], [VISIBLE, *setting], "ggml", "libggml-dev")
            for mark, setting in VULKAN_SETTINGS]


class Field:
    """All contenders of one family of devices, started; and the reasons of those that are not."""

    def __init__(self, place, family, options):
        self.place, self.family, self.options = place, family, options
        self.contenders, self.missing, self.faults = [], [], []
        asked = options.peers.split(",")
        for plan in fovea_plans(family, options.devices.split(",")) + peer_plans(family):
            if plan[3] == "Fovea" or plan[3] in asked:
                self.start(*plan, peer=plan[0].split(" no ")[0])
        if family == "cpu" and "PyTorch" in asked:
            self.start_pytorch()
        if family == "vulkan" and "ggml" in asked:
            self.start_roofs()
            self.start_operations()

    def start(self, name, command, environment, what, package, **more):
        program = os.path.join(self.place.programs, command[0])
        lack = self.place.lacks(what, program, package) if package else None
        if lack:
            self.miss(lack)
        else:
            self.open(name, [program, *command[1:]], environment, **more)

    def open(self, name, command, environment, **more):
        try:
            self.keep(Contender(self.place, name, [*command, str(self.options.threads)], environment, **more))
        except figures.Fault as fault:
            self.faults.append(f"{name}: {fault}")

    def start_pytorch(self):
        lack = self.place.lacks("PyTorch", "/usr/bin/python3", "python3-torch")
        if lack:
            self.miss(lack)
        else:
            self.open("PyTorch", ["/usr/bin/python3", os.path.join(self.place.scripts, "pytorch.py")], [])

    def start_roofs(self):
        for mark, setting in VULKAN_SETTINGS:
            self.start(f"ggml-vulkan{mark} f32 matmul {MATMUL[0]}", ["peers_ggml", "Vulkan0"], [VISIBLE, *setting], "ggml",
                       "libggml-dev", peer="matmul", roof=True)

    def start_operations(self):
        found = self.place.output("sh", "-c", "ls /usr/libexec/*/llama.cpp-tests/test-backend-ops "
                                              "/usr/libexec/*/ggml/test-backend-ops 2>/dev/null | head -n 1")
        if not found:
            self.miss("no test-backend-ops: package llama.cpp-tests is not installed")
            return
        for mark, setting in VULKAN_SETTINGS:
            self.keep(Operations(self.place, f"test-backend-ops{mark}", found.strip(), [VISIBLE, *setting]))

    def miss(self, reason):
        if reason not in self.missing:
            self.missing.append(reason)

    def keep(self, contender):
        if contender.missing:
            self.miss(contender.missing)
            contender.close()
        else:
            self.contenders.append(contender)

    def drop(self, contender, fault, case):
        self.faults.append(f"{contender.name}: {title(case)}: {fault}")
        self.contenders.remove(contender)
        contender.close()

    def close(self):
        for contender in self.contenders:
            contender.close()


# ---- one case ----------------------------------------------------------------------------------------------------

def time_case(field, case, results):
    """Fills results[contender] with the times of its rounds, or with why there are none."""
    for _ in range(field.options.rounds):
        for contender in list(field.contenders):
            row = results.setdefault(contender.name, {"contender": contender.name, "peer": contender.peer,
                                                      "rounds": [], "bests": [], "roof": contender.roof})
            if "none" in row or (contender.once and row["rounds"]):
                continue
            time.sleep(SETTLE_S)
            try:
                median, best, _ = contender.time(case, field.options.seconds)
            except figures.Refused as reason:
                row["none"] = str(reason)
            except figures.Fault as fault:
                del results[contender.name]
                field.drop(contender, fault, case)
            else:
                row["rounds"].append(median)
                row["bests"].append(best)


def check_case(field, case, exact, results):
    """Adds the errors against double precision."""
    checksum, truth = exact.rows(case)
    for contender in list(field.contenders):
        row = results[contender.name]
        if contender.roof or "none" in row:
            continue
        try:
            theirs, values = contender.rows(case)
            if theirs != checksum:
                raise figures.Fault("computes with other numbers than the reference")
            row.update(figures.errors(values, truth))
        except figures.Refused:
            continue  # it has a time, and no error
        except figures.Fault as fault:
            del results[contender.name]
            field.drop(contender, fault, case)


def first_fovea(rows):
    return next((row for row in rows if row["contender"].startswith("fovea ") and "none" not in row), None)


def compare(case, rows):
    """Adds rates and ratios; marks the better setting of each peer."""
    ours = first_fovea(rows)
    timed = [row for row in rows if "none" not in row]
    for row in timed:
        row["median_s"], row["best_s"] = statistics.median(row["rounds"]), min(row["bests"])
        work = 2.0 * MATMUL[0] * MATMUL[1] * MATMUL[2] if row["roof"] else flop(case)
        row["gflops"] = work / row["median_s"] * 1e-9
        if ours and not row["roof"]:
            row["time_ratio"] = figures.paired_ratio(row["rounds"], ours["rounds"])
            if ours.get("rms_error") and "rms_error" in row:
                row["error_ratio"] = row["rms_error"] / ours["rms_error"]
    roof = max((row["gflops"] for row in timed if row["roof"]), default=None)
    for row in timed:
        settings = [other for other in timed if other["peer"] == row["peer"]]
        row["best_setting"] = len(settings) > 1 and row is min(settings, key=lambda other: other["median_s"])
        if roof:
            row["percent_of_matmul"] = 100.0 * row["gflops"] / roof


def run_case(field, case, exact):
    results = {}
    time_case(field, case, results)
    check_case(field, case, exact, results)
    rows = list(results.values())
    compare(case, rows)
    print(f"\n{title(case)}")
    print("\n".join(figures.table(rows)), flush=True)
    return [dict(row, name=title(case), family=case.family, dtype=case.dtype) for row in rows]


def run_family(place, family, cases, options):
    field = Field(place, family, options)
    try:
        exact = Contender(place, "double precision", [os.path.join(place.programs, "peers_exact")])
    except figures.Fault as fault:
        sys.exit(f"peers.py: double precision: {fault}; build first")
    print(f"\n{family}: " + "; ".join(f"{c.name} = {c.about}" for c in field.contenders if not c.roof))
    for reason in field.missing:
        print(reason, flush=True)
    rows = [row for case in cases for row in run_case(field, case, exact)]
    exact.close()
    field.close()
    versions = {contender.name: contender.about for contender in field.contenders}
    return rows, field.missing, field.faults, versions


# ---- the program -------------------------------------------------------------------------------------------------

def parse_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder, within the tree")
    parser.add_argument("--chroot", metavar="NAME", help="run all contenders in the chroot that chroot.sh made")
    parser.add_argument("--devices", default="cpu,vulkan:0", help="of Fovea; ratios are to the first of each kind")
    parser.add_argument("--peers", default="PyTorch,oneDNN,ggml", help="which to ask; default: %(default)s")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cases", default="", metavar="REGEX", help="cases whose name has a match")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each contender in each round, at least")
    parser.add_argument("--json", metavar="FILE", help="the same as one JSON document")
    options = parser.parse_args(arguments)
    try:
        options.chosen = [case for case in CASES if re.search(options.cases, title(case))]
    except re.error as error:
        parser.error(f"--cases: {error}")
    if not options.chosen:
        parser.error("--cases: none matches; there are\n  " + "\n  ".join(map(title, CASES)))
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads: at least 1")
    return options


def main():
    options = parse_options(sys.argv[1:])
    place = Place(options.build, options.chroot)
    result = {"threads": options.threads, "load": os.getloadavg()[0], "versions": {}, "missing": [], "faults": [], "rows": []}
    print(f"{options.threads} threads, {options.rounds} rounds; time / Fovea above 1: Fovea is faster (median of paired "
          f"rounds, least to greatest); load average at the start {result['load']:.1f}")
    for family in dict.fromkeys(case.family for case in options.chosen):
        cases = [case for case in options.chosen if case.family == family]
        rows, missing, faults, versions = run_family(place, family, cases, options)
        result["rows"] += rows
        result["missing"] += missing
        result["faults"] += faults
        result["versions"].update(versions)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for fault in result["faults"]:
        print(f"peers.py: {fault}", file=sys.stderr)
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
