#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The muster command from outside: decode against every vector, cert check against the manifest,
configuration errors, and what it says of a running site."""
import csv
import json
import subprocess
import unittest

import harness
from estate import SiteError


def muster(*args):
    return subprocess.run([f"{harness.SiteTest.build}/bin/muster", *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


class Decode(unittest.TestCase):
    def test_hello_vectors(self):
        folder = harness.vectors("hello")
        for file in sorted(folder.glob("*.hex")):
            with self.subTest(file=file.name):
                expected = json.loads(file.with_suffix(".json").read_text())
                done = muster("decode", "hello", str(file), "--json")
                got = json.loads(done.stdout)
                self.assertEqual(got["accept"], expected["accept"])
                self.assertEqual(done.returncode, 0 if expected["accept"] else 1)
                if expected["accept"]:
                    self.assertEqual(got["hello"], expected["hello"])
                else:
                    self.assertEqual(got["reason"], expected["reason"])

    def test_answers(self):
        folder = harness.vectors("wsman", "responses")
        n = 0
        for file in sorted(folder.rglob("*.xml")):
            with self.subTest(file=file.name):
                got = json.loads(muster("decode", "answer", str(file), "--json").stdout)
                self.assertEqual(got["accept"], "amt/asset/" not in file.as_posix())
                n += got["accept"]
        self.assertEqual(n, 239)

    def test_cert_check(self):
        pki = harness.vectors("pki")
        with open(pki / "manifest.csv", newline="", encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        for row in rows:
            with self.subTest(chain=row["chain"], key=row["key"]):
                done = muster("cert", "check", str(pki / row["chain"]), "--key", str(pki / row["key"]), "--json")
                got = json.loads(done.stdout)
                want = row["upload_check"]
                codes = [f["code"] for f in got["findings"]]
                self.assertEqual(got["accept"], want.startswith("accept"), codes)
                if want.startswith("refuse"):
                    self.assertEqual(got["verdict"], want.split()[1], codes)
                if want == "accept+warn":
                    self.assertTrue(codes)
                self.assertEqual(got["sorted"], want == "accept after sorting")

    def test_usage_errors(self):
        for args in ([], ["nonsense"], ["device"], ["device", "show"], ["status", "--reveal"], ["job", "list", "--limit", "x"]):
            with self.subTest(args=args):
                done = muster(*args)
                self.assertEqual(done.returncode, 64, done.stderr)
                self.assertTrue(done.stderr)
        self.assertIn("there is device list, device show", muster("device", "nonsense").stderr)
        helped = muster("wave", "create", "--help")
        self.assertEqual(helped.returncode, 0)
        for word in ("canary=N", "in-flight=N", "subnet=", "profile=NAME", "--json"):
            self.assertIn(word, helped.stdout)
        self.assertNotIn("wave start", helped.stdout)
        self.assertIn("wave remove NAME", muster("wave", "--help").stdout)
        self.assertRegex(muster("version").stdout, r"^muster \d")
        self.assertIn("device show", muster("--help").stdout)


class Running(harness.SiteTest):
    SITE = {"devices": 5, "workers": 1}

    def test_a_site_in_words(self):
        site = self.site
        checked = json.loads(site.muster("config", "check", "--json"))
        self.assertTrue(checked["accept"], checked)
        self.assertTrue(json.loads(site.muster("profile", "check", "--json"))["accept"])
        sim = site.start_sim()
        self.wait_settled(5, 60)
        devices = json.loads(site.muster("device", "list", "--json"))
        self.assertEqual(len(devices), 5)
        shown = json.loads(site.muster("device", "show", devices[0]["uuid"], "--json"))
        self.assertNotIn("admin_password", shown)
        revealed = json.loads(site.muster("device", "show", devices[0]["uuid"], "--json", "--reveal"))
        self.assertGreaterEqual(len(revealed["admin_password"]), 16)
        self.assertIn(devices[0]["uuid"], site.muster("device", "list"))
        job = json.loads(site.muster("job", "show", shown["job"], "--json"))
        self.assertEqual(job["state"], "done")
        self.assertIn("issued", site.muster("ca", "show", "--json"))
        with self.assertRaises(SiteError):
            site.muster("device", "show", "00000000-0000-4000-8000-000000000000")
        with self.assertRaises(SiteError):
            site.muster("ca", "init")
        sim.stop()

    def test_config_check_finds_what_stops_a_worker(self):
        """Each of these lets no worker start, or no hook run; the check says so, and of which file."""
        site, text = self.site, self.site.config.read_text()
        file, other = site.dir / "devices.csv", site.dir / "other.yaml"
        table, key = site.dir / "table.csv", site.dir / "keys/worker.key"
        table.write_text("uuid,fqdn,colour\n")
        rules, secret = site.dir / "rules.yaml", site.dir / "secret"
        rules.write_text("rules: [{name: a, profile: office}]\n")
        secret.touch(mode=0o600)
        secret.write_text("short")
        worker = "worker:\n"
        for change, says in (
                ((str(file), str(site.dir / "absent.csv")), "absent.csv"),
                ((str(file), str(table)), "colour"),
                ((worker, worker + "  rules_file: /absent/rules.yaml\n"), "/absent/rules.yaml"),
                ((worker, worker + f"  rules_file: {rules}\n"), 'no profile "office"'),
                ((worker, worker + "  odca_roots: /absent/odca.pem\n"), "/absent/odca.pem"),
                ((worker, worker + "  console: {chain: /absent/console.pem, key: /absent/console.key}\n"), "/absent/console"),
                ((worker, worker + f"  hook: {{command: {table}}}\n"), "hook.command"),
                ((worker, worker + f"  hook: {{url: 'https://127.0.0.1/', secret_file: {secret}}}\n"), str(secret))):
            with self.subTest(says=says):
                self.assertEqual(text.count(change[0]), 1)
                other.write_text(text.replace(*change))
                done = muster("config", "check", "--config", str(other))
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(says, done.stdout)
        key.chmod(0o644)
        self.assertRegex(site.muster("config", "check", check=False), r"bus keys +.*worker.key: readable by group or others")
        key.chmod(0o600)
        issuing = site.dir / "ca/issuing.pem"
        issuing.rename(site.dir / "kept.pem")
        self.assertRegex(site.muster("config", "check", check=False), r"issuing.pem is missing; make it with: muster ca init")
        (site.dir / "kept.pem").rename(issuing)
        site.muster("config", "check")

    def test_second_keys_new_changes_nothing(self):
        before = {p: p.read_bytes() for p in self.site.dir.glob("k*/*.key")}
        self.site.muster("keys", "new")
        self.assertEqual(before, {p: p.read_bytes() for p in self.site.dir.glob("k*/*.key")})


if __name__ == "__main__":
    harness.main()
