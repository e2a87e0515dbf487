#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small foreign clients, unmodified, against devices that our worker has provisioned: amttool, amtterm,
curl with digest, openssl s_client, and the requests of the npm package wsman-messages.

What each of them proves is in docs/simulator.md."""
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import socket
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree as ET

import foreign
import harness
from foreign import NS, local, request

OLD, NEW = "amt6", "amt16"
DEVICES = 8
SEED = 7
# At most 15 characters: amtterm cuts a longer one.
PASSWORD = "F0reign!Client"
AMT = "http://intel.com/wbem/wscim/1/amt-schema/1/"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
PROFILE = """name: default
control_mode: admin
admin_password:
  source: fixed
  fixed_file: "{password}"
  allow_fixed: true
mebx_password:
  source: random
otp: false
tls:
  legacy: true
  issue: direct
  validity_days: 730
  key_bits: 2048
features:
  sol: true
  ider: true
  kvm: true
  web_ui: true
  ping: true
user_consent: none
power: always
rehello: approve
"""


class ForeignSmall(harness.SiteTest):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="muster-foreign-")
        password = pathlib.Path(cls.folder.name) / "password"
        password.write_text(PASSWORD)
        password.chmod(0o600)
        curl = pathlib.Path(cls.folder.name) / "curl"
        curl.write_text(f'user = "admin:{PASSWORD}"\n')
        cls.SITE = {"devices": DEVICES, "seed": SEED, "profile": PROFILE.format(password=password)}
        super().setUpClass()
        try:
            cls.sim = cls.site.start_sim("--mix", f"{OLD}=0.5,{NEW}=0.5")
            harness.wait_for(lambda: (cls.site.status() or {}).get("done", 0) == DEVICES, 120, "all devices to be done")
            cls.devices = foreign.devices_of(cls.sim, curl)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    # ---- amttool, amtterm --------------------------------------------------------------------

    def open_clear_ports(self, device):
        """As an administrator would: AcceptNonSecureConnections in the network's TLS settings, then commit."""
        cls = "AMT_TLSSettingData"
        selector = ('<w:SelectorSet><w:Selector Name="InstanceID">Intel(r) AMT 802.3 TLS Settings</w:Selector></w:SelectorSet>')
        answer = device.wsman(request(TRANSFER + "Get", AMT + cls, "", selector))
        settings = answer.find("s:Body", NS)[0]
        settings.find(f"{{{AMT}{cls}}}AcceptNonSecureConnections").text = "true"
        answer = device.wsman(request(TRANSFER + "Put", AMT + cls, ET.tostring(settings, encoding="unicode"), selector))
        self.assertEqual(local(answer.find("s:Body", NS)[0]), cls)
        service = AMT + "AMT_SetupAndConfigurationService"
        answer = device.wsman(request(f"{service}/CommitChanges", service, f'<r:CommitChanges_INPUT xmlns:r="{service}"/>'))
        self.assertEqual(answer.find("s:Body", NS)[0][0].text, "0")
        self.wait(lambda: self.listens(device.address, device.clear), 60, "the clear port")

    @staticmethod
    def listens(address, port):
        """A port that is closed on the device takes the connection and resets it."""
        try:
            with socket.create_connection((address, port), 5) as s:
                s.settimeout(0.3)
                return s.recv(1) != b""
        except socket.timeout:
            return True
        except OSError:
            return False

    def old_device(self):
        """An old device with open clear ports."""
        device = self.devices[OLD][0]
        if not self.listens(device.address, device.clear):
            self.open_clear_ports(device)
        return device

    def amttool(self, device, *args, stdin="", password=PASSWORD):
        return foreign.run([foreign.need("amttool"), f"{device.address}:{device.clear}", *args], stdin=stdin,
                           env={"AMT_PASSWORD": password}).stdout

    def test_amttool(self):
        device = self.old_device()
        text = self.amttool(device, "info")
        self.assertIn("AMT version:  6.2.61", text)
        self.assertIn(f"Hostname:     {device.fqdn}", text)
        self.assertIn("Powerstate:   S0", text)
        self.assertRegex(text, r"SpecialCommandsSupported +PXE-boot HD-boot")
        text = self.amttool(device, "netinfo")
        self.assertRegex(text, r"InterfaceMode +SHARED_MAC_ADDRESS")
        self.assertRegex(text, rf"LocalAddress +{re.escape(device.address)}\b")
        for command, state in (("powerdown", "S5 (soft-off)"), ("powerup", "S0"), ("reset", "S0")):
            text = self.amttool(device, command, stdin="y\n")
            self.assertIn("result: pt_status: success", text, command)
            self.assertIn(f"Powerstate:   {state}", self.amttool(device, "info"), command)
        self.assertIn("pt_status: not permitted", self.amttool(device, "powerup", stdin="y\n"))
        self.assertNotIn("AMT version:  6", self.amttool(device, "info", password="Wr0ng!pass"))

    def test_wsman_only_mode(self):
        device = self.old_device()
        cls = AMT + "AMT_GeneralSettings"

        def set_mode(text):
            settings = device.wsman(request(TRANSFER + "Get", cls, "")).find("s:Body", NS)[0]
            settings.find(f"{{{cls}}}WsmanOnlyMode").text = text
            answer = device.wsman(request(TRANSFER + "Put", cls, ET.tostring(settings, encoding="unicode")))
            self.assertEqual(local(answer.find("s:Body", NS)[0]), "AMT_GeneralSettings")

        set_mode("true")
        self.assertNotIn("AMT version:  6", self.amttool(device, "info"))
        set_mode("false")
        self.assertIn("AMT version:  6", self.amttool(device, "info"))

    def test_amtterm(self):
        device = self.old_device()
        program = foreign.need("amtterm")
        # A terminal of its own: the program reads the keyboard.
        ours, theirs = pty.openpty()
        try:
            client = subprocess.Popen([program, device.address, str(device.redirection)], stdin=theirs, stdout=theirs,
                                      stderr=theirs, env={**os.environ, "AMT_PASSWORD": PASSWORD})
            self.read_until(ours, b"connected now")
            os.write(ours, b"hello, world")
            seen = self.read_until(ours, b"hello, world")
            self.assertIn(b"Serial console of " + device.fqdn.encode(), seen)
            os.write(ours, b"\x1d")
            client.wait(foreign.SECONDS)
        finally:
            client.kill()
            client.wait()
            os.close(ours)
            os.close(theirs)
        refused = foreign.run([program, "-p", "Wr0ng!pass", device.address, str(device.redirection)]).stdout
        self.assertIn("session authentication failed", refused)

    def read_until(self, fd, text):
        seen, deadline = b"", time.monotonic() + foreign.SECONDS
        while text not in seen:
            self.assertLess(time.monotonic(), deadline, seen)
            if select.select([fd], [], [], 1)[0]:
                seen += os.read(fd, 4096)
        return seen

    def test_redirection_digest(self):
        """The digest login of the redirection protocol, worked out here with hashlib alone."""
        device = self.old_device()

        def exchange(s, message, reply_head):
            s.sendall(message)
            data = b""
            while len(data) < reply_head:
                got = s.recv(4096)
                self.assertTrue(got, "the device closed")
                data += got
            return data

        def texts(*values):
            return b"".join(bytes([len(v)]) + v.encode() for v in values)

        def login(kind, data):
            return b"\x13\0\0\0" + bytes([kind]) + len(data).to_bytes(4, "little") + data

        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()

        uri = "/RedirectionService"
        for password, good in ((PASSWORD, True), ("Wr0ng!pass", False)):
            with socket.create_connection((device.address, device.redirection), 30) as s:
                s.settimeout(30)
                self.assertEqual(exchange(s, b"\x10\0\0\0SOL ", 13)[:2], b"\x11\0")
                offer = exchange(s, login(0, b""), 9)
                self.assertIn(4, offer[9:])
                data = exchange(s, login(4, texts("admin", "", "", uri, "", "", "", "")), 9)[9:]
                fields = []
                while data:
                    fields.append(data[1:1 + data[0]].decode())
                    data = data[1 + data[0]:]
                realm, nonce, qop = fields
                secret = md5(f"admin:{realm}:{password}")
                response = md5(f"{secret}:{nonce}:00000002:abcdef:{qop}:{md5('POST:' + uri)}")
                answer = exchange(s, login(4, texts("admin", realm, nonce, uri, "abcdef", "00000002", response, qop)), 9)
                self.assertEqual(answer[1] == 0, good, password)

    # ---- curl, openssl -----------------------------------------------------------------------

    def set_web_page(self, device, state):
        service = AMT + "AMT_WebUIService"
        body = f'<r:RequestStateChange_INPUT xmlns:r="{service}"><r:RequestedState>{state}</r:RequestedState></r:RequestStateChange_INPUT>'
        answer = device.wsman(request(f"{service}/RequestStateChange", service, body))
        self.assertEqual(answer.find("s:Body", NS)[0][0].text, "0")

    def test_curl_web_page(self):
        device = self.devices[NEW][0]
        self.assertRegex(device.curl("/", login=False), r"HTTP/1.1 303[^$]*Location: /logon.htm")
        self.assertIn("Log On", device.curl("/logon.htm", login=False))
        self.assertNotIn("200 OK", device.curl("/index.htm", login=False))
        page = device.curl("/index.htm")
        self.assertIn("Server: Intel(R) Active Management Technology 16.1.25", page)
        for text in ("System Status", device.fqdn, "<td>Power</td><td>On</td>", device.address, device.uuid):
            self.assertIn(text, page)
        self.set_web_page(device, 3)
        self.assertIn("HTTP/1.1 404", device.curl("/index.htm"))
        self.set_web_page(device, 2)
        self.assertIn("HTTP/1.1 200", device.curl("/index.htm"))

    def test_clear_ports_stay_closed(self):
        """Our worker leaves no clear port open; devices of 16.1 and later cannot open one."""
        for device in [self.devices[OLD][1], *self.devices[NEW]]:
            self.assertFalse(self.listens(device.address, device.clear), device.address)
            self.assertFalse(self.listens(device.address, device.redirection), device.address)
            self.assertTrue(self.listens(device.address, device.redirection_tls), device.address)

    def test_openssl_shows_the_issued_certificate(self):
        records = {}
        for line in self.site.muster("device", "export", "--json").splitlines():
            record = json.loads(line)
            records[record["uuid"]] = record
        bundle = pathlib.Path(self.folder.name) / "ca.pem"
        bundle.write_text("".join((self.site.dir / "ca" / f).read_text() for f in ("root.pem", "issuing.pem")))
        for device in self.devices[NEW]:
            for port in (device.tls, device.redirection_tls):
                text = foreign.run(["openssl", "s_client", "-connect", f"{device.address}:{port}", "-CAfile", str(bundle),
                                    "-verify_return_error", "-verify_hostname", device.fqdn, "-showcerts"]).stdout
                self.assertIn("Verify return code: 0 (ok)", text)
                pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S).group(0)
                shown = foreign.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], stdin=pem).stdout
                shown = shown.split("=")[1].strip().replace(":", "").lower()
                self.assertIn(shown, json.dumps(records[device.uuid]).lower().replace(":", ""))

    # ---- wsman-messages ----------------------------------------------------------------------

    def builder(self, *args, stdin=""):
        """Requests that the package builds."""
        folder = harness.ROOT / "tests/foreign"
        done = foreign.run(["node", str(folder / "messages.js"), *args], stdin=stdin,
                           env={"NODE_PATH": str(foreign.node_packages(folder))})
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def check_answer(self, xml, answer):
        sent = ET.fromstring(xml)
        self.assertEqual(answer.find("s:Header/a:RelatesTo", NS).text, sent.find("s:Header/a:MessageID", NS).text)
        self.assertEqual(answer.find("s:Header/a:Action", NS).text, sent.find("s:Header/a:Action", NS).text + "Response")
        return answer.find("s:Body", NS)[0]

    def test_wsman_messages(self):
        device = self.devices[NEW][1]
        context, items = "", {}
        requests = json.loads(self.builder("read"))
        self.assertGreaterEqual(len(requests), 20)
        for one in requests:
            cls, operation = one["name"].split(".")
            with self.subTest(one["name"]):
                xml = one["xml"].replace("@CONTEXT@", context)
                body = self.check_answer(xml, device.wsman(xml))
                if operation == "Get":
                    self.assertEqual(local(body), cls)
                elif operation == "Enumerate":
                    context = body.find("e:EnumerationContext", NS).text
                elif operation == "Pull":
                    items[cls] = [local(item) for item in body.find("e:Items", NS)]
                    self.assertEqual(set(items[cls]), {cls})
                    self.assertIsNotNone(body.find("e:EndOfSequence", NS))
                else:
                    self.assertEqual(body[-1].text, "0", ET.tostring(body))
        self.assertEqual(len(items["AMT_TLSSettingData"]), 2)
        self.assertGreaterEqual(len(items["AMT_PublicKeyCertificate"]), 2)

    def test_wsman_messages_put(self):
        device = self.devices[NEW][1]
        cls = "AMT_GeneralSettings"
        get = next(one["xml"] for one in json.loads(self.builder("read")) if one["name"] == f"{cls}.Get")
        settings = {local(p): p.text or "" for p in self.check_answer(get, device.wsman(get))}
        settings["PingResponseEnabled"] = "false"
        put = self.builder("put", cls, stdin=json.dumps(settings))
        self.check_answer(put, device.wsman(put))
        after = {local(p): p.text or "" for p in self.check_answer(get, device.wsman(get))}
        self.assertEqual(after, settings)


if __name__ == "__main__":
    harness.main()
