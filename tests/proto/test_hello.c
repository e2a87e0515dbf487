/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every Hello vector: whole, byte by byte and cut in two at every place, with the result and all
 * fields compared. Our copies always; the whole outside set (real captures too) when it is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/err.h"
#include "proto/hello.h"
#include "tests/proto/vectors.h"

static const char copies[] = "tests/data/hello";
static const char *const real_names[] = {"real-pki-a-23-sha256", "real-pki-b-24-sha256"};

struct hello_case {
	struct buf raw;
	json_t *expect;
};

static void case_open(struct hello_case *c, const char *dir, const char *name)
{
	char file[300];
	struct buf hex;
	snprintf(file, sizeof file, "%s.json", name);
	c->expect = vectors_json(dir, file);
	snprintf(file, sizeof file, "%s.hex", name);
	vectors_load(&hex, dir, file);
	while (hex.len > 0 && hex.data[hex.len - 1] <= ' ')
		hex.len--;
	buf_init(&c->raw, 1 << 16);
	uint8_t *at = buf_reserve(&c->raw, hex.len / 2 + 1);
	assert_non_null(at);
	int n = hex_decode((const char *)hex.data, hex.len, at, hex.len / 2);
	assert_int_equal(n, json_integer_value(json_object_get(c->expect, "length")));
	c->raw.len = (size_t)n;
	buf_free(&hex);
}

static void case_close(struct hello_case *c)
{
	buf_free(&c->raw);
	json_decref(c->expect);
}

static const char *expected_code(const struct hello_case *c)
{
	if (json_is_true(json_object_get(c->expect, "accept")))
		return "ok";
	return vectors_text(c->expect, "reason");
}

/* ---- the parser, however the bytes are cut
 * ------------------------------------------------------- */

static enum hello_code feed_pieces(const struct buf *raw, size_t first, size_t piece)
{
	struct hello_parser p;
	hello_parser_init(&p);
	for (size_t at = 0; at < raw->len;) {
		size_t len = at == 0 && first > 0 ? first : piece;
		if (len > raw->len - at)
			len = raw->len - at;
		/* A copy of exact size, so that a sanitizer sees any read past the piece. */
		uint8_t *copy = test_malloc(len);
		memcpy(copy, raw->data + at, len);
		size_t consumed = 0;
		enum hello_code code = hello_parser_feed(&p, copy, len, &consumed);
		test_free(copy);
		assert_true(consumed <= len);
		if (code == HELLO_MORE)
			assert_int_equal(consumed, len);
		at += len;
	}
	return hello_parser_end(&p);
}

static void check_cuts(const struct hello_case *c, const char *name)
{
	const char *want = expected_code(c);
	for (size_t cut = 0; cut < c->raw.len; cut++) {
		const char *got = hello_code_name(feed_pieces(&c->raw, cut, c->raw.len));
		if (strcmp(got, want) != 0)
			fail_msg("%s cut at %zu: %s, expected %s", name, cut, got, want);
	}
	const char *got = hello_code_name(feed_pieces(&c->raw, 0, 1));
	if (strcmp(got, want) != 0)
		fail_msg("%s byte by byte: %s, expected %s", name, got, want);
}

/* ---- the decoder
 * ---------------------------------------------------------------------------------- */

static void check_hashes(const struct hello *h, const json_t *fields)
{
	const json_t *hashes = json_object_get(fields, "hashes");
	struct hello_hash entry;
	size_t at = 0, n = 0;
	char hex[2 * HELLO_HASH_MAX + 1];
	assert_int_equal(h->n_hashes, json_integer_value(json_object_get(fields, "hash_count")));
	for (; hello_next_hash(h, &at, &entry); n++) {
		const json_t *want = json_array_get(hashes, n);
		assert_non_null(want);
		assert_int_equal(entry.alg, json_integer_value(json_object_get(want, "alg_id")));
		assert_int_equal(entry.len, json_integer_value(json_object_get(want, "length")));
		assert_string_equal(hello_alg_name(entry.alg), vectors_text(want, "alg"));
		hex_encode(entry.hash, entry.len, hex);
		assert_string_equal(hex, vectors_text(want, "hex"));
	}
	assert_int_equal(n, h->n_hashes);
	assert_int_equal(n, json_array_size(hashes));
}

static void check_fields(const struct hello *h, const json_t *fields)
{
	char uuid[UUID_TEXT_LEN + 1], wire_hex[33];
	uint8_t wire[16];
	assert_int_equal(h->admin_credentials_set,
		json_is_true(json_object_get(fields, "admin_credentials_set")));
	assert_int_equal(h->version, json_integer_value(json_object_get(fields, "version")));
	assert_int_equal(
		h->retry_count, json_integer_value(json_object_get(fields, "retry_count")));
	uuid_text(&h->uuid, uuid);
	assert_string_equal(uuid, vectors_text(fields, "uuid"));
	uuid_to_wire(&h->uuid, wire);
	hex_encode(wire, sizeof wire, wire_hex);
	assert_string_equal(wire_hex, vectors_text(fields, "uuid_wire"));
	if (strcmp(vectors_text(fields, "kind"), "psk") == 0) {
		assert_int_equal(h->version, HELLO_V_PSK);
		assert_string_equal(h->pid, vectors_text(fields, "pid"));
		assert_int_equal(
			h->pid_check_ok, json_is_true(json_object_get(fields, "pid_check_ok")));
		assert_int_equal(h->n_hashes, 0);
		return;
	}
	assert_int_equal(h->version, HELLO_V_PKI);
	assert_string_equal(h->pid, "");
	check_hashes(h, fields);
}

static void check_encode(const struct hello *h, const struct buf *raw)
{
	struct hello_hash hashes[HELLO_N_HASHES];
	struct buf again;
	size_t at = 0, n = 0;
	while (hello_next_hash(h, &at, &hashes[n]))
		if (++n == HELLO_N_HASHES)
			break;
	buf_init(&again, HELLO_MAX_LEN);
	assert_int_equal(hello_encode(&again, h, hashes, n, NULL), 0);
	assert_int_equal(again.len, raw->len);
	assert_memory_equal(again.data, raw->data, raw->len);
	buf_free(&again);
}

static void check_case(const char *dir, const char *name)
{
	struct hello_case c;
	struct hello h;
	struct hello_parser p;
	case_open(&c, dir, name);
	check_cuts(&c, name);
	enum hello_code code = hello_decode(c.raw.data, c.raw.len, &h);
	if (strcmp(hello_code_name(code), expected_code(&c)) != 0)
		fail_msg("%s: %s, expected %s", name, hello_code_name(code), expected_code(&c));
	if (code == HELLO_DONE) {
		check_fields(&h, json_object_get(c.expect, "hello"));
		check_encode(&h, &c.raw);
		hello_parser_init(&p);
		hello_parser_feed(&p, c.raw.data, c.raw.len, NULL);
		assert_true(p.have_uuid);
		assert_memory_equal(&p.uuid, &h.uuid, sizeof h.uuid);
	}
	case_close(&c);
}

/* @return number of vectors in the folder */
static size_t check_folder(const char *path)
{
	size_t n = 0;
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *de; (de = readdir(dir));) {
		char name[sizeof de->d_name];
		size_t len = strlen(de->d_name);
		if (len <= 5 || strcmp(de->d_name + len - 5, ".json") != 0)
			continue;
		memcpy(name, de->d_name, len - 5);
		name[len - 5] = '\0';
		check_case(path, name);
		n++;
	}
	closedir(dir);
	return n;
}

static void test_copies(void **state)
{
	(void)state;
	/* SPEC: hello.md 7: 36 refused and 9 accepted vectors that are not captures */
	assert_true(check_folder(copies) >= 45);
}

static void test_outside(void **state)
{
	(void)state;
	const char *dir = vectors_outside("hello");
	if (!dir)
		skip();
	for (size_t i = 0; i < 2; i++)
		check_case(dir, real_names[i]);
	assert_true(check_folder(dir) > 0);
}

/* ---- what the vectors do not say
 * ------------------------------------------------------------------ */

static void test_one_feed_tells_all(void **state)
{
	(void)state;
	struct hello_case c;
	struct hello_parser p;
	size_t consumed;
	case_open(&c, copies, "psk-doc-pid");
	hello_parser_init(&p);
	assert_int_equal(hello_parser_feed(&p, c.raw.data, c.raw.len, &consumed), HELLO_DONE);
	assert_int_equal(consumed, c.raw.len);
	assert_int_equal(hello_parser_feed(&p, NULL, 0, &consumed), HELLO_DONE);
	assert_int_equal(hello_parser_feed(&p, c.raw.data, 1, &consumed), HELLO_TRAILING_DATA);
	assert_int_equal(consumed, 0);
	assert_int_equal(hello_parser_end(&p), HELLO_TRAILING_DATA);
	case_close(&c);

	case_open(&c, copies, "bad-two-hellos");
	hello_parser_init(&p);
	assert_int_equal(
		hello_parser_feed(&p, c.raw.data, c.raw.len, &consumed), HELLO_TRAILING_DATA);
	assert_true(consumed < c.raw.len);
	case_close(&c);
}

static void test_refusal_is_sticky_and_early(void **state)
{
	(void)state;
	struct hello_parser p;
	size_t consumed;
	hello_parser_init(&p);
	assert_int_equal(hello_parser_feed(&p, (const uint8_t *)"GET /", 5, &consumed),
		HELLO_BAD_ADMIN_FLAG);
	assert_int_equal(consumed, 2);
	assert_int_equal(
		hello_parser_feed(&p, (const uint8_t *)"\0", 1, &consumed), HELLO_BAD_ADMIN_FLAG);
	assert_int_equal(hello_parser_end(&p), HELLO_BAD_ADMIN_FLAG);
	assert_false(p.have_uuid);
}

static void test_encode_refuses(void **state)
{
	(void)state;
	struct buf out;
	struct error err = {0};
	struct hello h = {.version = HELLO_V_PKI, .uuid.b = {1}};
	uint8_t bytes[HELLO_HASH_MAX] = {0};
	struct hello_hash wrong = {.alg = HELLO_SHA256, .len = 20, .hash = bytes};
	buf_init(&out, HELLO_MAX_LEN);
	assert_int_equal(hello_encode(&out, &h, NULL, 0, &err), E_CONFIG);
	assert_int_equal(hello_encode(&out, &h, &wrong, 1, &err), E_CONFIG);
	h.version = HELLO_V_PSK;
	memcpy(h.pid, "abcdefgh", HELLO_PID_LEN);
	assert_int_equal(hello_encode(&out, &h, NULL, 0, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "bad_pid"));
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

/* The table of hello.md 5.1; a count beyond it adds nothing. */
static void test_elapsed(void **state)
{
	(void)state;
	static const struct {
		uint32_t retry, minutes;
	} rows[] = {{0, 0}, {4, 4}, {5, 5}, {6, 15}, {10, 55}, {11, 115}, {14, 295}, {15, 355},
		{65535, 355}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(hello_elapsed_s(rows[i].retry), rows[i].minutes * 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elapsed),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_one_feed_tells_all),
		cmocka_unit_test(test_refusal_is_sticky_and_early),
		cmocka_unit_test(test_encode_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
