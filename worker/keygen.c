/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/keygen.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "common/base/err.h"

#define PUBLIC_MAX 1024

static int export_key(struct keygen_work *k, EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int len = i2d_PrivateKey(key, &der); /* traditional form: PKCS#1 */
	int rc = len > 0 ? secret_set(&k->private_key, der, (size_t)len) : E_CRYPTO;
	if (len > 0)
		OPENSSL_clear_free(der, (size_t)len);
	der = NULL;
	len = i2d_PublicKey(key, &der);
	if (rc == 0)
		rc = len > 0 ? buf_add(&k->public_key, der, (size_t)len) : E_CRYPTO;
	OPENSSL_free(der);
	return rc;
}

static void on_pool(uv_work_t *w)
{
	struct keygen_work *k = w->data;
	EVP_PKEY *key = EVP_RSA_gen(k->bits);
	k->rc = key ? export_key(k, key) : E_CRYPTO;
	EVP_PKEY_free(key);
}

static void on_pool_done(uv_work_t *w, int status)
{
	struct keygen_work *k = w->data;
	if (status < 0)
		k->rc = status;
	connector_finish(k->connector, &k->work);
}

static void keygen_start(struct connector *c, struct work *w)
{
	struct keygen_work *k = (struct keygen_work *)w;
	k->pool.data = k;
	if (uv_queue_work(connector_loop(c), &k->pool, on_pool, on_pool_done) < 0) {
		k->rc = E_CRYPTO;
		connector_finish(c, w);
	}
}

static void keygen_destroy(struct work *w)
{
	struct keygen_work *k = (struct keygen_work *)w;
	secret_free(&k->private_key);
	buf_free(&k->public_key);
	free(k);
}

struct keygen_work *keygen_submit(
	struct connector *c, unsigned bits, void (*done)(struct work *w, void *arg), void *arg)
{
	struct keygen_work *k = calloc(1, sizeof *k);
	if (!k)
		return NULL;
	k->work = (struct work){
		.start = keygen_start, .done = done, .destroy = keygen_destroy, .arg = arg};
	k->connector = c;
	k->bits = bits;
	buf_init(&k->public_key, PUBLIC_MAX);
	connector_submit(c, &k->work);
	return k;
}
