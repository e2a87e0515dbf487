/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MEBx password of the record is the one that the device has, whatever is refused, lost or put
 * off on the way. SPEC: maintenance.md 3; provisioning.md 3 CREDENTIALS
 */
#include "tests/worker/site.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opens the record as an operator does. */
static void recorded(const char *name, char out[static 64])
{
	struct device_secrets s = {0};
	struct error err = {0};
	struct uuid uuid;
	struct sealed_record rec = {.dek = {fake_store.dek.data, fake_store.dek.len},
		.cur = {fake_store.cur.data, fake_store.cur.len}};
	uuid_parse(&uuid, UUID_TEXT);
	if (device_secrets_open(&s, w.kek, &uuid, &rec, &err) < 0)
		fail_msg("%s", err.text);
	const struct secret *found = secret_set_get(&s.cur, name);
	snprintf(out, 64, "%s", found ? secret_text(found) : "");
	device_secrets_free(&s);
}

static void assert_recorded(const char *mebx)
{
	char text[64];
	assert_int_equal(fake_store.pend.len, 0);
	recorded("mebx", text);
	assert_string_equal(text, mebx);
}

/* As the store and a device do at the Hello after a partial unconfiguration. */
static void next_life(void)
{
	fake_store.prev.len = fake_store.checkpoint.len = 0;
	assert_int_equal(buf_add(&fake_store.prev, fake_store.cur.data, fake_store.cur.len), 0);
	fake_store.cur.len = 0;
	dev.configured = dev.has_key = dev.has_context = dev.tls_on = false;
	dev.cert.len = 0;
}

/* Somebody has set it at the machine: nobody knows it. */
static void test_unknown(void **state)
{
	(void)state;
	fresh();
	dev.mebx_once = true;
	snprintf(dev.mebx, sizeof dev.mebx, "of-somebody");
	visit();
	assert_provisioned();
	assert_recorded("");
}

/* It is ours, of an earlier life. */
static void test_earlier_life(void **state)
{
	(void)state;
	fresh();
	dev.mebx_once = true;
	visit();
	assert_provisioned();
	assert_true(dev.mebx[0] != '\0');
	assert_recorded(dev.mebx);
	next_life();
	visit();
	assert_provisioned();
	assert_int_equal(dev.n_mebx, 2);
	assert_recorded(dev.mebx);
}

/* Its answer was lost: 16 says that it is not the default any more, because it is ours. */
static void test_answer_lost(void **state)
{
	(void)state;
	for (int another = 0; another < 2; another++) {
		fresh();
		dev.mebx_once = true;
		fake_store.stale_at = "admin.set"; /* killed in between */
		visit();
		assert_string_equal(outcome, "lost");
		fake_store.stale_at = NULL;
		assert_int_equal(dev.n_mebx, 1);
		if (another) /* job, which knows the pending set only */
			fake_store.checkpoint.len = 0;
		visit();
		assert_provisioned();
		assert_int_equal(dev.n_mebx, 2);
		assert_recorded(dev.mebx);
	}
}

/* Killed before it was sent: 16 is about somebody else's then. */
static void test_not_sent(void **state)
{
	(void)state;
	fresh();
	dev.mebx_once = true;
	snprintf(dev.mebx, sizeof dev.mebx, "of-somebody");
	fake_store.stale_at = "mebx.set";
	visit();
	assert_string_equal(outcome, "lost");
	assert_true(fake_store.pend.len > 0);
	fake_store.stale_at = NULL;
	visit();
	assert_provisioned();
	assert_recorded("");
}

/* A rotation that the worn flash has ended: the next job sets what it promotes. */
static void test_put_off(void **state)
{
	(void)state;
	char path[] = "/tmp/muster-test-XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "Fixed-Passw0rd", 14), 14);
	close(fd);
	for (int fixed = 0; fixed < 2; fixed++) {
		in_service();
		char was[64];
		snprintf(was, sizeof was, "%s", dev.mebx);
		struct profile_password *p = &w.profiles.items[0]->admin_password;
		if (fixed) { /* the admin password is the same before and after */
			p->source = PROFILE_PASSWORD_FIXED;
			snprintf(p->fixed_file, sizeof p->fixed_file, "%s", path);
			upkeep("rotate", "");
			assert_string_equal(fake_store.end, "finish");
			snprintf(was, sizeof was, "%s", dev.mebx);
		}
		dev.fault = FAKE_WORN;
		dev.at = "mebx.set";
		upkeep("rotate", "");
		assert_end("dead", "flash_worn");
		assert_true(fake_store.pend.len > 0);
		dev.fault = FAKE_NONE;
		upkeep("maintain", "");
		assert_string_equal(fake_store.end, "finish");
		assert_string_not_equal(dev.mebx, was);
		assert_recorded(dev.mebx);
	}
	unlink(path);
}

/* Nothing is sent again that the device has. */
static void test_once(void **state)
{
	(void)state;
	in_service();
	assert_int_equal(dev.n_mebx, 1);
	upkeep("maintain", "");
	assert_int_equal(dev.n_mebx, 1);
	upkeep("rotate", "");
	assert_string_equal(fake_store.end, "finish");
	assert_int_equal(dev.n_mebx, 2);
	assert_recorded(dev.mebx);
	dev.mebx_once = true;
	upkeep("rotate", "");
	assert_string_equal(fake_store.end, "finish");
	assert_int_equal(dev.n_mebx, 3);
	assert_recorded(dev.mebx);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_earlier_life),
		cmocka_unit_test(test_answer_lost),
		cmocka_unit_test(test_not_sent),
		cmocka_unit_test(test_put_off),
		cmocka_unit_test(test_once),
	};
	return cmocka_run_group_tests(tests, site_setup, site_teardown);
}
