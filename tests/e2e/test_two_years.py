#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two years of upkeep with the real programs and simulated devices, in time-warp (bench/timewarp.py): certificates and passwords
are renewed in time, nobody is locked out. What says so are the device's own ledger, the certificates that it shows to OpenSSL,
and curl. The same on an estate whose upkeep is switched off: there it must complain."""
import unittest

import harness
from estate import merged
from timewarp import Warp, site_options

DAYS, LIFE, ROTATE = 730, 365, 180
POLICY = {"life_days": LIFE, "rotate_days": ROTATE, "maintain_days": 365}
LATE = 3  # days: two other jobs that write have their pause of a day first, and a day of jumps
CLUSTER = {"listeners": 1, "brokers": 16, "workers": 1}  # each broker looks once a second: 16 make a jump short


class Years(unittest.TestCase):

    def play(self, devices, days, **conf):
        """A site after so many days: (site, simulator, Warp)."""
        site = harness.Site(harness.SiteTest.build, devices=devices, **CLUSTER, **merged(site_options(POLICY), {"conf": conf}))
        self.addCleanup(site.remove)
        self.addCleanup(site.stop)
        site.start()
        sim = site.start_sim("--mix", "amt12=0.5,amt16=0.5", "--deaf-ms", "20")
        harness.wait_for(lambda: (site.status() or {}).get("done") == devices, 120, "the first setups")
        warp = Warp(site, sim, ROTATE, LATE)
        self.addCleanup(warp.close)
        return site, sim, warp.run(days)

    def test_two_years(self):
        devices = 24
        _, sim, warp = self.play(devices, DAYS)
        report = warp.report(DAYS)
        self.assertEqual(warp.logins(), devices)
        self.assertEqual(warp.complaints, [], report)
        # The first ones are those of the setup. A certificate is renewed in its last month, the first one anywhere in its life.
        self.assertGreaterEqual(report["certificates"], (1 + 2) * devices)
        self.assertGreaterEqual(report["passwords"], (1 + 3) * devices)
        self.assertGreaterEqual(report["visits"], (2 + 3 + 1) * devices)
        sim.stop()
        verdict = sim.verify()
        self.assertEqual((verdict["violations"], verdict["provisioned"]), (0, devices), verdict.get("violations_list"))

    def test_neglect_is_seen(self):
        devices, days = 3, LIFE + 10
        *_, warp = self.play(devices, days, upkeep={"renew_before_days": 0, "rotate_days": 0, "maintain_days": 100})
        old = [c for c in warp.complaints if "days old" in c]
        ended = [c for c in warp.complaints if "not valid" in c]
        self.assertGreaterEqual(len(old), devices)
        self.assertGreaterEqual(len(ended), devices)
        self.assertEqual(len(old) + len(ended), len(warp.complaints))


if __name__ == "__main__":
    harness.main()
