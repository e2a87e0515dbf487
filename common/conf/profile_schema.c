/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that a profile is read with, and its defaults. See profile.h, profile_fields.h. */
#include "common/conf/profile_schema.h"

#include <stdio.h>

#include "common/conf/profile_fields.h"
#include "common/conf/schema.h"

#define WORDS(name) static const cyaml_strval_t name[]
WORDS(control_words) = {{"admin", PROFILE_CONTROL_ADMIN}};
WORDS(source_words) = {
	{"random", PROFILE_PASSWORD_RANDOM},
	{"derived", PROFILE_PASSWORD_DERIVED},
	{"fixed", PROFILE_PASSWORD_FIXED},
	{"none", PROFILE_PASSWORD_NONE},
};
WORDS(issue_words) = {{"direct", PROFILE_ISSUE_DIRECT}, {"pkcs10", PROFILE_ISSUE_PKCS10}};
WORDS(consent_words) = {
	{"none", PROFILE_CONSENT_NONE},
	{"kvm", PROFILE_CONSENT_KVM},
	{"all", PROFILE_CONSENT_ALL},
};
WORDS(trust_words) = {
	{"any", PROFILE_TRUST_ANY},
	{"odca", PROFILE_TRUST_ODCA},
	{"pinned", PROFILE_TRUST_PINNED},
};
WORDS(power_words) = {{"s0", PROFILE_POWER_S0}, {"always", PROFILE_POWER_ALWAYS}};
WORDS(rehello_words) = {{"approve", PROFILE_REHELLO_APPROVE}, {"auto", PROFILE_REHELLO_AUTO}};
WORDS(switch_words) = {{"keep", PROFILE_KEEP}, {"off", PROFILE_OFF}, {"on", PROFILE_ON}};
WORDS(fqdn_words) = {{"shared", PROFILE_FQDN_SHARED}, {"dedicated", PROFILE_FQDN_DEDICATED}};
WORDS(address_words) = {
	{"keep", PROFILE_ADDRESS_KEEP},
	{"dhcp", PROFILE_ADDRESS_DHCP},
	{"static", PROFILE_ADDRESS_STATIC},
	{"host", PROFILE_ADDRESS_HOST},
};
WORDS(ipv6_words) = {
	{"keep", PROFILE_IPV6_KEEP},
	{"random", PROFILE_IPV6_RANDOM},
	{"mac", PROFILE_IPV6_MAC},
};
WORDS(access_words) = {
	{"local", PROFILE_ACCESS_LOCAL},
	{"network", PROFILE_ACCESS_NETWORK},
	{"both", PROFILE_ACCESS_BOTH},
};
WORDS(others_words) = {{"remove", PROFILE_OTHERS_REMOVE}, {"keep", PROFILE_OTHERS_KEEP}};
WORDS(role_words) = {
	{"none", PROFILE_ROLE_NONE},
	{"administrator", PROFILE_ROLE_ADMINISTRATOR},
	{"help_desk", PROFILE_ROLE_HELP_DESK},
	{"remote_power", PROFILE_ROLE_REMOTE_POWER},
	{"inventory", PROFILE_ROLE_INVENTORY},
	{"auditor", PROFILE_ROLE_AUDITOR},
};
/* SPEC: wsman.md 7 */
WORDS(realm_words) = {
	{"redirection", PROFILE_REALM_REDIRECTION},
	{"administration", PROFILE_REALM_ADMINISTRATION},
	{"hardware_asset", PROFILE_REALM_HARDWARE_ASSET},
	{"remote_control", PROFILE_REALM_REMOTE_CONTROL},
	{"storage", 6},
	{"event_manager", 7},
	{"storage_admin", 8},
	{"agent_presence_local", 9},
	{"agent_presence_remote", 10},
	{"circuit_breaker", 11},
	{"network_time", 12},
	{"general_info", PROFILE_REALM_GENERAL_INFO},
	{"firmware_update", 14},
	{"eit", 15},
	{"local_un", 16},
	{"endpoint_access_control", 17},
	{"endpoint_access_control_admin", 18},
	{"event_log_reader", PROFILE_REALM_EVENT_LOG_READER},
	{"audit_log", PROFILE_REALM_AUDIT_LOG},
	{"acl", 21},
	{"dt", 23},
	{"local_system", PROFILE_REALM_LAST},
};
WORDS(encryption_words) = {{"aes", PROFILE_ENCRYPTION_AES}, {"rc4", PROFILE_ENCRYPTION_RC4}};
WORDS(wifi_state_words) = {
	{"keep", PROFILE_WIFI_KEEP},
	{"off", PROFILE_WIFI_OFF},
	{"s0", PROFILE_WIFI_S0},
	{"always", PROFILE_WIFI_ALWAYS},
};
WORDS(sync_words) = {
	{"keep", PROFILE_SYNC_KEEP},
	{"off", PROFILE_SYNC_OFF},
	{"user", PROFILE_SYNC_USER},
	{"all", PROFILE_SYNC_ALL},
};
WORDS(security_words) = {
	{"wpa-psk", PROFILE_WIFI_WPA_PSK},
	{"wpa-8021x", PROFILE_WIFI_WPA_8021X},
	{"wpa2-psk", PROFILE_WIFI_WPA2_PSK},
	{"wpa2-8021x", PROFILE_WIFI_WPA2_8021X},
	{"wpa3-sae", PROFILE_WIFI_WPA3_SAE},
	{"owe", PROFILE_WIFI_OWE},
};
WORDS(cipher_words) = {
	{"ccmp", PROFILE_CIPHER_CCMP},
	{"tkip", PROFILE_CIPHER_TKIP},
	{"gcmp256", PROFILE_CIPHER_GCMP256},
};
WORDS(eap_words) = {
	{"tls", PROFILE_EAP_TLS},
	{"ttls-mschapv2", PROFILE_EAP_TTLS_MSCHAPV2},
	{"peap-mschapv2", PROFILE_EAP_PEAP_MSCHAPV2},
	{"peap-gtc", PROFILE_EAP_PEAP_GTC},
	{"fast-mschapv2", PROFILE_EAP_FAST_MSCHAPV2},
	{"fast-gtc", PROFILE_EAP_FAST_GTC},
	{"fast-tls", PROFILE_EAP_FAST_TLS},
};
WORDS(match_words) = {
	{"none", PROFILE_MATCH_NONE},
	{"full", PROFILE_MATCH_FULL},
	{"suffix", PROFILE_MATCH_SUFFIX},
};
WORDS(mps_auth_words) = {
	{"password", PROFILE_MPS_PASSWORD},
	{"certificate", PROFILE_MPS_CERTIFICATE},
};
WORDS(place_words) = {
	{"outside", PROFILE_MPS_OUTSIDE},
	{"inside", PROFILE_MPS_INSIDE},
};
WORDS(trigger_words) = {
	{"user", PROFILE_TRIGGER_USER},
	{"alert", PROFILE_TRIGGER_ALERT},
	{"periodic", PROFILE_TRIGGER_PERIODIC},
};
WORDS(interface_words) = {
	{"keep", PROFILE_INTERFACE_KEEP},
	{"none", PROFILE_INTERFACE_NONE},
	{"bios", PROFILE_INTERFACE_BIOS},
	{"os", PROFILE_INTERFACE_OS},
	{"both", PROFILE_INTERFACE_BOTH},
};

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char[CONF_TEXT_MAX], 0, CONF_TEXT_MAX - 1)};
static const cyaml_schema_value_t path_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char[CONF_PATH_MAX], 0, CONF_PATH_MAX - 1)};
static const cyaml_schema_value_t name_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char[PROFILE_NAME_MAX + 1], 1, PROFILE_NAME_MAX)};
static const cyaml_schema_value_t realm_entry = {CYAML_VALUE_ENUM(
	CYAML_FLAG_STRICT, enum profile_realm, realm_words, CYAML_ARRAY_LEN(realm_words))};

#define ROWS(name) static const cyaml_schema_field_t name[]
#define ENTRY(name, type, rows)                    \
	static const cyaml_schema_value_t name = { \
		CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, type, rows)}

#define T struct profile_password
ROWS(password_rows) = {ROW_ENUM(T, source, source_words), ROW_TEXT(T, master),
	ROW_TEXT(T, fixed_file), ROW_BOOL(T, allow_fixed), CYAML_FIELD_END};
#undef T
#define T struct profile_names
ROWS(names_rows) = {ROW_ENUM(T, fqdn, fqdn_words), ROW_ENUM(T, ddns, switch_words),
	ROW_UINT(T, ddns_interval_min), ROW_UINT(T, ddns_ttl_s), CYAML_FIELD_END};
#undef T
#define T struct profile_network
ROWS(network_rows) = {ROW_ENUM(T, address, address_words), ROW_TEXT(T, subnet_mask),
	ROW_TEXT(T, gateway), ROW_LIST(T, dns, &text_entry), ROW_UINT(T, vlan),
	ROW_ENUM(T, ipv6, ipv6_words), CYAML_FIELD_END};
#undef T
#define T struct profile_tls
ROWS(tls_rows) = {ROW_BOOL(T, legacy), ROW_BOOL(T, tls13), ROW_BOOL(T, psk_dashes),
	ROW_ENUM(T, setup_trust, trust_words), ROW_ENUM(T, issue, issue_words),
	ROW_UINT(T, validity_days), ROW_UINT(T, key_bits), ROW_UINT(T, renew_before_days),
	ROW_BOOL(T, short_name), ROW_BOOL(T, clear_ports), ROW_BOOL(T, mutual),
	ROW_LIST(T, trusted_roots, &path_entry), ROW_LIST(T, trusted_cns, &text_entry),
	CYAML_FIELD_END};
#undef T
#define T struct profile_user
ROWS(user_rows) = {ROW_TEXT(T, name), ROW_TEXT(T, sid), ROW_ENUM(T, role, role_words),
	ROW_LIST(T, realms, &realm_entry), ROW_ENUM(T, access, access_words), ROW_BOOL(T, enabled),
	ROW_SECTION(T, password, password_rows), CYAML_FIELD_END};
#undef T
ENTRY(user_entry, struct profile_user, user_rows);
#define T struct profile_acl
ROWS(acl_rows) = {ROW_ENUM(T, admin, switch_words), ROW_ENUM(T, others, others_words),
	ROW_LIST(T, users, &user_entry), CYAML_FIELD_END};
#undef T
#define T struct profile_kerberos
ROWS(kerberos_rows) = {ROW_ENUM(T, state, switch_words), ROW_TEXT(T, realm),
	ROW_UINT(T, clock_tolerance_min), ROW_ENUM(T, encryption, encryption_words),
	ROW_LIST(T, spn_classes, &name_entry), CYAML_FIELD_END};
#undef T
#define T struct profile_features
ROWS(feature_rows) = {ROW_BOOL(T, sol), ROW_BOOL(T, ider), ROW_BOOL(T, kvm), ROW_BOOL(T, web_ui),
	ROW_BOOL(T, ping), ROW_BOOL(T, rmcp_ping), CYAML_FIELD_END};
#undef T
#define T struct profile_kvm
ROWS(kvm_rows) = {ROW_ENUM(T, port_5900, switch_words), ROW_SECTION(T, rfb_password, password_rows),
	ROW_UINT(T, default_screen), CYAML_FIELD_END};
#undef T
#define T struct profile_timeouts
ROWS(timeout_rows) = {ROW_UINT(T, idle_wake_min), ROW_UINT(T, kvm_session_min),
	ROW_UINT(T, consent_code_s), ROW_UINT(T, consent_display_s), CYAML_FIELD_END};
#undef T
#define T struct profile_8021x
ROWS(ieee8021x_rows) = {ROW_ENUM(T, protocol, eap_words), ROW_TEXT(T, username),
	ROW_TEXT(T, password_file), ROW_BOOL(T, roaming_identity), ROW_TEXT(T, server_name),
	ROW_ENUM(T, server_match, match_words), ROW_TEXT(T, root_file), CYAML_FIELD_END};
#undef T
#define T struct profile_wifi
ROWS(wifi_rows) = {ROW_TEXT(T, name), ROW_TEXT(T, ssid), ROW_ENUM(T, security, security_words),
	ROW_ENUM(T, encryption, cipher_words), ROW_UINT(T, priority), ROW_TEXT(T, psk_file),
	ROW_SECTION(T, ieee8021x, ieee8021x_rows), CYAML_FIELD_END};
#undef T
ENTRY(wifi_entry, struct profile_wifi, wifi_rows);
#define T struct profile_wireless
ROWS(wireless_rows) = {ROW_ENUM(T, state, wifi_state_words), ROW_ENUM(T, sync, sync_words),
	ROW_ENUM(T, uefi_share, switch_words), ROW_ENUM(T, others, others_words),
	ROW_LIST(T, profiles, &wifi_entry), CYAML_FIELD_END};
#undef T
#define T struct profile_wired
ROWS(wired_rows) = {ROW_ENUM(T, state, switch_words), ROW_BOOL(T, in_s0),
	ROW_UINT(T, pxe_timeout_s), ROW_SECTION(T, ieee8021x, ieee8021x_rows), CYAML_FIELD_END};
#undef T
#define T struct profile_mps
ROWS(mps_rows) = {ROW_TEXT(T, address), ROW_UINT(T, port), ROW_ENUM(T, auth, mps_auth_words),
	ROW_TEXT(T, username), ROW_TEXT(T, password_file), ROW_TEXT(T, cn), ROW_TEXT(T, root_file),
	ROW_ENUM(T, place, place_words), CYAML_FIELD_END};
#undef T
ENTRY(mps_entry, struct profile_mps, mps_rows);
#define T struct profile_policy
ROWS(policy_rows) = {ROW_ENUM(T, trigger, trigger_words), ROW_UINT(T, tunnel_lifetime_s),
	ROW_UINT(T, interval_s), ROW_TEXT(T, daily_at), ROW_LIST(T, servers, &text_entry),
	CYAML_FIELD_END};
#undef T
ENTRY(policy_entry, struct profile_policy, policy_rows);
#define T struct profile_remote_access
ROWS(remote_rows) = {ROW_ENUM(T, state, switch_words), ROW_ENUM(T, user_interface, interface_words),
	ROW_LIST(T, servers, &mps_entry), ROW_LIST(T, policies, &policy_entry),
	ROW_LIST(T, home_domains, &text_entry), CYAML_FIELD_END};
#undef T
#define T struct profile_time
ROWS(time_rows) = {ROW_UINT(T, max_drift_s), CYAML_FIELD_END};
#undef T
#define T struct profile
ROWS(profile_rows) = {ROW_TEXT(T, name), ROW_TEXT(T, extends),
	ROW_ENUM(T, control_mode, control_words), ROW_SECTION(T, admin_password, password_rows),
	ROW_SECTION(T, mebx_password, password_rows), ROW_BOOL(T, otp),
	ROW_SECTION(T, names, names_rows), ROW_SECTION(T, network, network_rows),
	ROW_SECTION(T, tls, tls_rows), ROW_SECTION(T, acl, acl_rows),
	ROW_SECTION(T, kerberos, kerberos_rows), ROW_SECTION(T, features, feature_rows),
	ROW_SECTION(T, kvm, kvm_rows), ROW_ENUM(T, user_consent, consent_words),
	ROW_SECTION(T, timeouts, timeout_rows), ROW_ENUM(T, power, power_words),
	ROW_SECTION(T, wireless, wireless_rows), ROW_SECTION(T, wired, wired_rows),
	ROW_SECTION(T, remote_access, remote_rows), ROW_SECTION(T, time, time_rows),
	ROW_LIST(T, tags, &name_entry), ROW_ENUM(T, rehello, rehello_words), CYAML_FIELD_END};
#undef T
static const cyaml_schema_value_t profile_top = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct profile, profile_rows)};

/* ---- defaults --------------------------------------------------------------------------- */

#define MPS_PORT 4433 /* what management presence servers listen on */

static const struct profile_user user_default = {.access = PROFILE_ACCESS_BOTH, .enabled = true};
static const struct profile_mps mps_default = {.port = MPS_PORT};
static const struct profile_wifi wifi_default = {.security = PROFILE_WIFI_WPA2_PSK};
static const struct yaml_entry_defaults entry_defaults[] = {
	{"acl.users", &user_default},
	{"wireless.profiles", &wifi_default},
	{"remote_access.servers", &mps_default},
	{0},
};

const struct yaml_schema profile_schema = {
	&profile_top, &profile_fields[0].range, sizeof profile_fields[0], entry_defaults};

const struct profile profile_none = {
	.mebx_password = {.source = PROFILE_PASSWORD_RANDOM},
	.tls = {.validity_days = 730, .key_bits = 2048},
	.kerberos = {.clock_tolerance_min = 5},
	.features = {.sol = true, .ider = true, .kvm = true, .ping = true, .rmcp_ping = true},
	.kvm = {.rfb_password = {.source = PROFILE_PASSWORD_NONE}},
	.user_consent = PROFILE_CONSENT_KVM,
	.power = PROFILE_POWER_ALWAYS,
	.time = {.max_drift_s = 10},
};

void profile_defaults(struct profile *out, const char *name)
{
	*out = profile_none;
	snprintf(out->name, sizeof out->name, "%s", name);
}
