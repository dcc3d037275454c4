#!/usr/bin/env python3
"""Compiles each public header alone, twice included, as C11 and as C++17, with warnings as errors.

Usage: check_headers.py INCLUDE_FOLDER C_COMPILER [CXX_COMPILER]
"""
import pathlib
import shlex
import subprocess
import sys

FLAGS = ['-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Wundef', '-Werror', '-fsyntax-only']
GUESTS = {'vulkan.h': 'vulkan/vulkan.h', 'opencl.h': 'CL/cl.h'}  # headers that need a vendor's


def compiles(compiler, language, standard, folder, text):
    command = shlex.split(compiler) + FLAGS + ['-x', language, standard, f'-I{folder}', '-']
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    return done.returncode == 0, done.stderr


def main():
    folder = pathlib.Path(sys.argv[1])
    readings = [(sys.argv[2], 'c', '-std=c11')]
    if len(sys.argv) > 3:
        readings.append((sys.argv[3], 'c++', '-std=c++17'))
    faults, count = 0, 0
    for header in sorted((folder / 'fovea').glob('*.h')):
        for compiler, language, standard in readings:
            vendor = GUESTS.get(header.name)
            if vendor and not compiles(compiler, language, standard, folder, f'#include <{vendor}>\n')[0]:
                print(f'{header.name}: skipped as {standard[5:]}: no {vendor}')
                continue
            text = f'#include <fovea/{header.name}>\n' * 2 + 'extern int something; /* no empty translation unit */\n'
            good, reason = compiles(compiler, language, standard, folder, text)
            count += 1
            faults += not good
            if not good:
                print(f'{header.name} as {standard[5:]}:\n{reason}')
    print(f'{count} compilations, {faults} faults')
    return 1 if faults or not count else 0


if __name__ == '__main__':
    sys.exit(main())
