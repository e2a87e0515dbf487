/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upkeep jobs on a device that an earlier visit has set up: they go to the device of the record or
 * to nobody, never back to setup, and end by themselves. SPEC: maintenance.md 0 to 7
 */
#include <stdio.h>
#include <string.h>

#include "tests/worker/site.h"

/* Nothing to do: nothing is written, in Redis neither. */
static void test_maintain_same(void **state)
{
	(void)state;
	in_service();
	upkeep("maintain", "");
	assert_finished();
	assert_int_equal(fake_store.n_steps, 0);
}

/* One field of the profile has changed. */
static void test_maintain_changed(void **state)
{
	(void)state;
	in_service();
	w.profiles.items[0]->features.web_ui = false;
	upkeep("maintain", NULL);
	assert_finished();
	assert_string_equal(dev.webui, "3");
	assert_int_equal(fake_store.n_steps, 1);
}

/* A dry run says what it would write, and writes nothing; the run after it does; then all is well.
 */
static void test_check(void **state)
{
	(void)state;
	in_service();
	w.profiles.items[0]->features.web_ui = false;
	w.profiles.items[0]->features.sol = false;
	w.profiles.items[0]->features.ping = false;
	w.profiles.items[0]->features.rmcp_ping = false;
	w.profiles.items[0]->power = PROFILE_POWER_S0;
	upkeep("check", "");
	assert_finished();
	assert_int_equal(fake_store.n_steps, 0);
	assert_string_equal(dev.webui, "2");
	assert_string_equal(dev.redirection, "32771");
	assert_string_equal(dev.ping, "true");
	static const char differences[] =
		"AMT_GeneralSettings\tPingResponseEnabled\ttrue\tfalse\n"
		"AMT_GeneralSettings\tRmcpPingResponseEnabled\ttrue\tfalse\n"
		"AMT_RedirectionService\tEnabledState\t32771\t32769\n"
		"AMT_WebUIService\tEnabledState\t2\t3\n"
		"AMT_SystemPowerScheme\tInstanceID\tS3\tS0\n";
	assert_string_equal(fake_store_field("diff"), differences);
	upkeep("maintain", "");
	assert_finished();
	assert_string_equal(fake_store_field("diff"), differences);
	assert_string_equal(dev.webui, "3");
	assert_string_equal(dev.redirection, "32769");
	assert_string_equal(dev.ping, "false");
	upkeep("check", "");
	assert_finished();
	assert_string_equal(fake_store_field("diff"), "");
}

/* What a firmware lacks is said with its reason, at setup too, and is no difference. */
static void test_lacks(void **state)
{
	(void)state;
	fresh();
	dev.mebx_kvm_off = true;
	visit();
	assert_string_equal(fake_store_field("diff"),
		"CIM_KVMRedirectionSAP\t\t\tnot applicable: KVM is switched off in the MEBx\n");
}

/* A property that this firmware does not have: said, not written. */
static void test_lacks_property(void **state)
{
	(void)state;
	in_service();
	w.profiles.items[0]->timeouts.idle_wake_min = 30;
	upkeep("maintain", "");
	assert_finished();
	assert_int_equal(fake_store.n_steps, 0);
	assert_string_equal(fake_store_field("diff"),
		"AMT_GeneralSettings\tIdleWakeTimeout\t\tnot applicable: " NOT_THERE "\n");
}

/* A clock is set when it is off by more than the profile allows, either way; a dry run says so. */
static void test_clock(void **state)
{
	(void)state;
	static const struct {
		int off_s;
		unsigned sets;
	} clocks[] = {{0, 0}, {40, 0}, {-40, 0}, {90, 1}, {-90, 1}};
	for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
		in_service();
		w.profiles.items[0]->time.max_drift_s = 60;
		dev.n_clock_sets = 0;
		dev.clock_off_s = clocks[i].off_s;
		upkeep("check", "");
		assert_finished();
		assert_int_equal(dev.n_clock_sets, 0);
		bool said = strstr(fake_store_field("diff"), "\tTa0\t") != NULL;
		assert_int_equal(said, clocks[i].sets);
		upkeep("maintain", "");
		assert_finished();
		assert_int_equal(dev.n_clock_sets, clocks[i].sets);
		assert_int_equal(fake_store.n_steps, clocks[i].sets);
		assert_int_equal(dev.clock_off_s, clocks[i].sets ? 0 : clocks[i].off_s);
	}
}

/* What the calendar goes by: the profile's wish is in the record, in ms; none is none. */
static void test_renew_before(void **state)
{
	(void)state;
	in_service();
	assert_string_equal(fake_store_field("renew_before"), "");
	w.profiles.items[0]->tls.renew_before_days = 40;
	upkeep("maintain", "");
	assert_finished();
	assert_string_equal(fake_store_field("renew_before"), "3456000000");
	w.profiles.items[0]->tls.renew_before_days = 0;
	upkeep("maintain", "");
	assert_finished();
	assert_string_equal(fake_store_field("renew_before"), "");
}

/* Its firmware was updated while it was in service: the record follows. SPEC: maintenance.md 0.3 */
static void test_version(void **state)
{
	(void)state;
	in_service();
	assert_string_equal(fake_store.amt, "12.0.67"); /* of CIM_SoftwareIdentity */
	upkeep("maintain", "");
	assert_string_equal(fake_store.amt, "12.0.67"); /* the header has a build besides */
	dev.version = "12.0.6.1";
	upkeep("check", "");
	assert_finished();
	assert_string_equal(fake_store.amt, "12.0.6.1");
}

static void test_other_profile(void **state)
{
	(void)state;
	in_service();
	upkeep("maintain", "profile=nobody");
	assert_end("dead", "no_profile");
	assert_string_equal(fake_store_field("profile"), "p");
	upkeep("maintain", "profile=p");
	assert_finished();
}

/* The record says what the device has: a dry run changes nothing in it but what it is to report. */
static void test_dry_run_keeps_the_record(void **state)
{
	(void)state;
	in_service();
	struct profile *p = w.profiles.items[0];
	snprintf(p->name, sizeof p->name, "other");
	p->tls.renew_before_days = 40;
	p->rehello = PROFILE_REHELLO_AUTO;
	p->features.web_ui = false;
	upkeep("check", "profile=other");
	assert_finished();
	assert_string_not_equal(fake_store_field("diff"), "");
	assert_string_equal(fake_store_field("profile"), "p");
	assert_string_equal(fake_store_field("renew_before"), "");
	assert_string_equal(fake_store_field("rehello"), "approve");
	upkeep("maintain", "profile=other");
	assert_finished();
	assert_string_equal(fake_store_field("profile"), "other");
	assert_string_equal(fake_store_field("rehello"), "auto");
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

/* Another certificate, another realm: somebody else's device now, whatever the job is for. No
 * password is sent to the first, nothing is written to either. */
static void test_changed_hands(void **state)
{
	(void)state;
	static const struct {
		const char *kind, *args;
	} jobs[] = {{"maintain", ""}, {"check", ""}, {"renew", ""}, {"rotate", ""},
		{"unconfigure", ""}, {"unconfigure", "full"}, {"inventory", ""}};
	for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
		in_service();
		unsigned n_requests = dev.n_requests;
		dev.self_signed = true;
		upkeep(jobs[i].kind, jobs[i].args);
		assert_end("dead", "changed_hands");
		assert_int_equal(dev.n_requests, n_requests);
		assert_int_equal(fake_store.n_steps, 0);

		in_service();
		dev.other_realm = true;
		upkeep(jobs[i].kind, jobs[i].args);
		assert_end("dead", "realm_changed");
		assert_int_equal(fake_store.n_steps, 0);
		assert_true(dev.configured);
	}
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

/* The record names an older certificate than the device has: a renewal was given up halfway. */
static void test_later_leaf(void **state)
{
	(void)state;
	char fp[80];
	in_service();
	snprintf(fp, sizeof fp, "%s", fake_store_field("cert_fp"));
	fake_store_set("cert_fp", "00", 2);
	upkeep("maintain", "");
	assert_finished();
	assert_string_equal(fake_store_field("cert_fp"), fp);
}

/* The certificate of the record does not serve any more, and is still the device's: every job goes
 * to it, and maintenance and renewal give it a new one. SPEC: tls.md 8.1 */
static void test_unfit_leaf(void **state)
{
	(void)state;
	static const struct {
		long from_days, till_days;
		bool ours;
		const char *word;
	} leaves[] = {{-30, -1, true, "expired"}, {1, 30, true, "not-yet-valid"},
		{-30, 30, false, "wrong-issuer"}};
	static const char *const jobs[] = {"check", "inventory", "rotate", "maintain", "renew"};
	for (size_t i = 0; i < 3 * 5; i++) {
		char was[80], said[120];
		in_service();
		site_give_leaf(
			leaves[i / 5].from_days, leaves[i / 5].till_days, leaves[i / 5].ours);
		snprintf(was, sizeof was, "%s", fake_store_field("cert_fp"));
		upkeep(jobs[i % 5], "");
		assert_string_equal(fake_store.end, "finish");
		assert_true(dev.configured);
		snprintf(said, sizeof said, "AMT_PublicKeyCertificate\tX509Certificate\t%s\tok\n",
			leaves[i / 5].word);
		if (i % 5 == 0)
			assert_string_equal(fake_store_field("diff"), said);
		bool renews = i % 5 >= 3;
		assert_int_equal(dev.n_commits, renews ? 2 : 1);
		assert_int_equal(strcmp(was, fake_store_field("cert_fp")) != 0, renews);
		if (!renews)
			continue;
		upkeep("maintain", "");
		assert_string_equal(fake_store.end, "finish");
		assert_int_equal(fake_store.n_steps, 0);
	}
}

/* The flash has had its writes of the day: a device in setup is asked again tomorrow, one in
 * service is left to the calendar. */
static void test_flash_worn(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_WORN;
	dev.at = "admin.set";
	visit();
	assert_end("retry", "flash_worn");
	assert_int_equal(fake_store.delay_ms, 24 * 3600 * 1000);

	in_service();
	w.profiles.items[0]->features.web_ui = false;
	dev.fault = FAKE_WORN;
	dev.at = "webui.set";
	upkeep("maintain", "");
	assert_end("dead", "flash_worn");
}

/* The small store is full of what an interrupted visit left: certificates and their keys.
 * SPEC: maintenance.md 2 */
static void test_renew_full(void **state)
{
	(void)state;
	for (int old = 0; old < 2; old++) {
		fresh();
		dev.old = old;
		visit();
		assert_string_equal(fake_store.end, "finish");
		dev.stray_certs = 2;
		dev.stray_keys = 3;
		upkeep("renew", "");
		assert_string_equal(fake_store.end, "finish");
		assert_int_equal(dev.n_commits, 2);
		assert_int_equal(dev.stray_certs + dev.stray_keys, 0);
	}
}

/* Nothing but the certificate was changed: what else could it lack? */
static void test_renew_data_missing(void **state)
{
	(void)state;
	in_service();
	dev.fault = FAKE_2057;
	dev.at = "commit";
	upkeep("renew", "");
	assert_end("dead", "data_missing");
}

static bool same_blob(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* The new password is written ahead and proven by a new login; the old one is kept once. */
static void test_rotate(void **state)
{
	(void)state;
	char before[64];
	struct buf was;
	in_service();
	buf_init(&was, 4096);
	assert_int_equal(buf_add(&was, fake_store.cur.data, fake_store.cur.len), 0);
	snprintf(before, sizeof before, "%s", dev.password_b64);
	unsigned n_connections = dev.n_connections;
	upkeep("rotate", "");
	assert_finished();
	assert_string_not_equal(dev.password_b64, before);
	assert_true(same_blob(&fake_store.prev, &was));
	assert_false(same_blob(&fake_store.cur, &was));
	assert_int_equal(fake_store.pend.len, 0);
	assert_true(dev.n_connections >= n_connections + 2);
	buf_free(&was);
}

/* New passwords of services do not push the password of before out: a cycle of its own ends at the
 * next rotation. SPEC: maintenance.md 3 */
static void test_rotate_previous(void **state)
{
	(void)state;
	struct buf was;
	in_service();
	buf_init(&was, 4096);
	upkeep("rotate", "");
	assert_finished();
	assert_int_equal(buf_add(&was, fake_store.prev.data, fake_store.prev.len), 0);
	w.profiles.items[0]->kvm.rfb_password.source = PROFILE_PASSWORD_RANDOM;
	dev.rfb[0] = '\0';
	upkeep("maintain", "");
	assert_finished();
	assert_int_equal(strlen(dev.rfb), 8);
	assert_int_equal(fake_store.pend.len, 0);
	assert_true(same_blob(&fake_store.prev, &was));
	upkeep("rotate", "");
	assert_finished();
	assert_false(same_blob(&fake_store.prev, &was));
	buf_free(&was);
}

/* The device says yes and keeps its old password: decided by the new login, and sent again. */
static void test_rotate_not_taken(void **state)
{
	(void)state;
	char before[64];
	in_service();
	snprintf(before, sizeof before, "%s", dev.password_b64);
	dev.keep_password = 1;
	upkeep("rotate", "");
	assert_finished();
	assert_string_not_equal(dev.password_b64, before);
}

/* Killed before and after each write of a rotation; the next visit ends it, with the password that
 * the device has. */
static void test_rotate_killed(void **state)
{
	(void)state;
	static const char *const rows[] = {"mebx.set", "admin.set", "verify.promote"};
	for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
		in_service();
		if (i % 2)
			fake_store.lost_at = rows[i / 2];
		else
			fake_store.stale_at = rows[i / 2];
		upkeep("rotate", "");
		fake_store.lost_at = fake_store.stale_at = NULL;
		upkeep("rotate", "");
		assert_finished();
		assert_int_equal(fake_store.pend.len, 0);
		upkeep("maintain", ""); /* the record's password works */
		assert_finished();
	}
}

/* A dry run on a device of which a rotation was cut short: it ends, and leaves it to the next. */
static void test_check_pending(void **state)
{
	(void)state;
	in_service();
	fake_store.lost_at = "admin.set";
	upkeep("rotate", "");
	fake_store.lost_at = NULL;
	upkeep("check", "");
	assert_finished();
	assert_int_equal(fake_store.n_steps, 0);
	assert_true(fake_store.pend.len > 0);
	upkeep("maintain", "");
	assert_finished();
	assert_int_equal(fake_store.pend.len, 0);
}

static void test_inventory(void **state)
{
	(void)state;
	in_service();
	upkeep("inventory", "");
	assert_finished();
	assert_int_equal(fake_store.n_steps, 0);
	assert_non_null(strstr(fake_store_field("inv"), "AMT_SetupAndConfigurationService."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maintain_same),
		cmocka_unit_test(test_maintain_changed),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_lacks),
		cmocka_unit_test(test_lacks_property),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_renew_before),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_other_profile),
		cmocka_unit_test(test_dry_run_keeps_the_record),
		cmocka_unit_test(test_unknown_kind),
		cmocka_unit_test(test_changed_hands),
		cmocka_unit_test(test_not_in_service),
		cmocka_unit_test(test_later_leaf),
		cmocka_unit_test(test_unfit_leaf),
		cmocka_unit_test(test_flash_worn),
		cmocka_unit_test(test_renew_full),
		cmocka_unit_test(test_renew_data_missing),
		cmocka_unit_test(test_rotate),
		cmocka_unit_test(test_rotate_previous),
		cmocka_unit_test(test_rotate_not_taken),
		cmocka_unit_test(test_rotate_killed),
		cmocka_unit_test(test_check_pending),
		cmocka_unit_test(test_inventory),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
