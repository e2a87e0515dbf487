#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rotation reaches users and the RFB port, too: curl logs in with the new password of a user and not with the old one."""
import json

import foreign
import harness
from foreign import NS, request
from phase import GET, SCHEMA, PhaseBase

PROFILE = harness.legacy_profile() + """
acl:
  users:
    - {name: helpdesk, role: help_desk, access: network}
    - {name: reader, role: administrator, access: both}
kvm: {port_5900: on, rfb_password: {source: random}}
"""
# A user less: the record forgets the password, and what is new besides is still to become the current set.
FEWER = PROFILE.replace("    - {name: helpdesk, role: help_desk, access: network}\n", "")


class Users(PhaseBase):
    DEVICES = 3
    SITE = {"devices": DEVICES, "seed": 4, "profile": PROFILE}

    def login(self, device, user, password):
        """Whether a user's login shows the general settings."""
        config = self.site.dir / "curl-user"
        config.touch(mode=0o600)
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        config.write_text(f'user = "{user}:{quoted}"\n')
        device.curl_config = config
        try:
            answer = device.wsman(request(GET, SCHEMA["AMT"] + "AMT_GeneralSettings", ""))
        except AssertionError:  # a page that says 401
            return False
        return answer.find("s:Body/s:Fault", NS) is None

    def test_users(self):
        sim = self.site.start_sim("--mix", "amt12=1")
        self.wait_settled(self.DEVICES, 120)
        self.assertEqual(self.dead(), [])
        devices = foreign.devices_of(sim, None)["amt12"]
        before = self.records()
        for d in devices:
            self.assertTrue(self.login(d, "reader", before[d.uuid]["secrets"]["user:reader"]))
        self.open_jobs("rotate", [d.uuid for d in devices])
        after = self.records()
        for d in devices:
            old, new = before[d.uuid]["secrets"], after[d.uuid]["secrets"]
            self.assertEqual(set(old), {"user:helpdesk", "user:reader", "rfb"})
            self.assertTrue(all(old[k] != new[k] for k in old), "each is new")
            self.assertEqual(len(new["rfb"]), 8)
            self.assertTrue(self.login(d, "reader", new["user:reader"]))
            self.assertFalse(self.login(d, "reader", old["user:reader"]))
        position = self.writes(sim, 0)[1]
        self.open_jobs("maintain", [d.uuid for d in devices])
        self.assertEqual(self.writes(sim, position)[0], [], "the marks know the new ones")
        (self.site.dir / "profiles/default.yaml").write_text(FEWER)
        self.reload()
        self.open_jobs("rotate", [d.uuid for d in devices])
        fewer = self.records()
        for d in devices:
            self.assertEqual(set(fewer[d.uuid]["secrets"]), {"user:reader", "rfb"})
            self.assertTrue(self.login(d, "reader", fewer[d.uuid]["secrets"]["user:reader"]))
        self.open_jobs("maintain", [d.uuid for d in devices])  # of the smaller profile: the user goes
        sim.stop()
        self.assertEqual(sim.verify()["violations"], 0)


if __name__ == "__main__":
    harness.main()
