/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that are healthy but not of the newest kind: old firmware, features that are absent or
 * switched off, other TLS; and what the process around a session does to it: drains, lost replies,
 * too few files. SPEC: provisioning.md 3, 4; tls.md 2, 3; maintenance.md 0
 */
#include "tests/worker/site.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const uint8_t address[4] = {127, 0, 0, 1};

static struct session_job the_job(uint64_t fence)
{
	return (struct session_job){.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = fence,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
}

/* A visit that the test wants to disturb. */
static struct session *begin_visit(void)
{
	struct session_job job = the_job(7);
	over = false;
	fake_store_next_visit();
	assert_int_equal(session_start(&w, &job, NULL), 0);
	return TAILQ_FIRST(&w.sessions);
}

/* ---- firmware ----------------------------------------------------------------------------------
 */

/* WsmanOnlyMode is written only where the firmware shows it or asks for it. */
static void test_wsman_only_mode(void **state)
{
	(void)state;
	fresh();
	dev.wants_wsman_only = true;
	visit();
	assert_finished();
	assert_string_equal(dev.host, "pc1");
}

/* AMT 3 to 5: fewer properties, no IPS and KVM classes, a key of ours; with either way to issue. */
static void test_old_firmware(void **state)
{
	(void)state;
	for (int issue = PROFILE_ISSUE_DIRECT; issue <= PROFILE_ISSUE_PKCS10; issue++) {
		fresh();
		dev.old = true;
		w.profiles.items[0]->tls.issue = (enum profile_issue)issue;
		visit();
		assert_finished();
		assert_string_equal(dev.host, "pc1");
		assert_string_equal(dev.ping, "true");
		assert_string_equal(dev.redirection, "32771");
		assert_int_equal(dev.n_generates, 0);
	}
}

/* Keys without a certificate fill the store of a device in setup; old and new ways to make one. */
static void test_full_of_keys(void **state)
{
	(void)state;
	for (int old = 0; old < 2; old++) {
		fresh();
		dev.old = old;
		dev.stray_keys = 2;
		visit();
		assert_finished();
		assert_int_equal(dev.stray_keys, 0);
	}
}

/* A method or class that is not there, where the goal is reached without it. SPEC: wsman.md 5 */
static void test_absent_methods(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"mebx.set", "key.list", "csr.sign", "verify.admin", "redirection.set"};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fresh();
		w.profiles.items[0]->tls.issue = PROFILE_ISSUE_PKCS10;
		dev.fault = FAKE_ABSENT;
		dev.at = rows[i];
		visit();
		assert_provisioned();
	}
	fresh(); /* an HTML page instead of a fault: some firmware, for the classes of KVM */
	dev.fault = FAKE_HTML;
	dev.at = "kvm.get";
	visit();
	assert_finished();
}

static void test_kvm_off_in_mebx(void **state)
{
	(void)state;
	fresh();
	dev.mebx_kvm_off = true;
	visit();
	assert_finished();
	assert_string_equal(dev.kvm, "3");
}

/* 16.1 and later, and the Put of TLS is built twice. SPEC: P 3 TLS 2 */
static void test_no_plain_twice(void **state)
{
	(void)state;
	fresh();
	dev.no_plain = true;
	dev.fault = FAKE_CUT;
	dev.at = "tls.put";
	dev.times = 1;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_plain, 0);
}

/* Who cannot tell which certificate is in use loses none. */
static void test_clean_keeps_ours(void **state)
{
	(void)state;
	fresh();
	dev.no_context_names = true;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_deletes, 0);
}

/* A busy device is asked for the same large request again and again. */
static void test_many_repeats(void **state)
{
	(void)state;
	uint32_t keep = conf.worker.waits.not_now_tries;
	conf.worker.waits.not_now_tries = 100;
	fresh();
	dev.fault = FAKE_BUSY;
	dev.at = "cert.add";
	dev.times = 90;
	visit();
	conf.worker.waits.not_now_tries = keep;
	assert_provisioned();
}

/* ---- who it is ---------------------------------------------------------------------------------
 */

static void test_version(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_ABSENT; /* no CIM_SoftwareIdentity: the Server header says it */
	dev.at = "identify.software";
	visit();
	assert_provisioned();
	assert_string_equal(fake_store.amt, "12.0.67.1579");
	fresh();
	dev.version = "2.2.1";
	dev.fault = FAKE_GONE;
	dev.at = "identify.general";
	visit();
	assert_end("dead", "amt_too_old");
	assert_non_null(strstr(fake_store.txt, "2.2.1"));
	/* A product that calls itself otherwise; no release, no word. SPEC: wsman.md 2 */
	static const char *const servers[][2] = {{"AMT 11.8.50.3425", "11.8.50.3425"},
		{"Intel(R) Standard Manageability 11.8.50", "11.8.50"}, {"11.8.50.1", "11.8.50.1"},
		{"Web 2.0", ""}, {"a 1.2.3.4.5", ""}, {"a 1.2.3b", ""}, {"a ", ""}, {"", ""}};
	for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
		struct device d = {0};
		snprintf(d.server, sizeof d.server, "%s", servers[i][0]);
		assert_string_equal(device_amt_version(&d), servers[i][1]);
	}
}

/* The name is a setting as any other: a device that has lost it keeps its setup. */
static void test_forgets_name(void **state)
{
	(void)state;
	fresh();
	dev.forgets_name = true;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* SPEC: maintenance.md 0.2 */
static void test_realm(void **state)
{
	(void)state;
	fresh();
	dev.other_realm = true;
	visit();
	assert_end("park", "realm_changed");
}

/* Two devices with one UUID: after the first one had its password, the other one answers. SPEC:
 * ruling 2 */
static void test_swapped_device(void **state)
{
	(void)state;
	fresh();
	fake_store.lost_at = "key.generate";
	visit();
	assert_string_equal(outcome, "lost");
	fake_store.lost_at = NULL;
	dev.swapped = true;
	visit();
	assert_end("park", "realm_changed");
	assert_string_equal(fake_store.quarantine, "realm_changed");
	assert_int_equal(dev.n_commits, 0);
}

/* The device began anew between the bind and the Put: once it is all done again. */
static void test_staged_bind_is_lost(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_DENIED;
	dev.at = "tls.put";
	dev.times = 1;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 1);
}

/* Parked is not enough: a Hello would overwrite the address. SPEC: ruling 2 */
static void test_quarantine(void **state)
{
	(void)state;
	fresh();
	dev.fault = FAKE_UUID;
	visit();
	assert_end("park", "uuid_mismatch");
	assert_string_equal(fake_store.quarantine, "uuid_mismatch");
	fresh();
	w.profiles.items[0]->otp = true;
	visit();
	assert_end("park", "otp_unknown");
	assert_string_equal(fake_store.quarantine, "");
}

/* No name in setup, where there is only an address; the FQDN afterwards. SPEC: tls.md 2 */
static void test_server_name(void **state)
{
	(void)state;
	fresh();
	visit();
	assert_provisioned();
	assert_string_equal(dev.sni_setup, "");
	assert_string_equal(dev.sni_admin, "pc1.corp.example.com");
}

/* Wants SHA-1 signatures, and says nothing when it gets an empty certificate. SPEC: ruling 30 */
static void test_sha1_only(void **state)
{
	(void)state;
	fresh();
	w.profiles.items[0]->tls.legacy = true;
	dev.sha1_only = true;
	visit();
	assert_provisioned();
}

/* What a device quotes does not get into records and logs. SPEC: tls.md 9 */
static void test_quotes(void **state)
{
	(void)state;
	static const struct {
		const char *row;
		bool secret;
	} rows[] = {
		{"mebx.set", true}, {"admin.set", true}, {"key.add", true}, {"name.put", false}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fresh();
		dev.old = strcmp(rows[i].row, "key.add") == 0;
		dev.quotes = true;
		dev.fault = FAKE_FAULT;
		dev.at = rows[i].row;
		visit();
		assert_end("dead", "fault");
		assert_int_equal(strstr(fake_store.txt, "(test ") == NULL, rows[i].secret);
	}
}

/* ---- the process around it ---------------------------------------------------------------------
 */

/* The store did it, the reply was lost: the repeat must say the same. SPEC: failure matrix 13 */
static void test_reply_lost(void **state)
{
	(void)state;
	fresh();
	fake_store.replies_lost = 2;
	visit();
	assert_provisioned();
	assert_int_equal(fake_store.replies_lost, 0);
}

/* Too few files is our trouble, not the device's. */
static void test_no_files(void **state)
{
	(void)state;
	struct rlimit limit, low;
	getrlimit(RLIMIT_NOFILE, &limit);
	fresh();
	begin_visit();
	int next = dup(STDERR_FILENO);
	low = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max};
	close(next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (!over)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_end("retry", "ours");
	assert_int_equal(dev.n_connections, 0);
}

/* A job of the same device, but another one: never two sessions with one device. */
static void test_other_job(void **state)
{
	(void)state;
	struct session_job job = the_job(8);
	fresh();
	begin_visit();
	RUN_UNTIL(&loop, strcmp(dev.last_row, "clock.get") == 0 || over, LONG_MS);
	job.job = "01a20a56-846e-7a1b-ba95-69476a530de9";
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_true(over);
	assert_string_equal(outcome, "lost");
	assert_int_equal(w.n_sessions, 1);
	over = false;
	job = the_job(6); /* an old frame, late */
	assert_int_equal(session_start(&w, &job, NULL), 0);
	assert_int_equal(w.n_sessions, 1);
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_provisioned();
}

/* What never started is refused, not done. */
static void test_never_started(void **state)
{
	(void)state;
	struct error err = {0};
	struct session_job job = the_job(7);
	fresh();
	job.hello_len = 3;
	over = false;
	assert_int_equal(session_start(&w, &job, &err), E_PARSE);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_false(over);
	assert_int_equal(w.n_sessions, 0);
}

/* Drain in the middle of a long pause: the job goes back at once. SPEC: D22 */
static void test_drain_in_pause(void **state)
{
	(void)state;
	fresh();
	uint32_t keep = conf.worker.waits.not_now_ms;
	conf.worker.waits.not_now_ms = 10 * LONG_MS;
	dev.fault = FAKE_BUSY;
	dev.at = "admin.set";
	struct session *s = begin_visit();
	RUN_UNTIL(&loop, over || (s->tries == 1 && boot_timer_active(&s->timer)), LONG_MS);
	worker_stop_sessions(&w);
	RUN_UNTIL(&loop, over, LONG_MS);
	conf.worker.waits.not_now_ms = keep;
	assert_string_equal(fake_store.end, "release");
}

/* And between two tries to connect. */
static void test_drain_in_rung(void **state)
{
	(void)state;
	fresh();
	uint32_t keep = conf.worker.waits.rung_ms;
	conf.worker.waits.rung_ms = 10 * LONG_MS;
	w.profiles.items[0]->tls.legacy = true;
	dev.tls11 = true;
	struct session *s = begin_visit();
	RUN_UNTIL(&loop, over || s->device.paused_ms > 0, LONG_MS);
	worker_stop_sessions(&w);
	RUN_UNTIL(&loop, over, LONG_MS);
	conf.worker.waits.rung_ms = keep;
	assert_string_equal(fake_store.end, "release");
}

/* Waiting is not work. The worker has no tick here: the test is its clock. SPEC: ruling 13 */
static bool ticked(void)
{
	struct session *s = TAILQ_FIRST(&w.sessions);
	if (s && !over)
		session_tick(s, clock_boot_ms());
	return over;
}

static void test_phase_clock(void **state)
{
	(void)state;
	struct conf_waits keep = conf.worker.waits;
	fresh();
	conf.worker.waits.phase_a_s = 2;
	conf.worker.waits.rung_ms = 2500;
	w.profiles.items[0]->tls.legacy = true;
	dev.tls11 = true;
	begin_visit();
	RUN_UNTIL(&loop, ticked(), LONG_MS);
	conf.worker.waits = keep;
	assert_provisioned();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_firmware),
		cmocka_unit_test(test_wsman_only_mode),
		cmocka_unit_test(test_full_of_keys),
		cmocka_unit_test(test_absent_methods),
		cmocka_unit_test(test_kvm_off_in_mebx),
		cmocka_unit_test(test_no_plain_twice),
		cmocka_unit_test(test_clean_keeps_ours),
		cmocka_unit_test(test_many_repeats),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_forgets_name),
		cmocka_unit_test(test_realm),
		cmocka_unit_test(test_swapped_device),
		cmocka_unit_test(test_staged_bind_is_lost),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_server_name),
		cmocka_unit_test(test_sha1_only),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_reply_lost),
		cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_other_job),
		cmocka_unit_test(test_never_started),
		cmocka_unit_test(test_drain_in_pause),
		cmocka_unit_test(test_drain_in_rung),
		cmocka_unit_test(test_phase_clock),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
