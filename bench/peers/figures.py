"""What contenders answer, read strictly, and the statistics of it. No process is started here."""
import math
import re
import statistics

WRONG = 0.5  # relative RMS error from which an answer is no attention at all; an output of zeros has 1


class Fault(Exception):
    """A contender broke the protocol or computed something else."""


class Refused(Exception):
    """A contender says that it does not support the case."""


# ---- answers -----------------------------------------------------------------------------------------------------

def words_of(line, kind):
    """What follows `kind` in an answer."""
    name, _, rest = line.rstrip("\n").partition(" ")
    if name == "none" and rest:
        raise Refused(rest)
    if name == "failed":
        raise Fault(f"failed: {rest}")
    if name != kind:
        raise Fault(f"answered {line[:80]!r} where '{kind} ...' was due" if line else "ended without an answer")
    return rest


def parse_time(line):
    """(median s, best s, runs)."""
    words = words_of(line, "time").split()
    try:
        median, best, runs = float(words[0]), float(words[1]), int(words[2])
        good = len(words) == 3 and math.isfinite(median) and 0.0 < best <= median and runs > 0
    except (IndexError, ValueError):
        good = False
    if not good:
        raise Fault(f"gave no time: {line[:80]!r}")
    return median, best, runs


def parse_rows(line, count):
    """(checksum of the inputs, `count` numbers)."""
    words = words_of(line, "rows").split()
    try:
        checksum, values = int(words[0]), [float.fromhex(word) for word in words[1:]]
    except (IndexError, ValueError):
        raise Fault(f"gave no rows: {line[:80]!r}") from None
    if len(values) != count:
        raise Fault(f"gave {len(values)} numbers where {count} were due")
    return checksum, values


ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
OPS_LINE = re.compile(r"^\s*(\w+\(.*\)):\s+(\d+) runs -\s+([0-9.]+) us/run -\s+([0-9.]+) ([kMGT]?)FLOP/run -"
                      r"\s+([0-9.]+) ([kMGT]?)FLOPS\s*$")
UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def parse_ops(text):
    """Lines of `test-backend-ops perf`: {case: (seconds of a run, FLOPs of a run)}."""
    found = {}
    for line in ESCAPES.sub("", text).splitlines():
        match = OPS_LINE.match(line)
        if not match:
            continue
        case, _, us, flop, flop_unit, rate, rate_unit = match.groups()
        seconds, flops = float(us) * 1e-6, float(flop) * UNITS[flop_unit]
        stated = float(rate) * UNITS[rate_unit]
        if seconds <= 0.0 or abs(flops / seconds - stated) > 0.05 * stated:
            raise Fault(f"its time and its rate disagree: {line.strip()[:120]!r}")
        found[case] = (seconds, flops)
    return found


# ---- statistics --------------------------------------------------------------------------------------------------

def paired_ratio(theirs, ours):
    """Median, least and greatest over rounds of their time over ours: what hits one round hits both sides."""
    ratios = sorted(t / o for t, o in zip(theirs, ours))
    return statistics.median(ratios), ratios[0], ratios[-1]


def errors(values, exact):
    """Largest and RMS error, and the RMS error over the RMS of what is exact."""
    differences = [value - truth for value, truth in zip(values, exact)]
    if not all(map(math.isfinite, differences)):
        raise Fault("gives a wrong answer: numbers that are not finite")
    largest = max(map(abs, differences))
    rms = math.sqrt(math.fsum(d * d for d in differences) / len(differences))
    size = math.sqrt(math.fsum(e * e for e in exact) / len(exact))
    relative = rms / size if size else math.inf
    if relative > WRONG:
        raise Fault(f"gives a wrong answer: its RMS error is {relative:.2g} of the result")
    return {"max_error": largest, "rms_error": rms, "relative_error": relative}


# ---- print -------------------------------------------------------------------------------------------------------

def cell(value, form):
    return format(value, form) if value is not None else "-"


def ratio_cell(ratio):
    return f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})" if ratio else "-"


def table(rows):
    """Lines of text for the results of one case."""
    roof = any(row.get("percent_of_matmul") is not None for row in rows)
    head = ["", "ms", "GFLOP/s"] + (["% matmul"] if roof else []) + ["time / Fovea", "max error", "RMS error", "relative",
                                                                    "error / Fovea"]
    lines = [head]
    for row in rows:
        if row.get("none"):
            lines.append([row["contender"], "none: " + row["none"]])
            continue
        rate = [cell(row.get("percent_of_matmul"), ".0f")] if roof else []
        seconds = row.get("median_s")
        lines.append([row["contender"] + (" *" if row.get("best_setting") else ""),
                      cell(seconds * 1e3 if seconds else None, ".2f"), cell(row.get("gflops"), ".1f")] + rate
                     + [ratio_cell(row.get("time_ratio")), cell(row.get("max_error"), ".2e"),
                        cell(row.get("rms_error"), ".2e"), cell(row.get("relative_error"), ".2e"),
                        cell(row.get("error_ratio"), ".3g")])
    full = [line for line in lines if len(line) == len(head)]
    widths = [max([len(line[i]) for line in full] + ([len(line[0]) for line in lines] if i == 0 else [0]))
              for i in range(len(head))]
    return ["  " + "  ".join(text.ljust(widths[i]) if i == 0 else text.rjust(widths[i]) if len(line) == len(head) else text
                             for i, text in enumerate(line)).rstrip() for line in lines]
