# SPDX-License-Identifier: Apache-2.0
"""Reads back, as an administrator with curl, what a profile has made of a simulated device; the places are those of settings.py.
What no Get shows is in the ledger of the device: it names the calls, and of secrets the first bytes of their SHA-256."""
import base64
import datetime
import hashlib
import json
import re
import struct
import subprocess
import time

from foreign import NS, local, request

SCHEMA = {"AMT": "http://intel.com/wbem/wscim/1/amt-schema/1/", "IPS": "http://intel.com/wbem/wscim/1/ips-schema/1/",
          "CIM": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"}
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
AUTHORIZATION, CLOCK, KEYS = "AMT_AuthorizationService", "AMT_TimeSynchronizationService", "AMT_PublicKeyManagementService"
CERTIFICATE, MPS = "AMT_PublicKeyCertificate", "AMT_ManagementPresenceRemoteSAP"
HANDLE = "Intel(r) AMT Certificate: Handle: "
# A lack that is told by what it needs.
NEEDS = {"CIM_IEEE8021xSettings": "CIM_WiFiEndpointSettings", "AMT_MPSUsernamePassword": MPS,
         "AMT_RemoteAccessPolicyAppliesToMPS": "AMT_RemoteAccessPolicyRule", "AMT_RemoteAccessService": MPS}
# What AMT 8.0 renamed.
OLDER = {"IPS_IEEE8021xSettings": "AMT_8021XProfile", "AvailableInS0": "ActiveInS0"}
# And what it counts otherwise: (class, member): how far its numbers are behind those of today.
COUNTED = {("AMT_8021XProfile", "ServerCertificateNameComparison"): 2}
# The class by which a record tells that a place of this kind is not applicable.
KINDS = {"acl": AUTHORIZATION, "login": AUTHORIZATION, "leaf": CERTIFICATE, "root": CERTIFICATE, "issuer": "CIM_WiFiEndpointSettings",
         "clear": "AMT_TLSSettingData.AcceptNonSecureConnections", "clock": CLOCK, "refused": "AMT_SetupAndConfigurationService"}


def sid_base64(text):
    authority, *subs = map(int, text.removeprefix("S-1-").split("-"))
    return base64.b64encode(bytes([1, len(subs)]) + authority.to_bytes(6, "big") + b"".join(struct.pack("<I", s) for s in subs)).decode()


def major(name):
    """Release of a generation's name: amt16std -> 16."""
    return int(re.match(r"amt(\d+)", name)[1])


def der_of(path):
    """A PEM file's certificate in base64."""
    return "".join(line for line in path.read_text().splitlines() if not line.startswith("-"))


class Reader:
    """One device. calls: its events "call" of the ledger; folder: the files that the profile names; refused: why a device of this
    generation was refused, where the profile has a condition."""

    def __init__(self, device, config, record, calls, folder, refused=None):
        self.device, self.config, self.record, self.folder, self.refused = device, config, record, folder, refused
        self.calls = [e for e in calls if e.get("rv") == 0]
        self.cache = {}
        self.login_as("admin", record["admin_password"])

    # ---- WS-Man by curl

    def login_as(self, user, password):
        self.config.touch(mode=0o600)
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        self.config.write_text(f'user = "{user}:{quoted}"\n')
        self.device.curl_config = self.config

    def ask(self, action, cls, body="", selectors=()):
        chosen = "".join(f'<w:Selector Name="{k}">{v}</w:Selector>' for k, v in selectors)
        chosen = f"<w:SelectorSet>{chosen}</w:SelectorSet>" if chosen else ""
        key = (action, cls, body, chosen)
        if key not in self.cache:
            self.cache[key] = self.device.wsman(request(action, SCHEMA[cls[:3]] + cls, body, chosen)).find("s:Body", NS)[0]
        return self.cache[key]

    def invoke(self, cls, method, **arguments):
        uri = SCHEMA[cls[:3]] + cls
        body = "".join(f"<r:{name}>{value}</r:{name}>" for name, value in arguments.items())
        return self.ask(f"{uri}/{method}", cls, f'<r:{method}_INPUT xmlns:r="{uri}">{body}</r:{method}_INPUT>')

    @staticmethod
    def reference(cls, key, value):
        """The inside of a parameter that refers to an instance."""
        return (f'<a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>{SCHEMA[cls[:3]]}{cls}</w:ResourceURI><w:SelectorSet>'
                f'<w:Selector Name="{key}">{value}</w:Selector></w:SelectorSet></a:ReferenceParameters>')

    def items(self, cls):
        """All instances of a class."""
        start = self.ask(ENUMERATION + "/Enumerate", cls, f'<Enumerate xmlns="{ENUMERATION}"/>')
        context = next((e.text for e in start.iter() if local(e) == "EnumerationContext"), None)
        if context is None:
            return []
        answer = self.ask(ENUMERATION + "/Pull", cls, f'<Pull xmlns="{ENUMERATION}"><EnumerationContext>{context}</EnumerationContext>'
                          "<MaxElements>999</MaxElements><MaxCharacters>99999</MaxCharacters></Pull>")
        return [item for e in answer.iter() if local(e) == "Items" for item in e]

    @staticmethod
    def member(instance, name):
        """Values of a property, joined; of a reference, its selector that names the instance. None: not there."""
        found = [e for e in instance if local(e) == name]
        texts = []
        for e in found:
            chosen = {x.get("Name"): x.text for x in e.iter() if local(x) == "Selector"}
            texts.append(chosen.get("Name") or next(iter(chosen.values()), e.text) or "")
        return ",".join(texts) if found else None

    def users(self):
        """{name or SID in base64: entry} of the access list, with Enabled."""
        handles = []
        while True:
            page = self.invoke(AUTHORIZATION, "EnumerateUserAclEntries", StartIndex=len(handles) + 1)
            handles += [e.text for e in page if local(e) == "Handles"]
            if len(handles) >= int(self.member(page, "TotalCount") or 0):
                break
        found = {}
        for handle in handles:
            entry = self.invoke(AUTHORIZATION, "GetUserAclEntryEx", Handle=handle)
            state = self.invoke(AUTHORIZATION, "GetAclEnabledState", Handle=handle)
            values = {name: self.member(entry, name) for name in map(local, entry)} | {"Enabled": self.member(state, "Enabled")}
            found[values.get("DigestUsername") or values["KerberosUserSid"]] = values
        return found

    # ---- kinds of places

    def read_acl(self, rest):
        name, _, member = rest.rpartition(".")
        entry = self.users().get(sid_base64(name) if name.startswith("S-1-") else name)
        return entry[member] if entry else "absent"

    def read_login(self, user):
        self.login_as(user, self.record["admin_password"] if user == "admin" else self.record["secrets"][f"user:{user}"])
        heads = [line for line in self.device.curl("/hw-sys.htm").splitlines() if line.startswith("HTTP/1.1")]
        self.login_as("admin", self.record["admin_password"])
        return heads[-1] if heads else None

    def read_written(self, call):
        cls, _, operation = call.partition(".")
        return "" if any(e["call"] == f"{self.today(cls)}.{operation}" for e in self.calls) else None

    def read_secret(self, rest):
        """CLASS.OPERATION.PROPERTY of FILE or of a secret of the record."""
        place, _, name = rest.partition(" of ")
        cls, operation, member = place.split(".")
        text = (self.folder / name).read_text() if (self.folder / name).exists() else self.record.get(name) or self.record["secrets"][name]
        want = hashlib.sha256(text.encode()).hexdigest()[:16]
        sent = [e[f"secret.{member}"] for e in self.calls if e["call"] == f"{self.today(cls)}.{operation}" and f"secret.{member}" in e]
        return None if not sent else "sent" if want in sent else "another"

    def certificates(self):
        """{handle: (base64, trusted root)}"""
        return {self.member(i, "InstanceID"): (self.member(i, "X509Certificate"), self.member(i, "TrustedRootCertficate"))
                for i in self.items(CERTIFICATE)}

    def read_leaf(self, option):
        """What openssl says of the certificate that TLS is bound to."""
        bound = self.member(self.items("AMT_TLSCredentialContext")[0], "ElementInContext")
        der = base64.b64decode(self.certificates()[bound][0])
        out = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", *option.split()], input=der, capture_output=True, check=True)
        text = " ".join(out.stdout.decode().split())
        dates = re.fullmatch("notBefore=(.*) GMT notAfter=(.*) GMT", text)
        if not dates:
            return text
        begin, end = (datetime.datetime.strptime(d, "%b %d %H:%M:%S %Y") for d in dates.groups())
        return f"{(end - begin).days} days"

    def read_root(self, name):
        want = der_of(self.folder / name)
        return next((trusted for text, trusted in self.certificates().values() if text == want), None)

    def read_issuer(self, which):
        """The root that a RADIUS server's certificate must end at: on the wire, or of a wireless profile by name."""
        if which != "wire":
            bound = [self.member(i, "ElementInContext") for i in self.items("CIM_CredentialContext")
                     if (self.member(i, "ElementProvidingContext") or "").endswith(f" {which}")]
        elif major(self.device.amt) < 8:
            bound = [self.member(self.ask(TRANSFER + "Get", "AMT_8021XProfile"), "ServerCertificateIssuer")]
        else:
            notes = [e["note"] for e in self.calls if e["call"] == "IPS_IEEE8021xSettings.SetCertificates"]
            bound = [HANDLE + re.match(r"issuer (\d+) ", notes[-1])[1]] if notes else []
        roots = {handle for handle, (text, _) in self.certificates().items() if text == der_of(self.folder / "radius.pem")}
        return "radius.pem" if roots & set(bound) else None

    def read_clear(self, _):
        """AcceptNonSecureConnections, and what curl meets on the clear port."""
        flag = self.plain("AMT_TLSSettingData[InstanceID=Intel(r) AMT 802.3 TLS Settings].AcceptNonSecureConnections")
        return f"{flag} {'open' if self.device.curl('/logon.htm', clear=True, login=False).startswith('HTTP/1.1 200') else 'shut'}"

    def read_clock(self, seconds):
        now = int(self.member(self.invoke(CLOCK, "GetLowAccuracyTimeSynch"), "Ta0"))
        return "right" if abs(now - time.time()) <= int(seconds) else "wrong"

    def read_refused(self, _):
        return self.refused

    def read_count(self, cls):
        return str(len(self.items(cls)))

    def read_calls(self, rest):
        """PROPERTY of AMT_RemoteAccessPolicyAppliesToMPS for POLICY; of its servers their addresses."""
        cls, member = rest.split(".")
        names = {self.member(i, "Name"): self.member(i, "AccessInfo") for i in self.items(MPS)}
        found = [self.member(i, member) for i in self.items(cls)]
        return ",".join(names.get(x, x) for x in found if x is not None) if any(x is not None for x in found) else None

    def today(self, name):
        return OLDER.get(name, name) if major(self.device.amt) < 8 else name

    def plain(self, place):
        cls, key, chosen, member = re.fullmatch(r"(\w+)(?:\[(\w+)=(.*)\])?\.(\w+)", place).groups()
        if self.today(cls) != cls:
            cls, member = self.today(cls), self.today(member)
        if not key:
            have = self.member(self.ask(TRANSFER + "Get", cls), member)
            return str(int(have) + COUNTED[cls, member]) if have and (cls, member) in COUNTED else have
        values = [self.member(i, member) for i in self.items(cls) if self.member(i, key) == chosen]
        return values[0] if values else None

    # ---- rows

    def value(self, place):
        kind, _, rest = place.partition(":")
        return getattr(self, f"read_{kind}")(rest) if re.fullmatch("[a-z]+", kind) else self.plain(place)

    def excuse(self, place):
        """What the record says of the place's class and property: why it is not applicable here."""
        kind, _, rest = place.partition(":")
        told = KINDS.get(kind) or re.search(r"[A-Z]{3}_.*", place)[0].split(" of ")[0]
        cls, member = re.match(r"\w+", told)[0], (rest if kind == "acl" else told).rpartition(".")[2]
        for line in self.record["differences"].splitlines():
            have = line.split("\t")
            if have[0] in (cls, NEEDS.get(cls)) and have[3].startswith("not applicable: ") and (
                    not have[1] or member in have[1]):
                return have[3].removeprefix("not applicable: ")
        return None

    def cell(self, row):
        """("yes" or the excuse or None, what is there)"""
        place, want = (row.place, row.want) if not row.older or major(self.device.amt) >= row.older[0] else row.older[1:]
        have = self.value(place)
        return ("yes" if have is not None and re.fullmatch(want, have) else self.excuse(place)), have


def calls_of(sim, device, start=0):
    """The events "call" of a device in the ledger, from a line on."""
    lines = map(json.loads, sim.ledger.read_text().splitlines()[start:])
    return [e for e in lines if e["ev"] == "call" and e["d"] == device.uuid]
