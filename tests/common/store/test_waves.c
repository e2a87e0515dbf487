/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waves, in a time that the test turns: 5,000 devices of which 3 % fail, limits, blackouts, first
 * setups.
 */
#include "tests/common/store/turned.h"

#define LIFE         (365 * DAY_MS)
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
	set_up(d, WAVE_DEVICES, LIFE);
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
	set_up(d, 100, LIFE);
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

/* The last jobs fail: nobody is left to stop for. */
static void test_wave_ends(void **state)
{
	static struct device d[24];
	const struct store_wave_rules rules = {
		.kind = JOB_MAINTAIN, .in_flight = 24, .stop_permille = 10};
	(void)state;
	clock_to(START);
	set_up(d, 24, LIFE);
	make_wave(d, 24, &rules);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	assert_int_equal(site.count, 24);
	claim();
	for (size_t i = 0; i < n_works; i++)
		end_job(&works[i], false, NULL, 0);
	ok(store_pump(site.store, 64, site_count_cb, &site, &err));
	show();
	assert_string_equal(wave.state, "done");
	assert_int_equal(wave.bad, 24);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TURNED_TEST(test_wave_waits),
		TURNED_TEST(test_wave_stops),
		TURNED_TEST(test_wave_ends),
		TURNED_TEST(test_wave_of_setups),
	};
	return turned_run(tests, sizeof tests / sizeof tests[0]);
}
