#!/usr/bin/env python3
"""Counts the results of test runs and closes with the line `N passed, N failed, N skipped`.

summary.py [--skips] [LABEL=FILE...]

FILE is a meson testlog.json (a test that speaks TAP counts with each of its cases) or a text whose last line is such a
line. --skips lists what was skipped and why; failures are always listed. Exit: 0 nothing failed, 1 something did.
"""
import json
import re
import sys
from pathlib import Path

CASE = re.compile(r"^(ok|not ok)\b\s*(\d*)\s*(?:- )?(.*?)(?:#\s*(SKIP|TODO)\S*\s*(.*))?$", re.IGNORECASE)
LAST = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
SKIP_ALL = re.compile(r"^1\.\.0\s*#\s*skip\S*\s*(.*)$", re.IGNORECASE)
FAILED, PASSED, SKIPPED = "failed", "passed", "skipped"
OF_MESON = {"OK": PASSED, "EXPECTEDFAIL": PASSED, "SKIP": SKIPPED}  # all others failed
LISTED_MOST, WIDTH_MOST = 40, 240  # of the lists of failures and skips, and of their lines
FAULT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|Assertion")


def last_line(text):
    """The last line that says something."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip() and "(test program " not in line]
    return lines[-1] if lines else ""


def reason_of(test):
    """The line that tells why a test was skipped or failed."""
    lines = (test.get("stderr") or "").splitlines()
    fault = next((line.strip() for line in lines if FAULT.search(line)), "")
    return fault or last_line(test.get("stderr")) or last_line(test.get("stdout"))


def of_tap(text):
    """(result, name, reason) of each case of a TAP text; none where it is no TAP."""
    if not re.search(r"^1\.\.\d+", text, re.MULTILINE):
        return []
    cases = []
    for line in text.splitlines():
        match = CASE.match(line)
        if not match:
            continue
        verdict, number, name, directive, why = match.groups()
        result = PASSED if verdict == "ok" else FAILED
        if (directive or "").upper() == "SKIP":
            result = SKIPPED
        elif (directive or "").upper() == "TODO":
            result = PASSED if verdict == "not ok" else FAILED
        cases.append((result, name.strip() or number, (why or "").strip()))
    return cases


def of_test(test):
    """Cases of one line of a testlog."""
    out = test.get("stdout") or ""
    name = test["name"].split(" / ")[-1]
    result = OF_MESON.get(test["result"], FAILED)
    cases = of_tap(out)
    if not cases:
        skip_all = next((m.group(1) for m in map(SKIP_ALL.match, out.splitlines()) if m), "")
        reason = skip_all or reason_of(test)
        return [(result, name, reason if result == SKIPPED else f"{test['result']}: {reason}")]
    if result == FAILED and not any(case[0] == FAILED for case in cases):
        # It died, or leaked, after its last case.
        cases.append((FAILED, "the program as a whole", f"{test['result']}: {reason_of(test)}"))
    return [(case[0], f"{name}: {case[1]}", case[2]) for case in cases]


def of_file(path):
    """Cases of a log, or bare counts of a text."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    if path.endswith(".json"):
        return [case for line in text.splitlines() if line.strip() for case in of_test(json.loads(line))], {}
    match = LAST.match(last_line(text))
    if not match:
        return [(FAILED, "no closing line", last_line(text))], {}
    return [], dict(zip((PASSED, FAILED, SKIPPED), map(int, match.groups())))


def main():
    arguments = sys.argv[1:]
    show_skips = "--skips" in arguments
    total = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    listed = {FAILED: [], SKIPPED: []}
    for argument in arguments:
        if argument == "--skips":
            continue
        label, _, path = argument.partition("=")
        label = label.replace("_", " ")
        try:
            cases, counts = of_file(path)
        except (OSError, ValueError) as error:
            cases, counts = [(FAILED, "no log", str(error))], {}
        for result, name, reason in cases:
            counts[result] = counts.get(result, 0) + 1
            if result in listed:
                listed[result].append(f"  {label}: {name}" + (f" ({reason})" if reason else ""))
        for result, count in counts.items():
            total[result] += count
        print(f"{label}: " + ", ".join(f"{counts.get(r, 0)} {r}" for r in total))
    for result, title in ((SKIPPED, "Skipped:"), (FAILED, "Failed:")):
        if listed[result] and (show_skips or result == FAILED):
            rest = len(listed[result]) - LISTED_MOST
            print("\n".join([title] + [line[:WIDTH_MOST] for line in listed[result][:LISTED_MOST]]))
            if rest > 0:
                print(f"  and {rest} more")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**total))
    return 1 if total[FAILED] else 0


if __name__ == "__main__":
    sys.exit(main())
