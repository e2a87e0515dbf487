#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run of the estate is repeated exactly by its seed: two runs whose timing differs, one of them in three processes, take
the same decisions, device by
device and event by event (identity, generation, quirks; what happens to request number k; the address at Hello number k),
and the worker follows devices whose address changes. Another seed decides otherwise."""
import json

import harness

DEVICES = 60
LAWS = ("--compress", "60", "--loss", "drop=0.004,reset=0.01,stall=0.004,half-open=0.004,reboot=0.01", "--readdress", "0.5",
        "--fault", "not-now=0.3", "--fault", "commit-lost=0.2")
WORKER = {"max_attempts": 8, "retry_min_s": 1, "retry_max_s": 2,
          "waits": {"connect_ms": 2000, "handshake_ms": 8000, "exchange_ms": 2000, "slow_exchange_ms": 3000, "reconnect_ms": 300,
                    "password_ms": 300}}


def decisions(ledgers):
    """By device: what it is, and {(kind, number of the event): what was decided}, with how many events there were."""
    out = {}
    for text in "\n".join(ledger.read_text() for ledger in ledgers).split("\n"):
        line = json.loads(text) if text else {}
        if line.get("ev") == "device":
            out[line["d"]] = {"is": (line["addr"], line["fqdn"], line["amt"], line["faults"]), "drawn": {}, "n": {}}
        elif line.get("ev") == "loss":
            out[line["d"]]["drawn"]["request", line["request"]] = line["what"]
        elif line.get("ev") == "address":
            out[line["d"]]["drawn"]["hello", line["hello"]] = line["addr"]
        elif line.get("ev") == "final":
            out[line["d"]]["n"] = {"request": line["requests"], "hello": line["hellos"]}
    return out


def until(device, n):
    """What was decided for the events that both runs had. An address only changes while no connection is open: a matter of
    timing, so that of a Hello says where the device is, not whether it was drawn."""
    return {key: what for key, what in device["drawn"].items() if key[0] == "request" and key[1] <= n["request"]}


class Repeat(harness.SiteTest):
    SITE = {"devices": DEVICES, "conf": {"worker": WORKER}}

    def one_run(self, seed, *extra):
        """A fresh site, since the server remembers devices."""
        site = harness.Site(self.build, devices=DEVICES, seed=seed, conf={"worker": WORKER})
        try:
            site.start()
            sim = site.start_sim(*LAWS, *extra)
            harness.wait_for(lambda: (site.status() or {}).get("done", 0) >= DEVICES, 240,
                             f"{DEVICES} devices to be done; {site.status()}")
            sim.stop()
            report = sim.verify()
            self.assertEqual((report["provisioned"], report["violations"]), (DEVICES, 0), report["violations_list"][:3])
            return decisions(sim.ledgers)
        finally:
            site.stop()
            site.remove()

    @classmethod
    def setUpClass(cls):
        """Each run has a site of its own."""

    @classmethod
    def tearDownClass(cls):
        pass

    def test_same_seed_same_decisions(self):
        first = self.one_run(1)
        second = self.one_run(1, "--processes", "3", "--latency", "lognormal:15:0.8", "--arrival", "open:30")
        self.assertEqual({d: one["is"] for d, one in first.items()}, {d: two["is"] for d, two in second.items()})
        struck = moved = 0
        for name, one in first.items():
            two = second[name]
            n = {kind: min(one["n"][kind], two["n"][kind]) for kind in one["n"]}
            self.assertEqual(until(one, n), until(two, n), name)
            struck += len(until(one, n))
            moved += sum(1 for kind, _ in one["drawn"] if kind == "hello")
        self.assertGreater(struck, DEVICES / 4, "the laws of loss did not strike: nothing was compared")
        self.assertGreater(moved, 0, "no device changed its address")
        other = self.one_run(2)
        self.assertFalse(set(first) & set(other), "two seeds have devices in common")


if __name__ == "__main__":
    harness.main()
