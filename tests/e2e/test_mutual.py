#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutual TLS after configuration, by foreign clients: an administrator (curl) adds a root, names a console and switches
MutualAuthentication on; then curl gets in with that console's certificate and with no other. SPEC: tls.md 10"""
import base64
import json
import pathlib
import ssl
import tempfile
import xml.etree.ElementTree as ET

import foreign
import harness
from estate import openssl
from foreign import NS, local, request
from test_foreign_small import AMT, PROFILE, PASSWORD, TRANSFER

KEYS = "AMT_PublicKeyManagementService"
SETTING = "AMT_TLSSettingData"
REMOTE = "2.16.840.1.113741.1.2.1"
SELECTOR = '<w:SelectorSet><w:Selector Name="InstanceID">Intel(r) AMT 802.3 TLS Settings</w:Selector></w:SelectorSet>'
# Who knocks: common name, extended key usage, from which root; and what the device says of it.
CONSOLES = {
    "good": ("console1.corp.example.com", f"clientAuth,{REMOTE}", "own", None),
    "suffix": ("corp.example.com", f"clientAuth,{REMOTE}", "own", None),
    "stranger": ("console1.corp.example.com", f"clientAuth,{REMOTE}", "other", "root_unlisted"),
    "no_mark": ("console1.corp.example.com", "clientAuth", "own", "no_amt_mark"),
    "server": ("console1.corp.example.com", f"serverAuth,{REMOTE}", "own", "no_clientauth"),
    "name": ("console1.evilcorp.example.com", f"clientAuth,{REMOTE}", "own", "domain"),
}


class Mutual(harness.SiteTest):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="muster-mutual-")
        cls.dir = pathlib.Path(cls.folder.name)
        password, curl = cls.dir / "password", cls.dir / "curl"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        curl.write_text(f'user = "admin:{PASSWORD}"\n')
        cls.SITE = {"devices": 1, "profile": PROFILE.format(password=password)}
        for root in ("own", "other"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN=console {root} root",
                    "-keyout", str(cls.dir / f"{root}.key"), "-out", str(cls.dir / f"{root}.pem"))
        for name, console in CONSOLES.items():
            cls.issue(name, *console[:3])
        super().setUpClass()
        try:
            cls.sim = cls.site.start_sim("--mix", "amt16=1")
            harness.wait_for(lambda: (cls.site.status() or {}).get("done", 0) == 1, 120, "the device to be done")
            cls.device = foreign.devices_of(cls.sim, curl)["amt16"][0]
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    @classmethod
    def issue(cls, name, cn, usage, root):
        ext, csr = cls.dir / f"{name}.ext", cls.dir / f"{name}.csr"
        ext.write_text(f"basicConstraints=CA:FALSE\nextendedKeyUsage={usage}\n")
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={cn}", "-keyout", str(cls.dir / f"{name}.key"),
                "-out", str(csr))
        openssl("x509", "-req", "-in", str(csr), "-CA", str(cls.dir / f"{root}.pem"), "-CAkey", str(cls.dir / f"{root}.key"),
                "-CAcreateserial", "-days", "825", "-extfile", str(ext), "-out", str(cls.dir / f"{name}.pem"))

    def invoke(self, cls, method, body=""):
        answer = self.device.wsman(request(f"{AMT}{cls}/{method}", AMT + cls,
                                           f'<r:{method}_INPUT xmlns:r="{AMT}{cls}">{body}</r:{method}_INPUT>'))
        return answer.find("s:Body", NS)[0].find(f"{{{AMT}{cls}}}ReturnValue").text

    def switch_on(self):
        root = base64.b64encode(ssl.PEM_cert_to_DER_cert((self.dir / "own.pem").read_text())).decode()
        self.assertEqual(self.invoke(KEYS, "AddTrustedRootCertificate", f"<r:CertificateBlob>{root}</r:CertificateBlob>"), "0")
        settings = self.device.wsman(request(TRANSFER + "Get", AMT + SETTING, "", SELECTOR)).find("s:Body", NS)[0]
        for read_only in settings.findall(f"{{{AMT}{SETTING}}}NonSecureConnectionsSupported"):
            settings.remove(read_only)  # releases from 16.1 on refuse it
        settings.find(f"{{{AMT}{SETTING}}}MutualAuthentication").text = "true"
        ET.SubElement(settings, f"{{{AMT}{SETTING}}}TrustedCN").text = "corp.example.com"
        answer = self.device.wsman(request(TRANSFER + "Put", AMT + SETTING, ET.tostring(settings, encoding="unicode"), SELECTOR))
        self.assertEqual(local(answer.find("s:Body", NS)[0]), SETTING, ET.tostring(answer))
        self.assertEqual(self.invoke("AMT_SetupAndConfigurationService", "CommitChanges"), "0")

    def page(self, *args):
        """Status line of the web page, "" when the device does not let us in."""
        text = self.device.curl("/logon.htm", *args, login=False)
        return next((line for line in text.splitlines() if line.startswith("HTTP/1.1")), "")

    def knock(self, name):
        return self.page("--cert", str(self.dir / f"{name}.pem"), "--key", str(self.dir / f"{name}.key"))

    def refusals(self):
        self.sim.stop()
        lines = map(json.loads, self.sim.ledger.read_text().splitlines())
        return [line["why"] for line in lines if line["ev"] == "refuse"]

    def test_only_the_named_console(self):
        self.assertIn("200", self.page())
        self.switch_on()
        self.wait(lambda: "200" in self.knock("good"), 60, "the console to be let in")
        self.assertEqual(self.page(), "", "without a certificate")
        for name, (_, _, _, refusal) in CONSOLES.items():
            with self.subTest(console=name):
                got = self.knock(name)
                self.assertEqual("200" in got, refusal is None, got)
        self.assertEqual(self.refusals(), [refusal for _, _, _, refusal in CONSOLES.values() if refusal])


if __name__ == "__main__":
    harness.main()
