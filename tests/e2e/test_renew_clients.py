#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""802.1x on the wire and in the air and remote access log in with the certificate of TLS: one renewal moves every reference to the
new one; then the old one, which a device does not delete while anything refers to it, is gone from the device and revoked."""
import base64
import hashlib
import json

import foreign
import harness
from foreign import NS, request
from phase import GET, SCHEMA, SELECTOR, PhaseBase

ALL = ["amt5", "amt7", "amt8", "amt12", "amt16", "amt19"]
PROFILE = """
name: clients
tls: {{legacy: true}}
wireless:
  state: always
  profiles:
    - {{name: air, ssid: air-net, security: wpa2-8021x, priority: 1, ieee8021x: {{protocol: tls, root_file: {dir}/root.pem}}}}
wired: {{state: on, ieee8021x: {{protocol: tls, root_file: {dir}/root.pem}}}}
remote_access:
  state: on
  servers: [{{address: mps1.corp.example.com, auth: certificate, root_file: {dir}/root.pem}}]
  policies: [{{trigger: user, servers: [mps1.corp.example.com]}}]
  home_domains: [corp.example.com]
"""
NEW = ("AMT_PublicKeyManagementService", "AddCertificate")
OLD = ("AMT_PublicKeyCertificate", "Delete")
SERVER = ("AMT_RemoteAccessService", "AddMpServer")
AIR = ("AMT_WiFiPortConfigurationService", "UpdateWiFiSettings")
WIRE = {("IPS_IEEE8021xSettings", "SetCertificates"), ("AMT_8021XProfile", "Put")}


class Clients(PhaseBase):
    DEVICES = 4 * len(ALL)

    @classmethod
    def setUpClass(cls):
        cls.secrets({}, root="root.pem")
        cls.SITE = {"devices": cls.DEVICES, "seed": 11, "profile": harness.legacy_profile(),
                    "profiles": {"clients": PROFILE.format(dir=cls.dir)}}
        super().setUpClass()

    def refers_to(self, device, name, member):
        """Fingerprint of the certificate that an object refers to."""
        found = [e for e in self.get(device, name).iter() if foreign.local(e) == member]
        if not found:
            return None
        handle = found[0].find(".//w:Selector[@Name='InstanceID']", NS).text
        answer = device.wsman(request(GET, SCHEMA["AMT"] + "AMT_PublicKeyCertificate", "", SELECTOR.format("InstanceID", handle)))
        der = next(e.text for e in answer.iter() if foreign.local(e) == "X509Certificate")
        return hashlib.sha256(base64.b64decode(der)).hexdigest()

    def test_one_renewal(self):
        sim = self.site.start_sim("--mix", ",".join(f"{name}=1" for name in ALL))
        self.wait_settled(self.DEVICES, 300)
        self.assertEqual(self.dead(), [])
        devices = {d.uuid: (int(name.split("/")[0][3:]), d) for name, found in foreign.devices_of(sim, None).items() for d in found[:2]}
        self.assertEqual(len({release for release, _ in devices.values()}), len(ALL), "the seed leaves a generation out")
        uuids = list(devices)
        first = self.records()
        self.open_jobs("maintain", uuids, "profile=clients")
        position = self.writes(sim, 0)[1]
        # The certificate of the setup was for TLS alone: maintenance saw that it does not serve, and replaced it.
        before = self.records()
        for uuid in uuids:
            self.assertIn("AMT_PublicKeyCertificate\tExtendedKeyUsage\tserverAuth\tserverAuth,clientAuth\n", before[uuid]["differences"])
            self.assertNotEqual(before[uuid]["cert_fp"], first[uuid]["cert_fp"])
        self.open_jobs("renew", uuids)
        after, (writes, position) = self.records(), self.writes(sim, position)
        for uuid, (release, device) in devices.items():
            calls = [c[1:] for c in writes if c[0] == uuid]
            with self.subTest(release=release, device=uuid):
                self.assertNotEqual(before[uuid]["cert_fp"], after[uuid]["cert_fp"])
                mobile = "CIM_WiFiPort\t\t\t" not in after[uuid]["differences"]
                self.assertEqual([calls.count(NEW), calls.count(SERVER), calls.count(AIR)], [1, 1, int(mobile)])
                self.assertEqual(len([c for c in calls if c in WIRE]), 1, "the wire")
                self.assertIn(OLD, calls)
                if release < 8:  # the only class that shows to whom it refers
                    self.values(device, after[uuid]["admin_password"], [])
                    self.assertEqual(self.refers_to(device, "AMT_8021XProfile", "ClientCertificate"), after[uuid]["cert_fp"])
        self.open_jobs("maintain", uuids)
        self.assertEqual(self.writes(sim, position)[0], [], "nothing is left to write")
        self.assertEqual(json.loads(self.site.muster("ca", "show", "--json"))["revoked"], 2 * len(uuids))
        sim.stop()
        found = [v for v in sim.verify()["violations_list"] if v["rule"] in ("stray_certs", "stray_keys", "certificate", "locked_out")]
        self.assertEqual(found, [], "the old certificate is gone")


if __name__ == "__main__":
    harness.main()
