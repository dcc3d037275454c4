"""bench/peers: what contenders answer, the statistics, and the driver with contenders that are right, wrong and missing.

The samples are what the real programs printed. No peer is needed. Usage: test_peers.py TREE BUILD
"""
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

TREE, BUILD = map(pathlib.Path, sys.argv[1:3])
SAMPLES = pathlib.Path(__file__).parent / "samples"
sys.path.insert(0, str(TREE / "bench/peers"))
import figures  # noqa: E402
from figures import Fault, Refused  # noqa: E402

CASE = "cpu f32 decode"
SMALL = 3 * 4  # numbers of the request `rows f32 2 1 3 3 4 1 3` less those it does not ask for


def sample(name):
    return (SAMPLES / name).read_text(encoding="utf-8")


class Answers(unittest.TestCase):
    def test_time(self):
        self.assertEqual(figures.parse_time("time 0.250000000 0.125000000 7\n"), (0.25, 0.125, 7))
        for line in ("", "\n", "time\n", "time 1 2\n", "time 0.1 0.2 3\n", "time 0.2 0.1 0\n", "time nan 0.1 3\n",
                     "time 0.2 0 3\n", "time 0.2 0.1 3 4\n", "time x 0.1 3\n", "rows 1 0x1p0\n", "Time 0.2 0.1 3\n"):
            with self.subTest(line), self.assertRaises(Fault):
                figures.parse_time(line)

    def test_rows(self):
        self.assertEqual(figures.parse_rows("rows 77 0x1p-1 -0x1.8p0\n", 2), (77, [0.5, -1.5]))
        for line in ("", "rows\n", "rows 77 0x1p-1\n", "rows 77 0x1p-1 0x1p0 0x1p0\n", "rows 77 a! b!\n", "rows x 0x1p0 0x1p0\n"):
            with self.subTest(line), self.assertRaises(Fault):
                figures.parse_rows(line, 2)

    def test_refusal_and_failure(self):
        with self.assertRaisesRegex(Refused, "^not here$"):
            figures.parse_time("none not here\n")
        with self.assertRaisesRegex(Fault, "out of memory"):
            figures.parse_rows("failed out of memory\n", 1)

    def test_real_contenders(self):
        """Each was asked the same two things, and all of them computed with the same numbers."""
        checksums = set()
        exact = figures.parse_rows(sample("exact.out").splitlines()[1], SMALL)[1]
        for name in ("exact", "fovea", "pytorch", "onednn", "ggml"):
            with self.subTest(name):
                greeting, rows, times = sample(name + ".out").splitlines()
                self.assertTrue(greeting.startswith("ready "))
                checksum, values = figures.parse_rows(rows, SMALL)
                checksums.add(checksum)
                self.assertLess(figures.errors(values, exact)["max_error"], 1e-3)
                if name != "exact":
                    self.assertGreater(figures.parse_time(times)[2], 2)
        self.assertEqual(len(checksums), 1)


class Operations(unittest.TestCase):
    """test-backend-ops perf."""

    def test_samples(self):
        for name, count in (("ops_flash_attn.out", 2), ("ops_mul_mat.out", 3)):
            found = figures.parse_ops(sample(name))
            self.assertEqual(len(found), count)
            for case, (seconds, flops) in found.items():
                with self.subTest(case):
                    self.assertTrue(1e-6 < seconds < 100.0)
                    self.assertTrue(1e6 < flops < 1e13)

        seconds, flops = next(value for case, value in found.items() if "n=512," in case)
        self.assertAlmostEqual(seconds, 6.312787)
        self.assertAlmostEqual(flops, 60.13e9)

    def test_no_figure(self):
        self.assertEqual(figures.parse_ops(sample("ops_none.out")), {})

    def test_rate_that_is_not_its_time(self):
        text = re.sub(r"[0-9.]+ us/run", "9.00 us/run", sample("ops_mul_mat.out"))
        with self.assertRaisesRegex(Fault, "disagree"):
            figures.parse_ops(text)


class Statistics(unittest.TestCase):
    def test_paired_ratio(self):
        self.assertEqual(figures.paired_ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]), (2.0, 1.0, 3.0))
        # A slow round that hits both sides changes nothing.
        self.assertEqual(figures.paired_ratio([2.0, 200.0, 2.0], [1.0, 100.0, 1.0]), (2.0, 2.0, 2.0))

    def test_errors(self):
        found = figures.errors([1.0, 2.0, 3.5, 4.0], [1.0, 2.0, 3.0, 4.0])
        self.assertEqual(found["max_error"], 0.5)
        self.assertEqual(found["rms_error"], 0.25)
        self.assertAlmostEqual(found["relative_error"], 0.25 / math.sqrt(7.5))

    def test_wrong_answers(self):
        exact = [0.01, -0.02, 0.03]
        for values in ([0.0, 0.0, 0.0], [math.nan, -0.02, 0.03], [0.01, math.inf, 0.03], [-0.02, 0.03, 0.01]):
            with self.subTest(values), self.assertRaisesRegex(Fault, "wrong answer"):
                figures.errors(values, exact)

    def test_table(self):
        rows = [{"contender": "fovea cpu", "median_s": 0.002, "gflops": 10.0, "time_ratio": (1.0, 1.0, 1.0), "max_error": 1e-7,
                 "rms_error": 1e-8, "relative_error": 1e-6, "error_ratio": 1.0},
                {"contender": "peer", "median_s": 0.004, "gflops": 5.0, "time_ratio": (2.0, 1.5, 2.5), "best_setting": True},
                {"contender": "other", "none": "not supported"}]
        head, ours, peer, other = figures.table(rows)
        self.assertNotIn("matmul", head)
        self.assertIn("2.00 (1.50 to 2.50)", peer)
        self.assertIn("peer *", peer)
        self.assertRegex(ours, r"2\.00 +10\.0 +1\.00 .*1\.00e-07")
        self.assertRegex(other, r"^  other +none: not supported$")
        self.assertIn("% matmul", figures.table([dict(row, percent_of_matmul=50.0) for row in rows[:2]])[0])


class Driver(unittest.TestCase):
    """The real driver with Fovea's own programs, and stand-ins for a peer."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.programs = pathlib.Path(self.folder.name) / "bench/peers"
        self.programs.mkdir(parents=True)
        for name in ("peers_fovea", "peers_exact"):
            os.symlink(BUILD / "bench/peers" / name, self.programs / name)

    def stand_in(self, text):
        path = self.programs / "peers_onednn"
        path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
        path.chmod(0o755)

    def drive(self, *more):
        report = pathlib.Path(self.folder.name) / "report.json"
        done = subprocess.run(
            [sys.executable, str(TREE / "bench/peers/peers.py"), "--build", self.folder.name, "--peers", "oneDNN", "--devices",
             "cpu", "--rounds", "2", "--seconds", "0.01", "--threads", "1", "--cases", CASE, "--json", str(report), *more],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False)
        return done, json.loads(report.read_text(encoding="utf-8")) if report.exists() else None

    def test_fovea_alone(self):
        done, report = self.drive()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^no oneDNN: ")
        self.assertEqual(len(report["missing"]), 1)
        row, = report["rows"]
        self.assertEqual(row["contender"], "fovea cpu")
        self.assertEqual(row["time_ratio"], [1.0, 1.0, 1.0])
        self.assertEqual(len(row["rounds"]), 2)
        self.assertTrue(0.0 < row["max_error"] < 1e-6 and row["relative_error"] < 1e-5)

    def test_absent_device(self):
        done, report = self.drive("--devices", "cpu,cpu:99")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, "(?m)^Fovea has no device cpu:99 here$")
        self.assertEqual([row["contender"] for row in report["rows"]], ["fovea cpu"])

    def test_refusal(self):
        self.stand_in("echo ready stand-in; while read -r line; do echo none not like this; done\n")
        done, report = self.drive()
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^  oneDNN +none: not like this$")
        self.assertEqual(len(report["rows"]), 2)

    def expect_fault(self, text, says):
        self.stand_in(text)
        done, report = self.drive()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "(?m)^peers.py: oneDNN: .*" + says)
        self.assertEqual([row["contender"] for row in report["rows"]], ["fovea cpu"])
        self.assertIn("fovea cpu", done.stdout)

    def test_unparsable_answer(self):
        self.expect_fault("echo ready stand-in; while read -r line; do echo about a second; done\n", "answered 'about a second")

    def test_end_without_an_answer(self):
        self.expect_fault("echo ready stand-in; read -r line; echo out of luck >&2\n", "ended without an answer: out of luck")

    def test_no_start(self):
        self.expect_fault("echo no such library >&2; exit 127\n", "does not start: no such library")

    def test_wrong_numbers(self):
        """Fovea's own answers, but zeros for every number."""
        self.expect_fault(f"{self.programs}/peers_fovea cpu 1 | sed -u '/^rows/s/ -*0x[^ ]*/ 0x0p+0/g'\n", "wrong answer")

    def test_other_inputs(self):
        self.expect_fault(f"{self.programs}/peers_fovea cpu 1 | sed -u 's/^rows [0-9]*/rows 1/'\n", "other numbers")

    def test_no_such_case(self):
        done, report = self.drive("--cases", "nosuch")
        self.assertEqual((done.returncode, report), (2, None))
        self.assertIn("cpu f32 prefill", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
