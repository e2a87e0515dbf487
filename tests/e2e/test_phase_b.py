#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Phase B on every generation: the values of the profile, read back over WS-Man by curl; what a firmware
lacks said with its reason; a second run, and a dry run, write nothing; one changed field writes one object."""
import json
import pathlib
import re
import unittest

import foreign
import harness
from foreign import NS, local, request

SCHEMA = {"AMT": "http://intel.com/wbem/wscim/1/amt-schema/1/", "IPS": "http://intel.com/wbem/wscim/1/ips-schema/1/",
          "CIM": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"}
GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
ALL = ["amt3", "amt5", "amt6", "amt7", "amt8", "amt11", "amt12", "amt16", "amt16std", "amt19", "amt21"]
DEVICES = 4 * len(ALL)  # on average: the seed decides
# What the profiles below want, and what a device lacks when it has no such class.
WANT = {"AMT_GeneralSettings.PingResponseEnabled": "true", "AMT_RedirectionService.EnabledState": "32771",
        "AMT_RedirectionService.ListenerEnabled": "true", "CIM_KVMRedirectionSAP.EnabledState": r"2|6",
        "IPS_OptInService.OptInRequired": "1", "AMT_WebUIService.EnabledState": "3"}
CHANGED = {**WANT, "AMT_WebUIService.EnabledState": "2", "AMT_RedirectionService.EnabledState": "32769",
           "AMT_GeneralSettings.IdleWakeTimeout": "77", "IPS_KVMRedirectionSettingData.SessionTimeout": "7",
           "IPS_OptInService.OptInCodeTimeout": "170", "IPS_OptInService.OptInDisplayTimeout": "370"}


class PhaseB(harness.SiteTest):
    PROFILE = harness.legacy_profile()
    OTHER = PROFILE.replace("name: default", "name: changed").replace("web_ui: false", "web_ui: true").replace("sol: true", "sol: false").replace(
        "idle_wake_min: 0", "idle_wake_min: 77").replace("kvm_session_min: 0", "kvm_session_min: 7").replace(
        "consent_code_s: 0", "consent_code_s: 170").replace("consent_display_s: 0", "consent_display_s: 370")
    SITE = {"devices": DEVICES, "seed": 5, "profile": PROFILE, "profiles": {"changed": OTHER}}

    def records(self):
        lines = self.site.muster("device", "export", "--json", "--reveal").split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}

    def open_jobs(self, kind, uuids, *args):
        jobs = [json.loads(self.site.muster("job", "open", kind, u, *args, "--json"))["job"] for u in uuids]

        def ended():
            shown = [json.loads(self.site.muster("job", "show", j, "--json")) for j in jobs]
            return shown if all(j["state"] in ("done", "dead") for j in shown) else None
        for job in self.wait(ended, 120, f"{kind} jobs to end"):
            self.assertEqual((job["state"], job["error"]), ("done", ""), job)

    def values(self, device, password, wanted):
        """The wanted properties as curl reads them; None where the class is absent."""
        config = pathlib.Path(self.site.dir) / "curl"
        config.touch(mode=0o600)
        config.write_text(f'user = "admin:{re.sub(chr(34) + "|" + chr(92) * 2, lambda m: chr(92) + m[0], password)}"\n')
        device.curl_config = config
        answers, found = {}, {}
        for key in wanted:
            name, member = key.split(".")
            if name not in answers:
                answers[name] = device.wsman(request(GET, SCHEMA[name[:3]] + name, ""))
            body = answers[name].find("s:Body", NS)
            found[key] = next((e.text for e in body.iter() if local(e) == member), None)
        return found

    def writes(self, sim, start):
        """Sorted (device, class, operation) of the ledger's calls from a position on that are no reads; the next position."""
        lines = sim.ledger.read_text().splitlines()
        calls = [(e["d"], *e["call"].split(".")) for e in map(json.loads, lines[start:]) if e["ev"] == "call"]
        return sorted(c for c in calls if not re.match(r"(Get\w*|Enumerate\w*|Pull)$", c[2])), len(lines)

    def assert_values(self, devices, records, wanted):
        for name, device in devices.items():
            record = records[device.uuid]
            for key, have in self.values(device, record["admin_password"], wanted).items():
                with self.subTest(release=name, property=key):
                    if have is None:
                        self.assertIn("\tnot applicable: ", record["differences"])
                    else:
                        self.assertRegex(have, f"^({wanted[key]})$")

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
