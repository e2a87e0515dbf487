/* SPDX-License-Identifier: Apache-2.0 */
/* Device certificates of vectors/pki: the good ones for their own name, the four faulty ones by the
 * name of their fault, and what a device presents. SPEC: ca.md 1.1, tls.md 8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/base/err.h"
#include "common/pki/devcert.h"
#include "proto/pkcs10.h"
#include "tests/proto/vectors.h"

#define NOW_S INT64_C(1767225600) /* 2026-01-01 */

static const char device[] = "tests/data/pki/device";
static struct devcert_want want;

static X509 *load_cert(const char *name)
{
	struct buf pem;
	vectors_load(&pem, device, name);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(cert);
	BIO_free(bio);
	buf_free(&pem);
	return cert;
}

static int setup(void **state)
{
	(void)state;
	struct buf pem, der;
	vectors_load(&pem, "tests/data/pki/ca", "device-ca.pem");
	vectors_load(&der, device, "amt1-derkey-pkcs1.der");
	want = (struct devcert_want){.fqdn = "amt1.corp.example.com", .now_s = NOW_S};
	assert_int_equal(devcert_ca_new_pem(&want.ca, pem.data, pem.len, NULL), 0);
	assert_int_equal(pkcs10_read_derkey(&want.key, der.data, der.len, NULL), 0);
	buf_free(&pem);
	buf_free(&der);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	devcert_ca_free(want.ca);
	EVP_PKEY_free(want.key);
	return 0;
}

static enum devcert_fault check_issued(const char *name, const struct devcert_want *w, char *fp)
{
	unsigned char *der = NULL;
	struct error err = {0};
	X509 *cert = load_cert(name);
	int len = i2d_X509(cert, &der);
	enum devcert_fault fault = devcert_check_issued(der, (size_t)len, w, fp, &err);
	if (fault == DEVCERT_OK)
		assert_int_equal(strlen(fp), DEVCERT_FP_HEX);
	else
		assert_non_null(strstr(err.text, devcert_fault_name(fault)));
	OPENSSL_free(der);
	X509_free(cert);
	return fault;
}

static void test_issued(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum devcert_fault fault;
	} rows[] = {
		{"amt1.pem", DEVCERT_OK},
		{"amt1-expired.pem", DEVCERT_EXPIRED},
		{"amt1-clientonly.pem", DEVCERT_NO_SERVERAUTH},
		{"amt1-otherca.pem", DEVCERT_WRONG_ISSUER},
		{"amt1-wrongname.pem", DEVCERT_WRONG_NAME},
		{"amt2.pem", DEVCERT_WRONG_KEY},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char fp[DEVCERT_FP_HEX + 1];
		enum devcert_fault fault = check_issued(rows[i].name, &want, fp);
		if (fault != rows[i].fault)
			fail_msg("%s: %s, expected %s", rows[i].name, devcert_fault_name(fault),
				devcert_fault_name(rows[i].fault));
	}
}

static void test_issued_other_wishes(void **state)
{
	(void)state;
	char fp[DEVCERT_FP_HEX + 1];
	struct devcert_want w = want;
	w.fqdn = "AMT1.Corp.Example.Com";
	assert_int_equal(check_issued("amt1.pem", &w, fp), DEVCERT_OK);
	w.fqdn = "amt1.corp.example.co";
	assert_int_equal(check_issued("amt1.pem", &w, fp), DEVCERT_WRONG_NAME);
	w = want;
	w.now_s = 0;
	assert_int_equal(check_issued("amt1.pem", &w, fp), DEVCERT_NOT_YET_VALID);
	w.now_s = INT64_C(2398377600);
	assert_int_equal(check_issued("amt1.pem", &w, fp), DEVCERT_EXPIRED);
	w = want;
	w.key = NULL;
	assert_int_equal(check_issued("amt2.pem", &w, fp), DEVCERT_WRONG_NAME);
	w.fqdn = "amt2.corp.example.com";
	assert_int_equal(check_issued("amt2.pem", &w, fp), DEVCERT_OK);
}

static void test_issued_bytes(void **state)
{
	(void)state;
	char fp[DEVCERT_FP_HEX + 1];
	unsigned char *der = NULL, large[DEVCERT_DER_MAX + 1] = {0};
	X509 *cert = load_cert("amt1.pem");
	size_t len = (size_t)i2d_X509(cert, &der);
	memcpy(large, der, len);
	assert_int_equal(devcert_check_issued(large, len, &want, fp, NULL), DEVCERT_OK);
	assert_int_equal(devcert_check_issued(large, len + 1, &want, fp, NULL), DEVCERT_MALFORMED);
	assert_string_equal(fp, "");
	assert_int_equal(devcert_check_issued(large, len - 1, &want, fp, NULL), DEVCERT_MALFORMED);
	assert_int_equal(
		devcert_check_issued(large, sizeof large, &want, fp, NULL), DEVCERT_TOO_LARGE);
	large[len - 1] ^= 1;
	assert_int_equal(devcert_check_issued(large, len, &want, fp, NULL), DEVCERT_WRONG_ISSUER);
	OPENSSL_free(der);
	X509_free(cert);
}

static void test_presented(void **state)
{
	(void)state;
	char fp1[DEVCERT_FP_HEX + 1], fp2[DEVCERT_FP_HEX + 1];
	struct error err = {0};
	X509 *amt1 = load_cert("amt1.pem"), *amt2 = load_cert("amt2.pem");
	X509 *self = load_cert("setup-self.pem"), *expired = load_cert("amt1-expired.pem");
	assert_int_equal(devcert_fingerprint(amt1, fp1), 0);
	assert_int_equal(devcert_fingerprint(amt2, fp2), 0);

	assert_int_equal(devcert_check_presented(amt1, fp1, NULL, &want, &err), DEVCERT_OK);
	assert_int_equal(devcert_check_presented(amt1, fp2, fp1, &want, &err), DEVCERT_OK);
	assert_int_equal(
		devcert_check_presented(amt2, fp1, NULL, &want, &err), DEVCERT_NOT_INSTALLED);
	assert_int_equal(
		devcert_check_presented(self, fp1, NULL, &want, &err), DEVCERT_SELF_SIGNED);
	assert_int_equal(
		devcert_check_presented(expired, fp1, NULL, &want, &err), DEVCERT_NOT_INSTALLED);
	assert_int_equal(err.code, E_TLS);
	assert_non_null(strstr(err.text, "not-installed"));

	char fp_expired[DEVCERT_FP_HEX + 1];
	assert_int_equal(devcert_fingerprint(expired, fp_expired), 0);
	assert_int_equal(
		devcert_check_presented(expired, fp_expired, NULL, &want, &err), DEVCERT_EXPIRED);
	X509_free(amt1);
	X509_free(amt2);
	X509_free(self);
	X509_free(expired);
}

static void test_ca_refused(void **state)
{
	(void)state;
	struct devcert_ca *ca;
	struct error err = {0};
	X509 *leaf = load_cert("amt1.pem");
	assert_int_equal(devcert_ca_new(&ca, NULL, 0, &err), E_CONFIG);
	assert_int_equal(devcert_ca_new(&ca, &leaf, 1, &err), E_CONFIG);
	assert_int_equal(devcert_ca_new_pem(&ca, "x", 1, &err), E_CONFIG);
	assert_null(ca);
	X509_free(leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_issued),
		cmocka_unit_test(test_issued_other_wishes),
		cmocka_unit_test(test_issued_bytes),
		cmocka_unit_test(test_presented),
		cmocka_unit_test(test_ca_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
