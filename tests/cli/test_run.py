"""`fovea run` against NumPy in double precision, and every way to be refused."""
import json
import os
import stat
import unittest

import common
from common import DONE, FAILED, NO_DEVICE, UNSUPPORTED, USAGE, from_bf16, numpy, reference, to_bf16, worst

common.need("cli")

FILES = ("--q", "q.npy", "--k", "k.npy", "--v", "v.npy", "--out", "o.npy")


class RunTest(common.ProgramTest):
    device = "cpu"
    options = ()

    def arrays(self, dtypes=("f32", "f32", "f32"), shapes=((2, 4, 33, 40), (2, 2, 50, 40), (2, 1, 50, 24)),
               layout="bhsd"):
        """Writes q, k and v; returns them as float32, in the order [batch, heads, seq, dim]."""
        random = numpy.random.default_rng(7)
        values = []
        for name, dtype, shape in zip("qkv", dtypes, shapes):
            array = random.standard_normal(shape).astype("<f4")
            stored = to_bf16(array) if dtype == "bf16" else array.astype({"f32": "<f4", "f16": "<f2"}[dtype])
            values.append(from_bf16(stored) if dtype == "bf16" else stored.astype("<f4"))
            stored = stored.transpose(0, 2, 1, 3) if layout == "bshd" else stored
            numpy.save(self.file(name + ".npy"), numpy.ascontiguousarray(stored))
        return values

    def softmax(self, code=DONE, description=None, extra=(), says=()):
        arguments = ["run", "softmax", *FILES, "--device", self.device, *self.options, *extra]
        if description is not None:
            text = description if isinstance(description, str) else json.dumps(description)
            arguments += ["--desc", self.write("d.json", text)]
        return self.expect(code, *arguments, says=says)


class Results(RunTest):
    def check(self, values, description=None, dtype="f32", layout="bhsd", lse=False, **options):
        extra = ("--explain", "--json", *(("--lse", "lse.npy") if lse else ()))
        plan = json.loads(self.softmax(description=description, extra=extra).stdout.splitlines()[0])
        o = numpy.load(self.file("o.npy"))
        self.assertEqual(o.dtype.str, {"f32": "<f4", "f16": "<f2", "bf16": "<u2"}[dtype])
        o = from_bf16(o) if dtype == "bf16" else o.astype("<f4")
        o = o.transpose(0, 2, 1, 3) if layout == "bshd" else o
        weights = dtype if plan["tier"] == "matrix" else "f32"
        expected, expected_lse, bound, lse_bound = reference(*values, weights=weights, **options)
        self.assertEqual(o.shape, expected.shape)
        self.assertLessEqual(worst(o, expected, bound, dtype), 1)
        if lse:
            actual = numpy.load(self.file("lse.npy"))
            self.assertEqual((actual.dtype.str, actual.shape), ("<f4", expected_lse.shape))
            self.assertLessEqual(worst(actual, expected_lse, lse_bound), 1)

    def test_defaults_without_a_description(self):
        self.check(self.arrays())
        self.assert_only("q.npy", "k.npy", "v.npy", "o.npy")

    def test_empty_description(self):
        self.check(self.arrays(), {}, lse=True)

    def test_half(self):
        self.check(self.arrays(("f16", "f16", "f16")), dtype="f16", lse=True)

    def test_bfloat16(self):
        names = {"q_dtype": "bf16", "k_dtype": "bf16", "v_dtype": "bf16"}
        self.check(self.arrays(("bf16", "bf16", "bf16")), names, dtype="bf16")

    def test_mixed(self):
        self.check(self.arrays(("f32", "f16", "bf16")), {"v_dtype": "bf16", "o_dtype": "f16"}, dtype="f16")

    def test_out_dtype_and_named_dtypes(self):
        names = {"q_dtype": "f16", "k_dtype": "f32", "v_dtype": "f32", "o_dtype": "f32"}
        self.check(self.arrays(("f16", "f32", "f32")), names)

    def test_layout(self):
        self.check(self.arrays(layout="bshd"), {"layout": "bshd"}, layout="bshd", lse=True)
        self.assertEqual(numpy.load(self.file("o.npy")).shape, (2, 33, 4, 24))

    def test_causal(self):
        values = self.arrays(shapes=((1, 3, 21, 8), (1, 3, 30, 8), (1, 3, 30, 8)))
        self.check(values, {"causal": True}, lse=True, causal="bottom")
        self.check(values, {"causal": 1, "causal_top_left": 1}, lse=True, causal="top")

    def test_causal_rows_without_keys(self):
        values = self.arrays(shapes=((1, 1, 9, 8), (1, 1, 4, 8), (1, 1, 4, 8)))
        self.check(values, {"causal": True}, lse=True, causal="bottom")
        self.assertTrue(numpy.isneginf(numpy.load(self.file("lse.npy"))[0, 0, :5]).all())

    def test_scale(self):
        values = self.arrays()
        self.check(values, {"scale": 0.5}, scale=0.5)
        self.check(values, {"scale": 0, "scale_literal": True}, scale=0.0)
        self.check(values, {"scale": 2e-1, "scale_literal": False}, scale=0.2)

    def test_run_lengths(self):
        q, k, v = self.arrays()
        self.softmax(description={"seq_q": 10, "seq_k": 17}, extra=("--lse", "lse.npy"))
        expected, lse, bound, lse_bound = reference(q[:, :, :10], k[:, :, :17], v[:, :, :17])
        o, actual_lse = numpy.load(self.file("o.npy")), numpy.load(self.file("lse.npy"))
        self.assertLessEqual(worst(o[:, :, :10], expected, bound), 1)
        self.assertLessEqual(worst(actual_lse[:, :, :10], lse, lse_bound), 1)
        self.assertFalse(o[:, :, 10:].any() or actual_lse[:, :, 10:].any())

    def test_no_keys_and_no_queries(self):
        self.arrays()
        self.softmax(description={"seq_k": 0}, extra=("--lse", "lse.npy"))
        self.assertFalse(numpy.load(self.file("o.npy")).any())
        self.assertTrue(numpy.isneginf(numpy.load(self.file("lse.npy"))).all())
        self.softmax(description={"seq_q": 0})
        self.assertFalse(numpy.load(self.file("o.npy")).any())

    def test_planner_keys_do_not_change_the_result(self):
        values = self.arrays()
        for description in ({"cost_budget_us": 1}, {"cost_budget_us": "unbounded"}, {"min_tier": "portable"},
                            {"min_tier": "default"}, {"seq_q_max": 33, "seq_k_max": 50, "seq_q": "maximum"},
                            {"split_count": 2}, {"tile": 1}, {"operands": "stored"}, {"operands": "f16"},
                            {"operands": "f16_x3"}):
            self.check(values, description)

    def test_format_versions(self):
        values = self.arrays()
        for version in ((1, 0), (2, 0), (3, 0)):
            for name, value in zip("qkv", values):
                with open(self.file(name + ".npy"), "wb") as file:
                    numpy.lib.format.write_array(file, value, version=version)
            self.check(values)


class Output(RunTest):
    def test_explain_lines(self):
        self.arrays()
        lines = self.softmax(extra=["--explain"]).stdout.splitlines()
        self.assertGreater(len(lines), 10)
        for line in lines:
            self.assertRegex(line, r"^[a-z_0-9.]+: \S")

    def test_explain_json(self):
        self.arrays()
        result = self.softmax(extra=["--explain", "--json"])
        self.assertEqual(result.stdout.count("\n"), 1)
        report = json.loads(result.stdout)
        header = common.read_header("op.h")
        for name, _ in common.struct_fields(header, "fovea_op_report"):
            if name != "kernel_count":
                self.assertIn(name, report)
        self.assertGreater(len(report["kernels"]), 0)
        for name, _ in common.struct_fields(header, "fovea_kernel_report"):
            self.assertIn(name, report["kernels"][0])
        self.assertEqual(report["name"], "softmax")
        self.assertEqual(report["flops"], 2 * (40 + 24) * 2 * 4 * 33 * 50)

    def test_repeat(self):
        self.arrays()
        result = self.softmax(extra=["--repeat", "5"])
        self.assertEqual(result.stdout.count("\n"), 1)
        times = json.loads(result.stdout)
        self.assertEqual(sorted(times), ["median_s", "min_s", "n"])
        self.assertEqual(times["n"], 5)
        self.assertTrue(0 < times["min_s"] <= times["median_s"] < 10)

    def test_both(self):
        self.arrays()
        lines = common.json_lines(self.softmax(extra=["--explain", "--json", "--repeat", "1"]).stdout)
        self.assertEqual((lines[0]["name"], lines[1]["n"]), ("softmax", 1))

    def test_silent_without_them(self):
        self.arrays()
        result = self.softmax()
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_existing_output_is_replaced(self):
        self.arrays()
        self.write("o.npy", "old")
        os.symlink("o.npy", self.file("link.npy"))
        self.expect(DONE, "run", "softmax", *FILES[:6], "--out", "link.npy")
        self.assertTrue(os.path.islink(self.file("link.npy")))
        self.assertEqual(numpy.load(self.file("o.npy")).shape, (2, 4, 33, 24))

    def test_output_to_a_device(self):
        self.arrays()
        self.expect(DONE, "run", "softmax", *FILES[:6], "--out", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def test_unwritable(self):
        self.arrays()
        for path in ("nosuch/o.npy", ".", "/proc/nosuch/o.npy", "", "/dev/full"):
            self.expect(FAILED, "run", "softmax", *FILES[:6], "--out", path, says=["cannot write", path])
        self.expect(FAILED, "run", "softmax", *FILES, "--lse", "nosuch/l.npy", says=["nosuch/l.npy"])
        self.assert_only("q.npy", "k.npy", "v.npy")

    def test_full_disk(self):
        self.arrays()
        result = self.run_on_full_disk("run", "softmax", *FILES, "--lse", "lse.npy")
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn("cannot write o.npy", result.stderr)
        self.assert_only("q.npy", "k.npy", "v.npy")
        self.write("o.npy", "old")
        self.assertEqual(self.run_on_full_disk("run", "softmax", *FILES).returncode, FAILED)
        self.assert_only("q.npy", "k.npy", "v.npy", "o.npy")
        with open(self.file("o.npy")) as file:
            self.assertEqual(file.read(), "old")


class Refusals(RunTest):
    def test_description(self):
        self.arrays()
        for text, says in (
            ("", "d.json"),
            ("{", "d.json"),
            ("[]", "JSON object"),
            ("3", "d.json"),
            ('{"causal": true, "causal": true}', "causal"),
            ('{"cusal": true}', '"cusal"'),
            ('{"": 1}', 'unknown key ""'),
            ('{"reserved": 1}', "reserved"),
            ('{"q": 1}', 'unknown key "q"'),
        ):
            self.softmax(USAGE, text, says=["d.json", says])
        self.assert_only("q.npy", "k.npy", "v.npy", "d.json")

    def test_values(self):
        self.arrays()
        for key, values in {
            "scale": ['"x"', "true", "null", "[]", "{}", "1e39", "-1e300", "1e-60"],
            "scale_literal": ['"true"', "2", "-1", "0.5", "null", "[]"],
            "causal": ['"yes"', "3", "1.5", "null"],
            "causal_top_left": ["[]", "1e9"],
            "window": ['"left"', "7"],
            "soft_cap": ['"tanh"', "null"],
            "window_left": ["-1", '"maximum"'],
            "window_right": ["0.5", "null"],
            "cost_budget_us": ["-1", "1.5", "4294967296", "99999999999999999999", '"maximum"', "true", "null"],
            "min_tier": ['"fast"', "1", "null", '"Matrix"', '""'],
            "operands": ['"f32"', "0", "null"],
            "split_count": ["-1", "0.25", "4294967296", '"unbounded"', "false"],
            "seq_q_max": ['"maximum"', "-2", "1e10"],
            "seq_k_max": ["[1]", "-0.5"],
            "tile": ['"1"', "1e20"],
            "seq_q": ['"unbounded"', "-1", "2.5", "4294967296", "null"],
            "seq_k": ["{}", '"MAXIMUM"'],
            "layout": ['"bhds"', "0", "null"],
            "q_dtype": ['"float32"', "0"],
            "k_dtype": ['"F16"', "true"],
            "v_dtype": ["[]"],
            "o_dtype": ['"f64"', "null"],
        }.items():
            for value in values:
                self.softmax(USAGE, '{"%s": %s}' % (key, value), says=["d.json", key])

    def test_numbers_too_large_for_json(self):
        self.arrays()
        self.softmax(USAGE, '{"tile": 1e999}', says=["d.json"])

    def test_beyond_the_arrays(self):
        self.arrays()
        for key in ("seq_q", "seq_k"):
            self.softmax(USAGE, {key: 51}, says=[key])

    def test_dtype_against_the_array(self):
        self.arrays(("f32", "f16", "bf16"))
        self.softmax(USAGE, {}, says=["v.npy", "v_dtype", "bf16"])
        self.softmax(USAGE, {"v_dtype": "f16"}, says=["v_dtype", "v.npy", "uint16"])
        self.softmax(USAGE, {"q_dtype": "f16"}, says=["q_dtype", "q.npy", "float32"])
        self.softmax(USAGE, {"k_dtype": "bf16"}, says=["k_dtype", "k.npy", "float16"])

    def test_shapes(self):
        for shapes, says in (
            (((2, 4, 9, 8), (2, 2, 9, 7), (2, 2, 9, 8)), ["k.npy", "dim_qk"]),
            (((2, 4, 9, 8), (1, 2, 9, 8), (2, 2, 9, 8)), ["k.npy", "batch"]),
            (((2, 4, 9, 8), (2, 2, 9, 8), (2, 2, 10, 8)), ["v.npy", "seq_k"]),
            (((2, 4, 9, 8), (2, 3, 9, 8), (2, 2, 9, 8)), ["heads of k"]),
            (((2, 4, 9, 8), (2, 2, 9, 8), (2, 3, 9, 8)), ["heads of v"]),
            (((4, 9, 8), (2, 2, 9, 8), (2, 2, 9, 8)), ["q.npy", "3-D"]),
            (((2, 4, 9, 8), (2, 2, 1, 9, 8), (2, 2, 9, 8)), ["k.npy", "5-D"]),
            (((8,), (2, 2, 9, 8), (2, 2, 9, 8)), ["q.npy", "1-D"]),
        ):
            self.arrays(shapes=shapes)
            self.softmax(USAGE, says=says)
        for shapes in (((2, 4, 9, 0), (2, 2, 9, 0), (2, 2, 9, 8)), ((0, 4, 9, 8), (0, 2, 9, 8), (0, 2, 9, 8)),
                       ((2, 4, 9, 1025), (2, 2, 9, 1025), (2, 2, 9, 8))):
            self.arrays(shapes=shapes)
            self.softmax(USAGE)

    def test_files(self):
        self.arrays()
        self.write("empty.npy", b"")
        for path, says in (("nosuch.npy", "No such file"), (".", "directory"), ("empty.npy", "magic")):
            for option in ("--q", "--k", "--v"):
                self.expect(USAGE, "run", "softmax", *FILES, option, path, says=[option, path, says])
        self.expect(USAGE, "run", "softmax", *FILES, "--desc", "nosuch.json", says=["--desc", "nosuch.json"])
        self.expect(USAGE, "run", "softmax", *FILES, "--desc", ".", says=["--desc", "directory"])

    def test_two_outputs_in_one_file(self):
        self.arrays()
        for name in ("o.npy", "./o.npy", ".//o.npy", self.file("o.npy")):
            self.expect(USAGE, "run", "softmax", *FILES, "--lse", name, says=["--out", "--lse"])
        self.write("o.npy", "old")
        os.symlink("o.npy", self.file("link.npy"))
        for name in ("o.npy", "./o.npy", "link.npy"):
            self.expect(USAGE, "run", "softmax", *FILES, "--lse", name, says=["--out", "--lse"])
        self.expect(DONE, "run", "softmax", *FILES[:6], "--out", "/dev/null", "--lse", "/dev/null")

    def test_missing_options(self):
        self.arrays()
        for i in range(0, len(FILES), 2):
            self.expect(USAGE, "run", "softmax", *FILES[:i], *FILES[i + 2:], says=[FILES[i]])

    def test_repeat(self):
        self.arrays()
        for count in ("0", "-1", "x", "1.5", "", "99999999999999999999"):
            self.softmax(USAGE, extra=["--repeat", count], says=["--repeat"])

    def test_unsupported(self):
        self.arrays()
        result = self.softmax(UNSUPPORTED, {"min_tier": "matrix"}, says=["tier"])
        self.assertEqual(result.stderr.count("softmax:"), 1)
        self.assert_only("q.npy", "k.npy", "v.npy", "d.json")

    def test_no_device(self):
        self.arrays()
        for device in ("vulkan:99", "nosuch", "cpu:99", ""):
            self.expect(NO_DEVICE, "run", "softmax", *FILES, "--device", device, says=["device"])
        self.assert_only("q.npy", "k.npy", "v.npy")


class Merge(RunTest):
    """Two runs of softmax over half of the keys each, and what `fovea run merge` makes of them."""

    def halves(self, layout="bhsd", dtype="f32"):
        """Leaves o0, lse0, o1 and lse1; returns the expectation of one pass."""
        values = self.arrays((dtype,) * 3, layout=layout)
        axis = 1 if layout == "bshd" else 2
        whole = {name: numpy.load(self.file(name + ".npy")) for name in "kv"}
        for half, keys in enumerate((slice(0, 20), slice(20, None))):
            for name in "kv":
                part = whole[name][(slice(None),) * axis + (keys,)]
                numpy.save(self.file(name + ".npy"), numpy.ascontiguousarray(part))
            self.expect(DONE, "run", "softmax", *FILES[:6], "--out", "o%d.npy" % half, "--lse", "lse%d.npy" % half,
                        "--desc", self.write("d.json", json.dumps({"layout": layout, "o_dtype": "f32"})))
        return reference(*values)

    def merge(self, code=DONE, description=None, extra=(), says=(), lse=("--lse", "lse.npy")):
        arguments = ["run", "merge", "--out", "o.npy", *lse, "--device", self.device, *self.options, *extra]
        if description is not None:
            arguments += ["--desc", self.write("d.json", json.dumps(description))]
        return self.expect(code, *arguments, says=says)

    def check(self, expected, layout="bhsd", dtype="f32"):
        o, lse, bound, lse_bound = expected
        actual = numpy.load(self.file("o.npy"))
        actual = actual.transpose(0, 2, 1, 3) if layout == "bshd" else actual
        self.assertLessEqual(worst(actual, o, 2 * bound, dtype), 1)
        self.assertLessEqual(worst(numpy.load(self.file("lse.npy")), lse, 2 * lse_bound + 2.0**-20), 1)

    TWO = ("--o0", "o0.npy", "--lse0", "lse0.npy", "--o1", "o1.npy", "--lse1", "lse1.npy")

    def test_two_sources(self):
        expected = self.halves()
        self.merge(extra=self.TWO)
        self.check(expected)
        self.merge(description={"o_dtype": "f16", "cost_budget_us": 1}, extra=self.TWO)
        self.check(expected, dtype="f16")

    def test_layout(self):
        expected = self.halves(layout="bshd")
        self.merge(description={"layout": "bshd"}, extra=self.TWO)
        self.check(expected, layout="bshd")

    def test_one_source_of_parts(self):
        for layout in ("bhsd", "bshd"):
            expected = self.halves(layout=layout)
            for name in ("o", "lse"):
                parts = [numpy.load(self.file("%s%d.npy" % (name, half))) for half in (0, 1)]
                numpy.save(self.file(name + "_parts.npy"), numpy.stack(parts))
            self.merge(description={"layout": layout}, extra=("--o0", "o_parts.npy", "--lse0", "lse_parts.npy"))
            self.check(expected, layout=layout)

    def test_offsets(self):
        expected = self.halves()
        for shape in ((2,), (2, 4), (2, 2, 4, 33)):
            numpy.save(self.file("f.npy"), numpy.full(shape, 2.5, "<f4"))
            self.merge(extra=(*self.TWO, "--offsets", "f.npy"))
            self.assertLessEqual(worst(numpy.load(self.file("o.npy")), expected[0], 2 * expected[2]), 1)
            lse = numpy.load(self.file("lse.npy")) - 2.5
            self.assertLessEqual(worst(lse, expected[1], 2 * expected[3] + 2.0**-20), 1)

    def test_coefficients(self):
        self.halves()
        o0, o1 = (numpy.load(self.file("o%d.npy" % half)).astype("f8") for half in (0, 1))
        numpy.save(self.file("f.npy"), numpy.array([[1, 1, 1, 0.5], [-0.5, 0, 2, -1]], "<f4"))
        self.merge(extra=("--o0", "o0.npy", "--o1", "o1.npy", "--coefficients", "f.npy", "--explain"), lse=())
        c = numpy.load(self.file("f.npy")).astype("f8")[:, None, :, None, None]
        bound = 4 * 2.0**-24 * (abs(c[0] * o0) + abs(c[1] * o1))
        self.assertLessEqual(worst(numpy.load(self.file("o.npy")), c[0] * o0 + c[1] * o1, bound), 1)

    def test_run_lengths(self):
        expected = self.halves()
        self.merge(description={"seq_q": 10}, extra=self.TWO)
        o = numpy.load(self.file("o.npy"))
        self.assertLessEqual(worst(o[:, :, :10], expected[0][:, :, :10], 2 * expected[2][:, :, :10]), 1)
        self.assertFalse(o[:, :, 10:].any())

    def test_explain(self):
        self.halves()
        report = json.loads(self.merge(extra=(*self.TWO, "--explain", "--json")).stdout)
        self.assertEqual((report["name"], report["flops"]), ("merge", 2 * 2 * 24 * 2 * 4 * 33))

    def test_refusals(self):
        self.halves()
        numpy.save(self.file("f.npy"), numpy.ones(3, "<f4"))
        numpy.save(self.file("cube.npy"), numpy.ones((2, 2, 2), "<f4"))
        for extra, says in (
            (("--o0", "o0.npy"), ["sources[0].lse is missing"]),
            (("--o0", "o0.npy", "--lse0", "lse0.npy", "--o1", "o1.npy"), ["sources[1].lse is missing"]),
            (("--o1", "o1.npy", "--lse1", "lse1.npy"), ["--o0 FILE is missing"]),
            (("--o0", "o0.npy", "--lse0", "lse0.npy", "--o2", "o1.npy"), ["sources[1].o"]),
            ((*self.TWO, "--coefficients", "f.npy"), ["coefficients"]),
            ((*self.TWO, "--offsets", "f.npy"), ["offsets: 3 parts"]),
            ((*self.TWO, "--offsets", "cube.npy"), ["cube.npy", "3-D, must be 4-D or 2-D or 1-D"]),
            (("--o0", "cube.npy", "--lse0", "lse0.npy"), ["cube.npy", "3-D, must be 5-D or 4-D"]),
            (("--o0", "o0.npy", "--lse0", "lse0.npy", "--o1", "v.npy", "--lse1", "lse1.npy"), ["v.npy"]),
        ):
            self.merge(USAGE, extra=extra, says=says)
        self.merge(USAGE, {"seq_k": 3}, extra=self.TWO, says=["seq_k"])
        self.merge(UNSUPPORTED, {"min_tier": "matrix"}, extra=self.TWO, says=["tier"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
