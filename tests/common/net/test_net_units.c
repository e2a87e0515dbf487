/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, limit keys, the PROXY parser and the deadline timer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/net/addr.h"
#include "common/net/lag.h"
#include "common/net/proxy.h"
#include "common/net/timer.h"

static void addresses_round_trip(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL = refused */
	} rows[] = {
		{"1.2.3.4:9971", "1.2.3.4:9971"},
		{"0.0.0.0:0", "0.0.0.0:0"},
		{"[2001:db8::1]:16993", "[2001:db8::1]:16993"},
		{"[::]:65535", "[::]:65535"},
		{"[::ffff:10.1.2.3]:80", "10.1.2.3:80"},
		{"unix:/run/x", "unix:/run/x"},
		{"/run/x", "unix:/run/x"},
		{"1.2.3.4", NULL},
		{"1.2.3.4:", NULL},
		{"1.2.3.4:65536", NULL},
		{"1.2.3.4:+80", NULL},
		{"1.2.3.4:80 ", NULL},
		{"1.2.3:80", NULL},
		{"::1:80", NULL},
		{"[1.2.3.4]:80", NULL},
		{"[::1]80", NULL},
		{"[::1", NULL},
		{"host.example:80", NULL},
		{"unix:", NULL},
		{"", NULL},
	};
	char text[NET_ADDR_TEXT_MAX];
	struct net_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int rc = net_addr_parse(&a, rows[i].in, NULL);

		assert_int_equal(rc, rows[i].out ? 0 : E_CONFIG);
		if (rows[i].out)
			assert_string_equal(net_addr_text(&a, text), rows[i].out);
	}
}

static void path_length_is_bounded(void **state)
{
	char path[200];
	struct net_addr a;

	(void)state;
	memset(path, 'x', sizeof path);
	path[0] = '/';
	path[107] = '\0';
	assert_int_equal(net_addr_parse(&a, path, NULL), 0);
	path[107] = 'x';
	path[108] = '\0';
	assert_int_equal(net_addr_parse(&a, path, NULL), E_CONFIG);
}

static struct net_addr addr(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(&a, text, NULL), 0);
	return a;
}

static void keys_cut_where_the_ruling_says(void **state)
{
	static const struct {
		const char *a, *b;
		bool same_subnet, same_source;
	} rows[] = {
		{"10.0.0.1:1", "10.0.0.1:2", true, true},
		{"10.0.0.1:1", "10.0.0.255:1", true, false},
		{"10.0.0.1:1", "10.0.1.1:1", false, false},
		{"[::ffff:10.0.0.1]:1", "10.0.0.1:2", true, true},
		{"[2001:db8:0:1234::1]:1", "[2001:db8:0:1234:ffff::1]:1", true, true},
		{"[2001:db8:0:1234::1]:1", "[2001:db8:0:12ff::1]:1", true, false},
		{"[2001:db8:0:1234::1]:1", "[2001:db8:0:1334::1]:1", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct net_addr a = addr(rows[i].a), b = addr(rows[i].b);
		struct net_key sa = net_key_subnet(&a), sb = net_key_subnet(&b);
		struct net_key oa = net_key_source(&a), ob = net_key_source(&b);

		assert_int_equal(memcmp(&sa, &sb, sizeof sa) == 0, rows[i].same_subnet);
		assert_int_equal(memcmp(&oa, &ob, sizeof oa) == 0, rows[i].same_source);
	}
}

static void addresses_compare(void **state)
{
	struct net_addr a = addr("10.0.0.1:1"), b = addr("10.0.0.1:2"), c = addr("[::1]:1");
	struct net_addr u = addr("/run/x"), none = {0};

	(void)state;
	assert_true(net_addr_same_host(&a, &b));
	assert_false(net_addr_equal(&a, &b));
	assert_false(net_addr_same_host(&a, &c));
	assert_false(net_addr_same_host(&a, &u));
	assert_true(net_addr_equal(&u, &u));
	assert_true(net_addr_is_loopback(&c));
	assert_true(net_addr_is_loopback(&u));
	assert_false(net_addr_is_loopback(&a));
	assert_false(net_addr_is_loopback(&none));
}

/* ---- PROXY ---- */

#define SIG "\r\n\r\n\0\r\nQUIT\n"

struct proxy_case {
	const char *name;
	const char *bytes;
	size_t len;
	int rc; /* 1, 0 (more) or an error */
	bool local;
	const char *source, *dest;
};
#define ROW(n, b, r, l, s, d)                   \
	{                                       \
		n, b, sizeof(b) - 1, r, l, s, d \
	}

static const struct proxy_case proxy_cases[] = {
	ROW("tcp4", SIG "\x21\x11\0\x0c\x0a\1\2\3\x0a\1\2\xfe\xc3\x50\x26\xf3", 1, false,
		"10.1.2.3:50000", "10.1.2.254:9971"),
	ROW("tcp4 with TLV", SIG "\x21\x11\0\x11\x0a\1\2\3\x0a\1\2\xfe\xc3\x50\x26\xf3\x04\0\2xy",
		1, false, "10.1.2.3:50000", "10.1.2.254:9971"),
	ROW("tcp6",
		SIG "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
		    "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\0\2",
		1, false, "[2001:db8::1]:1", "[2001:db8::2]:2"),
	ROW("tcp6 mapped",
		SIG "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3"
		    "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\4\0\1\0\2",
		1, false, "10.1.2.3:1", "10.1.2.4:2"),
	ROW("local", SIG "\x20\0\0\0", 1, true, NULL, NULL),
	ROW("local with addresses", SIG "\x20\x11\0\x0c\x0a\1\2\3\x0a\1\2\xfe\xc3\x50\x26\xf3", 1,
		true, NULL, NULL),
	ROW("unspec", SIG "\x21\0\0\0", 1, true, NULL, NULL),
	ROW("short addresses", SIG "\x21\x11\0\x0b\x0a\1\2\3\x0a\1\2\xfe\xc3\x50\x26", E_PARSE,
		false, NULL, NULL),
	ROW("udp", SIG "\x21\x12", E_PARSE, false, NULL, NULL),
	ROW("version 1", "PROXY TCP4", E_PARSE, false, NULL, NULL),
	ROW("version 3", SIG "\x31", E_PARSE, false, NULL, NULL),
	ROW("hello packet", "\0\0\1\2", E_PARSE, false, NULL, NULL),
	ROW("too long", SIG "\x21\x11\x08\x01", E_LIMIT, false, NULL, NULL),
	ROW("cut", SIG "\x21\x11\0\x0c\x0a", 0, false, NULL, NULL),
};

static int feed_in_steps(const struct proxy_case *t, size_t step, struct proxy_header *out)
{
	struct proxy_parser p;
	size_t used, at = 0;
	int rc = 0;

	proxy_init(&p);
	while (at < t->len && rc == 0) {
		size_t n = t->len - at < step ? t->len - at : step;

		rc = proxy_feed(&p, (const uint8_t *)t->bytes + at, n, &used, out, NULL);
		at += used;
	}
	if (rc == 1)
		assert_int_equal(at, t->len);
	return rc;
}

static void proxy_headers(void **state)
{
	char text[NET_ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof proxy_cases / sizeof proxy_cases[0]; i++) {
		const struct proxy_case *t = &proxy_cases[i];

		for (size_t step = 1; step <= t->len; step++) {
			struct proxy_header h = {0};

			assert_int_equal(feed_in_steps(t, step, &h), t->rc);
			if (t->rc != 1)
				continue;
			assert_int_equal(h.local, t->local);
			if (!t->source)
				continue;
			assert_string_equal(net_addr_text(&h.source, text), t->source);
			assert_string_equal(net_addr_text(&h.dest, text), t->dest);
		}
	}
}

static void proxy_leaves_the_payload(void **state)
{
	static const uint8_t bytes[] = SIG "\x20\0\0\0hello";
	struct proxy_header h;
	struct proxy_parser p;
	size_t used;

	(void)state;
	proxy_init(&p);
	assert_int_equal(proxy_feed(&p, bytes, sizeof bytes - 1, &used, &h, NULL), 1);
	assert_memory_equal(bytes + used, "hello", 5);
}

/* ---- timer ---- */

struct watch {
	int fired, closed;
	uint64_t at_ms;
};

static void watch_fired(struct boot_timer *t, void *arg)
{
	struct watch *w = arg;

	assert_false(boot_timer_active(t));
	w->fired++;
	w->at_ms = clock_boot_ms();
}

static void watch_closed(struct boot_timer *t, void *arg)
{
	(void)t;
	((struct watch *)arg)->closed++;
}

static void deadline_moves(void **state)
{
	static const struct {
		int first_ms, second_ms, due_ms; /* -1 = stop */
	} rows[] = {{30, 120, 120}, {10000, 40, 40}, {50, 50, 50}, {30, -1, -1}, {30, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct watch w = {0};
		struct boot_timer t;
		uv_loop_t loop;

		uv_loop_init(&loop);
		boot_timer_init(&t, &loop, watch_fired, &w);
		uint64_t start_ms = clock_boot_ms();

		boot_timer_set(&t, start_ms + (uint64_t)rows[i].first_ms);
		if (rows[i].second_ms < 0)
			boot_timer_stop(&t);
		else
			boot_timer_set(&t, start_ms + (uint64_t)rows[i].second_ms);
		assert_int_equal(w.fired, 0);
		uv_run(&loop, UV_RUN_DEFAULT); /* ends when the timer sleeps for good */
		assert_int_equal(w.fired, rows[i].due_ms >= 0);
		if (w.fired)
			assert_true(w.at_ms >= start_ms + (uint64_t)rows[i].due_ms);
		boot_timer_close(&t, watch_closed);
		uv_run(&loop, UV_RUN_DEFAULT);
		assert_int_equal(w.closed, 1);
		assert_int_equal(uv_loop_close(&loop), 0);
	}
}

/* A probe that came 50 ms late held up those due 20 and 40 ms later: three entries, not one. */
static void lag_counts_what_a_stall_held_up(void **state)
{
	(void)state;
	struct metric m = {.name = "lag", .type = METRIC_HISTOGRAM, .bounds = lag_bounds};
	struct lag lag = {.histogram = &m};
	struct buf text;
	uint64_t max_us = 0;
	buf_init(&text, 1024);
	lag_note(&lag, 400);
	lag_note(&lag, 50000);
	lag_note(&lag, 0);
	assert_int_equal(m.count, 5);
	assert_int_equal(lag_print(&lag, &text, &max_us), 0);
	assert_int_equal(max_us, 50000);
	/* 1, 2, 3, 5, 10, 20, 30, 50 ms, ...: 400 us and 0; 10 ms; 30 ms; 50 ms */
	assert_int_equal(text.len, strlen("2,0,0,0,1,0,1,1,0,0,0,0,0,0,0"));
	assert_memory_equal(text.data, "2,0,0,0,1,0,1,1,0,0,0,0,0,0,0", text.len);
	buf_free(&text);
	buf_init(&text, 1024);
	lag_note(&lag, 5000001);
	assert_int_equal(lag_print(&lag, &text, &max_us), 0);
	assert_int_equal(text.data[text.len - 1], '1'); /* beyond the last bound */
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_round_trip),
		cmocka_unit_test(path_length_is_bounded),
		cmocka_unit_test(keys_cut_where_the_ruling_says),
		cmocka_unit_test(addresses_compare),
		cmocka_unit_test(proxy_headers),
		cmocka_unit_test(proxy_leaves_the_payload),
		cmocka_unit_test(lag_counts_what_a_stall_held_up),
		cmocka_unit_test(deadline_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
