/* SPDX-License-Identifier: Apache-2.0 */
/* The small types: errors, buffers, arenas, secrets, UUIDs, metrics, codecs. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/cert.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/base/metric.h"
#include "common/base/secret.h"
#include "common/base/uuid.h"

static void test_err(void **state)
{
	(void)state;
	struct error err = {0};
	assert_int_equal(error_set(&err, E_PARSE, "bad %d", 5), E_PARSE);
	assert_int_equal(error_prefix(&err, "file %s", "x"), E_PARSE);
	assert_string_equal(err.text, "file x: bad 5");
	assert_int_equal(error_set(NULL, -EIO, "x"), -EIO);
	assert_string_equal(error_name(E_CLOSED), "E_CLOSED");
	assert_string_equal(error_name(-ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(error_name(0), "OK");
	char longest[2 * ERROR_TEXT_MAX];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	error_set(&err, E_PARSE, "%s", longest);
	error_prefix(&err, "%s", longest);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

static void test_buf_is_bounded(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10);
	assert_int_equal(buf_adds(&b, "12345678"), 0);
	assert_int_equal(buf_adds(&b, "abc"), E_LIMIT);
	assert_int_equal(buf_addf(&b, "%s", "abc"), E_LIMIT);
	assert_int_equal(b.len, 8);
	assert_null(buf_reserve(&b, 3));
	assert_int_equal(buf_addf(&b, "%d", 90), 0);
	assert_string_equal(buf_cstr(&b), "1234567890");
	buf_consume(&b, 4);
	assert_string_equal(buf_cstr(&b), "567890");
	buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 10);
}

static void test_arena_is_bounded(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 10000);
	assert_string_equal(arena_strndup(&a, "hello", 4), "hell");
	assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	uint8_t *big = arena_alloc(&a, 9000);
	assert_non_null(big);
	assert_int_equal((uintptr_t)big % _Alignof(max_align_t), 0);
	assert_int_equal(big[8999], 0);
	assert_null(arena_alloc(&a, 9000));
	assert_null(arena_alloc(&a, SIZE_MAX));
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 9000));
	arena_reset(&a);
}

static void test_secret_files(void **state)
{
	(void)state;
	struct error err = {0};
	struct secret s = {0}, same = {0};
	char path[] = "/tmp/muster-secret-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hunter2\n", 8), 8);
	assert_int_equal(secret_read_file(&s, path, 7, &err), 0);
	assert_string_equal(secret_text(&s), "hunter2");
	assert_int_equal(secret_set(&same, "hunter2", 7), 0);
	assert_true(secret_equal(&s, &same));
	assert_int_equal(secret_set(&same, "hunter3", 7), 0);
	assert_false(secret_equal(&s, &same));
	assert_int_equal(secret_read_file(&s, path, 6, &err), E_CONFIG);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(secret_read_file(&s, path, 7, &err), E_CONFIG);
	assert_non_null(strstr(err.text, path));
	close(fd);
	unlink(path);
	assert_int_equal(secret_read_file(&s, path, 7, &err), -ENOENT);
	secret_free(&s);
	secret_free(&same);
	assert_string_equal(secret_text(&s), "");
}

static void test_uuid(void **state)
{
	(void)state;
	static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
	static const uint8_t wire[16] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99,
		0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	struct uuid u, v;
	char out[UUID_TEXT_LEN + 1];
	uint8_t back[16];
	uuid_from_wire(&u, wire);
	uuid_text(&u, out);
	assert_string_equal(out, text);
	uuid_to_wire(&u, back);
	assert_memory_equal(back, wire, 16);
	assert_int_equal(uuid_parse(&v, "00112233-4455-6677-8899-AABBCCDDEEFF"), 0);
	assert_memory_equal(&u, &v, sizeof u);
	assert_int_equal(uuid_parse(&v, "00112233-4455-6677-8899-aabbccddeef"), E_PARSE);
	assert_int_equal(uuid_parse(&v, "00112233-4455-6677-8899-aabbccddeefg"), E_PARSE);
	assert_int_equal(uuid_parse(&v, "001122334-455-6677-8899-aabbccddeeff"), E_PARSE);
	uuid_new_v7(&u);
	assert_int_equal(u.b[6] >> 4, 7);
	assert_int_equal(u.b[8] >> 6, 2);
}

static void test_codecs(void **state)
{
	(void)state;
	/* RFC 4648, section 10 */
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};
	struct buf b;
	buf_init(&b, 256);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		b.len = 0;
		assert_int_equal(base64_encode(&b, rows[i][0], strlen(rows[i][0])), 0);
		assert_string_equal(buf_cstr(&b), rows[i][1]);
		b.len = 0;
		assert_int_equal(base64_decode(&b, rows[i][1], strlen(rows[i][1])), 0);
		assert_string_equal(buf_cstr(&b), rows[i][0]);
	}
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "=Zg=", "Zg==Zg==", "Z-8=", "Zm=v", "===="};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		b.len = 0;
		assert_int_equal(base64_decode(&b, bad[i], strlen(bad[i])), E_PARSE);
		assert_int_equal(b.len, 0);
	}
	assert_int_equal(base64_decode(&b, " Zm\r\n9v\t", 8), 0);
	assert_string_equal(buf_cstr(&b), "foo");
	uint8_t data[180] = {0};
	b.len = 0;
	assert_int_equal(base64_encode(&b, data, 180), 0);
	assert_int_equal(b.len, 240);
	assert_int_equal(base64_encode(&b, data, 180), E_LIMIT);
	buf_free(&b);

	char hex[9];
	uint8_t out[4];
	hex_encode("\xde\xad\xbe\xef", 4, hex);
	assert_string_equal(hex, "deadbeef");
	assert_int_equal(hex_decode("DEADbeef", 8, out, 4), 4);
	assert_memory_equal(out, "\xde\xad\xbe\xef", 4);
	assert_int_equal(hex_decode("abc", 3, out, 4), E_PARSE);
	assert_int_equal(hex_decode("0g", 2, out, 4), E_PARSE);
	assert_int_equal(hex_decode("0011223344", 10, out, 4), E_LIMIT);
}

static void test_metric_text(void **state)
{
	(void)state;
	static const uint64_t bounds[] = {10, 100, 0};
	static struct metric hellos_new = {.name = "t_hellos_total",
		.help = "Hellos.",
		.labels = "verdict=\"new\"",
		.type = METRIC_COUNTER};
	static struct metric open_now = {
		.name = "t_open", .help = "Open now.", .type = METRIC_GAUGE};
	static struct metric hellos_dup = {.name = "t_hellos_total",
		.help = "Hellos.",
		.labels = "verdict=\"dup\"",
		.type = METRIC_COUNTER};
	static struct metric took = {
		.name = "t_ms", .help = "Time.", .type = METRIC_HISTOGRAM, .bounds = bounds};
	metric_register(&hellos_new);
	metric_register(&open_now);
	metric_register(&hellos_dup);
	metric_register(&took);
	metric_register(&open_now); /* ignored */
	metric_add(&hellos_new, 3);
	metric_add(&hellos_dup, 1);
	metric_set(&open_now, 5);
	metric_add(&open_now, -2);
	metric_observe(&took, 10);
	metric_observe(&took, 11);
	metric_observe(&took, 1000);
	struct buf out;
	buf_init(&out, 4096);
	assert_int_equal(metric_print(&out), 0);
	assert_string_equal(buf_cstr(&out),
		"# HELP t_hellos_total Hellos.\n# TYPE t_hellos_total counter\n"
		"t_hellos_total{verdict=\"new\"} 3\nt_hellos_total{verdict=\"dup\"} 1\n"
		"# HELP t_open Open now.\n# TYPE t_open gauge\nt_open 3\n"
		"# HELP t_ms Time.\n# TYPE t_ms histogram\n"
		"t_ms_bucket{le=\"10\"} 1\nt_ms_bucket{le=\"100\"} 2\nt_ms_bucket{le=\"+Inf\"} 3\n"
		"t_ms_sum 1021\nt_ms_count 3\n");
	buf_free(&out);
}

/* A self-signed certificate of this key as DER. @return its length */
static size_t make_der(EVP_PKEY *key, const EVP_MD *digest, uint8_t out[static 4096])
{
	unsigned char *p = out;
	X509 *x = X509_new();
	assert_non_null(key);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	assert_true(X509_sign(x, key, digest) > 0);
	int len = i2d_X509(x, &p);
	assert_in_range(len, 1, 4096);
	X509_free(x);
	return (size_t)len;
}

static void test_cert_parse(void **state)
{
	const struct {
		EVP_PKEY *key;
		const EVP_MD *digest;
		bool decoded;
	} rows[] = {
		{EVP_RSA_gen(2048), EVP_sha256(), true}, {EVP_EC_gen("P-384"), EVP_sha384(), true},
		{EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, false}, /* no device has one */
	};
	uint8_t der[4096 + 1];
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t len = make_der(rows[i].key, rows[i].digest, der);
		X509 *x = cert_parse(der, len);
		assert_non_null(x);
		EVP_PKEY *key = X509_get0_pubkey(x);
		assert_int_equal(key != NULL, rows[i].decoded);
		if (key) { /* keys of both contexts work together */
			assert_int_equal(EVP_PKEY_eq(key, rows[i].key), 1);
			assert_int_equal(X509_verify(x, key), 1);
			assert_int_equal(X509_verify(x, rows[i].key), 1);
		}
		X509_free(x);
		assert_null(cert_parse(der, len + 1));
		assert_null(cert_parse(der, len - 1));
		EVP_PKEY_free(rows[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_buf_is_bounded),
		cmocka_unit_test(test_arena_is_bounded),
		cmocka_unit_test(test_secret_files),
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_codecs),
		cmocka_unit_test(test_metric_text),
		cmocka_unit_test(test_cert_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
