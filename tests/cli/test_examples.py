"""The examples: first, speed and denoise."""
import base64
import os
import re
import sys
import unittest

import common
from common import DONE, FAILED, NO_DEVICE, USAGE, numpy

common.need("first", "speed")
import image  # needs numpy

PHOTOGRAPH = os.environ.get("FOVEA_PHOTOGRAPH") or \
    "/usr/share/matplotlib/mpl-data/sample_data/grace_hopper.jpg"

# 24 x 24 pixels of that photograph, which is in the public domain.
JPEG = base64.b64decode("""
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxO
UlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P
T09PT09PT0//wAARCAAYABgDASIAAhEBAxEB/8QAGAABAQEBAQAAAAAAAAAAAAAAAAUEAwb/xAAkEAACAQMEAQUBAAAAAAAAAAAB
AgADBBEFEyExURIiQmFxof/EABYBAQEBAAAAAAAAAAAAAAAAAAMEBf/EABoRAAMBAQEBAAAAAAAAAAAAAAABAhEhMUH/2gAMAwEA
AhEDEQA/ANtQLap7yQfKjqbNObdwaQZlHbumJzsdGctu6gdxs9E5laqSKYp01wg/gmck/psVS8RN12qlG0zj4nOMRJupbl1dUbQN
nJy3GeIht6xoSldPWsucD08zPcutvSLuGYdBR2T4ERKaIpfcI2m0lqVa1y7ruFivHQ+h+REQEhqp6f/Z""")
# 8 x 8 pixels in CMYK, which is not read.
JPEG_CMYK = base64.b64decode("""
/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBXQUZMTlJT
UjI+WmFaUGBKUVJP/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAYCBf/EABsQAQABBQEAAAAAAAAA
AAAAAAECAAMEIjFR/9oADgRDAE0AWQBLAAA/AHNy2Y9vdR9icqbpHFjuo+wOVkTYYsdlJewOU5uWzHt7qPsTlf/Z""")


class First(common.ProgramTest):
    name = "first"

    def test_result(self):
        lines = self.expect(DONE).stdout.splitlines()
        tokens = numpy.array([[4, 0], [0, 4], [3, 1], [-4, -4]], "f4")[None, None]
        expected = common.reference(tokens, tokens, tokens)[0][0, 0]
        self.assertEqual(len(lines), 4)
        for line, row in zip(lines, expected):
            actual = [float(x) for x in re.search(r"-> \(\s*(\S+),\s*(\S+)\)", line).groups()]
            self.assertLess(abs(actual - row).max(), 6e-4)


class Speed(common.ProgramTest):
    name = "speed"
    prefix = ""

    def test_table(self):
        lines = self.expect(DONE, "--device", "cpu").stdout.splitlines()
        self.assertEqual(lines[0].split()[:2], ["device", "dtype"])
        self.assertEqual([line.split()[:2] for line in lines[1:]], [["cpu", "f32"], ["cpu", "f16"]])
        for line in lines[1:]:
            self.assertLessEqual(float(line.split()[-1]), 1)

    def test_usage(self):
        self.expect(DONE, "--help", says=["Usage"])
        self.expect(USAGE, "extra", says=["Usage"])
        self.expect(NO_DEVICE, "--device", "nosuch", says=["no such device"])


@unittest.skipUnless(common.program("denoise"), "FOVEA_DENOISE is not set")
class Denoise(common.ProgramTest):
    name = "denoise"
    prefix = "denoise: "

    def denoise(self, *arguments):
        """Runs; returns PSNR before and after as it printed them."""
        result = self.expect(DONE, *arguments)
        found = re.fullmatch(r"PSNR before: (\S+) dB\nPSNR after: (\S+) dB\n", result.stdout)
        self.assertTrue(found, result.stdout)
        return float(found.group(1)), float(found.group(2))

    def load(self, name):
        with open(self.file(name), "rb") as file:
            return image.decode(file.read())

    def check_gain(self, crop, *arguments):
        if os.path.exists(PHOTOGRAPH):
            source = PHOTOGRAPH
        else:
            source = self.write("scene.png", image.encode(image.scene(max(crop, 200), max(crop, 220))))
        before, after = self.denoise("--sigma", "25/255", "--crop", crop, *arguments, source, "o.png")
        self.assertLess(abs(before - 20.17), 0.3)
        self.assertGreaterEqual(after, before + 3)
        self.assertEqual(self.load("o.png").shape, (crop, crop, 3))

    def test_gain(self):
        self.check_gain(192 if "full" in LEVEL else 96)

    def test_printed_psnr_is_that_of_the_file(self):
        picture = image.scene(70, 60)
        self.write("in.png", image.encode(picture))
        _, after = self.denoise("--sigma", 25, "--crop", 48, "in.png", "o.png")
        self.assertLess(abs(after - image.psnr(self.load("o.png"), picture[6:54, 11:59])), 0.011)

    def test_reference(self):
        clean = image.scene(64, 64)
        noise = numpy.random.default_rng(3).normal(0, 20, clean.shape)
        noisy = (clean + noise).round().clip(0, 255).astype("u1")
        self.write("clean.png", image.encode(clean))
        self.write("noisy.png", image.encode(noisy))
        before, after = self.denoise("--reference", "clean.png", "noisy.png", "o.png")
        self.assertLess(abs(before - image.psnr(noisy, clean)), 0.011)
        self.assertLess(abs(after - image.psnr(self.load("o.png"), clean)), 0.011)
        self.assertGreaterEqual(after, before + 3)

    def test_without_reference(self):
        self.write("in.png", image.encode(image.scene(40, 30)))
        result = self.expect(DONE, "in.png", "o.png")
        self.assertEqual(result.stdout, "")
        self.assertIn("100 %", result.stderr)
        self.assertEqual(self.load("o.png").shape, (30, 40, 3))

    def test_seed(self):
        self.write("in.png", image.encode(image.scene(32, 32)))
        for name, seed in (("a.png", 5), ("b.png", 5), ("c.png", 6)):
            self.denoise("--sigma", 25, "--seed", seed, "in.png", name)
        a, b, c = (self.load(name) for name in ("a.png", "b.png", "c.png"))
        self.assertTrue((a == b).all())
        self.assertFalse((a == c).all())

    def test_levels_and_fraction_agree(self):
        self.write("in.png", image.encode(image.scene(32, 32)))
        self.assertEqual(self.denoise("--sigma", "25", "in.png", "a.png"),
                         self.denoise("--sigma", "25/255", "in.png", "b.png"))

    def test_against_numpy(self):
        """The picture is the mean that the method's definition gives, up to one rounding."""
        picture = image.scene(20, 17)
        self.write("in.png", image.encode(picture))
        self.expect(DONE, "--h", 12, "--patch", 3, "in.png", "o.png")
        x = picture.astype("f8") / 255
        padded = numpy.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")
        patches = numpy.concatenate([padded[dy:dy + 17, dx:dx + 20] for dy in range(3) for dx in range(3)], -1)
        patches = patches.reshape(-1, 27)
        distances = ((patches[:, None] - patches[None]) ** 2).sum(-1)
        weights = numpy.exp(-distances / (27 * (12 / 255) ** 2))
        expected = (weights @ x.reshape(-1, 3)) / weights.sum(1, keepdims=True) * 255
        self.assertLess(abs(self.load("o.png").reshape(-1, 3) - expected).max(), 0.51)

    def test_jpeg(self):
        self.write("in.jpg", JPEG)
        self.denoise("--sigma", 10, "in.jpg", "o.png")
        self.assertEqual(self.load("o.png").shape, (24, 24, 3))

    def test_small_images(self):
        for width, height in ((1, 1), (2, 1), (1, 5), (3, 2)):
            self.write("in.png", image.encode(image.scene(width, height)))
            self.denoise("--sigma", 25, "--patch", 7, "in.png", "o.png")
            self.assertEqual(self.load("o.png").shape, (height, width, 3))

    def test_transparent(self):
        picture = numpy.concatenate([image.scene(16, 16), numpy.zeros((16, 16, 1), "u1")], -1)
        self.write("in.png", image.encode(picture))
        self.expect(DONE, "in.png", "o.png")
        self.assertEqual(self.load("o.png").min(), 255)

    def test_broken_images(self):
        png = image.encode(image.scene(24, 24))
        broken = {
            "nothing": b"", "text": b"no image\n", "gif": b"GIF89a" + bytes(50),
            "png magic": png[:8], "png header cut": png[:20], "png data cut": png[:len(png) // 2],
            "png bad crc": png[:30] + b"xxxx" + png[34:], "png no data": png[:33],
            "png 0 wide": png[:8] + image.chunk(b"IHDR", bytes(4) + png[20:29]) + png[33:],
            "png huge": png[:8] + image.chunk(b"IHDR", b"\0\x0f\0\0\0\x0f\0\0" + png[24:29]) + png[33:],
            "jpeg magic": JPEG[:3], "jpeg header cut": JPEG[:100], "jpeg data cut": JPEG[:len(JPEG) - 60],
            "jpeg cmyk": JPEG_CMYK,
        }
        for name, content in broken.items():
            with self.subTest(name):
                self.write("in.x", content)
                self.expect(USAGE, "in.x", "o.png", says=["in.x"])
                self.assert_only("in.x")

    def test_usage(self):
        self.write("in.png", image.encode(image.scene(24, 20)))
        self.expect(DONE, "--help", says=["Usage", "--sigma", "--seed", "--reference", "--crop", "--device"])
        for arguments, says in (
            (["--sigma", "x"], "--sigma"), (["--sigma", "-1"], "--sigma"), (["--sigma", "256"], "--sigma"),
            (["--sigma", "25/0"], "--sigma"), (["--sigma", "25/"], "--sigma"), (["--sigma", "nan"], "--sigma"),
            (["--seed", "-1"], "--seed"), (["--crop", "0"], "--crop"), (["--crop", "x"], "--crop"),
            (["--crop", "21"], "smaller than the crop"), (["--patch", "4"], "--patch"), (["--patch", "17"], "--patch"),
            (["--h", "0"], "--h"), (["--nosuch"], "--nosuch"), (["--device"], "--device"),
            (["--reference", "nosuch.png"], "nosuch.png"),
        ):
            # An option that lacks its value is last; getopt takes files before options too.
            self.expect(USAGE, "in.png", "o.png", *arguments, says=[says])
        self.write("other.png", image.encode(image.scene(20, 20)))
        self.expect(USAGE, "--reference", "other.png", "in.png", "o.png", says=["other.png"])
        for files in ([], ["in.png"], ["in.png", "o.png", "x"]):
            self.assertEqual(self.run_program(*files).returncode, USAGE)
        for path, says in (("nosuch.png", "No such file"), (".", "directory")):
            self.expect(USAGE, path, "o.png", says=[path, says])
        self.assert_only("in.png", "other.png")

    def test_unwritable(self):
        self.write("in.png", image.encode(image.scene(8, 8)))
        for path in ("nosuch/o.png", ".", "/dev/full"):
            self.expect(FAILED, "in.png", path, says=["cannot write", path])
        self.assert_only("in.png")

    def test_full_disk(self):
        self.write("in.png", image.encode(image.scene(40, 40)))
        result = self.run_on_full_disk("--sigma", 25, "in.png", "o.png")
        self.assertEqual((result.returncode, result.stdout), (FAILED, ""))
        self.assertIn("cannot write o.png", result.stderr)
        self.assert_only("in.png")

    def test_no_device(self):
        self.write("in.png", image.encode(image.scene(8, 8)))
        self.expect(NO_DEVICE, "--device", "vulkan:99", "in.png", "o.png")
        self.assert_only("in.png")


LEVEL = [sys.argv.pop(1)] if len(sys.argv) > 1 and sys.argv[1] in ("quick", "full") else ["quick"]

if __name__ == "__main__":
    unittest.main(verbosity=1)
