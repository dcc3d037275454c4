"""What the tests of the command line and of the examples share. The programs' paths come from the environment."""
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy
except ImportError:  # the tests that need it skip
    numpy = None

SKIP = 77
DONE, FAILED, USAGE, UNSUPPORTED, NO_DEVICE = 0, 1, 2, 3, 77


def program(name):
    """The path of a program that the build made; a build without it skips the whole test."""
    path = os.environ.get("FOVEA_" + name.upper())
    if not path:
        print(f"skipped: FOVEA_{name.upper()} is not set")
        sys.exit(SKIP)
    return path


def main(needs_numpy=True):
    if needs_numpy and numpy is None:
        print("skipped: this python3 has no numpy")
        sys.exit(SKIP)
    unittest.main(verbosity=1)


class ProgramTest(unittest.TestCase):
    """Runs a program in a fresh directory. Every failure must be said, by its name, and end in no signal."""

    name = "cli"
    prefix = "fovea: "

    def setUp(self):
        self.path = program(self.name)
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name

    def run_program(self, *arguments, **options):
        return subprocess.run([self.path, *map(str, arguments)], cwd=self.directory, capture_output=True, text=True,
                              timeout=600, **options)

    def expect(self, code, *arguments, says=()):
        """Runs and checks the exit code and that every text of `says` is in what it printed."""
        result = self.run_program(*arguments)
        what = f"{arguments}: exit {result.returncode}\n{result.stdout}\n{result.stderr}"
        self.assertEqual(result.returncode, code, what)
        if code != DONE:
            self.assertTrue(result.stderr, what)
            for line in result.stderr.splitlines():
                if not line.startswith("Usage"):
                    self.assertTrue(line.startswith(self.prefix), what)
        for text in says:
            self.assertIn(text, result.stdout if code == DONE else result.stderr, what)
        return result

    def run_on_full_disk(self, *arguments):
        """Runs where a file can grow to 1 KiB, no further."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
        # Python ignores SIGXFSZ; so does the program then, and its write fails as on a full disk.
        return self.run_program(*arguments, preexec_fn=limit, restore_signals=False)

    def file(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, content):
        with open(self.file(name), "wb" if isinstance(content, bytes) else "w") as file:
            file.write(content)
        return name

    def assert_only(self, *names):
        """The directory holds these files and no others."""
        self.assertEqual(sorted(os.listdir(self.directory)), sorted(names))


def struct_fields(header, struct):
    """Names and types of a struct's members, of a public header's text."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (struct, struct), text, re.S).group(1)
    fields = []
    for kind, names in re.findall(r"([a-z_0-9]+) ([a-z_0-9, \[\]A-Z]+);", body):
        fields += [(re.sub(r"\[.*", "", name.strip()), kind) for name in names.split(",")]
    return [field for field in fields if field[0] != "reserved"]


def read_header(name):
    with open(os.path.join(os.environ["FOVEA_INCLUDE"], "fovea", name)) as file:
        return file.read()


def to_bf16(array):
    """float32 to the upper half, rounded to nearest even, as uint16."""
    bits = numpy.ascontiguousarray(array, "<f4").view("<u4").astype("u8")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def from_bf16(array):
    return (array.astype("<u4") << 16).view("<f4")


def reference(q, k, v, scale=None, causal=None, weights="f32"):
    """Softmax attention in double precision; also the bound of float32 arithmetic, per element of o and of lse.
    `causal` is None, "bottom" or "top"; `weights` is what a kernel rounds them to before they meet values."""
    q, k, v = (x.astype("f8") for x in (q, k, v))
    heads, dim = q.shape[1], q.shape[3]
    k = numpy.repeat(k, heads // k.shape[1], axis=1)
    v = numpy.repeat(v, heads // v.shape[1], axis=1)
    scale = 1 / math.sqrt(dim) if scale is None else scale
    s = numpy.einsum("bhid,bhjd->bhij", q, k) * scale
    sizes = numpy.einsum("bhid,bhjd->bhij", abs(q), abs(k)) * abs(scale)
    count_q, count_k = s.shape[2:]
    if causal:
        first = count_k - count_q if causal == "bottom" else 0
        visible = numpy.arange(count_k)[None] <= numpy.arange(count_q)[:, None] + first
        s = numpy.where(visible, s, -numpy.inf)
    m = numpy.maximum(s.max(-1, initial=-numpy.inf, keepdims=True), -1e300)
    p = numpy.exp(s - m)
    total = p.sum(-1, keepdims=True)
    p = p / numpy.maximum(total, 1e-300)
    with numpy.errstate(divide="ignore"):
        lse = (m + numpy.log(total))[..., 0]
    e = sizes.max(-1, initial=0) * (dim + 3) * 2.0**-24
    distance = numpy.where(numpy.isfinite(s), m - s, 0)
    u_exp = (p * (3 + 2 * distance)).sum(-1) * 2.0**-23
    rounded = {"f32": 0, "f16": 2.0**-11, "bf16": 2.0**-8}[weights]
    relative = (numpy.exp(2 * e) - 1 + count_k * 2.0**-24 + u_exp) * (1 + rounded) + rounded
    o_bound = relative[..., None] * numpy.einsum("bhij,bhjd->bhid", p, abs(v))
    lse_bound = e + u_exp + count_k * 2.0**-24 + 2.0**-23 * numpy.where(numpy.isfinite(lse), abs(lse), 0)
    return numpy.einsum("bhij,bhjd->bhid", p, v), lse, o_bound, lse_bound


STORE_ERROR = {"f32": (2.0**-24, 0), "f16": (2.0**-10, 2.0**-14), "bf16": (2.0**-8, 0)}  # relative, absolute


def worst(actual, expected, bound, dtype="f32"):
    """The largest error as a share of its bound; NaN and a wrong infinity are infinite."""
    relative, absolute = STORE_ERROR[dtype]
    allowed = bound + relative * numpy.where(numpy.isfinite(expected), abs(expected), 0) + absolute + 1e-30
    with numpy.errstate(invalid="ignore"):
        share = abs(actual.astype("f8") - expected) / allowed
    share = numpy.where(actual == expected, 0, share)
    return numpy.where(numpy.isnan(share), numpy.inf, share).max(initial=0)


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]
