#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changing one field writes only its object, and changing it back, too. Generated from changes.py: devices of several generations have
one base profile; each gets a profile in which one key is another, is maintained, and its ledger must hold exactly the calls that the
table says of that key. What the generation lacks, by `muster profile docs`, writes nothing.

Every profile is a file of its own, a slot, that one device of each generation uses; a round changes all slots at once."""
import collections
import json
import pathlib
import re
import tempfile

import changes
import foreign
import harness
import settings
import test_settings
from changes import CHANGES
from harness import openssl
from reader import major

GENERATIONS = ["amt5", "amt8", "amt11", "amt16"]
EACH = 6  # devices of each generation and kind
KINDS = {"notebook": [c for c in CHANGES if c.key.startswith("wireless.")], "desktop": [c for c in CHANGES if not c.key.startswith("wireless.")]}
DEVICES = 24 * len(GENERATIONS)  # the seed decides
FILES = {**settings.SECRETS, "fixed": "Fixed!Pass12", "rfb": "Rfb!Pw12", "psk2": "another wireless key"}


def rounds():
    """[{slot: change}]: wireless needs notebooks, the others go where there is room; those with another beginning come first."""
    slots = [f"{kind}{i}" for kind in KINDS for i in range(EACH)]
    waiting = sorted(CHANGES, key=lambda c: not c.start)
    out = []
    while waiting:
        now = {}
        for slot in slots:
            air = [c for c in waiting if c.key.startswith("wireless.")] if slot.startswith("notebook") else []
            fits = air or [c for c in waiting if not c.key.startswith("wireless.")]
            if fits:
                now[slot] = fits[0]
                waiting.remove(fits[0])
        out.append(now)
    return out


class OneField(harness.SiteTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="muster-one-")
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        _, cert, key = settings.make_console(cls.dir)
        for name in ("radius", "mps", *(f"root{i}" for i in range(4))):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN={name} root", "-keyout",
                    str(cls.dir / f"{name}.key"), "-out", str(cls.dir / f"{name}.pem"))
        for name, text in FILES.items():
            (cls.dir / name).write_text(text)
            (cls.dir / name).chmod(0o600)
        cls.base = changes.base(cls.dir)
        cls.slots = {f"{kind}{i}": kind for kind in KINDS for i in range(EACH)}
        cls.SITE = {"devices": DEVICES, "seed": 1, "profile": json.dumps(cls.base), "conf": {"worker": {"console": {"chain": str(cert), "key": str(key)}}},
                    "profiles": {slot: json.dumps(cls.base) for slot in cls.slots}}
        super().setUpClass()

    def maintain(self, profiles):
        """Every slot with its profile; {(generation, slot): calls}."""
        for slot, profile in profiles.items():
            (self.site.dir / f"profiles/{slot}.yaml").write_text(json.dumps(profile))
        self.reload()
        start = len(self.sim.ledger.read_text().splitlines())
        for slot in profiles:
            self.site.muster("job", "open", "maintain", f"profile={slot}")
            self.opened += len(GENERATIONS)
        self.wait_ended(self.opened, 120)
        self.assertEqual([j["error"] for j in self.dead()], [])
        events = map(json.loads, self.sim.ledger.read_text().splitlines()[start:])
        calls = collections.defaultdict(list)
        for e in events:
            if e["ev"] == "call" and e["d"] in self.places and not test_settings.READS.search(e["call"]):
                calls[self.places[e["d"]]].append(e["call"])
        return calls

    def wanted(self, change, name, back):
        """Calls of a change on a device of that generation."""
        if not self.has(change.key, name):
            return []
        old = change.older if change.older and major(name) < change.older[0] else None
        there, home = old[1:] if old else (change.writes, change.writes if change.back is None else change.back)
        return sorted(home if back else there)

    def has(self, key, name):
        releases = self.keys[key][0]
        bound = tuple(map(int, re.search(r"(\d+)\.(\d+)|$", releases).groups(default=0)))
        release = self.releases[name]
        return release >= bound if releases.endswith(" on") else release < bound if releases.startswith("before") else True

    def settle(self):
        self.sim = self.site.start_sim("--mix", ",".join(f"{name}=1" for name in GENERATIONS))
        self.wait_settled(DEVICES, 300)
        self.opened = DEVICES
        self.assertEqual([j["error"] for j in self.dead()], [])
        self.keys = settings.keys(self.build)
        self.places, self.releases = {}, {}
        records = {r["uuid"]: r for r in map(json.loads, filter(None, self.site.muster("device", "export", "--json").split("\n")))}
        for name, found in foreign.devices_of(self.sim, None).items():
            self.releases[name] = tuple(map(int, records[found[0].uuid]["amt"].split(".")[:2]))
            kinds = {"notebook": [d for d in found if test_settings.Settings.notebook(d)], "desktop": [d for d in found if not test_settings.Settings.notebook(d)]}
            for slot, kind in self.slots.items():
                self.assertTrue(kinds[kind], f"the seed gives too few {kind}s of {name}")
                device = kinds[kind].pop()
                self.places[device.uuid] = name, slot
                self.site.muster("job", "open", "maintain", device.uuid, f"profile={slot}")
                self.opened += 1
        self.wait_ended(self.opened, 120)

    def judge(self, now, calls, back):
        for slot, change in now.items():
            for name in GENERATIONS:
                with self.subTest(field=change.key, release=name, back=back):
                    self.assertEqual(sorted(calls[name, slot]), self.wanted(change, name, back))

    def test_every_key(self):
        keys = {key for key, (_, what) in settings.keys(self.build).items() if what != "-"}
        self.assertEqual(keys, {c.key for c in CHANGES} | set(changes.FIXED_KEYS), "a key needs a change, or a reason why it has none")
        self.assertEqual(len({c.key for c in CHANGES}), len(CHANGES))

    def test_one_field(self):
        self.settle()
        for now in rounds():
            start = {slot: changes.patched(self.base, c.start, self.dir) for slot, c in now.items()}
            self.maintain({slot: profile for slot, profile in start.items() if now[slot].start})
            self.judge(now, self.maintain({slot: changes.patched(start[slot], c.patch, self.dir) for slot, c in now.items()}), False)
            self.judge(now, self.maintain(start), True)
            self.maintain({slot: self.base for slot, c in now.items() if c.start})


if __name__ == "__main__":
    harness.main()
