#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A device in service whose address on record is not its own any more: nobody answers there, or another device does. It is looked
for under its name, known by its certificate, and the record has the address again. Where DNS does not know better, the job says so.

The devices are named by the table as their addresses are, so that the resolver of this host knows each name without any DNS."""
import json

import harness

DEVICES = 4
NOBODY = "127.250.250.250"


class Address(harness.SiteTest):
    SITE = {"devices": DEVICES, "workers": 1, "conf": {"worker": {"forward_dns": True, "max_attempts": 1}}}

    def records(self):
        lines = self.site.muster("device", "export", "--json").split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}

    def job(self, kind, uuid, *args):
        """An upkeep job to its end: (state, error)."""
        job = json.loads(self.site.muster("job", "open", kind, uuid, *args, "--json"))["job"]

        def ended():
            shown = json.loads(self.site.muster("job", "show", job, "--json"))
            return shown if shown["state"] in ("done", "dead") else None
        shown = self.wait(ended, 120, f"{kind} to end")
        return shown["state"], shown["reason"]

    def test_address(self):
        sim = self.site.start_sim()
        self.wait_settled(DEVICES, 120)
        first, second, third, lost = sorted(self.records())
        address = {u: r["address"] for u, r in self.records().items()}
        # The last one keeps a name that nobody resolves.
        table = "".join(f"{u},{'nobody.invalid' if u == lost else address[u]},default\n" for u in address)
        (self.site.dir / "devices.csv").write_text("uuid,fqdn,profile\n" + table)
        def renamed():  # the worker looks at its table once a second
            ends = {self.job("maintain", u) for u in address}
            self.assertEqual(ends, {("done", "")})
            return {u: r["fqdn"] for u, r in self.records().items()} == {**address, lost: "nobody.invalid"}
        self.wait(renamed, 120, "the new names")
        self.assertEqual(self.job("maintain", first, "with", f"addr={NOBODY}"), ("done", ""))
        self.assertEqual(self.job("inventory", second, "with", f"addr={address[third]}"), ("done", ""))
        self.assertEqual(self.job("check", lost, "with", f"addr={NOBODY}"), ("dead", "unreachable"))
        self.assertEqual(self.job("rotate", lost, "with", f"addr={address[third]}"), ("dead", "changed_hands"))
        found = {u: r["address"] for u, r in self.records().items()}
        self.assertEqual(found, address, "only a device that was met has another address")
        self.assertEqual(self.job("check", lost, "with", f"addr={address[lost]}"), ("done", ""))
        self.assertEqual(self.job("maintain", second), ("done", ""))
        sim.stop()
        report = sim.verify("--names", str(self.site.dir / "devices.csv"))
        self.assertEqual(report["violations"], 0, [(v["fqdn"], v["rule"], v["text"]) for v in report.get("violations_list", [])])


if __name__ == "__main__":
    harness.main()
