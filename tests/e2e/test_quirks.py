#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each quirk of the simulator alone on one device, and the right end of that device: provisioned, or a
refusal with a name, or quarantine. A quirk without a declared end fails this test."""
import json
import re

import harness

PROVISIONED = r"provisioned"
# quirk (with its VALUE where the default does not suit a short test) -> end, as `muster-sim verify --ends` says it
RIGHT_END = {
    # Misbehaviour: a refusal that names it.
    "answer": r"refused:.+",
    "unauthorized": r"refused:unknown_password",
    "truncated": r"refused:.+",
    "huge-body:8": r"refused:.+",
    "endless": r"refused:.+",
    "wrong-cert": r"refused:wrong_certificate",
    "silent": r"refused:.+",
    "handshake-stall": r"refused:.+",
    "deaf": r"refused:(handshake|legacy_off|unreachable)",
    "foreign-password": r"refused:unknown_password",
    "flash-wear": r"refused:(flash_worn|unreachable)",
    # Identities that nobody may trust.
    "uuid-mismatch": r"quarantine:uuid_mismatch",
    "zero-uuid": r"refused:hello",
    "placeholder-uuid": r"quarantine:placeholder_uuid",
    "shared-uuid": r"(quarantine:(address_swing|realm_changed|rom_ca_changed)|waiting:approval|(twin )?provisioned)",
    # Healthy firmware that is awkward.
    "reset": PROVISIONED,
    "commit-cut": PROVISIONED,
    "commit-lost": PROVISIONED,
    "not-now": PROVISIONED,
    "nonce-reset": PROVISIONED,
    "setup-login": PROVISIONED,
    "close-each": PROVISIONED,
    "tls-slow": PROVISIONED,
    "ethernet-deaf": PROVISIONED,
    "mebx-needed": PROVISIONED,
    "admin-lost": PROVISIONED,
    # Compressed, 2 s: the four attempts below begin within five, so that one of them finds it awake.
    "admin-freeze:24000": PROVISIONED,
    "lock-out": PROVISIONED,
    "acl-drop": PROVISIONED,
    "window": PROVISIONED,  # six hours: long enough; test_window.py has a short one
    "audit-lock": PROVISIONED,
}
HEALTHY = 6
# Quirks that only show when another one makes the server repeat itself.
TOGETHER = {"admin-freeze": ["admin-lost"]}
DEVICES = len(RIGHT_END) + HEALTHY


class Quirks(harness.SiteTest):
    # Back-offs and waits are short, but in proportion: the time between passwords is longer than a lock-out (wsman.md 3.3).
    SITE = {"devices": DEVICES, "conf": {"worker": {
        "max_attempts": 4, "retry_min_s": 1, "retry_max_s": 2,
        "waits": {"connect_ms": 1500, "handshake_ms": 2500, "exchange_ms": 2000, "slow_exchange_ms": 6000,
                  "reconnect_ms": 500, "password_ms": 1500}}}}

    def quirks(self):
        return [json.loads(line) for line in self.site.run("muster-sim", "quirks", "--json").split("\n") if line]

    def run_all(self):
        args = ["--compress", "12"]
        for i, quirk in enumerate(RIGHT_END):
            name, _, value = quirk.partition(":")
            args += ["--fault", f"{name}@{i}" + (f":{value}" if value else "")]
            for other in TOGETHER.get(name, []):
                args += ["--fault", f"{other}@{i}"]
        sim = self.site.start_sim(*args)
        # Zeros are refused by the listener, and the device that shares a UUID has none of its own.
        self.wait_ended(DEVICES - 2, 240)
        sim.stop()
        return sim

    def test_each_has_its_right_end(self):
        self.assertEqual({q["name"] for q in self.quirks()}, {q.partition(":")[0] for q in RIGHT_END})
        sim = self.run_all()
        ends_file = self.site.dir / "ends.jsonl"
        report = sim.verify("--ends", str(ends_file))
        ends = [json.loads(line) for line in ends_file.read_text().split("\n") if line]
        self.assertEqual(len(ends), DEVICES)
        self.assertEqual(report["violations"], 0, report["violations_list"][:5])
        for (quirk, pattern), end in zip(RIGHT_END.items(), ends):
            with self.subTest(quirk=quirk):
                self.assertIn(quirk.partition(":")[0] + "/", end["quirks"])
                self.assertRegex(end["end"], re.compile(f"^{pattern}$"), end)
        for end in ends[len(RIGHT_END):]:
            self.assertEqual((end["quirks"], end["end"]), ("", "provisioned"), end)
        # The listeners name what they refuse when they end.
        self.site.stop()
        log = (self.site.dir / "node.log").read_text()
        self.assertTrue(re.search(r'"malformed\.bad_uuid":[1-9]', log), "no listener counts bad_uuid")


if __name__ == "__main__":
    harness.main()
