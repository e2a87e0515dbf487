#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second server adopts devices that a first one configured: with and without TLS, by fingerprint, with a wrong password,
with a crash after each row. The first server then finds that they have changed hands and writes nothing."""
import json
import re

import foreign
import harness
import test_crash
from estate import Site
from foreign import NS, request
from phase import GET, PhaseBase

AMT = "http://intel.com/wbem/wscim/1/amt-schema/1/"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
SELECTOR = '<w:SelectorSet><w:Selector Name="InstanceID">Intel(r) AMT 802.3 TLS Settings</w:Selector></w:SelectorSet>'
GENERATIONS = "amt8=1,amt11=1,amt12=2,amt16=1"
PROFILE = harness.legacy_profile().replace("  sol: true ", "  sol: false")


class Adoption(PhaseBase):
    """Devices of a first server, and a second one on the same estate."""

    @classmethod
    def setUpClass(cls):
        cls.SITE = {"devices": cls.DEVICES, "seed": 7, "profile": harness.legacy_profile()}
        super().setUpClass()
        cls.second = None
        try:
            cls.sim = cls.site.start_sim("--mix", GENERATIONS)
            harness.wait_for(lambda: (cls.site.status() or {}).get("done", 0) == cls.DEVICES, 120, "the first server")
            cls.second = Site(cls.build, devices=cls.DEVICES, seed=7, profile=PROFILE,
                              conf={"worker": {"device_port": cls.site.device_port}, "test": {"crashes": ""}})
            cls.before_second()
            cls.second.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def before_second(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        if cls.second:
            cls.second.stop()
            cls.second.remove()

    def adopt(self, device, password, *words, wait=True):
        """Give the second server the password; the ended job."""
        file = self.second.dir / f"password-{device.uuid}"
        file.touch(mode=0o600)
        file.write_text(password)
        job = json.loads(self.second.muster("adopt", device.uuid, f"addr={device.address}", *words, "--password-file", str(file), "--json"))["job"]

        def ended():
            shown = json.loads(self.second.muster("job", "show", job, "--json"))
            return shown if shown["state"] in ("done", "dead") else None
        return self.wait(ended, 120, f"the adoption of {device.uuid}: " + self.second.muster("job", "show", job)) if wait else job

    def clear(self, device):
        """TLS off, as a server without certificates would leave it."""
        settings = device.wsman(request(GET, AMT + "AMT_TLSSettingData", "", SELECTOR)).find("s:Body", NS)[0]
        names = {foreign.local(e): e.text for e in settings}
        names.update(Enabled="false", AcceptNonSecureConnections="true")
        body = "".join(f"<r:{n}>{v}</r:{n}>" for n, v in names.items() if n != "NonSecureConnectionsSupported" and v)
        put = device.wsman(request(TRANSFER + "Put", AMT + "AMT_TLSSettingData",
                                   f'<r:AMT_TLSSettingData xmlns:r="{AMT}AMT_TLSSettingData">{body}</r:AMT_TLSSettingData>', SELECTOR))
        self.assertIsNone(put.find("s:Body/s:Fault", NS))
        service = "AMT_SetupAndConfigurationService"
        device.wsman(request(f"{AMT}{service}/CommitChanges", AMT + service, f'<r:CommitChanges_INPUT xmlns:r="{AMT}{service}"/>'))

    def second_records(self):
        lines = self.second.muster("device", "export", "--json", "--reveal").split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}


class Adopt(Adoption):
    DEVICES = 20

    def test_adopt(self):
        first = self.records()
        by_release = foreign.devices_of(self.sim, None)
        devices = [d for of in by_release.values() for d in of]
        wrong, clear = by_release["amt12"][:2]
        renamed = by_release["amt11"][0]
        config = self.site.dir / "curl"
        config.touch(mode=0o600)

        # A wrong password: three refused logins a visit at most, the device is as it was.
        position = self.writes(self.sim, 0)[1]
        job = self.adopt(wrong, "Wr0ng!password")
        self.assertEqual((job["state"], job["reason"]), ("dead", "unknown_password"), job)
        # A wrong fingerprint: no password is sent at all.
        job = self.adopt(by_release["amt16"][0], first[by_release["amt16"][0].uuid]["admin_password"], "fingerprint=" + "ab" * 32)
        self.assertEqual((job["state"], job["reason"]), ("dead", "pin_mismatch"))
        self.assertEqual(self.writes(self.sim, position)[0], [])

        # No TLS: refused until the operator says plain.
        password = first[clear.uuid]["admin_password"]
        clear.curl_config = config
        config.write_text(f'user = "admin:{re.sub(chr(34) + "|" + chr(92) * 2, lambda m: chr(92) + m[0], password)}"\n')
        self.clear(clear)
        job = self.adopt(clear, password, "plain")
        self.assertEqual((job["state"], job["error"]), ("done", ""), job)

        for d in devices:
            if d is clear:
                continue
            words = ["fingerprint=" + first[d.uuid]["cert_fp"]] if d.amt == "amt16" else []
            if d is renamed:
                words += ["name=adopted.corp.example.com", "tags=lab,adopted"]
            job = self.adopt(d, first[d.uuid]["admin_password"], *words)
            self.assertEqual((job["state"], job["error"]), ("done", ""), job)

        second = self.second_records()
        for d in devices:
            mine, theirs = second[d.uuid], first[d.uuid]
            name = "adopted.corp.example.com" if d is renamed else theirs["fqdn"]
            self.assertEqual((mine["state"], mine["fqdn"], mine["profile"]), ("done", name, "default"))
            self.assertNotEqual(mine["admin_password"], theirs["admin_password"])
            self.assertNotEqual(mine["cert_fp"], theirs["cert_fp"])
            self.assertNotIn("given_admin_password", mine)
        self.site, first_site = self.second, self.site
        wanted = {"AMT_RedirectionService.EnabledState": "32769", "AMT_GeneralSettings.HostName": None}
        for d in devices:
            values = self.values(d, second[d.uuid]["admin_password"], wanted)
            self.assertIn(values["AMT_RedirectionService.EnabledState"], ("32769", None))
            self.assertEqual(values["AMT_GeneralSettings.HostName"], second[d.uuid]["fqdn"].split(".")[0])
        self.assertEqual(second[renamed.uuid]["tags"], "lab adopted")
        # The table of names says otherwise of this one: maintenance follows it, certificate first.
        self.site = self.second
        self.open_jobs("maintain", [renamed.uuid])
        # Nothing is left to write, and nothing of the first server's is left behind.
        position = self.writes(self.sim, 0)[1]
        self.open_jobs("maintain", [d.uuid for d in devices])
        self.assertEqual(self.writes(self.sim, position)[0], [])
        self.site = first_site
        for d in devices:
            self.site.muster("job", "open", "maintain", d.uuid)
        ended = self.wait(lambda: len(self.records()) == self.DEVICES and all(r["reason"] for r in self.records().values()), 120, "the first server's jobs")
        self.assertTrue(ended)
        self.assertEqual({r["reason"] for r in self.records().values()}, {"changed_hands"})
        self.assertEqual(self.writes(self.sim, position)[0], [])
        # One that was lost may be adopted back, one that is in service not; and so to and fro.
        back, second_site = by_release["amt16"][0], self.second
        for this, other in ((first_site, second_site), (second_site, first_site)):
            self.second = other
            password = self.second_records()[back.uuid]["admin_password"]
            self.second = this
            self.adopt(back, password)
            self.assertEqual([self.second_records()[back.uuid][k] for k in ("state", "reason")], ["done", ""])
            with self.assertRaisesRegex(harness.SiteError, "in service already"):
                self.adopt(back, password)
            job = json.loads(other.muster("job", "open", "check", back.uuid, "--json"))["job"]
            self.wait(lambda o=other, j=job: json.loads(o.muster("job", "show", j, "--json"))["reason"] == "changed_hands", 60, "the other to find it lost")
        self.sim.stop()
        self.sim.site = self.second
        self.assertEqual([(v["rule"], v["text"], v["uuid"]) for v in self.sim.verify()["violations_list"]], [])


class AdoptCrash(Adoption):
    """A crash before and after every row of the adoption, and of the rotation that follows: one device each."""

    @classmethod
    def setUpClass(cls):
        plans = test_crash.plans(cls.build)
        cls.crashes = [(p, r, m) for p in ("adopt", "rotate") for r in plans[p] for m in ("before", "after")]
        cls.DEVICES = len(cls.crashes)
        super().setUpClass()

    @classmethod
    def before_second(cls):
        cls.devices = [d for of in foreign.devices_of(cls.sim, None).values() for d in of]
        path = cls.second.dir / "crashes"
        path.write_text("".join(f"{d.uuid} {p} {r} {m}\n" for d, (p, r, m) in zip(cls.devices, cls.crashes)).lower())
        cls.second.config.write_text(cls.second.config.read_text().replace('crashes: ""', f'crashes: "{path}"'))

    def test_every_row(self):
        first = self.records()
        jobs = [self.adopt(d, first[d.uuid]["admin_password"], wait=False) for d in self.devices]

        def ended():
            states = {j["job"]: j for j in json.loads(self.second.muster("job", "list", "--json"))}
            shown = [states[j] for j in jobs if j in states]
            return shown if len(shown) == len(jobs) and all(j["state"] in ("done", "dead") for j in shown) else None
        for job in self.wait(ended, 300, "the adoptions"):
            self.assertEqual((job["state"], job["error"]), ("done", ""), job)
        struck = (self.second.dir / "node.log").read_text().count('"test.crashes"')
        self.assertGreater(struck, len(self.crashes) * 0.6)  # rows for keys from outside, MEBx, users: not on each
        self.sim.stop()
        self.sim.site = self.second
        self.assertEqual(self.sim.verify()["violations_list"], [])


if __name__ == "__main__":
    harness.main()
