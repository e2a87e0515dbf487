/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real muster-broker on a private redis-server, between a listener and workers played by this
 * test: admission, credit, claims, and what happens when any of them vanishes.
 */
#include "tests/broker/harness.h"

/* ---- the way of one device ----------------------------------------------------------------- */

static void test_admit_job_done(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	say_hello(t, 0, 1);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 1);
	assert_int_equal(counts(t)->n[STORE_LIST_READY], 1); /* no credit, no claim */
	send_credit(w, 0, 2);
	RUN_UNTIL(t, t->n_begun == 1);
	assert_int_equal(w->jobs[0].hello_len, 841);
	assert_int_equal(w->jobs[0].address_len, 4);
	assert_string_equal(w->jobs[0].uuid, "12340000-0000-0000-0000-000001000000");
	say_hello(t, 0, 1); /* while it is in work */
	RUN_UNTIL(t, verdicts(t, V_DUP) == 1);
	finish(t, &w->jobs[0]);
	RUN_UNTIL(t, t->n_finished == 1);
	send_done(w, 0, &w->jobs[0]);
	say_hello(t, 0, 1); /* within the cool-down */
	RUN_UNTIL(t, verdicts(t, V_IGN) == 1);
	assert_int_equal(counts(t)->n[STORE_LIST_DONE], 1);
	assert_int_equal(w->n_jobs, 1);
}

static void test_same_frame_twice(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	for (int i = 0; i < 5; i++) {
		t->next_seq = 41;
		say_hello(t, 0, 7);
	}
	RUN_UNTIL(t, t->listener.n_verdicts == 5);
	assert_int_equal(verdicts(t, V_NEW), 1);
	assert_int_equal(verdicts(t, V_DUP), 4);
	assert_int_equal(counts(t)->n[STORE_LIST_READY], 1);
}

static void test_credit_is_kept(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->keep = true;
	for (uint32_t i = 0; i < 5; i++)
		say_hello(t, 0, i);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 5);
	send_credit(w, 0, 2);
	RUN_UNTIL(t, w->n_jobs == 2);
	/* A Credit that was on its way counts slots that these two jobs will take. */
	send_credit(w, 0, 2);
	run_for(t, 600); /* three polls, less than the dispatch lease */
	assert_int_equal(w->n_jobs, 2);
	send_credit(w, 0, 3);
	RUN_UNTIL(t, w->n_jobs == 3);
}

static void test_refused_job_is_released(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->refuse = true;
	say_hello(t, 0, 1);
	send_credit(w, 0, 1);
	RUN_UNTIL(t, w->n_jobs == 1);
	w->refuse = false;
	uint64_t start = clock_boot_ms();
	RUN_UNTIL(t, counts(t)->n[STORE_LIST_READY] == 1);
	assert_true(clock_boot_ms() - start < 900); /* not by the end of its lease */
	send_credit(w, 0, 1);
	RUN_UNTIL(t, t->n_begun == 1);
	assert_true(w->jobs[1].fence > w->jobs[0].fence);
	assert_string_equal(w->jobs[1].job, w->jobs[0].job);
}

/* ---- who vanishes -------------------------------------------------------------------------- */

static void test_vanished_worker(void **state)
{
	struct bench *t = *state;
	struct peer *gone = &t->workers[0], *w = &t->workers[1];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, gone, true, 1);
	peer_open(t, w, true, 1);
	send_credit(gone, 0, 50);
	send_credit(w, 0, 10);
	peer_close(gone);
	for (uint32_t i = 0; i < 10; i++)
		say_hello(t, 0, i);
	RUN_UNTIL(t, t->n_begun == 10);
	assert_int_equal(counts(t)->n[STORE_LIST_READY], 0);
}

static void test_job_lost_on_the_way_comes_back(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->keep = true; /* as if the frame had been lost */
	say_hello(t, 0, 1);
	send_credit(w, 0, 1);
	RUN_UNTIL(t, w->n_jobs == 1);
	w->keep = false;
	send_credit(w, 0, 2);
	RUN_UNTIL(t, t->n_begun == 1); /* dispatch lease + grace */
	assert_int_equal(w->n_jobs, 2);
	assert_true(w->jobs[1].fence > w->jobs[0].fence);
	/* The first delivery, late: refused. */
	struct error err;
	const struct store_lease stale = {w->jobs[0].job, w->jobs[0].uuid, w->jobs[0].fence};
	assert_int_equal(store_begin(t->store, &stale, "late", 5000, begun_cb, t, &err), 0);
	RUN_UNTIL(t, t->n_begin_refused == 1);
}

static void test_killed_broker(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->keep = true;
	say_hello(t, 0, 1);
	say_hello(t, 0, 2);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 2);
	send_credit(w, 0, 1);
	RUN_UNTIL(t, w->n_jobs == 1);
	stop(t, &t->brokers[0], SIGKILL);
	broker_start(t, 0);
	/* Both sides register again by themselves; what was accepted is still there. */
	RUN_UNTIL(t, w->n_welcome == 2 && t->listener.n_welcome == 2);
	say_hello(t, 0, 1);
	RUN_UNTIL(t, verdicts(t, V_DUP) == 1);
	w->keep = false;
	send_credit(w, 0, 2);
	RUN_UNTIL(t, t->n_begun == 2);
	assert_int_equal(counts(t)->n[STORE_LIST_LEASED], 2);
}

static void test_two_brokers_claim_once(void **state)
{
	struct bench *t = *state;
	enum { N = 200 };
	broker_start(t, 0);
	broker_start(t, 1);
	peer_open(t, &t->listener, false, 2);
	peer_open(t, &t->workers[0], true, 2);
	peer_open(t, &t->workers[1], true, 2);
	for (int i = 0; i < N_WORKERS; i++)
		for (int b = 0; b < N_BROKERS; b++)
			send_credit(&t->workers[i], b, N);
	for (uint32_t i = 0; i < N; i++) {
		say_hello(t, (int)(i % 2), i);
		say_hello(t, (int)(1 - i % 2), i); /* and a retransmission to the other */
	}
	RUN_UNTIL(t, t->listener.n_verdicts == 2 * N);
	assert_int_equal(verdicts(t, V_NEW), N);
	assert_int_equal(verdicts(t, V_DUP), N);
	RUN_UNTIL(t, t->n_begun == N);
	assert_int_equal(t->workers[0].n_jobs + t->workers[1].n_jobs, N);
	assert_int_equal(t->n_begin_refused, 0);
	assert_int_equal(counts(t)->n[STORE_LIST_LEASED], N);
}

static void test_redis_restart(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	say_hello(t, 0, 1);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 1);
	stop(t, &t->redis, SIGKILL);
	RUN_UNTIL(t, log_count(t, "redis.down") == 1);
	say_hello(t, 0, 2); /* stays in the front socket */
	send_credit(w, 0, 4);
	uint64_t restarted = clock_boot_ms();
	redis_start(t);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 2);
	RUN_UNTIL(t, log_count(t, "broker.quiet") == 1);
	RUN_UNTIL(t, t->n_begun >= 1 || clock_boot_ms() - restarted > 3 * QUIET_MS);
	/* Nothing is claimed before owners unknown to Redis must have stopped. */
	assert_true(clock_boot_ms() - restarted >= QUIET_MS);
	RUN_UNTIL(t, t->n_begun == 2);
}

/* ---- who may talk -------------------------------------------------------------------------- */

static void test_wrong_role_and_strangers(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	struct error err;
	char endpoint[128];
	broker_start(t, 0);
	*w = (struct peer){.bench = t, .worker = false}; /* a listener at the workers' socket */
	assert_int_equal(bus_open(&w->bus, &t->loop, "listener", NULL, &err), 0);
	snprintf(endpoint, sizeof endpoint, "ipc://%s/back0", t->dir);
	assert_int_equal(
		bus_dealer(&w->sockets[0], w->bus, endpoint, 64, &peer_handler, w, &err), 0);
	RUN_UNTIL(t, w->n_refused == 1);
	assert_non_null(strstr(w->reason, "role"));
	send_credit(w, 0, 3); /* not registered */
	RUN_UNTIL(t, w->n_refused == 2);
	assert_string_equal(w->reason, BUS_REGISTER_FIRST);
	/* A worker of a later release. */
	Muster__V1__Register reg = MUSTER__V1__REGISTER__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	reg.role = MUSTER__V1__ROLE__ROLE_WORKER;
	reg.schema_min = BUS_SCHEMA_MAX + 1;
	reg.schema_max = BUS_SCHEMA_MAX + 2;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER;
	e.register_peer = &reg;
	assert_int_equal(bus_send(w->sockets[0], NULL, &e), 0);
	RUN_UNTIL(t, w->n_refused == 3);
	assert_non_null(strstr(w->reason, "schema"));
	assert_int_equal(w->n_welcome, 0);
}

static void test_deny_file(void **state)
{
	struct bench *t = *state;
	char options[256], path[128];
	snprintf(path, sizeof path, "%s/deny", t->dir);
	snprintf(options, sizeof options, "  deny_file: \"%s\"\n", path);
	write_config(t, options);
	FILE *f = fopen(path, "w");
	fputs("# stolen\n12340000-0000-0000-0000-000005000000 laptop of room 5\n", f);
	fclose(f);
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_DENY) == 1);
	say_hello(t, 0, 6);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 1);
	/* A broken list changes nothing, an empty one frees the device. */
	f = fopen(path, "w");
	fputs("12340000-0000-0000\n", f);
	fclose(f);
	kill(t->brokers[0], SIGHUP);
	RUN_UNTIL(t, log_count(t, "reload.failed") == 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_DENY) == 2);
	assert_int_equal(truncate(path, 0), 0);
	kill(t->brokers[0], SIGHUP);
	RUN_UNTIL(t, log_count(t, "reload.done") == 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 2);
}

static void test_intake_off(void **state)
{
	struct bench *t = *state;
	write_config(t, "  intake: false\n");
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_DENY) == 1);
}

static void test_drain(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, &t->workers[0], true, 1);
	for (uint32_t i = 0; i < 20; i++)
		say_hello(t, 0, i);
	RUN_UNTIL(t, t->listener.n_verdicts > 0);
	kill(t->brokers[0], SIGTERM);
	RUN_UNTIL(t, t->listener.n_drain == 1 && t->workers[0].n_drain == 1);
	int status = -1;
	RUN_UNTIL(t, waitpid(t->brokers[0], &status, WNOHANG) == t->brokers[0]);
	t->brokers[0] = 0;
	assert_int_equal(status, 0);
	/* Whatever it had begun to admit was answered. */
	assert_int_equal(counts(t)->n[STORE_LIST_READY], t->listener.n_verdicts);
}

int main(void)
{
	if (system("command -v redis-server >/dev/null 2>&1") != 0) {
		puts("SKIPPED: no redis-server in PATH");
		return 77;
	}
#define CASE(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_admit_job_done),
		CASE(test_same_frame_twice),
		CASE(test_credit_is_kept),
		CASE(test_refused_job_is_released),
		CASE(test_vanished_worker),
		CASE(test_job_lost_on_the_way_comes_back),
		CASE(test_killed_broker),
		CASE(test_two_brokers_claim_once),
		CASE(test_redis_restart),
		CASE(test_wrong_role_and_strangers),
		CASE(test_deny_file),
		CASE(test_intake_off),
		CASE(test_drain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
