/* SPDX-License-Identifier: Apache-2.0 */
/* DERKey and the gate for requests: both read bytes of a device. The first byte chooses. */
#include "proto/pkcs10.h"
#include "common/base/buf.h"

#include <openssl/evp.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *expected_key(void)
{
	static EVP_PKEY *key;
	if (!key)
		key = EVP_RSA_gen(2048);
	return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] == 'k') {
		EVP_PKEY *key;
		if (pkcs10_read_derkey(&key, data + 1, size - 1, NULL) < 0 && key)
			abort();
		EVP_PKEY_free(key);
		return 0;
	}
	X509_REQ *req = NULL;
	struct pkcs10_expect expect = {
		.key = expected_key(), .sig = PKCS10_SHA256_RSA, .info = data, .info_len = size};
	/* Nobody can sign with our key, so nothing may pass. */
	if (pkcs10_check(&req, data + 1, size - 1, &expect, NULL) == PKCS10_OK || req)
		abort();
	struct buf out;
	buf_init(&out, 4 * PKCS10_REQUEST_MAX);
	pkcs10_null_sign(&out, PKCS10_NULL_DIGEST, PKCS10_SHA256_RSA, data + 1, size - 1, NULL);
	buf_free(&out);
	return 0;
}
