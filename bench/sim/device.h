/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated device: its identity, what is stored in its flash, what is staged until
 * CommitChanges, and the evidence that the ledger needs. No sockets here.
 * Ownership: a device owns its keys (those not of the pool) and certificates; personality, pool
 * and ledger belong to the estate. Threads: the loop's thread only.
 * SPEC: provisioning.md 3, 4, 7; wsman.md 6
 */
#ifndef MUSTER_SIM_DEVICE_H
#define MUSTER_SIM_DEVICE_H

#include "bench/sim/fault.h"
#include "bench/sim/keypool.h"
#include "bench/sim/laws.h"
#include "bench/sim/ledger.h"
#include "bench/sim/parts.h"
#include "bench/sim/personality.h"
#include "bench/sim/psk.h"
#include "bench/sim/rng.h"
#include "common/base/uuid.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#define DEVICE_KEYS_MAX  8  /* slots for key pairs; then MAX_LIMIT_REACHED */
#define DEVICE_CERTS_MAX 12 /* slots for certificates */
#define DEVICE_FQDN_MAX  256
#define DEVICE_REALM_MAX 40     /* "Digest:" and 32 hex digits */
#define DEVICE_ENUMS_MAX 4      /* open enumerations; the oldest is forgotten */
#define DEVICE_NONCES    4      /* nonces that are still good */
#define DEVICE_FLASH_MAX 100000 /* writes; then FLASH_WRITE_LIMIT_EXCEEDED */

enum dev_state { DEV_PRE = 0, DEV_IN = 1, DEV_POST = 2 };

/* CIM_AssociatedPowerManagementService.PowerState */
enum power_state { POWER_ON = 2, POWER_SLEEP = 4, POWER_HIBERNATE = 7, POWER_OFF = 8 };

struct dev_key {
	int handle; /* -1: free slot */
	EVP_PKEY *pkey;
	const uint8_t *der; /* PKCS#1 RSAPublicKey */
	size_t der_len;
	bool owned; /* came by AddKey, not from the pool */
};

struct dev_cert {
	int handle; /* -1: free slot */
	X509 *x509;
	uint8_t *der;
	size_t der_len;
	bool trusted;  /* AddTrustedRootCertificate */
	bool readonly; /* the default certificate */
};

enum { TLS_REMOTE, TLS_LOCAL, TLS_N };

/* One AMT_TLSSettingData. */
struct tls_setting {
	bool enabled, mutual, nonsecure;
};

struct tls_conf {
	struct tls_setting setting[TLS_N];
	int cert; /* handle bound by AMT_TLSCredentialContext, -1 = none */
};

/* What takes effect at once. Class tables address it by offset. */
struct settings {
	char host[64], domain[192], os_fqdn[DEVICE_FQDN_MAX];
	bool shared_fqdn, ping, rmcp_ping, wsman_only, ddns, ddns_by_dhcp;
	uint32_t network_enabled, idle_wake, ddns_interval, ddns_ttl, dhcpv6_timeout;
	uint32_t preferred_family, presence_interval, privacy, thunderbolt;
	uint32_t redir_state;
	bool redir_listener;
	uint32_t kvm_state, kvm_default_screen, kvm_optin_timeout, kvm_session_timeout;
	bool kvm_optin, kvm_5900, kvm_back_to_back;
	uint32_t optin_required, optin_code_timeout, optin_display_timeout;
	uint32_t webui_state;
	uint32_t power_scheme;
	bool dhcp, ip_sync, shared_static;
	char ip[16], mask[16], gateway[16], dns1[16], dns2[16];
	uint32_t link_policy[4];
	uint32_t n_link_policy;
	uint32_t vlan;
};

struct dev_enum {
	uint32_t id; /* 0: free */
	const struct class_def *cls;
	int next; /* instance at which the next Pull goes on */
};

struct dev_nonce {
	char text[40];
	uint32_t nc;   /* highest count seen */
	uint32_t uses; /* logins with it */
};

struct device {
	size_t index;
	struct uuid uuid;
	char uuid_text[UUID_TEXT_LEN + 1];
	char id[UUID_TEXT_LEN +
		16];                /* in the ledger: the UUID, or "UUID#index" if others have it */
	char fqdn[DEVICE_FQDN_MAX]; /* what the server's table says; the device does not know it */
	char suffix[192];           /* DHCP option 15 */
	uint32_t addr;              /* host order */
	const struct personality *as;
	const struct keypool *pool;
	struct ledger *ledger;
	struct rng rng;
	struct rng draws[DRAW_N]; /* one per law: see laws.h */
	const struct laws *laws;
	const struct judge_hash *roots; /* that the release was made with */
	size_t n_roots;
	uint64_t faults;
	uint32_t fault_values[FAULT_N];

	enum dev_state state;
	unsigned generation; /* counts changes to in-setup, from 1 */
	char realm[DEVICE_REALM_MAX];
	uint8_t ha1[16]; /* MD5(admin:realm:password) */
	bool admin_default;
	struct dev_psk psk;
	struct dev_psk next_psk; /* SetTLSPSK: for the next setup; .typed = there is one */
	char mebx_digest[65];    /* hex SHA-256(uuid ":" password); "" = default */
	struct settings set;
	void *parts[PART_N]; /* own copies; see parts.h */
	struct tls_conf staged, committed;
	struct dev_key keys[DEVICE_KEYS_MAX];
	struct dev_cert certs[DEVICE_CERTS_MAX];
	int next_key, next_cert; /* handles are not used again within a generation */
	unsigned self;           /* which setup certificate of the pool */
	uint8_t *rom;            /* DER of the ROM CA of this machine, once it was shown */
	size_t rom_len;
	uint32_t power;         /* of the system: CIM PowerState, enum power_state */
	int64_t clock_offset_s; /* device time - true time */
	bool clock_set;

	unsigned n_commits; /* changes in-setup -> configured in this generation */
	unsigned n_commit_calls;
	unsigned n_genkey, n_not_now;
	unsigned n_flash;
	unsigned n_flash_day; /* FAULT_FLASH_WEAR: writes of the day that ends then */
	uint64_t flash_day_end_ms;
	unsigned n_admin_sets; /* AdminSetup and SetAdminAclEntryEx of this generation */
	unsigned n_binds;      /* certificates bound in this generation */

	struct dev_enum enums[DEVICE_ENUMS_MAX];
	uint32_t enum_counter;
	struct dev_nonce nonces[DEVICE_NONCES];
	unsigned nonce_at, n_logins_bad;
	uint64_t locked_until_ms;
	unsigned n_requests;
	unsigned nonce_reset_at; /* FAULT_NONCE_RESET: number of the request */
	bool commit_lost;        /* FAULT_COMMIT_LOST has struck */
	bool admin_lost;         /* FAULT_ADMIN_LOST has struck */

	uint64_t deaf_until_ms;
	uint64_t window_until_ms; /* in setup: it answers no longer; 0 = for ever */
	bool hello_busy;          /* a Hello is on its way */
	bool hello_accepted;
	unsigned n_sessions;
	unsigned n_hellos;
	unsigned hello_series; /* a new one replaces the old */
	unsigned n_addresses;  /* that DHCP has given so far, from 1 */
	void *hello;           /* schedule state of hello.c */
};

/** Whether the device has a fault. */
bool device_has(const struct device *d, enum fault f);

/** Whether its setup window has closed; now_ms is CLOCK_BOOTTIME. SPEC: hello.md 5.2 */
bool device_window_closed(const struct device *d, uint64_t now_ms);

/** Give the device its host and domain name, as somebody does who types them into MEBx; after
 * device_start(). */
void device_name(struct device *d);

/** Whether the release has KVM redirection. */
bool device_has_kvm(const struct device *d);

/** Whether it is a notebook: it has a wireless port and other power schemes. */
bool device_mobile(const struct device *d);

/** Identity of device number index of a seeded estate: UUID, name and generator. */
void device_identity(struct device *d, uint64_t seed, size_t index, const char *domain);

/** Fill what is not identity: personality, faults, factory settings, in-setup state. */
void device_start(struct device *d);

/** DHCP gives another address (host order). */
void device_set_address(struct device *d, uint32_t addr);

/** Factory defaults and a new generation in setup. full: new realm, default password. */
void device_enter_setup(struct device *d, bool full);

/** Remember which MEBx password was set, by a digest of it. */
void device_set_mebx(struct device *d, const char *password);

/** Free keys and certificates. */
void device_free(struct device *d);

/** Device time, seconds since 1970 UTC. */
int64_t device_time(const struct device *d);

/** Whether a flash write is still possible. */
bool device_flash_left(const struct device *d);

/** Count one flash write. @return false when the limit is reached */
bool device_flash(struct device *d);

/* Key and certificate store. */
struct dev_key *device_key(struct device *d, int handle);
struct dev_cert *device_cert(struct device *d, int handle);
/** The key that belongs to a certificate, or NULL. */
struct dev_key *device_cert_key(struct device *d, const struct dev_cert *c);
/** New slot with a fresh handle; NULL when full. */
struct dev_key *device_key_add(struct device *d);
struct dev_cert *device_cert_add(struct device *d);
void device_key_drop(struct dev_key *k);
void device_cert_drop(struct dev_cert *c);
/** Parse "...Handle: N" of an InstanceID. @return N or -1 */
int device_handle(const char *instance_id, const char *prefix);

/** Take the state change in-setup -> configured: staged settings become active. */
void device_commit(struct device *d);

/** The engine starts anew: what is staged is gone. */
void device_reboot(struct device *d);

/* What a device shows on 16993. Nothing is owned but rom. */
struct shown {
	X509 *cert;
	EVP_PKEY *key;
	X509 *chain[5]; /* of the on-die authority, in order */
	size_t n_chain;
	X509 *rom; /* the machine's own, one of chain; for shown_free() */
};

/** Certificate and key to show now: the committed ones, or those of setup. End with shown_free().
 */
void device_shown(struct device *d, struct shown *out);
void shown_free(struct shown *s);

/** The last line of the device in the ledger. */
void device_final(struct device *d);

#endif
