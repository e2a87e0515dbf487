/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded CA: what it issues is judged by OpenSSL's own command, not by our code. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "ctl/ca/authority.h"

static char folder[] = "/tmp/muster-ca-XXXXXX";
static char ca_dir[PATH_MAX];
static struct authority *ca;
static uint8_t derkey[1024];
static size_t derkey_len;
static EVP_PKEY *device_key;

static void open_ca(void)
{
	struct error err = {0};
	assert_int_equal(
		authority_open(
			&ca, &(struct authority_opts){.dir = ca_dir, .validity_days = 365}, &err),
		0);
}

static int set_up(void **state)
{
	(void)state;
	struct error err = {0};
	assert_non_null(mkdtemp(folder));
	snprintf(ca_dir, sizeof ca_dir, "%s/ca", folder);
	assert_int_equal(authority_create(ca_dir, &err), 0);
	device_key = EVP_RSA_gen(2048);
	uint8_t *p = derkey;
	derkey_len = (size_t)i2d_PublicKey(device_key, &p);
	open_ca();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	char command[PATH_MAX + 16];
	authority_close(ca);
	EVP_PKEY_free(device_key);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static Muster__V1__CaRequest request_for(const char *key, const char *name)
{
	static char *names[1];
	Muster__V1__CaRequest req = MUSTER__V1__CA_REQUEST__INIT;
	names[0] = (char *)(uintptr_t)name;
	req.id = 7;
	req.op = MUSTER__V1__CA_OP__CA_OP_ISSUE;
	req.request_key = (char *)(uintptr_t)key;
	req.common_name = (char *)(uintptr_t)name;
	req.dns_names = names;
	req.n_dns_names = 1;
	req.public_key.data = derkey;
	req.public_key.len = derkey_len;
	req.device_uuid =
		(char *)(uintptr_t)key; /* so that tests do not meet each other's day limit */
	return req;
}

static struct buf issue(const char *key, const char *name)
{
	struct buf der;
	buf_init(&der, 8192);
	Muster__V1__CaRequest req = request_for(key, name);
	Muster__V1__CaReply reply = MUSTER__V1__CA_REPLY__INIT;
	authority_answer(ca, &req, &reply);
	assert_int_equal(reply.status, MUSTER__V1__CA_STATUS__CA_ISSUED);
	assert_int_equal(reply.id, 7);
	assert_int_equal(reply.n_chain, 2);
	assert_int_equal(buf_add(&der, reply.certificate.data, reply.certificate.len), 0);
	authority_reply_clear(&reply);
	return der;
}

static void refused(const char *key, const char *name, Muster__V1__CaStatus status)
{
	Muster__V1__CaRequest req = request_for(key, name);
	Muster__V1__CaReply reply = MUSTER__V1__CA_REPLY__INIT;
	authority_answer(ca, &req, &reply);
	assert_int_equal(reply.status, status);
	assert_true(strlen(reply.text) > 10);
	authority_reply_clear(&reply);
}

/* openssl verify, with the CRL when asked. */
static int openssl_verify(const struct buf *der, const char *options)
{
	char path[PATH_MAX], command[4 * PATH_MAX];
	snprintf(path, sizeof path, "%s/leaf.pem", folder);
	const uint8_t *p = der->data;
	X509 *cert = d2i_X509(NULL, &p, (long)der->len);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	PEM_write_X509(f, cert);
	fclose(f);
	X509_free(cert);
	snprintf(command, sizeof command,
		"openssl verify -x509_strict -purpose sslserver -CAfile %s/root.pem -untrusted "
		"%s/issuing.pem %s %s/leaf.pem "
		">/dev/null 2>&1",
		ca_dir, ca_dir, options, folder);
	return system(command);
}

static void issues_what_openssl_accepts(void **state)
{
	(void)state;
	struct buf der = issue("k1", "pc1.corp.example.com");
	assert_true(der.len < 4100);
	assert_int_equal(openssl_verify(&der, "-verify_hostname pc1.corp.example.com"), 0);
	assert_int_not_equal(openssl_verify(&der, "-verify_hostname pc2.corp.example.com"), 0);
	buf_free(&der);
}

static void same_key_same_certificate_after_restart(void **state)
{
	(void)state;
	struct buf first = issue("k2", "pc2.corp.example.com");
	authority_close(ca);
	open_ca();
	struct buf second = issue("k2", "pc2.corp.example.com"),
		   other = issue("k3", "pc2.corp.example.com");
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_true(other.len != first.len || memcmp(other.data, first.data, first.len) != 0);
	buf_free(&first);
	buf_free(&second);
	buf_free(&other);
}

static void half_a_line_is_cut_off(void **state)
{
	(void)state;
	char path[PATH_MAX + 16];
	struct buf first = issue("k4", "pc4.corp.example.com");
	authority_close(ca);
	snprintf(path, sizeof path, "%s/ledger.jsonl", ca_dir);
	FILE *f = fopen(path, "a");
	fputs("{\"event\":\"issued\",\"ms\":1,\"ser", f);
	fclose(f);
	open_ca();
	struct buf second = issue("k4", "pc4.corp.example.com"),
		   third = issue("k5", "pc5.corp.example.com");
	authority_close(ca);
	open_ca(); /* the ledger still reads */
	assert_memory_equal(first.data, second.data, first.len);
	buf_free(&first);
	buf_free(&second);
	buf_free(&third);
}

static void revoked_is_refused_by_openssl(void **state)
{
	(void)state;
	char options[PATH_MAX + 64];
	struct buf good = issue("k6", "pc6.corp.example.com"),
		   bad = issue("k7", "pc7.corp.example.com");
	const uint8_t *p = bad.data;
	X509 *cert = d2i_X509(NULL, &p, (long)bad.len);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	assert_int_equal(ASN1_STRING_length(serial), 16);
	Muster__V1__CaRequest req = MUSTER__V1__CA_REQUEST__INIT;
	Muster__V1__CaReply reply = MUSTER__V1__CA_REPLY__INIT;
	req.op = MUSTER__V1__CA_OP__CA_OP_REVOKE;
	req.serial.data = (uint8_t *)(uintptr_t)ASN1_STRING_get0_data(serial);
	req.serial.len = (size_t)ASN1_STRING_length(serial);
	authority_answer(ca, &req, &reply);
	assert_int_equal(reply.status, MUSTER__V1__CA_STATUS__CA_OK);
	authority_reply_clear(&reply);
	X509_free(cert);
	snprintf(options, sizeof options, "-crl_check -CRLfile %s/crl.pem", ca_dir);
	assert_int_equal(openssl_verify(&good, options), 0);
	assert_int_not_equal(openssl_verify(&bad, options), 0);
	uint64_t n_issued, n_revoked;
	authority_counts(ca, &n_issued, &n_revoked);
	assert_int_equal(n_revoked, 1);
	buf_free(&good);
	buf_free(&bad);
}

static void bad_requests_are_refused(void **state)
{
	(void)state;
	refused("", "pc.corp.example.com", MUSTER__V1__CA_STATUS__CA_FATAL);
	refused("b1", "", MUSTER__V1__CA_STATUS__CA_FATAL);
	refused("b2", "pc.example.com,DNS:evil.example.com", MUSTER__V1__CA_STATUS__CA_FATAL);
	refused("b3", "-pc.example.com", MUSTER__V1__CA_STATUS__CA_FATAL);
	derkey[20] ^= 0xff, derkey_len--;
	refused("b4", "pc.corp.example.com", MUSTER__V1__CA_STATUS__CA_FATAL);
	derkey[20] ^= 0xff, derkey_len++;
}

static void a_loop_is_stopped_after_five(void **state)
{
	(void)state;
	char key[16];
	for (int i = 0; i < 6; i++) {
		snprintf(key, sizeof key, "loop%d", i);
		Muster__V1__CaRequest req = request_for(key, "pc.corp.example.com");
		Muster__V1__CaReply reply = MUSTER__V1__CA_REPLY__INIT;
		req.device_uuid = (char *)(uintptr_t) "8f3a1c77-25b9-4d0e-9a41-6c1f0e5b2d90";
		authority_answer(ca, &req, &reply);
		assert_int_equal(reply.status, i < 5 ? MUSTER__V1__CA_STATUS__CA_ISSUED
						     : MUSTER__V1__CA_STATUS__CA_DENIED);
		authority_reply_clear(&reply);
	}
}

static void an_existing_authority_is_never_overwritten(void **state)
{
	(void)state;
	struct error err = {0};
	assert_int_equal(authority_create(ca_dir, &err), -EEXIST);
	assert_non_null(strstr(err.text, "nothing was changed"));
}

static void a_readable_key_is_refused(void **state)
{
	(void)state;
	struct error err = {0};
	struct authority *second = NULL;
	char path[PATH_MAX + 16];
	snprintf(path, sizeof path, "%s/issuing.key", ca_dir);
	chmod(path, 0644);
	assert_int_equal(
		authority_open(&second, &(struct authority_opts){.dir = ca_dir}, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "chmod 600"));
	chmod(path, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(issues_what_openssl_accepts),
		cmocka_unit_test(same_key_same_certificate_after_restart),
		cmocka_unit_test(half_a_line_is_cut_off),
		cmocka_unit_test(revoked_is_refused_by_openssl),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(a_loop_is_stopped_after_five),
		cmocka_unit_test(an_existing_authority_is_never_overwritten),
		cmocka_unit_test(a_readable_key_is_refused),
	};
	return cmocka_run_group_tests_name("authority", tests, set_up, tear_down);
}
