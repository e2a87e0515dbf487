/* SPDX-License-Identifier: Apache-2.0 */
/* What hooks are to be told: which ends of jobs become notices, and that a notice is there until
 * somebody says that it is over. In a time that the test turns. SPEC: docs/hook.md */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/common/store/server.h"
#include "tests/common/store/site.h"

#define DEV1    "00000000-1111-2222-3333-000000000001"
#define WEEK_MS 604800000ull
#define LEASE   30000

static struct server server;
static struct site site;
static struct error err;
static uint64_t now = 1700000000000ull;

/* The newest claim of notices. */
static size_t n_notices;
static struct {
	char id[128], json[1024];
	uint32_t tries;
} notices[STORE_NOTICES_MAX];

static void clock_to(uint64_t ms)
{
	char words[64];
	now = ms;
	snprintf(words, sizeof words, "SET test:now %llu", (unsigned long long)ms);
	site_raw(&site, words, NULL);
}

static void ok(int rc)
{
	if (site_wait(&site, rc, &err) < 0)
		fail_msg("%s", site.text);
}

static void on_notices(const struct store_notice *list, size_t n, const struct error *e, void *arg)
{
	n_notices = n;
	for (size_t i = 0; i < n; i++) {
		snprintf(notices[i].id, sizeof notices[i].id, "%s", list[i].id);
		snprintf(notices[i].json, sizeof notices[i].json, "%s", list[i].json);
		notices[i].tries = list[i].tries;
	}
	site_done_cb(e, arg);
}

static size_t claim(const char *moment, uint32_t n)
{
	ok(store_notice_claim(site.store, moment, n, LEASE, on_notices, &site, &err));
	return n_notices;
}

static void says(const char *what)
{
	if (!strstr(notices[0].json, what))
		fail_msg("the notice does not say %s: %s", what, notices[0].json);
}

static int setup(void **state)
{
	(void)state;
	char *library = site_library_with_clock();
	site_open(&site, server.url, NULL, NULL, library);
	free(library);
	site_raw(&site, "FLUSHALL", NULL);
	clock_to(1700000000000ull);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	site_close(&site);
	return 0;
}

static struct store_lease lease;
static char job[UUID_TEXT_LEN + 1];

static void take(void)
{
	ok(store_claim(site.store, 1, 5000, site_claim_cb, &site, &err));
	assert_int_equal(site.n, 1);
	memcpy(job, site.claims[0].id, sizeof job);
	lease = (struct store_lease){job, DEV1, site.claims[0].fence};
	ok(store_begin(site.store, &lease, "w", 30000, site_begin_cb, &site, &err));
}

static void hello(void)
{
	static const struct store_admission limits = {
		.cooldown_ms = 1000, .max_waiting = 100, .subnet_burst = 1};
	struct store_hello h = {.addr = "10.1.2.3", .raw = {"x", 1}};
	assert_int_equal(uuid_parse(&h.uuid, DEV1), 0);
	ok(store_admit(site.store, &h, &limits, site_admit_cb, &site, &err));
	take();
}

static void finish(void)
{
	struct store_field f = {"fqdn", {"pc1.example.com", 15}};
	ok(store_finish(site.store, &lease, "done", &f, 1, site_done_cb, &site, &err));
}

static void upkeep(enum job_kind kind)
{
	char id[UUID_TEXT_LEN + 1];
	struct store_opening o = {.uuid = DEV1, .kind = kind, .who = "test"};
	ok(store_job_open(site.store, &o, id, site_done_cb, &site, &err));
	take();
}

static void end(const char *moment, bool over, uint64_t delay_ms)
{
	struct store_notice_result r = {.id = notices[0].id,
		.moment = moment,
		.uuid = DEV1,
		.who = "w",
		.text = "told",
		.over = over,
		.delay_ms = delay_ms};
	ok(store_notice_end(site.store, &r, site_done_cb, &site, &err));
}

/* Nobody has such a hook: nothing is kept. */
static void test_nobody_wants_it(void **state)
{
	(void)state;
	hello();
	finish();
	assert_int_equal(claim("after-configure", 10), 0);
}

/* Told until it is over: the lease of a dead worker, a retry, and then it is gone for good. */
static void test_at_least_once(void **state)
{
	(void)state;
	assert_int_equal(claim("after-configure", 0), 0); /* no place free, but wanted */
	hello();
	finish();
	assert_int_equal(claim("after-configure", 10), 1);
	says("\"moment\":\"after-configure\"");
	says("\"uuid\":\"" DEV1 "\"");
	says("\"kind\":\"setup\"");
	says("\"result\":\"done\"");
	says("\"fqdn\":\"pc1.example.com\"");
	says("\"address\":\"10.1.2.3\"");
	assert_int_equal(notices[0].tries, 1);
	assert_int_equal(claim("after-configure", 10), 0); /* somebody tells it */
	clock_to(now + LEASE + 1);
	assert_int_equal(claim("after-configure", 10), 1); /* and died */
	assert_int_equal(notices[0].tries, 2);
	end("after-configure", false, 5000);
	clock_to(now + 4999);
	assert_int_equal(claim("after-configure", 10), 0);
	clock_to(now + 1);
	assert_int_equal(claim("after-configure", 10), 1);
	assert_int_equal(notices[0].tries, 3);
	end("after-configure", true, 0);
	end("after-configure", false, 0); /* the worker that was thought dead speaks up late */
	clock_to(now + WEEK_MS - 1);
	assert_int_equal(claim("after-configure", 10), 0);
	assert_int_equal(site_raw(&site, "HLEN muster:{0}:hookd", NULL), 0);
	assert_int_equal(site_raw(&site, "HLEN muster:{0}:hookn", NULL), 0);
}

static void test_which_end_is_which_moment(void **state)
{
	(void)state;
	struct store_failure retry = {.max_attempts = 8, .err = "cut", .txt = "cut"};
	struct store_failure dead = {.dead = true, .err = "worn", .txt = "flash"};
	claim("after-configure", 0), claim("after-unconfigure", 0), claim("on-failure", 0);
	hello();
	finish();
	assert_int_equal(claim("after-configure", 10), 1);
	upkeep(JOB_ROTATE); /* nobody's business */
	finish();
	upkeep(JOB_MAINTAIN);
	finish();
	assert_int_equal(claim("after-configure", 10), 1);
	says("\"kind\":\"maintain\"");
	upkeep(JOB_MAINTAIN);
	ok(store_fail(site.store, &lease, &retry, site_fail_cb, &site, &err));
	assert_int_equal(claim("on-failure", 10), 0); /* a retry is no failure */
	take();
	ok(store_fail(site.store, &lease, &dead, site_fail_cb, &site, &err));
	assert_int_equal(claim("on-failure", 10), 1);
	says("\"reason\":\"worn\"");
	says("\"text\":\"flash\"");
	says("\"result\":\"\"");
	upkeep(JOB_UNCONFIGURE);
	finish();
	assert_int_equal(claim("after-unconfigure", 10), 1);
	assert_int_equal(claim("after-configure", 10), 0);
}

/* A job that is dead because its workers died is a failure too. */
static void test_lost_leases(void **state)
{
	(void)state;
	claim("on-failure", 0);
	hello();
	clock_to(now + 60000);
	ok(store_reap(site.store, 5000, 1, 10, site_reap_cb, &site, &err));
	assert_int_equal(site.reaped.dead, 1);
	assert_int_equal(claim("on-failure", 10), 1);
	says("\"reason\":\"lease_lost\"");
}

/* The last worker with such a hook was here more than a week ago. */
static void test_forgotten_wish(void **state)
{
	(void)state;
	claim("after-configure", 0);
	clock_to(now + WEEK_MS + 1);
	hello();
	finish();
	assert_int_equal(claim("after-configure", 10), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nobody_wants_it),
		T(test_at_least_once),
		T(test_which_end_is_which_moment),
		T(test_lost_leases),
		T(test_forgotten_wish),
	};
	if (!server_available())
		return 77;
	server_init(&server, "deploy/redis/fast.conf");
	server.extra[0] = "--appendonly";
	server.extra[1] = "no";
	server_start(&server);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop(&server);
	return rc;
}
