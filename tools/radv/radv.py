#!/usr/bin/env python3
"""What RADV makes of the kernels on AMD GPUs that need not be there: registers, spills, shared memory, waves per SIMD
and the share of multiply-adds in the inner loops.

  radv.py --modules build/shaders/modules.c            prints the table
  radv.py --modules build/shaders/modules.c --write    ... and keeps it as table.json
  radv.py --modules build/shaders/modules.c --check    compares with table.json; fails on a regression

Runs where Mesa's RADV honours RADV_FORCE_FAMILY (Mesa 25.0 of Debian 13), with a C compiler, Vulkan headers and
loader. Under another Mesa version --check reports and does not gate. Exit: 0 good, 1 regression, 77 no such driver.

Columns: `scores` and `products` are the inner loops of S = Q K^T and O += P V; each says which share of its issue
slots holds a multiply-add (a dual-issue slot of navi31 may hold two). Of kernels of the matrix tier, one of WMMA: the
first straight run of code that has several, and the last. They are there where the build could compile them and the
driver has the type.
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

FAMILIES = {'vega10': 64, 'navi21': 32, 'navi31': 32}  # and the subgroup size that the kernels are planned for
DTYPES = {'f32': 0, 'f16': 1}
UNBOUNDED = 0xffffffff # no window on that side
# Kernel, shape, dim, {lane rows, lane cols, chunk}: the tiles of a desktop GPU.
TILES = [('softmax_direct', (8, 8, 8), 64, (16, 8, 16)),
         ('softmax_direct', (8, 8, 8), 128, (8, 16, 16)),
         ('softmax_direct', (8, 8, 8), 256, (8, 32, 16)),
         ('softmax_state', (8, 8, 8), 64, (16, 8, 16)),
         ('softmax_direct', (4, 4, 4), 64, (8, 16, 16)),
         ('softmax_direct', (1, 4, 4), 128, (4, 32, 16))]
# Matrix tier: kernel, shape, operand type, families and subgroup sizes, {constant: value}.
MATRICES = [('measure_matrix', '16x16x16.' + operand, '', 'navi31', subgroup, {0: 128, 1: dtype, 31: 128})
            for operand, dtype in (('f16', 1), ('bf16', 2)) for subgroup in (32, 64)]
# The tiles that the planner puts first for 64 KiB: kernel, dims, subgroups along rows and columns, rows, keys and columns of
# a subgroup, chunk, keys of V at once, whether V is turned, whether Q is kept.
MATRIX_TILES = [('softmax_direct', 64, 64, (4, 2, 32, 32, 32, 64, 64, 1, 1)),
                ('softmax_direct', 128, 128, (8, 1, 16, 32, 128, 128, 32, 1, 1)),
                ('softmax_state', 128, 128, (8, 1, 16, 32, 128, 128, 32, 1, 1)),
                ('softmax_direct', 256, 256, (2, 4, 32, 16, 64, 64, 16, 1, 0)),
                ('softmax_direct', 512, 512, (2, 4, 16, 16, 128, 64, 16, 1, 0)),
                ('softmax_direct', 576, 512, (2, 4, 16, 16, 128, 64, 16, 1, 0))]
# The same where float32 is multiplied as f16, and as two parts of f16.
CONVERTED_TILES = [(1, 64, 64, (8, 1, 16, 64, 64, 64, 64, 1, 1)),
                   (1, 128, 128, (4, 1, 16, 16, 128, 128, 16, 1, 1)),
                   (1, 576, 512, (2, 4, 16, 16, 128, 64, 16, 1, 0)),
                   (2, 64, 64, (4, 1, 16, 32, 64, 64, 32, 1, 1)),
                   (2, 128, 128, (4, 2, 16, 32, 64, 64, 16, 0, 0)),
                   (2, 576, 512, (2, 2, 16, 32, 128, 32, 16, 0, 0))]
BINDINGS = {'softmax_direct': 5, 'softmax_state': 4, 'measure_matrix': 2}
STATISTICS = {'VGPRs': 'registers', 'Spilled VGPRs': 'spills', 'Scratch size': 'scratch', 'LDS size': 'shared',
              'Subgroups per SIMD': 'waves', 'Code size': 'code'}
GOAL = 0.6  # of the desktop shape's loops
MULTIPLY_ADD = re.compile(r'\bv_(?:dual_)?(?:pk_)?(?:fma|fmac|mac|mad|fmaak|fmamk)(?:_legacy)?_f32')


MATRIX_MULTIPLY_ADD = re.compile(r'\bv_wmma_f32')


def matrix_constants(dim_qk, dim_v, tile, dtype, parts, subgroup):
    rows, cols, tm, tn, tv, chunk, v_step, v_turned, q_kept = tile
    values = [rows, cols, tm, tn, tv, chunk, dim_qk, dim_v, dtype, dtype, dtype, dtype, 1, 1, 1, 1, 0, 1, subgroup,
              cols * 16, v_step, v_turned, q_kept, 0, 16, 16, 16, parts, UNBOUNDED, UNBOUNDED, 0]
    return {**dict(enumerate(values)), 31: rows * cols * subgroup}


def constants(shape, dim, lanes, dtype, subgroup):
    values = [lanes[0], lanes[1], shape[0], shape[1], shape[2], lanes[2], dim, dim, 0, dtype, dtype, 0, 1, 1, 1, 1, 1, 1,
              subgroup]
    borders = ['28=%d' % UNBOUNDED, '29=0', '30=0'] # causal, scores as they are
    return ['%d=%d' % pair for pair in enumerate(values)] + borders + ['31=%d' % (lanes[0] * lanes[1])]


def innermost(code):
    """The slots of each innermost loop of a listing with BBn: labels, in its order."""
    slots, labels = [], {}
    for line in code.split('\n'):
        label = re.match(r'\s*(BB\d+):', line)
        if label:
            labels[label.group(1)] = len(slots)
        elif re.match(r'\s*[a-z]+_\w+', line):
            slots.append(line.split(';')[0].strip())
    loops = []
    for end, slot in enumerate(slots):
        jump = re.match(r's_c?branch\w*\s+(BB\d+)', slot)
        if jump and labels.get(jump.group(1), end + 1) <= end:
            loops.append((labels[jump.group(1)], end))
    return [slots[begin:end + 1] for begin, end in sorted(loops)
            if not any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in loops)]


def softmax_matrices():
    stored = [(kernel, 'f16', ' dims %d %d' % (dim_qk, dim_v), 'navi31', 32,
               matrix_constants(dim_qk, dim_v, tile, DTYPES['f16'], 1, 32))
              for kernel, dim_qk, dim_v, tile in MATRIX_TILES]
    converted = [('softmax_direct', 'f16', ' dims %d %d of f32%s' % (dim_qk, dim_v, ' x3' if parts == 2 else ''),
                  'navi31', 32, matrix_constants(dim_qk, dim_v, tile, DTYPES['f32'], parts, 32))
                 for parts, dim_qk, dim_v, tile in CONVERTED_TILES]
    return stored + converted


def inner_loops(code):
    """(slots, slots with a multiply-add, masked, multiply-adds) of each innermost loop."""
    return [(len(body), sum(bool(MULTIPLY_ADD.search(slot)) for slot in body),
             sum(slot.startswith('v_cndmask') for slot in body) > 4,
             sum(len(MULTIPLY_ADD.findall(slot)) for slot in body)) for body in innermost(code)]


def matrix_shares(code):
    """The share of WMMA in the slots of each straight run of code that has several."""
    runs, counts = [[]], []
    for line in code.split('\n'):
        if re.match(r'\s*BB\d+:', line) or re.match(r'\s*s_c?branch', line):
            runs.append([])
        elif re.match(r'\s*[a-z]+_\w+', line):
            runs[-1].append(line)
    for run in runs:
        counts.append((sum(bool(MATRIX_MULTIPLY_ADD.search(slot)) for slot in run), len(run)))
    return [round(used / slots, 2) for used, slots in counts if used >= 4]


def share(loops, count):
    """The share of the loop that does `count` multiply-adds without a mask."""
    found = [used / slots for slots, used, masked, done in loops if done == count and not masked]
    return round(max(found), 2) if found else None


def compile_module(probe, family, icd, module, bindings, subgroup, values):
    """(row, code, driver) of a module; None where the driver lacks what it needs."""
    command = [probe, module, '128', str(bindings), str(subgroup)] + values
    environment = dict(os.environ, RADV_FORCE_FAMILY=family, VK_ICD_FILENAMES=icd, MESA_SHADER_CACHE_DISABLE='true')
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env=environment)
    if family.upper() not in done.stdout:
        print('no RADV that takes RADV_FORCE_FAMILY here', file=sys.stderr)
        raise SystemExit(77)
    if done.returncode == 77:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    text, _, code = done.stdout.partition('\ncode ')
    row = {STATISTICS[name]: int(value) for value, name in re.findall(r'^stat (\d+) (.*)$', text, re.M)
           if name in STATISTICS}
    return row, code, re.search(r'^driver (.*)$', text, re.M).group(1)


def measure(probe, family, tile, dtype, icd):
    kernel, shape, dim, lanes = tile
    subgroup = FAMILIES[family]
    module = '%s.%dx%dx%d.subgroup' % ((kernel,) + shape)
    row, code, driver = compile_module(probe, family, icd, module, BINDINGS[kernel], subgroup,
                                       constants(shape, dim, lanes, DTYPES[dtype], subgroup))
    loops = inner_loops(code)
    row['scores'] = share(loops, shape[0] * shape[1] * 4)
    row['products'] = share(loops, shape[0] * shape[2] * 2)
    name = '%s %s dim %d %dx%d/%d %s' % ((family, module, dim) + lanes + (dtype,))
    return name, row, driver


def measure_matrix(probe, matrix, icd):
    """Name and row of a kernel of the matrix tier; the row None where the driver has no such matrices."""
    kernel, variant, label, family, subgroup, values = matrix
    module = '%s.%s.matrix' % (kernel, variant)
    name = '%s %s%s wave%d' % (family, module, label, subgroup)
    found = compile_module(probe, family, icd, module, BINDINGS[kernel], subgroup,
                           ['%d=%d' % pair for pair in values.items()])
    if not found:
        return name, None
    row, code, _ = found
    shares = matrix_shares(code)
    row['scores'] = shares[0] if len(shares) > 1 else None
    row['products'] = shares[-1] if shares else None
    return name, row


def build_probe(modules, compiler, folder):
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.join(here, '..', '..')
    probe = os.path.join(folder, 'probe')
    subprocess.run([compiler, '-std=c11', '-O0', '-I', os.path.join(root, 'src'), '-I', os.path.join(root, 'include'),
                    os.path.join(here, 'probe.c'), modules, '-o', probe, '-lvulkan'], check=True)
    return probe


def built(modules, matrix):
    """Whether the build has a module of the matrix tier."""
    with open(modules, encoding='utf-8') as text:
        return '"%s.%s.matrix"' % matrix[:2] in text.read()


def regressions(name, fresh, kept):
    """Why a fresh row is worse than the kept one; small changes of code size and registers are none."""
    if kept is None:
        return ['not in table.json']
    reasons = [key for key in ('spills', 'scratch') if fresh[key] > 0]
    reasons += ['waves'] if fresh['waves'] < kept['waves'] else []
    reasons += ['shared'] if fresh['shared'] > kept['shared'] else []
    for loop in ('scores', 'products'):
        if kept[loop] is not None and (fresh[loop] is None or fresh[loop] < kept[loop] - 0.03):
            reasons.append(loop)
        if '.8x8x8.' in name and (fresh[loop] is None or fresh[loop] < GOAL):
            reasons.append('%s below %.2f' % (loop, GOAL))
    return reasons


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--modules', required=True, help='the generated modules.c')
    parser.add_argument('--cc', default='cc')
    parser.add_argument('--table', default=os.path.join(os.path.dirname(os.path.abspath(__file__)), 'table.json'))
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--check', action='store_true')
    options = parser.parse_args()
    icds = glob.glob('/usr/share/vulkan/icd.d/radeon_icd*.json')
    if not icds:
        print('no RADV here', file=sys.stderr)
        raise SystemExit(77)
    rows, version = {}, ''
    with tempfile.TemporaryDirectory() as folder:
        probe = build_probe(options.modules, options.cc, folder)
        for family in FAMILIES:
            for tile in TILES:
                for dtype in DTYPES:
                    name, row, version = measure(probe, family, tile, dtype, icds[0])
                    rows[name] = row
        for matrix in MATRICES + softmax_matrices():
            if not built(options.modules, matrix):
                continue
            name, row = measure_matrix(probe, matrix, icds[0])
            if row:
                rows[name] = row
            else:
                print('%s: not on this driver' % name)
    print('%s\n%-66s %9s %6s %7s %6s %6s %6s %9s' %
          (version, 'kernel', 'registers', 'spills', 'shared', 'waves', 'code', 'scores', 'products'))
    for name, row in rows.items():
        print('%-66s %9d %6d %7d %6d %6d %6s %9s' % (name, row['registers'], row['spills'], row['shared'], row['waves'],
                                                     row['code'], row['scores'], row['products']))
    if options.write:
        with open(options.table, 'w', encoding='utf-8') as out:
            json.dump({'driver': version, 'rows': rows}, out, indent=1)
            out.write('\n')
    if options.check:
        with open(options.table, encoding='utf-8') as table:
            kept = json.load(table)
        worse = ['%s: %s' % (name, ', '.join(why)) for name, row in rows.items()
                 for why in [regressions(name, row, kept['rows'].get(name))] if why]
        same = version.split('-')[0] == kept['driver'].split('-')[0]
        print('\n'.join(worse) if worse else 'no regression against %s' % kept['driver'])
        if worse and same:
            raise SystemExit(1)
        if worse:
            print('another Mesa version than the table\'s: reported, not gated')


if __name__ == '__main__':
    main()
