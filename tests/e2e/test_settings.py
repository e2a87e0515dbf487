#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each field of a profile on each generation: a profile that wishes everything, devices of all generations, and curl that looks
at every place that settings.py names. Either the value is there, or the device's record says "not applicable" with the reason.
What excludes each other stands in a second profile. Before they are read the devices are disturbed, so that what must go or be put
right has been there. A second run writes nothing. With --write the table goes into docs/profile.md between its markers."""
import base64
import collections
import json
import pathlib
import re
import sys
import tempfile

import foreign
import harness
import settings
from reader import AUTHORIZATION, CLOCK, SCHEMA, Reader, calls_of
from settings import ROWS

ALL = ["amt3", "amt5", "amt6", "amt7", "amt8", "amt11", "amt12", "amt16", "amt16std", "amt19", "amt21"]
DEVICES = 10 * len(ALL)  # on average five notebooks and five desktops each: the seed decides
BEGIN, END = "<!-- settings by generation: made by tests/e2e/test_settings.py --write -->", "<!-- end of the table -->"
DOC = harness.ROOT / "docs/profile.md"
READS = re.compile(r"(Get\w*|Enumerate\w*|Pull)$")
WRITE = "--write" in sys.argv


def with_passwords(table):
    """The table of names says the one-time password that each device will show; for desktops a wrong one."""
    head, *lines = table.splitlines()
    right, wrong = (base64.b64encode(byte * 8).decode() for byte in (b"\0", b"\1"))
    return "\n".join([head + ",ou,otp", *(f"{line},,{right if i % 2 else wrong}" for i, line in enumerate(lines)), ""])


class Settings(harness.SiteTest):
    BASE = harness.legacy_profile().partition("features:")[0] + "rehello: approve\n"
    SITE = {"devices": DEVICES, "seed": 5, "profile": BASE.replace("otp: false", "otp: true") + settings.PROFILE}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="muster-console-")
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        root, cert, key = settings.make_console(cls.dir)
        cls.console = ("--cert", str(cert), "--key", str(key))
        profile = settings.with_network(settings.with_tls(cls.SITE["profile"], root), cls.dir)
        cls.SITE = {**cls.SITE, "profile": profile, "profiles": {"other": settings.other(cls.dir)}, "names": with_passwords,
                    "conf": {"worker": {"console": {"chain": str(cert), "key": str(key)}}}}
        super().setUpClass()

    def records(self):
        lines = self.site.muster("device", "export", "--json", "--reveal").split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}

    def maintain(self, devices, *args):
        jobs = [json.loads(self.site.muster("job", "open", "maintain", d.uuid, *args, "--json"))["job"] for d in devices.values()]

        def ended():
            shown = [json.loads(self.site.muster("job", "show", j, "--json")) for j in jobs]
            return shown if all(j["state"] in ("done", "dead") for j in shown) else None
        for job in self.wait(ended, 240, "the jobs to end"):
            self.assertEqual((job["state"], job["error"]), ("done", ""), job)

    @staticmethod
    def notebook(device):
        """Every other device is one: only those have wireless. docs/simulator.md"""
        return int(device.address.split(":")[0].rsplit(".", 1)[1]) % 2 == 0

    @staticmethod
    def calls(sim):
        """[(device, Class.Operation)] of the ledger."""
        lines = map(json.loads, sim.ledger.read_text().splitlines())
        return [(e["d"], e["call"]) for e in lines if e["ev"] == "call"]

    def refused(self, sim):
        """{generation: how its desktops ended}"""
        dead = {j["uuid"]: j["error"] for j in self.dead()}
        writes = collections.Counter(d for d, _ in self.calls(sim))
        return {name: "; ".join({f"{dead.get(d.uuid)}, {writes[d.uuid]} writes" for d in found if not self.notebook(d)})
                for name, found in foreign.devices_of(sim, None).items()}

    def reader(self, sim, device, record, refused=None):
        device.curl_args = self.console
        return Reader(device, self.site.dir / "curl", record, calls_of(sim, device), self.dir, refused)

    def disturb(self, reader):
        """What a profile puts right: somebody's user, somebody's wireless profile, a clock that is off."""
        uri = SCHEMA["CIM"] + "CIM_WiFiEndpointSettings"
        self.assertEqual(reader.value("acl:stranger.DigestUsername"), "absent")
        now = int(reader.member(reader.invoke(CLOCK, "GetLowAccuracyTimeSynch"), "Ta0"))
        answers = [
            reader.invoke(AUTHORIZATION, "AddUserAclEntryEx", DigestUsername="stranger", DigestPassword=base64.b64encode(bytes(16)).decode(),
                          AccessPermission=2, Realms=5),
            reader.invoke(CLOCK, "SetHighAccuracyTimeSynch", Ta0=now, Tm1=now + 100, Tm2=now + 100),
            reader.invoke("AMT_WiFiPortConfigurationService", "AddWiFiSettings", WiFiEndpoint=reader.reference(
                "CIM_WiFiEndpoint", "Name", "WiFi Endpoint 0"), WiFiEndpointSettingsInput="".join(
                    f'<e:{name} xmlns:e="{uri}">{value}</e:{name}>' for name, value in {
                        "ElementName": "stray", "InstanceID": "Intel(r) AMT:WiFi Endpoint Settings stray", "AuthenticationMethod": 6,
                        "EncryptionMethod": 4, "SSID": "stray-net", "Priority": 9, "PSKPassPhrase": "some stray key"}.items()))]
        self.assertEqual([reader.member(a, "ReturnValue") for a in answers], ["0"] * 3)
        reader.cache.clear()
        for row in ROWS:
            if row.when == "disturbed":
                self.assertFalse(re.fullmatch(row.want, reader.value(row.place)), f"{row.path} is right although it was disturbed")

    def look(self, sim, devices, rows, cells):
        records, refused = self.records(), self.refused(sim)
        for name, device in devices.items():
            reader = self.reader(sim, device, records[device.uuid], refused[name])
            for row in rows:
                with self.subTest(release=name, field=row.path):
                    cells[row.path, name], have = reader.cell(row)
                    self.assertIsNotNone(cells[row.path, name], f"{row.place} is {have!r}, wanted {row.want}; and nobody says why")

    def judge(self, devices, cells):
        """The table says of each generation what `muster profile docs` says of the key."""
        keys, records = settings.keys(self.build), self.records()
        for (path, name), cell in cells.items():
            releases = keys[path][0]
            release = tuple(map(int, records[devices[name].uuid]["amt"].split(".")[:2]))
            bound = tuple(map(int, re.search(r"(\d+)\.(\d+)|$", releases).groups(default=0)))
            has = release >= bound if releases.endswith(" on") else release < bound if releases.startswith("before") else True
            with self.subTest(release=name, field=path):
                self.assertEqual(cell == "yes", has and (path, name) not in settings.LACKS, f"{cell}; the key is of {releases}")

    def text(self, cells):
        reasons = sorted(set(cells.values()) - {"yes"})
        mark = {"yes": "yes", **{why: f"({i + 1})" for i, why in enumerate(reasons)}}
        lines = ["| field | " + " | ".join(ALL) + " |", "| --- |" + " --- |" * len(ALL)]
        lines += [f"| `{row.path}` | " + " | ".join(mark[cells[row.path, name]] for name in ALL) + " |" for row in ROWS]
        return "\n".join([*lines, "", *(f"({i + 1}) not applicable: {why}  " for i, why in enumerate(reasons))])

    def test_every_key(self):
        keys = set(settings.keys(self.build))
        self.assertGreater(len(keys), 100)
        self.assertEqual(keys, {row.path for row in ROWS} | set(settings.ELSEWHERE), "a key needs a row, or a reason in ELSEWHERE")
        self.assertEqual({row.path for row in ROWS} & set(settings.ELSEWHERE), set())

    def nothing_left(self, sim, devices, *args):
        before = len(self.calls(sim))
        self.maintain(devices, *args)
        writes = [(d, c) for d, c in self.calls(sim)[before:] if not READS.search(c)]
        self.assertEqual(writes, [], "nothing differs: nothing is written")

    def test_table(self):
        sim = self.site.start_sim("--mix", ",".join(f"{name}=1" for name in ALL))
        self.wait_settled(DEVICES, 300)
        devices = {name: next(filter(self.notebook, found), None) for name, found in foreign.devices_of(sim, None).items()}
        self.assertEqual({name for name, d in devices.items() if d}, set(ALL), "the seed leaves a generation without a notebook")
        self.assertNotIn("", self.refused(sim).values(), "the seed leaves a generation without a desktop")
        dead = {j["uuid"]: j["error"] for j in self.dead()}
        self.assertEqual({name: dead.get(d.uuid) for name, d in devices.items() if d.uuid in dead}, {})
        devices = {name: devices[name] for name in ALL}
        cells, records = {}, self.records()
        for device in devices.values():
            self.assertNotIn("HTTP/1.1", device.curl("/logon.htm", login=False), "let in without a certificate")
            self.disturb(self.reader(sim, device, records[device.uuid]))
        self.maintain(devices)
        self.look(sim, devices, [r for r in ROWS if r.when != "other"], cells)
        self.nothing_left(sim, devices)
        self.maintain(devices, "profile=other")
        self.look(sim, devices, [r for r in ROWS if r.when == "other"], cells)
        self.nothing_left(sim, devices, "profile=other")
        if len(cells) < len(ROWS) * len(ALL) or None in cells.values():
            return  # failed above
        self.judge(devices, cells)
        text = f"{BEGIN}\n\n{self.text(cells)}\n\n{END}"
        if WRITE:
            doc = DOC.read_text()
            head, _, rest = doc.partition(BEGIN)
            DOC.write_text(head + ("" if rest else "\n") + text + (rest.partition(END)[2] or "\n"))
        else:
            self.assertIn(text, DOC.read_text(), "the table of docs/profile.md is of another day: python3 tests/e2e/test_settings.py --write")


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--write"]
    harness.main()
