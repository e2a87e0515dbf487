/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware generations as data: what a release speaks, demands and lacks. One YAML file each in
 * personalities/, compiled into the program; --personalities DIR reads other files of the same
 * form. personalities/README.md explains the keys. Ownership: the set owns its array. Threads:
 * read-only after loading. SPEC: provisioning.md 6; tls.md 2, 5, 6; wsman.md 1, 2, 3
 */
#ifndef MUSTER_SIM_PERSONALITY_H
#define MUSTER_SIM_PERSONALITY_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERSONALITY_TEXT_MAX   64
#define PERSONALITY_SUITES_MAX 16
#define PERSONALITY_LACKS_MAX  96 /* classes and members that a release lacks */
#define PERSONALITY_ENTRY_MAX  96 /* "AMT_SetupAndConfigurationService.ExtendProvisioningPeriod" */

/* What the device shows in a setup session. SPEC: tls.md 2, 6 */
enum setup_cert {
	SETUP_RSA1024,
	SETUP_RSA2047,
	SETUP_RSA2048,
	SETUP_ONDIE4, /* on-die chain: leaf, AMT CA, Kernel CA, ROM CA */
	SETUP_ONDIE6, /* and Issuing CA, Intermediate CA */
	SETUP_N,
};

/* In the order of strength. */
enum chain_digest { CHAIN_SHA1, CHAIN_SHA256, CHAIN_SHA384 };

struct personality_tls {
	int min, max; /* TLS1_VERSION ... */
	/* OpenSSL's names, the order in which the device picks */
	char suites[PERSONALITY_SUITES_MAX][PERSONALITY_TEXT_MAX];
	uint32_t n_suites;
	bool asks_certificate;    /* sends CertificateRequest in a setup session */
	bool sha1_request;        /* and lists RSA with SHA-1 only in it (TLS 1.2) */
	bool drops_first_request; /* of a setup session at TLS 1.3 */
	bool psk;                 /* can be set up by PID and PPS */
};

struct personality_certificate {
	int setup;   /* enum setup_cert */
	bool listed; /* the default certificate is enumerated, ReadOnlyCertificate */
};

/* What our provisioning chain must be. */
struct personality_chain {
	int digest;            /* enum chain_digest: weakest signature, root included */
	uint32_t bits;         /* shortest RSA key */
	uint32_t lenient_bits; /* the same where no source decides and --lenient says yes */
};

/* Which hashes of its roots the device lists. */
struct personality_hello {
	bool sha1, sha256, sha384;
};

struct personality_http {
	char server[PERSONALITY_TEXT_MAX]; /* version in the Server header */
	uint32_t chunk;                    /* longest chunk of an answer, bytes */
	bool close_401, close_400;         /* the device closes after these */
	bool login_cache;                  /* one login serves the connection */
	bool auth_int;                     /* qop auth-int is offered too */
	uint32_t nonce_uses;               /* a nonce is forgotten after so many; 0 = never */
};

struct personality_commit {
	bool mebx; /* answers 2057 while the MEBx password is the default */
	bool cut;  /* the answer is cut off */
};

struct personality_kerberos {
	bool rc4, aes128, aes256;
};

struct absence; /* classes/class.h */

struct personality {
	char name[PERSONALITY_TEXT_MAX];    /* "amt16" */
	char version[PERSONALITY_TEXT_MAX]; /* "16.1.25" */
	char build[PERSONALITY_TEXT_MAX];   /* "1932" */
	char sku[PERSONALITY_TEXT_MAX];     /* "16392" */
	uint32_t share;                     /* of the default mix, per cent */
	struct personality_tls tls;
	struct personality_certificate certificate;
	struct personality_chain chain;
	struct personality_hello hello;
	struct personality_http http;
	struct personality_commit commit;
	struct personality_kerberos kerberos;
	bool clear_ports; /* 16992 exists; without, NonSecureConnectionsSupported is shown, false */
	bool sha1_csr;    /* GeneratePKCS10RequestEx takes SigningAlgorithm 0 */
	bool eoi;         /* the SOAP face of before WS-Management is there */
	/* What the release lacks: "Class" or "Class.Member" (a method or property) */
	char lacks[PERSONALITY_LACKS_MAX][PERSONALITY_ENTRY_MAX];
	uint32_t n_lacks;
	struct absence *absent; /* the same by place in the class tables; NULL = nothing */
	double weight;          /* of the mix in force */
};

struct personality_set {
	struct personality *items;
	size_t n;
};

/** Load all *.yaml of a folder, or the built-in set when dir is NULL.
 * @return 0; E_CONFIG naming file, line and key; -errno */
int personality_load(struct personality_set *set, const char *dir, struct error *err);

/** Change the shares: "amt16=0.7,amt12=0.3"; those not named get 0. @return 0 or E_CONFIG */
int personality_mix(struct personality_set *set, const char *mix, struct error *err);

/** The one that a number in [0, 1) falls on by shares. */
const struct personality *personality_pick(const struct personality_set *set, double unit);

/** By name, or NULL. */
const struct personality *personality_find(const struct personality_set *set, const char *name);

void personality_free(struct personality_set *set);

#endif
