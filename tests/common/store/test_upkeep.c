/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calendar of upkeep, in a time that the test turns: two years for 2,000 devices, and the
 * corners. SPEC: maintenance.md 8
 */
#include "tests/common/store/turned.h"

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

/* Paces that are no whole number of milliseconds and longer than the burst: every look after such a
 * pause opens a job, whichever way the fraction rounds. */
static void test_every_pause_is_worth_a_job(void **state)
{
	enum { DEVICES = 50, LOOKS = 60 };
	static struct device d[DEVICES];
	struct store_upkeep policy = {.inventory_ms = DAY_MS};
	(void)state;
	clock_to(START);
	ok(store_upkeep_policy(site.store, &policy, site_done_cb, &site, &err));
	set_up(d, DEVICES, CAL_LIFE);
	clock_to(START + 2 * DAY_MS); /* all of them are late */
	for (unsigned i = 0; i < LOOKS; i++) {
		policy.inventory_ms += 7919; /* another pace each time */
		ok(store_upkeep_policy(site.store, &policy, site_done_cb, &site, &err));
		clock_to(now + DAY_MS / 45);
		ok(store_pump(site.store, 64, site_count_cb, &site, &err));
		assert_int_equal(site.count, 1);
		claim();
		end_job(&works[0], true, NULL, 0);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TURNED_TEST(test_renew_before),
		TURNED_TEST(test_check_pending),
		TURNED_TEST(test_renewals_do_not_starve),
		TURNED_TEST(test_worn),
		TURNED_TEST(test_every_pause_is_worth_a_job),
		TURNED_TEST(test_two_years),
	};
	return turned_run(tests, sizeof tests / sizeof tests[0]);
}
