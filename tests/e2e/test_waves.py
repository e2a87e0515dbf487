#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A wave of first setups with the real programs: a rule sends the devices, canaries go first, too many fail and the wave stops
itself, an operator resumes it, and the report is exact. A wave that does not exist holds devices in view."""
import pathlib
import tempfile

import harness
from rollout import Follow, show

DEVICES = 48
RULES = """
rules:
  - name: rollout
    wave: first
"""


class Waves(harness.SiteTest):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="muster-waves-")
        cls.addClassCleanup(cls.folder.cleanup)
        rules = pathlib.Path(cls.folder.name) / "rules.yaml"
        rules.write_text(RULES)
        cls.SITE = {"devices": DEVICES, "seed": 5, "conf": {"worker": {"rules_file": str(rules), "max_attempts": 2, "waits": {"resolve_retry_ms": 1000}}}}
        super().setUpClass()

    def test_wave(self):
        sim = self.site.start_sim("--mix", "amt16=1", "--fault", "uuid-mismatch=0", "--fault", "foreign-password=0.25")
        self.wait(lambda: self.status().get("waiting_manual") == DEVICES, 60, "devices to wait for a wave that nobody made")
        self.assertEqual({j["reason"] for j in self.jobs("waiting")}, {"no_wave"})
        self.site.muster("wave", "create", "first", "setup", "canary=4", "in-flight=8", "stop=20%")
        self.wait(lambda: show(self.site, "first")["left"] == DEVICES, 60, "devices to join the wave")
        self.assertEqual({j["reason"] for j in self.jobs("waiting")}, {"wave"})
        follow = Follow(self.site, "first", DEVICES, canary=4, in_flight=8, stop=0.2)
        w = follow.run(240)
        self.assertGreater(len(follow.pauses), 0, "a quarter fails, and the wave stops at a fifth")
        self.assertEqual(follow.complaints + follow.differences(w, "setup"), [])
        self.assertGreater(w["failed"], 0)
        self.assertEqual(self.status()["done"], DEVICES - w["failed"])
        sim.stop()
        self.assertEqual(sim.verify()["violations"], 0)


if __name__ == "__main__":
    harness.main()
