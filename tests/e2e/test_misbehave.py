#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Devices that misbehave cost their own job a clear reason and nobody else anything: faults, 401s,
cut XML, gigabytes, endless chunks, silence, resets, a wrong certificate. The job is in the dead list
with step and text, and kick runs it again."""
import json
import re

import harness

# fault of the simulator -> what the text in the dead list must speak of
FAULTS = {
    "answer": r"InternalError",
    "unauthorized": r"401|password|login",
    "truncated": r"XML|truncated|well-formed|no element",
    "huge_body": r"limit|body|1 MiB|1048576",
    "endless": r"limit|body|1 MiB|1048576",
    "silent": r"time|answer",
    "handshake_stall": r"handshake|time",
    "deaf": r"connect|reset|refused|closed",
    "wrong_cert": r"certificate",
}
GOOD = 12


class Misbehave(harness.SiteTest):
    SITE = {"devices": len(FAULTS) + GOOD, "conf": {"worker": {
        "max_attempts": 2, "retry_min_s": 1, "retry_max_s": 1,
        "waits": {"connect_ms": 1000, "handshake_ms": 1500, "exchange_ms": 1500, "slow_exchange_ms": 2500,
                  "reconnect_tries": 2, "reconnect_ms": 300, "password_ms": 50}}}}

    def test_each_fault_is_named_and_alone(self):
        args = []
        for i, name in enumerate(FAULTS):
            args += ["--fault", f"{name.replace('_', '-')}@{i}"]
        sim = self.site.start_sim(*args)
        devices = len(FAULTS) + GOOD
        counts = self.wait_settled(devices, 180)
        self.assertEqual((counts["done"], counts["dead"]), (GOOD, len(FAULTS)), self.site.muster("dead", "list"))
        rows = [line.split(",") for line in (self.site.dir / "devices.csv").read_text().split("\n")[1:] if line]
        dead = {row["uuid"]: row for row in self.dead()}
        for i, (name, pattern) in enumerate(FAULTS.items()):
            with self.subTest(fault=name):
                row = dead[rows[i][0]]
                self.assertTrue(row["step"], row)
                self.assertRegex(row["error"], re.compile(pattern, re.I), row)
        self.kick_runs_again(dead[rows[0][0]])
        sim.stop()

    def kick_runs_again(self, row):
        before = json.loads(self.site.muster("job", "show", row["job"], "--json"))
        self.site.muster("job", "kick", row["job"])
        self.wait(lambda: json.loads(self.site.muster("job", "show", row["job"], "--json"))["fence"] > before["fence"]
                  and len(self.dead()) == len(FAULTS), 60, "the kicked job to run and die again")


if __name__ == "__main__":
    harness.main()
