#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mixed estate: every quirk at 5 % of the devices at once, over a network that loses a little, with addresses
that change. Every device must reach the end that its quirks allow, and the judge must find no violation.

    python3 tests/e2e/test_mixed.py                              300 devices, one seed
    python3 tests/e2e/test_mixed.py --devices 2000 --seeds 1-5   the whole proof"""
import argparse
import collections
import json
import re
import sys

import harness
from test_quirks import RIGHT_END

SHARE = 0.05
STORY_LINES = 40  # of a device that something was done wrong to
# Each of these ends a session by a time limit or a flood; together at 5 % they only make the test long.
LOSS = "drop=0.0005,reset=0.001,stall=0.0005,half-open=0.0005,reboot=0.0003"
# What may follow from a quirk besides being provisioned; a quirk that is not here must not show at all.
REFUSALS = {name.partition(":")[0]: end for name, end in RIGHT_END.items() if end != "provisioned"}


def full(pattern, text):
    return re.fullmatch(pattern, text) is not None


def quirk_names(end):
    return [q.partition("/")[0] for q in end["quirks"].split()]


def allowed(end, quirks):
    """Whether this end is right for a device with these quirks: one that they name, else provisioned."""
    named = [q for q in quirks if q in REFUSALS]
    if not named:
        return end == "provisioned"
    # One of several wins; which one depends on what the server meets first. A refusal that is tried again until
    # max_attempts has the name of the last visit, which the law of loss may have ended.
    return any(full(REFUSALS[q], end) for q in named) or full(r"refused:(cut|handshake|unreachable)", end)


class Mixed(harness.SiteTest):
    DEVICES, SEED = 300, 1
    SITE = {}

    @classmethod
    def setUpClass(cls):
        # All say Hello at once: the more there are, the longer each waits for its share of the processors.
        crowd = max(1, cls.DEVICES // 500)
        cls.SITE = {"devices": cls.DEVICES, "seed": cls.SEED, "conf": {"worker": {
            "max_attempts": 5, "retry_min_s": 1, "retry_max_s": 3,
            "waits": {"connect_ms": 2000 * crowd, "handshake_ms": 5000 * crowd, "exchange_ms": 3000 * crowd,
                      "slow_exchange_ms": 8000 * crowd, "reconnect_ms": 500, "password_ms": 1500}}}}
        super().setUpClass()

    def run_estate(self):
        faults = [word for name in RIGHT_END for word in ("--fault", self.rule(name))]
        sim = self.site.start_sim("--compress", "12", "--spread-s", str(self.DEVICES / 100), "--loss", LOSS,
                                  "--readdress", "0.05", *faults)
        self.wait(lambda: self.over(sim), 120 + self.DEVICES * 0.6, "all devices to end")
        sim.stop()
        return sim

    @staticmethod
    def rule(quirk):
        name, _, value = quirk.partition(":")
        return f"{name}={SHARE}" + (f":{value}" if value else "")

    def over(self, sim):
        """All said Hello, and no job is ready or leased."""
        s = self.status()
        over = s.get("done", 0) + s.get("dead", 0) + s.get("waiting", 0)
        # Zeros are refused, placeholders are one job, shared UUIDs are half.
        return (sim.progress["hellos"] >= self.DEVICES and over >= self.DEVICES * (1 - 4 * SHARE)
                and not s.get("ready", 0) and not s.get("leased", 0))

    def test_all_reach_their_end(self):
        sim = self.run_estate()
        ends_file = self.site.dir / "ends.jsonl"
        report = sim.verify("--ends", str(ends_file))
        ends = [json.loads(line) for line in ends_file.read_text().split("\n") if line]
        print(f"\n  seed {self.SEED}: {dict(sorted(report['ends'].items()))}", flush=True)
        for violation in report["violations_list"][:10]:
            print("  violation:", {k: v for k, v in violation.items() if k != "story"})
            print("    " + "\n    ".join(str(line) for line in violation["story"][-STORY_LINES:]))
        # Devices with one UUID are one to the server: what one of them has, all have.
        together = collections.defaultdict(set)
        for end in ends:
            together[end["uuid"]].update(quirk_names(end))
        wrong = [end for end in ends if not allowed(end["end"], together[end["uuid"]])]
        for end in wrong[:20]:
            print("  wrong end:", {k: end[k] for k in ("index", "quirks", "end", "error")})
        self.assertEqual((len(ends), len(wrong), report["violations"]), (self.DEVICES, 0, 0))
        seen = collections.Counter(q for end in ends for q in quirk_names(end))
        self.assertEqual(set(seen), {name.partition(":")[0] for name in RIGHT_END}, "a quirk that no device had")


def seeds(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument("--devices", type=int, default=300)
OPTIONS.add_argument("--seeds", type=seeds, default=range(1, 2))


def load_tests(_loader, _tests, _pattern):
    suite = harness.unittest.TestSuite()
    for seed in CHOSEN.seeds:
        case = type(f"Mixed{seed}", (Mixed,), {"DEVICES": CHOSEN.devices, "SEED": seed})
        suite.addTest(case("test_all_reach_their_end"))
    return suite


CHOSEN, sys.argv[1:] = OPTIONS.parse_known_args()

if __name__ == "__main__":
    harness.main()
