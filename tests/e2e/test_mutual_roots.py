#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A new trusted root for devices under mutual TLS, which take none: the worker opens the device, adds it, closes the device
again. With a crash before and after each row of that, and on a device whose store is full. SPEC: maintenance.md 2.3"""
import base64
import json
import pathlib
import ssl

import harness
import reader
import settings
from estate import openssl
from foreign import devices_of, local, request
from phase import PhaseBase, SELECTOR

KEYS, TLS, SETUP = "AMT_PublicKeyManagementService", "AMT_TLSSettingData", "AMT_SetupAndConfigurationService"
ROWS = [(row, when) for row in ("unlock.get", "unlock.put", "unlock.commit", "unlock.connect", "unlock.done", "root.add") for when in ("before", "after")]
DEVICES = len(ROWS) + 3  # and one without a crash, one that is full after the console's root, one before it
OPEN_AND_CLOSE = [(TLS, "Put"), (SETUP, "CommitChanges"), (KEYS, "AddTrustedRootCertificate"), (TLS, "Put"), (SETUP, "CommitChanges")]


class Roots(PhaseBase):

    @classmethod
    def setUpClass(cls):
        cls.secrets({}, root="root.pem")
        root, cert, key = settings.make_console(cls.dir)
        cls.console = ("--cert", str(cert), "--key", str(key))
        base = harness.legacy_profile()
        locked = settings.with_mutual(base.replace("name: default", "name: locked"), root)
        more = locked.replace("name: locked", "name: more").replace(f'["{root}"]', f'["{root}", "{cls.dir}/root.pem"]')
        cls.SITE = {"devices": DEVICES, "seed": 3, "workers": 1, "profile": base, "profiles": {"locked": locked, "more": more},
                    "conf": {"worker": {"run_lease_ms": 8000, "console": {"chain": str(cert), "key": str(key)}},
                             "test": {"crashes": str(cls.dir / "crashes")}}}
        (cls.dir / "crashes").touch()
        super().setUpClass()

    def crash_from_now_on(self, uuids):
        """Each row and moment strikes one device."""
        struck = dict(zip(uuids, ROWS, strict=True))
        (self.dir / "crashes").write_text("".join(f"{u} admin {row} {when}\n" for u, (row, when) in struck.items()))
        self.site.node.stop()
        self.site.start_node()
        return struck

    def let_in(self, device, *args):
        device.curl_args = args
        return "HTTP/1.1" in device.curl("/logon.htm", login=False)

    def reader(self, device):
        device.curl_args = self.console
        return reader.Reader(device, pathlib.Path(self.site.dir) / "curl", self.records()[device.uuid], [], self.dir)

    def has_root(self, device, root):
        wanted = base64.b64encode(ssl.PEM_cert_to_DER_cert((self.dir / root).read_text())).decode()
        return any(e.text == wanted for item in self.reader(device).items("AMT_PublicKeyCertificate") for e in item if local(e) == "X509Certificate")

    def fill(self, device, room):
        """Trusted roots by an administrator until there is room for so many only."""
        admin = self.reader(device)
        handles = []
        while True:
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=filler {len(handles)}", "-keyout", "/dev/null",
                    "-out", str(self.dir / "filler.pem"))
            blob = base64.b64encode(ssl.PEM_cert_to_DER_cert((self.dir / "filler.pem").read_text())).decode()
            answer = admin.invoke(KEYS, "AddTrustedRootCertificate", CertificateBlob=blob)
            if admin.member(answer, "ReturnValue") != "0":
                self.assertEqual(admin.member(answer, "ReturnValue"), "23")
                break
            handles.append(next(e.text for e in answer.iter() if e.get("Name") == "InstanceID"))
        certificate = reader.SCHEMA["AMT"] + "AMT_PublicKeyCertificate"
        for handle in handles[len(handles) - room:]:
            device.wsman(request(reader.TRANSFER + "Delete", certificate, "", SELECTOR.format("InstanceID", handle)))

    def job(self, uuid, *args):
        job = json.loads(self.site.muster("job", "open", "maintain", uuid, *args, "--json"))["job"]

        def ended():
            shown = json.loads(self.site.muster("job", "show", job, "--json"))
            return shown if shown["state"] in ("done", "dead") else None
        return self.wait(ended, 60, f"the job of {uuid}")

    def test_roots(self):
        sim = self.site.start_sim("--mix", "amt11=0.5,amt16=0.5")
        self.wait_settled(DEVICES, 120)
        devices = {d.uuid.lower(): d for found in devices_of(sim, None).values() for d in found}
        plain, full, fuller, *others = devices
        self.fill(devices[full], 1)
        self.fill(devices[fuller], 0)
        self.open_jobs("maintain", [plain, full, *others], "profile=locked")
        # Not even the console's own root has a place: the device must not ask for what it cannot judge.
        job = self.job(fuller, "profile=locked")
        self.assertEqual((job["state"], job["reason"]), ("dead", "root_refused"), job)
        self.assertTrue(self.let_in(devices.pop(fuller)))

        position = self.writes(sim, 0)[1]
        self.open_jobs("maintain", [plain], "profile=more")
        calls = [json.loads(line) for line in sim.ledger.read_text().splitlines()[position:]]
        calls = [tuple(e["call"].split(".")) for e in calls if e["ev"] == "call"]
        self.assertEqual([c for c in calls if c in OPEN_AND_CLOSE], OPEN_AND_CLOSE)
        position = self.writes(sim, position)[1]
        self.open_jobs("maintain", [plain], "profile=more")
        self.assertEqual(self.writes(sim, position)[0], [], "the root is there: the device stays closed")

        job = self.job(full, "profile=more")
        self.assertEqual((job["state"], job["reason"]), ("dead", "root_refused"), job)
        self.assertIn("no room", job["error"])

        struck = self.crash_from_now_on(others)
        self.open_jobs("maintain", others, "profile=more")
        for uuid, device in devices.items():
            with self.subTest(device=uuid, crash=struck.get(uuid)):
                self.assertFalse(self.let_in(device), "without a certificate")
                self.assertTrue(self.let_in(device, *self.console))
                self.assertEqual(self.has_root(device, "root.pem"), uuid != full)
        log = (pathlib.Path(self.site.dir) / "node.log").read_text()
        self.assertEqual(sum('"test.crashes"' in line for line in log.splitlines()), len(struck))
        sim.stop()
        self.assertEqual(sim.verify()["violations"], 0)


if __name__ == "__main__":
    harness.main()
