/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions against a device of our own (fake_device.c) and a store in memory (fake_store.c):
 * the good way, resume, passwords, and every row of the step table with every kind of bad answer.
 */
#include "tests/worker/site.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- tests
 * ----------------------------------------------------------------------------------------- */

static void test_good(void **state)
{
	(void)state;
	fresh();
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
	assert_int_equal(dev.n_generates, 1);
	assert_int_equal(ca_calls, 1);
	assert_true(fake_store.pend_before_secret);
	/* One connection a phase; the challenge of the first admin request costs one more. */
	assert_int_equal(dev.n_connections, 3);
	unsigned first = dev.n_requests;
	visit(); /* again: everything is there; phase B only, and nothing to write */
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
	assert_true(dev.n_requests - first < 30);
}

static void test_pkcs10(void **state)
{
	(void)state;
	fresh();
	w.profiles.items[0]->tls.issue = PROFILE_ISSUE_PKCS10;
	visit();
	assert_provisioned();
}

/* SPEC: ruling 41: no GenerateKeyPair -> AddKey with a key of ours */
static void test_addkey(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_NO_KEYGEN;
	dev.at = "key.generate";
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_generates, 0);
}

static void test_duplicate_certificate(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_2058;
	dev.at = "cert.add";
	visit();
	assert_provisioned();
}

/* 2057 once: everything again, one more commit; twice: dead with the check-list. */
static void test_data_missing(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_2057;
	dev.at = "commit";
	dev.times = 1;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
	assert_int_equal(dev.n_generates, 1); /* the key of the first round is used */
	fresh();
	dev.fault = FAKE_2057;
	dev.at = "commit";
	visit();
	assert_end("dead", "data_missing");
}

static void test_identity(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_STATE2;
	visit();
	assert_end("dead", "already_configured"); /* ruling 18 */
	fresh();
	dev.fault = FAKE_UUID;
	visit();
	assert_end("park", "uuid_mismatch"); /* ruling 2 */
	assert_string_equal(fake_store.why, "manual");
	assert_false(fake_store.poll);
	fresh();
	w.profiles.items[0]->otp = true;
	visit();
	assert_end("park", "otp_unknown");
	fresh();
	dev.no_ask = true;
	visit();
	assert_end("retry", "not_in_setup");
	assert_int_equal(dev.n_requests, 0); /* nothing is said to a device that did not ask */
}

/* Never a password, nor any request, to a configured device with the wrong leaf. SPEC: tls.md 8 */
static void test_wrong_leaf(void **state)
{
	(void)state;
	fresh();
	dev.self_signed = true; /* the credential context "did not take" */
	visit();
	/* Looked at again from the setup side, once: there it does not ask for our certificate. */
	assert_end("retry", "not_in_setup");
	assert_true(strncmp(dev.last_row, "verify", 6) != 0);
}

/* A crash at any row: the next visit uses the same password, key and certificate. SPEC: P 7 */
static void test_resume(void **state)
{
	(void)state;
	for (size_t i = 0; i < plan_table[PLAN_SETUP].n_steps; i++) {
		const struct step *row = &step_table[plan_table[PLAN_SETUP].steps[i]];
		if (row->effect == EFFECT_READ)
			continue;
		fresh();
		fake_store.stale_at = row->name; /* as if killed right before this row */
		visit();
		if (fake_store.n_steps == 0 || strcmp(outcome, "lost") != 0)
			continue; /* the row is not reached in this plan */
		fake_store.stale_at = NULL;
		char password[64];
		snprintf(password, sizeof password, "%s", dev.password_b64);
		visit();
		assert_provisioned();
		if (password[0])
			assert_string_equal(password, dev.password_b64);
		assert_int_equal(dev.n_commits, 1);
	}
}

/* Killed after step(commit) and before the bytes: the record says "committed", the device is still
 * in setup and refuses whoever shows no certificate. */
static void test_commit_not_sent(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_CUT;
	dev.at = "commit";
	conf.worker.waits.reconnect_tries = 1;
	visit();
	assert_string_equal(fake_store.end, "retry");
	conf.worker.waits.reconnect_tries = 3;
	dev.fault = FAKE_NONE;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* The connection dies right after each mutating row was sent; outcome unknown. */
static void test_cut_everywhere(void **state)
{
	(void)state;
	for (int p = 0; p < N_PLANS; p++)
		for (size_t i = 0; i < plan_table[p].n_steps; i++) {
			const struct step *row = &step_table[plan_table[p].steps[i]];
			if (row->kind != KIND_CALL)
				continue;
			fresh();
			dev.fault = FAKE_CUT;
			dev.at = row->name;
			dev.times = 1;
			visit();
			assert_provisioned();
			assert_int_equal(dev.n_commits, 1); /* also when the commit was cut */
		}
}

/* Rows that live with a fault or a refusal. */
static bool tolerates(const struct step *row)
{
	return row->absent == ABSENT_SKIP || row->fault || row->refused;
}

/* Every row with every bad answer: the job ends, names the row, and nothing else happens. */
static void test_bad_answers(void **state)
{
	(void)state;
	static const enum fake_fault faults[] = {FAKE_FAULT, FAKE_ABSENT, FAKE_BUSY, FAKE_TRUNCATED,
		FAKE_HTML, FAKE_401, FAKE_RELATES};
	for (int i = 0; i < N_STEPS; i++) {
		const struct step *row = &step_table[i];
		if (row->kind != KIND_CALL && row->kind != KIND_LIST)
			continue;
		for (size_t f = 0; f < sizeof faults / sizeof faults[0]; f++) {
			fresh();
			dev.fault = faults[f];
			dev.at = row->name;
			visit();
			if (strcmp(fake_store.end, "finish") == 0) {
				bool reached =
					dev.at == NULL || strcmp(dev.last_row, row->name) != 0;
				assert_true(reached);
				continue; /* not reached in this plan, or tolerated by the row */
			}
			assert_true(strcmp(fake_store.end, "dead") == 0 ||
				    strcmp(fake_store.end, "retry") == 0);
			if (!tolerates(row) && strcmp(fake_store.end_step, row->name) != 0)
				fail_msg("%s with fault %d ended at %s: %s", row->name,
					(int)faults[f], fake_store.end_step, fake_store.txt);
			assert_true(fake_store.txt[0] != '\0');
		}
	}
}

/* Bodies without end and silence: bounded by limits and time. */
static void test_endless(void **state)
{
	(void)state;
	static const struct {
		enum fake_fault fault;
		const char *at, *reason;
	} rows[] = {
		{FAKE_FLOOD, "identify.general", "garbage"},
		{FAKE_CHUNKS, "identify.general", "garbage"},
		{FAKE_SILENT, "identify.state", "cut"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fresh();
		dev.fault = rows[i].fault;
		dev.at = rows[i].at;
		/* The limits end the first two, not the clock. */
		conf.worker.waits.exchange_ms = rows[i].fault == FAKE_SILENT ? 400 : LONG_MS / 2;
		visit();
		conf.worker.waits.exchange_ms = 400;
		assert_string_equal(fake_store.end, "retry");
		if (strcmp(fake_store.err, rows[i].reason) != 0)
			fail_msg("fault %d: %s: %s", (int)rows[i].fault, fake_store.err,
				fake_store.txt);
	}
}

/* Wrong passwords: three at most in a visit, each counted; the third visit settles it.
 * SPEC: wsman.md 3.3, ruling 17 */
static void test_passwords(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_401;
	dev.at = "verify.state";
	visit();
	assert_end("retry", "unknown_password");
	visit();
	assert_end("retry", "unknown_password");
	visit();
	assert_end("dead", "unknown_password");
	assert_true(dev.n_requests < 80);
}

static void test_authority(void **state)
{
	(void)state;
	static const struct {
		enum ca_result result;
		const char *end, *reason;
	} rows[] = {
		{CA_RESULT_RETRY, "park", "ca_unreachable"},
		{CA_RESULT_PENDING, "park", "ca_pending"},
		{CA_RESULT_DENIED, "dead", "ca_denied"},
		{CA_RESULT_FATAL, "dead", "ca_failed"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fresh();
		ca_result = rows[i].result;
		visit();
		assert_end(rows[i].end, rows[i].reason);
		/* The device is asked to stay in setup for as long as people may think. */
		assert_string_equal(dev.extended, rows[i].result == CA_RESULT_PENDING ? "24" : "");
		if (rows[i].end[0] == 'p')
			assert_string_equal(fake_store.why, "ca");
		ca_result = CA_RESULT_ISSUED;
		if (rows[i].end[0] ==
			'p') { /* when it answers, the key of the first visit is used */
			visit();
			assert_provisioned();
			assert_int_equal(dev.n_generates, 1);
		}
	}
}

/* The store is away for a while: nothing is sent meanwhile, then the session goes on. */
static void test_store_down(void **state)
{
	(void)state;
	fresh();
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	over = false;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	RUN_UNTIL(&loop, strcmp(dev.last_row, "clock.get") == 0 || over, LONG_MS);
	fake_store.down = 2;
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_provisioned();
	assert_int_equal(fake_store.down, 0);
	assert_int_equal(dev.n_mutations_unstepped, 0);
}

/* Drain: the session stops between two rows and gives the job back. SPEC: D22 */
static void test_drain(void **state)
{
	(void)state;
	fresh();
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	over = false;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	RUN_UNTIL(&loop, strcmp(dev.last_row, "admin.set") == 0 || over, LONG_MS);
	worker_stop_sessions(&w);
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_string_equal(fake_store.end, "release");
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* Delivered twice: one session. A newer fence: the old session ends, the new one does the work. */
static void test_delivered_twice(void **state)
{
	(void)state;
	fresh();
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	over = false;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_int_equal(w.n_sessions, 1);
	RUN_UNTIL(&loop, strcmp(dev.last_row, "clock.get") == 0 || over, LONG_MS);
	job.fence = 8;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_true(over);
	assert_string_equal(outcome, "lost");
	assert_int_equal(w.n_sessions, 1);
	over = false;
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* A profile or a name that is missing waits in view and is asked for again. */
static void test_waits(void **state)
{
	(void)state;
	fresh();
	snprintf(w.profiles.items[0]->name, sizeof w.profiles.items[0]->name, "other");
	visit();
	assert_end("park", "no_profile");
	assert_true(fake_store.poll);
	assert_int_equal(dev.n_connections, 0);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_pkcs10),
		cmocka_unit_test(test_addkey),
		cmocka_unit_test(test_duplicate_certificate),
		cmocka_unit_test(test_data_missing),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_wrong_leaf),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_commit_not_sent),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_authority),
		cmocka_unit_test(test_store_down),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_delivered_twice),
		cmocka_unit_test(test_waits),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
