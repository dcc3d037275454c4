#!/usr/bin/env python3
"""Compiles and runs the programs that README.md shows.

A program is a fenced ```c block that defines main. It must be legal C11 without a warning, at most 40 lines, and end
with status 0 on the CPU. README without a program is a failure.
"""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

BLOCK = re.compile(r'^```c\n(.*?)^```', re.M | re.S)
MAIN = re.compile(r'^int main\(', re.M)
# As the library itself is built: what a list does not name is zero, which here means the default.
FLAGS = ['-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-Wno-missing-field-initializers']


def run_program(arguments, number, text, folder):
    source, program = folder / f'program_{number}.c', folder / f'program_{number}'
    source.write_text(text, encoding='utf-8')
    library = pathlib.Path(arguments.library).resolve()
    command = shlex.split(arguments.compiler) + FLAGS + [str(source), f'-I{arguments.include}', str(library),
                                                         f'-Wl,-rpath,{library.parent}', '-lm', '-o', str(program)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode != 0:
        return f'program {number} does not compile:\n{built.stderr}'
    environment = dict(os.environ, LD_LIBRARY_PATH=str(library.parent))
    ran = subprocess.run([str(program)], capture_output=True, text=True, cwd=folder, env=environment, timeout=60)
    print(f'program {number}, {text.count(chr(10))} lines: exit {ran.returncode}\n{ran.stdout}', end='')
    if ran.returncode != 0:
        return f'program {number} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}'
    if not ran.stdout.strip():
        return f'program {number} printed nothing'
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ('readme', 'include', 'library', 'compiler'):
        parser.add_argument('--' + name, required=True)
    parser.add_argument('--most-lines', type=int, default=39)
    arguments = parser.parse_args()
    readme = pathlib.Path(arguments.readme)
    if not readme.is_file():
        print(f'{readme}: no such file')
        return 1
    programs = [block for block in BLOCK.findall(readme.read_text(encoding='utf-8')) if MAIN.search(block)]
    if not programs:
        print(f'{readme}: no program in a ```c block')
        return 1
    faults = [f'the first program has {programs[0].count(chr(10))} lines; at most {arguments.most_lines}'
              ] if programs[0].count('\n') > arguments.most_lines else []
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(programs, 1):
            fault = run_program(arguments, number, text, pathlib.Path(folder))
            faults += [fault] if fault else []
    print('\n'.join(faults + [f'{len(programs)} programs, {len(faults)} faults']))
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
