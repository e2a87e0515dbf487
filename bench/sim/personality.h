/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware generations as data: what a release speaks, demands and lacks. The built-in set is
 * personalities.json; --personalities reads another file of the same form.
 * Ownership: the set owns its array. Threads: read-only after loading. SPEC: provisioning.md 6
 */
#ifndef MUSTER_SIM_PERSONALITY_H
#define MUSTER_SIM_PERSONALITY_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define PERSONALITY_TEXT_MAX 32

struct absence;

struct personality {
	char name[PERSONALITY_TEXT_MAX];    /* "amt16" */
	char version[PERSONALITY_TEXT_MAX]; /* "16.1.25" */
	char build[PERSONALITY_TEXT_MAX];   /* "1932" */
	char sku[PERSONALITY_TEXT_MAX];     /* "16392" */
	double share;                       /* of the default mix */
	int tls_min, tls_max;               /* TLS1_VERSION ... */
	bool sha1_chain;                    /* SHA-1 and short RSA keys in our chain are taken */
	bool sha1_csr;                      /* SigningAlgorithm 0 */
	bool mebx_required;    /* commit answers 2057 while the MEBx password is the default */
	bool commit_cut;       /* the answer to CommitChanges is cut off */
	bool no_clear_ports;   /* NonSecureConnectionsSupported is shown, false */
	bool readonly_cert;    /* the default certificate is listed, ReadOnlyCertificate */
	bool auth_int;         /* digest offers auth-int too */
	bool key_generation;   /* GenerateKeyPair and GeneratePKCS10RequestEx exist */
	bool kvm;              /* KVM classes exist */
	bool opt_in;           /* IPS_OptInService exists */
	bool host_based_setup; /* IPS_HostBasedSetupService exists */
	/* Classes, methods and properties that this generation lacks; NULL = none. */
	struct absence *absent;
};

struct personality_set {
	struct personality *items;
	size_t n;
};

/** Load a set from a JSON file, or the built-in one when path is NULL.
 * @return 0; E_CONFIG naming file and member */
int personality_load(struct personality_set *set, const char *path, struct error *err);

/** Change the shares: "amt16=0.7,amt12=0.3"; those not named get 0. @return 0 or E_CONFIG */
int personality_mix(struct personality_set *set, const char *mix, struct error *err);

/** The one that a number in [0, 1) falls on by shares. */
const struct personality *personality_pick(const struct personality_set *set, double unit);

/** By name, or NULL. */
const struct personality *personality_find(const struct personality_set *set, const char *name);

void personality_free(struct personality_set *set);

#endif
