/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every recorded answer, read whole, in pieces and byte by byte, against what an independent reader
 * (expect.py) sees in it. SPEC: rulings 46, 48; wsman.md 2, 4, 5
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "tests/proto/wsman/helper.h"

#define N_READABLE 239 /* ruling 46 */
#define DUMP_MAX   (4u * 1024 * 1024)

static const char *dir;

static void add_line(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, "%s ", key);
	add_quoted(out, value);
	assert_int_equal(buf_adds(out, "\n"), 0);
}

/* The same lines as expect.py. */
static void describe(struct buf *out, const struct wsman_message *m)
{
	add_line(out, "action", m->action);
	add_line(out, "relates", m->relates_to);
	add_line(out, "class", m->class_name);
	add_line(out, "body", m->body_name);
	if (m->fault.present) {
		buf_addf(out, "fault %s '", m->fault.subcode);
		add_quoted(out, m->fault.reason);
		buf_adds(out, "'\n");
	}
	if (m->has_return_value)
		buf_addf(out, "return %u\n", m->return_value);
	add_line(out, "context", m->context);
	buf_addf(out, "end %d\n", m->end_of_sequence);
	const struct wsman_node *item = NULL;
	while ((item = wsman_message_item(m, item))) {
		buf_addf(out, "item %s\n", item->name);
		for (const struct wsman_node *p = item->child; p; p = p->next) {
			buf_addf(out, "value %s '", p->name);
			add_quoted(out, wsman_node_flat(p));
			buf_adds(out, "'\n");
		}
	}
	add_tree(out, m->envelope, 0);
}

/* Read a document in the given steps (0: at once); its description or "refused". */
static void see(struct wsman_reader *r, struct buf *out, const struct buf *doc, size_t step)
{
	struct arena arena;
	struct wsman_message m;
	struct error err = {0};

	buf_init(out, DUMP_MAX);
	arena_init(&arena, WSMAN_ARENA_MAX);
	assert_int_equal(wsman_reader_begin(r, &arena, &err), 0);
	int rc = 0;
	for (size_t at = 0; at < doc->len && rc == 0;) {
		size_t n = step && doc->len - at > step ? step : doc->len - at;
		rc = wsman_reader_feed(r, doc->data + at, n, &err);
		at += n;
	}
	if (rc == 0)
		rc = wsman_reader_end(r, &m, &err);
	if (rc == 0) {
		describe(out, &m);
	} else {
		assert_int_equal(rc, E_PARSE);
		assert_int_equal(err.code, E_PARSE);
		buf_adds(out, "refused\n");
	}
	arena_reset(&arena);
}

static void check_splits(
	struct wsman_reader *r, const char *name, const struct buf *doc, const char *expected)
{
	/* 762 bytes: where devices cut their chunks. */
	static const size_t steps[] = {0, 1, 2, 3, 7, 64, 544, 762};
	struct buf seen;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		see(r, &seen, doc, steps[i]);
		if (strcmp(buf_cstr(&seen), expected) != 0)
			fail_msg("%s in steps of %zu:\n%s\nexpected:\n%s", name, steps[i],
				buf_cstr(&seen), expected);
		buf_free(&seen);
	}
}

/* Lines of one file from the pipe; true when another file follows in *next. */
static bool next_file(FILE *in, char *next, size_t next_size, struct buf *expected)
{
	char *line = NULL;
	size_t cap = 0;
	bool more = false;

	buf_init(expected, DUMP_MAX);
	while (!more && getline(&line, &cap, in) > 0) {
		more = strncmp(line, "FILE ", 5) == 0;
		if (more)
			snprintf(next, next_size, "%.*s", (int)strcspn(line + 5, "\n"), line + 5);
		else
			assert_int_equal(buf_adds(expected, line), 0);
	}
	free(line);
	return more;
}

static void test_recorded_answers(void **state)
{
	char command[1200], name[512] = "", next[512] = "";
	struct wsman_reader *r;
	struct buf doc, expected;
	size_t n_read = 0, n_refused = 0;

	(void)state;
	if (system("python3 -c 'import xml.etree.ElementTree'") != 0) {
		printf("SKIPPED: no python3 for the independent reading\n");
		skip();
	}
	snprintf(
		command, sizeof command, "python3 tests/proto/wsman/expect.py '%s/responses'", dir);
	FILE *in = popen(command, "r");
	assert_non_null(in);
	assert_int_equal(wsman_reader_new(&r, NULL), 0);
	assert_true(next_file(in, next, sizeof next, &expected));
	buf_free(&expected);
	for (bool more = true; more;) {
		char path[600];
		memcpy(name, next, sizeof name);
		more = next_file(in, next, sizeof next, &expected);
		snprintf(path, sizeof path, "responses/%s", name);
		load_file(&doc, dir, path);
		check_splits(r, name, &doc, buf_cstr(&expected));
		if (strcmp(buf_cstr(&expected), "refused\n") == 0) {
			assert_non_null(strstr(name, "amt/asset/"));
			n_refused++;
		} else {
			n_read++;
		}
		buf_free(&doc);
		buf_free(&expected);
	}
	wsman_reader_free(r);
	assert_int_equal(pclose(in), 0);
	assert_int_equal(n_refused, 3);
	assert_int_equal(n_read, N_READABLE);
}

/* One document cut in two at each of its bytes. */
static void test_every_split(void **state)
{
	static const char *const names[] = {
		"responses/amt/publickey/management/generatekeypair.xml",
		"responses/fault-alreadyexists.xml", "responses/amt/asset/get.xml"};
	struct wsman_reader *r;

	(void)state;
	assert_int_equal(wsman_reader_new(&r, NULL), 0);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct buf doc, whole, seen;
		load_file(&doc, dir, names[i]);
		see(r, &whole, &doc, 0);
		for (size_t at = 1; at < doc.len; at++) {
			see(r, &seen, &doc, at);
			assert_string_equal(buf_cstr(&seen), buf_cstr(&whole));
			buf_free(&seen);
		}
		buf_free(&whole);
		buf_free(&doc);
	}
	wsman_reader_free(r);
}

/* Body of a recorded HTTP answer; chunk sizes are zero-padded hex. SPEC: wsman.md 2 */
static void http_body(struct buf *out, const struct buf *raw)
{
	const char *text = (const char *)raw->data, *end = text + raw->len;
	const char *at = memmem(text, raw->len, "\r\n\r\n", 4);

	assert_non_null(at);
	buf_init(out, WSMAN_BYTES_MAX);
	bool chunked = memmem(text, (size_t)(at - text), "chunked", 7) != NULL;
	at += 4;
	if (!chunked) {
		assert_int_equal(buf_add(out, at, (size_t)(end - at)), 0);
		return;
	}
	for (;;) {
		char *rest;
		unsigned long n = strtoul(at, &rest, 16);
		if (n == 0)
			return;
		assert_true(n + 4 <= (size_t)(end - rest));
		assert_int_equal(buf_add(out, rest + 2, n), 0);
		at = rest + 2 + n + 2;
	}
}

static void test_http_bodies(void **state)
{
	static const struct {
		const char *name;
		int rc;
		const char *relates, *class_name, *subcode;
	} rows[] = {
		{"http/200-chunked-generalsettings.http", 0, "0", "AMT_GeneralSettings", ""},
		{"http/400-chunked-fault-alreadyexists.http", 0, "31", "", "AlreadyExists"},
		{"http/400-html.http", E_PARSE, NULL, NULL, NULL},
		{"http/401-digest-challenge.http", E_PARSE, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf raw, body;
		struct arena arena;
		struct wsman_message m;
		struct error err = {0};
		load_file(&raw, dir, rows[i].name);
		http_body(&body, &raw);
		arena_init(&arena, WSMAN_ARENA_MAX);
		int rc = wsman_read(&arena, body.data, body.len, &m, &err);
		assert_int_equal(rc, rows[i].rc);
		if (rc == 0) {
			assert_string_equal(m.relates_to, rows[i].relates);
			assert_string_equal(m.class_name, rows[i].class_name);
			assert_string_equal(m.fault.subcode, rows[i].subcode);
			assert_int_equal(m.fault.present, rows[i].subcode[0] != '\0');
		} else {
			assert_non_null(strstr(err.text, "line 1"));
		}
		arena_reset(&arena);
		buf_free(&body);
		buf_free(&raw);
	}
}

/* Look-ups that the steps of a session make, on recorded answers. */
static void test_steps_look_up(void **state)
{
	struct buf doc;
	struct arena arena;
	struct wsman_message m;
	bool flag;
	uint64_t number;

	(void)state;
	arena_init(&arena, WSMAN_ARENA_MAX);
	load_file(&doc, dir, "responses/amt/publickey/management/generatekeypair.xml");
	must_read(&arena, &doc, &m);
	const struct wsman_node *pair = wsman_node_child(m.payload, "KeyPair");
	assert_string_equal(wsman_node_selector(pair, "InstanceID"), "Intel(r) AMT Key: Handle: 0");
	assert_string_equal(
		wsman_class_of_uri(wsman_node_epr_uri(pair)), "AMT_PublicPrivateKeyPair");
	assert_null(wsman_node_selector(pair, "Other"));
	assert_null(wsman_node_selector(m.payload, NULL));
	buf_free(&doc);

	load_file(&doc, dir, "responses/amt/tls/credentialcontext/create.xml");
	must_read(&arena, &doc, &m);
	assert_string_equal(wsman_node_selector(m.payload, "ElementProvidingContext"),
		"TLSProtocolEndpoint Instances Collection");
	buf_free(&doc);

	load_file(&doc, dir, "responses/amt/general/get.xml");
	must_read(&arena, &doc, &m);
	assert_int_equal(wsman_node_bool(m.payload, "SharedFQDN", &flag), 0);
	assert_true(flag);
	assert_int_equal(wsman_node_uint(m.payload, "DDNSTTL", &number), 0);
	assert_int_equal(number, 900);
	assert_int_equal(wsman_node_uint(m.payload, "HostName", &number), E_PARSE);
	assert_int_equal(wsman_node_bool(m.payload, "NoSuchName", &flag), E_PARSE);
	assert_null(wsman_node_text(m.payload, "NoSuchName"));
	buf_free(&doc);
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_answers),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_http_bodies),
		cmocka_unit_test(test_steps_look_up),
	};

	dir = vectors_dir();
	if (!dir)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
