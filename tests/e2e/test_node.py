#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The supervisor: what dies is started again, a drain loses and reaps nothing, nothing is left
running, and a Hello is only accepted while somebody can admit it."""
import json
import os
import pathlib
import signal
import time

import harness
from estate import ROLES

DEVICES = 60


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Node(harness.SiteTest):
    SITE = {"devices": DEVICES, "workers": 2}

    def roles(self):
        return sorted(role for _, role in self.site.children())

    def test_what_dies_starts_again(self):
        full = self.roles()
        self.assertEqual(full, ["broker", "ca", "listener", "listener", "worker", "worker"])
        for role in (*ROLES, "ca"):
            with self.subTest(role=role):
                victim = next(pid for pid, r in self.site.children() if r == role)
                os.kill(victim, signal.SIGKILL)
                self.wait(lambda v=victim: self.roles() == full and v not in dict(self.site.children()), 20,
                          f"a new {role}")

    def test_drain_in_the_middle(self):
        """SIGTERM while sessions are open: all end or are given back, none by a lost lease."""
        site = self.site
        sim = site.start_sim("--latency", "fixed:60")
        self.wait(lambda: self.status().get("leased", 0) >= DEVICES // 3, 30, "open sessions")
        pids = [pid for pid, _ in site.children()]
        self.assertTrue(site.node.stop(60), "the node did not end by itself")
        self.assertEqual([p for p in pids if alive(p)], [])
        self.assertEqual(self.status()["leased"], 0, "leases were left to be reaped")
        site.start_node()
        self.wait_settled(DEVICES, 90)
        events = json.loads(site.muster("events", "--json", "--limit", "100000"))
        self.assertNotIn("reap", {e["event"] for e in events})
        self.assertTrue(all(j["lost"] == 0 for j in self.jobs("done")))
        self.assertEqual(self.status()["done"], DEVICES)
        sim.stop()
        report = sim.verify()
        self.assertEqual((report["provisioned"], report["violations"]), (DEVICES, 0), report["violations_list"][:2])


class Orphans(harness.SiteTest):
    SITE = {"devices": 1, "workers": 1}

    def test_killed_supervisor_leaves_nothing(self):
        pids = [pid for pid, _ in self.site.children()]
        self.site.node.popen.kill()
        self.site.node.popen.wait()
        self.wait(lambda: not any(alive(p) for p in pids), 60, "the children to end with their supervisor")


class NoRedis(harness.SiteTest):
    SITE = {"devices": 5, "workers": 1, "listeners": 1}

    def test_nothing_is_accepted_without_redis(self):
        """Redis is gone: Hellos are not acknowledged; when it is back all are provisioned."""
        site = self.site
        site.redis.popen.kill()
        site.redis.popen.wait()
        sim = site.start_sim("--compress", "60")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            self.assertEqual(sim.progress.get("accepted", 0), 0)
            time.sleep(0.1)
        site.start_redis()
        self.wait_settled(5, 90)
        sim.stop()
        self.assertEqual(sim.verify()["provisioned"], 5)


if __name__ == "__main__":
    harness.main()
