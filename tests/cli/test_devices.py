"""`fovea run` on every Vulkan device of this machine; 77 where there is none."""
import unittest

import common
import test_run

IDS = common.vulkan_ids()


class Devices(test_run.Results):
    """One process a device is enough: the same cases as on the CPU that show that dtypes and layouts arrive."""

    options = ("--no-cache",)  # the user's own is none of the tests' business


KEPT = ("test_mixed", "test_layout", "test_causal", "test_run_lengths")


def load_tests(loader, tests, pattern):
    suite = unittest.TestSuite()
    for device in IDS:
        kind = type("Devices_" + device.replace(":", "_"), (Devices,), {"device": device})
        suite.addTests(kind(name) for name in KEPT)
    return suite


if __name__ == "__main__":
    unittest.main(verbosity=1)
