/* SPDX-License-Identifier: Apache-2.0 */
/* See turned.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/common/store/turned.h"

struct server server;
struct site site;
struct error err;
uint64_t now;
struct work works[STORE_BATCH_MAX];
size_t n_works;

void clock_to(uint64_t ms)
{
	char words[64];
	now = ms;
	snprintf(words, sizeof words, "SET test:now %llu", (unsigned long long)ms);
	site_raw(&site, words, NULL);
}

void ok(int rc)
{
	if (site_wait(&site, rc, &err) < 0)
		fail_msg("%s", site.text);
}

void set_up(struct device *d, size_t n, uint64_t life_ms)
{
	struct store_admission limits = {
		.cooldown_ms = 1000, .max_waiting = 100000, .subnet_burst = 1};
	for (size_t i = 0; i < n; i++) {
		char addr[32], text[24];
		snprintf(d[i].uuid, sizeof d[i].uuid, "00000000-1111-2222-3333-%012u", (unsigned)i);
		snprintf(addr, sizeof addr, "10.1.%zu.%zu", i / 40, i % 40 + 1);
		struct store_hello h = {.addr = addr, .raw = {"x", 1}};
		assert_int_equal(uuid_parse(&h.uuid, d[i].uuid), 0);
		ok(store_admit(site.store, &h, &limits, site_admit_cb, &site, &err));
		ok(store_claim(site.store, 1, 5000, site_claim_cb, &site, &err));
		struct store_lease l = {
			site.claims[0].id, site.claims[0].uuid, site.claims[0].fence};
		ok(store_begin(site.store, &l, "w", 30000, site_begin_cb, &site, &err));
		d[i].cert_end_ms = now + life_ms;
		d[i].rotated_ms = now;
		int len = snprintf(text, sizeof text, "%llu", (unsigned long long)d[i].cert_end_ms);
		struct store_field f = {"cert_end", {text, (size_t)len}};
		ok(store_finish(site.store, &l, "done", &f, 1, site_done_cb, &site, &err));
	}
}

size_t index_of(const char *uuid)
{
	return strtoul(uuid + 24, NULL, 10);
}

static void on_claims(const struct store_claim *c, size_t n, const struct error *e, void *arg)
{
	n_works = n;
	for (size_t i = 0; i < n; i++) {
		memcpy(works[i].id, c[i].id, sizeof works[i].id);
		memcpy(works[i].uuid, c[i].uuid, sizeof works[i].uuid);
		works[i].fence = c[i].fence;
		assert_int_equal(job_kind_parse(&works[i].kind, c[i].kind), 0);
	}
	site_claim_cb(c, n, e, arg);
}

void claim(void)
{
	ok(store_claim(site.store, STORE_BATCH_MAX, 5000, on_claims, &site, &err));
}

void end_job(const struct work *w, bool good, const struct store_field *f, size_t n_fields)
{
	struct store_lease l = {w->id, w->uuid, w->fence};
	struct store_failure bad = {.dead = true, .err = "unreachable", .txt = "test"};
	ok(store_begin(site.store, &l, "w", 30000, site_begin_cb, &site, &err));
	if (good)
		ok(store_finish(site.store, &l, "done", f, n_fields, site_done_cb, &site, &err));
	else
		ok(store_fail(site.store, &l, &bad, site_fail_cb, &site, &err));
}

int turned_setup(void **state)
{
	(void)state;
	char *library = site_library_with_clock();
	site_open(&site, server.url, NULL, NULL, library);
	free(library);
	site_raw(&site, "FLUSHALL", NULL);
	clock_to(START);
	return 0;
}

int turned_teardown(void **state)
{
	(void)state;
	site_close(&site);
	return 0;
}

int turned_run(const struct CMUnitTest *tests, size_t n)
{
	if (!server_available())
		return 77;
	server_init(&server, "deploy/redis/fast.conf");
	server.extra[0] = "--appendonly";
	server.extra[1] = "no";
	server_start(&server);
	int rc = _cmocka_run_group_tests("turned", tests, n, NULL, NULL);
	server_stop(&server);
	return rc;
}
