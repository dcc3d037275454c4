#!/usr/bin/env python3
"""Checks the size budget: lines of a file and of a function, parameters of a function.

Hard limits fail; functions between the soft and the hard limit are listed. Usage: check_size.py ROOT
"""
import pathlib
import re
import sys

FOLDERS = ['include', 'src', 'shaders', 'backends', 'tests', 'examples', 'bench', 'tools']
FILE_LINES, KERNEL_LINES, BUILD_LINES = 600, 250, 150
FUNCTION_SOFT, FUNCTION_HARD, PARAMETERS = 50, 80, 6
C_FILES = ('.c', '.h', '.in')
KERNELS = ('.comp', '.glsl')
OTHER = ('.py', '.sh', '.html', '.css', '.js')

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', re.M | re.S)
SIGNATURE = re.compile(r'([A-Za-z_]\w*)\s*\(([^;{}]*)\)\s*(?:[A-Z_]+\s*\([^;{}]*\)\s*)?$', re.S)


def blank(match):
    """The same number of lines, without what braces and commas in it could mean."""
    return re.sub(r'[^\n]', ' ', match.group(0))


def parameters(text):
    depth, count = 0, 0 if text.strip() in ('', 'void') else 1
    for letter in text:
        depth += letter in '([' and 1 or letter in ')]' and -1 or 0
        count += letter == ',' and depth == 0
    return count


def functions(text):
    """(name, first line, lines, parameters) of every function definition."""
    text = DIRECTIVE.sub(blank, NOISE.sub(blank, text))
    depth, head, start = 0, 0, None
    for place, letter in enumerate(text):
        if letter == '{':
            if depth == 0:
                start = SIGNATURE.search(text[head:place].rstrip())
                opened = place
            depth += 1
        elif letter == '}' and depth > 0:
            depth -= 1
            if depth == 0:
                if start:
                    first = text.count('\n', 0, head + start.start()) + 1
                    lines = text.count('\n', opened, place) + 1
                    yield start.group(1), first, lines, parameters(start.group(2))
                head = place + 1
        elif letter == ';' and depth == 0:
            head = place + 1


def check_file(file, text):
    """Faults and remarks of one file."""
    suffix = pathlib.PurePosixPath(file).suffix
    lines = text.count('\n')
    most = KERNEL_LINES if suffix in KERNELS else FILE_LINES
    if file == 'meson.build':
        most = BUILD_LINES
    faults, remarks = [], []
    if lines > most:
        faults.append(f'{file}: {lines} lines; at most {most}')
    if suffix not in C_FILES + KERNELS:
        return faults, remarks
    for name, first, length, count in functions(text):
        if length > FUNCTION_HARD:
            faults.append(f'{file}:{first}: {name} has {length} lines; at most {FUNCTION_HARD}')
        elif length > FUNCTION_SOFT:
            remarks.append(f'{file}:{first}: {name} has {length} lines; {FUNCTION_SOFT} are the aim')
        if count > PARAMETERS and not name.isupper():
            faults.append(f'{file}:{first}: {name} has {count} parameters; at most {PARAMETERS}')
    return faults, remarks


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    paths = [root / 'meson.build']
    for folder in FOLDERS:
        paths += sorted(p for p in (root / folder).rglob('*')
                        if p.is_file() and (p.suffix in C_FILES + KERNELS + OTHER or p.name == 'meson.build'))
    faults, remarks = [], []
    for path in paths:
        found = check_file(path.relative_to(root).as_posix(), path.read_text(encoding='utf-8'))
        faults += found[0]
        remarks += found[1]
    print('\n'.join(['soft: ' + r for r in remarks] + ['HARD: ' + f for f in faults]
                    + [f'{len(paths)} files, {len(faults)} faults, {len(remarks)} above the soft limit']))
    return 1 if faults or len(paths) < 2 else 0


if __name__ == '__main__':
    sys.exit(main())
