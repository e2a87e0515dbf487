/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes due by itself, in a time that the test turns: two years of the calendar for 2,000
 * devices, and waves over 5,000. The functions are the product's, the devices are rows of this
 * file. SPEC: maintenance.md 8
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/store/store_wave.h"
#include "tests/common/store/server.h"
#include "tests/common/store/site.h"

#define DAY_MS  86400000ull
#define HOUR_MS 3600000ull
#define START   1700000000000ull

static struct server server;
static struct site site;
static struct error err;
static uint64_t now;

struct device {
	char uuid[UUID_TEXT_LEN + 1];
	uint64_t cert_end_ms, rotated_ms, written_ms; /* by a job that changes the device */
};

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

/* Devices of many sites, forty in each, set up at the same time. */
static void set_up(struct device *d, size_t n, uint64_t life_ms)
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

static size_t index_of(const char *uuid)
{
	return strtoul(uuid + 24, NULL, 10);
}

/* What a claim said, kept beyond the next call. */
struct work {
	char id[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	uint64_t fence;
	enum job_kind kind;
};

static struct work works[STORE_BATCH_MAX];
static size_t n_works;

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

static void claim(void)
{
	ok(store_claim(site.store, STORE_BATCH_MAX, 5000, on_claims, &site, &err));
}

/* A worker's whole work on one job. */
static void end_job(const struct work *w, bool good, const struct store_field *f, size_t n_fields)
{
	struct store_lease l = {w->id, w->uuid, w->fence};
	struct store_failure bad = {.dead = true, .err = "unreachable", .txt = "test"};
	ok(store_begin(site.store, &l, "w", 30000, site_begin_cb, &site, &err));
	if (good)
		ok(store_finish(site.store, &l, "done", f, n_fields, site_done_cb, &site, &err));
	else
		ok(store_fail(site.store, &l, &bad, site_fail_cb, &site, &err));
}

/* ---- the calendar ---------------------------------------------------------------------------- */

#define CAL_DEVICES 2000
#define CAL_LIFE    (365 * DAY_MS)
#define CAL_ROTATE  (30 * DAY_MS)
#define CAL_DAYS    730
#define CAL_WEAR    (2 * DAY_MS)
#define CAL_STEP_MS (HOUR_MS / 3)

static void do_calendar_job(struct device *d, const struct work *w, size_t number)
{
	char text[24];
	struct store_field f = {"cert_end", {text, 0}};
	bool good = number % 97 != 0; /* one in a hundred finds its device switched off */
	/* The flash: never two jobs that write within wear_ms. */
	assert_true(d->written_ms == 0 || now - d->written_ms >= CAL_WEAR);
	if (good)
		d->written_ms = now;
	if (good && w->kind == JOB_ROTATE)
		d->rotated_ms = now;
	if (good && w->kind == JOB_RENEW) {
		d->cert_end_ms = now + CAL_LIFE;
		f.value.len = (size_t)snprintf(
			text, sizeof text, "%llu", (unsigned long long)d->cert_end_ms);
	}
	end_job(w, good, &f, f.value.len > 0);
}

/* No certificate ends, no password grows old, no hour has twice the mean load. */
static void test_two_years(void **state)
{
	static struct device d[CAL_DEVICES];
	static unsigned per_hour[CAL_DAYS * 24];
	const struct store_upkeep policy = {.renew_before_ms = 30 * DAY_MS,
		.certificate_ms = CAL_LIFE,
		.rotate_ms = CAL_ROTATE,
		.maintain_ms = 30 * DAY_MS,
		.wear_ms = CAL_WEAR};
	size_t total = 0, n_hours = CAL_DAYS * 24;
	unsigned worst = 0;
	uint64_t kinds[JOB_KINDS] = {0};
	(void)state;
	clock_to(START);
	ok(store_upkeep_policy(site.store, &policy, site_done_cb, &site, &err));
	set_up(d, CAL_DEVICES, CAL_LIFE);
	for (uint64_t t = CAL_STEP_MS; t < n_hours * HOUR_MS; t += CAL_STEP_MS) {
		clock_to(START + t);
		ok(store_pump(site.store, 64, site_count_cb, &site, &err));
		uint64_t opened = site.count;
		if (opened > 0)
			claim();
		else
			n_works = 0;
		assert_int_equal(n_works, opened);
		for (size_t i = 0; i < n_works; i++) {
			struct device *dev = &d[index_of(works[i].uuid)];
			assert_true(dev->cert_end_ms > now);
			do_calendar_job(dev, &works[i], ++total);
			kinds[works[i].kind]++;
		}
		per_hour[t / HOUR_MS] += (unsigned)opened;
	}
	for (size_t i = 0; i < CAL_DEVICES; i++) {
		assert_true(d[i].cert_end_ms > now);
		assert_true(now - d[i].rotated_ms < CAL_ROTATE + 4 * DAY_MS);
	}
	double mean = (double)total / (double)n_hours;
	for (size_t h = 0; h < n_hours; h++)
		worst = per_hour[h] > worst ? per_hour[h] : worst;
	printf("%zu jobs: %llu renewals, %llu rotations, %llu checks; %.2f an hour, at most %u\n",
		total, (unsigned long long)kinds[JOB_RENEW], (unsigned long long)kinds[JOB_ROTATE],
		(unsigned long long)kinds[JOB_MAINTAIN], mean, worst);
	assert_true(kinds[JOB_RENEW] >= 2 * CAL_DEVICES);
	assert_true(kinds[JOB_ROTATE] >= 22ull * CAL_DEVICES);
	assert_true(kinds[JOB_MAINTAIN] >= 22ull * CAL_DEVICES);
	assert_true(worst <= 2 * mean + 1);
}

/* ---- when a certificate is renewed ------------------------------------------------------------
 */

static struct store_field number(const char *name, uint64_t value, char text[static 24])
{
	int len = snprintf(text, 24, "%llu", (unsigned long long)value);
	return (struct store_field){name, {text, (size_t)len}};
}

/* The one job of the calendar until a day of the test. @return the day it came, 0 = none */
static unsigned next_day(unsigned from, unsigned till)
{
	for (unsigned day = from; day <= till; day++) {
		clock_to(START + day * DAY_MS);
		ok(store_pump(site.store, 64, site_count_cb, &site, &err));
		if (site.count == 0)
			continue;
		claim();
		assert_int_equal(n_works, 1);
		return day;
	}
	return 0;
}

/* Profiles ask for a renewal every day where the site's rate knows of one a year: no certificate is
 * late by more than the day after which the rate does not count. */
static void test_renewals_do_not_starve(void **state)
{
	enum { DEVICES = 200, DAYS = 15 };
	static struct device d[DEVICES];
	const struct store_upkeep policy = {
		.renew_before_ms = 364 * DAY_MS, .certificate_ms = CAL_LIFE};
	char text[24];
	size_t total = 0;
	(void)state;
	clock_to(START);
	ok(store_upkeep_policy(site.store, &policy, site_done_cb, &site, &err));
	set_up(d, DEVICES, CAL_LIFE);
	for (uint64_t t = HOUR_MS; t <= DAYS * DAY_MS; t += HOUR_MS) {
		clock_to(START + t);
		ok(store_pump(site.store, 64, site_count_cb, &site, &err));
		if (site.count == 0)
			continue;
		claim();
		for (size_t i = 0; i < n_works; i++, total++) {
			struct device *dev = &d[index_of(works[i].uuid)];
			uint64_t before = dev->cert_end_ms - CAL_LIFE; /* when it was issued */
			assert_true(now - before <= 2 * DAY_MS + 2 * HOUR_MS);
			dev->cert_end_ms = now + CAL_LIFE;
			struct store_field f = number("cert_end", dev->cert_end_ms, text);
			end_job(&works[i], true, &f, 1);
		}
	}
	assert_true(total > DEVICES * DAYS / 3);
}

/* What failed for a worn flash comes after a day, other failures sooner. */
static void test_worn(void **state)
{
	static struct device d[1];
	const struct store_upkeep policy = {.maintain_ms = 30 * DAY_MS, .wear_ms = DAY_MS};
	(void)state;
	static const struct {
		const char *err;
		uint64_t from_ms, to_ms;
	} ends[] = {{"unreachable", 6 * HOUR_MS, 12 * HOUR_MS}, {"flash_worn", DAY_MS, 2 * DAY_MS}};
	clock_to(START);
	ok(store_upkeep_policy(site.store, &policy, site_done_cb, &site, &err));
	set_up(d, 1, CAL_LIFE);
	assert_true(next_day(1, 31) > 0);
	for (size_t i = 0; i < 2; i++) {
		struct store_lease l = {works[0].id, works[0].uuid, works[0].fence};
		struct store_failure f = {.dead = true, .err = ends[i].err, .txt = "test"};
		ok(store_begin(site.store, &l, "w", 30000, site_begin_cb, &site, &err));
		ok(store_fail(site.store, &l, &f, site_fail_cb, &site, &err));
		uint64_t failed = now;
		for (site.count = 0; site.count == 0 && now < failed + 40 * DAY_MS;) {
			clock_to(now + HOUR_MS / 2);
			ok(store_pump(site.store, 64, site_count_cb, &site, &err));
		}
		assert_int_equal(site.count, 1);
		assert_in_range(now - failed, ends[i].from_ms, ends[i].to_ms + HOUR_MS);
		claim();
	}
}

/* The profile's tls.renew_before_days stands in the record and wins over the site's; a maintenance
 * that brings a profile with another one moves the day, any other does not. */
static void test_renew_before(void **state)
{
	static struct device d[1];
	const struct store_upkeep policy = {
		.renew_before_ms = 30 * DAY_MS, .certificate_ms = CAL_LIFE, .wear_ms = DAY_MS};
	char end_text[24], before_text[24], id[UUID_TEXT_LEN + 1];
	struct store_field f[2];
	(void)state;
	clock_to(START);
	ok(store_upkeep_policy(site.store, &policy, site_done_cb, &site, &err));
	set_up(d, 1, CAL_LIFE);
	unsigned first = next_day(1, 335); /* anywhere in its life, 30 days before the end */
	assert_true(first > 0);
	/* Good for 365 days from now, to be renewed 120 days before that. */
	f[0] = number("cert_end", now + CAL_LIFE, end_text);
	f[1] = number("renew_before", 120 * DAY_MS, before_text);
	end_job(&works[0], true, f, 2);
	unsigned second = next_day(first + 1, first + 365);
	assert_in_range(second, first + 240, first + 246);
	/* Profiles without a wish of their own: the site's 30 days. */
	f[0] = number("cert_end", now + CAL_LIFE, end_text);
	f[1] = (struct store_field){.name = "renew_before"};
	end_job(&works[0], true, f, 2);
	unsigned third = next_day(second + 1, second + 300);
	assert_int_equal(third, 0);
	/* A maintenance brings a profile that wants 200 days: that day is over, so it is due now.
	 */
	const struct store_opening open = {.uuid = d[0].uuid, .kind = JOB_MAINTAIN, .who = "op"};
	ok(store_job_open(site.store, &open, id, site_done_cb, &site, &err));
	claim();
	f[1] = number("renew_before", 200 * DAY_MS, before_text);
	end_job(&works[0], true, f + 1, 1);
	assert_int_equal(next_day(second + 300, second + 300), 0); /* the pause of wear_ms */
	assert_int_equal(next_day(second + 301, second + 303), second + 301);
	assert_int_equal(works[0].kind, JOB_RENEW);
}

/* A dry run leaves what it found pending, and ends; others have to decide it first (test_store.c).
 */
static void test_check_pending(void **state)
{
	(void)state;
	struct device d[1];
	char id[UUID_TEXT_LEN + 1];
	clock_to(START);
	set_up(d, 1, 400 * DAY_MS);
	const struct store_opening o = {.uuid = d[0].uuid, .kind = JOB_CHECK, .who = "op"};
	ok(store_job_open(site.store, &o, id, site_done_cb, &site, &err));
	site_raw(
		&site, "HSET muster:{0}:dev:00000000-1111-2222-3333-000000000000 sec_pend x", NULL);
	claim();
	end_job(&works[0], true, NULL, 0);
	assert_int_equal(site_raw(&site,
				 "HEXISTS muster:{0}:dev:00000000-1111-2222-3333-000000000000 "
				 "sec_pend",
				 NULL),
		1);
}

/* ---- waves ----------------------------------------------------------------------------------- */

#define WAVE_DEVICES 5000

static struct {
	char state[16], why[128];
	uint64_t total, left, in_flight, ok, bad, skipped;
	size_t n_failed, n_wrong;
} wave;

static bool fails(const char *uuid)
{
	return index_of(uuid) % 33 == 7;
}

static void on_wave(const struct store_wave *w, const struct error *e, void *arg)
{
	if (w) {
		snprintf(wave.state, sizeof wave.state, "%s", w->state);
		snprintf(wave.why, sizeof wave.why, "%s", w->why);
		wave.total = w->total;
		wave.left = w->left;
		wave.in_flight = w->in_flight;
		wave.ok = w->ok;
		wave.bad = w->bad;
		wave.skipped = w->skipped;
		wave.n_failed = w->n_failed;
		wave.n_wrong = 0;
		for (size_t i = 0; i < w->n_failed; i++)
			wave.n_wrong += !fails(w->failed[i].uuid) ||
					strcmp(w->failed[i].reason, "unreachable") != 0;
	}
	site_done_cb(e, arg);
}

static void show(void)
{
	ok(store_wave_get(site.store, "w1", on_wave, &site, &err));
}

static void make_wave(struct device *d, size_t n, const struct store_wave_rules *rules)
{
	const char *uuids[STORE_BATCH_MAX];
	ok(store_wave_create(site.store, "w1", rules, "op", site_done_cb, &site, &err));
	for (size_t i = 0; i < n;) {
		size_t k = 0;
		for (; k < STORE_BATCH_MAX && i < n; i++)
			uuids[k++] = d[i].uuid;
		ok(store_wave_add(site.store, "w1", uuids, k, site_count_cb, &site, &err));
		assert_int_equal(site.count, k);
	}
	ok(store_wave_move(site.store, "w1", STORE_WAVE_START, "op", site_done_cb, &site, &err));
}

static unsigned worst_site(void)
{
	static unsigned at[WAVE_DEVICES / 40];
	unsigned worst = 0;
	memset(at, 0, sizeof at);
	for (size_t i = 0; i < n_works; i++) {
		unsigned n = ++at[index_of(works[i].uuid) / 40];
		worst = n > worst ? n : worst;
	}
	return worst;
}

/* One turn: what may start starts, and all of it ends. @return how many jobs */
static size_t turn(void)
{
	clock_to(now + 1000);
	do
		ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	while (site.count > 0);
	claim();
	show();
	assert_int_equal(wave.in_flight, n_works);
	assert_true(n_works <= 200);
	assert_true(worst_site() <= 15);
	for (size_t i = 0; i < n_works; i++)
		end_job(&works[i], !fails(works[i].uuid), NULL, 0);
	show();
	return n_works;
}

/* 3 % fail: it stops whenever 2.5 % of what ended since the last resume has failed, goes on when
 * told to, and its report is exact. */
static void test_wave_stops(void **state)
{
	static struct device d[WAVE_DEVICES];
	const struct store_wave_rules rules = {.kind = JOB_MAINTAIN,
		.canary = 20,
		.in_flight = 200,
		.per_site = 15,
		.stop_permille = 25};
	unsigned n_stops = 0, n_turns = 0;
	(void)state;
	clock_to(START);
	set_up(d, WAVE_DEVICES, CAL_LIFE);
	make_wave(d, WAVE_DEVICES, &rules);
	assert_int_equal(turn(), 20); /* the canaries alone, of two sites; one of them fails */
	assert_string_equal(wave.state, "paused");
	while (strcmp(wave.state, "done") != 0 && n_turns++ < 2000) {
		if (strcmp(wave.state, "paused") == 0) {
			unsigned bad = 0,
				 ended = 0; /* at that moment: what was in flight ends later */
			assert_int_equal(sscanf(wave.why, "error rate: %u of the last %u failed",
						 &bad, &ended),
				2);
			assert_true(ended >= 20 && bad * 1000 >= 25 * ended);
			assert_int_equal(turn(), 0); /* nothing starts meanwhile */
			n_stops++;
			ok(store_wave_move(site.store, "w1", STORE_WAVE_RESUME, "op", site_done_cb,
				&site, &err));
		}
		turn();
	}
	size_t n_bad = 0;
	for (size_t i = 0; i < WAVE_DEVICES; i++)
		n_bad += fails(d[i].uuid);
	printf("stopped %u times; %llu ok, %llu failed\n", n_stops, (unsigned long long)wave.ok,
		(unsigned long long)wave.bad);
	assert_true(n_stops > 0);
	assert_string_equal(wave.state, "done");
	assert_int_equal(wave.total, WAVE_DEVICES);
	assert_int_equal(wave.bad, n_bad);
	assert_int_equal(wave.ok, WAVE_DEVICES - n_bad);
	assert_int_equal(wave.skipped + wave.left + wave.in_flight, 0);
	assert_int_equal(wave.n_failed, n_bad);
	assert_int_equal(wave.n_wrong, 0);
}

/* Nothing starts in a blackout window or while it is paused; the kind's authority has its limit. */
static void test_wave_waits(void **state)
{
	static struct device d[100];
	const struct store_wave_rules rules = {.kind = JOB_RENEW,
		.in_flight = 50,
		.per_ca = 7,
		.stop_permille = 1000,
		.blackout = "1320-360"};
	(void)state;
	clock_to(START - START % DAY_MS + 23 * HOUR_MS);
	set_up(d, 100, CAL_LIFE);
	make_wave(d, 100, &rules);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 0);
	clock_to(now + 6 * HOUR_MS);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 0);
	clock_to(now + HOUR_MS);
	ok(store_wave_move(site.store, "w1", STORE_WAVE_PAUSE, "op", site_done_cb, &site, &err));
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 0);
	ok(store_wave_move(site.store, "w1", STORE_WAVE_RESUME, "op", site_done_cb, &site, &err));
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 7);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 0);
	claim();
	assert_int_equal(n_works, 7);
	end_job(&works[0], true, NULL, 0);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 1);
}

/* First setups that a rule sends to a wave: they wait, go as its limits say, and are counted. */
static enum store_joined joined;

static void on_joined(enum store_joined j, const struct error *e, void *arg)
{
	joined = j;
	site_done_cb(e, arg);
}

static void hello(unsigned n)
{
	struct store_admission limits = {
		.cooldown_ms = 1000, .max_waiting = 100000, .subnet_burst = 1};
	char uuid[UUID_TEXT_LEN + 1], addr[32];
	snprintf(uuid, sizeof uuid, "00000000-1111-2222-3333-%012u", n);
	snprintf(addr, sizeof addr, "10.1.%u.%u", n / 40, n % 40 + 1);
	struct store_hello h = {.addr = addr, .raw = {"x", 1}};
	assert_int_equal(uuid_parse(&h.uuid, uuid), 0);
	ok(store_admit(site.store, &h, &limits, site_admit_cb, &site, &err));
}

/* What a worker does with each job that it gets. @return how many may go on */
static size_t join_all(struct work *going)
{
	size_t n = 0;
	claim();
	for (size_t i = 0; i < n_works; i++) {
		struct store_lease l = {works[i].id, works[i].uuid, works[i].fence};
		struct store_park p = {.why = "manual", .poll_ms = STORE_NEVER, .err = "wave"};
		ok(store_begin(site.store, &l, "w", 30000, site_begin_cb, &site, &err));
		ok(store_wave_join(site.store, &l, "w1", on_joined, &site, &err));
		if (joined == STORE_JOINED_GO)
			going[n++] = works[i];
		else if (joined == STORE_JOINED_WAITS)
			ok(store_park(site.store, &l, &p, site_done_cb, &site, &err));
	}
	return n;
}

static void end_setup(const struct work *w, bool good)
{
	struct store_lease l = {w->id, w->uuid, w->fence};
	struct store_failure bad = {.dead = true, .err = "unreachable", .txt = "test"};
	if (good)
		ok(store_finish(site.store, &l, "done", NULL, 0, site_done_cb, &site, &err));
	else
		ok(store_fail(site.store, &l, &bad, site_fail_cb, &site, &err));
}

static void test_wave_of_setups(void **state)
{
	static const struct store_wave_rules rules = {
		.kind = JOB_SETUP, .canary = 2, .in_flight = 5, .stop_permille = 500};
	struct work going[64];
	(void)state;
	clock_to(START);
	for (unsigned i = 0; i < 12; i++)
		hello(i);
	assert_int_equal(join_all(going), 0);
	assert_int_equal(joined, STORE_JOINED_NONE); /* there is no wave yet */
	clock_to(now + 60000);
	ok(store_reap(site.store, 0, 5, 64, site_reap_cb, &site, &err));
	ok(store_wave_create(site.store, "w1", &rules, "op", site_done_cb, &site, &err));
	assert_int_equal(join_all(going), 0);
	assert_int_equal(n_works, 12);
	assert_int_equal(joined, STORE_JOINED_WAITS);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 0); /* a draft */
	ok(store_wave_move(site.store, "w1", STORE_WAVE_START, "op", site_done_cb, &site, &err));
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 2); /* the canaries */
	assert_int_equal(join_all(going), 2);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 0);
	end_setup(&going[0], true);
	end_setup(&going[1], true);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 5);
	assert_int_equal(join_all(going), 5);
	for (size_t i = 0; i < 5; i++)
		end_setup(&going[i], i > 0);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 5);
	assert_int_equal(join_all(going), 5);
	for (size_t i = 0; i < 5; i++)
		end_setup(&going[i], true);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	show();
	assert_string_equal(wave.state, "running"); /* others may join it */
	assert_int_equal(wave.total, 12);
	assert_int_equal(wave.ok, 11);
	assert_int_equal(wave.bad, 1);
	assert_int_equal(wave.left + wave.in_flight + wave.skipped, 0);
}

static int setup(void **state)
{
	(void)state;
	char *library = site_library_with_clock();
	site_open(&site, server.url, NULL, NULL, library);
	free(library);
	site_raw(&site, "FLUSHALL", NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	site_close(&site);
	return 0;
}

int main(void)
{
	if (!server_available())
		return 77;
	server_init(&server, "deploy/redis/fast.conf");
	server.extra[0] = "--appendonly";
	server.extra[1] = "no";
	server_start(&server);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wave_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wave_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wave_of_setups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renew_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_check_pending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renewals_do_not_starve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_worn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_years, setup, teardown),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop(&server);
	return rc;
}
