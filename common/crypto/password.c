/* SPDX-License-Identifier: Apache-2.0 */
/* Both makers draw bytes from a stream, map them to the alphabet by rejection and start over with
 * a fresh stream until every class occurs; they differ in the stream only. */
#include "common/crypto/password.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"

/* SPEC: maintenance.md 3 */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			       "!#$%*+-.=?@_~";
#define ALPHABET_LEN (sizeof alphabet - 1)
/* Bytes below this map evenly. */
#define BYTE_LIMIT (256 / ALPHABET_LEN * ALPHABET_LEN)
/* 20 characters need 22.8 bytes on average; 64 are short once in 10^20 streams. */
#define STREAM_LEN 64
/* Three of four streams have every class; 100 misses in a row mean a broken generator. */
#define STREAMS_MAX 100

enum { CLASS_UPPER = 1, CLASS_LOWER = 2, CLASS_DIGIT = 4, CLASS_SPECIAL = 8, CLASS_ALL = 15 };

static unsigned class_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return CLASS_UPPER;
	if (c >= 'a' && c <= 'z')
		return CLASS_LOWER;
	if (c >= '0' && c <= '9')
		return CLASS_DIGIT;
	return c == '_' || c == ' ' ? 0 : CLASS_SPECIAL;
}

/* Fill a password from the stream; false when it lacks a class or the stream is too short. */
static bool map_stream(
	char out[static PASSWORD_LEN], size_t len, const uint8_t stream[static STREAM_LEN])
{
	unsigned classes = 0;
	size_t n = 0;
	for (size_t i = 0; i < STREAM_LEN && n < len; i++) {
		if (stream[i] >= BYTE_LIMIT)
			continue;
		out[n] = alphabet[stream[i] % ALPHABET_LEN];
		classes |= class_of((uint8_t)out[n]);
		n++;
	}
	return n == len && classes == CLASS_ALL;
}

/* Fill the stream of this counter. */
typedef int (*stream_fn)(uint8_t stream[static STREAM_LEN], unsigned counter, const void *arg);

static int password_make(
	struct secret *out, size_t len, stream_fn fill, const void *arg, struct error *err)
{
	uint8_t stream[STREAM_LEN];
	char password[PASSWORD_LEN];
	int rc = E_CRYPTO;
	ENSURE(len <= sizeof password, err, E_LIMIT, "a password of %zu characters", len);
	for (unsigned counter = 0; counter < STREAMS_MAX; counter++) {
		if (fill(stream, counter, arg) < 0)
			break;
		if (map_stream(password, len, stream)) {
			rc = secret_set(out, password, len);
			break;
		}
	}
	explicit_bzero(stream, sizeof stream);
	explicit_bzero(password, sizeof password);
	return rc < 0 ? error_set(err, rc, "making a password: %s", error_name(rc)) : 0;
}

static int random_stream(uint8_t stream[static STREAM_LEN], unsigned counter, const void *arg)
{
	(void)counter;
	(void)arg;
	return RAND_bytes(stream, STREAM_LEN) == 1 ? 0 : E_CRYPTO;
}

int password_random(struct secret *out, struct error *err)
{
	return password_random_len(out, PASSWORD_LEN, err);
}

int password_random_len(struct secret *out, size_t len, struct error *err)
{
	return password_make(out, len, random_stream, NULL, err);
}

struct derivation {
	const struct secret *master;
	const struct uuid *uuid;
	const char *purpose;
};

static int hkdf_stream(uint8_t stream[static STREAM_LEN], unsigned counter, const void *arg)
{
	const struct derivation *d = arg;
	char info[64];
	int info_len = snprintf(info, sizeof info, "muster/%s/%u", d->purpose, counter);
	if (info_len >= (int)sizeof info)
		return E_LIMIT;
	/* OpenSSL's parameters are not const but only read. */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, d->master->data, d->master->len),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SALT, (void *)d->uuid->b, sizeof d->uuid->b),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)info_len),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx && EVP_KDF_derive(ctx, stream, STREAM_LEN, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? 0 : E_CRYPTO;
}

int password_derive(struct secret *out, const struct secret *master, const struct uuid *uuid,
	const char *purpose, struct error *err)
{
	return password_derive_len(out, master, uuid, purpose, PASSWORD_LEN, err);
}

int password_derive_len(struct secret *out, const struct secret *master, const struct uuid *uuid,
	const char *purpose, size_t len, struct error *err)
{
	const struct derivation d = {master, uuid, purpose};
	return password_make(out, len, hkdf_stream, &d, err);
}

int password_check(const struct secret *password, struct error *err)
{
	ENSURE(password->len >= PASSWORD_AMT_MIN && password->len <= PASSWORD_AMT_MAX, err,
		E_CONFIG, "password is %zu characters long, Intel AMT takes %d to %d",
		password->len, PASSWORD_AMT_MIN, PASSWORD_AMT_MAX);
	unsigned classes = 0;
	for (size_t i = 0; i < password->len; i++) {
		uint8_t c = password->data[i];
		ENSURE(c >= 32 && c <= 126 && c != ':' && c != ',' && c != '"', err, E_CONFIG,
			"character %zu of the password is not allowed: ASCII without : , \" only",
			i + 1);
		classes |= class_of(c);
	}
	ENSURE(classes == CLASS_ALL, err, E_CONFIG,
		"password lacks %s%s%s%sneeds one of each (_ and space are not special)",
		classes & CLASS_UPPER ? "" : "an upper-case letter, ",
		classes & CLASS_LOWER ? "" : "a lower-case letter, ",
		classes & CLASS_DIGIT ? "" : "a digit, ",
		classes & CLASS_SPECIAL ? "" : "a special character, ");
	return 0;
}
