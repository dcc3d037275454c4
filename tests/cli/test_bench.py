"""`fovea bench`: its figures agree with each other, its file with Google Benchmark's own tool, and it says what it leaves
out. The argument `full` runs it on every device of the machine."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import common
from common import DONE, FAILED, NO_DEVICE, USAGE

common.need("cli", needs_numpy=False)

FULL = "full" in sys.argv
COMPARE = "/usr/share/benchmark/compare.py"
RATES = ("fma_f32", "fma_f16", "fma_bf16", "exp2", "shared", "copy", "dispatch_s", "barrier_s", "submit_s")
MATRIX_RATES = {"matrix_f16", "matrix_bf16"}  # where there is a matrix unit


class BenchTest(common.ProgramTest):
    def bench(self, *arguments, code=DONE, says=()):
        return self.expect(code, "bench", *arguments, says=says)

    def load(self, name="out.json"):
        with open(self.file(name)) as file:
            return json.load(file)

    def check_row(self, row, context):
        device = next(d for d in context["devices"] if d["id"] == row["device"])
        rates, dtype = device["rates"], row["dtype"]
        self.assertEqual(row["name"], f"softmax/{row['case']}/{row['device']}")
        self.assertEqual((row["name"], row["run_type"], row["time_unit"]), (row["run_name"], "iteration", "us"))
        self.assertEqual((row["repetitions"], row["repetition_index"], row["threads"]), (1, 0, 1))
        self.assertGreaterEqual(row["iterations"], 5)
        self.assertLessEqual(row["wall_min"], row["wall_p10"])
        self.assertLessEqual(row["wall_p10"], row["real_time"])
        self.assertLessEqual(row["real_time"], row["wall_p90"])
        pairs = row["batch"] * row["heads_q"] * row["seq_q"] * row["seq_k"]
        if row["mask"] == "causal" and row["seq_q"] == row["seq_k"]:
            pairs = row["batch"] * row["heads_q"] * row["seq_q"] * (row["seq_q"] + 1) // 2
        self.assertEqual(row["exponentials"], pairs)
        self.assertEqual(row["flops"], 2 * pairs * (row["dim_qk"] + row["dim_v"]))
        clock = row.get("device_time", row["real_time"])
        self.assertAlmostEqual(row["flops_per_second"] / (row["flops"] / clock * 1e6), 1, places=6)
        unit = "matrix" if row["kernel_tier"] == "matrix" and dtype != "f32" else "fma"
        peak = rates[f"{unit}_{dtype}"]
        self.assertAlmostEqual(row["percent_of_peak"] / (100 * row["flops_per_second"] / peak), 1, places=6)
        roofs = {"matrix" if row["kernel_tier"] == "matrix" else "fma": row["flops"] / peak, "exp2": row["exponentials"] / rates["exp2"],
                 "copy": row["bytes"] / rates["copy"]}
        self.assertLessEqual(row["attainable_flops_per_second"], row["flops"] / max(roofs.values()) * 1.000001)
        self.assertIn(row["bound"], (*roofs, "shared"))
        self.assertLessEqual(row["of_bound"], 1)
        self.assertGreater(row["rows_checked"], 0)
        self.assertRegex(row["tile"], r"^\d+x\d+$")
        self.assertRegex(row["kernel"], r"^softmax_(direct|state)\b")


class Quick(BenchTest):
    device = "cpu"

    def test_measures(self):
        result = self.bench("--device", self.device, "--seconds", "0.05", "--json", "out.json", "--html", "out.html")
        data = self.load()
        context = data["context"]
        self.assertEqual([d["id"] for d in context["devices"]], [self.device])
        self.assertEqual(set(context["devices"][0]["rates"]) - MATRIX_RATES, set(RATES))
        self.assertFalse(context["interrupted"])
        self.assertGreater(len(data["benchmarks"]) + len(context["failures"]), 3)
        for row in data["benchmarks"]:
            self.check_row(row, context)
            self.assertIn(row["name"], result.stdout)
        for failure in context["failures"]:
            self.assertIn("left out", failure["message"])
        with open(self.file("out.html")) as page:
            self.assertIn(json.dumps(data["benchmarks"][0]["name"]), page.read())
        self.assert_only("out.json", "out.html")

    def test_compare_tool(self):
        if not os.path.exists(COMPARE):
            self.assertFalse(common.required("benchmark"), "FOVEA_TEST_REQUIRE names it")
            self.skipTest("no compare.py of Google Benchmark")
        for name in ("a.json", "b.json"):
            self.bench("--device", "cpu", "--filter", "decode", "--seconds", "0.05", "--json", name)
        result = subprocess.run([sys.executable, COMPARE, "benchmarks", "a.json", "b.json"], cwd=self.directory,
                                capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        for row in self.load("a.json")["benchmarks"]:
            self.assertIn(row["name"], result.stdout)

    def test_baseline(self):
        arguments = ["--device", "cpu", "--filter", "decode_d128_f16/", "--seconds", "0.05"]
        self.bench(*arguments, "--json", "old.json")
        result = self.bench(*arguments, "--baseline", "old.json")
        line = [text for text in result.stdout.splitlines() if text.startswith("softmax/decode")][-1].split()
        self.assertEqual(len(line), 4)
        self.assertAlmostEqual(float(line[3]), float(line[2]) / float(line[1]), places=1)
        self.write("slow.json", json.dumps({"benchmarks": [{"name": "softmax/decode_d128_f16/cpu", "time_unit": "us",
                                                            "real_time": 123456789.0}]}))
        self.bench(*arguments, "--json", "slow.json", "--baseline", "slow.json", says=["123456789.0"])  # read before
        self.write("hostile.json", '{"benchmarks": [{"name": "softmax/decode_d128_f16/cpu", "time_unit": 5}, 7, null]}')
        self.bench(*arguments, "--baseline", "hostile.json", says=["before_us"])
        self.bench(*arguments, "--json", "x", "--html", "./x", code=USAGE, says=["--html"])
        self.write("bad.json", "{")
        self.write("other.json", "{}")
        for name in ("bad.json", "other.json", "nosuch.json"):
            self.bench(*arguments, "--baseline", name, code=USAGE, says=["--baseline", name])

    def test_stdout(self):
        """What is written to standard output is alone there, and the table beside it."""
        arguments = ["bench", "--device", "cpu", "--filter", "decode_d128_f16/", "--seconds", "0.05"]
        self.bench(*arguments[1:], "--json", "old.json")

        def run(*options, file=None):
            return self.run_program(*arguments, *options) if file is None else subprocess.run(
                [self.path, *arguments, *options], cwd=self.directory, stdout=file, stderr=subprocess.PIPE, text=True,
                timeout=600)
        name = "softmax/decode_d128_f16/cpu"
        result = run("--json", "/dev/stdout", "--baseline", "old.json")
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertEqual(json.loads(result.stdout)["benchmarks"][0]["name"], name)
        self.assertIn("before_us", result.stderr)
        self.assertIn("median_us", result.stderr)
        result = run("--html", "/dev/stdout", "--json", "out.json")
        self.assertTrue(result.stdout.startswith("<!doctype html>") and result.stdout.endswith("</html>\n"))
        self.assertIn(name, result.stderr)
        self.assertEqual(self.load()["benchmarks"][0]["name"], name)
        for path in ("/dev/stdout", "same.json", "./same.json"):
            with open(self.file("same.json"), "w") as file:
                result = run("--json", path, file=file)
            self.assertIn(name, result.stderr, path)
            self.assertEqual(self.load("same.json")["benchmarks"][0]["name"], name)
        result = run("--json", "/dev/stderr")
        self.assertIn("median_us", result.stdout)
        json.loads(result.stderr)
        self.bench(*arguments[1:], "--json", "/dev/stdout", "--html", "/dev/fd/1", code=USAGE, says=["--html"])
        self.assert_only("old.json", "out.json", "same.json")

    def test_tune(self):
        os.environ["XDG_CACHE_HOME"] = self.file("cache")
        self.addCleanup(os.environ.pop, "XDG_CACHE_HOME")
        result = self.bench("--device", "cpu", "--tune", "--seconds", "0.02", "--filter", "decode_d128_f16",
                            says=["the planner's", "kept"])
        kept = [line.split() for line in result.stdout.splitlines() if "kept" in line]
        self.assertEqual(len(kept), 1)  # one kind of case, whatever its length
        entries = os.listdir(self.file("cache/fovea/entries"))
        self.assertEqual([name.split("-")[0] for name in entries], ["tuning"])
        again = self.bench("--device", "cpu", "--tune", "--seconds", "0.02", "--filter", "decode_d128_f16/").stdout
        chosen = [line.split() for line in again.splitlines() if "the planner's" in line]
        self.assertEqual(chosen[0][2], kept[0][2])
        for option in (["--no-cache"], ["--json", "x.json"], ["--html", "x.html"], ["--baseline", "x.json"]):
            self.bench("--tune", *option, code=USAGE, says=["--tune"])

    def test_list_and_filter(self):
        quick = self.bench("--device", "cpu", "--list").stdout.split()
        standard = self.bench("--device", "cpu", "--suite", "standard", "--list").stdout.split()
        full = self.bench("--device", "cpu", "--suite", "full", "--list").stdout.split()
        self.assertTrue(set(quick) < set(standard) < set(full))
        self.assertEqual(len(full), len(set(full)))
        twice = self.bench("--device", "cpu", "--device", "cpu", "--list").stdout.split()
        self.assertEqual(twice, quick)
        every = self.bench("--list").stdout.split()
        self.assertTrue(set(quick) <= set(every))
        some = self.bench("--device", "cpu", "--suite", "full", "--filter", "d(256|512)_f16", "--list").stdout.split()
        self.assertTrue(some and all("d256_f16" in name or "d512_f16" in name for name in some))
        for dim in ("d64", "d128", "d256", "d512"):
            for kind in ("prefill", "decode"):
                self.assertTrue(any(f"/{kind}_{dim}" in name for name in full), (kind, dim))

    def test_left_out(self):
        self.bench("--device", "cpu", "--filter", "prefill_d64_f32/", "--longest", "1e-6", "--json", "out.json",
                   says=["left out", "--longest"])
        data = self.load()
        self.assertEqual(data["benchmarks"], [])
        self.assertEqual(data["context"]["failures"][0]["name"], "softmax/prefill_d64_f32/cpu")

    def test_interrupt(self):
        with open(self.file("out.txt"), "w") as lines:
            process = subprocess.Popen([self.path, "bench", "--device", "cpu", "--suite", "standard", "--seconds", "30",
                                        "--json", "out.json"], cwd=self.directory, stdout=lines, stderr=subprocess.PIPE,
                                       text=True)
        end = time.monotonic() + 60
        while "\nname" not in open(self.file("out.txt")).read() and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=120)[1]
        out = open(self.file("out.txt")).read()
        self.assertEqual(process.returncode, DONE, err)
        self.assertIn("interrupted", err)
        data = self.load()
        self.assertTrue(data["context"]["interrupted"])
        for row in data["benchmarks"]:
            self.assertIn(row["name"], out)
            self.assertLessEqual(row["of_bound"], 1)

    def test_refusals(self):
        self.bench("--suite", "slow", code=USAGE, says=["--suite"])
        self.bench("--filter", "(", code=USAGE, says=["--filter"])
        self.bench("--filter", "no such case", code=USAGE, says=["filter"])
        for value in ("0", "-1", "x", "", "nan", "inf", "1e9"):
            self.bench("--seconds", value, code=USAGE, says=["--seconds"])
        self.bench("--json", "nosuch/out.json", code=FAILED, says=["nosuch/out.json"])
        self.bench("--device", "nosuch", code=NO_DEVICE, says=["nosuch"])
        self.bench("--device", "cpu", "--device", "vulkan:99", code=NO_DEVICE, says=["vulkan:99"])
        self.bench("extra", code=USAGE, says=["extra"])
        self.bench("--nosuch", code=USAGE, says=["--nosuch"])
        self.assert_only()


class Devices(BenchTest):
    """Every device: what is timed is right, and what is too slow is said."""

    def test_all(self):
        self.bench("--seconds", "0.02", "--longest", "60", "--filter", "d64|decode", "--json", "out.json")
        data = self.load()
        seen = {row["device"] for row in data["benchmarks"]}
        self.assertEqual(seen, {device["id"] for device in data["context"]["devices"]})
        for row in data["benchmarks"]:
            self.check_row(row, data["context"])


if __name__ == "__main__":
    unittest.main(verbosity=1, argv=sys.argv[:1], defaultTest="Devices" if FULL else "Quick")
