#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A crash before and after every row of every plan, generated from the worker's own table: one device for each, with a profile
that wishes everything. Each device ends right and reachable with the credentials of its record; the judge finds nothing; a
maintenance of all of them finds nothing left to write.

A crash is the end of the session without a word to anybody (worker/crash.h); the lease runs out, the next visit goes on."""
import json
import pathlib
import re
import subprocess
import tempfile

import foreign
import harness
import settings
from reader import Reader, calls_of
from settings import ROWS
import test_settings

MIX = "amt16=0.5,amt11=0.3,amt5=0.2"
UPKEEP = ("renew", "rotate", "inventory", "unconfigure")
CLOSED = ("unconfigure",)  # what ends with a device that is not in service
DETAILS = 12  # devices whose every field is read back


def plans(build):
    """{plan: [row, ...]} as the worker prints them."""
    text = subprocess.run([str(pathlib.Path(build) / "bin/muster-worker"), "--plans"], capture_output=True, text=True, check=True).stdout
    out = {}
    for line in text.splitlines():
        if line.startswith("plan "):
            out[line.split()[1]] = rows = []
        elif line.strip():
            rows.append(line.split()[0])
    return out


class Crash(harness.SiteTest):
    @classmethod
    def setUpClass(cls):
        cls.plans = plans(cls.build)
        first = [(p, r, m) for p in ("setup", "admin") for r in cls.plans[p] for m in ("before", "after")]
        later = [(p, r, m) for p in UPKEEP for r in cls.plans[p] for m in ("before", "after")]
        cls.crashes = first
        cls.n = max(len(first), len(later))
        cls.folder = tempfile.TemporaryDirectory(prefix="muster-console-")
        cls.addClassCleanup(cls.folder.cleanup)
        root, cert, key = settings.make_console(pathlib.Path(cls.folder.name))
        cls.dir = pathlib.Path(cls.folder.name)
        profile = settings.with_network(settings.with_tls(test_settings.Settings.BASE + settings.PROFILE, root), cls.dir)
        cls.console = ("--cert", str(cert), "--key", str(key))
        cls.SITE = {"devices": cls.n, "seed": 11, "workers": 1, "profile": profile,
                    "conf": {"test": {"crashes": ""}, "worker": {"run_lease_ms": 8000, "console": {"chain": str(cert), "key": str(key)}}}}
        site = harness.Site(cls.build, **cls.SITE)
        cls.site = site
        table = site.run("muster-sim", "devices", "--devices", str(cls.n), "--seed", "11", "--domain", "corp.example.com", "--profile",
                         "default").splitlines()
        cls.uuids = [line.split(",")[0] for line in table if re.match(r"[0-9a-fA-F-]{36},", line)]
        cls.later = dict(zip(cls.uuids, later))
        path = pathlib.Path(site.dir) / "crashes"
        lines = [f"{u} {p} {r} {m}\n" for u, (p, r, m) in [*zip(cls.uuids, first), *cls.later.items()]]
        path.write_text("".join(lines).lower())
        text = site.config.read_text()
        site.config.write_text(text.replace('crashes: ""', f'crashes: "{path}"'))
        try:
            site.start()
        except BaseException:
            cls.tearDownClass()
            raise

    def struck(self):
        log = (pathlib.Path(self.site.dir) / "node.log").read_text()
        return sum(1 for line in log.splitlines() if '"test.crashes"' in line)

    def open_jobs(self, wanted):
        """Jobs {uuid: kind}, to their end."""
        jobs = [json.loads(self.site.muster("job", "open", kind, u, "--json"))["job"] for u, kind in wanted.items()]

        def ended():
            states = {j["job"]: j for j in json.loads(self.site.muster("job", "list", "--json"))}
            shown = [states[j] for j in jobs if j in states]
            return shown if len(shown) == len(jobs) and all(j["state"] in ("done", "dead") for j in shown) else None
        for job in self.wait(ended, 300, "upkeep jobs to end"):
            self.assertEqual(job["state"], "done", job)

    def test_every_row(self):
        sim = self.site.start_sim("--mix", MIX)
        self.wait_settled(self.n, 300)
        self.assertEqual(self.dead(), [])
        # A row that this generation's plan does not reach strikes nobody, most do.
        first = self.struck()
        self.assertGreater(first, len(self.crashes) * 0.8)
        self.open_jobs({u: "maintain" for u in self.uuids})
        calls = test_settings.Settings.calls(sim)
        self.open_jobs({u: "maintain" for u in self.uuids})
        writes = [(d, c) for d, c in test_settings.Settings.calls(sim)[len(calls):] if not test_settings.READS.search(c)]
        self.assertEqual(writes, [], "a second run writes nothing")
        self.read_back(sim)
        self.open_jobs({u: plan for u, (plan, _, _) in self.later.items() if plan not in CLOSED})
        self.open_jobs({u: plan for u, (plan, _, _) in self.later.items() if plan in CLOSED})
        self.assertGreater(self.struck(), first + len(self.later) * 0.5)
        sim.stop()
        report = sim.verify()
        gone = {u for u, (plan, _, _) in self.later.items() if plan in CLOSED}
        left = [v for v in report["violations_list"] if not any(u in json.dumps(v).lower() for u in gone)]
        self.assertEqual(left, [])

    def read_back(self, sim):
        lines = self.site.muster("device", "export", "--json", "--reveal").split("\n")
        records = {r["uuid"].lower(): r for r in map(json.loads, filter(None, lines))}
        devices = [d for found in foreign.devices_of(sim, None).values() for d in found]
        chosen = devices[::max(1, len(devices) // DETAILS)]
        for device in chosen:
            device.curl_args = self.console
            reader = Reader(device, self.site.dir / "curl", records[device.uuid.lower()], calls_of(sim, device), self.dir)
            for row in ROWS:
                if row.when:
                    continue
                with self.subTest(device=device.uuid, release=device.amt, field=row.path):
                    cell, have = reader.cell(row)
                    self.assertIsNotNone(cell, f"{row.place} is {have!r}")


if __name__ == "__main__":
    harness.main()
