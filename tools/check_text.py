#!/usr/bin/env python3
"""Checks the text of every file: no leftovers, no paths of one machine, no stray blanks. Usage: check_text.py ROOT"""
import pathlib
import re
import sys

FOLDERS = ['include', 'src', 'shaders', 'backends', 'tests', 'examples', 'bench', 'tools', 'docs', '.ci']
SUFFIXES = {'.c', '.h', '.comp', '.glsl', '.in', '.py', '.sh', '.md', '.txt', '.json', '.build', '.cpp', '.cl', '.csv',
            '.html', '.css', '.js'}
# Split, so that this file passes its own check.
FORBIDDEN = {
    r'/wo' r'rk/': 'a path of one machine',
    r'/tm' r'p/(?:prep|b_|b\d)': 'a path of one machine',
    r'/ho' r'me/\w': 'a path of one machine',
    r'\bTO' r'DO\b(?=[:( ])': 'a leftover',
    r'\bFIX' r'ME\b(?=[:( ])': 'a leftover',
    r'\bXX' r'X\b': 'a leftover',
    r'\.\./sha' r'red/': 'a path outside the tree',
}
PATTERNS = [(re.compile(p), why) for p, why in FORBIDDEN.items()]


def check_text(file, data):
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError:
        yield f'{file}: not UTF-8'
        return
    if '\r' in text:
        yield f'{file}: carriage returns'
    if text and not text.endswith('\n'):
        yield f'{file}: no newline at the end'
    for number, line in enumerate(text.split('\n'), 1):
        if line != line.rstrip():
            yield f'{file}:{number}: blanks at the end'
        if '\t' in line and not file.endswith('.tsv'):
            yield f'{file}:{number}: a tab'
        for pattern, why in PATTERNS:
            if pattern.search(line):
                yield f'{file}:{number}: {why}: {line.strip()[:80]}'


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    paths = [p for p in sorted(root.iterdir()) if p.is_file() and (p.suffix in SUFFIXES or p.name == 'meson_options.txt')]
    for folder in FOLDERS:
        paths += sorted(p for p in (root / folder).rglob('*') if p.is_file() and p.suffix in SUFFIXES
                        and '__pycache__' not in p.parts)
    faults = [fault for path in paths for fault in check_text(path.relative_to(root).as_posix(), path.read_bytes())]
    print('\n'.join(faults + [f'{len(paths)} files, {len(faults)} faults']))
    return 1 if faults or not paths else 0


if __name__ == '__main__':
    sys.exit(main())
