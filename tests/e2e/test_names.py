#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A device whose name moved in the table: a dry run says it, maintenance gives it a certificate of the new name and then the name, in
that order; the others are not touched. Each row of both plans is struck by a crash on a device of its own: all end with the new name."""
import json
import pathlib
import re
import subprocess

import harness

MIX = "amt16=0.6,amt11=0.3,amt5=0.1"
SAME = 4  # devices whose name stays
QUIET = 2  # renamed devices that no crash strikes
READS = re.compile(r"\.(Get\w*|Enumerate\w*|Pull)$")


def rows(build):
    """What a maintenance that renames runs through: rows of the plan that renews, then of the usual one."""
    text = subprocess.run([str(pathlib.Path(build) / "bin/muster-worker"), "--plans"], capture_output=True, text=True, check=True).stdout
    found, plan = [], ""
    for line in text.splitlines():
        if line.startswith("plan "):
            plan = line.split()[1]
        elif line.strip() and plan in ("admin", "renew"):
            found.append((plan, line.split()[0]))
    return found


class Names(harness.SiteTest):
    @classmethod
    def setUpClass(cls):
        # Of the usual plan the rows that a name has to do with; the others are the business of test_crash.
        about = re.compile(r"^(admin|verify|leaf|cert|key|context|clean|ping|check\.general|revoke)\b")
        crashes = [(p, r, m) for p, r in rows(cls.build) if p == "renew" or about.match(r) for m in ("before", "after")]
        cls.n_crashes = len(crashes)
        cls.n = SAME + QUIET + len(crashes)
        cls.site = harness.Site(cls.build, devices=cls.n, seed=5, workers=1, profile=harness.legacy_profile(),
                                conf={"test": {"crashes": ""}})
        site = cls.site
        table = site.run("muster-sim", "devices", "--devices", str(cls.n), "--seed", "5", "--domain", "corp.example.com", "--profile",
                         "default").splitlines()
        cls.table = [line.split(",") for line in table[1:]]
        cls.uuids = [row[0] for row in cls.table]
        # A plan that setup runs too: the second time counts, when the device has another name.
        cls.crashes = pathlib.Path(site.dir) / "crashes"
        cls.lines = [" ".join((u, *c)) + "\n" for u, c in zip(cls.uuids[SAME + QUIET:], crashes)]
        cls.crashes.write_text("")
        text = site.config.read_text()
        site.config.write_text(text.replace('crashes: ""', f'crashes: "{cls.crashes}"'))
        try:
            site.start()
        except BaseException:
            cls.tearDownClass()
            raise

    def records(self):
        lines = self.site.muster("device", "export", "--json").split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}

    def run_jobs(self, kind, uuids):
        jobs = {json.loads(self.site.muster("job", "open", kind, u, "--json"))["job"] for u in uuids}

        def ended():
            shown = [j for j in self.jobs() if j["job"] in jobs]
            return shown if len(shown) == len(jobs) and all(j["state"] in ("done", "dead") for j in shown) else None
        for job in self.wait(ended, 300, f"{kind} jobs to end"):
            self.assertEqual(job["state"], "done", job)

    def writes(self, sim, start):
        """[(device, call)] of the ledger from a line on, without reads; the next line."""
        lines = sim.ledger.read_text().splitlines()
        events = [e for e in map(json.loads, lines[start:]) if e["ev"] == "call" and not READS.search(e["call"])]
        return [(e["d"], e["call"]) for e in events], len(lines)

    def test_names(self):
        site = self.site
        sim = site.start_sim("--mix", MIX)
        self.wait_settled(self.n, 300)
        self.assertEqual(self.dead(), [])
        before = self.records()
        # Another host, and for every other device another domain, too.
        wanted = {u: name if i < SAME else "moved-" + (name if i % 2 else name.replace("corp", "branch"))
                  for i, (u, name, _) in enumerate(self.table)}
        (site.dir / "devices.csv").write_text("uuid,fqdn,profile\n" + "".join(f"{u},{n},default\n" for u, n in wanted.items()))
        self.crashes.write_text("".join(self.lines).lower())
        site.node.stop()
        site.start_node()
        moved, same = self.uuids[SAME:], self.uuids[:SAME]

        position = self.writes(sim, 0)[1]
        self.run_jobs("check", self.uuids[:SAME + QUIET])
        said = self.records()
        self.assertEqual(self.writes(sim, position)[0], [], "a dry run has written")
        for u in self.uuids[:SAME + QUIET]:
            old, new = before[u]["fqdn"], wanted[u]
            self.assertEqual(said[u]["fqdn"], old, "a dry run has renamed the record")
            self.assertEqual(f"AMT_PublicKeyCertificate\tSubject\t{old}\t{new}\n" in said[u]["differences"], u in moved)
            self.assertEqual(f"AMT_GeneralSettings\tHostName\t{old.split('.')[0]}\t{new.split('.')[0]}\n" in said[u]["differences"], u in moved)

        self.run_jobs("maintain", self.uuids)
        writes, position = self.writes(sim, position)
        self.assertEqual({u for u, _ in writes}, set(moved))
        quiet = self.uuids[SAME]
        calls = [c for u, c in writes if u == quiet]
        order = [calls.index(c) for c in ("AMT_PublicKeyManagementService.AddCertificate", "AMT_TLSCredentialContext.Put",
                                          "AMT_SetupAndConfigurationService.CommitChanges", "AMT_GeneralSettings.Put")]
        self.assertEqual(order, sorted(order), "the name comes after the certificate")
        after = self.records()
        for u in self.uuids:
            self.assertEqual(after[u]["fqdn"], wanted[u])
            self.assertEqual(after[u]["cert_fp"] != before[u]["cert_fp"], u in moved)
        self.assertGreaterEqual(json.loads(site.muster("ca", "show", "--json"))["revoked"], len(moved))
        log = (site.dir / "node.log").read_text()
        self.assertGreater(log.count('"test.crashes"'), self.n_crashes // 2, "crashes that struck")

        self.run_jobs("maintain", self.uuids)
        self.assertEqual(self.writes(sim, position)[0], [], "a second run writes nothing")
        self.run_jobs("rotate", [quiet])  # it is known by its new name and certificate
        sim.stop()
        report = sim.verify("--names", str(site.dir / "devices.csv"))
        self.assertEqual(report["violations"], 0, [(v["fqdn"], v["rule"], v["text"]) for v in report.get("violations_list", [])])


if __name__ == "__main__":
    harness.main()
