"""`fovea run` on every Vulkan device of this machine; 77 where there is none."""
import json
import subprocess
import sys

import common
import test_run

if common.numpy is None:
    print("skipped: this python3 has no numpy")
    sys.exit(common.SKIP)


def device_ids():
    text = subprocess.run([common.program("cli"), "info", "--json", "--no-cache"], capture_output=True, text=True,
                          timeout=600, check=True).stdout
    return [device["id"] for device in json.loads(text)["devices"] if device["id"].startswith("vulkan")]


class Devices(test_run.Results):
    """One process a device is enough: the same cases as on the CPU that show that dtypes and layouts arrive."""

    options = ("--no-cache",)  # the user's own is none of the tests' business


IDS = device_ids()
KEPT = ("test_mixed", "test_layout", "test_causal", "test_run_lengths")


def load_tests(loader, tests, pattern):
    suite = common.unittest.TestSuite()
    for device in IDS:
        kind = type("Devices_" + device.replace(":", "_"), (Devices,), {"device": device})
        suite.addTests(kind(name) for name in KEPT)
    return suite


if __name__ == "__main__":
    if not IDS:
        print("skipped: no Vulkan device")
        sys.exit(common.SKIP)
    common.main()
