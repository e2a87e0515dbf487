/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSK setup from the Hello to the end: the pair behind the PID, the login that follows, the fresh
 * pair, and every way in which there is no pair or the wrong one. SPEC: psk.md 2; tls.md 7;
 * provisioning.md 3 PSK only, 7
 */
#include "tests/worker/site.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define PID      "0000037M"
#define PPS      "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ"
#define WRONG    "NKLDG5DCRRNQE9YZZIJL7LFLVJEDAAAD"
#define KEY_FILE "K3y-File!" /* MEBx password that the key file set */

static const uint8_t psk_hello[] = {1, 0, 2, 0, 0, 0, 0, 0, 0x4b, 0x52, 0x9b, 0x93, 0xd4, 0x13,
	0x18, 0x1d, 0xe4, 0x87, 0x1c, 0x69, 0x7a, 0x6b, 0x7a, 0x2b, '0', '0', '0', '0', '0', '3',
	'7', 'M'};

/* As `muster psk import`; mebx may be NULL. */
static struct fake_pair *import(const char *pid, const char *pps, const char *mebx)
{
	struct secret_set set = {0};
	struct error err = {0};
	struct buf blob;
	buf_init(&blob, SEAL_BLOB_MAX);
	assert_int_equal(secret_set_put(&set, PSK_SECRET_PPS, pps, strlen(pps), 0), 0);
	if (mebx)
		assert_int_equal(secret_set_put(&set, PSK_SECRET_MEBX, mebx, strlen(mebx), 0), 0);
	assert_int_equal(psk_seal(&set, w.kek, pid, &blob, &err), 0);
	struct fake_pair *p = fake_store_pair(pid, blob.data, blob.len);
	secret_set_free(&set);
	buf_free(&blob);
	return p;
}

/* A device that was given a pair by key file: old firmware, login in the setup session. */
static void fresh_psk(void)
{
	fresh();
	memcpy(hello, psk_hello, sizeof psk_hello);
	hello_len = sizeof psk_hello;
	w.profiles.items[0]->tls.legacy = true;
	dev.pid = PID;
	dev.pps = PPS;
	dev.setup_login = true;
	fake_device_password(&dev, KEY_FILE);
}

/* PPS of a pair, as the store has it. */
static void stored_pps(const char *pid, char out[static 40])
{
	struct secret_set set = {0};
	struct error err = {0};
	struct fake_pair *p = fake_store_pair_find(pid);
	assert_non_null(p);
	assert_int_equal(psk_open(&set, w.kek, pid, p->sealed.data, p->sealed.len, &err), 0);
	snprintf(out, 40, "%s", secret_text(secret_set_get(&set, PSK_SECRET_PPS)));
	secret_set_free(&set);
}

static void test_good(void **state)
{
	(void)state;
	char pps[40];
	fresh_psk();
	struct fake_pair *used = import(PID, PPS, KEY_FILE);
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_wrong, 0); /* the key file's password at once */
	assert_int_equal(dev.n_commits, 1);
	assert_string_equal(fake_store.tlsp, "P");
	assert_string_equal(used->state, "used");
	assert_string_equal(used->uuid, UUID_TEXT);
	/* The device holds the fresh pair, and so does the store. */
	assert_string_not_equal(dev.next_pid, PID);
	assert_true(psk_pid_ok(dev.next_pid, strlen(dev.next_pid)));
	stored_pps(dev.next_pid, pps);
	assert_string_equal(pps, dev.next_pps);
	assert_string_equal(fake_store_pair_find(dev.next_pid)->uuid, UUID_TEXT);
	assert_string_equal(fake_store_pair_find(dev.next_pid)->state, "fresh");
}

/* Without a known password: the Hello says that one was set, so the profile's comes first; a device
 * that never had one takes "admin". SPEC: ruling 17, hello.md 4 */
static void test_passwords(void **state)
{
	(void)state;
	fresh_psk();
	import(PID, PPS, NULL);
	fake_device_password(&dev, "admin");
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_wrong, 0);
	fresh_psk();
	import(PID, PPS, NULL);
	for (int i = 0; i < 3; i++)
		visit(); /* nobody knows KEY_FILE */
	assert_end("dead", "unknown_password");
	assert_string_equal(dev.next_pid, "");
}

/* Some firmware wants texts: it says so by a code or by a fault. */
static void test_plain_texts(void **state)
{
	(void)state;
	fresh_psk();
	import(PID, PPS, KEY_FILE);
	dev.psk_texts = true;
	visit();
	assert_provisioned();
	assert_true(psk_pid_ok(dev.next_pid, strlen(dev.next_pid)));
	fresh_psk();
	import(PID, PPS, KEY_FILE);
	dev.psk_texts = true;
	dev.fault = FAKE_FAULT;
	dev.at = "psk.set";
	dev.times = 1;
	visit();
	assert_provisioned();
	assert_true(psk_pid_ok(dev.next_pid, strlen(dev.next_pid)));
	fresh_psk();
	import(PID, PPS, KEY_FILE);
	dev.fault = FAKE_ABSENT; /* SetTLSPSK left the class with 11.0 */
	dev.at = "psk.set";
	visit();
	assert_provisioned();
}

static void test_dashes(void **state)
{
	(void)state;
	fresh_psk();
	import(PID, PPS, KEY_FILE);
	w.profiles.items[0]->tls.psk_dashes = true;
	dev.pid = "0000-037M";
	dev.pps = "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ";
	visit();
	assert_provisioned();
}

/* Not one byte to a device without its pair; importing it is enough. */
static void test_unknown_pid(void **state)
{
	(void)state;
	fresh_psk();
	visit();
	assert_end("park", "psk_unknown_pid");
	assert_string_equal(fake_store.why, "manual");
	assert_true(fake_store.poll);
	assert_int_equal(dev.n_connections, 0);
	import(PID, PPS, KEY_FILE);
	visit();
	assert_provisioned();
}

static void test_mismatch(void **state)
{
	(void)state;
	fresh_psk();
	struct fake_pair *p = import(PID, WRONG, KEY_FILE);
	visit();
	assert_end("dead", "psk_mismatch");
	assert_int_equal(dev.n_psk, PSK_TRIES_MAX);
	assert_int_equal(p->bad, PSK_TRIES_MAX);
	assert_string_equal(p->state, "free"); /* a Hello proves nothing: the pair is not burnt */
	assert_int_equal(dev.n_requests, 0);
	/* The next attempt of the same job has no tries left over. */
	fake_store.tries = 1;
	visit();
	assert_end("dead", "psk_mismatch");
	assert_int_equal(dev.n_psk, PSK_TRIES_MAX + 1);
}

static void test_refusals(void **state)
{
	(void)state;
	fresh_psk();
	w.profiles.items[0]->tls.legacy = false;
	import(PID, PPS, KEY_FILE);
	visit();
	assert_end("dead", "legacy_off"); /* ruling 29 */
	assert_int_equal(dev.n_connections, 0);
	fresh_psk();
	struct fake_pair *p = import(PID, PPS, KEY_FILE);
	snprintf(p->uuid, sizeof p->uuid, "11111111-2222-3333-4444-555555555555");
	snprintf(p->state, sizeof p->state, "used");
	visit();
	assert_end("park", "psk_other_device");
	assert_int_equal(dev.n_connections, 0);
	fresh_psk();
	p = import(PID, PPS, KEY_FILE);
	p->sealed.data[p->sealed.len - 1] ^= 1;
	visit();
	assert_end("park", "sealed");
}

/* After a partial unprovision the device says Hello with the pair that we gave it. */
static void test_next_generation(void **state)
{
	(void)state;
	static char pid[9], pps[33];
	fresh_psk();
	import(PID, PPS, KEY_FILE);
	visit();
	assert_provisioned();
	memcpy(pid, dev.next_pid, sizeof pid);
	memcpy(pps, dev.next_pps, sizeof pps);
	memcpy(hello + 24, pid, 8);
	dev.configured = false;
	dev.pid = pid;
	dev.pps = pps;
	fake_store.checkpoint.len = 0; /* a new job */
	fake_store.tlsp[0] = '\0';
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_commits, 2);
	assert_string_equal(fake_store_pair_find(pid)->state, "used");
	assert_string_not_equal(dev.next_pid, pid);
}

/* Killed at any row: one fresh pair, one password, one commit. SPEC: P 7 */
static void test_resume(void **state)
{
	(void)state;
	for (size_t i = 0; i < plan_table[PLAN_SETUP].n_steps; i++) {
		const struct step *row = &step_table[plan_table[PLAN_SETUP].steps[i]];
		if (row->effect == EFFECT_READ)
			continue;
		for (int sent = 0; sent < 2; sent++) {
			fresh_psk();
			import(PID, PPS, KEY_FILE);
			if (sent)
				fake_store.lost_at = row->name;
			else
				fake_store.stale_at = row->name;
			visit();
			if (strcmp(outcome, "lost") != 0)
				continue; /* the row is not reached in this plan */
			fake_store.stale_at = fake_store.lost_at = NULL;
			char kept[16];
			snprintf(kept, sizeof kept, "%s", dev.next_pid);
			visit();
			assert_provisioned();
			assert_int_equal(dev.n_commits, 1);
			if (kept[0])
				assert_string_equal(dev.next_pid, kept);
			assert_string_equal(fake_store_pair_find(PID)->state, "used");
			assert_non_null(fake_store_pair_find(dev.next_pid));
		}
	}
}

/* SetTLSPSK counts at once on this device: its handshakes want the fresh pair although the job's
 * Hello names the old one. */
static void test_effective_at_once(void **state)
{
	(void)state;
	fresh_psk();
	struct fake_pair *old = import(PID, PPS, KEY_FILE);
	fake_store.stale_at = "tls.put";
	visit();
	assert_string_equal(outcome, "lost");
	fake_store.stale_at = NULL;
	dev.pid = dev.next_pid;
	dev.pps = dev.next_pps;
	visit();
	assert_provisioned();
	assert_int_equal(old->bad, PSK_TRIES_MAX); /* first the one that the Hello names */
	assert_string_equal(old->state, "used");
}

/* The store is away while pairs are looked up, stored and marked. */
static void test_store_down(void **state)
{
	(void)state;
	for (unsigned down = 1; down < 4; down++) {
		fresh_psk();
		import(PID, PPS, KEY_FILE);
		struct session_job job = {.job = JOB_TEXT,
			.uuid = UUID_TEXT,
			.gen = 1,
			.fence = 7,
			.address = (const uint8_t[]){127, 0, 0, 1},
			.address_len = 4,
			.hello = hello,
			.hello_len = hello_len};
		over = false;
		assert_int_equal(session_start(&w, &job, NULL), 0);
		struct session *s = TAILQ_FIRST(&w.sessions);
		RUN_UNTIL(&loop, over || s->life != LIFE_BEGIN, LONG_MS);
		fake_store.down = down;
		RUN_UNTIL(&loop, over, LONG_MS);
		assert_provisioned();
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_plain_texts),
		cmocka_unit_test(test_dashes),
		cmocka_unit_test(test_unknown_pid),
		cmocka_unit_test(test_mismatch),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_next_generation),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_effective_at_once),
		cmocka_unit_test(test_store_down),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
