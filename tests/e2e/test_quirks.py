#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Devices that are healthy but awkward (lost commits, cut answers, logins in setup, nonces that
change, connections for one request, "not now", resets) all end provisioned, with no rule broken."""
import harness

FAULTS = ("commit-lost=0.1", "setup-login=0.1", "nonce-reset=0.2", "close-each=0.1", "commit-cut=0.1", "not-now=0.1",
          "reset=0.05")
DEVICES = 300
SEEDS = (1, 2, 3)


class Quirks(harness.SiteTest):
    SITE = {"devices": DEVICES, "seed": SEEDS[0]}

    def test_all_are_provisioned(self):
        sim = self.site.start_sim(*(word for fault in FAULTS for word in ("--fault", fault)))
        self.wait_settled(DEVICES, 100)
        sim.stop()
        report = sim.verify()
        self.assertEqual((report["provisioned"], report["lost"], report["doubled"]), (DEVICES, 0, 0),
                         self.site.muster("dead", "list"))
        self.assertEqual(report["violations"], 0, report["violations_list"][:10])


def load_tests(_loader, _tests, _pattern):
    """The same test with each seed: other devices have the faults, and other pairs of them."""
    suite = harness.unittest.TestSuite()
    for seed in SEEDS:
        case = type(f"Quirks{seed}", (Quirks,), {"SITE": {"devices": DEVICES, "seed": seed}})
        suite.addTest(case("test_all_are_provisioned"))
    return suite


if __name__ == "__main__":
    harness.main()
