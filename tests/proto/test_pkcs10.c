/* SPDX-License-Identifier: Apache-2.0 */
/* DERKey, the request builder against recorded bytes, and the gate with the eight request files and
 * requests of our own. SPEC: ca.md 2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/pkcs10.h"
#include "tests/proto/vectors.h"

static const char device[] = "tests/data/pki/device";
static const char *const dns_names[] = {"amt1.corp.example.com", "amt1"};
static const struct pkcs10_names names = {
	.common_name = "amt1.corp.example.com",
	.dns_names = dns_names,
	.n_dns_names = 2,
	.upn = "HTTP/amt1.corp.example.com:16993",
};

struct fixture {
	EVP_PKEY *key;     /* as from DERKey */
	EVP_PKEY *private; /* what only the device has */
	struct buf info;
};

static EVP_PKEY *load_private(const char *name)
{
	struct buf pem;
	vectors_load(&pem, device, name);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	assert_non_null(key);
	BIO_free(bio);
	buf_free(&pem);
	return key;
}

static EVP_PKEY *load_derkey(const char *name)
{
	struct buf der;
	EVP_PKEY *key;
	vectors_load(&der, device, name);
	assert_int_equal(pkcs10_read_derkey(&key, der.data, der.len, NULL), 0);
	buf_free(&der);
	return key;
}

static int setup(void **state)
{
	static struct fixture f;
	f.key = load_derkey("amt1-derkey-pkcs1.der");
	f.private = load_private("amt1.key");
	vectors_load(&f.info, device, "amt1-cri.der");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY_free(f->key);
	EVP_PKEY_free(f->private);
	buf_free(&f->info);
	return 0;
}

/* ---- DERKey
 * -------------------------------------------------------------------------------------------- */

static void test_both_derkeys(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *spki = load_derkey("amt1-derkey-spki.der");
	assert_int_equal(EVP_PKEY_eq(f->key, spki), 1);
	assert_int_equal(EVP_PKEY_eq(f->key, f->private), 1);
	assert_int_equal(EVP_PKEY_get_bits(f->key), 2048);
	EVP_PKEY_free(spki);
}

/* Every cut and every appended byte is refused, and nothing leaks or crashes on the way. */
static void test_derkey_damaged(void **state)
{
	(void)state;
	static const char *const files[] = {"amt1-derkey-pkcs1.der", "amt1-derkey-spki.der"};
	for (size_t i = 0; i < 2; i++) {
		struct buf der;
		EVP_PKEY *key;
		vectors_load(&der, device, files[i]);
		for (size_t len = 0; len < der.len; len++) {
			assert_int_equal(pkcs10_read_derkey(&key, der.data, len, NULL), E_PARSE);
			assert_null(key);
		}
		assert_int_equal(buf_add(&der, "", 1), 0);
		assert_int_equal(pkcs10_read_derkey(&key, der.data, der.len, NULL), E_PARSE);
		buf_free(&der);
	}
}

static void test_derkey_sizes(void **state)
{
	(void)state;
	static const struct {
		unsigned bits;
		int rc;
	} rows[] = {{1024, E_LIMIT}, {2048, 0}, {3072, 0}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned char *der = NULL;
		EVP_PKEY *made = EVP_RSA_gen(rows[i].bits), *key;
		int len = i2d_PublicKey(made, &der);
		assert_true(len > 0);
		assert_int_equal(pkcs10_read_derkey(&key, der, (size_t)len, NULL), rows[i].rc);
		if (rows[i].rc == 0)
			assert_int_equal(EVP_PKEY_eq(made, key), 1);
		EVP_PKEY_free(key);
		EVP_PKEY_free(made);
		OPENSSL_free(der);
	}
}

/* ---- builder
 * ------------------------------------------------------------------------------------------- */

static void test_info_equals_vector(void **state)
{
	struct fixture *f = *state;
	struct buf out;
	buf_init(&out, PKCS10_REQUEST_MAX);
	assert_int_equal(pkcs10_build_info(&out, &names, f->key, NULL), 0);
	assert_int_equal(out.len, f->info.len);
	assert_memory_equal(out.data, f->info.data, out.len);
	buf_free(&out);
}

static void test_null_sign_equals_vector(void **state)
{
	struct fixture *f = *state;
	struct buf out, want;
	buf_init(&out, PKCS10_REQUEST_MAX);
	vectors_load(&want, device, "amt1-null-sha256.csr.der");
	assert_int_equal(pkcs10_null_sign(&out, PKCS10_NULL_DIGEST, PKCS10_SHA256_RSA, f->info.data,
				 f->info.len, NULL),
		0);
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.data, want.data, out.len);
	buf_free(&out);
	buf_free(&want);
}

static void test_dummy_form(void **state)
{
	struct fixture *f = *state;
	struct buf out;
	buf_init(&out, PKCS10_REQUEST_MAX);
	assert_int_equal(pkcs10_null_sign(&out, PKCS10_NULL_DUMMY, PKCS10_SHA256_RSA, f->info.data,
				 f->info.len, NULL),
		0);
	const unsigned char *p = out.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)out.len);
	assert_non_null(req);
	assert_int_equal(X509_REQ_get_signature_nid(req), NID_sha256WithRSAEncryption);
	assert_int_equal(EVP_PKEY_eq(X509_REQ_get0_pubkey(req), f->key), 1);
	X509_REQ_free(req);
	buf_free(&out);
}

static void test_null_sign_wants_info(void **state)
{
	struct fixture *f = *state;
	struct buf out;
	buf_init(&out, PKCS10_REQUEST_MAX);
	assert_int_equal(pkcs10_null_sign(&out, PKCS10_NULL_DIGEST, PKCS10_SHA256_RSA, f->info.data,
				 f->info.len - 1, NULL),
		E_PARSE);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static void test_all_extensions(void **state)
{
	struct fixture *f = *state;
	struct buf info, der;
	struct pkcs10_names all = names;
	all.server_auth = all.client_auth = all.key_usage = true;
	all.template_name = "AMT-Server";
	buf_init(&info, PKCS10_REQUEST_MAX);
	buf_init(&der, PKCS10_REQUEST_MAX);
	assert_int_equal(pkcs10_build_info(&info, &all, f->key, NULL), 0);
	assert_int_equal(pkcs10_null_sign(&der, PKCS10_NULL_DIGEST, PKCS10_SHA256_RSA, info.data,
				 info.len, NULL),
		0);
	const unsigned char *p = der.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
	assert_int_equal(sk_X509_EXTENSION_num(exts), 4);
	assert_true(X509v3_get_ext_by_NID(exts, NID_subject_alt_name, -1) >= 0);
	assert_true(X509v3_get_ext_by_NID(exts, NID_ext_key_usage, -1) >= 0);
	int at = X509v3_get_ext_by_NID(exts, NID_key_usage, -1);
	const ASN1_OCTET_STRING *usage = X509_EXTENSION_get_data(sk_X509_EXTENSION_value(exts, at));
	assert_memory_equal(ASN1_STRING_get0_data(usage), "\x03\x02\x05\xa0", 4);
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.311.20.2", 1);
	at = X509v3_get_ext_by_OBJ(exts, oid, -1);
	assert_true(at >= 0);
	const ASN1_OCTET_STRING *tmpl = X509_EXTENSION_get_data(sk_X509_EXTENSION_value(exts, at));
	assert_memory_equal(ASN1_STRING_get0_data(tmpl), "\x1e\x14\0A\0M\0T", 8);
	ASN1_OBJECT_free(oid);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	X509_REQ_free(req);
	buf_free(&info);
	buf_free(&der);
}

static void test_no_common_name(void **state)
{
	struct fixture *f = *state;
	struct buf out;
	struct error err = {0};
	struct pkcs10_names none = {.common_name = ""}, bad = {.common_name = "\xff\xfe"};
	buf_init(&out, PKCS10_REQUEST_MAX);
	assert_int_equal(pkcs10_build_info(&out, &none, f->key, &err), E_CONFIG);
	assert_int_equal(pkcs10_build_info(&out, &bad, f->key, &err), E_CONFIG);
	buf_free(&out);
}

/* ---- the gate
 * ------------------------------------------------------------------------------------------- */

static enum pkcs10_fault check(struct fixture *f, const struct buf *der, enum pkcs10_sig sig)
{
	struct error err = {0};
	X509_REQ *req = NULL;
	struct pkcs10_expect expect = {
		.key = f->key, .sig = sig, .info = f->info.data, .info_len = f->info.len};
	enum pkcs10_fault fault = pkcs10_check(&req, der->data, der->len, &expect, &err);
	assert_int_equal(req != NULL, fault == PKCS10_OK);
	assert_int_equal(err.code, fault == PKCS10_OK ? 0 : E_REFUSED);
	if (fault != PKCS10_OK)
		assert_non_null(strstr(err.text, pkcs10_fault_name(fault)));
	X509_REQ_free(req);
	return fault;
}

static void test_request_files(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *file;
		enum pkcs10_sig sig;
		enum pkcs10_fault fault;
	} rows[] = {
		{"amt1-sha256.csr.der", PKCS10_SHA256_RSA, PKCS10_OK},
		{"amt1-sha1.csr.der", PKCS10_SHA1_RSA, PKCS10_OK},
		{"amt1-sha384.csr.der", PKCS10_SHA384_RSA, PKCS10_OK},
		{"amt1-sha1.csr.der", PKCS10_SHA256_RSA, PKCS10_WRONG_ALGORITHM},
		{"amt1-null-sha256.csr.der", PKCS10_SHA256_RSA, PKCS10_NULL_SIGNED},
		{"amt1-nosignature.csr.der", PKCS10_SHA256_RSA, PKCS10_NULL_SIGNED},
		{"amt1-badsig.csr.der", PKCS10_SHA256_RSA, PKCS10_BAD_SIGNATURE},
		{"amt1-tampered-name.csr.der", PKCS10_SHA256_RSA, PKCS10_BAD_SIGNATURE},
		{"amt1-truncated.csr.der", PKCS10_SHA256_RSA, PKCS10_MALFORMED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf der;
		vectors_load(&der, device, rows[i].file);
		enum pkcs10_fault fault = check(f, &der, rows[i].sig);
		if (fault != rows[i].fault)
			fail_msg("%s: %s, expected %s", rows[i].file, pkcs10_fault_name(fault),
				pkcs10_fault_name(rows[i].fault));
		buf_free(&der);
	}
}

static void test_gate_trailing_and_empty(void **state)
{
	struct fixture *f = *state;
	struct buf der, empty;
	buf_init(&empty, 1);
	vectors_load(&der, device, "amt1-sha256.csr.der");
	assert_int_equal(buf_add(&der, "", 1), 0);
	assert_int_equal(check(f, &der, PKCS10_SHA256_RSA), PKCS10_TRAILING_DATA);
	assert_int_equal(check(f, &empty, PKCS10_SHA256_RSA), PKCS10_MALFORMED);
	buf_free(&der);
}

static void test_gate_other_key(void **state)
{
	struct fixture *f = *state;
	struct fixture other = *f;
	struct buf der;
	other.key = load_private("amt2.key");
	vectors_load(&der, device, "amt1-sha256.csr.der");
	assert_int_equal(check(&other, &der, PKCS10_SHA256_RSA), PKCS10_WRONG_KEY);
	EVP_PKEY_free(other.key);
	buf_free(&der);
}

/* A request with these names, truly signed by the device's key. */
static void sign_request(struct fixture *f, const struct pkcs10_names *wanted, struct buf *out)
{
	struct buf info, null_signed;
	unsigned char *der = NULL;
	buf_init(&info, PKCS10_REQUEST_MAX);
	buf_init(&null_signed, PKCS10_REQUEST_MAX);
	assert_int_equal(pkcs10_build_info(&info, wanted, f->key, NULL), 0);
	assert_int_equal(pkcs10_null_sign(&null_signed, PKCS10_NULL_DUMMY, PKCS10_SHA256_RSA,
				 info.data, info.len, NULL),
		0);
	const unsigned char *p = null_signed.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)null_signed.len);
	assert_true(X509_REQ_sign(req, f->private, EVP_sha256()) > 0);
	int len = i2d_X509_REQ(req, &der);
	assert_true(len > 0);
	buf_init(out, PKCS10_REQUEST_MAX);
	assert_int_equal(buf_add(out, der, (size_t)len), 0);
	OPENSSL_free(der);
	X509_REQ_free(req);
	buf_free(&info);
	buf_free(&null_signed);
}

static void test_gate_content(void **state)
{
	struct fixture *f = *state;
	static const char *const other_dns[] = {"amt1.corp.example.com", "amt2"};
	struct pkcs10_names other_cn = names, other_san = names, more = names, none = names;
	other_cn.common_name = "amt2.corp.example.com";
	other_san.dns_names = other_dns;
	more.client_auth = true;
	none.n_dns_names = 0;
	none.upn = NULL;
	const struct {
		const struct pkcs10_names *names;
		enum pkcs10_fault fault;
	} rows[] = {
		{&names, PKCS10_OK},
		{&other_cn, PKCS10_WRONG_CONTENT},
		{&other_san, PKCS10_WRONG_CONTENT},
		{&more, PKCS10_WRONG_CONTENT},
		{&none, PKCS10_WRONG_CONTENT},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf der;
		sign_request(f, rows[i].names, &der);
		assert_int_equal(check(f, &der, PKCS10_SHA256_RSA), rows[i].fault);
		buf_free(&der);
	}
}

/* Firmware that writes the subject as PrintableString means the same name. */
static void test_gate_other_encoding(void **state)
{
	struct fixture *f = *state;
	struct buf der;
	unsigned char *again = NULL;
	vectors_load(&der, device, "amt1-sha256.csr.der");
	const unsigned char *p = der.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);
	X509_NAME *name = X509_NAME_new();
	assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_PRINTABLESTRING,
				 (const unsigned char *)"amt1.corp.example.com", -1, -1, 0),
		1);
	assert_int_equal(X509_REQ_set_subject_name(req, name), 1);
	assert_true(X509_REQ_sign(req, f->private, EVP_sha256()) > 0);
	int len = i2d_X509_REQ(req, &again);
	buf_free(&der);
	assert_int_equal(buf_add(&der, again, (size_t)len), 0);
	assert_int_equal(check(f, &der, PKCS10_SHA256_RSA), PKCS10_OK);
	OPENSSL_free(again);
	X509_NAME_free(name);
	X509_REQ_free(req);
	buf_free(&der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_derkeys),
		cmocka_unit_test(test_derkey_damaged),
		cmocka_unit_test(test_derkey_sizes),
		cmocka_unit_test(test_info_equals_vector),
		cmocka_unit_test(test_null_sign_equals_vector),
		cmocka_unit_test(test_dummy_form),
		cmocka_unit_test(test_null_sign_wants_info),
		cmocka_unit_test(test_all_extensions),
		cmocka_unit_test(test_no_common_name),
		cmocka_unit_test(test_request_files),
		cmocka_unit_test(test_gate_trailing_and_empty),
		cmocka_unit_test(test_gate_other_key),
		cmocka_unit_test(test_gate_content),
		cmocka_unit_test(test_gate_other_encoding),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
