/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles: what a device shall look like when it is done. One YAML file per profile in
 * worker.profiles_dir; the file name without ".yaml" is the profile's name. A profile is checked
 * when it is loaded; a broken one names file, line, column and key and never reaches a device.
 *
 * Secrets are never in a profile: files name them (mode 0600). A list replaces the list of the
 * profile that is extended. What each key becomes on the device: profile_fields.h.
 *
 * Ownership: struct profile holds no pointers; it is some 60 KB, so sessions share it by
 * profile_hold(). struct profile_set owns its array. Threads: one loop.
 * SPEC: ruling 54; wsman.md 7 (password rule).
 */
#ifndef MUSTER_CONF_PROFILE_H
#define MUSTER_CONF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf/conf.h"

/* Limits of the firmware, one constant each. SPEC: provisioning.md 4; wsman.md 7 */
#define PROFILE_NAME_MAX      64 /* a key id: profiles, master versions, tags, with NUL 65 */
#define PROFILE_DIGEST_MAX    7  /* digest users besides admin */
#define PROFILE_KERBEROS_MAX  32 /* users and groups of the directory */
#define PROFILE_USERS_MAX     (PROFILE_DIGEST_MAX + PROFILE_KERBEROS_MAX)
#define PROFILE_USER_TEXT_MAX 16 /* bytes of a digest user's name */
#define PROFILE_SID_TEXT_MAX  80 /* "S-1-" and five sub-authorities fit */
#define PROFILE_REALMS_MAX    24 /* as many as there are */
#define PROFILE_ROOTS_MAX     4  /* trusted roots that a profile installs */
#define PROFILE_CNS_MAX       4  /* trusted common names of mutual TLS */
#define PROFILE_WIFI_MAX      15 /* administrator's wireless profiles; firmware takes 15 or 16 */
#define PROFILE_SSID_MAX      32 /* bytes; IEEE 802.11 */
#define PROFILE_MPS_MAX       4  /* recorded devices take 4 to 6 */
#define PROFILE_POLICIES_MAX  3  /* user, alert, periodic: one each */
#define PROFILE_POLICY_MPS    2  /* servers of one policy */
#define PROFILE_DOMAINS_MAX   4  /* home domains; some firmware takes 5 */
#define PROFILE_DNS_MAX       2  /* PrimaryDNS, SecondaryDNS */
#define PROFILE_TAGS_MAX      16 /* of one profile: for selectors */
#define PROFILE_SPN_MAX       4  /* ServicePrincipalName[] before 6.0 */
#define PROFILE_EXTENDS_MAX   4  /* generations of profiles: deeper is a loop or a riddle */

enum profile_control_mode { PROFILE_CONTROL_ADMIN };
enum profile_password_source {
	PROFILE_PASSWORD_RANDOM,  /* a new one per device; the default */
	PROFILE_PASSWORD_DERIVED, /* from a versioned master and the UUID (ruling 52) */
	PROFILE_PASSWORD_FIXED,   /* one for all devices; needs allow_fixed */
	PROFILE_PASSWORD_NONE     /* mebx_password, rfb_password: leave as it is */
};
enum profile_issue { PROFILE_ISSUE_DIRECT, PROFILE_ISSUE_PKCS10 };
enum profile_consent { PROFILE_CONSENT_NONE, PROFILE_CONSENT_KVM, PROFILE_CONSENT_ALL };
enum profile_trust {
	PROFILE_TRUST_ANY,    /* accept by hash: recorded, compared with earlier jobs */
	PROFILE_TRUST_ODCA,   /* on-die chain to one of worker.odca_roots */
	PROFILE_TRUST_PINNED, /* the hash that a source of names tells */
};
enum profile_power { PROFILE_POWER_S0, PROFILE_POWER_ALWAYS };
enum profile_rehello { PROFILE_REHELLO_APPROVE, PROFILE_REHELLO_AUTO };
/* What a profile that does not mention it leaves as the device has it. */
enum profile_switch { PROFILE_KEEP, PROFILE_OFF, PROFILE_ON };
enum profile_fqdn { PROFILE_FQDN_SHARED, PROFILE_FQDN_DEDICATED };
enum profile_address {
	PROFILE_ADDRESS_KEEP,
	PROFILE_ADDRESS_DHCP,
	PROFILE_ADDRESS_STATIC, /* the one that it is reached at becomes its own */
	PROFILE_ADDRESS_HOST    /* static, follows the host's */
};
/* How the interface part of its IPv6 address is made. */
enum profile_ipv6 { PROFILE_IPV6_KEEP, PROFILE_IPV6_RANDOM, PROFILE_IPV6_MAC };
enum profile_access { PROFILE_ACCESS_LOCAL, PROFILE_ACCESS_NETWORK, PROFILE_ACCESS_BOTH };
enum profile_others { PROFILE_OTHERS_REMOVE, PROFILE_OTHERS_KEEP };
/* Presets of realms; see profile_user_realms(). */
enum profile_role {
	PROFILE_ROLE_NONE, /* the entry's own realms only */
	PROFILE_ROLE_ADMINISTRATOR,
	PROFILE_ROLE_HELP_DESK,
	PROFILE_ROLE_REMOTE_POWER,
	PROFILE_ROLE_INVENTORY,
	PROFILE_ROLE_AUDITOR
};
/* Values of the wire. SPEC: wsman.md 7 */
enum profile_realm {
	PROFILE_REALM_REDIRECTION = 2,
	PROFILE_REALM_ADMINISTRATION = 3,
	PROFILE_REALM_HARDWARE_ASSET = 4,
	PROFILE_REALM_REMOTE_CONTROL = 5,
	PROFILE_REALM_GENERAL_INFO = 13,
	PROFILE_REALM_EVENT_LOG_READER = 19,
	PROFILE_REALM_AUDIT_LOG = 20,
	PROFILE_REALM_LAST = 24
};
enum profile_encryption { PROFILE_ENCRYPTION_AES, PROFILE_ENCRYPTION_RC4 };
enum profile_wifi_state {
	PROFILE_WIFI_KEEP,
	PROFILE_WIFI_OFF,
	PROFILE_WIFI_S0,
	PROFILE_WIFI_ALWAYS /* S0, and Sx on mains */
};
enum profile_wifi_sync {
	PROFILE_SYNC_KEEP,
	PROFILE_SYNC_OFF,
	PROFILE_SYNC_USER, /* the profiles of the user */
	PROFILE_SYNC_ALL   /* unrestricted */
};
enum profile_wifi_security {
	PROFILE_WIFI_WPA_PSK,
	PROFILE_WIFI_WPA_8021X,
	PROFILE_WIFI_WPA2_PSK,
	PROFILE_WIFI_WPA2_8021X,
	PROFILE_WIFI_WPA3_SAE,
	PROFILE_WIFI_OWE
};
enum profile_wifi_encryption { PROFILE_CIPHER_CCMP, PROFILE_CIPHER_TKIP, PROFILE_CIPHER_GCMP256 };
enum profile_eap {
	PROFILE_EAP_TLS,
	PROFILE_EAP_TTLS_MSCHAPV2,
	PROFILE_EAP_PEAP_MSCHAPV2,
	PROFILE_EAP_PEAP_GTC,
	PROFILE_EAP_FAST_MSCHAPV2,
	PROFILE_EAP_FAST_GTC,
	PROFILE_EAP_FAST_TLS
};
enum profile_server_match { PROFILE_MATCH_NONE, PROFILE_MATCH_FULL, PROFILE_MATCH_SUFFIX };
enum profile_mps_auth { PROFILE_MPS_PASSWORD, PROFILE_MPS_CERTIFICATE };
enum profile_mps_place { PROFILE_MPS_OUTSIDE, PROFILE_MPS_INSIDE };
enum profile_trigger { PROFILE_TRIGGER_USER, PROFILE_TRIGGER_ALERT, PROFILE_TRIGGER_PERIODIC };
enum profile_user_interface {
	PROFILE_INTERFACE_KEEP,
	PROFILE_INTERFACE_NONE,
	PROFILE_INTERFACE_BIOS,
	PROFILE_INTERFACE_OS,
	PROFILE_INTERFACE_BOTH
};

struct profile_password {
	enum profile_password_source source;
	char master[PROFILE_NAME_MAX + 1]; /* derived: version, a file name in keys.masters_dir */
	char fixed_file[CONF_PATH_MAX];    /* fixed: file with the password, mode 0600 */
	bool allow_fixed;                  /* fixed: said on purpose */
};

struct profile_names {
	enum profile_fqdn fqdn; /* SharedFQDN */
	enum profile_switch ddns;
	uint32_t ddns_interval_min, ddns_ttl_s; /* 0 = as the device has it */
};

struct profile_network {
	enum profile_address address;
	char subnet_mask[CONF_TEXT_MAX], gateway[CONF_TEXT_MAX]; /* static */
	char dns[PROFILE_DNS_MAX][CONF_TEXT_MAX];                /* static */
	uint32_t n_dns;
	uint32_t vlan; /* 0 = as the device has it */
	enum profile_ipv6 ipv6;
};

struct profile_tls {
	bool legacy;     /* TLS profiles L, L0, VL, P may be tried (ruling 29) */
	bool tls13;      /* TLS 1.3 may be tried after configuration. SPEC: tls.md 2 */
	bool psk_dashes; /* TLS identity and key with their dashes. SPEC: psk.md 2 */
	enum profile_trust setup_trust; /* of the device's certificate in setup. SPEC: tls.md 6 */
	enum profile_issue issue;       /* public key or PKCS#10 to the authority */
	uint32_t validity_days;
	uint32_t key_bits; /* 2048; 1024 only for devices before 6.0; 3072 for 16.0 and later */
	uint32_t renew_before_days; /* 0 = upkeep.renew_before_days of the site */
	bool short_name;            /* the certificate carries the host name, too */
	bool clear_ports;           /* 16992 stays open beside 16993 */
	bool mutual;                /* consoles must show a certificate */
	char trusted_roots[PROFILE_ROOTS_MAX][CONF_PATH_MAX]; /* PEM, one certificate each */
	uint32_t n_trusted_roots;
	char trusted_cns[PROFILE_CNS_MAX][CONF_TEXT_MAX]; /* FQDN suffixes; none = any */
	uint32_t n_trusted_cns;
};

struct profile_user {
	char name[PROFILE_USER_TEXT_MAX + 1]; /* digest user; or ... */
	char sid[PROFILE_SID_TEXT_MAX + 1];   /* ... user or group of the directory, S-1-... */
	enum profile_role role;
	enum profile_realm realms[PROFILE_REALMS_MAX];
	uint32_t n_realms;
	enum profile_access access;
	bool enabled;
	struct profile_password password; /* digest user */
};

struct profile_acl {
	enum profile_switch admin;  /* the account "admin" can log in */
	enum profile_others others; /* users that the profile does not list */
	struct profile_user users[PROFILE_USERS_MAX];
	uint32_t n_users;
};

struct profile_kerberos {
	enum profile_switch state;
	char realm[CONF_TEXT_MAX]; /* DNS name of the domain; "" = the domain of the name */
	uint32_t clock_tolerance_min;
	enum profile_encryption encryption; /* rc4 only where firmware knows no other */
	char spn_classes[PROFILE_SPN_MAX][PROFILE_NAME_MAX + 1]; /* besides HTTP */
	uint32_t n_spn_classes;
};

struct profile_features {
	bool sol, ider, kvm, web_ui, ping, rmcp_ping;
};

struct profile_kvm {
	enum profile_switch port_5900;        /* for viewers that speak RFB only */
	struct profile_password rfb_password; /* of that port; exactly 8 characters */
	uint32_t default_screen;              /* 0 to 2, with the port's own settings */
};

/* 0 = as the device has it. */
struct profile_timeouts {
	uint32_t idle_wake_min;     /* the management engine sleeps after so long in Sx */
	uint32_t kvm_session_min;   /* a remote desktop without traffic ends */
	uint32_t consent_code_s;    /* a consent code that nobody enters is void */
	uint32_t consent_display_s; /* ... and leaves the screen */
};

/* Who the device says it is to a switch or an access point. */
struct profile_8021x {
	enum profile_eap protocol;
	char username[CONF_TEXT_MAX]; /* "" = HOST$@DOMAIN of the device's name */
	char password_file[CONF_PATH_MAX];
	bool roaming_identity;
	char server_name[CONF_TEXT_MAX]; /* in the certificate of the RADIUS server */
	enum profile_server_match server_match;
	char root_file[CONF_PATH_MAX]; /* PEM: what that certificate ends at */
};

struct profile_wifi {
	char name[PROFILE_SSID_MAX + 1]; /* of the entry, ElementName */
	char ssid[PROFILE_SSID_MAX + 1];
	enum profile_wifi_security security;
	enum profile_wifi_encryption encryption;
	uint32_t priority;            /* from 1 up, unique */
	char psk_file[CONF_PATH_MAX]; /* 8 to 63 characters, mode 0600 */
	struct profile_8021x ieee8021x;
};

struct profile_wireless {
	enum profile_wifi_state state;
	enum profile_wifi_sync sync;
	enum profile_switch uefi_share;
	enum profile_others others; /* administrator's profiles that are not listed */
	struct profile_wifi profiles[PROFILE_WIFI_MAX];
	uint32_t n_profiles;
};

struct profile_wired {
	enum profile_switch state;
	bool in_s0;             /* also while the system runs */
	uint32_t pxe_timeout_s; /* 0 = as the device has it */
	struct profile_8021x ieee8021x;
};

struct profile_mps {
	char address[CONF_TEXT_MAX]; /* IPv4, IPv6 or FQDN */
	uint32_t port;
	enum profile_mps_auth auth;
	char username[CONF_TEXT_MAX]; /* "" = the device's UUID, lower-case hex without dashes */
	char password_file[CONF_PATH_MAX];
	char cn[CONF_TEXT_MAX];        /* in its certificate; needed with an IP address */
	char root_file[CONF_PATH_MAX]; /* PEM: what its certificate ends at */
	enum profile_mps_place place;
};

struct profile_policy {
	enum profile_trigger trigger;
	uint32_t tunnel_lifetime_s;                      /* 0 = until closed */
	uint32_t interval_s;                             /* periodic: every so often; or ... */
	char daily_at[sizeof "HH:MM"];                   /* ... once a day */
	char servers[PROFILE_POLICY_MPS][CONF_TEXT_MAX]; /* addresses of entries of servers */
	uint32_t n_servers;
};

struct profile_remote_access {
	enum profile_switch state; /* off: servers, policies and home domains are removed */
	enum profile_user_interface user_interface; /* who may start a fast call */
	struct profile_mps servers[PROFILE_MPS_MAX];
	uint32_t n_servers;
	struct profile_policy policies[PROFILE_POLICIES_MAX];
	uint32_t n_policies;
	char home_domains[PROFILE_DOMAINS_MAX][CONF_TEXT_MAX]; /* environment detection */
	uint32_t n_home_domains;
};

struct profile_time {
	uint32_t max_drift_s; /* more is set right */
};

struct profile {
	unsigned refs; /* profile_hold(); 0 = not counted: a constant, or on the stack */
	char name[CONF_TEXT_MAX];
	char extends[CONF_TEXT_MAX]; /* profile of the same directory that this one starts from */
	enum profile_control_mode control_mode;
	struct profile_password admin_password, mebx_password;
	bool otp; /* compare the one-time password of the device */
	struct profile_names names;
	struct profile_network network;
	struct profile_tls tls;
	struct profile_acl acl;
	struct profile_kerberos kerberos;
	struct profile_features features;
	struct profile_kvm kvm;
	enum profile_consent user_consent;
	struct profile_timeouts timeouts;
	enum profile_power power;
	struct profile_wireless wireless;
	struct profile_wired wired;
	struct profile_remote_access remote_access;
	struct profile_time time;
	char tags[PROFILE_TAGS_MAX][PROFILE_NAME_MAX + 1];
	uint32_t n_tags;
	enum profile_rehello rehello;
};

/* A profile that says nothing: of a session that does not know its own yet. */
extern const struct profile profile_none;

struct profile_set {
	struct profile **items; /* by name, ascending; each held once */
	size_t n;
};

/** The defaults with this name; as a file that holds only the key "name" would give. */
void profile_defaults(struct profile *out, const char *name);

/**
 * Load and check one file.
 *
 * @param masters_dir keys.masters_dir: master versions must exist there; fixed passwords are read
 *        and held against the rule of Intel AMT. NULL = do not look at files with secrets
 * @return 0; E_CONFIG "FILE:LINE:COLUMN: key: what is wrong, what to do"; -errno
 */
int profile_load_file(
	struct profile *out, const char *path, const char *masters_dir, struct error *err);

/** Like profile_load_file() for the profile of this name in dir. A name with "/" is refused.
 * @return also -ENOENT, with the path in the text */
int profile_load(struct profile *out, const char *dir, const char *name, const char *masters_dir,
	struct error *err);

/** Every *.yaml of dir, checked; the first bad one fails the whole set (out stays empty).
 * Free with profile_set_free(). */
int profile_set_load(
	struct profile_set *out, const char *dir, const char *masters_dir, struct error *err);

/** The profile of that name or NULL. Valid until profile_set_free(). */
const struct profile *profile_set_find(const struct profile_set *set, const char *name);

void profile_set_free(struct profile_set *set);

/** Share a profile. @return p; give it back with profile_drop() */
const struct profile *profile_hold(const struct profile *p);

/** Give back what profile_hold() gave; NULL does nothing. */
void profile_drop(const struct profile *p);

/** Whether the device logs in somewhere with its certificate: 802.1x, remote access. */
bool profile_wants_client_auth(const struct profile *p);

/** The realms of a user: of its role and its own. @return bit n = realm n */
uint32_t profile_user_realms(const struct profile_user *user);

/** Append the profile as YAML that loads again. @return 0; -ENOMEM; the error of buf_add() */
int profile_print(const struct profile *p, struct buf *out, struct error *err);

#endif
