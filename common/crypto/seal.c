/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM blobs and the data-encryption keys. The nonce is random: one DEK seals a handful of
 * sets and one KEK some million DEKs, far below the 2^32 of SP 800-38D for random nonces. */
#include "common/crypto/seal.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/crypto/ring.h"

#define BLOB_VERSION 1
#define NONCE_LEN    12
#define TAG_LEN      16
#define FIELD_DEK    "dek"
/* "muster|" uuid "|" gen "|" field "|" version, with NUL */
#define AAD_MAX (8 + UUID_TEXT_LEN + 1 + 10 + 1 + 16 + 1 + 3 + 1)

/* ---- blobs ------------------------------------------------------------------------------ */

static int place_aad(char out[static AAD_MAX], const struct seal_place *place)
{
	char uuid[UUID_TEXT_LEN + 1];
	uuid_text(place->uuid, uuid);
	return snprintf(
		out, AAD_MAX, "muster|%s|%u|%s|%d", uuid, place->gen, place->field, BLOB_VERSION);
}

/* out holds len bytes of text and TAG_LEN more. */
static int gcm_seal(const uint8_t *key, const uint8_t *nonce, const struct seal_place *place,
	const void *plain, size_t len, uint8_t *out)
{
	char aad[AAD_MAX];
	int aad_len = place_aad(aad, place), n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
		  EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)aad, aad_len) == 1 &&
		  EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) == 1 &&
		  EVP_EncryptFinal_ex(ctx, out + len, &n) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, out + len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : E_CRYPTO;
}

/* sealed is len bytes of text and TAG_LEN more. */
static int gcm_open(const uint8_t *key, const uint8_t *nonce, const struct seal_place *place,
	const uint8_t *sealed, size_t len, uint8_t *out)
{
	char aad[AAD_MAX];
	uint8_t tag[TAG_LEN];
	int aad_len = place_aad(aad, place), n = 0;
	memcpy(tag, sealed + len, TAG_LEN); /* OpenSSL's parameter is not const */
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
		  EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)aad, aad_len) == 1 &&
		  EVP_DecryptUpdate(ctx, out, &n, sealed, (int)len) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1 &&
		  EVP_DecryptFinal_ex(ctx, out + len, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : E_CRYPTO;
}

int seal_bytes(const struct secret *key, const char *key_id, const struct seal_place *place,
	const void *plain, size_t len, struct buf *out, struct error *err)
{
	size_t id_len = strlen(key_id), need = 2 + id_len + NONCE_LEN + len + TAG_LEN;
	ENSURE(key->len == SEAL_KEY_LEN, err, E_CRYPTO, "%s: no key to seal with", place->field);
	ENSURE(len <= SEAL_PLAIN_MAX, err, E_LIMIT, "%s: more than %d bytes to seal", place->field,
		SEAL_PLAIN_MAX);
	if (need > out->max - out->len)
		return error_set(err, E_LIMIT, "%s: no room for the sealed text", place->field);
	uint8_t *to = buf_reserve(out, need);
	ENSURE(to, err, -ENOMEM, "%s: out of memory", place->field);
	to[0] = BLOB_VERSION;
	to[1] = (uint8_t)id_len;
	/* The length stands before it. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	memcpy(to + 2, key_id, id_len);
	uint8_t *nonce = to + 2 + id_len;
	if (RAND_bytes(nonce, NONCE_LEN) != 1 ||
		gcm_seal(key->data, nonce, place, plain, len, nonce + NONCE_LEN) < 0)
		return error_set(err, E_CRYPTO, "%s: sealing failed", place->field);
	out->len += need;
	return 0;
}

int blob_key_id(const void *blob, size_t len, char out[static SEAL_ID_MAX + 1], struct error *err)
{
	const uint8_t *b = blob;
	ENSURE(len >= 2 && len <= SEAL_BLOB_MAX && b[0] == BLOB_VERSION, err, E_CRYPTO,
		"not a sealed text of version %d", BLOB_VERSION);
	size_t id_len = b[1];
	ENSURE(id_len > 0 && id_len <= SEAL_ID_MAX && len >= 2 + id_len + NONCE_LEN + TAG_LEN, err,
		E_CRYPTO, "sealed text is cut or damaged");
	memcpy(out, b + 2, id_len);
	out[id_len] = '\0';
	ENSURE(key_id_ok(out) && strlen(out) == id_len, err, E_CRYPTO,
		"sealed text has a damaged key id");
	return (int)(2 + id_len);
}

int open_bytes(const struct secret *key, const struct seal_place *place, const void *blob,
	size_t len, struct secret *plain, struct error *err)
{
	char id[SEAL_ID_MAX + 1];
	int head = blob_key_id(blob, len, id, err);
	TRY(head);
	ENSURE(key->len == SEAL_KEY_LEN, err, E_CRYPTO, "%s: no key to open with", place->field);
	const uint8_t *nonce = (const uint8_t *)blob + head;
	size_t text_len = len - (size_t)head - NONCE_LEN - TAG_LEN;
	/* secret_set() of the sealed bytes makes room of the right size, which opening overwrites.
	 */
	struct secret text = {0};
	int rc = secret_set(&text, nonce + NONCE_LEN, text_len);
	if (rc == 0)
		rc = gcm_open(key->data, nonce, place, nonce + NONCE_LEN, text_len, text.data);
	if (rc < 0) {
		secret_free(&text);
		return error_set(err, rc,
			rc == -ENOMEM ? "%s: out of memory"
				      : "%s: sealed text is damaged, or belongs to another device "
					"or generation",
			place->field);
	}
	secret_free(plain);
	*plain = text;
	return 0;
}

/* ---- data-encryption keys --------------------------------------------------------------- */

int dek_make(struct dek *out, uint32_t gen, struct error *err)
{
	uint8_t key[SEAL_KEY_LEN];
	ENSURE(RAND_bytes(key, sizeof key) == 1, err, E_CRYPTO, "no random bytes for a new key");
	int rc = secret_set(&out->key, key, sizeof key);
	explicit_bzero(key, sizeof key);
	ENSURE(rc == 0, err, rc, "out of memory for a new key");
	out->gen = gen;
	return 0;
}

void dek_free(struct dek *dek)
{
	secret_free(&dek->key);
	dek->gen = 0;
}

int dek_wrap(const struct dek *dek, const struct kek_ring *ring, const struct uuid *uuid,
	struct buf *out, struct error *err)
{
	const struct seal_place place = {uuid, dek->gen, FIELD_DEK};
	return seal_bytes(&ring->current->key, ring->current->id, &place, dek->key.data,
		dek->key.len, out, err);
}

int dek_kek_id(const void *blob, size_t len, char out[static SEAL_ID_MAX + 1], struct error *err)
{
	int head = blob_key_id(blob, len, out, err);
	return head < 0 ? head : 0;
}

int kek_ring_need(const struct kek **out, const struct kek_ring *ring, const void *blob, size_t len,
	struct error *err)
{
	char id[SEAL_ID_MAX + 1];
	TRY(dek_kek_id(blob, len, id, err));
	*out = kek_ring_find(ring, id);
	ENSURE(*out, err, E_CONFIG,
		"sealed with key-encryption key \"%s\", which is not in keys.kek_dir; put %s.key "
		"back",
		id, id);
	return 0;
}

int dek_unwrap(struct dek *out, const struct kek_ring *ring, const struct uuid *uuid, uint32_t gen,
	const void *blob, size_t len, struct error *err)
{
	const struct kek *kek;
	TRY(kek_ring_need(&kek, ring, blob, len, err));
	const struct seal_place place = {uuid, gen, FIELD_DEK};
	struct secret key = {0};
	TRY(open_bytes(&kek->key, &place, blob, len, &key, err));
	if (key.len != SEAL_KEY_LEN) {
		secret_free(&key);
		return error_set(err, E_CRYPTO, "dek: not %d bytes long", SEAL_KEY_LEN);
	}
	dek_free(out);
	*out = (struct dek){key, gen};
	return 0;
}
