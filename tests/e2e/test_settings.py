#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each field of a profile on each generation: a profile that wishes everything, devices of all generations, and curl that looks
at every place that settings.py names. Either the value is there, or the device's record says "not applicable" with the reason.
A second run writes nothing. With --write the table goes into docs/profile.md between its markers."""
import json
import pathlib
import re
import sys
import tempfile

import foreign
import harness
import settings
from settings import Reader, ROWS

ALL = ["amt3", "amt5", "amt6", "amt7", "amt8", "amt11", "amt12", "amt16", "amt16std", "amt19", "amt21"]
DEVICES = 6 * len(ALL)  # on average: the seed decides
BEGIN, END = "<!-- settings by generation: made by tests/e2e/test_settings.py --write -->", "<!-- end of the table -->"
DOC = harness.ROOT / "docs/profile.md"
READS = re.compile(r"(Get\w*|Enumerate\w*|Pull)$")
WRITE = "--write" in sys.argv


class Settings(harness.SiteTest):
    BASE = harness.legacy_profile().partition("features:")[0] + "rehello: approve\n"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="muster-console-")
        cls.addClassCleanup(cls.folder.cleanup)
        root, cert, key = settings.make_console(pathlib.Path(cls.folder.name))
        cls.console = ("--cert", str(cert), "--key", str(key))
        profile = settings.with_network(cls.SITE["profile"], pathlib.Path(cls.folder.name), root)
        cls.SITE = {**cls.SITE, "profile": settings.with_mutual(profile, root),
                    "conf": {"worker": {"console": {"chain": str(cert), "key": str(key)}}}}
        super().setUpClass()

    SITE = {"devices": DEVICES, "seed": 5, "profile": BASE + settings.PROFILE}

    def records(self):
        lines = self.site.muster("device", "export", "--json", "--reveal").split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}

    def maintain(self, uuids, *args):
        jobs = [json.loads(self.site.muster("job", "open", "maintain", u, *args, "--json"))["job"] for u in uuids]

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

    @staticmethod
    def excuse(record, row):
        """What the record says of the row's class and property: why it is not applicable here."""
        place = row.place.split(":")[-1]
        cls = "AMT_AuthorizationService" if row.place.startswith(("acl:", "login:")) else re.match(r"\w+", place)[0]
        member = place.rpartition(".")[2]
        for line in record["differences"].splitlines():
            have = line.split("\t")
            if have[0] in (cls, settings.NEEDS.get(cls)) and have[3].startswith("not applicable: ") and (not have[1] or member in have[1]):
                return have[3].removeprefix("not applicable: ")
        return None

    def cell(self, reader, row):
        have = reader.value(row.place)
        excuse = self.excuse(reader.record, row)
        if have is not None and re.fullmatch(row.want, have):
            return "yes"
        self.assertIsNotNone(excuse, f"{row.path}: {row.place} is {have!r}, wanted {row.want}; and nobody says why")
        return excuse

    def table(self, devices, records, calls):
        out = {}
        for name in ALL:
            device = devices[name]
            self.assertNotIn("HTTP/1.1", device.curl("/logon.htm", login=False), "let in without a certificate")
            device.curl_args = self.console
            reader = Reader(device, pathlib.Path(self.site.dir) / "curl", records[device.uuid],
                            {call for d, call in calls if d == device.uuid})
            for row in ROWS:
                with self.subTest(release=name, field=row.path):
                    out[row.path, name] = self.cell(reader, row)
        return out

    def text(self, cells):
        reasons = sorted(set(cells.values()) - {"yes"})
        mark = {"yes": "yes", **{why: f"({i + 1})" for i, why in enumerate(reasons)}}
        lines = ["| field | " + " | ".join(ALL) + " |", "| --- |" + " --- |" * len(ALL)]
        lines += [f"| `{row.path}` | " + " | ".join(mark[cells[row.path, name]] for name in ALL) + " |" for row in ROWS]
        return "\n".join([*lines, "", *(f"({i + 1}) not applicable: {why}  " for i, why in enumerate(reasons))])

    def test_table(self):
        sim = self.site.start_sim("--mix", ",".join(f"{name}=1" for name in ALL))
        self.wait_settled(DEVICES, 300)
        self.assertEqual(self.dead(), [])
        devices = {name: next(filter(self.notebook, found), None) for name, found in foreign.devices_of(sim, None).items()}
        self.assertEqual({name for name, d in devices.items() if d}, set(ALL), "the seed leaves a generation without a notebook")
        calls = self.calls(sim)
        cells = self.table(devices, self.records(), calls)
        before = len(self.calls(sim))
        self.maintain([d.uuid for d in devices.values()])
        writes = [(d, c) for d, c in self.calls(sim)[before:] if not READS.search(c)]
        self.assertEqual(writes, [], "nothing differs: nothing is written")
        if len(cells) < len(ROWS) * len(ALL):
            return  # failed above
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
