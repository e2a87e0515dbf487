/* SPDX-License-Identifier: Apache-2.0 */
/* Pool of RSA keys; see keypool.h. */
#include "bench/sim/keypool.h"

#include "bench/sim/pemfile.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAKERS 2 /* threads while keys are made */

struct making {
	struct keypool *pool;
	size_t first, step, n;
	int failed;
};

static void *make_keys(void *arg)
{
	struct making *m = arg;
	for (size_t i = m->first; i < m->n && !m->failed; i += m->step) {
		m->pool->keys[i].pkey = EVP_RSA_gen(KEYPOOL_BITS);
		m->failed = !m->pool->keys[i].pkey;
	}
	return NULL;
}

static int make_missing(struct keypool *pool, size_t have, size_t n, struct error *err)
{
	struct making m[MAKERS];
	pthread_t threads[MAKERS];
	bool started[MAKERS] = {false};
	for (size_t i = 0; i < MAKERS; i++) {
		m[i] = (struct making){.pool = pool, .first = have + i, .step = MAKERS, .n = n};
		started[i] = pthread_create(&threads[i], NULL, make_keys, &m[i]) == 0;
		if (!started[i])
			make_keys(&m[i]);
	}
	int failed = 0;
	for (size_t i = 0; i < MAKERS; i++) {
		if (started[i])
			pthread_join(threads[i], NULL);
		failed |= m[i].failed;
	}
	ENSURE(!failed, err, E_CRYPTO, "cannot make RSA keys");
	return 0;
}

static size_t load(struct keypool *pool, const char *path, size_t n)
{
	FILE *f = path ? fopen(path, "re") : NULL;
	size_t have = 0;
	if (!f)
		return 0;
	while (have < n) {
		EVP_PKEY *k = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		if (!k)
			break;
		if (EVP_PKEY_get_bits(k) != KEYPOOL_BITS) {
			EVP_PKEY_free(k);
			break;
		}
		pool->keys[have++].pkey = k;
	}
	fclose(f);
	return have;
}

static bool write_keys(FILE *f, const void *arg)
{
	const struct keypool *pool = arg;
	bool ok = true;
	for (size_t i = 0; ok && i < pool->n; i++)
		ok = PEM_write_PrivateKey(f, pool->keys[i].pkey, NULL, NULL, 0, NULL, NULL);
	return ok;
}

static void name_of(X509_NAME *name, size_t i)
{
	char cn[32];
	snprintf(cn, sizeof cn, "amt-setup-%zu", i);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
}

/* Self-signed, random name, long life. SPEC: tls.md 6 */
static int self_sign(struct pool_self *self, size_t i, struct error *err)
{
	X509 *x = self->x509 = X509_new();
	ENSURE(x, err, -ENOMEM, "no memory for a certificate");
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), (long)i + 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400L);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 3650);
	name_of(X509_get_subject_name(x), i);
	name_of(X509_get_issuer_name(x), i);
	X509_set_pubkey(x, self->pkey);
	ENSURE(X509_sign(x, self->pkey, EVP_sha256()) > 0, err, E_CRYPTO, "cannot self-sign");
	int len = i2d_X509(x, &self->der);
	ENSURE(len > 0, err, E_CRYPTO, "cannot encode a certificate");
	self->der_len = (size_t)len;
	return 0;
}

int keypool_ondie(struct ondie *o, const char *path, struct error *err)
{
	char file[PATH_MAX];
	int len = path ? snprintf(file, sizeof file, "%s.ondie", path) : 0;
	ENSURE(len >= 0 && (size_t)len < sizeof file, err, E_CONFIG, "%s: path too long", path);
	return ondie_open(o, path ? file : NULL, err);
}

int keypool_prepare(struct keypool *pool, enum setup_cert kind, struct error *err)
{
	static const unsigned bits[SETUP_SELF_N] = {
		[SETUP_RSA1024] = 1024, [SETUP_RSA2047] = 2047, [SETUP_RSA2048] = KEYPOOL_BITS};
	if (kind >= SETUP_SELF_N)
		return pool->ondie.root ? 0 : keypool_ondie(&pool->ondie, pool->path, err);
	for (size_t i = 0; i < KEYPOOL_SELF && !pool->self[kind][i].x509; i++) {
		struct pool_self *self = &pool->self[kind][i];
		if (kind == SETUP_RSA2048)
			EVP_PKEY_up_ref(self->pkey = pool->keys[i % pool->n].pkey);
		else
			self->pkey = EVP_RSA_gen(bits[kind]);
		ENSURE(self->pkey, err, E_CRYPTO, "cannot make an RSA key");
		TRY(self_sign(self, i, err));
	}
	return 0;
}

int keypool_open(struct keypool *pool, const char *path, size_t n, struct error *err)
{
	*pool = (struct keypool){.keys = calloc(n, sizeof *pool->keys), .n = n, .path = path};
	ENSURE(pool->keys && n > 0, err, -ENOMEM, "no memory for %zu keys", n);
	size_t have = load(pool, path, n);
	if (have < n) {
		TRY(make_missing(pool, have, n, err));
		if (path)
			TRY(pemfile_store(path, write_keys, pool, err));
	}
	for (size_t i = 0; i < n; i++) {
		int len = i2d_PublicKey(pool->keys[i].pkey, &pool->keys[i].der);
		ENSURE(len > 0, err, E_CRYPTO, "cannot encode a public key");
		pool->keys[i].der_len = (size_t)len;
	}
	return keypool_prepare(pool, SETUP_RSA2048, err);
}

void keypool_close(struct keypool *pool)
{
	for (size_t i = 0; i < pool->n && pool->keys; i++) {
		EVP_PKEY_free(pool->keys[i].pkey);
		OPENSSL_free(pool->keys[i].der);
	}
	free(pool->keys);
	for (size_t i = 0; i < SETUP_SELF_N * KEYPOOL_SELF; i++) {
		struct pool_self *self = &pool->self[i / KEYPOOL_SELF][i % KEYPOOL_SELF];
		EVP_PKEY_free(self->pkey);
		X509_free(self->x509);
		OPENSSL_free(self->der);
	}
	ondie_close(&pool->ondie);
	*pool = (struct keypool){0};
}
