#!/usr/bin/env python3
"""Checks what a built library exports: exactly the functions that the public headers declare, at most 60 of them.

Usage: check_exports.py LIBRARY ROOT
"""
import pathlib
import re
import subprocess
import sys

MOST = 60
DECLARED = re.compile(r'FOVEA_API\s[^;{]*?\b(fovea_\w+)\s*\(')


def main():
    library, root = sys.argv[1], pathlib.Path(sys.argv[2])
    try:
        listing = subprocess.run(['nm', '-D', '--defined-only', library], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        print('no nm on this machine')
        return 77
    exported = {line.split()[-1].split('@')[0] for line in listing.stdout.splitlines() if line.split()}
    declared = set()
    for header in sorted((root / 'include' / 'fovea').glob('*.h')):
        declared |= set(DECLARED.findall(header.read_text(encoding='utf-8')))
    faults = [f'{name}: exported, but no public header declares it' for name in sorted(exported - declared)]
    faults += [f'{name}: declared, but not exported' for name in sorted(declared - exported)]
    if len(exported) > MOST:
        faults.append(f'{len(exported)} functions; at most {MOST}')
    print('\n'.join(faults + [f'{len(exported)} functions exported, {len(faults)} faults']))
    return 1 if faults or not exported else 0


if __name__ == '__main__':
    sys.exit(main())
