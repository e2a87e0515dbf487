/* SPDX-License-Identifier: Apache-2.0 */
/* A provider that passes the default provider on, less the keys that no device has. See cert.h. */
#include "common/base/cert.h"

#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

#define NAME      "muster-devices"
#define TABLE_MAX 16

/* What of an operation remains: algorithms by first name, properties by a part of them. */
static const struct keep {
	int operation;
	const char *properties;
	const char *names[8];
} keep[] = {
	/* RSA-PSS: without it no signature of TLS 1.3 is left for an RSA key */
	{OSSL_OP_KEYMGMT, "", {"RSA", "RSA-PSS", "EC", "X25519", "TLS1-PRF", "HKDF", "HMAC"}},
	{OSSL_OP_DECODER, "structure=SubjectPublicKeyInfo", {"RSA", "EC", "DER"}},
};
#define N_KEEP (sizeof keep / sizeof keep[0])

static OSSL_PROVIDER *whole;
static OSSL_LIB_CTX *library;
static OSSL_ALGORITHM tables[N_KEEP][TABLE_MAX + 1]; /* ends with a row of zeros */

static int kept(const struct keep *k, const OSSL_ALGORITHM *a)
{
	size_t len = strcspn(a->algorithm_names, ":");

	for (const char *const *name = k->names; *name; name++)
		if (strlen(*name) == len && strncmp(a->algorithm_names, *name, len) == 0)
			return strstr(a->property_definition, k->properties) != NULL;
	return 0;
}

static void fill_table(size_t i)
{
	int no_cache;
	size_t n = 0;
	const OSSL_ALGORITHM *a =
		OSSL_PROVIDER_query_operation(whole, keep[i].operation, &no_cache);

	for (; a && a->algorithm_names && n < TABLE_MAX; a++)
		if (kept(&keep[i], a))
			tables[i][n++] = *a;
}

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
	(void)provctx;
	for (size_t i = 0; i < N_KEEP; i++) {
		if (keep[i].operation == operation) {
			*no_cache = 0;
			return tables[i];
		}
	}
	return OSSL_PROVIDER_query_operation(whole, operation, no_cache);
}

/* The groups for key exchange. */
static int capabilities(void *provctx, const char *what, OSSL_CALLBACK *cb, void *arg)
{
	(void)provctx;
	return OSSL_PROVIDER_get_capabilities(whole, what, cb, arg);
}

/* The algorithms are the default provider's, so they get its context. */
static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
	void **provctx)
{
	static const OSSL_DISPATCH functions[] = {
		{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
		{OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities}, {0, NULL}};

	(void)handle;
	(void)in;
	*out = functions;
	*provctx = OSSL_PROVIDER_get0_provider_ctx(whole);
	return 1;
}

static void make_library(void)
{
	OSSL_LIB_CTX *made = OSSL_LIB_CTX_new();

	whole = OSSL_PROVIDER_load(NULL, "default");
	if (whole)
		for (size_t i = 0; i < N_KEEP; i++)
			fill_table(i);
	if (made && whole && OSSL_PROVIDER_add_builtin(made, NAME, start) == 1 &&
		OSSL_PROVIDER_load(made, NAME)) {
		library = made;
		return;
	}
	OSSL_LIB_CTX_free(made);
	ERR_clear_error();
}

OSSL_LIB_CTX *cert_library(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_library);
	return library;
}

X509 *cert_parse(const uint8_t *der, size_t len)
{
	const unsigned char *p = der;
	X509 *cert = X509_new_ex(cert_library(), NULL);

	if (cert && (!d2i_X509(&cert, &p, (long)len) || p != der + len)) {
		X509_free(cert); /* d2i frees and clears it when it fails */
		cert = NULL;
	}
	return cert;
}
