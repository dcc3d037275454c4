#!/usr/bin/env python3
"""Writes the parts of README.md that the code knows: the first program, the header tiers, the support table.

readme.py [--check]

Each part lies between `<!-- name ... -->` and `<!-- end -->`. --check changes nothing and fails where one is stale.
Exit: 0 done or fresh, 1 stale, 2 a source has another form than this script knows.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADERS = ROOT / "include" / "fovea"


class Unknown(Exception):
    """A source that this script cannot read."""


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def find(pattern, text, where):
    match = re.search(pattern, text, re.DOTALL)
    if not match:
        raise Unknown(f"{where}: nothing matches {pattern}")
    return match.group(1)


def table(head, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head)] + rows])


def program(path):
    return f"```c\n{read(path).strip()}\n```"


def headers():
    """One row a header, from the first paragraph of its opening comment."""
    tiers = {}
    for path in sorted(HEADERS.glob("*.h")):
        match = re.match(r"/\* Tier (\d): (.*?)(?:\n \*\n|\*/)", path.read_text(encoding="utf-8"), re.DOTALL)
        if match:
            about = re.sub(r"\s*\n \*\s*", " ", match.group(2))
            about = re.sub(r"\s*\([^)]*\d{4}[^)]*\)", "", about)  # citations
            about = about.strip().rstrip(".")
            tiers.setdefault(int(match.group(1)), []).append((path.name, about))
    rows = []
    for tier, members in sorted(tiers.items()):
        rows += [[str(tier), f"`{name}`", about] for name, about in members]
    others = [path.name for path in sorted(HEADERS.glob("*.h")) if not any(path.name in dict(m) for m in tiers.values())]
    note = ", ".join(f"`{name}`" for name in others)
    return table(["tier", "header", "what"], rows) + (f"\n\nBeside the tiers: {note}." if note else "")


def operators():
    """(name, header) of each operator: what a header of tier 3 creates."""
    found = []
    for path in sorted(HEADERS.glob("*.h")):
        text = path.read_text(encoding="utf-8")
        if text.startswith("/* Tier 3"):
            found += [(name, path) for name in re.findall(r"\bfovea_(\w+)_create\(", text)]
    return found


def dtypes():
    body = find(r"typedef enum fovea_dtype \{(.*?)\}", read("include/fovea/tensor.h"), "tensor.h")
    return [name.lower() for name in re.findall(r"FOVEA_(\w+)", body) if name != "DTYPE_COUNT"]


def modules(operator):
    """{tier: shapes} of an operator's kernels in the module table."""
    tiers = {}
    for line in read("shaders/modules.txt").splitlines():
        words = line.split("#")[0].split()
        if words and words[0].startswith(operator + "_"):
            tiers.setdefault(words[1], set()).update(word for word in words[2:] if word != "-")
    return tiers


def on_cpu(operator):
    """Tiers of the CPU backend, with the instruction sets of each; empty where it lacks the operator."""
    if not any(f'"{operator}_' in path.read_text(encoding="utf-8") for path in (ROOT / "backends/cpu").glob("*.[ch]")):
        return []
    sets = re.findall(r'\{\{"([^"]+)", FOVEA_TIER_(\w+),', read("backends/cpu/isa.c").split("FV_CPU_WITH_TILESINC")[0])
    if not sets:
        raise Unknown("backends/cpu/isa.c: no instruction sets")
    if "matrix" not in modules(operator):  # there an instruction set with matrices serves as one with vectors
        sets = [(name, its if its == "PORTABLE" else "SUBGROUP") for name, its in sets]
    return [f"{tier.lower()} ({', '.join(name for name, its in sets if its == tier)})"
            for tier in ("PORTABLE", "SUBGROUP", "MATRIX") if any(its == tier for _, its in sets)]


def on_kernels(operator, known=("portable", "subgroup", "matrix")):
    tiers = modules(operator)
    return [tier for tier in known if tier in tiers]


def support():
    registry = read("src/registry.c")
    storage = ", ".join(dtypes())
    rows = []
    for name, _ in operators():
        for part, backend, tiers in (("CPU", "`cpu`", on_cpu(name)), ("VULKAN", "`vulkan`, 1.1 or newer", on_kernels(name)),
                                     ("EMULATOR", "`emu`, in the tests alone", on_kernels(name, ("portable", "subgroup")))):
            if f"FV_WITH_{part}" in registry and tiers:
                rows.append([name, backend, f"{storage}, in any mix", "; ".join(tiers)])
    text = table(["operator", "backend", "storage of inputs and o", "tiers"], rows)
    for name, path in operators():
        body = find(rf"typedef struct fovea_{name}_params \{{(.*?)\n\}}", path.read_text(encoding="utf-8"), path.name)
        body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
        fields = [field.strip() for line in re.findall(r"^\s*(?:float|uint32_t|fovea_(?!tensor)\w+) ([^;\[]+);", body, re.MULTILINE)
                  for field in line.split(",")]
        text += f"\n\nOptions of {name}: " + ", ".join(f"`{field}`" for field in fields) + "."
    return text


MAKERS = {"program": program, "headers": lambda _: headers(), "support": lambda _: support()}


def fill(text):
    def part(match):
        opening, name, argument = match.group(1), match.group(2), match.group(3)
        return f"{opening}\n{MAKERS[name](argument)}\n<!-- end -->"

    return re.sub(r"(<!-- (program|headers|support)(?:: (\S+))? -->).*?<!-- end -->", part, text, flags=re.DOTALL)


def main():
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    try:
        new = fill(old)
    except (Unknown, OSError) as error:
        print(f"readme.py: {error}", file=sys.stderr)
        return 2
    if "--check" in sys.argv[1:]:
        if old != new:
            print("README.md is stale: run tools/readme.py", file=sys.stderr)
        return int(old != new)
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
