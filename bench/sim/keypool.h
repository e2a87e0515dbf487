/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real RSA-2048 keys, made once and kept in a file: making one costs as much processor time as 300
 * handshakes (limits.md 3), and a simulated device has to answer GenerateKeyPair with a real one.
 * Ownership: the pool owns keys and certificates; they live as long as the pool.
 * Threads: made in two threads at start, read-only afterwards.
 */
#ifndef MUSTER_SIM_KEYPOOL_H
#define MUSTER_SIM_KEYPOOL_H

#include "common/base/err.h"

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#define KEYPOOL_BITS 2048
/* Self-signed setup certificates that the estate shares. */
#define KEYPOOL_SELF 4

struct pool_key {
	EVP_PKEY *pkey;
	uint8_t *der; /* PKCS#1 RSAPublicKey: what DERKey shows */
	size_t der_len;
};

struct keypool {
	struct pool_key *keys;
	size_t n;
	X509 *self[KEYPOOL_SELF]; /* self[i] belongs to keys[i % n] */
	uint8_t *self_der[KEYPOOL_SELF];
	size_t self_der_len[KEYPOOL_SELF];
};

/**
 * Load n keys from a PEM file, making and storing what is missing (atomically, mode 0600).
 * @param path NULL: keep nothing on disk
 * @return 0; E_CRYPTO; -errno
 */
int keypool_open(struct keypool *pool, const char *path, size_t n, struct error *err);

/** Free everything. Safe on a zeroed pool. */
void keypool_close(struct keypool *pool);

#endif
