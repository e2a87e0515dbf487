#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Phase B of wire and air: 802.1x, wireless, IPv6, addresses, remote access, on devices with and without them; the
values read back over WS-Man by curl, a second run writes nothing, a dry run says what the run then writes."""
import base64
import re
import ssl

import foreign
import harness
from foreign import request
from phase import SCHEMA, PhaseBase

ALL = ["amt5", "amt7", "amt8", "amt12", "amt16", "amt16std", "amt19"]
WANT = {
    "AMT_GeneralSettings.DDNSUpdateEnabled": "true", "AMT_GeneralSettings.DDNSPeriodicUpdateInterval": "90",
    "AMT_GeneralSettings.DDNSTTL": "600", "AMT_GeneralSettings.SharedFQDN": "false",
    "AMT_EthernetPortSettings.DHCPEnabled": "false", "AMT_EthernetPortSettings.IpSyncEnabled": "true",
    "AMT_EthernetPortSettings.SharedStaticIp": "true", "IPS_IPv6PortSettings.InterfaceIDType": "1",
    "CIM_WiFiPort.EnabledState": "32769", "AMT_WiFiPortConfigurationService.localProfileSynchronizationEnabled": "3",
    "AMT_WiFiPortConfigurationService.UEFIWiFiProfileShareEnabled": "true",
    "AMT_UserInitiatedConnectionService.EnabledState": "32771",
    "CIM_WiFiEndpointSettings@office.SSID": "office-net", "CIM_WiFiEndpointSettings@office.AuthenticationMethod": "6",
    "CIM_WiFiEndpointSettings@office.EncryptionMethod": "4", "CIM_WiFiEndpointSettings@office.Priority": "2",
    "CIM_WiFiEndpointSettings@lab.AuthenticationMethod": "32768", "CIM_WiFiEndpointSettings@lab.EncryptionMethod": "32768",
    "CIM_WiFiEndpointSettings@corp.AuthenticationMethod": "7", "CIM_IEEE8021xSettings@corp.Username": "wifi-login",
    "CIM_IEEE8021xSettings@corp.AuthenticationProtocol": "2", "CIM_IEEE8021xSettings@corp.ServerCertificateName": "radius",
    "CIM_IEEE8021xSettings@tls.AuthenticationProtocol": "0",
    "AMT_ManagementPresenceRemoteSAP@0.AccessInfo": "mps1.corp.example.com", "AMT_ManagementPresenceRemoteSAP@0.Port": "4433",
    "AMT_ManagementPresenceRemoteSAP@0.InfoFormat": "201", "AMT_ManagementPresenceRemoteSAP@1.InfoFormat": "3",
    "AMT_ManagementPresenceRemoteSAP@1.CN": "mps2", "AMT_ManagementPresenceRemoteSAP@1.Port": "4434",
    "AMT_RemoteAccessPolicyRule@Periodic.TunnelLifeTime": "600", "AMT_RemoteAccessPolicyRule@Periodic.ExtendedData": "AAAAAAAADhA=",
    "AMT_RemoteAccessPolicyRule@User Initiated.Trigger": "0", "AMT_RemoteAccessPolicyRule@Alert.Trigger": "1",
    "AMT_EnvironmentDetectionSettingData.DetectionStrings": "corp.example.com",
}
WIRED = {"IPS_IEEE8021xSettings.Enabled": "2", "IPS_IEEE8021xSettings.AuthenticationProtocol": "2",
         "IPS_IEEE8021xSettings.Username": "amt-login", "IPS_IEEE8021xSettings.AvailableInS0": "true",
         "IPS_IEEE8021xSettings.PxeTimeout": "300", "IPS_IEEE8021xSettings.ServerCertificateName": "radius.corp.example.com",
         "IPS_IEEE8021xSettings.ServerCertificateNameComparison": "2"}
WIRED_OLD = {k.replace("IPS_IEEE8021xSettings", "AMT_8021XProfile").replace("AvailableInS0", "ActiveInS0"): "true" if k.endswith("Enabled") else v
             for k, v in WIRED.items()}
WIRED_OLD["AMT_8021XProfile.ServerCertificateNameComparison"] = "0"  # full, as this class counts
RENEWAL = {"AMT_PublicKeyManagementService", "AMT_TLSCredentialContext", "AMT_SetupAndConfigurationService", "AMT_PublicKeyCertificate",
           "AMT_PublicPrivateKeyPair"}
NET = """
name: net
tls: {{legacy: true}}
names: {{fqdn: dedicated, ddns: on, ddns_interval_min: 90, ddns_ttl_s: 600}}
network: {{address: host, ipv6: mac}}
wireless:
  state: always
  sync: all
  uefi_share: on
  profiles:
    - {{name: office, ssid: office-net, security: wpa2-psk, priority: 2, psk_file: {dir}/psk}}
    - {{name: lab, ssid: lab-net, security: wpa3-sae, encryption: gcmp256, priority: 1, psk_file: {dir}/psk}}
    - {{name: corp, ssid: corp-net, security: wpa2-8021x, priority: 3, ieee8021x: {{protocol: peap-mschapv2, username: wifi-login,
       password_file: {dir}/eap, server_name: radius, server_match: suffix, root_file: {dir}/root.pem}}}}
    - {{name: tls, ssid: tls-net, security: wpa2-8021x, priority: 4, ieee8021x: {{protocol: tls, root_file: {dir}/root.pem}}}}
wired:
  state: on
  in_s0: true
  pxe_timeout_s: 300
  ieee8021x: {{protocol: peap-mschapv2, username: amt-login, password_file: {dir}/eap, server_name: radius.corp.example.com,
              server_match: full, root_file: {dir}/root.pem}}
remote_access:
  state: on
  user_interface: both
  servers:
    - {{address: mps1.corp.example.com, username: mps-login, password_file: {dir}/mps, root_file: {dir}/root.pem}}
    - {{address: 192.0.2.7, cn: mps2, port: 4434, auth: certificate, place: inside, root_file: {dir}/root.pem}}
  policies:
    - {{trigger: user, servers: [mps1.corp.example.com]}}
    - {{trigger: periodic, interval_s: 3600, tunnel_lifetime_s: 600, servers: [mps1.corp.example.com, 192.0.2.7]}}
    - {{trigger: alert, servers: [mps1.corp.example.com]}}
  home_domains: [corp.example.com, lab.example.com]
"""
MOVED = NET.replace("name: net", "name: moved").replace("ssid: lab-net", "ssid: moved-net").replace("  state: always\n", "").replace(
    "server_name: radius, server_match: suffix, ", "")
TURNED = NET.replace("name: net", "name: turned").replace("[mps1.corp.example.com, 192.0.2.7]", "[192.0.2.7, mps1.corp.example.com]")
AIR, UPDATE = "AMT_WiFiPortConfigurationService", "UpdateWiFiSettings"

KEYS = "AMT_PublicKeyManagementService"
ADD_ROOT = (f'<r:AddTrustedRootCertificate_INPUT xmlns:r="{SCHEMA["AMT"]}{KEYS}"><r:CertificateBlob>{{}}</r:CertificateBlob>'
            "</r:AddTrustedRootCertificate_INPUT>")
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"


def der(path):
    """A certificate as devices show it."""
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(path.read_text())).decode()


class Network(PhaseBase):
    DEVICES = 4 * len(ALL)

    @classmethod
    def setUpClass(cls):
        cls.secrets({"eap": "Switch!Pass1", "mps": "Call!Home1", "psk": "some wireless key"}, root="root.pem")
        cls.SITE = {"devices": cls.DEVICES, "seed": 11, "profile": harness.legacy_profile(),
                    "profiles": {"net": NET.format(dir=cls.dir), "moved": MOVED.format(dir=cls.dir), "turned": TURNED.format(dir=cls.dir)}}
        super().setUpClass()

    def roots(self, device):
        """The trusted roots that the device lists, base64."""
        name = SCHEMA["AMT"] + "AMT_PublicKeyCertificate"
        context = next(e.text for e in device.wsman(request(ENUMERATION + "Enumerate", name, f'<Enumerate xmlns="{ENUMERATION[:-1]}"/>')).iter()
                       if foreign.local(e) == "EnumerationContext")
        pulled = device.wsman(request(ENUMERATION + "Pull", name, f'<Pull xmlns="{ENUMERATION[:-1]}"><EnumerationContext>{context}</EnumerationContext>'
                                                                  "<MaxElements>99</MaxElements></Pull>"))
        items = [{foreign.local(c): c.text for c in e} for e in pulled.iter() if foreign.local(e) == "AMT_PublicKeyCertificate"]
        return [i["X509Certificate"] for i in items if i.get("TrustedRootCertficate") == "true"]

    def wanted(self, release):
        old = int(re.match(r"amt(\d+)", release)[1]) < 8
        share = {"AMT_WiFiPortConfigurationService.UEFIWiFiProfileShareEnabled": "false"} if release.startswith("amt16std") else {}
        return {**WANT, **share, **(WIRED_OLD if old else WIRED)}

    def test_network(self):
        sim = self.site.start_sim("--mix", ",".join(f"{name}=1" for name in ALL))
        self.wait_settled(self.DEVICES, 300)
        self.assertEqual(self.dead(), [])
        # Two of each: every other device is a notebook, and only those have wireless.
        devices = {f"{name}/{i}": d for name, found in foreign.devices_of(sim, None).items() for i, d in enumerate(found[:2])}
        self.assertEqual({n.split("/")[0] for n in devices}, set(ALL), "the seed leaves a generation out")
        uuids = [d.uuid for d in devices.values()]
        # Somebody else's root, which must outlive all of ours.
        self.make_root("foreign.pem")
        for device in devices.values():
            self.values(device, self.records()[device.uuid]["admin_password"], [])
            device.wsman(request(SCHEMA["AMT"] + KEYS + "/AddTrustedRootCertificate", SCHEMA["AMT"] + KEYS, ADD_ROOT.format(der(self.dir / "foreign.pem"))))
        position = self.writes(sim, 0)[1]
        self.open_jobs("check", uuids, "profile=net")
        said = self.records()
        self.open_jobs("maintain", uuids, "profile=net")
        writes, position = self.writes(sim, position)
        # What is written through another class.
        by = {"AMT_PublicKeyCertificate": "AMT_PublicKeyManagementService", "AMT_ManagementPresenceRemoteSAP": "AMT_RemoteAccessService",
              "AMT_RemoteAccessPolicyRule": "AMT_RemoteAccessService"}
        classes = {u: {by.get(line.split("\t")[0], line.split("\t")[0]) for line in said[u]["differences"].splitlines() if "not applicable" not in line} for u in uuids}
        written = {(u, "CIM_WiFiEndpointSettings" if call in ("AddWiFiSettings", UPDATE) else c) for u, c, call in writes}
        # 802.1x and remote access want a certificate for clients, too: all are renewed.
        self.assertEqual(written, {(u, c) for u in uuids for c in classes[u] | RENEWAL}, "what the dry run said, and no more")
        records = self.records()
        for name, device in devices.items():
            self.assert_values({name: device}, records, self.wanted(name))
            version = (11, 0) if name.startswith("amt11early") else (int(re.match(r"amt(\d+)", name)[1]), 99)
            told = "AMT_RemoteAccessPolicyAppliesToMPS\tMpsType\t\tnot applicable: from AMT 11.6 on" in records[device.uuid]["differences"]
            self.assertEqual(told, 4 <= version[0] and version < (11, 6), name)
        self.open_jobs("maintain", uuids)
        writes, position = self.writes(sim, position)
        self.assertEqual(writes, [], "nothing differs: the password of 802.1x is not sent twice")
        for uuid in uuids:
            self.assertNotIn("Switch!Pass1", self.records()[uuid]["differences"])
        # Another key in the air: only its two profiles are written, on the devices that have wireless.
        (self.dir / "psk").write_text("another wireless key")
        self.open_jobs("maintain", uuids)
        writes, position = self.writes(sim, position)
        mobile = [u for u in uuids if "CIM_WiFiPort\t\t\t" not in records[u]["differences"]]
        self.assertTrue(mobile)
        self.assertEqual(writes, sorted([(u, AIR, UPDATE) for u in mobile] * 2))
        # Another password of one server: it goes and comes again, and so do the policies that name it.
        (self.dir / "mps").write_text("Call!Home2")
        self.open_jobs("maintain", uuids)
        writes, position = self.writes(sim, position)
        calls = [("AMT_ManagementPresenceRemoteSAP", "Delete"), ("AMT_RemoteAccessService", "AddMpServer")] + [
            ("AMT_RemoteAccessPolicyRule", "Delete"), ("AMT_RemoteAccessService", "AddRemoteAccessPolicyRule")] * 3
        self.assertEqual(writes, sorted((u, *c) for u in uuids for c in calls))
        # The same servers in another order: older releases call both from outside, one after the other.
        self.open_jobs("maintain", uuids, "profile=turned")
        writes, position = self.writes(sim, position)
        turned = [d.uuid for name, d in devices.items() if int(re.match(r"amt(\d+)", name)[1]) < 11]
        self.assertEqual(writes, sorted((u, *c) for u in turned for c in calls[2:4]))
        self.open_jobs("maintain", uuids, "profile=net")
        position = self.writes(sim, position)[1]
        # Another password of the switch: only that object is written.
        (self.dir / "eap").write_text("Switch!Pass2")
        self.open_jobs("maintain", uuids)
        writes, position = self.writes(sim, position)
        self.assertEqual({c for _, c, _ in writes}, {"IPS_IEEE8021xSettings", "AMT_8021XProfile", AIR})
        self.assertEqual(len(writes), len(uuids) + len(mobile), "the wire, and the one in the air with this password")
        # Another network, and a name of the server that is not wanted any more, are no change in place: those two go and come again.
        self.open_jobs("maintain", uuids, "profile=moved")
        writes, position = self.writes(sim, position)
        self.assertEqual(writes, sorted((u, *c) for u in mobile for c in [("CIM_WiFiEndpointSettings", "Delete"), (AIR, "AddWiFiSettings")] * 2))
        for device in (d for d in devices.values() if d.uuid in mobile):
            name = "CIM_IEEE8021xSettings@corp.ServerCertificateName"
            self.assertEqual(self.values(device, self.records()[device.uuid]["admin_password"], [name]), {name: None})
        # Another root in the same file: what referred to the old one refers to it.
        self.make_root("root.pem")
        self.open_jobs("maintain", uuids, "profile=moved")
        writes, position = self.writes(sim, position)
        self.assertEqual([w for w in writes if w[1] == AIR], sorted([(u, AIR, UPDATE) for u in mobile] * 2), "both that log in")
        self.assertEqual({u for u, c, _ in writes if c in ("IPS_IEEE8021xSettings", "AMT_8021XProfile")}, set(uuids))
        # The old one is ours and of no use: it goes. A device does not delete what is still referred to, so nothing does.
        self.assertEqual([w for w in writes if w[1] == "AMT_PublicKeyCertificate"], sorted((u, "AMT_PublicKeyCertificate", "Delete") for u in uuids))
        self.open_jobs("maintain", uuids, "profile=moved")
        writes, position = self.writes(sim, position)
        self.assertEqual(writes, [])
        for device in devices.values():
            self.values(device, self.records()[device.uuid]["admin_password"], [])
            self.assertIn(der(self.dir / "foreign.pem"), self.roots(device))
            self.assertIn(der(self.dir / "root.pem"), self.roots(device))
            self.assertEqual(len(self.roots(device)), 2)


if __name__ == "__main__":
    harness.main()
