/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phase B on firmware that differs from what most do: power packages of the early releases, keys as
 * selectors, policies that cannot be changed, answers of the CIM kind. SPEC: provisioning.md 4
 */
#include <stdio.h>
#include <string.h>

#include "tests/worker/site.h"

static struct profile *profile(void)
{
	return w.profiles.items[0];
}

/* Of seven packages the one for each wish, whatever comes first. */
static void test_early_power_packages(void **state)
{
	(void)state;
	static const struct {
		enum profile_power wish;
		const char *want, *before;
	} cases[] = {{PROFILE_POWER_ALWAYS, "S3", "A"}, {PROFILE_POWER_S0, "S0", "B"}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fresh();
		dev.old = true;
		profile()->power = cases[i].wish;
		snprintf(dev.power, sizeof dev.power, "%s", cases[i].before);
		visit();
		assert_finished();
		assert_string_equal(dev.power, cases[i].want);
	}
}

static void test_power_by_two_keys(void **state)
{
	(void)state;
	fresh();
	dev.power_two_keys = true;
	visit();
	assert_finished();
	assert_string_equal(dev.power, "S3");
}

/* A device that does not let its policy of consent be changed keeps the one in the KVM settings,
 * too: that one is of AMT 6. */
static void test_fixed_consent(void **state)
{
	(void)state;
	fresh();
	dev.consent_fixed = true;
	profile()->user_consent = PROFILE_CONSENT_ALL;
	snprintf(dev.consent, sizeof dev.consent, "0");
	snprintf(dev.opt_in_policy, sizeof dev.opt_in_policy, "false");
	visit();
	assert_finished();
	assert_string_equal(dev.consent, "0");
	assert_string_equal(dev.opt_in_policy, "false");
	assert_non_null(strstr(
		fake_store_field("diff"), "IPS_OptInService\tOptInRequired\t\tnot applicable: "));
}

/* 1 of the CIM list is "not supported", 4096 "a job has begun": neither is an internal error. */
static void test_state_answers(void **state)
{
	(void)state;
	fresh();
	dev.state_rv = 1;
	snprintf(dev.webui, sizeof dev.webui, "3");
	visit();
	assert_finished();
	assert_string_equal(dev.webui, "3");
	assert_non_null(strstr(fake_store_field("diff"), "AMT_WebUIService\t\t\tnot applicable: "));
	fresh();
	dev.state_rv = 4096;
	snprintf(dev.webui, sizeof dev.webui, "3");
	visit();
	assert_provisioned();
}

/* A firmware that calls a user a duplicate whom it does not list: one more look, then it is said.
 */
static void test_no_circle(void **state)
{
	(void)state;
	fresh();
	dev.acl_full = true;
	profile()->acl.n_users = 1;
	profile()->acl.users[0] = (struct profile_user){.name = "operator",
		.role = PROFILE_ROLE_REMOTE_POWER,
		.access = PROFILE_ACCESS_BOTH,
		.enabled = true,
		.password = {.source = PROFILE_PASSWORD_RANDOM}};
	visit();
	assert_end("dead", "refused");
	assert_string_equal(fake_store.end_step, "acl.add");
	assert_in_range(dev.n_requests, 30, 80);
}

/* A firmware that makes no keys of the profile's length makes one of the usual length. */
static void test_key_length(void **state)
{
	(void)state;
	fresh();
	profile()->tls.key_bits = 3072;
	dev.fault = FAKE_REFUSED; /* 36 */
	dev.at = "key.generate";
	dev.times = 1;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_generates, 1);
	assert_non_null(strstr(fake_store_field("diff"),
		"AMT_PublicKeyManagementService\tKeyLength\t\tnot applicable: it makes no keys of "
		"3072 bits\n"));
	/* Of the usual length it is a refusal. */
	fresh();
	dev.fault = FAKE_REFUSED;
	dev.at = "key.generate";
	visit();
	assert_end("dead", "refused");
}

/* A job that is to ask for more time does only that; without more time it goes on at once. */
static void test_window(void **state)
{
	(void)state;
	fresh();
	visit_with("extend");
	assert_string_equal(fake_store.end, "release");
	assert_string_equal(dev.extended, "24");
	assert_false(dev.configured);
	visit();
	assert_provisioned();
	static const enum fake_fault faults[] = {FAKE_REFUSED, FAKE_ABSENT};
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		fresh();
		dev.fault = faults[i];
		dev.at = "window.extend";
		visit_with("extend");
		assert_provisioned();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_early_power_packages),
		cmocka_unit_test(test_power_by_two_keys),
		cmocka_unit_test(test_fixed_consent),
		cmocka_unit_test(test_state_answers),
		cmocka_unit_test(test_no_circle),
		cmocka_unit_test(test_key_length),
		cmocka_unit_test(test_window),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
