/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real RSA-2048 keys, made once and kept in a file: making one costs as much processor time as 300
 * handshakes (limits.md 3), and a simulated device has to answer GenerateKeyPair with a real one.
 * Ownership: the pool owns keys and certificates; they live as long as the pool.
 * Threads: made in two threads at start, read-only afterwards.
 */
#ifndef MUSTER_SIM_KEYPOOL_H
#define MUSTER_SIM_KEYPOOL_H

#include "bench/sim/ondie.h"
#include "bench/sim/personality.h"
#include "common/base/err.h"

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#define KEYPOOL_BITS 2048
/* Self-signed setup certificates of one kind that the estate shares. */
#define KEYPOOL_SELF 4
#define SETUP_SELF_N SETUP_ONDIE4 /* kinds of enum setup_cert that are self-signed */

struct pool_key {
	EVP_PKEY *pkey;
	uint8_t *der; /* PKCS#1 RSAPublicKey: what DERKey shows */
	size_t der_len;
};

/* What a device shows in setup, and afterwards until it got ours. */
struct pool_self {
	EVP_PKEY *pkey;
	X509 *x509;
	uint8_t *der;
	size_t der_len;
};

struct keypool {
	struct pool_key *keys;
	size_t n;
	const char *path; /* as given to keypool_open() */
	struct pool_self self[SETUP_SELF_N][KEYPOOL_SELF];
	struct ondie ondie;
};

/**
 * Load n keys from a PEM file, making and storing what is missing (atomically, mode 0600).
 * @param path NULL: keep nothing on disk
 * @return 0; E_CRYPTO; -errno
 */
int keypool_open(struct keypool *pool, const char *path, size_t n, struct error *err);

/**
 * Make what devices with this kind of setup certificate show; a second call does nothing. The RSA
 * 2048 kind is there from the start.
 * @return 0; E_CRYPTO; -errno
 */
int keypool_prepare(struct keypool *pool, enum setup_cert kind, struct error *err);

/** Open the on-die authority that belongs to a pool file ("PATH.ondie"; NULL: a fresh one).
 * @return 0; E_CRYPTO; -errno */
int keypool_ondie(struct ondie *o, const char *path, struct error *err);

/** Free everything. Safe on a zeroed pool. */
void keypool_close(struct keypool *pool);

#endif
