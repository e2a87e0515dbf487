#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The access list at its limits, and Kerberos switched off: 7 digest users and 32 entries of the directory, which a device lists in
pages; read back by curl, nothing is written twice, one changed entry is one write. Then a profile without the directory: its
entries go first, and only then is Kerberos switched off, which nobody needs any more."""
import foreign
import harness
import test_settings
from reader import Reader, calls_of, sid_base64

DEVICES = 6
DIGEST = [f"user{i}" for i in range(7)]
SIDS = [f"S-1-5-21-1091816021-962961654-398595893-{2000 + i}" for i in range(32)]
KERBEROS, USERS = "AMT_KerberosSettingData", "AMT_AuthorizationService"


def profile(sids, realms_of_last="[event_log_reader]"):
    users = [f"    - {{name: {name}, realms: [general_info], access: both, password: {{source: random}}}}" for name in DIGEST]
    users += [f'    - {{sid: "{sid}", realms: {realms_of_last if sid == SIDS[-1] else "[general_info]"}, access: network}}' for sid in sids]
    return harness.legacy_profile().replace("web_ui: false", "web_ui: true") + f"kerberos: {{state: {'on' if sids else 'off'}}}\nacl:\n  users:\n" + "\n".join(users) + "\n"


class Access(harness.SiteTest):
    SITE = {"devices": DEVICES, "seed": 1, "profile": profile(SIDS), "profiles": {
        name: text.replace("name: default", f"name: {name}") for name, text in (("moved", profile(SIDS, "[general_info]")), ("off", profile([])))}}
    records, maintain = test_settings.Settings.records, test_settings.Settings.maintain

    def changed(self, *args):
        """Writes of a maintenance, by device."""
        start = len(self.sim.ledger.read_text().splitlines())
        self.maintain(self.devices, *args)
        return {name: [e["call"] for e in calls_of(self.sim, d, start)] for name, d in self.devices.items()}

    def look(self, sids, kerberos):
        records = self.records()
        for name, device in self.devices.items():
            reader = Reader(device, self.site.dir / "curl", records[device.uuid], [], self.site.dir)
            with self.subTest(release=name):
                self.assertEqual({u for u in reader.users() if not u.startswith("$$")}, {*DIGEST, *map(sid_base64, sids)})
                self.assertEqual(reader.value(f"{KERBEROS}.KrbEnabled"), kerberos)
                self.assertRegex(reader.value(f"login:{DIGEST[-1]}"), "HTTP/1.1 200")

    def test_access(self):
        self.sim = self.site.start_sim("--mix", "amt5=1,amt8=1,amt16=1")
        self.wait_settled(DEVICES, 120)
        self.assertEqual([j["error"] for j in self.dead()], [])
        self.devices = {name: found[0] for name, found in foreign.devices_of(self.sim, None).items()}
        self.assertEqual(set(self.devices), {"amt5", "amt8", "amt16"}, "the seed leaves a generation out")
        self.look(SIDS, "true")
        self.assertEqual(self.changed(), {name: [] for name in self.devices})
        self.assertEqual(self.changed("profile=moved"), {name: [USERS + ".UpdateUserAclEntryEx"] for name in self.devices})
        off = [USERS + ".RemoveUserAclEntry"] * len(SIDS) + [KERBEROS + ".Put"]
        self.assertEqual(self.changed("profile=off"), {name: off for name in self.devices}, "the entries first, then Kerberos")
        self.look([], "false")
        self.assertEqual(self.changed(), {name: [] for name in self.devices})


if __name__ == "__main__":
    harness.main()
