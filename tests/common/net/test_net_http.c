/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client against a scripted device (http_site.h): recorded answers whole, byte by byte and
 * in random pieces; every limit; every place where a connection can break.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/common/net/http_site.h"
#include "tests/common/net/net_test.h"

#define WAIT_MS 20000

/* ---- recorded answers ---- */

static const struct recorded {
	const char *file;
	int status;
	bool close;
	size_t body_len;
	const char *www;
} recorded[] = {
	{"200-chunked-generalsettings.http", 200, false, 0, ""},
	{"400-chunked-fault-alreadyexists.http", 400, true, 0x4cc, ""},
	{"400-html.http", 400, true, 400, ""},
	{"401-digest-challenge.http", 401, true, 434,
		"Digest realm=\"Digest:727734D63A1FC0423736E48DA554E462\", "
		"nonce=\"B9AX94iAAAAAAAAAx6rrSfPHGUrx/3uA\",stale=\"false\",qop=\"auth\""},
};

static char *read_vector(const char *name, size_t *len)
{
	const char *dir = getenv("MUSTER_VECTORS");
	char path[512];
	char *bytes = malloc(1 << 16);

	snprintf(path, sizeof path, "%s/wsman/http/%s", dir ? dir : "../shared/vectors", name);
	FILE *f = fopen(path, "rb");

	if (!f || !bytes) {
		print_message("SKIP: no recorded answers at %s\n", path);
		free(bytes);
		return NULL;
	}
	*len = fread(bytes, 1, 1 << 16, f);
	fclose(f);
	return bytes;
}

static void play(const struct recorded *r, const char *bytes, size_t len, size_t slice)
{
	struct script t = {.bytes = bytes, .len = len, .slice = slice};
	struct site s;

	site_start(&s, &t);
	site_post(&s, 0);
	run_until(&s.loop, &s.done, WAIT_MS);
	assert_int_equal(s.status, r->status);
	assert_int_equal(s.reusable, !r->close);
	assert_int_equal(s.head_close, r->close);
	assert_string_equal(s.server, "Intel(R) Active Management Technology 15.0.23.1706");
	assert_string_equal(s.www, r->www);
	if (r->body_len)
		assert_int_equal(s.body_len, r->body_len);
	const char *body = buf_cstr(&s.body);

	assert_non_null(body);
	assert_non_null(strstr(body, strstr(r->file, "chunked") ? "</a:Envelope>" : "</html>"));
	if (s.reusable) { /* and again on the same connection */
		site_post(&s, 0);
		run_until(&s.loop, &s.done, WAIT_MS);
		assert_int_equal(http_n_requests(s.http), 2);
	} else {
		assert_int_equal(http_request(s.http, &site_request, NULL), E_STATE);
	}
	site_stop(&s);
}

static void recorded_answers(void **state)
{
	(void)state;
	srand(1);
	for (size_t i = 0; i < sizeof recorded / sizeof recorded[0]; i++) {
		size_t len = 0;
		char *bytes = read_vector(recorded[i].file, &len);

		if (!bytes)
			skip();
		play(&recorded[i], bytes, len, 1 << 16);
		play(&recorded[i], bytes, len, 1);
		for (int n = 0; n < 20; n++)
			play(&recorded[i], bytes, len, 0);
		free(bytes);
	}
}

/* ---- requests ---- */

static void request_bytes(void **state)
{
	struct script t;
	struct site s;

	(void)state;
	script_text(&t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	site_start(&s, &t);
	assert_int_equal(http_stage(s.http), HTTP_STAGE_IDLE);
	site_post(&s, 0);
	assert_int_equal(http_stage(s.http), HTTP_STAGE_SENT);
	assert_int_equal(http_request(s.http, &site_request, NULL), E_STATE); /* one at a time */
	run_until(&s.loop, &s.done, WAIT_MS);
	assert_string_equal(buf_cstr(&s.request),
		"POST /wsman HTTP/1.1\r\nHost: device:16993\r\nX-Test: 1\r\nContent-Length: "
		"4\r\n\r\n"
		"<x/>");
	s.request.len = 0;
	s.done = false;
	struct http_req get = {.method = "GET", .path = "/index.htm", .host = "d"};

	assert_int_equal(http_request(s.http, &get, NULL), 0);
	run_until(&s.loop, &s.done, WAIT_MS);
	assert_string_equal(buf_cstr(&s.request), "GET /index.htm HTTP/1.1\r\nHost: d\r\n\r\n");
	get.path = "/a\r\nX: y";
	assert_int_equal(http_request(s.http, &get, NULL), E_CONFIG);
	site_stop(&s);
}

static void before_write_stops_a_request(void **state)
{
	struct script t;
	struct site s;

	(void)state;
	script_text(&t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	site_start(&s, &t);
	s.before_rc = E_STALE;
	assert_int_equal(http_request(s.http, &site_request, NULL), E_STALE);
	assert_int_equal(http_stage(s.http), HTTP_STAGE_IDLE);
	for (int i = 0; i < 20; i++)
		uv_run(&s.loop, UV_RUN_NOWAIT);
	assert_int_equal(s.request.len, 0);
	assert_int_equal(http_n_requests(s.http), 0);
	s.before_rc = 0;
	site_post(&s, 0);
	run_until(&s.loop, &s.done, WAIT_MS);
	site_stop(&s);
}

/* ---- answers that are good ---- */

static void good_answers(void **state)
{
	static const struct {
		const char *bytes;
		bool then_close, reusable;
		int status;
		const char *body, *www;
	} rows[] = {
		{"HTTP/1.1 204 No Content\r\n\r\n", false, true, 204, "", ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, true, 200, "abc", ""},
		{"HTTP/1.1 200 OK\r\n\r\nuntil close", true, false, 200, "until close", ""},
		{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false, false, 200, "x", ""},
		{"HTTP/1.1 100 Continue\r\nServer: no\r\n\r\nHTTP/1.1 200 OK\r\n"
		 "Content-Length: 1\r\n\r\nx",
			false, true, 200, "x", ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "00000002\r\nab\r\n000A\r\n0123456789\r\n0000\r\n\r\n",
			false, true, 200, "ab0123456789", ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "1;ext=1\r\na\r\n0\r\nServer: trailer\r\n\r\n",
			false, true, 200, "a", ""},
		{"HTTP/1.1 401 U\r\nWWW-Authenticate: Negotiate\r\nwww-authenticate: digest r\r\n"
		 "WWW-Authenticate: Digest second\r\nContent-Length: 0\r\n\r\n",
			false, true, 401, "", "digest r"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", true, false,
			200, "x", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (size_t slice = 1; slice < 100; slice += 98) {
			struct script t;
			struct site s;

			script_text(&t, rows[i].bytes);
			t.slice = slice;
			t.then_close = rows[i].then_close;
			site_start(&s, &t);
			site_post(&s, 0);
			run_until(&s.loop, &s.done, WAIT_MS);
			assert_int_equal(s.status, rows[i].status);
			assert_int_equal(s.reusable, rows[i].reusable);
			assert_int_equal(s.body_len, strlen(rows[i].body));
			assert_string_equal(buf_cstr(&s.body), rows[i].body);
			assert_string_equal(s.www, rows[i].www);
			assert_string_equal(s.server, "");
			if (rows[i].then_close) {
				run_until(&s.loop, &s.over, WAIT_MS);
				assert_int_equal(s.code, 0);
			}
			site_stop(&s);
		}
	}
}

/* ---- answers that are refused ---- */

static void bad_answers(void **state)
{
	static const struct {
		const char *bytes;
		bool then_close, then_reset, unasked;
		int code, stage;
		const char *text;
	} rows[] = {
		{"", true, false, false, E_CLOSED, HTTP_STAGE_SENT, "before the answer"},
		{"HTTP/1.1 200 OK\r\nCon", true, false, false, E_CLOSED, HTTP_STAGE_HEAD,
			"inside the head"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", true, false, false, E_CLOSED,
			HTTP_STAGE_BODY, "inside the body"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, false,
			false, E_CLOSED, HTTP_STAGE_BODY, "inside the body"},
		{"HTTP/1.1 200 OK\r\n\r\nabc", false, true, false, -ECONNRESET, HTTP_STAGE_BODY,
			"inside the body"},
		{"", false, true, false, -ECONNRESET, HTTP_STAGE_SENT, "before the answer"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", false, false, false, E_PROTOCOL,
			HTTP_STAGE_BODY, "after the end"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", false, false,
			false, E_PROTOCOL, HTTP_STAGE_BODY, "after the end"},
		{"HTTP/1.1 200 OK\r\n", false, false, true, E_PROTOCOL, HTTP_STAGE_IDLE,
			"without a request"},
		{"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false,
			false, false, E_PROTOCOL, HTTP_STAGE_HEAD, "switch"},
		{"HTTP/1.1 999 Odd\r\n\r\n", false, false, false, E_PROTOCOL, HTTP_STAGE_HEAD,
			"status"},
		{"SSH-2.0-x\r\n", false, false, false, E_PARSE, HTTP_STAGE_HEAD, "not HTTP"},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, false, false, E_PARSE,
			HTTP_STAGE_HEAD, "not HTTP"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", false, false,
			false, E_PARSE, HTTP_STAGE_HEAD, "not HTTP"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, false, false,
			E_PARSE, HTTP_STAGE_BODY, "not HTTP"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
			false, false, false, E_PARSE, HTTP_STAGE_BODY, "not HTTP"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct script t;
		struct site s;

		script_text(&t, rows[i].bytes);
		t.then_close = rows[i].then_close;
		t.then_reset = rows[i].then_reset;
		t.unasked = rows[i].unasked;
		site_start(&s, &t);
		if (!t.unasked)
			site_post(&s, 0);
		run_until(&s.loop, &s.over, WAIT_MS);
		if (s.code != rows[i].code || !strstr(s.text, rows[i].text))
			print_error("row %zu: %d %s\n", i, s.code, s.text);
		assert_int_equal(s.code, rows[i].code);
		assert_non_null(strstr(s.text, rows[i].text));
		assert_int_equal(s.stage, rows[i].stage);
		assert_false(s.done);
		site_stop(&s);
	}
}

/* Endless answers: refused by name, and memory does not grow with what the device sends. */
static void endless_answers(void **state)
{
	static const struct {
		const char *start, *again;
		const char *text;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\n", "A: b\r\n", "64 KiB"},
		{"HTTP/1.1 200 OK\r\nA:", "x", "64 KiB"},
		{"HTTP/1.1 200 OK\r\n", "y", "64 KiB"},
		{"HTTP/1.1 ", "100 Continue\r\n\r\nHTTP/1.1 ", "64 KiB"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", "64 KiB"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "e", "64 KiB"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0", "64 KiB"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "T: r\r\n",
			"64 KiB"},
		{"HTTP/1.1 200 OK\r\n\r\n", "body without an end ", "1 MiB"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", "gigabyte ", "1 MiB"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t start = strlen(rows[i].start), one = strlen(rows[i].again);
		size_t period = one * (8192 / one), len = start + period;
		char *bytes = malloc(len);
		struct rusage before, after;
		struct site s;

		assert_non_null(bytes);
		memcpy(bytes, rows[i].start, start);
		for (size_t at = start; at < len; at += one)
			memcpy(bytes + at, rows[i].again, one);
		struct script t = {.bytes = bytes,
			.len = len,
			.slice = len,
			.repeat = 1u << 30,
			.repeat_from = start};

		site_start(&s, &t);
		getrusage(RUSAGE_SELF, &before);
		site_post(&s, 0);
		run_until(&s.loop, &s.over, WAIT_MS);
		getrusage(RUSAGE_SELF, &after);
		if (s.code != E_LIMIT)
			print_error("row %zu: %s\n", i, s.text);
		assert_int_equal(s.code, E_LIMIT);
		assert_non_null(strstr(s.text, rows[i].text));
		assert_true(s.body_len <= HTTP_BODY_MAX);
		/* The device side is here too: its output and the collected body. KiB. */
		assert_true(after.ru_maxrss - before.ru_maxrss < 24 << 10);
		site_stop(&s);
		free(bytes);
	}
}

static void silence_is_timed(void **state)
{
	static const char *const starts[] = {
		"H", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct script t;
		struct site s;

		script_text(&t, starts[i]);
		site_start(&s, &t);
		site_post(&s, 200);
		run_until(&s.loop, &s.over, WAIT_MS);
		assert_int_equal(s.code, -ETIMEDOUT);
		site_stop(&s);
	}
}

/* The device answers before it has read the request: the answer counts, the connection does not. */
static void answer_before_the_request_is_out(void **state)
{
	static char body[1000000];
	struct http_req req = site_request;
	struct script t;
	struct site s;

	(void)state;
	script_text(&t, "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno");
	site_start(&s, &t);
	memset(body, 'x', sizeof body);
	req.body = body;
	req.body_len = sizeof body;
	while (!s.device)
		uv_run(&s.loop, UV_RUN_ONCE);
	int small = 4096;

	/* The device reads nothing, and the kernel keeps only a part for it. */
	conn_pause(s.device, true);
	setsockopt(conn_fd(http_conn(s.http)), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	setsockopt(conn_fd(s.device), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_int_equal(http_request(s.http, &req, NULL), 0);
	assert_true(conn_pending(http_conn(s.http)) > 0);
	s.sending = true;
	run_until(&s.loop, &s.done, WAIT_MS);
	assert_int_equal(s.status, 400);
	assert_false(s.reusable);
	site_stop(&s);
}

static void close_inside_callbacks(void **state)
{
	(void)state;
	for (int in_body = 0; in_body < 2; in_body++) {
		struct script t;
		struct site s;

		script_text(&t, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
		site_start(&s, &t);
		s.close_in_head = !in_body;
		s.close_in_body = in_body;
		site_post(&s, 0);
		run_until(&s.loop, &s.over, WAIT_MS);
		assert_true(s.head_seen);
		run_until(&s.loop, &s.device_over, WAIT_MS);
		assert_false(s.done);
		site_stop(&s);
	}
}

static void peer_closes_when_idle(void **state)
{
	struct script t;
	struct site s;

	(void)state;
	script_text(&t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	t.then_close = true;
	site_start(&s, &t);
	site_post(&s, 0);
	run_until(&s.loop, &s.over, WAIT_MS);
	assert_true(s.done && s.reusable);
	assert_int_equal(s.code, 0);
	assert_int_equal(s.stage, HTTP_STAGE_IDLE);
	site_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_answers),
		cmocka_unit_test(request_bytes),
		cmocka_unit_test(before_write_stops_a_request),
		cmocka_unit_test(good_answers),
		cmocka_unit_test(bad_answers),
		cmocka_unit_test(endless_answers),
		cmocka_unit_test(silence_is_timed),
		cmocka_unit_test(answer_before_the_request_is_out),
		cmocka_unit_test(close_inside_callbacks),
		cmocka_unit_test(peer_closes_when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
