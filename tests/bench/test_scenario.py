# SPDX-License-Identifier: Apache-2.0
"""Scenario files: all of them load, scale as they say, and their verdict can be bad."""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import rollout  # noqa: E402
import scenario  # noqa: E402
from estate import SiteError  # noqa: E402

try:
    import yaml  # noqa: F401
except ImportError:
    yaml = None


class Scaling(unittest.TestCase):
    def test_rates_shrink_and_bursts_stay(self):
        self.assertEqual(scenario.scaled_arrival("open:200", 0.5), "open:100")
        self.assertEqual(scenario.scaled_arrival("ramp:200:60", 0.1), "ramp:20:60")
        self.assertEqual(scenario.scaled_arrival("burst:120", 0.1), "burst:120")

    def test_the_estate_keeps_all_but_the_rate(self):
        with tempfile.TemporaryDirectory() as folder:
            given = {"name": "x", "devices": 100, "estate": {"mix": {"amt16": 1}, "laws": {"arrival": "open:20", "deaf-ms": 50}}}
            out = json.loads(scenario.estate_file(given, 50, pathlib.Path(folder) / "f.yaml").read_text())
        self.assertEqual(out, {"name": "x", "devices": 50, "mix": {"amt16": 1}, "laws": {"arrival": "open:10", "deaf-ms": 50}})
        self.assertEqual(given["estate"]["laws"]["arrival"], "open:20")


class Verdicts(unittest.TestCase):
    GOOD = {"provisioned": 99, "violations": 0, "lost": 0, "doubled": 0}

    def test_drops(self):
        self.assertEqual(scenario.verdict({"max_drop_percent": 1}, self.GOOD, 100), [])
        self.assertEqual(len(scenario.verdict({}, self.GOOD, 100)), 1)

    def test_violations_and_losses(self):
        self.assertEqual(len(scenario.verdict({}, self.GOOD | {"provisioned": 100, "violations": 1}, 100)), 1)
        self.assertEqual(len(scenario.verdict({}, self.GOOD | {"provisioned": 100, "doubled": 1}, 100)), 1)


class Waves(unittest.TestCase):
    def test_a_stop_has_a_reason(self):
        for why, ok, failed, right in (
                ("error rate: 3 of the last 100 failed", 97, 3, True), ("error rate: 3 of the last 20 failed", 517, 3, True),
                ("error rate: 1 of the last 5 failed", 4, 1, True),     # the canaries
                ("error rate: 3 of the last 200 failed", 197, 3, False), ("error rate: 2 of the last 20 failed", 98, 2, False),
                ("error rate: 3 of the last 19 failed", 98, 3, False), ("by op", 97, 3, False)):
            with self.subTest(why):
                self.assertEqual(rollout.rate_reached({"ok": ok, "failed": failed}, why, 0.025, 5), right)


@unittest.skipUnless(yaml, "python3-yaml is not installed")
class Files(unittest.TestCase):
    def test_all_of_them_load(self):
        names = {p.stem for p in scenario.FOLDER.glob("*.yaml")}
        self.assertTrue({"power-return-100k", "steady-rollout", "slow-ca", "flaky-network", "mixed-generations", "two-years", "wave"} <= names)
        for name in names:
            self.assertGreater(scenario.load(name)["devices"], 0)

    def test_a_key_that_nobody_reads_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x.yaml"
            for words in ("estates: {}", "then: {decades: {}}"):
                path.write_text(f"about: x\ndevices: 1\n{words}\n")
                with self.assertRaises(SiteError):
                    scenario.load(str(path))
        with self.assertRaises(SiteError):
            scenario.load("no-such-scenario")


if __name__ == "__main__":
    unittest.main()
