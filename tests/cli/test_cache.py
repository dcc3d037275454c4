"""The cache of `fovea run` and `fovea info`: where it is, who may read it, what it spares, and how to go without."""
import json
import os
import shutil
import stat
import unittest

import common
import test_run
from common import DONE, numpy

DEVICE = common.vulkan_ids()[0]


class Cache(test_run.RunTest):
    def setUp(self):
        super().setUp()
        self.device = DEVICE
        self.base = self.file("cache")
        self.entries = os.path.join(self.base, "fovea", "entries")
        self.environment = dict(os.environ, XDG_CACHE_HOME=self.base, HOME=self.file("home"))
        # Mesa keeps a cache of its own there; the one of this machine serves all tests
        self.environment.setdefault("MESA_SHADER_CACHE_DIR", os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mesa_shader_cache"))
        shapes = ((1, 1, 3, 8), (1, 1, 5, 8), (1, 1, 5, 8))
        self.values = self.arrays(shapes=shapes)

    def run_program(self, *arguments, **options):
        return super().run_program(*arguments, env=self.environment, **options)

    def attend(self, *extra):
        """Runs on the device; the result must be right. Returns whether all kernels' tests came from the cache, and
        what was said."""
        result = self.softmax(description={"tile": 2}, extra=("--explain", "--json", *extra))
        expected, _, bound, _ = common.reference(*self.values)
        self.assertLessEqual(common.worst(numpy.load(self.file("o.npy")), expected, bound), 1)
        kernels = json.loads(result.stdout)["kernels"]
        self.assertTrue(all(kernel["tested"] for kernel in kernels))
        return all(kernel["cached"] for kernel in kernels), result.stderr

    def names(self):
        return sorted(os.listdir(self.entries)) if os.path.isdir(self.entries) else []

    def mode(self, path):
        return stat.S_IMODE(os.lstat(path).st_mode)

    def test_second_run_hits(self):
        old = os.umask(0)
        try:
            self.assertEqual(self.attend(), (False, ""))
        finally:
            os.umask(old)
        names = self.names()
        self.assertEqual({name.split("-")[0] for name in names}, {"pipelines", "selftest"})
        for name in names:
            self.assertRegex(name, r"^[a-z]+-[0-9a-f]{32}$")
            self.assertEqual(self.mode(os.path.join(self.entries, name)), 0o600)
        for path in (self.base, os.path.dirname(self.entries), self.entries):
            self.assertEqual(self.mode(path), 0o700)
        self.assertEqual(self.attend(), (True, ""))
        self.assertEqual(self.names(), names)
        self.expect(DONE, "info", "--device", self.device)

    def test_without(self):
        self.assertEqual(self.attend("--no-cache"), (False, ""))
        self.expect(DONE, "info", "--device", self.device, "--no-cache")
        self.assertFalse(os.path.exists(self.base))
        self.attend()
        self.assertEqual(self.attend("--no-cache"), (False, ""))

    def test_the_cpu_makes_no_folder(self):
        self.device = "cpu"
        self.softmax()
        self.assertFalse(os.path.exists(self.base))

    def test_home(self):
        self.environment.pop("XDG_CACHE_HOME")
        self.assertEqual(self.attend(), (False, ""))  # a home that does not exist
        self.assertFalse(os.path.exists(self.file("home")))
        os.mkdir(self.file("home"))
        os.makedirs(self.file("home/.cache/fovea/swiftshader"))
        self.environment["XDG_CACHE_HOME"] = "relative"
        self.assertEqual(self.attend(), (False, ""))
        self.assertFalse(os.path.exists(self.file("relative")))
        self.assertEqual(sorted(os.listdir(self.file("home/.cache/fovea"))), ["entries", "swiftshader"])
        self.assertEqual(self.attend(), (True, ""))
        for name in ("HOME", "XDG_CACHE_HOME"):
            self.environment.pop(name)
        self.assertEqual(self.attend(), (False, ""))

    def refused(self, reason):
        """To open the device asks for an entry, and is cheaper than a run."""
        before = self.names()
        said = self.expect(DONE, "info", "--device", self.device).stderr
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("warning", said)
        self.assertIn(reason, said)
        self.assertEqual(self.names(), before)

    def test_hostile_folders(self):
        self.attend()
        for mode in (0o720, 0o702, 0o777):
            os.chmod(self.entries, mode)
            self.refused("others than its user may write it")
        os.chmod(self.entries, 0o755)  # to read is no harm
        self.assertEqual(self.attend(), (True, ""))
        if os.geteuid() == 0:
            os.chown(self.entries, 65534, -1)
            self.refused("another user")
            os.chown(self.entries, 0, -1)
        os.rename(self.entries, self.file("elsewhere"))
        os.symlink(self.file("elsewhere"), self.entries)
        self.refused(self.entries)
        os.remove(self.entries)
        self.write("cache/fovea/entries", "a file")
        self.refused(self.entries)
        hit, said = self.attend()
        self.assertFalse(hit)
        self.assertEqual(said.count("warning"), 1, said)

    def test_damaged_files(self):
        self.attend()
        names = self.names()
        sizes = {name: os.path.getsize(os.path.join(self.entries, name)) for name in names}
        for content in (b"", b"\0" * 5000, None):
            for name in names:
                path = os.path.join(self.entries, name)
                if content is None:
                    os.remove(path)
                    os.mkfifo(path)  # nobody writes it: a reader that waits would hang
                else:
                    with open(path, "wb") as file:
                        file.write(content)
            hit, said = self.attend()
            self.assertFalse(hit)
            self.assertEqual(said.count("is not used"), len(names) if content else 0, said)
            self.assertEqual({name: os.path.getsize(os.path.join(self.entries, name)) for name in names}, sizes)
        self.assertEqual(self.attend(), (True, ""))

    def test_entries_that_are_links(self):
        self.attend()
        name = next(name for name in self.names() if name.startswith("selftest"))
        path = os.path.join(self.entries, name)
        shutil.move(path, self.file("target"))
        os.symlink(self.file("target"), path)
        size = os.path.getsize(self.file("target"))
        self.assertFalse(self.attend()[0])  # not followed, and replaced by a file
        self.assertFalse(os.path.islink(path))
        self.assertEqual(os.path.getsize(self.file("target")), size)

    def test_a_folder_in_the_place_of_an_entry(self):
        self.attend()
        name = next(name for name in self.names() if name.startswith("selftest"))
        os.remove(os.path.join(self.entries, name))
        os.mkdir(os.path.join(self.entries, name))
        hit, said = self.attend()
        self.assertFalse(hit)
        self.assertEqual(said.count("\n"), 1, said)  # it is no entry, and none can be put there
        self.assertIn("not cached: " + name, said)
        self.assertEqual([n for n in self.names() if n.endswith(".new")], [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
