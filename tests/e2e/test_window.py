#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The window guard: devices that answer for 20 s from their first Hello on, and a server that needs twice as long for all of them.
Each one in danger is asked once for more time and none is lost; without the guard, those at the end are."""
import collections
import json

import harness

DEVICES = 40
WINDOW_S = 20
SLOW = ("--latency", "fixed:15", "--mix", "amt16=1", "--fault", f"window=1:{WINDOW_S}")


def conf(guard_s):
    # One session at a time, about a second each: the queue is longer than the window.
    return {"worker": {"sessions": 1, "max_attempts": 2}, "broker": {"setup_window_s": guard_s}}


class Guarded(harness.SiteTest):
    SITE = {"devices": DEVICES, "workers": 1, "conf": conf(WINDOW_S)}

    def test_guard(self):
        sim = self.site.start_sim(*SLOW)
        listed = self.wait(lambda: json.loads(self.site.muster("window", "--json")), 60, "devices in danger")
        self.assertTrue(all(row["closes_min"] <= WINDOW_S / 60 for row in listed), listed)
        self.wait_settled(DEVICES, 240)
        self.assertEqual(self.dead(), [])
        self.assertEqual(json.loads(self.site.muster("window", "--json")), [])
        asked = collections.Counter(e["d"] for e in map(json.loads, sim.ledger.read_text().splitlines())
                                    if e["ev"] == "call" and e["call"].endswith(".ExtendProvisioningPeriod"))
        self.assertGreater(len(asked), 5)
        self.assertLess(len(asked), DEVICES)
        self.assertEqual(set(asked.values()), {1})
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
