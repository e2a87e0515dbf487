/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upkeep jobs on a device that an earlier visit has set up: they go to the device of the record or
 * to nobody, never back to setup, and end by themselves. SPEC: maintenance.md 0 to 7
 */
#include <stdio.h>
#include <string.h>

#include "tests/worker/site.h"

/* One visit of an upkeep job to the device that is in service. */
static void upkeep(const char *kind, const char *args)
{
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct error err = {0};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 9,
		.address = address,
		.address_len = 4,
		.kind = kind,
		.args = args};
	over = false;
	fake_store_next_visit();
	fake_store.n_steps = 0;
	fake_store.checkpoint.len = 0;
	if (session_start(&w, &job, &err) < 0)
		fail_msg("%s", err.text);
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_int_equal(w.n_sessions, 0);
	assert_int_equal(dev.n_mutations_unstepped, 0);
}

/* A device in service, with its record. */
static void in_service(void)
{
	fresh();
	visit();
	assert_provisioned();
	assert_string_equal(fake_store_field("profile"), "p");
}

static void assert_done(void)
{
	if (strcmp(fake_store.end, "finish") != 0)
		fail_msg("ended %s at %s: %s: %s", fake_store.end, fake_store.end_step,
			fake_store.err, fake_store.txt);
	assert_true(dev.configured);
	assert_int_equal(dev.n_commits, 1); /* of the setup */
}

/* Nothing to do: nothing is written, in Redis neither. */
static void test_maintain_same(void **state)
{
	(void)state;
	in_service();
	upkeep("maintain", "");
	assert_done();
	assert_int_equal(fake_store.n_steps, 0);
}

/* One field of the profile has changed. */
static void test_maintain_changed(void **state)
{
	(void)state;
	in_service();
	w.profiles.items[0].features.web_ui = false;
	upkeep("maintain", NULL);
	assert_done();
	assert_string_equal(dev.webui, "3");
	assert_int_equal(fake_store.n_steps, 1);
}

static void test_other_profile(void **state)
{
	(void)state;
	in_service();
	upkeep("maintain", "profile=nobody");
	assert_end("dead", "no_profile");
	upkeep("maintain", "profile=p");
	assert_done();
}

static void test_unknown_kind(void **state)
{
	(void)state;
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct error err = {0};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.fence = 3,
		.address = address,
		.address_len = 4,
		.kind = "polish"};
	fresh();
	assert_int_equal(session_start(&w, &job, &err), E_PARSE);
	assert_int_equal(w.n_sessions, 0);
}

/* Another certificate, another realm: somebody else's device now. No password is sent to the
 * first, nothing is written to either. */
static void test_changed_hands(void **state)
{
	(void)state;
	in_service();
	unsigned n_requests = dev.n_requests;
	fake_store_set("cert_fp", "00", 2);
	upkeep("maintain", "");
	assert_end("dead", "changed_hands");
	assert_int_equal(dev.n_requests, n_requests);

	in_service();
	dev.other_realm = true;
	upkeep("maintain", "");
	assert_end("dead", "realm_changed");
	assert_int_equal(fake_store.n_steps, 0);
}

/* Back in setup without our doing: an upkeep job does not set it up. */
static void test_not_in_service(void **state)
{
	(void)state;
	in_service();
	dev.configured = dev.tls_on = false;
	upkeep("maintain", "");
	assert_string_not_equal(fake_store.end, "finish");
	assert_int_equal(dev.n_commits, 1);
	assert_false(dev.configured);
	assert_int_equal(fake_store.n_steps, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maintain_same),
		cmocka_unit_test(test_maintain_changed),
		cmocka_unit_test(test_other_profile),
		cmocka_unit_test(test_unknown_kind),
		cmocka_unit_test(test_changed_hands),
		cmocka_unit_test(test_not_in_service),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
