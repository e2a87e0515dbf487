# SPDX-License-Identifier: Apache-2.0
"""What the tests of phase B share: upkeep jobs to their end, values read back by curl, writes of the ledger."""
import json
import pathlib
import re
import tempfile

import foreign
import harness
from estate import openssl
from foreign import NS, local, request

SCHEMA = {"AMT": "http://intel.com/wbem/wscim/1/amt-schema/1/", "IPS": "http://intel.com/wbem/wscim/1/ips-schema/1/",
          "CIM": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"}
GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
SELECTOR = '<w:SelectorSet><w:Selector Name="{}">{}</w:Selector></w:SelectorSet>'
# Classes with several instances; a key "Class@NAME.Property" says which.
INSTANCES = {"AMT_EthernetPortSettings": ("InstanceID", "Intel(r) AMT Ethernet Port Settings 0"),
             "CIM_WiFiEndpointSettings": ("InstanceID", "Intel(r) AMT:WiFi Endpoint Settings {}"),
             "CIM_IEEE8021xSettings": ("InstanceID", "Intel(r) AMT:IEEE 802.1x Settings {}"),
             "AMT_ManagementPresenceRemoteSAP": ("Name", "Intel(r) AMT:Management Presence Server {}"),
             "AMT_RemoteAccessPolicyRule": ("PolicyRuleName", "{}")}
ABSENT = {"DestinationUnreachable", "ActionNotSupported", "InvalidSelectors"}
# A lack that is told by what it needs.
NEEDS = {"CIM_IEEE8021xSettings": "CIM_WiFiEndpointSettings", "IPS_KVMRedirectionSettingData": "CIM_KVMRedirectionSAP"}


class PhaseBase(harness.SiteTest):

    @classmethod
    def secrets(cls, texts, root=None):
        """Files with secrets for a profile in a folder of its own, and a self-signed root."""
        cls.folder = tempfile.TemporaryDirectory(prefix="muster-phase-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.dir = pathlib.Path(cls.folder.name)
        for name, text in texts.items():
            (cls.dir / name).write_text(text)
            (cls.dir / name).chmod(0o600)
        if root:
            cls.make_root(root)

    @classmethod
    def make_root(cls, name):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=network root",
                "-keyout", str(cls.dir / "root.key"), "-out", str(cls.dir / name))

    def records(self):
        lines = self.site.muster("device", "export", "--json", "--reveal").split("\n")
        return {r["uuid"]: r for r in map(json.loads, filter(None, lines))}

    def open_jobs(self, kind, uuids, *args):
        jobs = [json.loads(self.site.muster("job", "open", kind, u, *args, "--json"))["job"] for u in uuids]

        def ended():
            shown = [json.loads(self.site.muster("job", "show", j, "--json")) for j in jobs]
            return shown if all(j["state"] in ("done", "dead") for j in shown) else None
        for job in self.wait(ended, 120, f"{kind} jobs to end"):
            self.assertEqual((job["state"], job["error"]), ("done", ""), job)

    def get(self, device, name):
        """Envelope of an object, or of the fault that says that it is not there."""
        for _ in range(5):  # devices answer "not now" and the like
            class_name, _, key = name.partition("@")
            by, instance = INSTANCES.get(class_name, ("", ""))
            selector = SELECTOR.format(by, instance.format(key)) if by else ""
            answer = device.wsman(request(GET, SCHEMA[name[:3]] + class_name, "", selector))
            fault = answer.find("s:Body/s:Fault/s:Code/s:Subcode/s:Value", NS)
            if fault is None or fault.text.rpartition(":")[2] in ABSENT:
                return answer
        raise AssertionError(f"{device.address}: {name}: {fault.text}")

    def values(self, device, password, wanted):
        """The wanted properties as curl reads them; None where the class is absent."""
        config = pathlib.Path(self.site.dir) / "curl"
        config.touch(mode=0o600)
        config.write_text(f'user = "admin:{re.sub(chr(34) + "|" + chr(92) * 2, lambda m: chr(92) + m[0], password)}"\n')
        device.curl_config = config
        answers, found = {}, {}
        for key in wanted:
            name, member = key.split(".")
            if name not in answers:
                answers[name] = self.get(device, name)
            body = answers[name].find("s:Body", NS)
            found[key] = next((e.text for e in body.iter() if local(e) == member), None)
        return found

    def writes(self, sim, start):
        """Sorted (device, class, operation) of the ledger's calls from a position on that are no reads; the next position."""
        lines = sim.ledger.read_text().splitlines()
        calls = [(e["d"], *e["call"].split(".")) for e in map(json.loads, lines[start:]) if e["ev"] == "call"]
        return sorted(c for c in calls if not re.match(r"(Get\w*|Enumerate\w*|Pull)$", c[2])), len(lines)

    def assert_values(self, devices, records, wanted):
        for name, device in devices.items():
            record = records[device.uuid]
            for key, have in self.values(device, record["admin_password"], wanted).items():
                with self.subTest(release=name, property=key):
                    if have is None:
                        class_name, member = key.split(".")
                        class_name = NEEDS.get(class_name.partition("@")[0], class_name.partition("@")[0])
                        self.assertRegex(record["differences"], rf"(?m)^{class_name}\t({member})?\t\tnot applicable: \w", "absent, and no reason given")
                    else:
                        self.assertRegex(have, f"^({wanted[key]})$")
