/* SPDX-License-Identifier: Apache-2.0 */
/* Pool of RSA keys; see keypool.h. */
#include "bench/sim/keypool.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Written beside and renamed: two simulators may start at once. */
static int store(const struct keypool *pool, const char *path, size_t n, struct error *err)
{
	char part[512];
	int len = snprintf(part, sizeof part, "%s.%ld", path, (long)getpid());
	ENSURE(len > 0 && (size_t)len < sizeof part, err, E_CONFIG, "%s: path too long", path);
	FILE *f = fopen(part, "wxe");
	ENSURE(f, err, -errno, "%s: %s", part, strerror(errno));
	int ok = fchmod(fileno(f), 0600) == 0;
	for (size_t i = 0; ok && i < n; i++)
		ok = PEM_write_PrivateKey(f, pool->keys[i].pkey, NULL, NULL, 0, NULL, NULL);
	ok = fclose(f) == 0 && ok;
	if (!ok || rename(part, path) != 0) {
		unlink(part);
		return error_set(err, -EIO, "%s: cannot store the keys", path);
	}
	return 0;
}

static void name_of(X509_NAME *name, size_t i)
{
	char cn[32];
	snprintf(cn, sizeof cn, "amt-setup-%zu", i);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
}

/* What an old device shows in setup: self-signed, random name, long life. SPEC: tls.md 6 */
static int self_sign(struct keypool *pool, size_t i, struct error *err)
{
	EVP_PKEY *key = pool->keys[i % pool->n].pkey;
	X509 *x = X509_new();
	ENSURE(x, err, -ENOMEM, "no memory for a certificate");
	pool->self[i] = x;
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), (long)i + 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400L);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 3650);
	name_of(X509_get_subject_name(x), i);
	name_of(X509_get_issuer_name(x), i);
	X509_set_pubkey(x, key);
	ENSURE(X509_sign(x, key, EVP_sha256()) > 0, err, E_CRYPTO, "cannot self-sign");
	int len = i2d_X509(x, &pool->self_der[i]);
	ENSURE(len > 0, err, E_CRYPTO, "cannot encode a certificate");
	pool->self_der_len[i] = (size_t)len;
	return 0;
}

int keypool_open(struct keypool *pool, const char *path, size_t n, struct error *err)
{
	*pool = (struct keypool){.keys = calloc(n, sizeof *pool->keys), .n = n};
	ENSURE(pool->keys && n > 0, err, -ENOMEM, "no memory for %zu keys", n);
	size_t have = load(pool, path, n);
	if (have < n) {
		TRY(make_missing(pool, have, n, err));
		if (path)
			TRY(store(pool, path, n, err));
	}
	for (size_t i = 0; i < n; i++) {
		int len = i2d_PublicKey(pool->keys[i].pkey, &pool->keys[i].der);
		ENSURE(len > 0, err, E_CRYPTO, "cannot encode a public key");
		pool->keys[i].der_len = (size_t)len;
	}
	for (size_t i = 0; i < KEYPOOL_SELF; i++)
		TRY(self_sign(pool, i, err));
	return 0;
}

void keypool_close(struct keypool *pool)
{
	for (size_t i = 0; i < pool->n && pool->keys; i++) {
		EVP_PKEY_free(pool->keys[i].pkey);
		OPENSSL_free(pool->keys[i].der);
	}
	free(pool->keys);
	for (size_t i = 0; i < KEYPOOL_SELF; i++) {
		X509_free(pool->self[i]);
		OPENSSL_free(pool->self_der[i]);
	}
	*pool = (struct keypool){0};
}
