/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Visits that follow a broken one, logins in setup, and devices on the other side of the commit
 * than the record says. What a healthy device meets here must end provisioned. SPEC: P 3, 7
 */
#include "tests/worker/site.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- killed between a step() and its bytes -----------------------------------------------------
 */

static void quirk_none(void)
{
}

static void quirk_login(void)
{
	dev.setup_login = true;
	fake_device_password(&dev, "admin");
}

/* Shows another issuer's leaf in setup and lets in whoever shows no certificate. */
static void quirk_on_die(void)
{
	dev.on_die = true;
}

/* The record says that the row was done, the device has not heard of it. */
static void test_killed_after_step(void **state)
{
	(void)state;
	static void (*const quirks[])(void) = {quirk_none, quirk_login, quirk_on_die};
	for (size_t q = 0; q < sizeof quirks / sizeof quirks[0]; q++)
		for (size_t i = 0; i < plan_table[PLAN_SETUP].n_steps; i++) {
			const struct step *row = &step_table[plan_table[PLAN_SETUP].steps[i]];
			fresh();
			quirks[q]();
			fake_store.lost_at = row->name;
			visit();
			if (strcmp(outcome, "lost") != 0)
				continue; /* the row makes no step in this plan */
			fake_store.lost_at = NULL;
			visit();
			assert_provisioned();
			assert_int_equal(dev.n_commits, 1);
		}
}

/* A refused commit leaves no trace in the checkpoint, however often its request was built. */
static void test_commit_refused(void **state)
{
	(void)state;
	static const uint8_t address[4] = {127, 0, 0, 1};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 7,
		.address = address,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	struct checkpoint ck;
	fresh();
	dev.fault = FAKE_2057;
	dev.at = "commit";
	over = false;
	assert_int_equal(session_start(&w, &job, NULL), 0);
	RUN_UNTIL(&loop, strcmp(dev.last_row, "tls.put") == 0 || over, LONG_MS);
	fake_store.down = 1; /* the step of the commit: it is built again */
	RUN_UNTIL(&loop, over, LONG_MS);
	assert_end("dead", "data_missing");
	assert_int_equal(fake_store.down, 0);
	checkpoint_init(&ck);
	assert_int_equal(
		checkpoint_unpack(&ck, fake_store.checkpoint.data, fake_store.checkpoint.len), 0);
	assert_int_equal(ck.commits, 0);
	checkpoint_free(&ck);
}

/* ---- logins ------------------------------------------------------------------------------------
 */

/* SPEC: wsman.md 3.1: challenged from the first request on; the password changes under the login */
static void test_setup_login(void **state)
{
	(void)state;
	fresh();
	quirk_login();
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_wrong, 0);
	/* the profile's MEBx password, after the factory's */
	char path[] = "/tmp/muster-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "Mebx-Passw0rd", 13), 13);
	close(fd);
	fresh();
	dev.setup_login = true;
	fake_device_password(&dev, "Mebx-Passw0rd");
	struct profile_password *p = &w.profiles.items[0]->mebx_password;
	p->source = PROFILE_PASSWORD_FIXED;
	snprintf(p->fixed_file, sizeof p->fixed_file, "%s", path);
	visit();
	unlink(path);
	assert_provisioned();
	assert_int_equal(dev.n_wrong, 1);
}

/* The job was cancelled after the password was set: the record still has it. */
static void test_password_of_cancelled_job(void **state)
{
	(void)state;
	fresh();
	quirk_login();
	fake_store.stale_at = "key.generate";
	visit();
	assert_string_equal(outcome, "lost");
	fake_store.stale_at = NULL;
	fake_store.checkpoint.len = 0;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_wrong, 0);
}

/* A nonce that changes is not a wrong password, whichever request meets it. SPEC: wsman.md 3.2 */
static void test_nonce_reset(void **state)
{
	(void)state;
	for (unsigned at = 1;; at++) {
		fresh();
		quirk_login();
		dev.reset_nonce = at;
		visit();
		assert_provisioned();
		if (dev.n_logins < at)
			break;
	}
}

/* Nonces that are reset twice in a row look like a wrong password. One that the device has taken is
 * not wrong, and failures count in a row only, as the device counts them. SPEC: wsman.md 3.3 */
static void test_nonce_resets(void **state)
{
	(void)state;
	fresh();
	quirk_login();
	dev.reset_every = 5;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_wrong, 0);
}

/* Nothing fits: three tries a visit, and the third visit settles it, short of a lock-out. SPEC:
 * ruling 17 */
static void test_unknown_password(void **state)
{
	(void)state;
	fresh();
	dev.setup_login = true;
	fake_device_password(&dev, "not-ours");
	visit();
	assert_end("retry", "unknown_password");
	assert_int_equal(dev.n_wrong, DEVICE_LOGINS_MAX);
	assert_string_equal(fake_store.pw_tries, "3");
	visit();
	assert_end("retry", "unknown_password");
	visit();
	assert_end("dead", "unknown_password");
	assert_int_equal(dev.n_wrong, 3 * DEVICE_LOGINS_MAX);
	/* visits that something else ended early do not add up to a lock-out */
	fresh();
	dev.setup_login = true;
	fake_device_password(&dev, "not-ours");
	snprintf(fake_store.pw_tries, sizeof fake_store.pw_tries, "8");
	visit();
	assert_end("dead", "unknown_password");
	assert_int_equal(dev.n_wrong, 1);
}

/* The device went on with the old password: it is not promoted, but set again and proven.
 * SPEC: maintenance.md 3 */
static void test_old_password(void **state)
{
	(void)state;
	fresh();
	visit();
	assert_provisioned();
	/* partial unprovision and a new generation: the password stays */
	dev.configured = dev.has_key = dev.has_context = false;
	dev.cert.len = fake_store.checkpoint.len = 0;
	dev.keep_password = 1;
	visit();
	assert_provisioned();
	assert_true(dev.n_wrong > 0);
	unsigned wrong = dev.n_wrong;
	visit(); /* what the record calls current is what the device has */
	assert_provisioned();
	assert_int_equal(dev.n_wrong, wrong);
}

/* A look at the setup side makes a password; nothing of it is left when the device is not there. */
static void test_password_not_sent(void **state)
{
	(void)state;
	fresh();
	visit();
	assert_provisioned();
	unsigned connections = dev.n_connections;
	dev.drop_admin = 1;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_connections - connections, 3); /* setup, admin, its challenge */
	assert_int_equal(dev.n_wrong, 0);
}

/* 401 and 400 close the connection, also when the header does not say so. SPEC: wsman.md 2 */
static void test_close_without_header(void **state)
{
	(void)state;
	fresh();
	quirk_login();
	dev.no_header = true;
	dev.fault = FAKE_BUSY;
	dev.at = "name.put";
	dev.times = 1;
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_dead, 0);
}

/* ---- TLS and the other side --------------------------------------------------------------------
 */

/* Progress between two lost connections: the visit goes on, also when it is always the row in doubt
 * that would meet the next one. */
static void test_cut_again_and_again(void **state)
{
	(void)state;
	for (unsigned at = 5; at < 16; at++) {
		fresh();
		dev.cut_request = at;
		visit();
		assert_provisioned();
		assert_int_equal(dev.n_commits, 1);
		assert_true(dev.n_connections < SESSION_CUTS_TOTAL);
	}
	fresh();
	dev.cut_request = 1;
	visit();
	assert_end("retry", "cut");
	assert_int_equal(dev.n_connections, SESSION_CUTS_MAX + 1);
}

/* The record keeps the profile of setup; each try of the other side begins its ladder anew. */
static void test_ladder_of_each_try(void **state)
{
	(void)state;
	fresh();
	w.profiles.items[0]->tls.legacy = true;
	dev.tls11 = true;
	dev.drop_admin = 1;
	visit();
	assert_provisioned();
	assert_string_equal(fake_store.tlsp, "L");
}

/* SPEC: ruling 18: somebody else's device does not ask for our certificate */
static void test_foreign_device(void **state)
{
	(void)state;
	fresh();
	dev.no_ask = true;
	visit();
	assert_end("retry", "not_in_setup");
	fake_store.tries = 1;
	visit();
	assert_end("dead", "already_configured");
	assert_int_equal(dev.n_requests, 0);
}

/* A committed device is known by its certificate even if that is no good any more. */
static void test_committed_certificate(void **state)
{
	(void)state;
	struct error err;
	fresh();
	fake_store.stale_at = "verify.promote";
	visit();
	assert_true(dev.configured);
	fake_store.stale_at = NULL;
	struct devcert_ca *ours = w.device_ca;
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *other = fake_cert("another issuing CA", key, NULL, NULL, NULL, true, NULL);
	assert_int_equal(devcert_ca_new(&w.device_ca, &other, 1, &err), 0);
	visit();
	devcert_ca_free(w.device_ca);
	w.device_ca = ours;
	X509_free(other);
	EVP_PKEY_free(key);
	assert_end("dead", "wrong_certificate");
	assert_int_equal(dev.n_commits, 1);
}

/* After the commit phase B has given it another address, and DNS knows: the next visit finds it.
 * Who answers there must be the device; if not, it is nobody to set up. The names are addresses, so
 * that no DNS is needed. SPEC: maintenance.md 5 */
static void test_other_address(void **state)
{
	(void)state;
	static const uint8_t nobody[4] = {127, 0, 0, 9};
	struct session_job job = {.job = JOB_TEXT,
		.uuid = UUID_TEXT,
		.gen = 1,
		.fence = 8,
		.address = nobody,
		.address_len = 4,
		.hello = hello,
		.hello_len = hello_len};
	site_name_device("127.0.0.1");
	conf.worker.forward_dns = true;
	for (int other = 0; other < 2; other++) {
		fresh();
		fake_store.stale_at = "webui.set";
		visit();
		assert_string_equal(outcome, "lost");
		fake_store.stale_at = NULL;
		assert_true(dev.configured);
		dev.self_signed = other;
		unsigned n_requests = dev.n_requests;
		over = false;
		fake_store_next_visit();
		assert_int_equal(session_start(&w, &job, NULL), 0);
		RUN_UNTIL(&loop, over, LONG_MS);
		if (other) {
			assert_end("retry", "wrong_certificate");
			assert_int_equal(dev.n_requests, n_requests);
		} else {
			assert_string_equal(fake_store.end, "finish");
			assert_string_equal(fake_store_field("addr"), "127.0.0.1");
		}
	}
	conf.worker.forward_dns = false;
	site_name_device(NULL);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_after_step),
		cmocka_unit_test(test_commit_refused),
		cmocka_unit_test(test_setup_login),
		cmocka_unit_test(test_password_of_cancelled_job),
		cmocka_unit_test(test_nonce_reset),
		cmocka_unit_test(test_nonce_resets),
		cmocka_unit_test(test_unknown_password),
		cmocka_unit_test(test_old_password),
		cmocka_unit_test(test_password_not_sent),
		cmocka_unit_test(test_close_without_header),
		cmocka_unit_test(test_cut_again_and_again),
		cmocka_unit_test(test_ladder_of_each_try),
		cmocka_unit_test(test_foreign_device),
		cmocka_unit_test(test_committed_certificate),
		cmocka_unit_test(test_other_address),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
