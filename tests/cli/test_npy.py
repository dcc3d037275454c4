"""Files that are no .npy array, or almost: each is refused with its name and a reason, whatever its bytes."""
import io
import os
import random
import struct
import unittest

import common
from common import DONE, USAGE, numpy

common.need("cli")

GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 3, 2), }"
DATA = bytes(range(24))


def npy(header=GOOD, data=DATA, version=(1, 0), length=None, magic=b"\x93NUMPY"):
    text = header if isinstance(header, bytes) else header.encode("latin1")
    text += b"\n"
    size = len(text) if length is None else length
    return magic + bytes(version) + struct.pack("<H" if version[0] == 1 else "<I", size) + text + data


def header(descr="'<f4'", order="False", shape="(1, 1, 3, 2)", end=", }"):
    return "{'descr': %s, 'fortran_order': %s, 'shape': %s%s" % (descr, order, shape, end)


BROKEN = {
    "nothing": (b"", "magic"),
    "one byte": (b"\x93", "magic"),
    "other magic": (npy(magic=b"\x93NUMPX"), "magic"),
    "text": (b"1.0 2.0 3.0\n", "magic"),
    "zip": (b"PK\x03\x04" + bytes(100), "magic"),
    "magic alone": (b"\x93NUMPY", "truncated"),
    "no length": (b"\x93NUMPY\x01\x00\x10", "truncated"),
    "half a length": (b"\x93NUMPY\x02\x00\x10\x00", "truncated"),
    "version 0": (npy(version=(0, 0)), "version 0.0"),
    "version 4": (npy(version=(4, 0)), "version 4.0"),
    "version 1.1": (npy(version=(1, 1)), "version 1.1"),
    "header beyond the file": (npy(length=65535), "truncated header"),
    "huge header": (npy(version=(2, 0), length=0xFFFFFFFF), "truncated header"),
    "empty header": (npy(length=0), "malformed header"),
    "header cut": (npy(header()[:-20], b""), "malformed header"),
    "fortran": (npy(header(order="True")), "Fortran"),
    "order is a number": (npy(header(order="0")), "fortran_order"),
    "big-endian float": (npy(header("'>f4'")), "big-endian"),
    "big-endian half": (npy(header("'>f2'")), "big-endian"),
    "double": (npy(header("'<f8'"), DATA * 2), "<f8"),
    "signed": (npy(header("'<i2'"), DATA[:12]), "<i2"),
    "bytes": (npy(header("'|u1'"), DATA[:6]), "|u1"),
    "structured": (npy(header("[('a', '<f4')]")), "structured"),
    "objects": (npy(header("'|O'")), "|O"),
    "descr is a word": (npy(header("f4")), "no string"),
    "data cut": (npy(data=DATA[:-1]), "truncated"),
    "no data": (npy(data=b""), "truncated"),
    "data after": (npy(data=DATA + b"\0"), "follow the data"),
    "shape too large": (npy(header(shape="(1, 1, 3, 1073741824)")), "truncated"),
    "product overflows": (npy(header(shape="(4294967296, 4294967296, 4294967296, 2)")), "overflows"),
    "bytes overflow": (npy(header(shape="(1, 1, 4611686018427387904, 1)")), "overflows"),
    "extent overflows": (npy(header(shape="(1, 1, 3, 18446744073709551616)")), "overflows"),
    "negative extent": (npy(header(shape="(1, 1, -3, 2)")), "shape"),
    "fraction": (npy(header(shape="(1, 1, 3.0, 2)")), "shape"),
    "shape is a list": (npy(header(shape="[1, 1, 3, 2]")), "shape"),
    "shape is a number": (npy(header(shape="6")), "shape"),
    "shape not closed": (npy(header(shape="(1, 1, 3, 2", end="")), "shape"),
    "no comma": (npy(header(shape="(1 1 3 2)")), "shape"),
    "33 dims": (npy(header(shape="(" + "1, " * 33 + ")"), DATA[:4]), "32 dims"),
    "no dims": (npy(header(shape="()"), DATA[:4]), "0-D"),
    "no shape": (npy("{'descr': '<f4', 'fortran_order': False}"), "'shape' is missing"),
    "no descr": (npy("{'fortran_order': False, 'shape': (1, 1, 3, 2)}"), "'descr' is missing"),
    "no order": (npy("{'descr': '<f4', 'shape': (1, 1, 3, 2)}"), "'fortran_order' is missing"),
    "key twice": (npy(header(end=", 'descr': '<f4'}")), "twice"),
    "another key": (npy(header(end=", 'extra': 1}")), "extra"),
    "no dict": (npy("(1, 1, 3, 2)"), "dict"),
    "text after": (npy(GOOD + " x"), "after the dict"),
    "escape": (npy(header(r"'\x3cf4'")), "no string"),
    "NUL": (npy(GOOD.encode().replace(b" ", b"\0")), "malformed header"),
    "no ASCII": (npy(header("'\xb7\xff'")), "no string"),
    "control": (npy(header("'\x1b[2J'")), "no string"),
    "long string": (npy(header("'" + "f" * 5000 + "'")), "no string"),
}

FINE = {
    "no blank": npy(GOOD.replace(" ", "")),
    "other order of keys": npy("{'shape': (1, 1, 3, 2), 'fortran_order': False, 'descr': '<f4'}"),
    "double quotes": npy(GOOD.replace("'", '"')),
    "python 2": npy(header(shape="(1L, 1L, 3L, 2L)")),
    "version 2": npy(version=(2, 0)),
    "version 3": npy(version=(3, 0)),
    "padded": npy(GOOD + " " * 60000),
}


class Files(common.ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("good.npy", npy())

    def attempt(self, code, content, says=()):
        self.write("x.npy", content)
        self.expect(code, "run", "softmax", "--q", "good.npy", "--k", "x.npy", "--v", "good.npy", "--out", "o.npy",
                    says=says)
        self.assert_only("good.npy", "x.npy", *(["o.npy"] if code == DONE else []))
        if code == DONE:
            os.remove(self.file("o.npy"))

    def test_broken(self):
        for name, (content, reason) in BROKEN.items():
            with self.subTest(name):
                self.attempt(USAGE, content, ["--k x.npy", reason])

    def test_fine(self):
        for name, content in FINE.items():
            with self.subTest(name):
                self.attempt(DONE, content)

    def test_numpys_own_files(self):
        for array in (numpy.zeros((1, 1, 3, 2), "<f4"), numpy.zeros((1, 1, 3, 2), "<f2")):
            file = io.BytesIO()
            numpy.save(file, array)
            self.attempt(DONE, file.getvalue())
        for array in (numpy.asfortranarray(numpy.zeros((2, 2, 3, 2), "<f4")), numpy.zeros((1, 1, 3, 2), ">f4"),
                      numpy.zeros((1, 1, 3, 2), "<f8"), numpy.zeros((1, 1, 3, 2), "<i4")):
            file = io.BytesIO()
            numpy.save(file, array)
            self.attempt(USAGE, file.getvalue(), ["x.npy"])

    def test_one_byte_changed(self):
        """Any single byte may be wrong: done or refused, never another end."""
        source = random.Random(5)
        content = npy()
        for _ in range(60):
            at, value = source.randrange(len(content) - len(DATA)), source.randrange(256)
            self.write("x.npy", content[:at] + bytes([value]) + content[at + 1:])
            result = self.run_program("run", "softmax", "--q", "good.npy", "--k", "x.npy", "--v", "good.npy", "--out",
                                      "o.npy")
            self.assertIn(result.returncode, (DONE, USAGE), (at, value, result.stderr))

    def test_pipe(self):
        """A pipe has no size to ask for."""
        shell = 'cat good.npy | "$0" run softmax --q good.npy --k /dev/stdin --v good.npy --out o.npy'
        result = common.subprocess.run(["sh", "-c", shell, self.path], cwd=self.directory, capture_output=True,
                                       text=True, timeout=60)
        self.assertEqual((result.returncode, result.stderr), (DONE, ""))


if __name__ == "__main__":
    unittest.main(verbosity=1)
