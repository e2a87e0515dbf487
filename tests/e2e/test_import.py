#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""muster import with real programs: what a list names is what its devices become; a dry run and a list with one bad row
write nothing; a second run keeps everything; a list with passwords takes over another server's devices."""
import csv
import io
import json
import pathlib
import subprocess
import tempfile

import harness
from estate import DOMAIN, Site

STRANGER = "0badcafe-0000-4000-8000-000000000001"
RULES = """
rules:
  - name: listed
    sources: [import]
    profiles: [special]
    tags: [ruled]
  - name: tabled
    sources: [table]
"""


class ImportTest(harness.SiteTest):
    def run_import(self, site, text, *words, mode=0o600, name="list.csv"):
        file = site.dir / name
        file.touch()
        file.chmod(mode)
        file.write_text(text)
        done = subprocess.run([f"{self.build}/bin/muster", "--config", str(site.config), "import", str(file), "--json", *words],
                              text=True, capture_output=True, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr

    def content(self, site):
        """Everything in Redis but the heartbeats of the processes and the calendar's rules and pace, which brokers write."""
        def ask(*command):
            return subprocess.run(["redis-cli", "-s", str(site.redis_socket), *command], capture_output=True, check=True).stdout
        return {key: ask("DUMP", key) for key in sorted(ask("KEYS", "muster:{0}:*").decode().split()) if ":upkeep" not in key}

    def records(self, site, *words):
        lines = site.muster("device", "export", "--json", *words).split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}


def devices_csv(site):
    return list(csv.DictReader(io.StringIO((site.dir / "devices.csv").read_text())))


def as_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


class Expected(ImportTest):
    """The list wins over the table; who is not in it is the table's; the second half has no rule and needs none."""
    DEVICES, LISTED = 8, 6

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="muster-import-")
        cls.addClassCleanup(folder.cleanup)
        rules = pathlib.Path(folder.name) / "rules.yaml"
        rules.write_text(RULES)
        cls.SITE = {"devices": cls.DEVICES, "seed": 41, "profile": harness.legacy_profile(),
                    "profiles": {"special": "extends: default\nfeatures: {kvm: false}\n"},
                    "conf": {"worker": {"rules_file": str(rules)}}}
        super().setUpClass()

    def rows(self):
        return [{"uuid": row["uuid"], "name": f"listed-{i}", "profile": "special" if i < 3 else "", "tags": "floor-3, vip"}
                for i, row in enumerate(devices_csv(self.site)[:self.LISTED])]

    def test_expected(self):
        site, rows, words = self.site, self.rows(), [f"domain={DOMAIN}"]
        before = self.content(site)
        # One bad row, and nothing is written; the good ones are shown, too.
        bad = rows + [{"uuid": STRANGER, "name": "no name", "profile": "", "tags": ""}]
        code, report, _ = self.run_import(site, as_csv(bad), *words)
        self.assertEqual((code, report["accept"], report["written"]), (1, False, 0), report)
        self.assertEqual([r["result"] for r in report["rows"]], ["expect"] * self.LISTED + ["refused"])
        self.assertEqual((report["rows"][-1]["line"], report["rows"][-1]["field"]), (self.LISTED + 2, "name"), report)
        self.assertEqual(self.content(site), before)
        # A dry run says the same of good rows and writes nothing.
        code, report, _ = self.run_import(site, as_csv(rows), *words, "--dry-run", mode=0o644)
        self.assertEqual((code, report["accept"], report["written"]), (0, True, 0), report)
        self.assertEqual(report["counts"]["expect"], self.LISTED)
        self.assertEqual(self.content(site), before)
        # For good; a second run keeps them all.
        code, report, _ = self.run_import(site, as_csv(rows), *words)
        self.assertEqual((code, report["written"]), (0, self.LISTED), report)
        self.assertEqual({r["state"] for r in self.records(site).values()}, {"expected"})
        events = [e for e in json.loads(site.muster("events", "--json")) if e["event"] == "expect"]
        self.assertEqual({e["uuid"] for e in events}, {r["uuid"] for r in rows})
        before = self.content(site)
        code, report, _ = self.run_import(site, as_csv(rows), *words)
        self.assertEqual((code, report["written"], report["counts"]["kept"]), (0, 0, self.LISTED), report)
        self.assertEqual(self.content(site), before)

        sim = site.start_sim()
        self.wait(lambda: self.status().get("done") == self.DEVICES, 180, f"all devices to be done; {self.status()}")
        sim.stop()
        records = self.records(site)
        for i, row in enumerate(rows):
            got = records[row["uuid"]]
            self.assertEqual((got["state"], got["fqdn"], got["profile"], got["tags"]),
                             ("done", f"listed-{i}.{DOMAIN}", "special" if i < 3 else "default", "floor-3 vip" + (" ruled" if i < 3 else "")))
        for row in devices_csv(site)[self.LISTED:]:
            self.assertEqual((records[row["uuid"]]["fqdn"], records[row["uuid"]]["tags"]), (row["fqdn"], ""))
        # In service: the same list is kept, another one comes too late.
        code, report, _ = self.run_import(site, as_csv(rows), *words)
        self.assertEqual((code, report["counts"]["kept"]), (0, self.LISTED), report)
        rows[0]["name"] = "renamed"
        before = self.content(site)
        code, report, _ = self.run_import(site, as_csv(rows), *words)
        self.assertEqual((code, report["written"], report["rows"][0]["result"]), (1, 0, "refused"), report)
        self.assertIn("in service", report["rows"][0]["why"])
        self.assertEqual(self.content(site), before)

    def test_words(self):
        for words, says in ((("format=xml",), "a format is csv, json, meshcentral or dmt"), (("colour=red",), "import takes FILE")):
            code, report, text = self.run_import(self.site, as_csv(self.rows()), *words)
            self.assertEqual((code, report), (1, None))
            self.assertIn(says, text)

    def test_store_away(self):
        """A site whose Redis does not answer: said, nothing claimed."""
        other = self.site.dir / "away.yaml"
        other.write_text(self.site.config.read_text().replace(str(self.site.redis_socket), str(self.site.dir / "nobody.sock")))
        file = self.site.dir / "away.csv"
        file.write_text(as_csv(self.rows()))
        done = subprocess.run([f"{self.build}/bin/muster", "--config", str(other), "import", str(file), f"domain={DOMAIN}"],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("0 written", done.stdout)
        self.assertIn("nobody.sock", done.stderr)


class Adopted(ImportTest):
    """Devices of a first server; the second one has a list with their passwords."""
    SITE = {"devices": 4, "seed": 7, "profile": harness.legacy_profile()}

    def test_adopted(self):
        sim = self.site.start_sim("--mix", "amt11=1,amt16=1")
        self.wait(lambda: self.status().get("done") == 4, 120, "the first server")
        first = self.records(self.site, "--reveal")
        second = Site(self.build, devices=4, seed=7, profile=harness.legacy_profile(),
                      conf={"worker": {"device_port": self.site.device_port}})
        self.addCleanup(second.remove)
        self.addCleanup(second.stop)
        second.start()
        rows = [{"uuid": u, "name": f"taken-{i}.{DOMAIN}", "address": r["address"], "password": r["admin_password"], "tags": "taken"}
                for i, (u, r) in enumerate(sorted(first.items()))]
        before = self.content(second)
        code, report, _ = self.run_import(second, as_csv(rows), mode=0o640)
        self.assertEqual((code, report["counts"]["refused"]), (1, 4), report)
        self.assertIn("chmod 600", report["rows"][0]["fix"])
        code, report, _ = self.run_import(second, as_csv([dict(rows[0], address="")] + rows[1:]))
        self.assertEqual((code, report["rows"][0]["field"], report["written"]), (1, "address", 0), report)
        code, report, _ = self.run_import(second, as_csv(rows), "--dry-run")
        self.assertEqual((code, report["counts"]["adopt"]), (0, 4), report)
        self.assertEqual(self.content(second), before)

        code, report, errors = self.run_import(second, as_csv(rows))
        self.assertEqual((code, report["written"]), (0, 4), report)
        self.wait(lambda: (second.status() or {}).get("done") == 4, 180, f"the second server; {second.status()}")
        for i, (uuid, got) in enumerate(sorted(self.records(second).items())):
            self.assertEqual((uuid, got["state"], got["fqdn"], got["tags"]), (rows[i]["uuid"], "done", f"taken-{i}.{DOMAIN}", "taken"))
        code, report, errors = self.run_import(second, as_csv(rows))
        self.assertEqual((code, report["counts"]["kept"]), (0, 4), report)
        # The passwords are in no answer, and in Redis and its files only sealed.
        for row in rows:
            self.assertNotIn(row["password"], json.dumps(report) + errors)
            for file in (second.dir / "redis").rglob("*"):
                if file.is_file():
                    self.assertNotIn(row["password"].encode(), file.read_bytes(), file)
        sim.stop()


if __name__ == "__main__":
    harness.main()
