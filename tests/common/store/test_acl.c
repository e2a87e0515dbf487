/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACL user of each role can do its whole part of a job's life, and nothing else: with
 * deploy/redis/users.acl in a real Redis. Redis checks the commands inside a function for the
 * caller, too (ruling 23), so every function has to be called once by its role.
 */
#include <hiredis/hiredis.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/codec.h"
#include "common/store/store_wave.h"
#include "tests/common/store/server.h"
#include "tests/common/store/site.h"

#define DEV1 "00000000-1111-2222-3333-000000000001"
#define DEV2 "00000000-1111-2222-3333-000000000002"
#define DEV3 "00000000-1111-2222-3333-000000000003"

static struct server server;
static struct site ctl, broker, worker;
static struct error err;

static void acl_line(FILE *out, const char *line, const char *mark, const char *password)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	const char *at = strstr(line, mark);
	if (!at)
		return;
	SHA256((const unsigned char *)password, strlen(password), sum);
	hex_encode(sum, sizeof sum, hex);
	fprintf(out, "%.*s%s%s", (int)(at - line), line, hex, at + strlen(mark));
}

/* users.acl with passwords filled in: the role's name is its password. */
static void acl_write(const char *path)
{
	char line[4096];
	FILE *in = fopen("deploy/redis/users.acl", "r"), *out = fopen(path, "w");
	assert_true(in && out);
	while (fgets(line, sizeof line, in)) {
		acl_line(out, line, "BROKER_PASSWORD_SHA256", "broker");
		acl_line(out, line, "WORKER_PASSWORD_SHA256", "worker");
		acl_line(out, line, "CTL_PASSWORD_SHA256", "ctl");
		if (strncmp(line, "user default", 12) == 0)
			fputs(line, out);
	}
	fclose(in);
	fclose(out);
}

static int setup(void **state)
{
	static char path[96];
	(void)state;
	server_init(&server, "deploy/redis/fast.conf");
	snprintf(path, sizeof path, "%s/users.acl", server.dir);
	acl_write(path);
	server.extra[0] = "--aclfile";
	server.extra[1] = path;
	server_start(&server);
	site_open(&ctl, server.url, "muster-ctl", "ctl", NULL);
	site_open(&broker, server.url, "muster-broker", "broker", NULL);
	site_open(&worker, server.url, "muster-worker", "worker", NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	site_close(&ctl);
	site_close(&broker);
	site_close(&worker);
	server_stop(&server);
	return 0;
}

/* The call succeeds. */
static void ok(struct site *t, int rc)
{
	if (site_wait(t, rc, &err) < 0)
		fail_msg("%s", rc < 0 ? err.text : t->text);
}

static void refused(struct site *t, const char *words)
{
	char text[512];
	site_raw(t, words, text);
	if (strncmp(text, "NOPERM", 6) != 0)
		fail_msg("this role may run: %s (%s)", words, text);
}

static void test_no_more_than_needed(void **state)
{
	static const char *const nobody[] = {"FLUSHALL", "CONFIG GET maxmemory", "KEYS *",
		"SHUTDOWN", "GET other:key", "ACL LIST", "SCRIPT FLUSH",
		"FUNCTION DELETE muster_v1", "EVAL return 0", "SAVE", "MONITOR"};
	static const struct {
		struct site *role;
		const char *words;
	} own[] = {
		{&ctl, "FCALL muster_v1_finish 0"},
		{&ctl, "FCALL muster_v1_claim 0"},
		{&broker, "FCALL muster_v1_finish 0"},
		{&broker, "FCALL muster_v1_step 0"},
		{&broker, "FCALL muster_v1_cancel 0"},
		{&broker, "FUNCTION LIST"},
		{&broker, "DEL muster:{0}:ready"},
		{&worker, "FCALL muster_v1_claim 0"},
		{&worker, "FCALL muster_v1_admit 0"},
		{&worker, "FCALL muster_v1_kick 0"},
		{&worker, "FCALL muster_v1_open 0"},
		{&worker, "FUNCTION LOAD x"},
		{&worker, "DEL muster:{0}:ready"},
		{&worker, "SCAN 0"},
	};
	struct site *const roles[] = {&ctl, &broker, &worker};
	(void)state;
	for (size_t r = 0; r < 3; r++)
		for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++)
			refused(roles[r], nobody[i]);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		refused(own[i].role, own[i].words);
}

static void test_schema_by_ctl(void **state)
{
	(void)state;
	ok(&ctl, store_schema_apply(ctl.store, site_schema_cb, &ctl, &err));
	assert_true(ctl.changed);
	ok(&ctl, store_schema_apply(ctl.store, site_schema_cb, &ctl, &err));
	ok(&broker, store_schema_check(broker.store, site_done_cb, &broker, &err));
	ok(&worker, store_schema_check(worker.store, site_done_cb, &worker, &err));
}

static struct store_lease claim_one(void)
{
	ok(&broker, store_claim(broker.store, 1, 5000, site_claim_cb, &broker, &err));
	assert_int_equal(broker.n, 1);
	return (struct store_lease){
		broker.claims[0].id, broker.claims[0].uuid, broker.claims[0].fence};
}

static void admit(const char *uuid)
{
	struct store_hello h = {.addr = "10.0.0.1", .raw = {"x", 1}, .subnet = "10.0.0.0/24"};
	struct store_admission paced = {
		.cooldown_ms = 1, .max_waiting = 10, .subnet_rate = 1000, .subnet_burst = 10};
	uuid_parse(&h.uuid, uuid);
	ok(&broker, store_admit(broker.store, &h, &paced, site_admit_cb, &broker, &err));
	assert_int_equal(broker.verdict, STORE_NEW);
}

static void look_cb(const struct store_window_look *found, const struct error *e, void *arg)
{
	(void)found;
	site_done_cb(e, arg);
}

static void test_broker_part(void **state)
{
	struct store *s = broker.store;
	struct store_peer peer = {"b", "broker", "1", "h", 1, 0, false};
	(void)state;
	admit(DEV1);
	struct store_lease l = claim_one();
	ok(&broker,
		store_release(s, &l, NULL, (struct store_blob){0}, site_done_cb, &broker, &err));
	ok(&broker, store_reap(s, 0, 5, 10, site_reap_cb, &broker, &err));
	ok(&broker, store_pump(s, 10, site_count_cb, &broker, &err));
	ok(&broker, store_window_look(s, 21600000, look_cb, &broker, &err));
	ok(&broker, store_counts(s, site_counts_cb, &broker, &err));
	ok(&broker, store_peer_beat(s, &peer, site_done_cb, &broker, &err));
}

static void psk_cb(const struct store_psk *pair, const struct error *e, void *arg)
{
	(void)pair;
	site_done_cb(e, arg);
}

static void test_worker_part(void **state)
{
	struct store *s = worker.store;
	struct site *t = &worker;
	struct store_peer peer = {"w", "worker", "1", "h", 1, 0, false};
	struct store_field f[] = {{"fqdn", {"a", 1}}, {"realm", {NULL, 0}}, {"dek", {"k", 1}}};
	struct store_step st = {.step = "X",
		.ttl_ms = 30000,
		.act = STORE_SECRET_PENDING,
		.pending = {"p", 1},
		.checkpoint = {"c", 1},
		.fields = f,
		.n_fields = 3};
	struct store_failure fail = {.max_attempts = 8, .err = "e", .txt = "t"};
	(void)state;
	ok(t, store_peer_beat(s, &peer, site_done_cb, t, &err));
	struct store_lease l = claim_one();
	ok(t, store_begin(s, &l, "w", 30000, site_begin_cb, t, &err));
	ok(t, store_step(s, &l, &st, site_done_cb, t, &err));
	st.act = STORE_SECRET_PROMOTE;
	st.pending.len = 0;
	ok(t, store_step(s, &l, &st, site_done_cb, t, &err));
	ok(t, store_renew(s, &l, 1, 30000, site_renew_cb, t, &err));
	assert_int_equal(t->codes[0], 0);
	ok(t, store_fail(s, &l, &fail, site_fail_cb, t, &err));
	l = claim_one();
	ok(t, store_begin(s, &l, "w", 30000, site_begin_cb, t, &err));
	ok(t, store_release(s, &l, "X", (struct store_blob){"c", 1}, site_done_cb, t, &err));
	l = claim_one();
	ok(t, store_begin(s, &l, "w", 30000, site_begin_cb, t, &err));
	ok(t, store_finish(s, &l, "r", f, 3, site_done_cb, t, &err));

	admit(DEV2);
	struct store_park park = {.why = "ca", .poll_ms = STORE_NEVER, .err = "e", .txt = "t"};
	l = claim_one();
	ok(t, store_begin(s, &l, "w", 30000, site_begin_cb, t, &err));
	ok(t, store_park(s, &l, &park, site_done_cb, t, &err));

	struct store_blob sealed = {"s", 1};
	ok(t, store_psk_put(s, "0000037M", sealed, DEV2, NULL, NULL, psk_cb, t, &err));
	ok(t, store_psk_get(s, "0000037M", psk_cb, t, &err));
	ok(t, store_psk_mark(s, "0000037M", DEV2, "j", STORE_PSK_MISMATCH, site_done_cb, t, &err));
	ok(t, store_psk_mark(s, "0000037M", DEV2, "j", STORE_PSK_USED, site_done_cb, t, &err));
}

static void first_id_cb(
	const char *const *ids, size_t n, const char *cursor, const struct error *e, void *arg)
{
	struct site *t = arg;
	(void)cursor;
	site_done_cb(e, t);
	t->n = n;
	snprintf(t->text, sizeof t->text, "%s", n > 0 ? ids[0] : "");
}

static void device_cb(const struct store_device *dev, const struct error *e, void *arg)
{
	(void)dev;
	site_done_cb(e, arg);
}

static void job_cb(const struct store_job *job, const struct error *e, void *arg)
{
	(void)job;
	site_done_cb(e, arg);
}

static void events_cb(const struct store_event *events, size_t n, const struct error *e, void *arg)
{
	(void)events;
	assert_true(e || n > 0);
	site_done_cb(e, arg);
}

static void peers_cb(const struct store_peer *peers, size_t n, const struct error *e, void *arg)
{
	(void)peers;
	assert_true(e || n == 2);
	site_done_cb(e, arg);
}

static void window_cb(const struct store_window_row *rows, size_t n, uint64_t size, uint64_t now_ms,
	const struct error *e, void *arg)
{
	(void)rows, (void)n, (void)size, (void)now_ms;
	site_done_cb(e, arg);
}

static void test_ctl_part(void **state)
{
	struct store *s = ctl.store;
	struct site *t = &ctl;
	char job[UUID_TEXT_LEN + 1];
	(void)state;
	ok(t, store_job_list(s, STORE_LIST_DONE, "0", 10, first_id_cb, t, &err));
	assert_int_equal(t->n, 1);
	ok(t, store_job_list(s, STORE_LIST_WAIT_CA, "0", 10, first_id_cb, t, &err));
	assert_int_equal(t->n, 1);
	snprintf(job, sizeof job, "%.36s", t->text);
	ok(t, store_device_list(s, "0", first_id_cb, t, &err));
	ok(t, store_device_get(s, DEV1, device_cb, t, &err));
	ok(t, store_job_get(s, job, job_cb, t, &err));
	ok(t, store_counts(s, site_counts_cb, t, &err));
	assert_int_equal(t->counts.n[STORE_LIST_DONE], 1);
	ok(t, store_events(s, "0", 100, events_cb, t, &err));
	ok(t, store_peer_list(s, peers_cb, t, &err));
	ok(t, store_audit(s, "x", "", "op", "", site_done_cb, t, &err));
	ok(t, store_kick(s, job, DEV2, "op", "10.0.0.9", site_done_cb, t, &err));
	ok(t, store_cancel(s, job, DEV2, "op", "enough", site_done_cb, t, &err));
	char id[UUID_TEXT_LEN + 1];
	struct store_opening o = {.uuid = DEV1, .kind = JOB_MAINTAIN, .who = "op"};
	ok(t, store_job_open(s, &o, id, site_done_cb, t, &err));
	ok(t, store_window_list(s, STORE_LIST_READY, 21600000, 0, window_cb, t, &err));
	ok(t, store_deny(s, DEV2, "stolen", "op", site_done_cb, t, &err));
	ok(t, store_deny(s, DEV2, NULL, "op", site_done_cb, t, &err));
	struct store_field name = {"fqdn", {"a.b", 3}};
	ok(t, store_expect(s, DEV3, "op", "by list", &name, 1, site_expect_cb, t, &err));
	assert_false(t->kept);
	ok(t, store_expect(s, DEV3, "op", "by list", &name, 1, site_expect_cb, t, &err));
	assert_true(t->kept);
	ok(t, store_forget(s, DEV3, NULL, "op", site_done_cb, t, &err));
	ok(t, store_forget(s, DEV2, job, "op", site_done_cb, t, &err));
	struct store_blob sealed = {"s", 1};
	ok(t, store_psk_put(s, "4444444D", sealed, NULL, "f", "op", psk_cb, t, &err));
	ok(t, store_psk_get(s, "4444444D", psk_cb, t, &err));
	ok(t, store_psk_list(s, "0", first_id_cb, t, &err));
	ok(t, store_psk_delete(s, "4444444D", "op", site_done_cb, t, &err));
}

int main(void)
{
	if (!server_available())
		return 77;
	/* In this order: each role finds what the one before left. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_more_than_needed),
		cmocka_unit_test(test_schema_by_ctl),
		cmocka_unit_test(test_broker_part),
		cmocka_unit_test(test_worker_part),
		cmocka_unit_test(test_ctl_part),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
