/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the keys of a profile. See profile_fields.h. */
#include "common/conf/profile_fields.h"

#include "common/conf/yaml.h"

#define R AMT_RELEASE
/* One line per key, in columns: the formatter would make three of each. */
/* clang-format off */
#define ANY(path, object, text)                        {{path, 0, 0}, 0, 0, object, text}
#define NUM(path, min, max, object, text)              {{path, min, max}, 0, 0, object, text}
#define NEW(path, since, object, text)                 {{path, 0, 0}, since, 0, object, text}
#define NEWNUM(path, min, max, since, object, text)    {{path, min, max}, since, 0, object, text}
#define OLD(path, before, object, text)                {{path, 0, 0}, 0, before, object, text}
#define OLDNUM(path, min, max, before, object, text)   {{path, min, max}, 0, before, object, text}

#define PASSWORD(path, object) \
	ANY(path ".source", object, "random: a new one per device; derived: from a master; fixed: one for all devices; none: leave it (not for admin_password)"), \
	ANY(path ".master", "", "derived: version of the master, a file in keys.masters_dir without .key"), \
	ANY(path ".fixed_file", "", "fixed: file with the password, mode 0600"), \
	ANY(path ".allow_fixed", "", "fixed: one password for all devices is meant")

#define IEEE8021X(path, since, class) \
	NEW(path ".protocol", since, class ".AuthenticationProtocol", "the EAP method: tls, ttls-mschapv2, peap-mschapv2, peap-gtc, fast-mschapv2, fast-gtc, fast-tls"), \
	NEW(path ".username", since, class ".Username", "login name; empty: the FQDN of the device"), \
	NEW(path ".password_file", since, class ".Password", "file with the password, mode 0600"), \
	NEW(path ".roaming_identity", since, class ".RoamingIdentity", "true: the outer identity is anonymous"), \
	NEW(path ".server_name", since, class ".ServerCertificateName", "name in the certificate of the RADIUS server"), \
	NEW(path ".server_match", since, class ".ServerCertificateNameComparison", "how that name is compared: none, full, suffix"), \
	NEW(path ".root_file", since, class ".ServerCertificateIssuer", "PEM of the root that the server's certificate ends at")

const struct profile_field profile_fields[] = {
	ANY("name", "", "name of the profile; equals the name of the file without .yaml"),
	ANY("extends", "", "profile of the same directory that this one starts from; a list replaces its list"),
	ANY("control_mode", "IPS_HostBasedSetupService.CurrentControlMode", "admin: full control without asking the user"),
	PASSWORD("admin_password", "AMT_AuthorizationService.SetAdminAclEntryEx()"),
	PASSWORD("mebx_password", "AMT_SetupAndConfigurationService.SetMEBxPassword()"),
	ANY("otp", "AMT_SetupAndConfigurationService.GetProvisioningOTP", "true: the device must show the one-time password of table or hook"),
	NEW("names.fqdn", R(6, 0), "AMT_GeneralSettings.SharedFQDN", "shared: the name of the host; dedicated: a name of its own"),
	NEW("names.ddns", R(6, 0), "AMT_GeneralSettings.DDNSUpdateEnabled", "whether the device itself registers its name in DNS"),
	NEWNUM("names.ddns_interval_min", 0, 65535, R(6, 0), "AMT_GeneralSettings.DDNSPeriodicUpdateInterval", "minutes between two registrations, from 20 up; 0: as the device has it"),
	NEWNUM("names.ddns_ttl_s", 0, 86400, R(6, 0), "AMT_GeneralSettings.DDNSTTL", "life of the DNS record in seconds; 0: as the device has it"),
	ANY("network.address", "AMT_EthernetPortSettings.DHCPEnabled", "keep, dhcp, static (the address that it has now becomes its own), host (static, follows the host)"),
	ANY("network.subnet_mask", "AMT_EthernetPortSettings.SubnetMask", "static: the mask"),
	ANY("network.gateway", "AMT_EthernetPortSettings.DefaultGateway", "static: the router"),
	ANY("network.dns", "AMT_EthernetPortSettings.PrimaryDNS", "static: up to two name servers"),
	OLDNUM("network.vlan", 0, 4094, R(6, 0), "AMT_EthernetPortSettings.VLANTag", "VLAN of the management traffic, where the firmware shows it; 0: as the device has it"),
	NEW("network.ipv6", R(6, 0), "IPS_IPv6PortSettings.InterfaceIDType", "how its IPv6 address ends: keep, random, mac"),
	ANY("tls.legacy", "", "true: TLS 1.0, SHA-1 and PSK setup may be tried; for devices before 2015"),
	ANY("tls.tls13", "", "true: TLS 1.3 may be tried after configuration; AMT 21 offers it"),
	ANY("tls.psk_dashes", "", "true: PID and PPS with their dashes in TLS"),
	ANY("tls.setup_trust", "", "certificate of the device in setup: any, odca (verified on-die chain), pinned"),
	ANY("tls.issue", "AMT_PublicKeyManagementService.GenerateKeyPair()", "direct: the authority gets the public key; pkcs10: a signed request, from AMT 6.0 on"),
	NUM("tls.validity_days", 1, 3650, "AMT_PublicKeyManagementService.AddCertificate()", "life of the device's certificate"),
	NUM("tls.key_bits", 1024, 3072, "AMT_PublicKeyManagementService.GenerateKeyPair()", "1024 only before AMT 6.0, 2048, 3072 from AMT 16.0 on"),
	NUM("tls.renew_before_days", 0, 3649, "", "renew so many days before the end; 0: upkeep.renew_before_days of the site"),
	ANY("tls.short_name", "AMT_PublicKeyManagementService.AddCertificate()", "true: the certificate carries the host name beside the FQDN"),
	OLD("tls.clear_ports", R(16, 1), "AMT_TLSSettingData.AcceptNonSecureConnections", "true: port 16992 stays open beside 16993"),
	ANY("tls.mutual", "AMT_TLSSettingData.MutualAuthentication", "true: consoles must show a certificate of a trusted root"),
	ANY("tls.trusted_roots", "AMT_PublicKeyManagementService.AddTrustedRootCertificate()", "PEM files of roots that the device trusts, one certificate each"),
	ANY("tls.trusted_cns", "AMT_TLSSettingData.TrustedCN", "mutual: name suffixes that a console's certificate may have; none: any"),
	ANY("acl.admin", "AMT_AuthorizationService.SetAclEnabledState()", "on: the account admin can log in; off is refused, for Muster itself logs in as admin"),
	ANY("acl.others", "AMT_AuthorizationService.RemoveUserAclEntry()", "users that are not listed: remove or keep"),
	ANY("acl.users[].name", "AMT_AuthorizationService.DigestUsername", "digest user, up to 16 bytes; seven of them"),
	ANY("acl.users[].sid", "AMT_AuthorizationService.KerberosUserSid", "user or group of the directory, S-1-5-21-...; 32 of them"),
	ANY("acl.users[].role", "AMT_AuthorizationService.Realms", "a preset of realms: administrator, help_desk, remote_power, inventory, auditor"),
	ANY("acl.users[].realms", "AMT_AuthorizationService.Realms", "realms by name, added to those of the role"),
	ANY("acl.users[].access", "AMT_AuthorizationService.AccessPermission", "where from: local, network, both"),
	ANY("acl.users[].enabled", "AMT_AuthorizationService.SetAclEnabledState()", "false: the entry is there and cannot log in"),
	PASSWORD("acl.users[].password", "AMT_AuthorizationService.DigestPassword"),
	ANY("kerberos.state", "AMT_KerberosSettingData.KrbEnabled", "whether tickets of the directory are taken"),
	ANY("kerberos.realm", "AMT_KerberosSettingData.RealmName", "DNS name of the domain; empty: the domain of the device's name"),
	NUM("kerberos.clock_tolerance_min", 1, 5, "AMT_KerberosSettingData.MaximumClockTolerance", "minutes that clocks may differ"),
	NEW("kerberos.encryption", R(8, 0), "AMT_KerberosSettingData.Passphrase", "aes: from AMT 8.0 on, older get RC4; rc4: for domains that know no other"),
	OLD("kerberos.spn_classes", R(6, 0), "AMT_KerberosSettingData.ServicePrincipalName", "service classes besides HTTP"),
	ANY("features.sol", "AMT_RedirectionService.EnabledState", "serial over LAN"),
	ANY("features.ider", "AMT_RedirectionService.EnabledState", "boot from a remote image"),
	NEW("features.kvm", R(6, 0), "CIM_KVMRedirectionSAP.EnabledState", "remote desktop"),
	ANY("features.web_ui", "AMT_WebUIService.EnabledState", "the web page of the device"),
	ANY("features.ping", "AMT_GeneralSettings.PingResponseEnabled", "answer ICMP echo while the system sleeps"),
	NEW("features.rmcp_ping", R(5, 1), "AMT_GeneralSettings.RmcpPingResponseEnabled", "answer RMCP presence pings"),
	NEW("kvm.port_5900", R(6, 0), "IPS_KVMRedirectionSettingData.Is5900PortEnabled", "port for viewers that speak RFB only; clear text"),
	NEW("kvm.rfb_password.source", R(6, 0), "IPS_KVMRedirectionSettingData.RFBPassword", "as of admin_password; exactly 8 characters; none: leave it"),
	ANY("kvm.rfb_password.master", "", "derived: version of the master"),
	ANY("kvm.rfb_password.fixed_file", "", "fixed: file with the password, mode 0600"),
	ANY("kvm.rfb_password.allow_fixed", "", "fixed: one password for all devices is meant"),
	NEWNUM("kvm.default_screen", 0, 2, R(6, 0), "IPS_KVMRedirectionSettingData.DefaultScreen", "screen that a remote desktop begins with"),
	NEW("user_consent", R(6, 0), "IPS_OptInService.OptInRequired", "who is asked: none, kvm, all"),
	NUM("timeouts.idle_wake_min", 0, 65535, "AMT_GeneralSettings.IdleWakeTimeout", "management sleeps after so many minutes without work while the system sleeps; 0: as the device has it"),
	NEWNUM("timeouts.kvm_session_min", 0, 255, R(6, 0), "IPS_KVMRedirectionSettingData.SessionTimeout", "a remote desktop ends after so many minutes without traffic; 0: as the device has it"),
	NEWNUM("timeouts.consent_code_s", 0, 65535, R(7, 0), "IPS_OptInService.OptInCodeTimeout", "how long a consent code can be entered; 0: as the device has it"),
	NEWNUM("timeouts.consent_display_s", 0, 65535, R(7, 0), "IPS_OptInService.OptInDisplayTimeout", "how long it is on the screen; 0: as the device has it"),
	ANY("power", "AMT_SystemPowerScheme.SetPowerScheme()", "s0: manageable while the system runs; always: asleep, too"),
	ANY("wireless.state", "CIM_WiFiPort.RequestStateChange()", "keep, off, s0, always (asleep on mains, too)"),
	NEW("wireless.sync", R(6, 0), "AMT_WiFiPortConfigurationService.localProfileSynchronizationEnabled", "take over profiles of the host: keep, off, user, all"),
	NEW("wireless.uefi_share", R(16, 0), "AMT_WiFiPortConfigurationService.UEFIWiFiProfileShareEnabled", "share profiles with the firmware of the system"),
	ANY("wireless.others", "CIM_WiFiEndpointSettings.Delete", "administrator's profiles that are not listed: remove or keep"),
	ANY("wireless.profiles[].name", "CIM_WiFiEndpointSettings.ElementName", "name of the entry, up to 32 bytes"),
	ANY("wireless.profiles[].ssid", "CIM_WiFiEndpointSettings.SSID", "name of the network, up to 32 bytes"),
	ANY("wireless.profiles[].security", "CIM_WiFiEndpointSettings.AuthenticationMethod", "wpa-psk, wpa-8021x, wpa2-psk, wpa2-8021x, wpa3-sae, owe"),
	ANY("wireless.profiles[].encryption", "CIM_WiFiEndpointSettings.EncryptionMethod", "ccmp, tkip, gcmp256"),
	NUM("wireless.profiles[].priority", 1, 255, "CIM_WiFiEndpointSettings.Priority", "1 is tried first; each once"),
	ANY("wireless.profiles[].psk_file", "CIM_WiFiEndpointSettings.PSKPassPhrase", "file with the key, 8 to 63 characters, mode 0600"),
	IEEE8021X("wireless.profiles[].ieee8021x", 0, "CIM_IEEE8021xSettings"),
	ANY("wired.state", "IPS_IEEE8021xSettings.Enabled", "802.1x on the wire: keep, off, on"),
	ANY("wired.in_s0", "IPS_IEEE8021xSettings.AvailableInS0", "true: also while the system runs"),
	NUM("wired.pxe_timeout_s", 0, 86400, "IPS_IEEE8021xSettings.PxeTimeout", "how long the port stays open for a boot from the network; 0: as the device has it"),
	IEEE8021X("wired.ieee8021x", 0, "IPS_IEEE8021xSettings"),
	NEW("remote_access.state", R(4, 0), "AMT_RemoteAccessService", "off: servers, policies and home domains are removed; on: those listed"),
	NEW("remote_access.user_interface", R(4, 0), "AMT_UserInitiatedConnectionService.EnabledState", "where a user may ask for help: keep, none, bios, os, both"),
	NEW("remote_access.servers[].address", R(4, 0), "AMT_RemoteAccessService.AccessInfo", "management presence server: IPv4, IPv6 or FQDN"),
	NEWNUM("remote_access.servers[].port", 1, 65535, R(4, 0), "AMT_RemoteAccessService.Port", "its port"),
	NEW("remote_access.servers[].auth", R(4, 0), "AMT_RemoteAccessService.AuthMethod", "password or certificate"),
	NEW("remote_access.servers[].username", R(4, 0), "AMT_RemoteAccessService.Username", "password: login name, up to 16 bytes; empty: the first 16 digits of the UUID"),
	NEW("remote_access.servers[].password_file", R(4, 0), "AMT_RemoteAccessService.Password", "password: file with it, mode 0600"),
	NEW("remote_access.servers[].cn", R(4, 0), "AMT_RemoteAccessService.CN", "name in the server's certificate; needed with an IP address"),
	NEW("remote_access.servers[].root_file", R(4, 0), "AMT_PublicKeyManagementService.AddTrustedRootCertificate()", "PEM of the root that the server's certificate ends at"),
	NEW("remote_access.servers[].place", R(11, 6), "AMT_RemoteAccessPolicyAppliesToMPS.MpsType", "where the device uses it: outside or inside of home_domains"),
	NEW("remote_access.policies[].trigger", R(4, 0), "AMT_RemoteAccessPolicyRule.Trigger", "user (fast call), alert, periodic; each once"),
	NEWNUM("remote_access.policies[].tunnel_lifetime_s", 0, 4294967295u, R(4, 0), "AMT_RemoteAccessPolicyRule.TunnelLifeTime", "a tunnel without traffic ends after so long; 0: never"),
	NEWNUM("remote_access.policies[].interval_s", 0, 4294967295u, R(4, 0), "AMT_RemoteAccessPolicyRule.ExtendedData", "periodic: seconds between two calls"),
	NEW("remote_access.policies[].daily_at", R(4, 0), "AMT_RemoteAccessPolicyRule.ExtendedData", "periodic: once a day at HH:MM (UTC)"),
	NEW("remote_access.policies[].servers", R(4, 0), "AMT_RemoteAccessPolicyAppliesToMPS", "addresses of one or two entries of servers, in the order of trying"),
	NEW("remote_access.home_domains", R(4, 0), "AMT_EnvironmentDetectionSettingData.DetectionStrings", "DNS suffixes of the inside; a device that sees another one calls"),
	NUM("time.max_drift_s", 1, 300, "AMT_TimeSynchronizationService.SetHighAccuracyTimeSynch()", "a clock that is off by more is set"),
	ANY("tags", "", "words for selectors: muster plan tag=..."),
	ANY("rehello", "", "a configured device that says Hello again: approve (waits) or auto"),
	{{0}, 0, 0, 0, 0},
};
/* clang-format on */

const struct profile_field *profile_field_find(const char *path)
{
	for (const struct profile_field *f = profile_fields; f->range.path; f++) {
		if (yaml_path_fits(f->range.path, path))
			return f;
	}
	return NULL;
}
