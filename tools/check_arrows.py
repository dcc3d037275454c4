#!/usr/bin/env python3
"""Checks who may include whom: the arrows of the architecture.

include <- src; backends see src/backend.h and src/util alone; src names a backend in registry.c alone; tests, bench,
examples and tools see the public headers alone (unit tests may look into src/). Usage: check_arrows.py ROOT
"""
import pathlib
import re
import sys

TIERS = {'base': 0, 'version': 0, 'tensor': 1, 'device': 1, 'buffer': 1, 'op': 2, 'softmax': 3, 'neighborhood': 3,
         'linear': 3, 'sparse': 3, 'select': 3, 'merge': 3, 'program': 3, 'vulkan': 4, 'opencl': 4, 'fovea': 5}
FOLDERS = ['include', 'src', 'shaders', 'backends', 'tests', 'examples', 'bench', 'tools']
VENDOR = re.compile(r'^(vulkan|vk_video|CL|OpenCL|d3d12|Metal)/')
# Unit tests that look inside, and the register gate, which feeds the modules' SPIR-V to a driver without a device.
WHITE_BOX = ['tools/radv/', 'tests/test_modules.c', 'tests/test_entries.c', 'tests/test_merge_order.c', 'tests/backend/',
             'tests/emu/', 'tests/fault/', 'tests/opencl/']
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.M)
BACKEND_NAME = re.compile(r'\b(fv_backend_(?:cpu|vulkan|opencl|emulator)|FV_WITH_[A-Z]+)\b')


def resolve(root, path, kind, name):
    """The file that an include means, relative to the root; a system header as it is written."""
    places = [root / 'include', root / 'src', root / 'shaders']
    if kind == '"':
        places.insert(0, path.parent)
    for place in places:
        target = place / name
        if target.is_file():
            return target.resolve().relative_to(root).as_posix()
    return name


def tier_of(file):
    return TIERS.get(pathlib.PurePosixPath(file).stem)


def check_public(file, target):
    if not target.startswith('include/'):
        return 'a public header includes public and system headers alone'
    mine, other = tier_of(file), tier_of(target)
    if mine is None or other is None:
        return 'a public header has no tier: add it to TIERS'
    if other > mine or (other == mine and list(TIERS).index(pathlib.PurePosixPath(target).stem)
                        > list(TIERS).index(pathlib.PurePosixPath(file).stem)):
        return f'tier {mine} includes tier {other}'
    return None


def allowed(folder, file):
    """Prefixes of the tree that a file may include, besides its own folder."""
    backend = '/'.join(file.split('/')[:2]) + '/'
    if any(file == place or file.startswith(place) for place in WHITE_BOX):
        return ['include/', 'src/', 'shaders/', 'backends/', 'tests/']
    return {'src': ['include/', 'src/', 'shaders/abi/'],
            'shaders': ['shaders/'],
            'backends': ['include/', 'src/backend.h', 'src/util/', 'shaders/abi/', 'shaders/preludes/', backend]
            }.get(folder, ['include/', folder + '/'])


def check_include(file, target):
    folder = file.split('/')[0]
    if VENDOR.match(target):
        vendor_places = ('include/fovea/vulkan.h', 'include/fovea/opencl.h', 'backends/vulkan/', 'backends/opencl/')
        white = any(file.startswith(place) for place in WHITE_BOX)
        return None if file.startswith(vendor_places) or white else 'vendor types stay in tier 4 and in their backend'
    if '/' not in target and not target.startswith(tuple(FOLDERS)):
        return None  # a system header, or one that the build generates
    if target.split('/')[0] not in FOLDERS:
        return None
    if folder == 'include':
        return check_public(file, target)
    if not target.startswith(tuple(allowed(folder, file))):
        return f'{folder}/ may not see it'
    return None


def check_file(root, path):
    file = path.relative_to(root).as_posix()
    text = path.read_text(encoding='utf-8')
    for match in INCLUDE.finditer(text):
        target = resolve(root, path, match.group(1), match.group(2))
        fault = check_include(file, target)
        if fault:
            yield f'{file}: includes {target}: {fault}'
    if file.startswith('src/') and file != 'src/registry.c':
        for match in BACKEND_NAME.finditer(text):
            yield f'{file}: names {match.group(1)}: only src/registry.c names a backend'


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    faults, files = [], 0
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob('*')):
            if path.suffix in ('.c', '.h', '.comp', '.glsl', '.in') and path.is_file():
                files += 1
                faults += check_file(root, path)
    print('\n'.join(faults + [f'{files} files, {len(faults)} faults']))
    return 1 if faults or not files else 0


if __name__ == '__main__':
    sys.exit(main())
