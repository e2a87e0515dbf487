# SPDX-License-Identifier: Apache-2.0
"""The fields of a profile and where a client finds them on a device: one row for each field that becomes something on the
device. test_settings.py gives every generation a profile that wishes all of it, and looks. Fields that are no row are in
ELSEWHERE with the reason; a key that is in neither fails the test.

A row has the path in the profile, the place, and what must stand there (a regular expression; lists are joined by commas).
Places (reader.py):
    Class.Property                  the one instance of a class
    Class[InstanceID=...].Property  one of several
    acl:USER.Property               an entry of the access list, by name or by SID in base64; "absent"
    login:USER                      the status line of the web page for that user with the password of the record
    written:Class.Operation         a call of the ledger: what no Get shows
    secret:Class.Op.Property of X   the ledger has had exactly this secret: of a file, or of the record
    leaf:OPTION                     what openssl x509 says of the certificate that TLS is bound to
    root:FILE, issuer:WHERE         the device trusts this root; 802.1x expects it
and count, calls, clear, clock, refused.
older: (release, place, want) of releases before that one. when: "" for any device that wishes PROFILE and its networks; else what
test_settings.py does first: "other" (the profile OTHER), "otp" (a device with another one-time password), "disturbed"."""
import collections
import re
import subprocess

from harness import openssl
from reader import KEYS, sid_base64

SID = "S-1-5-21-1091816021-962961654-398595893-1110"
Row = collections.namedtuple("Row", "path place want older when", defaults=(None, ""))
GENERAL, KVM, CONSENT = "AMT_GeneralSettings.", "IPS_KVMRedirectionSettingData.", "IPS_OptInService."
KERBEROS = "AMT_KerberosSettingData."
TLS = "AMT_TLSSettingData[InstanceID=Intel(r) AMT 802.3 TLS Settings]."
PORT = "AMT_EthernetPortSettings[InstanceID=Intel(r) AMT Ethernet Port Settings 0]."
WIFI_SERVICE = "AMT_WiFiPortConfigurationService."
WIFI = "CIM_WiFiEndpointSettings[ElementName=office]."
WIFI_8021X = "CIM_IEEE8021xSettings[ElementName=office]."
WIRED = "IPS_IEEE8021xSettings."
MPS, POLICY = "AMT_ManagementPresenceRemoteSAP[AccessInfo=mps.corp.example.com].", "AMT_RemoteAccessPolicyRule[PolicyRuleName=Periodic]."
APPLIES = "AMT_RemoteAccessPolicyAppliesToMPS."
DAILY = "AAAAAQAAAAMAAAAe"  # 1, 3, 30 as three big-endian numbers
ROWS = [
    Row("control_mode", "IPS_HostBasedSetupService.CurrentControlMode", "2", (7, "AMT_SetupAndConfigurationService.ProvisioningMode", "1")),
    Row("admin_password.source", "login:admin", "HTTP/1.1 200.*"),
    Row("mebx_password.source", "secret:AMT_SetupAndConfigurationService.SetMEBxPassword.Password of mebx_password", "sent"),
    Row("otp", "refused:", ".* is another one: nothing was changed on it, 0 writes", when="otp"),
    Row("tls.issue", f"written:{KEYS}.GeneratePKCS10RequestEx", ""),
    Row("tls.validity_days", "leaf:-startdate -enddate", "366 days"),  # a day back, for clocks
    Row("tls.key_bits", "leaf:-text", ".*RSA Public-Key: .2048 bit.*|.*Public-Key: .2048 bit.*"),
    Row("tls.short_name", "leaf:-ext subjectAltName", r".*DNS:pc\d+(,.*|$)"),
    Row("tls.mutual", TLS + "MutualAuthentication", "true"),
    Row("tls.trusted_cns", TLS + "TrustedCN", "corp.example.com"),
    Row("tls.trusted_roots", "root:console.root.pem", "true"),
    Row("tls.clear_ports", "clear:", "true open", when="other"),
    Row("features.ping", GENERAL + "PingResponseEnabled", "false"),
    Row("features.rmcp_ping", GENERAL + "RmcpPingResponseEnabled", "false"),
    Row("features.sol", "AMT_RedirectionService.EnabledState", "32770"),
    Row("features.ider", "AMT_RedirectionService.EnabledState", "32770"),
    Row("features.kvm", "CIM_KVMRedirectionSAP.EnabledState", "2|6"),
    Row("features.web_ui", "AMT_WebUIService.EnabledState", "2"),
    Row("kvm.port_5900", KVM + "Is5900PortEnabled", "true"),
    Row("kvm.rfb_password.source", "secret:IPS_KVMRedirectionSettingData.Put.RFBPassword of rfb", "sent"),
    Row("kvm.default_screen", KVM + "DefaultScreen", "1"),
    Row("user_consent", CONSENT + "OptInRequired", "4294967295", (7, KVM + "OptInPolicy", "true")),
    Row("timeouts.idle_wake_min", GENERAL + "IdleWakeTimeout", "77"),
    Row("timeouts.kvm_session_min", KVM + "SessionTimeout", "7"),
    Row("timeouts.consent_code_s", CONSENT + "OptInCodeTimeout", "170"),
    Row("timeouts.consent_display_s", CONSENT + "OptInDisplayTimeout", "370"),
    Row("time.max_drift_s", "clock:30", "right", when="disturbed"),
    Row("power", "CIM_ElementSettingData[IsCurrent=1].SettingData", "SCHEME 0"),
    Row("kerberos.state", KERBEROS + "KrbEnabled", "true"),
    Row("kerberos.realm", KERBEROS + "RealmName", "AD.EXAMPLE.COM"),
    Row("kerberos.clock_tolerance_min", KERBEROS + "MaximumClockTolerance", "4"),
    Row("kerberos.encryption", KERBEROS + "ConfiguredEncryptionAlgorithms", "0,1,2"),
    Row("kerberos.spn_classes", KERBEROS + "ServicePrincipalName", "HTTPS/.*:16992,HTTP/.*:16993,.*"),
    Row("acl.admin", "login:admin", "HTTP/1.1 200.*"),
    Row("acl.users[].name", "acl:operator.DigestUsername", "operator"),
    Row("acl.users[].access", "acl:operator.AccessPermission", "2"),
    Row("acl.users[].role", "acl:operator.Realms", "2,4,5,13,19"),
    Row("acl.users[].password.source", "login:operator", "HTTP/1.1 200.*"),
    Row("acl.users[].enabled", "acl:dormant.Enabled", "false"),
    Row("acl.users[].realms", "acl:dormant.Realms", "6,12"),
    Row("acl.users[].sid", f"acl:{SID}.KerberosUserSid", re.escape(sid_base64(SID))),
    Row("acl.others", "acl:stranger.DigestUsername", "absent", when="disturbed"),
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
    Row("wireless.others", "count:CIM_WiFiEndpointSettings", "2", when="disturbed"),
    Row("wireless.profiles[].name", WIFI + "ElementName", "office"),
    Row("wireless.profiles[].ssid", WIFI + "SSID", "office-net"),
    Row("wireless.profiles[].security", WIFI + "AuthenticationMethod", "7"),
    Row("wireless.profiles[].encryption", WIFI + "EncryptionMethod", "4"),
    Row("wireless.profiles[].priority", WIFI + "Priority", "2"),
    Row("wireless.profiles[].psk_file", f"secret:{WIFI_SERVICE}AddWiFiSettings.PSKPassPhrase of psk", "sent"),
    Row("wireless.profiles[].ieee8021x.protocol", WIFI_8021X + "AuthenticationProtocol", "2"),
    Row("wireless.profiles[].ieee8021x.username", WIFI_8021X + "Username", "wifi-login"),
    Row("wireless.profiles[].ieee8021x.password_file", f"secret:{WIFI_SERVICE}AddWiFiSettings.Password of eap", "sent"),
    Row("wireless.profiles[].ieee8021x.roaming_identity", WIFI_8021X + "RoamingIdentity", "anonymous"),
    Row("wireless.profiles[].ieee8021x.server_name", WIFI_8021X + "ServerCertificateName", "radius"),
    Row("wireless.profiles[].ieee8021x.server_match", WIFI_8021X + "ServerCertificateNameComparison", "3"),
    Row("wireless.profiles[].ieee8021x.root_file", "issuer:office", "radius.pem"),
    Row("wired.state", WIRED + "Enabled", "2|true"),
    Row("wired.in_s0", WIRED + "AvailableInS0", "true"),
    Row("wired.pxe_timeout_s", WIRED + "PxeTimeout", "300"),
    Row("wired.ieee8021x.protocol", WIRED + "AuthenticationProtocol", "0"),
    Row("wired.ieee8021x.username", WIRED + "Username", "amt-login"),
    Row("wired.ieee8021x.password_file", f"secret:{WIRED}Put.Password of wire", "sent", when="other"),
    Row("wired.ieee8021x.roaming_identity", WIRED + "RoamingIdentity", "anonymous", when="other"),
    Row("wired.ieee8021x.server_name", WIRED + "ServerCertificateName", "radius"),
    Row("wired.ieee8021x.server_match", WIRED + "ServerCertificateNameComparison", "2"),
    Row("wired.ieee8021x.root_file", "issuer:wire", "radius.pem"),
    Row("remote_access.state", "count:AMT_ManagementPresenceRemoteSAP", "2"),
    Row("remote_access.user_interface", "AMT_UserInitiatedConnectionService.EnabledState", "32771"),
    Row("remote_access.servers[].address", MPS + "AccessInfo", "mps.corp.example.com"),
    Row("remote_access.servers[].port", MPS + "Port", "4434"),
    # One of the two servers logs in by password, the other by certificate.
    Row("remote_access.servers[].auth", "count:AMT_MPSUsernamePassword", "1"),
    Row("remote_access.servers[].username", "AMT_MPSUsernamePassword[InstanceID=Intel(r) AMT:MPS Username Password 0].RemoteID", "mps-login"),
    Row("remote_access.servers[].password_file", "secret:AMT_RemoteAccessService.AddMpServer.Password of mps", "sent"),
    Row("remote_access.servers[].cn", MPS + "CN", "mps"),
    Row("remote_access.servers[].root_file", "root:mps.pem", "true", (4, "AMT_ManagementPresenceRemoteSAP.Name", "")),
    Row("remote_access.servers[].place", f"calls:{APPLIES}MpsType", "0,1"),
    Row("remote_access.policies[].trigger", POLICY + "Trigger", "2"),
    Row("remote_access.policies[].tunnel_lifetime_s", POLICY + "TunnelLifeTime", "600"),
    Row("remote_access.policies[].interval_s", POLICY + "ExtendedData", "AAAAAAAADhA="),
    Row("remote_access.policies[].daily_at", POLICY + "ExtendedData", DAILY, when="other"),
    Row("remote_access.policies[].servers", f"calls:{APPLIES}ManagedElement", "mps.corp.example.com,192.0.2.7"),
    Row("remote_access.home_domains", "AMT_EnvironmentDetectionSettingData.DetectionStrings", "corp.example.com,lab.example.com"),
]
# Keys that no row can hold, and why.
ELSEWHERE = {
    "name": "how the profile is found", "extends": "where the profile comes from", "tags": "for selectors", "rehello": "what a Hello does",
    "tls.legacy": "how Muster talks", "tls.tls13": "how Muster talks", "tls.psk_dashes": "how Muster talks",
    "tls.setup_trust": "what Muster believes in setup", "tls.renew_before_days": "when Muster renews",
    **{f"{of}.{key}": "how the password is made: its source has the row" for key in ("master", "fixed_file", "allow_fixed")
       for of in ("admin_password", "mebx_password", "acl.users[].password", "kvm.rfb_password")},
}
# What a generation lacks although the key is of its release: (path, generation).
LACKS = {("tls.issue", name) for name in ("amt3", "amt5")} | {(path, "amt16std") for path in (
    "features.kvm", "kvm.port_5900", "kvm.rfb_password.source", "kvm.default_screen", "timeouts.kvm_session_min", "wireless.uefi_share")}
PROFILE = f"""
features: {{sol: true, ider: false, kvm: true, web_ui: true, ping: false, rmcp_ping: false}}
kvm: {{port_5900: "on", rfb_password: {{source: random}}, default_screen: 1}}
user_consent: all
timeouts: {{idle_wake_min: 77, kvm_session_min: 7, consent_code_s: 170, consent_display_s: 370}}
time: {{max_drift_s: 30}}
power: s0
kerberos: {{state: "on", realm: ad.example.com, clock_tolerance_min: 4, encryption: aes, spn_classes: [HTTPS]}}
acl:
  users:
    - {{name: operator, role: help_desk, access: both, password: {{source: random}}}}
    - {{name: dormant, realms: [storage, network_time], access: local, enabled: false, password: {{source: random}}}}
    - {{sid: "{SID}", realms: [administration], access: network}}
"""
SECRETS = {"eap": "Switch!Pass1", "wire": "Wire!Pass1", "psk": "some wireless key", "mps": "Call!Home1"}


def with_network(profile, folder):
    """The profile with everything of wire and air, and its secrets and roots in files of that folder."""
    for name, text in SECRETS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    for name in ("radius", "mps"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", f"/CN={name} root", "-keyout",
                str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"))
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
       password_file: {folder}/eap, roaming_identity: true, server_name: radius, server_match: suffix, root_file: {folder}/radius.pem}}}}
wired:
  state: "on"
  in_s0: true
  pxe_timeout_s: 300
  ieee8021x: {{protocol: tls, username: amt-login, server_name: radius, server_match: full, root_file: {folder}/radius.pem}}
remote_access:
  state: "on"
  user_interface: both
  servers:
    - {{address: mps.corp.example.com, cn: mps, port: 4434, username: mps-login, password_file: {folder}/mps, root_file: {folder}/mps.pem}}
    - {{address: 192.0.2.7, cn: mps2, auth: certificate, place: inside, root_file: {folder}/mps.pem}}
  policies: [{{trigger: periodic, interval_s: 3600, tunnel_lifetime_s: 600, servers: [mps.corp.example.com, 192.0.2.7]}}]
  home_domains: [corp.example.com, lab.example.com]
"""


def other(folder):
    """What excludes something of the profile above."""
    return f"""extends: default
tls: {{mutual: false, trusted_cns: [], clear_ports: true}}
wired: {{ieee8021x: {{protocol: peap-mschapv2, password_file: {folder}/wire, roaming_identity: true}}}}
remote_access:
  policies: [{{trigger: periodic, daily_at: "03:30", tunnel_lifetime_s: 600, servers: [mps.corp.example.com, 192.0.2.7]}}]
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


def with_tls(profile, root):
    """The same, and a certificate as no default has it."""
    changed = profile.replace("issue: direct", "issue: pkcs10").replace("validity_days: 730", "validity_days: 365\n  short_name: true")
    assert changed.count("pkcs10") and "short_name" in changed
    return with_mutual(changed, root)


def keys(build):
    """{key: (releases, object)} of the table that profiles are read with."""
    text = subprocess.run([f"{build}/bin/muster", "profile", "docs"], capture_output=True, text=True, check=True).stdout
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("| `")]
    return {cells[1].strip("`"): (cells[4], cells[5]) for cells in rows}
