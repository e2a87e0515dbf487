# SPDX-License-Identifier: Apache-2.0
"""The fields of a profile and where a client finds them on a device: one row for each field that becomes something on the
device. test_settings.py gives every generation a profile that wishes all of it, and looks.

A row has the path in the profile, the place, and what must stand there (a regular expression; lists are joined by commas).
Places:  Class.Property                       the one instance of a class
         Class[InstanceID=...].Property       one of several
         acl:USER.Property                    an entry of the access list, by name or by SID in base64
         login:USER                           the status line of the web page for that user with the password of the record
         written:Class.Put                    a call of the ledger: what no Get shows"""
import base64
import collections
import re
import struct

from estate import openssl
from foreign import NS, local, request

SCHEMA = {"AMT": "http://intel.com/wbem/wscim/1/amt-schema/1/", "IPS": "http://intel.com/wbem/wscim/1/ips-schema/1/",
          "CIM": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"}
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
AUTHORIZATION = "AMT_AuthorizationService"

SID = "S-1-5-21-1091816021-962961654-398595893-1110"


def sid_base64(text):
    authority, *subs = map(int, text.removeprefix("S-1-").split("-"))
    return base64.b64encode(bytes([1, len(subs)]) + authority.to_bytes(6, "big") + b"".join(struct.pack("<I", s) for s in subs)).decode()


Row = collections.namedtuple("Row", "path place want")
GENERAL, KVM, CONSENT = "AMT_GeneralSettings.", "IPS_KVMRedirectionSettingData.", "IPS_OptInService."
KERBEROS = "AMT_KerberosSettingData."
TLS = "AMT_TLSSettingData[InstanceID=Intel(r) AMT 802.3 TLS Settings]."
PORT = "AMT_EthernetPortSettings[InstanceID=Intel(r) AMT Ethernet Port Settings 0]."
WIFI_SERVICE = "AMT_WiFiPortConfigurationService."
WIFI = "CIM_WiFiEndpointSettings[ElementName=office]."
WIFI_8021X = "CIM_IEEE8021xSettings[ElementName=office]."
WIRED = "IPS_IEEE8021xSettings."
MPS, POLICY = "AMT_ManagementPresenceRemoteSAP[AccessInfo=mps.corp.example.com].", "AMT_RemoteAccessPolicyRule[PolicyRuleName=Periodic]."
ROWS = [
    Row("tls.mutual", TLS + "MutualAuthentication", "true"),
    Row("tls.trusted_cns", TLS + "TrustedCN", "corp.example.com"),
    Row("tls.trusted_roots", "login:admin", "HTTP/1.1 200.*"),
    Row("tls.clear_ports", TLS + "AcceptNonSecureConnections", "false"),
    Row("features.ping", GENERAL + "PingResponseEnabled", "false"),
    Row("features.rmcp_ping", GENERAL + "RmcpPingResponseEnabled", "false"),
    Row("features.sol", "AMT_RedirectionService.EnabledState", "32770"),
    Row("features.ider", "AMT_RedirectionService.EnabledState", "32770"),
    Row("features.kvm", "CIM_KVMRedirectionSAP.EnabledState", "2|6"),
    Row("features.web_ui", "AMT_WebUIService.EnabledState", "2"),
    Row("kvm.port_5900", KVM + "Is5900PortEnabled", "true"),
    Row("kvm.rfb_password.source", "written:IPS_KVMRedirectionSettingData.Put", ""),
    Row("kvm.default_screen", KVM + "DefaultScreen", "1"),
    Row("user_consent", CONSENT + "OptInRequired", "4294967295"),
    Row("timeouts.idle_wake_min", GENERAL + "IdleWakeTimeout", "77"),
    Row("timeouts.kvm_session_min", KVM + "SessionTimeout", "7"),
    Row("timeouts.consent_code_s", CONSENT + "OptInCodeTimeout", "170"),
    Row("timeouts.consent_display_s", CONSENT + "OptInDisplayTimeout", "370"),
    Row("power", "CIM_ElementSettingData[IsCurrent=1].SettingData", "SCHEME 0"),
    Row("kerberos.state", KERBEROS + "KrbEnabled", "true"),
    Row("kerberos.realm", KERBEROS + "RealmName", "AD.EXAMPLE.COM"),
    Row("kerberos.clock_tolerance_min", KERBEROS + "MaximumClockTolerance", "4"),
    Row("kerberos.encryption", KERBEROS + "ConfiguredEncryptionAlgorithms", "0,1,2"),
    Row("kerberos.spn_classes", KERBEROS + "ServicePrincipalName", "HTTPS/.*:16992,HTTP/.*:16993,.*"),
    Row("acl.users[].name", "acl:operator.DigestUsername", "operator"),
    Row("acl.users[].access", "acl:operator.AccessPermission", "2"),
    Row("acl.users[].role", "acl:operator.Realms", "2,4,5,13,19"),
    Row("acl.users[].password.source", "login:operator", "HTTP/1.1 200.*"),
    Row("acl.users[].enabled", "acl:dormant.Enabled", "false"),
    Row("acl.users[].realms", "acl:dormant.Realms", "6,12"),
    Row("acl.users[].sid", f"acl:{SID}.KerberosUserSid", re.escape(sid_base64(SID))),
    Row("acl.others", "acl:stranger.DigestUsername", "-"),
    Row("names.fqdn", GENERAL + "SharedFQDN", "false"),
    Row("names.ddns", GENERAL + "DDNSUpdateEnabled", "true"),
    Row("names.ddns_interval_min", GENERAL + "DDNSPeriodicUpdateInterval", "90"),
    Row("names.ddns_ttl_s", GENERAL + "DDNSTTL", "600"),
    Row("network.address", PORT + "DHCPEnabled", "false"),
    Row("network.subnet_mask", PORT + "SubnetMask", "255.255.0.0"),
    Row("network.gateway", PORT + "DefaultGateway", "127.16.0.254"),
    Row("network.dns", PORT + "PrimaryDNS", "127.16.0.253"),
    Row("network.vlan", PORT + "VLANTag", "7"),
    Row("network.ipv6", "IPS_IPv6PortSettings.InterfaceIDType", "1"),
    Row("wireless.state", "CIM_WiFiPort.EnabledState", "32769"),
    Row("wireless.sync", WIFI_SERVICE + "localProfileSynchronizationEnabled", "3"),
    Row("wireless.uefi_share", WIFI_SERVICE + "UEFIWiFiProfileShareEnabled", "true"),
    Row("wireless.profiles[].name", WIFI + "ElementName", "office"),
    Row("wireless.profiles[].ssid", WIFI + "SSID", "office-net"),
    Row("wireless.profiles[].security", WIFI + "AuthenticationMethod", "7"),
    Row("wireless.profiles[].encryption", WIFI + "EncryptionMethod", "4"),
    Row("wireless.profiles[].priority", WIFI + "Priority", "2"),
    Row("wireless.profiles[].psk_file", WIFI.replace("office", "lab") + "AuthenticationMethod", "32768"),
    Row("wireless.profiles[].ieee8021x.protocol", WIFI_8021X + "AuthenticationProtocol", "2"),
    Row("wireless.profiles[].ieee8021x.username", WIFI_8021X + "Username", "wifi-login"),
    Row("wireless.profiles[].ieee8021x.roaming_identity", WIFI_8021X + "RoamingIdentity", "anonymous"),
    Row("wireless.profiles[].ieee8021x.server_name", WIFI_8021X + "ServerCertificateName", "radius"),
    Row("wireless.profiles[].ieee8021x.server_match", WIFI_8021X + "ServerCertificateNameComparison", "3"),
    Row("wired.state", WIRED + "Enabled", "2|true"),
    Row("wired.in_s0", WIRED + "AvailableInS0", "true"),
    Row("wired.pxe_timeout_s", WIRED + "PxeTimeout", "300"),
    Row("wired.ieee8021x.protocol", WIRED + "AuthenticationProtocol", "0"),
    Row("wired.ieee8021x.username", WIRED + "Username", "amt-login"),
    Row("wired.ieee8021x.server_name", WIRED + "ServerCertificateName", "radius"),
    Row("remote_access.user_interface", "AMT_UserInitiatedConnectionService.EnabledState", "32771"),
    Row("remote_access.servers[].address", MPS + "AccessInfo", "mps.corp.example.com"),
    Row("remote_access.servers[].port", MPS + "Port", "4434"),
    Row("remote_access.servers[].cn", MPS + "CN", "mps"),
    Row("remote_access.policies[].trigger", POLICY + "Trigger", "2"),
    Row("remote_access.policies[].tunnel_lifetime_s", POLICY + "TunnelLifeTime", "600"),
    Row("remote_access.policies[].interval_s", POLICY + "ExtendedData", "AAAAAAAADhA="),
    Row("remote_access.home_domains", "AMT_EnvironmentDetectionSettingData.DetectionStrings", "corp.example.com,lab.example.com"),
]
# A lack that is told by what it needs.
NEEDS = {"CIM_IEEE8021xSettings": "CIM_WiFiEndpointSettings"}
# What AMT 8.0 renamed.
OLDER = {"IPS_IEEE8021xSettings": "AMT_8021XProfile", "AvailableInS0": "ActiveInS0"}
# Fields that no row can hold, and why.
ELSEWHERE = {
    "tls.legacy": "how Muster talks", "tls.tls13": "how Muster talks", "tls.psk_dashes": "how Muster talks",
}
PROFILE = f"""
features: {{sol: true, ider: false, kvm: true, web_ui: true, ping: false, rmcp_ping: false}}
kvm: {{port_5900: "on", rfb_password: {{source: random}}, default_screen: 1}}
user_consent: all
timeouts: {{idle_wake_min: 77, kvm_session_min: 7, consent_code_s: 170, consent_display_s: 370}}
power: s0
kerberos: {{state: "on", realm: ad.example.com, clock_tolerance_min: 4, encryption: aes, spn_classes: [HTTPS]}}
acl:
  users:
    - {{name: operator, role: help_desk, access: both, password: {{source: random}}}}
    - {{name: dormant, realms: [storage, network_time], access: local, enabled: false, password: {{source: random}}}}
    - {{sid: "{SID}", realms: [administration], access: network}}
"""


def with_network(profile, folder, root):
    """The profile with everything of wire and air, and its secrets in files of that folder."""
    for name, text in {"eap": "Switch!Pass1", "psk": "some wireless key", "mps": "Call!Home1"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return profile + f"""
names: {{fqdn: dedicated, ddns: "on", ddns_interval_min: 90, ddns_ttl_s: 600}}
network: {{address: static, subnet_mask: 255.255.0.0, gateway: 127.16.0.254, dns: [127.16.0.253], vlan: 7, ipv6: mac}}
wireless:
  state: always
  sync: all
  uefi_share: "on"
  profiles:
    - {{name: lab, ssid: lab-net, security: wpa3-sae, encryption: gcmp256, priority: 1, psk_file: {folder}/psk}}
    - {{name: office, ssid: office-net, security: wpa2-8021x, priority: 2, ieee8021x: {{protocol: peap-mschapv2, username: wifi-login,
       password_file: {folder}/eap, roaming_identity: true, server_name: radius, server_match: suffix, root_file: {root}}}}}
wired:
  state: "on"
  in_s0: true
  pxe_timeout_s: 300
  ieee8021x: {{protocol: tls, username: amt-login, server_name: radius, server_match: full, root_file: {root}}}
remote_access:
  state: "on"
  user_interface: both
  servers: [{{address: mps.corp.example.com, cn: mps, port: 4434, username: mps-login, password_file: {folder}/mps, root_file: {root}}}]
  policies: [{{trigger: periodic, interval_s: 3600, tunnel_lifetime_s: 600, servers: [mps.corp.example.com]}}]
  home_domains: [corp.example.com, lab.example.com]
"""


def make_console(folder, name="console"):
    """A root and a console's certificate below it; (root, certificate, key)."""
    root, key, cert, ext, csr = (folder / f"{name}{end}" for end in (".root.pem", ".key", ".pem", ".ext", ".csr"))
    root_key = folder / f"{name}.root.key"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN={name} root", "-keyout", str(root_key),
            "-out", str(root))
    ext.write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth,2.16.840.1.113741.1.2.1\n")
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=muster.corp.example.com", "-keyout", str(key), "-out", str(csr))
    openssl("x509", "-req", "-in", str(csr), "-CA", str(root), "-CAkey", str(root_key), "-CAcreateserial", "-days", "825", "-extfile",
            str(ext), "-out", str(cert))
    return root, cert, key


def with_mutual(profile, root):
    """The profile with mutual TLS for consoles below that root."""
    return profile.replace("tls:\n", f'tls:\n  mutual: true\n  trusted_roots: ["{root}"]\n  trusted_cns: [corp.example.com]\n')


class Reader:
    """Reads a device as an administrator, by curl."""

    def __init__(self, device, config, record, calls):
        self.device, self.config, self.record, self.calls = device, config, record, calls
        self.cache = {}
        self.login_as("admin", record["admin_password"])

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
        """Values of a property, joined; of a reference, its selector. None: not there."""
        found = [e for e in instance if local(e) == name]
        texts = [next((x.text for x in e.iter() if local(x) == "Selector"), e.text) or "" for e in found]
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

    def value(self, place):
        kind, _, rest = place.partition(":")
        if kind == "acl":
            name, _, member = rest.rpartition(".")
            entry = self.users().get(sid_base64(name) if name.startswith("S-1-") else name)
            return entry[member] if entry else "-" if name == "stranger" else None
        if kind == "login":
            self.login_as(rest, self.record["admin_password"] if rest == "admin" else self.record["secrets"][f"user:{rest}"])
            heads = [line for line in self.device.curl("/hw-sys.htm").splitlines() if line.startswith("HTTP/1.1")]
            self.login_as("admin", self.record["admin_password"])
            return heads[-1] if heads else None
        if kind == "written":
            return "" if rest in self.calls else None
        match = re.fullmatch(r"(\w+)(?:\[(\w+)=(.*)\])?\.(\w+)", place)
        cls, key, chosen, member = match.groups()
        if cls in OLDER and int(self.device.amt.removeprefix("amt").removesuffix("std")) < 8:
            cls, member = OLDER[cls], OLDER.get(member, member)
        if not key:
            return self.member(self.ask(TRANSFER + "Get", cls), member)
        values = [self.member(i, member) for i in self.items(cls) if self.member(i, key) == chosen]
        return values[0] if values else None
