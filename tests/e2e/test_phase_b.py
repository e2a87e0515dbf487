#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Phase B on every generation: the values of the profile, read back over WS-Man by curl; what a firmware
lacks said with its reason; a second run, and a dry run, write nothing; one changed field writes one object."""
import re

import foreign
import harness
from phase import PhaseBase

ALL = ["amt3", "amt5", "amt6", "amt7", "amt8", "amt11", "amt12", "amt16", "amt16std", "amt19", "amt21"]
DEVICES = 4 * len(ALL)  # on average: the seed decides
# What the profiles below want, and what a device lacks when it has no such class.
WANT = {"AMT_GeneralSettings.PingResponseEnabled": "true", "AMT_RedirectionService.EnabledState": "32771",
        "AMT_RedirectionService.ListenerEnabled": "true", "CIM_KVMRedirectionSAP.EnabledState": r"2|6",
        "IPS_OptInService.OptInRequired": "1", "AMT_WebUIService.EnabledState": "3"}
CHANGED = {**WANT, "AMT_WebUIService.EnabledState": "2", "AMT_RedirectionService.EnabledState": "32769",
           "AMT_GeneralSettings.IdleWakeTimeout": "77", "IPS_KVMRedirectionSettingData.SessionTimeout": "7",
           "IPS_OptInService.OptInCodeTimeout": "170", "IPS_OptInService.OptInDisplayTimeout": "370"}


class PhaseB(PhaseBase):
    PROFILE = harness.legacy_profile()
    OTHER = PROFILE.replace("name: default", "name: changed").replace("web_ui: false", "web_ui: true").replace("sol: true", "sol: false").replace(
        "idle_wake_min: 0", "idle_wake_min: 77").replace("kvm_session_min: 0", "kvm_session_min: 7").replace(
        "consent_code_s: 0", "consent_code_s: 170").replace("consent_display_s: 0", "consent_display_s: 370")
    SITE = {"devices": DEVICES, "seed": 5, "profile": PROFILE, "profiles": {"changed": OTHER}}

    def test_life(self):
        sim = self.site.start_sim("--mix", ",".join(f"{name}=1" for name in ALL))
        self.wait_settled(DEVICES, 300)
        self.assertEqual(self.dead(), [])
        devices = {name: found[0] for name, found in foreign.devices_of(sim, None).items()}
        self.assertEqual(set(devices), set(ALL), "the seed leaves a generation out")
        uuids = [d.uuid for d in devices.values()]
        self.assert_values(devices, self.records(), WANT)

        position = self.writes(sim, 0)[1]
        self.open_jobs("maintain", uuids)
        self.open_jobs("check", uuids, "profile=changed")
        writes, position = self.writes(sim, position)
        self.assertEqual(writes, [], "nothing differs, and a dry run does not write")
        checked = self.records()
        differs = {(u, *line.split("\t")[:2]) for u in uuids for line in checked[u]["differences"].splitlines() if "not applicable" not in line}
        for uuid in uuids:
            self.assertIn("AMT_RedirectionService\tEnabledState\t32771\t32769\nAMT_WebUIService\tEnabledState\t3\t2\n",
                          re.sub(r"(?m)^(?!AMT_Redir|AMT_Web).*\n", "", checked[uuid]["differences"]))

        self.open_jobs("maintain", uuids, "profile=changed")
        writes, position = self.writes(sim, position)
        how = {"EnabledState": "RequestStateChange"}
        self.assertEqual(writes, sorted({(u, name, how.get(member, "Put")) for u, name, member in differs}),
                         "what the dry run said, each object once")
        self.assertEqual({d[2] for d in differs}, {"EnabledState", "IdleWakeTimeout", "SessionTimeout", "OptInCodeTimeout", "OptInDisplayTimeout"})
        self.assert_values(devices, self.records(), CHANGED)


if __name__ == "__main__":
    harness.main()
