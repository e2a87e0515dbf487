/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back to setup: when is a device gone, and when does it only sleep? Devices that take their time,
 * that are told and never hear it, that refuse; and what one may ask for when it comes again. SPEC:
 * maintenance.md 0.5, 6
 */
#include "tests/worker/site.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void assert_gone(void)
{
	if (strcmp(fake_store.end, "finish") != 0)
		fail_msg("ended %s at %s: %s: %s", fake_store.end, fake_store.end_step,
			fake_store.err, fake_store.txt);
	assert_string_equal(fake_store_field("unconf"), "1");
	assert_string_equal(fake_store_field("cert_fp"), "");
	assert_false(dev.configured);
}

/* Nothing is known: the job is tried again, and the record is as before. */
static void assert_undecided(const char *reason)
{
	assert_end("retry", reason);
	assert_string_equal(fake_store_field("unconf"), "");
	assert_true(fake_store_field("cert_fp")[0] != '\0');
}

static void quick_connect(bool on)
{
	conf.worker.waits.connect_ms = on ? 100 : 2000;
}

/* Its own leaf, a closed port, or no packet at all: each is what a device does that has gone. */
static void test_goes(void **state)
{
	(void)state;
	static const struct {
		const char *args;
		enum fake_after after;
	} ways[] = {{"", FAKE_TO_SETUP}, {"full", FAKE_TO_SETUP}, {"full", FAKE_REFUSES},
		{"full", FAKE_IS_SILENT}};
	quick_connect(true);
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		in_service();
		dev.after = ways[i].after;
		upkeep("unconfigure", ways[i].args);
		assert_gone();
		assert_int_equal(dev.n_unprovisions, 1);
	}
	quick_connect(false);
}

/* Some need a while, and are themselves till then: at the look, at its login, or after the visit.
 */
static void test_takes_its_time(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 12; n++) {
		in_service();
		dev.lingers = n;
		upkeep("unconfigure", "");
		if (strcmp(fake_store.end, "finish") != 0) {
			assert_undecided("still_configured");
			dev.lingers = 0;
			upkeep_again("unconfigure", "");
		}
		assert_gone();
		assert_int_equal(dev.n_unprovisions, 1);
	}
}

/* One that goes back to setup answers there: as long as it is silent, nothing is proven. */
static void test_partial_is_silent(void **state)
{
	(void)state;
	in_service();
	dev.after = FAKE_IS_SILENT;
	quick_connect(true);
	upkeep("unconfigure", "");
	quick_connect(false);
	assert_undecided("unreachable");
}

/* Killed between the step() and its bytes, and then it sleeps: it has not heard a word of it. */
static void test_never_told(void **state)
{
	(void)state;
	static const char *const kinds[] = {"", "full"};
	for (size_t i = 0; i < 2; i++) {
		in_service();
		fake_store.lost_at = "unconfigure";
		upkeep("unconfigure", kinds[i]);
		assert_string_equal(outcome, "lost");
		fake_store.lost_at = NULL;
		assert_int_equal(dev.n_unprovisions, 0);
		fake_device_leave(&dev, FAKE_IS_SILENT);
		quick_connect(true);
		upkeep_again("unconfigure", kinds[i]);
		quick_connect(false);
		assert_undecided("unreachable");
		/* or it is awake, and is told now */
		in_service();
		fake_store.lost_at = "unconfigure";
		upkeep("unconfigure", kinds[i]);
		fake_store.lost_at = NULL;
		upkeep_again("unconfigure", kinds[i]);
		assert_gone();
	}
}

/* Killed after the bytes: it has gone to a setup that refuses every handshake without a PSK pair.
 */
static void test_refuses_handshake(void **state)
{
	(void)state;
	in_service();
	fake_store.lost_at = "unconfigure";
	upkeep("unconfigure", "");
	fake_store.lost_at = NULL;
	dev.configured = false;
	dev.pid = "4444-444";
	dev.pps = "0000-0001-0000-0002-0000-0003";
	upkeep_again("unconfigure", "");
	assert_gone();
}

/* It has said yes, and the worker stops before it has looked: the next one knows that. */
static void test_heard(void **state)
{
	(void)state;
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 9,
		.address = address,
		.address_len = 4,
		.kind = "unconfigure",
		.args = "full"};
	in_service();
	dev.after = FAKE_IS_SILENT;
	fake_store.checkpoint.len = 0;
	fake_store_next_visit();
	over = false;
	conf.worker.waits.reconnect_first_ms = LONG_MS;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	RUN_UNTIL(&loop, !dev.configured || over, LONG_MS);
	RUN_UNTIL(&loop, over || strcmp(TAILQ_FIRST(&w.sessions)->row->name, "unconfigure") != 0,
		LONG_MS);
	worker_stop_sessions(&w);
	RUN_UNTIL(&loop, over, LONG_MS);
	conf.worker.waits.reconnect_first_ms = 5;
	assert_string_equal(fake_store.end, "release");
	quick_connect(true);
	upkeep_again("unconfigure", "full");
	quick_connect(false);
	assert_gone();
}

/* SPEC: maintenance.md 6: the codes */
static void test_refused(void **state)
{
	(void)state;
	static const struct {
		unsigned rv, blocked_by;
		const char *end, *reason, *text;
	} rows[] = {
		{1, 0, "retry", "refused", "1 "},
		{16, 0, "retry", "not_now", "End-of-POST"},
		{36, 0, "dead", "refused", "36 "},
		{2076, 1, "dead", "audit_blocks", "audit log"},
		{2076, 7, "dead", "blocked", "component 7"},
		{2076, 0, "dead", "blocked", "does not say"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		in_service();
		dev.unprovision_rv = rows[i].rv;
		dev.blocked_by = rows[i].blocked_by;
		upkeep("unconfigure", "full");
		assert_end(rows[i].end, rows[i].reason);
		if (!strstr(fake_store.txt, rows[i].text))
			fail_msg("%u: %s", rows[i].rv, fake_store.txt);
		assert_true(dev.configured);
	}
}

/* After a full one a device asks for the factory's password; the record keeps ours as previous. */
static void test_factory_password(void **state)
{
	(void)state;
	in_service();
	upkeep("unconfigure", "full");
	assert_gone();
	fake_store.prev.len = fake_store.checkpoint.len = 0; /* as the store at the next Hello */
	assert_int_equal(buf_add(&fake_store.prev, fake_store.cur.data, fake_store.cur.len), 0);
	fake_store.cur.len = 0;
	dev.has_key = dev.has_context = dev.tls_on = false;
	dev.cert.len = 0;
	dev.setup_login = true;
	fake_device_password(&dev, "admin");
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_wrong, 1); /* the previous one */
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes),
		cmocka_unit_test(test_takes_its_time),
		cmocka_unit_test(test_partial_is_silent),
		cmocka_unit_test(test_never_told),
		cmocka_unit_test(test_refuses_handshake),
		cmocka_unit_test(test_heard),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_factory_password),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
