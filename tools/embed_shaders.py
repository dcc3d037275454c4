#!/usr/bin/env python3
"""Flattens the kernel texts, compiles them and writes them as C arrays.

  embed_shaders.py flatten KERNEL              the kernel text with its includes resolved, without a prelude
  embed_shaders.py glsl MODULE                 a module's whole GLSL text, such as softmax_direct.8x8x8.subgroup
  embed_shaders.py list                        the modules of shaders/modules.txt, one name a line
  embed_shaders.py generate --out F.c --depfile F.d --glslang PATH [--spirv-val PATH] [--matrix-spirv FOLDER]
  embed_shaders.py capabilities --glslang PATH [...]           which modules of the matrix tier a build gets, in words
  embed_shaders.py spirv FOLDER --glslang PATH --spirv-val PATH   writes what --matrix-spirv takes

Modules of the matrix tier need newer tools than the rest. Whether these can is found out by trying a least text of each
kind; what they cannot compile is left out. Else those modules come from a FOLDER that a newer machine has made.
"""
import argparse
import hashlib
import os
import re
import struct
import subprocess
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"\s*$')
TIERS = {'portable': 'FOVEA_TIER_PORTABLE', 'subgroup': 'FOVEA_TIER_SUBGROUP', 'matrix': 'FOVEA_TIER_MATRIX'}


class Kind:
    """What modules of the matrix tier differ in but for shapes: operand type and further extensions."""

    def __init__(self, operand, glsl_type, glsl_type4, extensions, defines, needs, target='vulkan1.1'):
        self.operand, self.types, self.extensions = operand, (glsl_type, glsl_type4), extensions
        self.defines = defines
        self.needs = needs # of the device, as fovea_matrix_feature bits
        self.target = target


F16 = 'GL_EXT_shader_explicit_arithmetic_types_float16'
KINDS = {'f16': Kind('f16', 'float16_t', 'f16vec4', [F16], [], '0'),
         'bf16': Kind('bf16', 'bfloat16_t', 'bf16vec4', ['GL_EXT_bfloat16'], ['MATRIX_IS_BF16'], '0'),
         'f16.nv2': Kind('f16', 'float16_t', 'f16vec4', [F16, 'GL_NV_cooperative_matrix2'], ['MATRIX_CONVERTS'],
                         'FOVEA_MATRIX_NV_CONVERSIONS', 'vulkan1.3')}
MATRIX_EXTENSIONS = ['GL_KHR_cooperative_matrix', 'GL_KHR_memory_scope_semantics', 'GL_KHR_shader_subgroup_vote',
                     'GL_KHR_shader_subgroup_arithmetic']
MATRIX_TEXT = '_matrix' # behind a kernel's name: its text of that tier
REMAKE = 'make them anew: sh tools/matrix_spirv.sh %s'


class Module:
    """One line's kernel and tier in one shape: of a lane's micro-tile, or of a matrix with its kind."""

    def __init__(self, kernel, tier, shape):
        sizes, _, self.kind = shape.partition('.')
        self.kernel, self.tier = kernel, tier
        self.shape = (0, 0, 0) if sizes == '-' else tuple(int(n) for n in sizes.split('x'))
        self.name = '.'.join([kernel] + [part for part in (sizes, self.kind) if part not in ('-', '')] + [tier])
        matrix = tier == 'matrix' and not kernel.endswith(MATRIX_TEXT)
        self.text = kernel + (MATRIX_TEXT if matrix else '') + '.comp'
        self.target = KINDS[self.kind].target if self.kind in KINDS else 'vulkan1.1'
        if (tier == 'matrix') != (self.kind in KINDS):
            raise SystemExit('%s: matrices, and they alone, are of a kind: %s' % (self.name, ', '.join(KINDS)))

    def defines(self):
        lines = []
        if self.tier == 'matrix':
            kind = KINDS[self.kind]
            lines += ['#extension %s : require' % name for name in MATRIX_EXTENSIONS + kind.extensions]
            if self.shape[0]:
                lines += ['#define MATRIX_%s %d' % pair for pair in zip('MNK', self.shape)]
            lines += ['#define MATRIX_TYPE %s' % kind.types[0], '#define MATRIX_TYPE4 %s' % kind.types[1]]
            lines += ['#define %s' % name for name in ['TIER_MATRIX'] + kind.defines]
        elif self.shape[0]:
            lines += ['#define MICRO_%s %d' % pair for pair in zip('MNV', self.shape)]
        if self.tier in ('subgroup', 'matrix'):
            lines.append('#define TIER_SUBGROUP')
        return lines


def probe(kind):
    """A least module that needs of compiler and validator what all of that kind need."""
    return Module('probe' + MATRIX_TEXT, 'matrix', '16x16x16.' + kind)


def probe_name(kind):
    return 'probe_' + kind.replace('.', '_')


def read_table(path):
    modules = []
    with open(path, encoding='utf-8') as table:
        for line in table:
            words = line.split('#')[0].split()
            if words:
                modules += [Module(words[0], words[1], shape) for shape in words[2:]]
    return modules


def flatten(path, root, seen):
    """The lines of a text with its includes resolved; each file's paths are added to `seen`."""
    seen.append(path)
    lines = []
    with open(path, encoding='utf-8') as text:
        for line in text.read().split('\n'):
            found = INCLUDE.match(line)
            lines += flatten(os.path.join(root, found.group(1)), root, seen) if found else [line.rstrip()]
    return lines


def strip_comments(text):
    """Without /* */ comments and empty lines. A line that a comment's end leaves continued stays continued."""
    text = re.sub(r'/\*.*?\*/', lambda found: '\\\n' if re.search(r'\\\n', found.group(0)) else ' ', text, flags=re.S)
    return '\n'.join(line.rstrip() for line in text.split('\n') if line.strip()) + '\n'


def glsl(module, root, seen):
    prelude = flatten(os.path.join(root, 'preludes', 'vulkan.glsl'), root, seen)
    if module.tier == 'matrix':
        prelude += flatten(os.path.join(root, 'preludes', 'matrix.glsl'), root, seen)
    body = flatten(os.path.join(root, module.text), root, seen)
    text = strip_comments('\n'.join(prelude + body))
    first, rest = text.split('\n', 1)
    if not first.startswith('#version'):
        raise SystemExit('the GLSL prelude must begin with #version')
    return '\n'.join([first] + module.defines() + [rest])


def attempt(command):
    """What the command wrote where it failed or warned, else ''."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.stdout or 'no output' if done.returncode or 'WARNING' in done.stdout else ''


def run(command):
    wrong = attempt(command)
    if wrong:
        sys.stderr.write(wrong)
        raise SystemExit('%s failed' % ' '.join(command))


class Toolbox:
    """Turns modules into SPIR-V with the tools at hand, and knows which of the matrix tier they can do."""

    def __init__(self, options, root, folder):
        self.options, self.root, self.folder = options, root, folder
        self.made = os.path.abspath(options.matrix_spirv) if options.matrix_spirv else None
        self.missing, self.checks = {}, {}
        for kind in KINDS:
            self.missing[kind] = '' if self.made else self.lacks(kind)
            if options.spirv_val and not self.missing[kind]:
                binary = self.binary(probe(kind))
                self.checks[kind] = not attempt(self.validator(probe(kind), binary))

    def compiler(self, module, text):
        source, binary = (os.path.join(self.folder, module.name + end) for end in ('.comp', '.spv'))
        with open(source, 'w', encoding='utf-8') as out:
            out.write(text)
        return [self.options.glslang, '-V', '--target-env', module.target, '-o', binary, source]

    def validator(self, module, binary):
        return [self.options.spirv_val, '--target-env', module.target, binary]

    def lacks(self, kind):
        """Why the compiler cannot do that kind; '' where it can."""
        module = probe(kind)
        wrong = attempt(self.compiler(module, glsl(module, self.root, [])))
        found = re.search(r'extension not supported: (\w+)', wrong)
        return 'glslang too old, no %s' % found.group(1) if found else wrong and 'glslang too old'

    def embeds(self, module):
        return module.tier != 'matrix' or not self.missing[module.kind]

    def files(self, module):
        """A matrix module's files in the folder of those made elsewhere: SPIR-V, and the hash of its text."""
        return [os.path.join(self.made, module.name + end) for end in ('.spv', '.sha256')] if self.made else []

    def binary(self, module):
        """The path of a module's SPIR-V, compiled now or made elsewhere from the same text."""
        text = glsl(module, self.root, [])
        if module.tier != 'matrix' or not self.made:
            command = self.compiler(module, text)
            run(command)
            return command[-2]
        binary, known = self.files(module)
        try:
            with open(known, encoding='utf-8') as file:
                fresh = os.path.getsize(binary) > 0 and file.read().strip() == hash_of(text)
        except OSError as error:
            raise SystemExit('%s; %s' % (error, REMAKE % self.made))
        if not fresh:
            raise SystemExit('%s was made from another text; %s' % (binary, REMAKE % self.made))
        return binary

    def spirv(self, module):
        """Its words, validated wherever the validator knows what it uses."""
        binary = self.binary(module)
        if self.options.spirv_val and (module.tier != 'matrix' or self.checks[module.kind]):
            run(self.validator(module, binary))
        with open(binary, 'rb') as compiled:
            blob = compiled.read()
        return struct.unpack('<%dI' % (len(blob) // 4), blob)

    def describe(self):
        """The kinds of the matrix modules of a build, and why others are not there."""
        there = [kind for kind in KINDS if not self.missing[kind]]
        notes = ['no %s: %s' % (kind, why) for kind, why in self.missing.items() if why]
        if not there:
            return 'none: ' + self.missing['f16']
        if self.made:
            notes.append('as -Dmatrix_spirv has them')
        if not all(self.checks.get(kind) for kind in there):
            notes.append('not validated: spirv-val too old' if self.options.spirv_val else 'not validated: no spirv-val')
        return '; '.join([', '.join(there)] + notes)


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def array(values, form, per_line):
    rows = [values[i:i + per_line] for i in range(0, len(values), per_line)]
    return ',\n'.join('    ' + ', '.join(form % value for value in row) for row in rows)


def c_string(name, text):
    return 'static const char %s[] = {\n%s};\n' % (name, array(text.encode() + b'\0', '%d', 32))


def generate(modules, root, options):
    seen = [os.path.join(root, 'modules.txt'), os.path.abspath(__file__)]
    parts = ['/* Generated by tools/embed_shaders.py from shaders/. */\n#include "modules.h"\n']
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tools = Toolbox(options, root, folder)
        parts += [c_string(probe_name(kind), glsl(probe(kind), root, seen)) for kind in KINDS
                  if not tools.missing[kind]]
        for number, module in enumerate(filter(tools.embeds, modules)):
            text = glsl(module, root, seen)
            words = tools.spirv(module)
            seen += tools.files(module) if module.tier == 'matrix' else []
            parts.append(c_string('source_%d' % number, text))
            parts.append('static const uint32_t words_%d[] = {\n%s};\n' % (number, array(words, '0x%08xu', 10)))
            rows.append('    {"%s", "%s", %s, %du, %du, %du, %s, %s, source_%d, words_%d, sizeof words_%d / 4, %s},' %
                        ((module.name, module.kernel, TIERS[module.tier]) + module.shape +
                         ('FOVEA_' + (KINDS[module.kind].operand if module.kind else 'f32').upper(),
                          KINDS[module.kind].needs if module.kind else '0') + (number,) * 3 +
                         (probe_name(module.kind) if module.kind else 'NULL',)))
    parts.append('const fv_module fv_modules[] = {\n%s\n};\n' % '\n'.join(rows))
    parts.append('const uint32_t fv_module_count = sizeof fv_modules / sizeof fv_modules[0];\n')
    with open(options.out, 'w', encoding='utf-8') as out:
        out.write('\n'.join(parts))
    with open(options.depfile, 'w', encoding='utf-8') as out:
        out.write('%s: %s\n' % (options.out, ' '.join(path.replace(' ', '\\ ') for path in sorted(set(seen)))))


def write_spirv(modules, root, options):
    """Writes the modules of the matrix tier and their probes, each with the hash of its text."""
    os.makedirs(options.name, exist_ok=True)
    options.matrix_spirv = None
    with tempfile.TemporaryDirectory() as folder:
        tools = Toolbox(options, root, folder)
        if not all(tools.checks.get(kind) for kind in KINDS):
            raise SystemExit('these tools cannot make them all: ' + tools.describe())
        wanted = [module for module in modules if module.tier == 'matrix'] + [probe(kind) for kind in KINDS]
        for module in wanted:
            words = tools.spirv(module)
            with open(os.path.join(options.name, module.name + '.spv'), 'wb') as out:
                out.write(struct.pack('<%dI' % len(words), *words))
            with open(os.path.join(options.name, module.name + '.sha256'), 'w', encoding='utf-8') as out:
                out.write(hash_of(glsl(module, root, [])) + '\n')
    print('%d modules in %s' % (len(wanted), options.name))


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('command', choices=['flatten', 'glsl', 'list', 'generate', 'capabilities', 'spirv'])
    parser.add_argument('name', nargs='?', help='kernel, module or folder')
    parser.add_argument('--shaders', default=os.path.join(here, '..', 'shaders'), help='the folder shaders/')
    parser.add_argument('--out')
    parser.add_argument('--depfile')
    parser.add_argument('--glslang', default='glslangValidator')
    parser.add_argument('--spirv-val')
    parser.add_argument('--matrix-spirv', help='a folder that `spirv` of newer tools has written')
    options = parser.parse_args()
    root = os.path.abspath(options.shaders)
    modules = read_table(os.path.join(root, 'modules.txt'))
    if options.command == 'list':
        print('\n'.join(module.name for module in modules))
    elif options.command == 'flatten':
        print('\n'.join(flatten(os.path.join(root, options.name + '.comp'), root, [])), end='')
    elif options.command == 'glsl':
        found = [module for module in modules if module.name == options.name]
        if not found:
            raise SystemExit('no module %s' % options.name)
        print(glsl(found[0], root, []), end='')
    elif options.command == 'capabilities':
        with tempfile.TemporaryDirectory() as folder:
            print(Toolbox(options, root, folder).describe())
    elif options.command == 'spirv':
        write_spirv(modules, root, options)
    else:
        generate(modules, root, options)


if __name__ == '__main__':
    main()
