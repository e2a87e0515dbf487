/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets at rest: AES-256-GCM in two layers. The key-encryption keys (KEK) come from files and
 * have ids; every device record has a data-encryption key (DEK), sealed by the current KEK; the
 * sets of named secrets in the record (sec_cur, sec_prev, sec_pend, sec_give) are sealed by the
 * DEK.
 *
 * Blob: u8 1 | u8 length and text of key id | 12 nonce | ciphertext | 16 tag.
 * AAD:  "muster|" uuid "|" gen "|" field "|" version, version being the "1" of the first byte.
 *
 * Key id of the DEK: the KEK's id. Key id of a set: the generation in which its DEK was made, in
 * decimal; this number is the gen of the AAD of the DEK and of everything it seals. A new
 * generation keeps the DEK (ruling 16) and therefore that number.
 * A PSK pair belongs to no device yet and is sealed by the KEK itself: see psk_seal().
 * Field: "dek", and "sec" for all sets: Redis moves a set from sec_pend to sec_cur to
 * sec_prev inside one function (ruling 15), where nothing can be sealed again.
 *
 * Ownership: every struct here owns its bytes and is wiped by its *_free(). Threads: a ring may be
 * read by several. SPEC: architecture D21; rulings 15, 16, 51.
 */
#ifndef MUSTER_CRYPTO_SEAL_H
#define MUSTER_CRYPTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/secret.h"
#include "common/base/uuid.h"

struct buf;
struct error;

#define SEAL_KEY_LEN   32                                /* AES-256 */
#define SEAL_ID_MAX    64                                /* text of a key id, without NUL */
#define SEAL_EXTRA_MAX (2 + SEAL_ID_MAX + 12 + 16)       /* a blob is longer than its text by */
#define SEAL_PLAIN_MAX (16 * 1024)                       /* no set comes near */
#define SEAL_BLOB_MAX  (SEAL_PLAIN_MAX + SEAL_EXTRA_MAX) /* what opening accepts */

/* ---- key-encryption keys -------------------------------------------------------------------- */

struct kek_ring; /* several readable, one current */

/** Whether text may be an id, and so a file name without directory: 1 to SEAL_ID_MAX of
 * A-Z a-z 0-9 . _ - and no dot first. Used for keys, masters and profiles. */
bool key_id_ok(const char *text);

/**
 * Read every <id>.key of a directory: 32 random bytes in base64, mode 0600.
 *
 * @param current id that seals; must be among them
 * @param out     free with kek_ring_free()
 * @return 0; E_CONFIG naming file or id; -errno
 */
int kek_ring_load(struct kek_ring **out, const char *dir, const char *current, struct error *err);

void kek_ring_free(struct kek_ring *ring);

/** The id that seals. Valid as long as the ring. */
const char *kek_ring_current(const struct kek_ring *ring);

/**
 * Read one key file of 32 bytes in base64, mode 0600: a KEK or a password master.
 * @param dir, id the file is dir/id.key
 * @return 0; E_CONFIG naming the file; -ENOENT and other -errno
 */
int key_file_read(struct secret *out, const char *dir, const char *id, struct error *err);

/**
 * Write a new random key file, mode 0600; an existing one is never overwritten.
 * @return 0; -EEXIST and other -errno; E_CONFIG (bad id)
 */
int key_file_make(const char *dir, const char *id, struct error *err);

/* ---- the DEK of a device -------------------------------------------------------------------- */

struct dek {
	struct secret key; /* SEAL_KEY_LEN bytes */
	uint32_t gen;      /* generation of the device in which it was made */
};

/** A new random DEK for the device's generation. Free with dek_free(). */
int dek_make(struct dek *out, uint32_t gen, struct error *err);

void dek_free(struct dek *dek);

/** Append the DEK sealed by the current KEK. @return 0; E_CRYPTO; the error of buf_add() */
int dek_wrap(const struct dek *dek, const struct kek_ring *ring, const struct uuid *uuid,
	struct buf *out, struct error *err);

/**
 * Open a wrapped DEK.
 *
 * @param gen generation in which it was made: secret_blob_gen() of any set that it sealed
 * @return 0; E_CONFIG when the KEK is not in the ring (the text names its id); E_CRYPTO when the
 *         blob is damaged or belongs to another device, generation or field
 */
int dek_unwrap(struct dek *out, const struct kek_ring *ring, const struct uuid *uuid, uint32_t gen,
	const void *blob, size_t len, struct error *err);

/** The id of the KEK that sealed a wrapped DEK, for rekey and for messages.
 * @return 0 or E_CRYPTO (not a blob) */
int dek_kek_id(const void *blob, size_t len, char out[static SEAL_ID_MAX + 1], struct error *err);

/* ---- sets of named secrets ------------------------------------------------------------------ */

#define SECRET_NAME_MAX 31 /* "admin", "mebx", "rfb", "user:operator", ... */
#define SECRET_SET_MAX  40 /* in one set: digest users, wireless keys and what else a device has */
#define SECRET_LEN_MAX  1024

struct named_secret {
	char name[SECRET_NAME_MAX + 1];
	struct secret value;
	uint64_t set_ms; /* since 1970 UTC */
};

struct secret_set {
	struct named_secret items[SECRET_SET_MAX];
	size_t n;
};

/** Set or replace one secret (copied). @return 0; -ENOMEM; E_LIMIT (too many, too long) */
int secret_set_put(
	struct secret_set *set, const char *name, const void *data, size_t len, uint64_t set_ms);

/** The secret of that name or NULL. Valid until the set changes. */
const struct secret *secret_set_get(const struct secret_set *set, const char *name);

/** Wipe one secret, if it is there. */
void secret_set_remove(struct secret_set *set, const char *name);

/** Copy one set over another. @return 0 or -ENOMEM (to is then empty) */
int secret_set_copy(struct secret_set *to, const struct secret_set *from);

/** Wipe. Safe on a zeroed struct. */
void secret_set_free(struct secret_set *set);

/** Append the set sealed by the DEK. @return 0; E_CRYPTO; the error of buf_add() */
int secret_set_seal(const struct secret_set *set, const struct dek *dek, const struct uuid *uuid,
	struct buf *out, struct error *err);

/** Open a sealed set into a zeroed struct.
 * @return 0; E_CRYPTO (damaged, other device, other DEK); E_LIMIT */
int secret_set_open(struct secret_set *out, const struct dek *dek, const struct uuid *uuid,
	const void *blob, size_t len, struct error *err);

/** The generation in which the DEK of a sealed set was made. @return 0 or E_CRYPTO */
int secret_blob_gen(const void *blob, size_t len, uint32_t *gen, struct error *err);

/* ---- PSK pairs ------------------------------------------------------------------------------ */

/* Names in the set of a pair. */
#define PSK_SECRET_PPS  "pps"
#define PSK_SECRET_MEBX "mebx" /* what the key file set; absent = not known */

/** Append the secrets of a PSK pair, sealed by the current KEK and bound to its PID: the AAD's uuid
 * is all zero, gen 0, field "psk:" PID. @return 0; E_CRYPTO; the error of buf_add() */
int psk_seal(const struct secret_set *set, const struct kek_ring *ring, const char *pid,
	struct buf *out, struct error *err);

/** Open the secrets of a PSK pair into a zeroed struct.
 * @return 0; E_CONFIG (KEK missing, named); E_CRYPTO (damaged, or of another PID) */
int psk_open(struct secret_set *out, const struct kek_ring *ring, const char *pid, const void *blob,
	size_t len, struct error *err);

/* ---- a whole device record ------------------------------------------------------------------ */

struct sealed {
	const void *data;
	size_t len; /* 0 = absent */
};

struct sealed_record {
	struct sealed dek, cur, prev, pend, give; /* fields dek, sec_cur, sec_prev, ... */
};

struct device_secrets {
	struct dek dek; /* key.len 0 = the record has none yet */
	struct secret_set cur, prev, pend;
	struct secret_set give; /* what an operator says the device has: tried, never sent */
};

/**
 * Open everything that a device record holds; what is absent stays empty.
 *
 * @param out zeroed; free with device_secrets_free(), also after a failure
 * @return 0; E_CONFIG (KEK missing, named); E_CRYPTO (the text names the field)
 */
int device_secrets_open(struct device_secrets *out, const struct kek_ring *ring,
	const struct uuid *uuid, const struct sealed_record *record, struct error *err);

void device_secrets_free(struct device_secrets *s);

#endif
