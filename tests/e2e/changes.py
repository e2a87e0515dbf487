# SPDX-License-Identifier: Apache-2.0
"""What one changed key of a profile writes: one change for each key that becomes something on a device, with the calls that the
change makes, and those of the way back. test_one_field.py makes each on devices of several generations and looks into the ledger.

A change patches the profile base() at the path of its key (or at several, where values exclude each other: `why` says so). `start`
patches it before, for keys that need another beginning. What a generation lacks writes nothing; what the device is only told when
something else happens (a new certificate, a rotation) neither."""
import copy
import re
import typing

from settings import SID

OTHER_SID = SID[:-1] + "9"
USERS, SCS, KEYS = "AMT_AuthorizationService.", "AMT_SetupAndConfigurationService.", "AMT_PublicKeyManagementService."
GENERAL, KVM, CONSENT = "AMT_GeneralSettings.Put", "IPS_KVMRedirectionSettingData.Put", "IPS_OptInService.Put"
STATE = ".RequestStateChange"
TLS = ("AMT_TLSSettingData.Put", SCS + "CommitChanges")  # staged until it is committed. SPEC: provisioning.md 4 MUTUAL
KERBEROS, PORT, WIRED = "AMT_KerberosSettingData.Put", "AMT_EthernetPortSettings.Put", "IPS_IEEE8021xSettings.Put"
AIR = "AMT_WiFiPortConfigurationService.Put"
# A wireless profile is changed in place unless its network or priority is another one, or a text of it goes; policies and servers
# cannot be changed in place, and no server goes while a policy names it. SPEC: provisioning.md 4 WIFI, CIRA
WIFI = ("CIM_WiFiEndpointSettings.Delete", "AMT_WiFiPortConfigurationService.AddWiFiSettings")
AIR_UPDATE = "AMT_WiFiPortConfigurationService.UpdateWiFiSettings"
POLICY = ("AMT_RemoteAccessPolicyRule.Delete", "AMT_RemoteAccessService.AddRemoteAccessPolicyRule")
SERVER = ("AMT_ManagementPresenceRemoteSAP.Delete", "AMT_RemoteAccessService.AddMpServer")
ENVIRONMENT = "AMT_EnvironmentDetectionSettingData.Put"
ROOT = KEYS + "AddTrustedRootCertificate"
NEXT = "the next certificate has it"
ROOT_GONE = "AMT_PublicKeyCertificate.Delete"
OURS = "a root of ours goes when no key names it any more"
RANDOM = "a password that the device has is as random as another"
FIXED = {"source": "fixed", "fixed_file": "{dir}/fixed", "allow_fixed": True}
GONE = object()  # the key is left out


class Change(typing.NamedTuple):
    key: str
    patch: dict  # {path: value}
    writes: tuple  # calls, each as often as it is made
    back: tuple = None  # of the way back; None: the same
    start: dict = {}
    why: str = ""
    older: tuple = None  # (release, calls, calls of the way back) of releases before that one


def one(key, value, *writes, **more):
    """A change of exactly this key; [] in it is the first entry unless `at` says which."""
    at = more.pop("at", 0)
    return Change(key, {key.replace("[]", f"[{at}]"): value}, writes, **more)


def base(folder):
    """The profile that all changes begin with, in every generation's reach."""
    root = {"console": f"{folder}/console.root.pem", "radius": f"{folder}/radius.pem", "mps": f"{folder}/mps.pem"}
    return {
        "control_mode": "admin", "admin_password": {"source": "random"}, "mebx_password": {"source": "random"}, "otp": False,
        "names": {"fqdn": "shared", "ddns": "on", "ddns_interval_min": 90, "ddns_ttl_s": 600},
        "network": {"address": "static", "subnet_mask": "255.255.0.0", "gateway": "127.16.0.254", "dns": ["127.16.0.253"], "vlan": 7, "ipv6": "mac"},
        "tls": {"legacy": True, "issue": "direct", "validity_days": 730, "key_bits": 2048, "short_name": False, "clear_ports": False,
                "mutual": False, "trusted_roots": [root["console"]]},
        "acl": {"others": "remove", "users": [
            {"name": "operator", "role": "help_desk", "access": "both", "enabled": True, "password": {"source": "random"}},
            {"name": "reader", "realms": ["general_info"], "access": "both", "password": {"source": "random"}},
            {"sid": SID, "realms": ["administration"], "access": "network"}]},
        "kerberos": {"state": "on", "realm": "ad.example.com", "clock_tolerance_min": 4, "encryption": "aes", "spn_classes": ["HTTPS"]},
        "features": {"sol": True, "ider": True, "kvm": True, "web_ui": True, "ping": True, "rmcp_ping": True},
        "kvm": {"port_5900": "off", "rfb_password": {"source": "random"}, "default_screen": 1},
        "user_consent": "kvm", "timeouts": {"idle_wake_min": 60, "kvm_session_min": 5, "consent_code_s": 150, "consent_display_s": 350},
        "power": "always", "time": {"max_drift_s": 10},
        "wireless": {"state": "always", "sync": "all", "uefi_share": "on", "others": "remove", "profiles": [
            {"name": "lab", "ssid": "lab-net", "security": "wpa3-sae", "encryption": "ccmp", "priority": 1, "psk_file": f"{folder}/psk"},
            {"name": "office", "ssid": "office-net", "security": "wpa2-8021x", "priority": 2, "ieee8021x": {
                "protocol": "peap-mschapv2", "username": "wifi-login", "password_file": f"{folder}/eap", "roaming_identity": True,
                "server_name": "radius", "server_match": "suffix", "root_file": root["radius"]}}]},
        "wired": {"state": "on", "in_s0": True, "pxe_timeout_s": 300, "ieee8021x": {
            "protocol": "peap-mschapv2", "username": "amt-login", "password_file": f"{folder}/wire", "roaming_identity": True,
            "server_name": "radius", "server_match": "full", "root_file": root["radius"]}},
        "remote_access": {"state": "on", "user_interface": "both", "servers": [
            {"address": "mps.corp.example.com", "cn": "mps", "port": 4434, "username": "mps-login", "password_file": f"{folder}/mps", "root_file": root["mps"]},
            {"address": "192.0.2.7", "cn": "mps2", "auth": "certificate", "place": "inside", "root_file": root["mps"]},
            {"address": "mps4.corp.example.com", "cn": "mps4", "auth": "certificate", "root_file": root["mps"]}],
            "policies": [{"trigger": "periodic", "interval_s": 3600, "tunnel_lifetime_s": 600, "servers": ["mps.corp.example.com", "192.0.2.7"]},
                         {"trigger": "alert", "servers": ["mps4.corp.example.com", "192.0.2.7"]}],
            "home_domains": ["corp.example.com", "lab.example.com"]},
    }


# As firmware before AMT 8.0 is told: one object has it all. SPEC: provisioning.md 4 WIRED 802.1x
OLD_WIRE = (8, ("AMT_8021XProfile.Put",), ("AMT_8021XProfile.Put",))
AIR_EAP, WIRE_EAP, MPS, RULE = "wireless.profiles[].ieee8021x.", "wired.ieee8021x.", "remote_access.servers[].", "remote_access.policies[]."
NO_SID = {"acl.users[2]": GONE}
CHANGES = [
    one("otp", True, why="a condition of setup"),
    one("tls.issue", "pkcs10", why=NEXT), one("tls.validity_days", 365, why=NEXT),
    one("tls.key_bits", 3072, why=NEXT), one("tls.short_name", True, why=NEXT),
    Change("admin_password.source", {"admin_password": FIXED}, (), why="rotate brings it"),
    Change("mebx_password.source", {"mebx_password": FIXED}, (), why="rotate brings it"),
    one("tls.mutual", True, *TLS), one("tls.clear_ports", True, *TLS),
    one("tls.trusted_cns", ["corp.example.com", "lab.example.com"], *TLS, start={"tls.mutual": True, "tls.trusted_cns": ["corp.example.com"]}),
    one("tls.trusted_roots", ["{dir}/console.root.pem", "{dir}/root0.pem"], ROOT, back=(ROOT_GONE,), why=OURS),
    one("acl.others", "remove", USERS + "RemoveUserAclEntry", back=(), start={"acl.others": "keep", "acl.users[1]": GONE}, why="who is gone is gone"),
    one("acl.users[].name", "helper", USERS + "RemoveUserAclEntry", USERS + "AddUserAclEntryEx"),
    one("acl.users[].sid", OTHER_SID, USERS + "RemoveUserAclEntry", USERS + "AddUserAclEntryEx", at=2),
    one("acl.users[].role", "remote_power", USERS + "UpdateUserAclEntryEx"),
    one("acl.users[].realms", ["event_log_reader"], USERS + "UpdateUserAclEntryEx", at=1),
    one("acl.users[].access", "network", USERS + "UpdateUserAclEntryEx"),
    one("acl.users[].enabled", False, USERS + "SetAclEnabledState"),
    Change("acl.users[].password.source", {"acl.users[0].password": FIXED}, (USERS + "UpdateUserAclEntryEx",), (), why=RANDOM),
    Change("kerberos.state", {"kerberos": {"state": "off"}}, (KERBEROS,), start=NO_SID, why="users of the directory need it on, and off takes no realm"),
    one("kerberos.realm", "other.example.com", KERBEROS), one("kerberos.clock_tolerance_min", 5, KERBEROS),
    one("kerberos.encryption", "rc4", KERBEROS), one("kerberos.spn_classes", ["TERMSRV"], KERBEROS),
    one("features.sol", False, "AMT_RedirectionService" + STATE), one("features.ider", False, "AMT_RedirectionService" + STATE),
    one("features.kvm", False, "CIM_KVMRedirectionSAP" + STATE), one("features.web_ui", False, "AMT_WebUIService" + STATE),
    one("features.ping", False, GENERAL), one("features.rmcp_ping", False, GENERAL),
    one("kvm.port_5900", "on", KVM), one("kvm.default_screen", 2, KVM),
    Change("kvm.rfb_password.source", {"kvm.rfb_password": {**FIXED, "fixed_file": "{dir}/rfb"}}, (KVM,), (), why=RANDOM),
    one("user_consent", "all", CONSENT), one("timeouts.idle_wake_min", 77, GENERAL), one("timeouts.kvm_session_min", 7, KVM),
    one("timeouts.consent_code_s", 170, CONSENT), one("timeouts.consent_display_s", 370, CONSENT),
    one("time.max_drift_s", 20, why="the clock is right"), one("power", "s0", "AMT_SystemPowerScheme.SetPowerScheme"),
    one("names.fqdn", "dedicated", GENERAL), one("names.ddns", "off", GENERAL, start={"names": {"fqdn": "shared", "ddns": "on"}}),
    one("names.ddns_interval_min", 120, GENERAL), one("names.ddns_ttl_s", 900, GENERAL),
    one("network.address", "host", PORT, start={"network": {"address": "dhcp", "vlan": 7, "ipv6": "mac"}}),
    one("network.subnet_mask", "255.255.255.0", PORT), one("network.gateway", "127.16.0.252", PORT),
    one("network.dns", ["127.16.0.251"], PORT), one("network.vlan", 8, PORT), one("network.ipv6", "random", "IPS_IPv6PortSettings.Put"),
    one("wireless.state", "s0", "CIM_WiFiPort" + STATE), one("wireless.sync", "user", AIR), one("wireless.uefi_share", "off", AIR),
    one("wireless.others", "remove", WIFI[0], back=(), start={"wireless.others": "keep", "wireless.profiles[0]": GONE}, why="what is gone is gone"),
    one("wireless.profiles[].name", "hall", *WIFI), one("wireless.profiles[].ssid", "hall-net", *WIFI),
    one("wireless.profiles[].security", "wpa2-psk", AIR_UPDATE), one("wireless.profiles[].encryption", "gcmp256", AIR_UPDATE),
    one("wireless.profiles[].priority", 5, *WIFI), one("wireless.profiles[].psk_file", "{dir}/psk2", AIR_UPDATE),
    one(AIR_EAP + "protocol", "ttls-mschapv2", AIR_UPDATE, at=1), one(AIR_EAP + "username", "other-login", AIR_UPDATE, at=1),
    one(AIR_EAP + "password_file", "{dir}/fixed", AIR_UPDATE, at=1), one(AIR_EAP + "roaming_identity", False, *WIFI, at=1, back=(AIR_UPDATE,)),
    one(AIR_EAP + "server_name", "radius2", AIR_UPDATE, at=1), one(AIR_EAP + "server_match", "full", AIR_UPDATE, at=1),
    one(AIR_EAP + "root_file", "{dir}/root1.pem", ROOT, AIR_UPDATE, at=1, back=(AIR_UPDATE, ROOT_GONE), why=OURS),
    Change("wired.state", {"wired": {"state": "off"}}, (WIRED,), older=OLD_WIRE, why="off takes no ieee8021x"),
    one("wired.in_s0", False, WIRED, older=OLD_WIRE), one("wired.pxe_timeout_s", 200, WIRED, older=OLD_WIRE),
    one(WIRE_EAP + "protocol", "ttls-mschapv2", WIRED, older=OLD_WIRE), one(WIRE_EAP + "username", "other-login", WIRED, older=OLD_WIRE),
    one(WIRE_EAP + "password_file", "{dir}/fixed", WIRED, older=OLD_WIRE), one(WIRE_EAP + "roaming_identity", False, WIRED, older=OLD_WIRE),
    one(WIRE_EAP + "server_name", "radius2", WIRED, older=OLD_WIRE), one(WIRE_EAP + "server_match", "suffix", WIRED, older=OLD_WIRE),
    one(WIRE_EAP + "root_file", "{dir}/root2.pem", ROOT, "IPS_IEEE8021xSettings.SetCertificates", why=OURS,
        back=("IPS_IEEE8021xSettings.SetCertificates", ROOT_GONE), older=(8, (ROOT, *OLD_WIRE[1]), (*OLD_WIRE[1], ROOT_GONE))),
    Change("remote_access.state", {"remote_access": {"state": "off", "user_interface": "both"}},
           (*[POLICY[0]] * 2, *[SERVER[0]] * 3, ENVIRONMENT, ROOT_GONE), (*[POLICY[1]] * 2, *[SERVER[1]] * 3, ENVIRONMENT, ROOT),
           why="off takes no servers, policies and home domains, and so nothing names their root"),
    one("remote_access.user_interface", "bios", "AMT_UserInitiatedConnectionService" + STATE),
    Change(MPS + "address", {"remote_access.servers[0].address": "mps3.corp.example.com",
                             "remote_access.policies[0].servers": ["mps3.corp.example.com", "192.0.2.7"]}, (*SERVER, *POLICY), why="policies name it"),
    Change(MPS + "auth", {"remote_access.servers[0]": {"address": "mps.corp.example.com", "cn": "mps", "port": 4434, "auth": "certificate",
                                                       "root_file": "{dir}/mps.pem"}}, (*SERVER, *POLICY), why="certificate takes no login"),
    one(MPS + "port", 4435, *SERVER, *POLICY), one(MPS + "cn", "mps3", *SERVER, *POLICY),
    one(MPS + "username", "other-login", *SERVER, *POLICY), one(MPS + "password_file", "{dir}/fixed", *SERVER, *POLICY),
    one(MPS + "root_file", "{dir}/root3.pem", ROOT, *SERVER, *POLICY, back=(*SERVER, *POLICY, ROOT_GONE), why=OURS),
    one(MPS + "place", "outside", *POLICY, *POLICY, at=1, why="both policies name it"),
    Change(RULE + "trigger", {"remote_access.policies[0]": {"trigger": "user", "tunnel_lifetime_s": 600, "servers": ["mps.corp.example.com", "192.0.2.7"]}},
           POLICY, why="only periodic takes a period"),
    one(RULE + "tunnel_lifetime_s", 700, *POLICY), one(RULE + "interval_s", 7200, *POLICY),
    Change(RULE + "daily_at", {"remote_access.policies[0].interval_s": GONE, "remote_access.policies[0].daily_at": "03:30"}, POLICY,
           why="in place of interval_s"),
    one(RULE + "servers", ["mps.corp.example.com"], *POLICY), one("remote_access.home_domains", ["corp.example.com"], ENVIRONMENT),
]
# Keys that have no other value, and why.
FIXED_KEYS = {"control_mode": "admin is the only one", "acl.admin": "off is refused: Muster would lock itself out"}


def patched(profile, patch, folder):
    """A copy of the profile with {path: value}; "{dir}" in a text is the folder."""
    out = copy.deepcopy(profile)
    for path, value in patch.items():
        *way, last = [int(step[1:-1]) if step[0] == "[" else step for step in re.findall(r"\w+|\[\d+\]", path)]
        at = out
        for step in way:
            at = at[step]
        if value is GONE:
            del at[last]
        else:
            at[last] = filled(value, folder)
    return out


def filled(value, folder):
    if isinstance(value, dict):
        return {k: filled(v, folder) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, folder) for v in value]
    return value.replace("{dir}", str(folder)) if isinstance(value, str) else value
