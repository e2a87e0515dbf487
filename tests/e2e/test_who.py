#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who is this device: the hook names some, hangs and crashes for others; those wait in view with the
reason, and are provisioned once the table knows them."""
import json
import pathlib

import harness

DEVICES = 12
HOOK = """#!/usr/bin/env python3
import json, sys, time
facts = json.load(sys.stdin)
last = int(facts["uuid"][-1], 16) % 4
if last == 0:
    print(json.dumps({"fqdn": "h" + facts["uuid"][:8] + ".corp.example.com", "profile": "default"}))
elif last == 1:
    print(json.dumps({"wait": True, "reason": "not in the inventory yet"}))
elif last == 2:
    sys.exit(3)
else:
    time.sleep(600)
"""


class Who(harness.SiteTest):
    SITE = {"devices": DEVICES, "conf": {"worker": {"hook": {"command": "", "mode": "json", "timeout_s": 2, "concurrency": 4},
                                                    "waits": {"resolve_retry_ms": 600000}}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()

    def test_hook_then_table(self):
        site = self.site
        table = (site.dir / "devices.csv").read_text()
        (site.dir / "devices.csv").write_text(table.split("\n")[0] + "\n")
        hook = pathlib.Path(site.dir / "hook.py")
        hook.write_text(HOOK)
        hook.chmod(0o755)
        site.node.stop()
        site.config.write_text(site.config.read_text().replace('command: ""', f'command: "{hook}"'))
        site.start_node()
        sim = site.start_sim()
        uuids = [line.split(",")[0] for line in table.split("\n")[1:] if line]
        named = [u for u in uuids if int(u[-1], 16) % 4 == 0]
        self.wait(lambda: self.status().get("done", 0) == len(named)
                  and self.status().get("waiting", 0) == DEVICES - len(named), 60, "hook answers")
        reasons = {2: "3", 1: "not in the inventory yet", 3: "2 s"}
        for job in self.jobs("waiting"):
            kind = int(job["device"][-1], 16) % 4
            self.assertIn(reasons[kind], job["error"], job)
        (site.dir / "devices.csv").write_text(table)
        for job in self.jobs("waiting"):
            site.muster("job", "kick", job["job"])
        self.wait_settled(DEVICES, 60)
        self.assertEqual(self.status()["done"], DEVICES)
        names = {json.loads(line)["fqdn"] for line in site.muster("device", "export", "--json").split("\n") if line}
        self.assertEqual(len(names), DEVICES)
        sim.stop()


if __name__ == "__main__":
    harness.main()
