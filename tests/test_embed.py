#!/usr/bin/env python3
"""Modules of the matrix tier in a build: left out by what the tools lack, or taken from a folder that must match the texts.
The tools are stand-ins: a compiler that knows the extensions that it is told, a validator that refuses what it is told.

test_embed.py EMBEDDER SHADERS
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

EMBEDDER, SHADERS = sys.argv[1:3]
sys.path.insert(0, os.path.dirname(EMBEDDER))
import embed_shaders  # noqa: E402  (after its folder is known)

TABLE = 'measure_matrix matrix 16x16x16.f16 8x8x16.bf16\n'
COMPILER = '''#!{python}
import sys
text = open(sys.argv[-1]).read()
for name in {unknown!r}:
    if name in text:
        print("ERROR: x.comp:2: '#extension' : extension not supported: " + name)
        sys.exit(2)
if {broken!r} and {broken!r} in sys.argv[-1]:
    print('ERROR: x.comp:99: syntax error')
    sys.exit(2)
with open(sys.argv[sys.argv.index('-o') + 1], 'wb') as out:
    out.write(b'\\x03\\x02\\x23\\x07' + b'\\1\\0\\0\\0' * 4)
'''
VALIDATOR = '''#!{python}
import sys
sys.exit({refused!r} in sys.argv[-1])
'''


class Embed(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.shaders = os.path.join(self.folder, 'shaders')
        shutil.copytree(SHADERS, self.shaders)
        with open(os.path.join(self.shaders, 'modules.txt'), 'w') as table:
            table.write(TABLE)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def script(self, name, text, **values):
        with open(self.path(name), 'w') as out:
            out.write(text.format(python=sys.executable, **values))
        os.chmod(self.path(name), 0o755)
        return self.path(name)

    def compiler(self, unknown=(), broken=''):
        return ['--glslang', self.script('glslang', COMPILER, unknown=tuple(unknown), broken=broken)]

    def validator(self, refused='nothing'):
        return ['--spirv-val', self.script('spirv-val', VALIDATOR, refused=refused)]

    def embed(self, *arguments, code=0, says=''):
        done = subprocess.run([sys.executable, EMBEDDER, *arguments, '--shaders', self.shaders], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, code, done.stdout)
        self.assertIn(says, done.stdout)
        return done.stdout.strip()

    def generate(self, *arguments, **wanted):
        self.embed('generate', '--out', self.path('m.c'), '--depfile', self.path('m.d'), *arguments, **wanted)
        if wanted.get('code'):
            return ''
        with open(self.path('m.c')) as text:
            return text.read()

    def made(self):
        """The folder of those made elsewhere, fresh."""
        self.embed('spirv', self.path('made'), *self.compiler(), *self.validator())
        return ['--matrix-spirv', self.path('made')]

    # ---- what the tools know -----------------------------------------------------------------------------------

    def test_all_known(self):
        tools = self.compiler() + self.validator()
        self.assertEqual(self.embed('capabilities', *tools), 'f16, bf16, f16.nv2')
        text = self.generate(*tools)
        self.assertIn('{"measure_matrix.16x16x16.f16.matrix", "measure_matrix", FOVEA_TIER_MATRIX, 16u, 16u, 16u, FOVEA_F16,',
                      text)
        self.assertIn('{"measure_matrix.8x8x16.bf16.matrix", "measure_matrix", FOVEA_TIER_MATRIX, 8u, 8u, 16u, FOVEA_BF16,',
                      text)

    def test_one_type_unknown(self):
        tools = self.compiler(['GL_EXT_bfloat16']) + self.validator()
        self.assertEqual(self.embed('capabilities', *tools), 'f16, f16.nv2; no bf16: glslang too old, no GL_EXT_bfloat16')
        text = self.generate(*tools)
        self.assertIn('.f16.matrix', text)
        self.assertNotIn('bf16', text)

    def test_none_known(self):
        with open(os.path.join(self.shaders, 'modules.txt'), 'a') as table:
            table.write('measure_copy portable -\n')
        tools = self.compiler(['GL_KHR_cooperative_matrix']) + self.validator()
        self.assertEqual(self.embed('capabilities', *tools), 'none: glslang too old, no GL_KHR_cooperative_matrix')
        text = self.generate(*tools)
        self.assertNotIn('.matrix"', text)
        self.assertIn('"measure_copy.portable"', text)

    def test_a_mistake_is_no_lack(self):
        self.generate(*self.compiler(broken='measure_matrix.8x8x16'), code=1, says='measure_matrix.8x8x16.bf16.matrix')

    def test_validation(self):
        self.assertIn('not validated: no spirv-val', self.embed('capabilities', *self.compiler()))
        old = self.compiler() + self.validator('probe_matrix')
        self.assertIn('not validated: spirv-val too old', self.embed('capabilities', *old))
        self.generate(*old)
        self.generate(*self.compiler(), *self.validator('measure_matrix'), code=1, says='measure_matrix')

    # ---- made elsewhere ----------------------------------------------------------------------------------------

    def test_made_elsewhere(self):
        made = self.made()
        tools = self.compiler(['GL_KHR_cooperative_matrix']) + made
        self.assertEqual(self.embed('capabilities', *tools, *self.validator()), 'f16, bf16, f16.nv2; as -Dmatrix_spirv has them')
        text = self.generate(*tools)
        self.assertIn('"measure_matrix.8x8x16.bf16.matrix"', text)
        with open(self.path('m.d')) as depfile:
            self.assertIn('measure_matrix.8x8x16.bf16.matrix.spv', depfile.read())

    def test_stale_text_is_refused(self):
        made = self.made()
        with open(os.path.join(self.shaders, 'measure_matrix.comp'), 'a') as text:
            text.write('float another(float x) { return x; }\n')
        self.generate(*self.compiler(), *made, code=1, says='was made from another text')

    def test_stale_prelude_is_refused_at_once(self):
        made = self.made()
        with open(os.path.join(self.shaders, 'preludes', 'matrix.glsl'), 'a') as text:
            text.write('#define ANOTHER 1\n')
        self.embed('capabilities', *self.compiler(), *self.validator(), *made, code=1, says='matrix_spirv.sh')

    def test_comments_are_no_text(self):
        made = self.made()
        with open(os.path.join(self.shaders, 'measure_matrix.comp'), 'a') as text:
            text.write('/* a remark */\n')
        self.generate(*self.compiler(), *made)

    def test_missing_files(self):
        for end in ('.spv', '.sha256'):
            made = self.made()
            os.remove(self.path('made', 'measure_matrix.16x16x16.f16.matrix' + end))
            self.generate(*self.compiler(), *made, code=1, says='matrix_spirv.sh')

    def test_it_is_made_whole_or_not(self):
        self.embed('spirv', self.path('made'), *self.compiler(['GL_EXT_bfloat16']), *self.validator(), code=1,
                   says='no bf16')
        self.embed('spirv', self.path('made'), *self.compiler(), *self.validator('probe_matrix'), code=1,
                   says='not validated')

    # ---- the table ---------------------------------------------------------------------------------------------

    def test_shapes_and_types(self):
        for row in ('measure_matrix matrix 16x16x16', 'measure_copy portable 4x4x4.f16', 'measure_matrix matrix 8x8x8.f32'):
            with open(os.path.join(self.shaders, 'modules.txt'), 'w') as table:
                table.write(row + '\n')
            self.embed('list', code=1, says='of a kind')

    def test_extensions_come_first(self):
        module = embed_shaders.Module('measure_matrix', 'matrix', '16x8x16.bf16')
        lines = embed_shaders.glsl(module, self.shaders, []).split('\n')
        self.assertTrue(lines[0].startswith('#version'))
        self.assertTrue(lines[1].startswith('#extension GL_KHR_cooperative_matrix'))
        for line in ('#define MATRIX_M 16', '#define MATRIX_N 8', '#define MATRIX_K 16', '#define MATRIX_TYPE bfloat16_t',
                     '#define TIER_MATRIX', '#define TIER_SUBGROUP'):
            self.assertIn(line, lines)
        self.assertEqual(embed_shaders.Module('softmax_direct', 'matrix', '8x8x8.f16').text, 'softmax_direct_matrix.comp')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
