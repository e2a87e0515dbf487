#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An operator's mistakes on a running site: what is mistyped is refused by name, and nothing is lost by it. A Hello of a device in
service, and what people do about it, leaves the device in service."""
import json
import pathlib
import re
import subprocess
import tempfile
import uuid as uuids

import harness
from test_hello import send

DEVICES = 4
NOBODY = "00000000-0000-4000-8000-000000000000"
KIOSK = "extends: default\nfeatures: {web_ui: true}\nrehello: auto\n"
STAFF = "extends: default\nacl: {users: [{name: staff, role: inventory, password: {source: random}}]}\n"


class Operator(harness.SiteTest):

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="muster-operator-")
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        cls.SITE = {"devices": DEVICES, "seed": 3, "workers": 1, "profiles": {"kiosk": KIOSK, "staff": STAFF},
                    "conf": {"worker": {"max_attempts": 1}, "broker": {"cooldown_s": 0}}}
        super().setUpClass()
        try:
            cls.sim = cls.site.start_sim("--mix", "amt16=1")
            harness.wait_for(lambda: (cls.site.status() or {}).get("done", 0) == DEVICES, 120, "the devices")
            lines = cls.site.muster("device", "export", "--json").split("\n")
            cls.uuids = sorted(r["uuid"] for r in map(json.loads, filter(None, lines)))
        except BaseException:
            cls.tearDownClass()
            raise

    def say(self, *args, stdin=None):
        """(exit status, what it printed, what it complained of) of a command."""
        done = subprocess.run([str(self.site.bin / "muster"), *args, "--config", str(self.site.config)], capture_output=True, text=True,
                              check=False, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None)
        return done.returncode, done.stdout, done.stderr

    def refused(self, *args, says, code=1):
        got, out, err = self.say(*args)
        self.assertEqual(got, code, (args, out, err))
        self.assertIn(says, err or out, args)

    def record(self, uuid, *more):
        return json.loads(self.site.muster("device", "show", uuid, "--json", *more))

    def job(self, kind, uuid, *args):
        """An upkeep job to its end: (state, reason)."""
        job = json.loads(self.site.muster("job", "open", kind, uuid, *args, "--json"))["job"]

        def ended():
            shown = json.loads(self.site.muster("job", "show", job, "--json"))
            return shown if shown["state"] in ("done", "dead") else None
        shown = self.wait(ended, 60, f"{kind} to end")
        return shown["state"], shown["reason"]

    def test_words_behind_the_devices(self):
        uuid = self.uuids[0]
        events = self.site.muster("events", "--json")
        for args, says in (
                (("unconfigure", uuid, "ful"), '"ful" is no argument of unconfigure, which takes partial or full'),
                (("unconfigure", uuid, "full", "partial"), "one too many"),
                (("unconfigure", uuid, "with", "full", "extra"), '"extra" is no argument'),
                (("check", uuid, "with", "nonsense=1"), '"nonsense=1" is no argument of check'),
                (("rotate", uuid, "with", "profile=kiosk"), "no argument of rotate"),
                (("maintain", "all", "with", "addr=10.0.0.1"), "addr=10.0.0.1 is for one device"),
                (("maintain", "all", "with", "profile=office"), 'no profile "office"'),
                (("maintain", uuid, "profile=office"), "see muster profile list"),
                (("maintain", "state=nix"), "one of active, done"),
                (("maintain", "amt=abc"), "amt=abc"),
                (("maintain", "subnet=abc"), "subnet="),
                (("maintain", "tag=nobody"), "no device fits"),
                (("check", NOBODY), "no device of this UUID is known")):
            self.refused("job", "open", *args, says=says)
        self.refused("plan", "all", "with", "profile=office", says='no profile "office"')
        self.refused("plan", "all", "wait=abc", says="wait=abc: a number")
        self.refused("wave", "create", "w", "maintain", "for", "all", "with", "profile=office", says='no profile "office"')
        self.refused("wave", "create", "w", "maintain", "for", "all", "with", "full", says="no argument of maintain")
        self.refused("wave", "create", "w", "maintain", "in-flight=0", "for", "all", says="at least 1")
        self.assertEqual(self.site.muster("events", "--json"), events, "a refused command has done something")
        before = self.record(uuid)["job"]
        self.assertEqual(self.job("check", uuid, "with"), ("done", ""))
        shown = json.loads(self.site.muster("job", "show", uuid, "--json"))
        self.assertEqual((shown["args"], shown["job"] == before), ("", False))

    def test_plan_changes_no_record(self):
        uuid = self.uuids[0]
        file = str(self.dir / "k1.plan")
        before = self.record(uuid)
        out = self.site.muster("plan", uuid, "with", "profile=kiosk", f"out={file}")
        self.assertIn("1 devices: 1 differ", out)
        after = self.record(uuid)
        self.assertEqual([after[k] for k in ("profile", "fqdn", "ou")], [before[k] for k in ("profile", "fqdn", "ou")])
        # The words of the command stand anywhere, as docs/upkeep.md has them.
        self.site.muster("plan", "profile=default", "out=" + str(self.dir / "lab.plan"))
        self.assertEqual(len(json.loads((self.dir / "lab.plan").read_text())["devices"]), 0)
        self.assertEqual(self.say("drift", "state=done", "wait=60")[0], 0)
        self.assertEqual(self.say("drift", "state=done", "wait=60", "with", "profile=kiosk")[0], 1)
        self.assertEqual({self.record(u)["profile"] for u in self.uuids}, {"default"})

    def test_adopt_of_a_device_in_service(self):
        uuid = self.uuids[1]
        before = self.record(uuid, "--reveal")
        file = self.dir / "password"
        file.touch(mode=0o600)
        file.write_text("Wr0ng!password")
        self.refused("adopt", uuid, "--password-file", str(file), says="it is in service already")
        self.refused("adopt", NOBODY, "addr=127.0.0.9", "profile=office", "--password-file", str(file), says='no profile "office"')
        self.refused("adopt", "nonsense", says="uuid")
        self.assertEqual(self.record(uuid, "--reveal"), before)

    def test_anybodys_hello(self):
        uuid = self.uuids[2]
        vector = next(f for f in sorted(harness.vectors("hello").glob("real-*.hex")) if json.loads(f.with_suffix(".json").read_text())["hello"]["version"] == 3)
        was = json.loads(vector.with_suffix(".json").read_text())["hello"]["uuid_wire"]
        raw = bytes.fromhex(vector.read_text().strip().replace(was, uuids.UUID(uuid).bytes_le.hex()))
        before = self.record(uuid, "--reveal")
        kept = ("gen", "address", "admin_password", "mebx_password", "done_ms", "cert_fp", "profile", "hello_ms")
        for _ in range(2):  # the second one meets the job of the first
            self.assertTrue(send(self.site.listener_port, raw, "127.0.60.1"))
        self.wait(lambda: self.record(uuid)["job_reason"] == "approval", 30, "the Hello to be taken up")
        held = self.record(uuid, "--reveal")
        self.assertEqual({k: held.get(k) for k in kept}, {k: before.get(k) for k in kept})
        self.refused("job", "open", "check", uuid, says="it has a live job (setup, waiting)")
        self.refused("plan", uuid, says="1 without an answer")
        self.site.muster("job", "cancel", uuid)
        after = self.record(uuid, "--reveal")
        self.assertEqual({k: after.get(k) for k in kept}, {k: before.get(k) for k in kept})
        self.assertEqual((after["state"], self.job("maintain", uuid)), ("done", ("done", "")))
        self.assertEqual(self.record(uuid)["address"], before["address"])

    def test_wrong_address(self):
        uuid, other = self.uuids[:2]
        there, elsewhere = self.record(uuid)["address"], self.record(other)["address"]
        self.assertEqual(self.job("check", uuid, "with", f"addr={elsewhere}"), ("dead", "changed_hands"))
        self.assertEqual(self.record(uuid)["address"], there)
        self.assertEqual(self.job("check", uuid), ("done", ""))
        # The dead one is still listed, and can be dropped: the device has a newer job.
        lost = [j["job"] for j in self.dead() if j["uuid"] == uuid]
        self.refused("job", "kick", lost[0], says="the device has a newer one")
        self.refused("job", "kick", uuid, says="is done: open a new one")
        self.assertIn(f"dropped job {lost[0]}", self.site.muster("dead", "drop", uuid))
        self.refused("dead", "drop", uuid, says="no dead job")
        self.assertEqual(self.record(uuid)["state"], "done")

    def test_lists_and_filters(self):
        uuid = self.uuids[3]
        for args, says in ((("device", "list", "-s", "nonsense"), "one of active, done"), (("psk", "list", "-s", "nonsense"), "free, fresh, used"),
                           (("job", "list", "-s", "cancelled"), "one of ready"), (("events", "nonsense"), "not a UUID"),
                           (("profile", "show", "default", "--for", "nonsense"), "not a UUID"), (("wave", "show", "none"), "no wave"),
                           (("device", "show", NOBODY), "is known")):
            self.refused(*args, says=says)
        self.assertEqual(self.job("maintain", uuid, "with", "profile=staff"), ("done", ""))
        newest = json.loads(self.site.muster("job", "list", "-n", "2", "--json"))
        every = json.loads(self.site.muster("job", "list", "--json"))
        self.assertEqual(newest, sorted(every, key=lambda j: j["job"], reverse=True)[:2])
        self.assertRegex(self.site.muster("job", "list"), r"^JOB +DEVICE +KIND +STATE")
        shown, record = self.site.muster("device", "show", uuid, "--reveal"), self.record(uuid, "--reveal")
        self.assertEqual(record["profile"], "staff")
        self.assertTrue(record["secrets"])
        for name, secret in record["secrets"].items():
            self.assertRegex(shown, rf"(?m)^{name} +" + re.escape(secret))
        self.assertRegex(shown, r"(?m)^cert_end +in \d+ d$")
        self.assertNotIn("\t", shown)
        self.assertRegex(shown, r"(?m)^    AMT_\w+\.\w*: .*-> ")
        self.assertRegex(self.site.muster("job", "show", uuid), r"(?m)^created +\d+ s ago$")
        self.assertEqual(self.job("maintain", uuid, "with", "profile=default"), ("done", ""))

    def test_wave_is_removed(self):
        muster = self.site.muster
        muster("wave", "create", "short", "inventory", "for", "all")
        muster("wave", "start", "short")
        self.refused("wave", "remove", "short", says="wave short runs")
        self.wait(lambda: json.loads(muster("wave", "show", "short", "--json"))["state"] == "done", 60, "the wave")
        self.assertRegex(muster("wave", "show", "short"), r"(?m)^started +\d+ s ago$")
        muster("wave", "remove", "short")
        self.refused("wave", "show", "short", says="no wave")
        muster("wave", "create", "short", "inventory", "for", "all")
        muster("wave", "remove", "short")
        self.assertEqual(json.loads(muster("wave", "list", "--json")), [])


if __name__ == "__main__":
    harness.main()
