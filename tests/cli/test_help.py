"""Help texts, `fovea info`, usage errors: what needs no array."""
import json
import unittest

import common
from common import DONE, NO_DEVICE, USAGE

common.need("cli", needs_numpy=False)


class Help(common.ProgramTest):
    def test_every_help(self):
        for arguments in (["--help"], ["info", "--help"], ["run", "--help"], ["run", "softmax", "--help"],
                          ["run", "merge", "--help"],
                          ["page", "--help"]):
            result = self.expect(DONE, *arguments, says=["Usage: fovea", "Exit codes: 0 done"])
            self.assertEqual(result.stderr, "")

    def test_version(self):
        result = self.expect(DONE, "--version")
        self.assertRegex(result.stdout, r"^fovea \d+\.\d+\.\d+\n$")

    def test_softmax_help_has_every_field(self):
        text = self.expect(DONE, "run", "softmax", "--help").stdout
        fields = common.struct_fields(common.read_header("softmax.h"), "fovea_softmax_params")
        self.assertIn(("scale", "float"), fields)
        self.assertIn(("lse", "fovea_tensor"), fields)
        for name, kind in fields:
            if kind == "fovea_tensor":
                option = "out" if name == "o" else name
                self.assertRegex(text, r"(?m)^  --%s FILE .* %s: \[" % (option, name))
            else:
                self.assertRegex(text, r"(?m)^  %s +\S.* \(default " % name)
        for name in ("seq_q", "seq_k", "layout", "q_dtype", "k_dtype", "v_dtype", "o_dtype"):
            self.assertRegex(text, r"(?m)^  %s +\S.* \(default " % name)
        for word in ('"unbounded"', '"maximum"', '"bshd"', '"bf16"', '"subgroup"', '"matrix"'):
            self.assertIn(word, text)

    def test_merge_help_has_every_field(self):
        text = self.expect(DONE, "run", "merge", "--help").stdout
        fields = common.struct_fields(common.read_header("merge.h"), "fovea_merge_params")
        self.assertIn(("offsets", "fovea_tensor"), fields)
        arrays = ["o%d" % source for source in range(8)] + ["lse%d" % source for source in range(8)]
        for name, kind in fields:
            if kind == "fovea_tensor":
                arrays.append(name)
            elif kind != "fovea_merge_source":
                self.assertRegex(text, r"(?m)^  %s +\S.* \(default " % name)
        for name in arrays:
            self.assertRegex(text, r"(?m)^  --%s FILE .* %s: \[" % ("out" if name == "o" else name, name))
        for name in ("seq_q", "layout", "o0_dtype", "o7_dtype", "o_dtype"):
            self.assertRegex(text, r"(?m)^  %s +\S.* \(default " % name)
        self.assertNotIn("seq_k", text)

    def test_usage_errors(self):
        for arguments, says in (
            ([], ["Usage: fovea COMMAND"]),
            (["run"], ["Usage: fovea run"]),
            (["nosuch"], ["unknown command", "nosuch"]),
            (["run", "nosuch"], ["unknown operator", "nosuch"]),
            (["page"], ["Usage: fovea page"]),
            (["page", "a.html"], ["Usage: fovea page"]),
            (["page", "--nosuch"], ["--nosuch"]),
            (["info", "--nosuch"], ["--nosuch"]),
            (["info", "--device"], ["--device", "needs a value"]),
            (["info", "extra"], ["extra"]),
            (["run", "softmax", "--nosuch"], ["--nosuch"]),
            (["run", "softmax", "--q"], ["--q", "needs a value"]),
            (["run", "softmax"], ["--q"]),
            (["run", "merge"], ["--o0"]),
        ):
            result = self.run_program(*arguments)
            self.assertEqual(result.returncode, USAGE, arguments)
            self.assertEqual(result.stdout, "")
            for text in says:
                self.assertIn(text, result.stderr)

    def test_lost_output_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = common.subprocess.run([self.path, "--help"], stdout=full, stderr=common.subprocess.PIPE, text=True,
                                           timeout=60)
        self.assertEqual(result.returncode, common.FAILED)
        self.assertIn("standard output", result.stderr)


class Info(common.ProgramTest):
    def test_json_has_every_field(self):
        result = self.expect(DONE, "info", "--json", "--device", "cpu")
        self.assertEqual(result.stdout.count("\n"), 1)
        root = json.loads(result.stdout)
        self.assertRegex(root["version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(len(root["devices"]), 1)
        device = root["devices"][0]
        header = common.read_header("device.h")
        for name, _ in common.struct_fields(header, "fovea_device_info"):
            self.assertIn(name, device)
        for name, _ in common.struct_fields(header, "fovea_device_limits"):
            self.assertIn(name, device["limits"])
        self.assertEqual((device["id"], device["kind"]), ("cpu", "cpu"))
        self.assertIn("portable", device["tiers"])
        self.assertEqual(device["tiers"][-1], device["tier"])
        self.assertEqual(len(device["matrices"]), device["matrix_count"])

    def test_lines_say_the_same(self):
        device = json.loads(self.expect(DONE, "info", "--json", "--device", "cpu").stdout)["devices"][0]
        lines = self.expect(DONE, "info", "--device", "cpu").stdout.splitlines()
        pairs = dict(line.split(": ", 1) for line in lines if line)
        self.assertEqual(pairs["id"], "cpu")
        self.assertEqual(pairs["name"], device["name"])
        self.assertEqual(pairs["tier"], device["tier"])
        self.assertEqual(pairs["limits.storage_range"], str(device["limits"]["storage_range"]))

    def test_all_devices(self):
        devices = json.loads(self.expect(DONE, "info", "--json", "--no-cache").stdout)["devices"]
        self.assertEqual(devices[0]["id"], "cpu")
        self.assertEqual(len({device["id"] for device in devices}), len(devices))

    def test_matrix_units(self):
        root = json.loads(self.expect(DONE, "info", "--json", "--no-cache").stdout)
        none = root["matrix_kernels"].startswith("none: ")
        self.assertRegex(root["matrix_kernels"], r"^(none: |f16|bf16)")
        self.assertIn("matrix_kernels: " + root["matrix_kernels"], self.expect(DONE, "info").stdout.splitlines())
        for device in root["devices"]:
            for shape in device["matrices"]:
                self.assertRegex(shape, r"^\d+x\d+x\d+\.b?f16$")
            if device["id"].startswith("vulkan"):
                idle = device["matrix_count"] > 0 and device["tier"] != "matrix"
                self.assertEqual("matrix" in device, idle)
                self.assertFalse(none and device["tier"] == "matrix")
                if none and idle:
                    self.assertIn("not in this build", device["matrix"])

    def test_no_such_device(self):
        for device in ("vulkan:99", "cpu:99", "nosuch"):
            result = self.expect(NO_DEVICE, "info", "--device", device, says=[device])
            self.assertEqual(result.stdout, "")
        self.expect(USAGE, "info", "--device", "cpu:x", says=["cpu:x"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
