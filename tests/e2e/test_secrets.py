#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No secret that a run made appears where it must not: logs, Redis in clear, command lines, reports,
events. The search knows the secrets themselves (revealed through a pipe) and every key file."""
import base64
import json
import pathlib

import harness

DEVICES = 40


def cmdlines():
    out = []
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            out.append(p.read_bytes())
        except OSError:
            continue
    return b"\n".join(out)


class Secrets(harness.SiteTest):
    SITE = {"devices": DEVICES, "conf": {"log": {"level": "debug"}}}

    def secrets(self):
        """name -> bytes of everything that must stay hidden."""
        found = {}
        for line in self.site.muster("device", "export", "--json", "--reveal").split("\n"):
            if line:
                record = json.loads(line)
                for key in ("admin_password", "mebx_password"):
                    if record.get(key):
                        found[f"{key} of {record['uuid']}"] = record[key].encode()
        for file in [*self.site.dir.glob("keys/*.key"), *self.site.dir.glob("kek/*.key")]:
            found[file.name] = file.read_bytes().strip()
        for file in [*self.site.dir.glob("ca/*.key"), *(key for _, key in self.site.chains)]:
            found[str(file.name) + " of " + file.parent.name] = file.read_bytes().split(b"\n")[3]
        return found

    def test_nothing_leaks(self):
        sim = self.site.start_sim()
        self.wait_settled(DEVICES, 90)
        command_lines = cmdlines()
        secrets = self.secrets()
        self.assertGreaterEqual(len(secrets), DEVICES + 5)
        report = json.dumps(sim.verify())
        events = self.site.muster("events", "--json") + self.site.muster("device", "list", "--json")
        self.assertIn('"reveal"', events, "showing passwords must be an event")
        sim.stop()
        self.site.stop()
        places = {"command lines": command_lines, "report": report.encode(), "events and lists": events.encode()}
        for file in self.site.dir.rglob("*"):
            if file.is_file() and file.suffix not in (".key",) and "ledger" not in file.name:
                places[str(file.relative_to(self.site.dir))] = file.read_bytes()
        self.assertTrue(any("appendonly" in p for p in places), "Redis' append-only file was not searched")
        self.assertTrue(any(p.endswith("node.log") and len(t) > 1000 for p, t in places.items()), "no log was searched")
        for name, secret in secrets.items():
            for place, text in places.items():
                for form in (secret, base64.b64encode(secret), secret.hex().encode()):
                    self.assertNotIn(form, text, f"{name} appears in {place}")


if __name__ == "__main__":
    harness.main()
