/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C face with the library as it is shipped: what the random sequences of test_model do not see.
 * Texts that come back, schema, time and expiry by Redis' own clock, full memory, lists, events,
 * peers.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/store/store_wave.h"
#include "tests/common/store/server.h"
#include "tests/common/store/site.h"

#define DEV1 "00000000-1111-2222-3333-000000000001"
#define DEV2 "00000000-1111-2222-3333-000000000002"

static struct server server;
static struct error err;

static const struct store_admission limits = {
	.cooldown_ms = 120000, .max_waiting = 1000, .subnet_burst = 1};

static int setup(void **state)
{
	struct site *t = calloc(1, sizeof *t);
	site_open(t, server.url, NULL, NULL, NULL);
	site_raw(t, "FLUSHALL", NULL);
	assert_int_equal(
		site_wait(t, store_schema_apply(t->store, site_schema_cb, t, &err), &err), 0);
	*state = t;
	return 0;
}

/* No function may touch a key that it has not declared. */
static int setup_guarded(void **state)
{
	setup(state);
	char *library = site_library(NULL, NULL);
	site_load(*state, library);
	free(library);
	return 0;
}

static int teardown(void **state)
{
	site_close(*state);
	free(*state);
	return 0;
}

static enum store_verdict admit(struct site *t, const char *uuid, const char *addr)
{
	struct store_hello h = {
		.addr = addr, .raw = {"hello\0\xff", 7}, .traceparent = "00-1-2-01"};
	assert_int_equal(uuid_parse(&h.uuid, uuid), 0);
	assert_int_equal(
		site_wait(t, store_admit(t->store, &h, &limits, site_admit_cb, t, &err), &err), 0);
	return t->verdict;
}

/* Claim one job and begin it. */
static struct store_lease owned(struct site *t, const char *owner)
{
	assert_int_equal(
		site_wait(t, store_claim(t->store, 1, 5000, site_claim_cb, t, &err), &err), 0);
	assert_int_equal(t->n, 1);
	struct store_lease l = {t->claims[0].id, t->claims[0].uuid, t->claims[0].fence};
	assert_int_equal(
		site_wait(t, store_begin(t->store, &l, owner, 30000, site_begin_cb, t, &err), &err),
		0);
	return l;
}

/* ---- schema ---------------------------------------------------------------------------------- */

static void test_schema(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	assert_int_equal(site_wait(t, store_schema_apply(s, site_schema_cb, t, &err), &err), 0);
	assert_false(t->changed); /* the same text is not loaded again */
	assert_int_equal(site_wait(t, store_schema_check(s, site_done_cb, t, &err), &err), 0);
	site_raw(t, "FUNCTION FLUSH", NULL);
	assert_int_equal(
		site_wait(t, store_schema_check(s, site_done_cb, t, &err), &err), E_CONFIG);
	assert_non_null(strstr(t->text, "muster schema apply"));
	site_raw(t, "HSET muster:sys:meta schema 99", NULL);
	assert_int_equal(
		site_wait(t, store_schema_apply(s, site_schema_cb, t, &err), &err), E_CONFIG);
	site_raw(t, "HSET muster:sys:meta schema 1", NULL);
	assert_int_equal(site_wait(t, store_schema_apply(s, site_schema_cb, t, &err), &err), 0);
	assert_true(t->changed);
}

/* The guard under which all tests of the functions run can say no. */
static void test_undeclared_keys(void **state)
{
	static const struct {
		const char *from, *to; /* the function, and the key that it touches besides */
		const char *refused;
	} rows[] = {
		{"local function audit(keys, args)\n",
			"local function audit(keys, args)\n	call('GET', 'muster:{0}:x')\n",
			"undeclared key muster:{0}:x"},
		{"local function audit(keys, args)\n",
			"local function audit(keys, args)\n	call('DEL', keys[1], 'y')\n",
			"undeclared key y"},
		{"local function pump(keys, args)\n",
			"local function pump(keys, args)\n	call('GET', 'muster:{1}:x')\n",
			"undeclared key muster:{1}:x"},
		{"local function pump(keys, args)\n",
			"local function pump(keys, args)\n	call('GET', 'muster:{0}:x')\n",
			NULL},
	};
	struct site *t = *state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *library = site_library(rows[i].from, rows[i].to);
		site_load(t, library);
		free(library);
		int rc = i < 2 ? store_audit(
					 t->store, "reveal", DEV1, "op", "", site_done_cb, t, &err)
			       : store_pump(t->store, 1, site_count_cb, t, &err);
		rc = site_wait(t, rc, &err);
		assert_int_equal(rc == 0, !rows[i].refused);
		if (rows[i].refused)
			assert_non_null(strstr(t->text, rows[i].refused));
	}
}

/* ---- what comes back ------------------------------------------------------------------------- */

struct seen {
	struct site *site;
	bool checked;
};

static void claim_check_cb(const struct store_claim *c, size_t n, const struct error *e, void *arg)
{
	struct site *t = arg;
	assert_int_equal(n, 1);
	assert_string_equal(c->uuid, DEV1);
	assert_string_equal(c->addr, "10.0.0.1");
	assert_string_equal(c->traceparent, "00-1-2-01");
	assert_int_equal(c->gen, 1);
	assert_int_equal(c->hello.len, 7);
	assert_memory_equal(c->hello.data, "hello\0\xff", 7);
	assert_null(c->checkpoint.data);
	assert_true(c->fence >= clock_wall_ms() - 60000); /* from TIME */
	site_claim_cb(c, n, e, t);
}

static void begin_check_cb(const struct store_job *job, const struct store_device *dev,
	const struct error *e, void *arg)
{
	assert_null(e);
	assert_string_equal(job->uuid, DEV1);
	assert_string_equal(job->state, "leased");
	assert_string_equal(job->owner, "w1");
	assert_int_equal(job->hello.len, 7);
	assert_true(job->begun_ms >= job->created_ms);
	assert_string_equal(dev->uuid, DEV1);
	assert_string_equal(dev->state, "active");
	assert_string_equal(dev->job, job->id);
	assert_string_equal(dev->addr, "10.0.0.1");
	assert_string_equal(dev->fqdn, "");
	assert_int_equal(dev->hellos, 1);
	assert_true(dev->hello_ms > 0 && dev->done_ms == 0);
	assert_null(dev->sec_pend.data);
	site_done_cb(e, arg);
}

static void device_check_cb(const struct store_device *dev, const struct error *e, void *arg)
{
	assert_null(e);
	assert_string_equal(dev->state, "done");
	assert_string_equal(dev->fqdn, "pc1.corp");
	assert_string_equal(dev->res, "configured");
	assert_int_equal(dev->sec_cur.len, 4);
	assert_memory_equal(dev->sec_cur.data, "\0\1\2\3", 4);
	assert_null(dev->sec_pend.data);
	assert_int_equal(dev->dek.len, 3);
	assert_true(dev->done_ms >= dev->hello_ms);
	site_done_cb(e, arg);
}

static void job_check_cb(const struct store_job *job, const struct error *e, void *arg)
{
	assert_null(e);
	assert_string_equal(job->state, "done");
	assert_string_equal(job->step, "ADMIN_PASSWORD");
	assert_null(job->hello.data); /* SPEC: ruling 11 */
	assert_null(job->checkpoint.data);
	assert_true(job->ended_ms > 0);
	site_done_cb(e, arg);
}

static void test_one_life(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	assert_int_equal(admit(t, DEV1, "10.0.0.1"), STORE_NEW);
	assert_int_equal(admit(t, DEV1, "10.0.0.1"), STORE_DUP);
	/* Two turns of the loop, else the second answer would find the first one's fields. */
	t->code = store_claim(s, 16, 5000, claim_check_cb, t, &err);
	site_wait(t, t->code, &err);
	struct store_lease l = {t->claims[0].id, t->claims[0].uuid, t->claims[0].fence};
	for (int i = 0; i < 2; i++) { /* a begun DUP counts no second Hello for begin_check_cb */
		if (i == 0)
			site_raw(t, "HSET muster:{0}:dev:" DEV1 " hellos 1", NULL);
		assert_int_equal(
			site_wait(
				t, store_begin(s, &l, "w1", 30000, begin_check_cb, t, &err), &err),
			0);
	}
	struct store_field f[] = {{"fqdn", {"pc1.corp", 8}}, {"dek", {"dek", 3}}};
	struct store_step st = {.step = "ADMIN_PASSWORD",
		.ttl_ms = 30000,
		.checkpoint = {"ck", 2},
		.act = STORE_SECRET_PENDING,
		.pending = {"\0\1\2\3", 4},
		.fields = f,
		.n_fields = 2};
	assert_int_equal(site_wait(t, store_step(s, &l, &st, site_done_cb, t, &err), &err), 0);
	assert_int_equal(
		site_wait(
			t, store_finish(s, &l, "configured", NULL, 0, site_done_cb, t, &err), &err),
		E_STATE);
	struct store_step promote = {
		.step = "ADMIN_PASSWORD", .ttl_ms = 30000, .act = STORE_SECRET_PROMOTE};
	assert_int_equal(site_wait(t, store_step(s, &l, &promote, site_done_cb, t, &err), &err), 0);
	assert_int_equal(
		site_wait(
			t, store_finish(s, &l, "configured", NULL, 0, site_done_cb, t, &err), &err),
		0);
	assert_int_equal(
		site_wait(t, store_device_get(s, DEV1, device_check_cb, t, &err), &err), 0);
	assert_int_equal(site_wait(t, store_job_get(s, l.job, job_check_cb, t, &err), &err), 0);
	char words[128];
	snprintf(words, sizeof words, "TTL muster:{0}:job:%s", l.job);
	long long ttl = site_raw(t, words, NULL);
	assert_true(ttl > 7 * 86400 - 60 && ttl <= 7 * 86400); /* SPEC: ruling 24 */
	assert_int_equal(admit(t, DEV1, "10.0.0.1"), STORE_IGN);
}

static void ids_check_cb(
	const char *const *ids, size_t n, const char *cursor, const struct error *e, void *arg)
{
	struct site *t = arg;
	assert_null(e);
	t->n += n;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(strlen(ids[i]), UUID_TEXT_LEN);
	snprintf(t->text, sizeof t->text, "%s", cursor);
	t->done = true;
	t->code = 0;
}

static void test_lists_counts_and_missing(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	char uuid[UUID_TEXT_LEN + 1], cursor[32] = "0";
	for (int i = 0; i < 250; i++) {
		snprintf(uuid, sizeof uuid, "00000000-1111-2222-3333-%012d", i);
		assert_int_equal(admit(t, uuid, "10.0.0.1"), STORE_NEW);
	}
	owned(t, "w1");
	size_t n = t->n = 0;
	do {
		struct site keep = *t;
		site_wait(t,
			store_job_list(s, STORE_LIST_READY, cursor, 100, ids_check_cb, t, &err),
			&err);
		assert_true(t->n - keep.n <= 100);
		snprintf(cursor, sizeof cursor, "%.31s", t->text);
		n = t->n;
	} while (strcmp(cursor, "0") != 0);
	assert_int_equal(n, 249);
	/* SCAN may repeat, but here nothing changes meanwhile. */
	t->n = 0;
	do {
		site_wait(t, store_device_list(s, cursor, ids_check_cb, t, &err), &err);
		snprintf(cursor, sizeof cursor, "%.31s", t->text);
	} while (strcmp(cursor, "0") != 0);
	assert_int_equal(t->n, 250);
	site_wait(t, store_counts(s, site_counts_cb, t, &err), &err);
	assert_int_equal(t->counts.due, 249);
	assert_int_equal(t->counts.n[STORE_LIST_READY], 249);
	assert_int_equal(t->counts.n[STORE_LIST_LEASED], 1);
	assert_int_equal(t->counts.n[STORE_LIST_DONE], 0);
	assert_true(t->counts.next_due_ms > 0 && t->counts.next_due_ms <= t->counts.now_ms);

	assert_int_equal(
		site_wait(t, store_kick(s, "no-such-job", DEV1, "op", NULL, site_done_cb, t, &err),
			&err),
		-ENOENT);
	assert_int_equal(
		site_wait(t, store_cancel(s, "no-such-job", DEV1, "op", "", site_done_cb, t, &err),
			&err),
		-ENOENT);
}

static void device_missing_cb(const struct store_device *dev, const struct error *e, void *arg)
{
	assert_null(dev);
	site_done_cb(e, arg);
}

static void job_missing_cb(const struct store_job *job, const struct error *e, void *arg)
{
	assert_null(job);
	site_done_cb(e, arg);
}

static void test_guards_of_the_face(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	struct store_lease l = {"j", DEV1, 1};
	struct store_step st = {.step = "X", .act = STORE_SECRET_PENDING};
	struct store_park p = {.why = "lunch"};
	struct store_field many[STORE_FIELDS_MAX + 1] = {{"fqdn", {"x", 1}}};
	assert_int_equal(
		site_wait(t, store_device_get(s, DEV2, device_missing_cb, t, &err), &err), -ENOENT);
	assert_int_equal(
		site_wait(t, store_job_get(s, "x", job_missing_cb, t, &err), &err), -ENOENT);
	assert_int_equal(store_step(s, &l, &st, site_done_cb, t, &err), E_STATE);
	assert_int_equal(store_park(s, &l, &p, site_done_cb, t, &err), E_STATE);
	assert_int_equal(store_begin(s, &l, "", 1, site_begin_cb, t, &err), E_STATE);
	assert_int_equal(store_claim(s, 0, 1, site_claim_cb, t, &err), E_LIMIT);
	assert_int_equal(store_claim(s, STORE_BATCH_MAX + 1, 1, site_claim_cb, t, &err), E_LIMIT);
	assert_int_equal(store_reap(s, 0, 5, 0, site_reap_cb, t, &err), E_LIMIT);
	assert_int_equal(
		store_renew(s, &l, STORE_BATCH_MAX + 1, 1, site_renew_cb, t, &err), E_LIMIT);
	assert_int_equal(
		store_finish(s, &l, "r", many, STORE_FIELDS_MAX + 1, site_done_cb, t, &err),
		E_LIMIT);
	/* The largest batch fits. */
	struct store_lease batch[STORE_BATCH_MAX];
	for (size_t i = 0; i < STORE_BATCH_MAX; i++)
		batch[i] = (struct store_lease){
			"01890000-0000-7000-8000-000000000000", DEV1, UINT64_MAX};
	assert_int_equal(
		site_wait(t, store_renew(s, batch, STORE_BATCH_MAX, 30000, site_renew_cb, t, &err),
			&err),
		0);
	assert_int_equal(t->n, STORE_BATCH_MAX);
	assert_int_equal(t->codes[STORE_BATCH_MAX - 1], E_STALE);
	struct store *other = NULL;
	struct store_opts bad = {.redis.url = server.url, .partition = "a:b"};
	assert_int_equal(store_open(&other, &t->loop, &bad, NULL, NULL, &err), E_CONFIG);
}

static void test_backoff(void **state)
{
	(void)state;
	const uint64_t min = 15000, max = 900000;
	static const uint64_t tops[] = {30000, 60000, 120000, 240000, 480000, 900000, 900000};
	for (uint32_t tries = 1; tries <= 7; tries++) {
		uint64_t low = UINT64_MAX, high = 0;
		for (uint64_t r = 0; r < 2000; r++) {
			uint64_t d = store_backoff_ms(tries, min, max, r * 0x9e3779b97f4a7c15);
			low = d < low ? d : low;
			high = d > high ? d : high;
		}
		assert_true(low >= min && high <= tops[tries - 1]);
		assert_true(low < min + (tops[tries - 1] - min) / 50);
		assert_true(high > tops[tries - 1] - (tops[tries - 1] - min) / 50);
	}
	assert_int_equal(store_backoff_ms(3, 10, 10, 99), 10);
	assert_int_equal(store_backoff_ms(UINT32_MAX, 1, UINT64_MAX, 0), 1);
}

/* ---- Redis' own clock ------------------------------------------------------------------------ */

static void test_real_leases(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	assert_int_equal(admit(t, DEV1, "10.0.0.1"), STORE_NEW);
	assert_int_equal(site_wait(t, store_claim(s, 1, 50, site_claim_cb, t, &err), &err), 0);
	struct store_lease l = {t->claims[0].id, t->claims[0].uuid, t->claims[0].fence};
	char old_job[UUID_TEXT_LEN + 1];
	snprintf(old_job, sizeof old_job, "%s", l.job);
	l.job = old_job;
	uint64_t end = clock_boot_ms() + 20000;
	do
		site_wait(t, store_reap(s, 50, 5, 10, site_reap_cb, t, &err), &err);
	while (t->reaped.requeued == 0 && clock_boot_ms() < end);
	assert_int_equal(t->reaped.requeued, 1);
	assert_int_equal(
		site_wait(t, store_begin(s, &l, "w1", 30000, site_begin_cb, t, &err), &err),
		E_STALE);
	site_wait(t, store_claim(s, 1, 5000, site_claim_cb, t, &err), &err);
	assert_int_equal(t->n, 1);
	assert_true(t->claims[0].fence > l.fence);
	assert_int_equal(t->claims[0].lost, 0); /* never begun: not lost (ruling 20) */
}

static void test_pace_is_forgotten(void **state)
{
	struct site *t = *state;
	struct store_admission paced = {
		.cooldown_ms = 1, .max_waiting = 10, .subnet_rate = 10, .subnet_burst = 1};
	struct store_hello h = {.addr = "10.0.0.1", .raw = {"x", 1}, .subnet = "10.0.0.0/24"};
	for (int i = 0; i < 3; i++) {
		char uuid[UUID_TEXT_LEN + 1];
		snprintf(uuid, sizeof uuid, "00000000-1111-2222-3333-%012d", i);
		uuid_parse(&h.uuid, uuid);
		site_wait(t, store_admit(t->store, &h, &paced, site_admit_cb, t, &err), &err);
		assert_int_equal(t->verdict, STORE_NEW);
	}
	site_wait(t, store_claim(t->store, 10, 5000, site_claim_cb, t, &err), &err);
	assert_int_equal(t->n, 1); /* the others are due 100 and 200 ms later */
	long long ttl = site_raw(t, "PTTL muster:{0}:sub:10.0.0.0/24", NULL);
	assert_true(ttl > 0 && ttl <= 1400);
}

static void test_full_memory(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	assert_int_equal(admit(t, DEV1, "10.0.0.1"), STORE_NEW);
	struct store_lease l = owned(t, "w1");
	site_raw(t, "CONFIG SET maxmemory 1", NULL);
	assert_int_equal(admit(t, DEV2, "10.0.0.2"), STORE_BUSY);
	/* What guards a device works on: SPEC: failure matrix 22 */
	struct store_step st = {.step = "X", .ttl_ms = 30000};
	assert_int_equal(site_wait(t, store_step(s, &l, &st, site_done_cb, t, &err), &err), 0);
	assert_int_equal(
		site_wait(t, store_finish(s, &l, "r", NULL, 0, site_done_cb, t, &err), &err), 0);
	site_raw(t, "CONFIG SET maxmemory 0", NULL);
	assert_int_equal(admit(t, DEV2, "10.0.0.2"), STORE_NEW);
}

/* ---- events, peers --------------------------------------------------------------------------- */

static void events_check_cb(
	const struct store_event *events, size_t n, const struct error *e, void *arg)
{
	static const char *const want[] = {"admit", "claim", "begin", "finish", "revealed"};
	struct site *t = arg;
	assert_null(e);
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(events[i].event, want[i]);
		assert_string_equal(events[i].uuid, DEV1);
		assert_null(strstr(events[i].text, "hello")); /* SPEC: ruling 11 */
	}
	assert_string_equal(events[3].who, "w1");
	assert_string_equal(events[4].text, "by ticket 7");
	site_done_cb(e, t);
}

static void test_events(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	admit(t, DEV1, "10.0.0.1");
	struct store_lease l = owned(t, "w1");
	site_wait(t, store_finish(s, &l, "r", NULL, 0, site_done_cb, t, &err), &err);
	site_wait(t, store_audit(s, "revealed", DEV1, "op", "by ticket 7", site_done_cb, t, &err),
		&err);
	assert_int_equal(
		site_wait(t, store_events(s, "0", 100, events_check_cb, t, &err), &err), 0);
}

static void peers_check_cb(
	const struct store_peer *peers, size_t n, const struct error *e, void *arg)
{
	struct site *t = arg;
	assert_null(e);
	t->n = n;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(peers[i].id, "worker-1") != 0)
			continue;
		assert_string_equal(peers[i].role, "worker");
		assert_string_equal(peers[i].version, "0.1");
		assert_string_equal(peers[i].host, "h1");
		assert_int_equal(peers[i].slots, 5000);
		assert_int_equal(peers[i].used, 7);
		assert_true(peers[i].drain);
	}
	site_done_cb(e, t);
}

static void test_peers(void **state)
{
	struct site *t = *state;
	struct store *s = t->store;
	struct store_peer a = {"worker-1", "worker", "0.1", "h1", 5000, 7, true};
	struct store_peer b = {"broker-1", "broker", "0.1", "h1", 0, 0, false};
	assert_int_equal(site_wait(t, store_peer_beat(s, &a, site_done_cb, t, &err), &err), 0);
	assert_int_equal(site_wait(t, store_peer_beat(s, &b, site_done_cb, t, &err), &err), 0);
	site_wait(t, store_peer_list(s, peers_check_cb, t, &err), &err);
	assert_int_equal(t->n, 2);
	site_raw(t, "HSET muster:sys:peers broker-1 1000", NULL); /* long dead */
	site_raw(t, "FCALL muster_v1_peer_beat 1 muster:sys:peers x t 10000", NULL);
	assert_int_equal(site_raw(t, "HLEN muster:sys:peers", NULL), 2);
}

/* ---- PSK pairs ------------------------------------------------------------------------------- */

static struct store_psk pair;
static char pair_blob[16], pair_state[16], pair_uuid[40];
static bool pair_there;

static void psk_cb(const struct store_psk *p, const struct error *e, void *arg)
{
	pair_there = p != NULL;
	pair = p ? *p : (struct store_psk){0};
	snprintf(pair_blob, sizeof pair_blob, "%.*s", p ? (int)p->sealed.len : 0,
		p ? (const char *)p->sealed.data : "");
	snprintf(pair_state, sizeof pair_state, "%s", p ? p->state : "");
	snprintf(pair_uuid, sizeof pair_uuid, "%s", p ? p->uuid : "");
	site_done_cb(e, arg);
}

static int psk_put(struct site *t, const char *pid, const char *blob, const char *uuid)
{
	struct store_blob b = {blob, strlen(blob)};
	return site_wait(
		t, store_psk_put(t->store, pid, b, uuid, "file", "op", psk_cb, t, &err), &err);
}

static int psk_get(struct site *t, const char *pid)
{
	return site_wait(t, store_psk_get(t->store, pid, psk_cb, t, &err), &err);
}

static int psk_mark(struct site *t, const char *pid, const char *uuid, enum store_psk_mark what)
{
	return site_wait(
		t, store_psk_mark(t->store, pid, uuid, "j", what, site_done_cb, t, &err), &err);
}

static int psk_delete(struct site *t, const char *pid)
{
	return site_wait(t, store_psk_delete(t->store, pid, "op", site_done_cb, t, &err), &err);
}

static void test_psk(void **state)
{
	struct site *t = *state;
	assert_int_equal(psk_get(t, "0000037M"), -ENOENT);
	assert_int_equal(psk_mark(t, "0000037M", DEV1, STORE_PSK_USED), -ENOENT);
	assert_int_equal(psk_put(t, "0000037M", "sealed", NULL), 0);
	assert_false(pair_there);
	assert_int_equal(psk_put(t, "0000037M", "other", NULL), 0);
	assert_true(pair_there); /* never overwritten: what is there comes back */
	assert_string_equal(pair_blob, "sealed");
	assert_int_equal(psk_get(t, "0000037M"), 0);
	assert_string_equal(pair_state, "free");
	assert_int_equal(psk_mark(t, "0000037M", DEV2, STORE_PSK_MISMATCH), 0);
	assert_int_equal(psk_mark(t, "0000037M", DEV2, STORE_PSK_MISMATCH), 0);
	assert_int_equal(psk_get(t, "0000037M"), 0);
	assert_int_equal(pair.bad, 2);
	assert_string_equal(pair_uuid, ""); /* a failed handshake proves nothing about a device */
	assert_int_equal(psk_mark(t, "0000037M", DEV1, STORE_PSK_USED), 0);
	assert_int_equal(psk_mark(t, "0000037M", DEV1, STORE_PSK_USED), 0);
	assert_int_equal(psk_mark(t, "0000037M", DEV2, STORE_PSK_USED), E_STATE);
	assert_int_equal(psk_mark(t, "0000037M", DEV2, STORE_PSK_MISMATCH), E_STATE);
	assert_int_equal(psk_get(t, "0000037M"), 0);
	assert_string_equal(pair_state, "used");
	assert_string_equal(pair_uuid, DEV1);
	assert_int_equal(pair.bad, 0);
	assert_true(pair.used_ms >= pair.added_ms && pair.added_ms > 0);
	assert_int_equal(psk_put(t, "4444444D", "made", DEV2), 0);
	assert_int_equal(psk_get(t, "4444444D"), 0);
	assert_string_equal(pair_state, "fresh");
	assert_int_equal(psk_delete(t, "4444444D"), 0);
	assert_int_equal(psk_delete(t, "4444444D"), -ENOENT);
}

int main(void)
{
	if (!server_available())
		return 77;
	server_init(&server, "deploy/redis/fast.conf");
	server_start(&server);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_schema, setup, teardown),
		cmocka_unit_test_setup_teardown(test_undeclared_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_life, setup_guarded, teardown),
		cmocka_unit_test_setup_teardown(
			test_lists_counts_and_missing, setup_guarded, teardown),
		cmocka_unit_test_setup_teardown(test_guards_of_the_face, setup_guarded, teardown),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test_setup_teardown(test_real_leases, setup_guarded, teardown),
		cmocka_unit_test_setup_teardown(test_pace_is_forgotten, setup_guarded, teardown),
		cmocka_unit_test_setup_teardown(test_full_memory, setup_guarded, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup_guarded, teardown),
		cmocka_unit_test_setup_teardown(test_peers, setup_guarded, teardown),
		cmocka_unit_test_setup_teardown(test_psk, setup_guarded, teardown),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop(&server);
	return rc;
}
