#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The window guard: devices that answer for 20 s from their first Hello on, and a server that needs twice as long for all of them.
Each one in danger is asked once for more time and none is lost; without the guard, those at the end are. And devices that wait
for an approval, or for their wave, until long after their window: asked once each, and configured when somebody says so."""
import collections
import json
import pathlib
import tempfile
import time

import harness

DEVICES = 40
WINDOW_S = 20
SLOW = ("--latency", "fixed:15", "--mix", "amt16=1", "--fault", f"window=1:{WINDOW_S}")


def conf(guard_s):
    # One session at a time, about a second each: the queue is longer than the window.
    return {"worker": {"sessions": 1, "max_attempts": 2}, "broker": {"setup_window_s": guard_s}}


def asked(sim):
    """How often each device was asked for more time."""
    return collections.Counter(e["d"] for e in map(json.loads, sim.ledger.read_text().splitlines())
                               if e["ev"] == "call" and e["call"].endswith(".ExtendProvisioningPeriod"))


class Guarded(harness.SiteTest):
    SITE = {"devices": DEVICES, "workers": 1, "conf": conf(WINDOW_S)}

    def test_guard(self):
        sim = self.site.start_sim(*SLOW)
        listed = self.wait(lambda: json.loads(self.site.muster("window", "--json")), 60, "devices in danger")
        self.assertTrue(all(row["closes_min"] <= WINDOW_S / 60 for row in listed), listed)
        self.wait_settled(DEVICES, 240)
        self.assertEqual(self.dead(), [])
        self.assertEqual(json.loads(self.site.muster("window", "--json")), [])
        counts = asked(sim)
        self.assertGreater(len(counts), 5)
        self.assertLess(len(counts), DEVICES)
        self.assertEqual(set(counts.values()), {1})
        sim.stop()
        self.assertEqual(sim.verify()["violations"], 0)


class Waiting(harness.SiteTest):
    DEVICES = 6  # by their addresses: half of them by approval, half in a wave
    RULES = "rules:\n  - {name: asked, subnets: [127.16.0.0/30], approve: true}\n  - {name: waved, wave: floor1}\n"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="muster-rules-")
        cls.addClassCleanup(folder.cleanup)
        rules = pathlib.Path(folder.name) / "rules.yaml"
        rules.write_text(cls.RULES)
        cls.SITE = {"devices": cls.DEVICES, "workers": 1,
                    "conf": {"worker": {"rules_file": str(rules)}, "broker": {"setup_window_s": WINDOW_S}}}
        super().setUpClass()

    def test_wait(self):
        self.site.muster("wave", "create", "floor1", "setup")
        start = time.monotonic()
        sim = self.site.start_sim("--mix", "amt16=1", "--fault", f"window=1:{WINDOW_S}")
        listed = self.wait(lambda: json.loads(self.site.muster("window", "--json")), 60, "devices in danger")
        self.assertLessEqual({row["waits_for"] for row in listed}, {"approval", "wave", ""})
        self.wait(lambda: len(asked(sim)) == self.DEVICES, 60, "all to be asked for more time")
        # The wave is started and approvals are given when the first windows have long been over.
        self.wait(lambda: time.monotonic() > start + WINDOW_S + 5 and self.status()["waiting"] == self.DEVICES, 60, "the windows to be over")
        waiting = {job["device"]: job["reason"] for job in self.jobs("waiting")}
        self.assertEqual(set(waiting.values()), {"approval", "wave"})
        self.assertEqual(json.loads(self.site.muster("window", "--json")), [])
        self.site.muster("wave", "start", "floor1")
        for device, reason in waiting.items():
            if reason == "approval":
                self.site.muster("job", "kick", device)
        self.wait_settled(self.DEVICES, 120)
        self.assertEqual(self.dead(), [])
        self.assertEqual(set(asked(sim).values()), {1})
        wave = json.loads(self.site.muster("wave", "show", "floor1", "--json"))
        self.assertEqual((wave["ok"], wave["failed"], wave["skipped"]), (list(waiting.values()).count("wave"), 0, 0), wave)
        sim.stop()
        self.assertEqual(sim.verify()["violations"], 0)


class Unguarded(harness.SiteTest):
    SITE = {"devices": DEVICES, "workers": 1, "conf": conf(0)}

    def test_loss(self):
        self.site.start_sim(*SLOW)
        counts = self.wait_settled(DEVICES, 240)
        self.assertGreater(counts["dead"], 5, "the estate is not slow enough to show anything")
        told = self.site.run("muster", "window", "--config", str(self.site.config), check=False)
        self.assertEqual(told, "")


if __name__ == "__main__":
    harness.main()
