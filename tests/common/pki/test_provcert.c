/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of manifest.csv, what the report says, files that are none, and the choice of a chain.
 * SPEC: tls.md 4.3, 4.5, 5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/pki/provcert.h"
#include "tests/common/pki/csv.h"
#include "tests/proto/vectors.h"

#define PKI "tests/data/pki"

/* 2026-01-01: inside the validity of the set (2020 to 2045). */
#define NOW_S INT64_C(1767225600)

static int load(struct provcert **pc, const char *chain, const char *key,
	struct provcert_report *report, struct error *err)
{
	char chain_path[256], key_path[256];
	snprintf(chain_path, sizeof chain_path, PKI "/%s", chain);
	snprintf(key_path, sizeof key_path, PKI "/%s", key);
	return provcert_load(pc, chain_path, key_path, NULL, NOW_S, report, err);
}

/* ---- manifest
 * ------------------------------------------------------------------------------------------- */

static void check_accepted(const char *chain, const char *verdict, const struct provcert *pc,
	const struct provcert_report *report)
{
	size_t pos = 0;
	const struct provcert_finding *w = provcert_next_warning(report, &pos);
	if (report->n_defects > 0)
		fail_msg("%s: refused as %s, expected %s", chain,
			provcert_code_name(provcert_verdict(report)), verdict);
	if ((w != NULL) != (strcmp(verdict, "accept+warn") == 0))
		fail_msg("%s: warning %s, expected %s", chain,
			w ? provcert_code_name(w->code) : "none", verdict);
	if (report->sorted != (strcmp(verdict, "accept after sorting") == 0))
		fail_msg("%s: sorted %d, expected %s", chain, report->sorted, verdict);
	for (size_t i = 0; i + 1 < provcert_chain_len(pc); i++)
		assert_int_equal(X509_check_issued(provcert_cert(pc, i + 1), provcert_cert(pc, i)),
			X509_V_OK);
	assert_int_equal(EVP_PKEY_eq(provcert_key(pc), X509_get0_pubkey(provcert_cert(pc, 0))), 1);
}

static void check_refused(const char *chain, const char *reason, int rc,
	const struct provcert_report *report, const struct error *err)
{
	if (strcmp(provcert_code_name(provcert_verdict(report)), reason) != 0)
		fail_msg("%s: %s, expected %s", chain, provcert_code_name(provcert_verdict(report)),
			reason);
	assert_int_equal(rc, E_CONFIG);
	assert_non_null(strstr(err->text, reason));
	/* One fault each; wrong-eku-client alone has two, having neither mark nor serverAuth. */
	size_t n = strstr(chain, "wrong-eku-client") ? 2 : 1;
	if (report->n_defects != n)
		fail_msg("%s: %zu defects, the second is %s", chain, report->n_defects,
			provcert_code_name(report->findings[1].code));
}

static void check_row(char **f, size_t n)
{
	struct provcert *pc;
	struct provcert_report report;
	struct error err = {0};
	static const char refuse[] = "refuse ";
	assert_true(n >= 8);
	int rc = load(&pc, f[0], f[1], &report, &err);
	assert_non_null(pc);
	if (strncmp(f[2], refuse, strlen(refuse)) == 0)
		check_refused(f[0], f[2] + strlen(refuse), rc, &report, &err);
	else
		check_accepted(f[0], f[2], pc, &report);
	provcert_free(pc);
}

static void test_manifest(void **state)
{
	(void)state;
	assert_int_equal(csv_each(PKI, "manifest.csv", check_row), 33);
}

static void test_warnings_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum provcert_code code;
	} rows[] = {
		{"prov/leaf-ou", PROVCERT_WARN_OU_ONLY},
		{"prov/leaf-wild", PROVCERT_WARN_WILDCARD},
		{"prov/leaf-multiou", PROVCERT_WARN_MANY_OUS},
		{"prov/leaf-san", PROVCERT_WARN_SAN_ONLY},
		{"prov/leaf-deep", PROVCERT_WARN_LONG_CHAIN},
		{"bad/sha1-leaf", PROVCERT_WARN_SHA1},
		{"bad/under-sha1-root", PROVCERT_WARN_SHA1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char chain[100], key[100];
		struct provcert *pc;
		struct provcert_report report;
		snprintf(chain, sizeof chain, "%s-chain.pem", rows[i].name);
		snprintf(key, sizeof key, "%s.key", rows[i].name);
		assert_int_equal(load(&pc, chain, key, &report, NULL), 0);
		assert_true(provcert_has(&report, rows[i].code));
		provcert_free(pc);
	}
}

/* ---- files and passwords
 * ---------------------------------------------------------------------------------- */

static struct buf chain_pem, key_pem;

static int load_oid(struct provcert **pc, const struct buf *key, const struct secret *password,
	int64_t now_s, struct provcert_report *report)
{
	return provcert_load_pem(pc, chain_pem.data, chain_pem.len, key->data, key->len, password,
		now_s, report, NULL);
}

static int setup(void **state)
{
	(void)state;
	vectors_load(&chain_pem, PKI "/prov", "leaf-oid-chain.pem");
	vectors_load(&key_pem, PKI "/prov", "leaf-oid.key");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_free(&chain_pem);
	buf_free(&key_pem);
	return 0;
}

static void test_encrypted_key(void **state)
{
	(void)state;
	struct provcert *pc;
	struct provcert_report report;
	struct secret good = {0}, bad = {0};
	char *text;
	BIO *in = BIO_new_mem_buf(key_pem.data, (int)key_pem.len), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	assert_int_equal(
		PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), "test", 4, NULL, NULL),
		1);
	struct buf encrypted = {.len = (size_t)BIO_get_mem_data(out, &text)};
	encrypted.data = (uint8_t *)text;
	secret_set(&good, "test", 4);
	secret_set(&bad, "tset", 4);

	assert_int_equal(load_oid(&pc, &encrypted, &good, NOW_S, &report), 0);
	provcert_free(pc);
	assert_int_equal(load_oid(&pc, &encrypted, &bad, NOW_S, &report), E_CONFIG);
	assert_int_equal(provcert_verdict(&report), PROVCERT_BAD_PASSWORD);
	assert_null(pc);
	assert_int_equal(load_oid(&pc, &encrypted, NULL, NOW_S, &report), E_CONFIG);
	assert_int_equal(provcert_verdict(&report), PROVCERT_BAD_PASSWORD);

	secret_free(&good);
	secret_free(&bad);
	EVP_PKEY_free(key);
	BIO_free(in);
	BIO_free(out);
}

static void test_not_the_right_files(void **state)
{
	(void)state;
	struct provcert *pc;
	struct provcert_report report;
	struct error err = {0};
	struct buf damaged;
	assert_int_equal(load_oid(&pc, &chain_pem, NULL, NOW_S, &report), E_CONFIG);
	assert_int_equal(provcert_verdict(&report), PROVCERT_MALFORMED);
	assert_null(pc);
	assert_int_equal(provcert_load_pem(&pc, key_pem.data, key_pem.len, key_pem.data,
				 key_pem.len, NULL, NOW_S, &report, &err),
		E_CONFIG);
	assert_int_equal(provcert_verdict(&report), PROVCERT_MALFORMED);
	assert_int_equal(load(&pc, "prov/absent.pem", "prov/leaf-oid.key", &report, &err), -2);
	assert_non_null(strstr(err.text, "absent.pem"));

	vectors_load(&damaged, PKI "/prov", "leaf-oid-chain.pem");
	damaged.data[damaged.len - 200] = '!';
	assert_int_equal(provcert_load_pem(&pc, damaged.data, damaged.len, key_pem.data,
				 key_pem.len, NULL, NOW_S, &report, &err),
		E_CONFIG);
	assert_true(provcert_has(&report, PROVCERT_MALFORMED));
	provcert_free(pc);
	buf_free(&damaged);
}

static void test_expires_soon_and_two_defects(void **state)
{
	(void)state;
	struct provcert *pc;
	struct provcert_report report;
	const int64_t end_s = INT64_C(2398377599); /* 2045-12-31 23:59:59 */
	const int64_t day_s = 86400;
	assert_int_equal(load_oid(&pc, &key_pem, NULL, end_s - 61 * day_s, &report), 0);
	assert_int_equal(provcert_not_after_s(pc), end_s);
	assert_false(provcert_has(&report, PROVCERT_WARN_EXPIRES_SOON));
	provcert_free(pc);
	assert_int_equal(load_oid(&pc, &key_pem, NULL, end_s - 59 * day_s, &report), 0);
	assert_true(provcert_has(&report, PROVCERT_WARN_EXPIRES_SOON));
	provcert_free(pc);
	assert_int_equal(load_oid(&pc, &key_pem, NULL, end_s + 1, &report), E_CONFIG);
	assert_int_equal(provcert_verdict(&report), PROVCERT_EXPIRED);
	provcert_free(pc);

	struct buf other;
	vectors_load(&other, PKI "/bad", "key-of-another-leaf.key");
	assert_int_equal(load_oid(&pc, &other, NULL, end_s + 1, &report), E_CONFIG);
	assert_int_equal(report.n_defects, 2);
	assert_true(provcert_has(&report, PROVCERT_KEY_MISMATCH));
	assert_true(provcert_has(&report, PROVCERT_EXPIRED));
	provcert_free(pc);
	buf_free(&other);
}

static void test_unused_certificate(void **state)
{
	(void)state;
	struct provcert *pc;
	struct provcert_report report;
	struct buf two, extra;
	vectors_load(&two, PKI "/prov", "leaf-oid-chain.pem");
	vectors_load(&extra, PKI "/bad", "unlisted-root.pem");
	assert_int_equal(buf_add(&two, extra.data, extra.len), 0);
	assert_int_equal(provcert_load_pem(&pc, two.data, two.len, key_pem.data, key_pem.len, NULL,
				 NOW_S, &report, NULL),
		0);
	assert_int_equal(provcert_chain_len(pc), 3);
	assert_true(provcert_has(&report, PROVCERT_WARN_UNUSED));
	assert_false(report.sorted);
	provcert_free(pc);
	buf_free(&two);
	buf_free(&extra);
}

/* ---- fingerprints and choice
 * --------------------------------------------------------------------------- */

enum { OID, WILD, SHORT, DEEP, RSA3072, SHA1_ROOT, UNLISTED, OTHER_DOMAIN, N_CHAINS };

static struct provcert *chains[N_CHAINS];

static int setup_chains(void **state)
{
	(void)state;
	static const char *const files[N_CHAINS] = {
		[OID] = "prov/leaf-oid",
		[WILD] = "prov/leaf-wild",
		[SHORT] = "prov/leaf-short",
		[DEEP] = "prov/leaf-deep",
		[RSA3072] = "prov/leaf3072",
		[SHA1_ROOT] = "bad/under-sha1-root",
		[UNLISTED] = "bad/unlisted",
		[OTHER_DOMAIN] = "bad/wrong-domain",
	};
	for (size_t i = 0; i < N_CHAINS; i++) {
		char chain[100], key[100];
		struct provcert_report report;
		snprintf(chain, sizeof chain, "%s-chain.pem", files[i]);
		snprintf(key, sizeof key, "%s.key", files[i]);
		if (load(&chains[i], chain, key, &report, NULL) < 0)
			return -1;
	}
	return 0;
}

static int teardown_chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CHAINS; i++)
		provcert_free(chains[i]);
	return 0;
}

/* root-hashes.txt: "prov/root sha1=.. sha256=.. sha384=.." */
static void test_root_hashes(void **state)
{
	(void)state;
	struct buf text;
	vectors_load(&text, PKI, "root-hashes.txt");
	const char *line = strstr(buf_cstr(&text), "prov/root ");
	assert_non_null(line);
	for (uint8_t alg = HELLO_SHA1; alg <= HELLO_SHA384; alg++) {
		char want[32], hex[2 * HELLO_HASH_MAX + 1];
		size_t len;
		const uint8_t *hash = provcert_root_hash(chains[OID], alg, &len);
		assert_int_equal(len, hello_alg_len(alg));
		hex_encode(hash, len, hex);
		snprintf(want, sizeof want, "%s=", hello_alg_name(alg));
		const char *at = strstr(line, want);
		assert_non_null(at);
		assert_memory_equal(at + strlen(want), hex, 2 * len);
	}
	size_t len;
	assert_null(provcert_root_hash(chains[OID], 4, &len));
	assert_int_equal(len, 0);
	buf_free(&text);
}

/* A device whose list holds these roots of ours, each by one algorithm, after a foreign one. */
static void make_hello(struct buf *raw, struct hello *h, const size_t *ours, size_t n, uint8_t alg)
{
	static const uint8_t foreign[32] = {0xaa, 0xbb};
	struct hello_hash hashes[8] = {{HELLO_SHA256, 32, foreign}};
	struct hello form = {.version = HELLO_V_PKI, .uuid.b = {1}};
	for (size_t i = 0; i < n; i++) {
		size_t len;
		hashes[i + 1].hash = provcert_root_hash(chains[ours[i]], alg, &len);
		hashes[i + 1].alg = alg;
		hashes[i + 1].len = (uint8_t)len;
	}
	buf_init(raw, HELLO_MAX_LEN);
	assert_int_equal(hello_encode(raw, &form, hashes, n + 1, NULL), 0);
	assert_int_equal(hello_decode(raw->data, raw->len, h), HELLO_DONE);
}

static int choose(const struct provcert_want *want, size_t *order, struct error *err)
{
	return provcert_choose((const struct provcert *const *)chains, N_CHAINS, want, order, err);
}

static void test_choose_by_root(void **state)
{
	(void)state;
	for (uint8_t alg = HELLO_SHA1; alg <= HELLO_SHA384; alg++) {
		struct buf raw;
		struct hello h;
		size_t order[N_CHAINS];
		make_hello(&raw, &h, (size_t[]){RSA3072}, 1, alg);
		struct provcert_want want = {.hello = &h, .now_s = NOW_S};
		assert_int_equal(choose(&want, order, NULL), 1);
		assert_int_equal(order[0], RSA3072);
		buf_free(&raw);
	}
}

static void test_choose_order(void **state)
{
	(void)state;
	struct buf raw;
	struct hello h;
	size_t order[N_CHAINS];
	make_hello(&raw, &h, (size_t[]){OID, RSA3072, SHA1_ROOT}, 3, HELLO_SHA256);
	struct provcert_want want = {.hello = &h, .fqdn = "pc7.corp.example.com", .now_s = NOW_S};
	/* Short chain first, then the order of the configuration; SHA-1 last. */
	assert_int_equal(choose(&want, order, NULL), 7);
	const size_t expect[] = {RSA3072, OID, WILD, SHORT, DEEP, OTHER_DOMAIN, SHA1_ROOT};
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(order[i], expect[i]);
	want.amt_major = 16;
	assert_int_equal(choose(&want, order, NULL), 6);
	assert_int_equal(order[5], OTHER_DOMAIN);
	want.suffix = "corp.example.org";
	assert_int_equal(choose(&want, order, NULL), 6);
	assert_int_equal(order[0], OTHER_DOMAIN);
	buf_free(&raw);
}

/* AMT 22 and devices that list SHA-384 only: RSA 3072 and SHA-384 first, the others behind. */
static void test_choose_new(void **state)
{
	(void)state;
	struct buf raw;
	struct hello h;
	size_t order[N_CHAINS];
	make_hello(&raw, &h, (size_t[]){OID, RSA3072}, 2, HELLO_SHA256);
	struct provcert_want want = {
		.hello = &h, .suffix = "corp.example.org", .amt_major = 22, .now_s = NOW_S};
	int n = choose(&want, order, NULL);
	assert_int_equal(order[0], RSA3072);
	want.amt_major = 21; /* the domain decides again */
	assert_int_equal(choose(&want, order, NULL), n);
	assert_int_equal(order[0], OTHER_DOMAIN);
	buf_free(&raw);
	struct hello_hash one = {HELLO_SHA384, 48, NULL};
	size_t len;
	struct hello form = {.version = HELLO_V_PKI, .uuid.b = {1}};
	struct hello_hash both[2] = {one, one};
	both[0].hash = provcert_root_hash(chains[OID], HELLO_SHA384, &len);
	both[1].hash = provcert_root_hash(chains[RSA3072], HELLO_SHA384, &len);
	buf_init(&raw, HELLO_MAX_LEN);
	assert_int_equal(hello_encode(&raw, &form, both, 2, NULL), 0);
	assert_int_equal(hello_decode(raw.data, raw.len, &h), HELLO_DONE);
	want.amt_major = 0;
	assert_int_equal(choose(&want, order, NULL), n);
	assert_int_equal(order[0], RSA3072);
	buf_free(&raw);
}

/* Before 2.6 the suffix must be the CN's own zone. */
static void test_choose_strict(void **state)
{
	(void)state;
	size_t order[N_CHAINS];
	struct provcert_want want = {
		.fqdn = "pc7.example.com", .amt_major = 2, .amt_minor = 2, .now_s = NOW_S};
	assert_int_equal(choose(&want, order, NULL), N_CHAINS);
	assert_int_equal(order[0], SHORT);
}

static void test_choose_nothing_listed(void **state)
{
	(void)state;
	struct buf raw, text;
	struct hello h;
	struct error err = {0};
	size_t order[N_CHAINS];
	make_hello(&raw, &h, NULL, 0, HELLO_SHA256);
	struct provcert_want want = {.hello = &h, .now_s = NOW_S};
	assert_int_equal(choose(&want, order, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "aabb00000000"));
	buf_init(&text, 1 << 16);
	assert_int_equal(provcert_describe_mismatch(
				 &text, (const struct provcert *const *)chains, N_CHAINS, &h),
		0);
	assert_non_null(strstr(buf_cstr(&text), "device's list:\nsha256 aabb0000"));
	buf_free(&text);
	buf_free(&raw);
}

static void test_choose_expired_is_said(void **state)
{
	(void)state;
	struct buf raw;
	struct hello h;
	struct error err = {0};
	size_t order[N_CHAINS];
	make_hello(&raw, &h, (size_t[]){OID}, 1, HELLO_SHA256);
	struct provcert_want want = {.hello = &h, .now_s = INT64_C(2398377600)};
	assert_int_equal(choose(&want, order, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "expired"));
	assert_int_equal(provcert_choose(NULL, 0, &want, order, &err), E_CONFIG);
	buf_free(&raw);
}

int main(void)
{
	const struct CMUnitTest files[] = {
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_warnings_by_name),
		cmocka_unit_test(test_encrypted_key),
		cmocka_unit_test(test_not_the_right_files),
		cmocka_unit_test(test_expires_soon_and_two_defects),
		cmocka_unit_test(test_unused_certificate),
	};
	const struct CMUnitTest choice[] = {
		cmocka_unit_test(test_root_hashes),
		cmocka_unit_test(test_choose_by_root),
		cmocka_unit_test(test_choose_order),
		cmocka_unit_test(test_choose_new),
		cmocka_unit_test(test_choose_strict),
		cmocka_unit_test(test_choose_nothing_listed),
		cmocka_unit_test(test_choose_expired_is_said),
	};
	int bad = cmocka_run_group_tests(files, setup, teardown);
	return bad + cmocka_run_group_tests(choice, setup_chains, teardown_chains);
}
