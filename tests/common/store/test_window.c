/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window guard, in a time that the test turns: the queue's order, who is in danger, who is
 * asked for more time and how often. SPEC: hello.md 5, provisioning.md 3
 */
#include "tests/common/store/turned.h"

#define MINUTE   60000ull
#define LENGTH   (360 * MINUTE)
#define EXTENDED (24 * 60 * MINUTE)

/* Device n says Hello, its series began so long ago. */
static void hello(unsigned n, uint64_t elapsed_ms)
{
	struct store_admission limits = {
		.cooldown_ms = 1000, .max_waiting = 100000, .subnet_burst = 1};
	char uuid[UUID_TEXT_LEN + 1], addr[32];
	snprintf(uuid, sizeof uuid, "00000000-1111-2222-3333-%012u", n);
	snprintf(addr, sizeof addr, "10.1.%u.%u", n / 200, n % 200 + 1);
	struct store_hello h = {.addr = addr,
		.raw = {"x", 1},
		.elapsed_ms = elapsed_ms,
		.left_ms = LENGTH - elapsed_ms};
	assert_int_equal(uuid_parse(&h.uuid, uuid), 0);
	ok(store_admit(site.store, &h, &limits, site_admit_cb, &site, &err));
}

static unsigned number_of(const char *uuid)
{
	return (unsigned)strtoul(uuid + 24, NULL, 10);
}

/* What a claim said, kept beyond the next call. */
static struct {
	char id[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1], args[32];
	uint64_t fence;
} work;

static void on_claim(const struct store_claim *c, size_t n, const struct error *e, void *arg)
{
	assert_int_equal(n, 1);
	memcpy(work.id, c->id, sizeof work.id);
	memcpy(work.uuid, c->uuid, sizeof work.uuid);
	snprintf(work.args, sizeof work.args, "%s", c->args);
	work.fence = c->fence;
	site_claim_cb(c, n, e, arg);
}

static struct store_lease begin(void)
{
	ok(store_claim(site.store, 1, 5000, on_claim, &site, &err));
	struct store_lease l = {work.id, work.uuid, work.fence};
	ok(store_begin(site.store, &l, "w", 30000, site_begin_cb, &site, &err));
	return l;
}

static void finish_one(void)
{
	struct store_lease l = begin();
	ok(store_finish(site.store, &l, "done", NULL, 0, site_done_cb, &site, &err));
}

static struct store_window_look found;
static bool looked;

static void on_look(const struct store_window_look *f, const struct error *e, void *arg)
{
	looked = f != NULL;
	if (f)
		found = *f;
	site_done_cb(e, arg);
}

static void look(void)
{
	site_raw(&site, "DEL muster:{0}:windowlook", NULL); /* its second is of Redis' own clock */
	ok(store_window_look(site.store, LENGTH, on_look, &site, &err));
	assert_true(looked);
}

static struct store_window_row rows[STORE_WINDOW_PAGE];
static size_t n_rows;

static void on_list(const struct store_window_row *r, size_t n, uint64_t size, uint64_t now_ms,
	const struct error *e, void *arg)
{
	(void)size;
	assert_int_equal(now_ms, now);
	memcpy(rows, r, n * sizeof *r);
	n_rows = n;
	site_done_cb(e, arg);
}

static void list(enum store_list which)
{
	ok(store_window_list(site.store, which, LENGTH, 0, on_list, &site, &err));
}

/* Who began earlier goes first, whenever its Hello came. */
static void test_order(void **state)
{
	(void)state;
	hello(1, 0);
	clock_to(START + MINUTE);
	hello(2, 55 * MINUTE);
	hello(3, 5 * MINUTE);
	static const unsigned want[] = {2, 3, 1};
	for (size_t i = 0; i < 3; i++) {
		begin();
		assert_int_equal(number_of(work.uuid), want[i]);
		assert_string_equal(work.args, "");
	}
}

/* One job in five minutes: the last of 80 devices has its turn in more than six hours. */
static void test_guard(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 81; i++)
		hello(i, 0);
	clock_to(START + 4 * MINUTE);
	finish_one();
	look(); /* in danger, but far from its end: nobody is asked yet */
	assert_in_range(found.danger, 1, 80);
	assert_int_equal(found.asked, 0);
	clock_to(START + 358 * MINUTE);
	finish_one();
	look();
	assert_int_equal(found.asked, 4); /* WINDOW_ASK_LEAST */
	list(STORE_LIST_READY);
	assert_in_range(n_rows, 1, 79);
	assert_int_equal(rows[0].closes_ms, START + LENGTH);
	assert_int_equal(rows[0].asked, 0);
	char asked[4][UUID_TEXT_LEN + 1];
	for (size_t i = 0; i < 4; i++) {
		struct store_lease l = begin();
		assert_string_equal(work.args, "extend");
		memcpy(asked[i], work.uuid, sizeof asked[i]);
		ok(store_extended(site.store, &l, "window.extend", (struct store_blob){NULL, 0},
			EXTENDED, site_done_cb, &site, &err));
	}
	/* They are behind the others now, safe, and not asked again. */
	clock_to(START + 359 * MINUTE);
	for (size_t n = 0; n < 75; n++) {
		begin();
		assert_string_equal(work.args, "");
		for (size_t i = 0; i < 4; i++)
			assert_string_not_equal(work.uuid, asked[i]);
	}
	look();
	assert_int_equal(found.asked, 0);
	begin();
	assert_string_equal(work.args, "");
}

/* Too late is too late; and nobody looks twice in a second. */
static void test_over(void **state)
{
	(void)state;
	hello(1, 0);
	clock_to(START + LENGTH + MINUTE);
	look();
	assert_int_equal(found.danger, 1);
	assert_int_equal(found.asked, 0);
	ok(store_window_look(site.store, LENGTH, on_look, &site, &err));
	assert_false(looked);
	list(STORE_LIST_READY);
	assert_int_equal(n_rows, 1);
	assert_true(rows[0].closes_ms < now);
	assert_true(rows[0].turn_ms == STORE_NEVER);
}

static void park(const struct store_lease *l, const char *reason)
{
	struct store_park p = {.why = "manual", .poll_ms = STORE_NEVER, .err = reason, .txt = ""};
	ok(store_park(site.store, l, &p, site_done_cb, &site, &err));
}

/* What waits for its wave or an approval is woken once for its window, everything else is listed.
 */
static void test_waiting(void **state)
{
	(void)state;
	static const char *const reasons[] = {"wave", "approval", "otp_unknown"};
	struct store_lease l;
	for (unsigned i = 0; i < 3; i++) {
		hello(i, 0);
		l = begin();
		park(&l, reasons[i]);
	}
	clock_to(START + 269 * MINUTE);
	look();
	assert_int_equal(found.danger, 0);
	ok(store_reap(site.store, 0, 5, 10, site_reap_cb, &site, &err));
	assert_int_equal(site.reaped.woken, 0);
	clock_to(START + 271 * MINUTE);
	look();
	assert_int_equal(found.danger, 3);
	list(STORE_LIST_WAIT_MANUAL);
	assert_int_equal(n_rows, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(rows[i].why, reasons[number_of(rows[i].uuid)]);
	ok(store_reap(site.store, 0, 5, 10, site_reap_cb, &site, &err));
	assert_int_equal(site.reaped.woken, 2);
	for (unsigned i = 0; i < 2; i++) {
		l = begin();
		assert_in_range(number_of(work.uuid), 0, 1);
		assert_string_equal(work.args, "extend");
		clock_to(now + 1); /* the other one goes first */
		ok(store_extended(site.store, &l, "window.extend", (struct store_blob){NULL, 0},
			EXTENDED, site_done_cb, &site, &err));
	}
	/* They wait again, safe for a day, and are not woken a second time. */
	for (unsigned i = 0; i < 2; i++) {
		l = begin();
		assert_string_equal(work.args, "");
		park(&l, reasons[number_of(work.uuid)]);
	}
	look();
	assert_int_equal(found.danger, 1);
	clock_to(START + 30 * 60 * MINUTE);
	ok(store_reap(site.store, 0, 5, 10, site_reap_cb, &site, &err));
	assert_int_equal(site.reaped.woken, 0);
	list(STORE_LIST_WAIT_MANUAL);
	assert_int_equal(n_rows, 3);
	assert_int_equal(rows[0].asked + rows[1].asked + rows[2].asked, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TURNED_TEST(test_order),
		TURNED_TEST(test_guard),
		TURNED_TEST(test_over),
		TURNED_TEST(test_waiting),
	};
	return turned_run(tests, sizeof tests / sizeof tests[0]);
}
