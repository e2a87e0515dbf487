/* SPDX-License-Identifier: Apache-2.0 */
/* Private to common/crypto: the inside of the ring and the one pair of seal and open. */
#ifndef MUSTER_CRYPTO_RING_H
#define MUSTER_CRYPTO_RING_H

#include "common/crypto/seal.h"

struct kek {
	char id[SEAL_ID_MAX + 1];
	struct secret key;
};

struct kek_ring {
	struct kek *keys;
	size_t n;
	const struct kek *current; /* one of keys */
};

/** The key of that id or NULL. */
const struct kek *kek_ring_find(const struct kek_ring *ring, const char *id);

/** The key that sealed a blob. @return 0; E_CONFIG (not in the ring; the text names it); E_CRYPTO
 */
int kek_ring_need(const struct kek **out, const struct kek_ring *ring, const void *blob, size_t len,
	struct error *err);

/* What a blob is bound to. */
struct seal_place {
	const struct uuid *uuid;
	uint32_t gen;
	const char *field; /* "dek", "sec" or "psk:" PID */
};

/** Append a blob. @param key SEAL_KEY_LEN bytes */
int seal_bytes(const struct secret *key, const char *key_id, const struct seal_place *place,
	const void *plain, size_t len, struct buf *out, struct error *err);

/** Open a blob. @return 0; E_CRYPTO */
int open_bytes(const struct secret *key, const struct seal_place *place, const void *blob,
	size_t len, struct secret *plain, struct error *err);

/** The key id of a blob. @return length of the head (key id included) or E_CRYPTO */
int blob_key_id(const void *blob, size_t len, char out[static SEAL_ID_MAX + 1], struct error *err);

#endif
