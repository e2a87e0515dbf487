/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quirks of single calls and identities, and that a device without the quirk does not have them.
 * Those of the transport are tested with a whole server in tests/e2e/test_quirks.py.
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/auth.h"
#include "bench/sim/quirk.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <string.h>

#define AUTHZ    AMT_URI "AMT_AuthorizationService"
#define PASSWORD "CuCDARuuPYT8SGzkq0SuHQ=="

static struct rig rig;

static int open_rig(void **state)
{
	(void)state;
	rig_open(&rig, "amt16", NULL);
	return 0;
}

static int shut(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static void give(enum fault f, uint32_t value)
{
	rig.d.faults |= UINT64_C(1) << f;
	rig.d.fault_values[f] = value;
}

static void set_admin(void)
{
	rig_call(&rig, AUTHZ, "SetAdminAclEntryEx", NULL,
		"<r:Username>admin</r:Username><r:DigestPassword>" PASSWORD "</r:DigestPassword>");
}

static void put_port(void)
{
	rig_call(&rig, AMT_URI "AMT_EthernetPortSettings", "Put",
		"InstanceID=Intel(r) AMT Ethernet Port Settings 0",
		"<r:AMT_EthernetPortSettings><r:DHCPEnabled>true</r:DHCPEnabled><r:InstanceID>"
		"Intel(r) AMT Ethernet Port Settings "
		"0</r:InstanceID></r:AMT_EthernetPortSettings>");
}

static void put_tls(void)
{
	rig_call(&rig, AMT_URI "AMT_TLSSettingData", "Put",
		"InstanceID=Intel(r) AMT 802.3 TLS Settings",
		"<r:AMT_TLSSettingData><r:ElementName>Intel(r) AMT 802.3 TLS Settings"
		"</r:ElementName><r:Enabled>true</r:Enabled><r:InstanceID>"
		"Intel(r) AMT 802.3 TLS Settings</r:InstanceID><r:MutualAuthentication>false"
		"</r:MutualAuthentication></r:AMT_TLSSettingData>");
}

/* Compressed ten times by default. */
static void test_ethernet_deaf(void **state)
{
	(void)state;
	put_port();
	assert_string_equal(rig.fault, "");
	assert_true(!rig.last.cut && rig.last.deaf_ms == 0);
	give(FAULT_ETHERNET_DEAF, 600000);
	put_port();
	assert_true(rig.last.cut && rig.last.deaf_ms == 60000);
}

static void test_tls_slow(void **state)
{
	(void)state;
	put_tls();
	assert_int_equal(rig.last.slow_ms, 0);
	give(FAULT_TLS_SLOW, 30000);
	put_tls();
	assert_int_equal(rig.last.slow_ms, 3000);
}

/* The second time in a setup nothing is carried out, and it works again when the device is back. */
static void test_admin_freeze(void **state)
{
	(void)state;
	give(FAULT_ADMIN_FREEZE, 60000);
	set_admin();
	assert_int_equal(rig_rv(&rig), 0);
	assert_false(rig.last.freeze);
	memset(rig.d.ha1, 0, sizeof rig.d.ha1);
	rig.last.freeze = false;
	set_admin();
	assert_true(rig.last.freeze && rig.last.deaf_ms == 6000 && rig.d.ha1[0] == 0);
	set_admin();
	assert_true(!rig.last.freeze && rig.d.ha1[0] != 0);
}

static void test_admin_lost(void **state)
{
	(void)state;
	give(FAULT_ADMIN_LOST, 0);
	set_admin();
	assert_true(rig.last.cut);
	assert_false(rig.d.admin_default);
	set_admin();
	assert_false(rig.last.cut);
}

static void test_flash_wear(void **state)
{
	(void)state;
	give(FAULT_FLASH_WEAR, 2);
	set_admin();
	set_admin();
	assert_int_equal(rig_rv(&rig), 0);
	set_admin();
	assert_int_equal(rig_rv(&rig), 38);
	rig.d.flash_day_end_ms = clock_boot_ms(); /* the day is over */
	set_admin();
	assert_int_equal(rig_rv(&rig), 0);
}

static void test_mebx_needed(void **state)
{
	(void)state;
	give(FAULT_MEBX_NEEDED, 0);
	rig_call(&rig, AMT_URI "AMT_SetupAndConfigurationService", "CommitChanges", NULL, "");
	assert_int_equal(rig_rv(&rig), 2057);
}

static void test_lock_out(void **state)
{
	(void)state;
	device_commit(&rig.d);
	assert_false(auth_locked(&rig.d));
	device_enter_setup(&rig.d, true);
	give(FAULT_LOCK_OUT, 9);
	device_commit(&rig.d);
	assert_false(auth_locked(&rig.d)); /* nine are free */
	device_enter_setup(&rig.d, true);
	give(FAULT_LOCK_OUT, 10);
	device_commit(&rig.d);
	assert_true(auth_locked(&rig.d));
}

static void test_identity(void **state)
{
	struct device before = {0}, d = {0};
	(void)state;
	device_identity(&before, 7, 4, "corp.example.com");
	device_identity(&d, 7, 5, "corp.example.com");
	quirk_identity(&d, &before);
	assert_string_not_equal(d.uuid_text, before.uuid_text);
	assert_string_equal(d.id, d.uuid_text);
	d.faults = UINT64_C(1) << FAULT_SHARED_UUID;
	quirk_identity(&d, &before);
	assert_string_equal(d.uuid_text, before.uuid_text);
	assert_string_equal(d.fqdn, before.fqdn);
	assert_string_not_equal(d.id, before.id); /* the ledger tells them apart */
	d.faults = UINT64_C(1) << FAULT_PLACEHOLDER_UUID;
	quirk_identity(&d, &before);
	assert_string_equal(d.uuid_text, "03000200-0400-0500-0006-000700080009");
	d.faults |= UINT64_C(1) << FAULT_ZERO_UUID;
	quirk_identity(&d, &before);
	assert_string_equal(d.uuid_text, "00000000-0000-0000-0000-000000000000");
}

/* Resets come as often as said, at no fixed distance, and the same in each run. */
static void test_nonce_reset(void **state)
{
	char runs[2][1001] = {{0}};
	unsigned n = 0, neighbours = 0;
	(void)state;
	for (int run = 0; run < 2; run++) {
		struct device d = {0};
		device_identity(&d, 7, 5, "corp.example.com");
		d.faults = UINT64_C(1) << FAULT_NONCE_RESET;
		d.fault_values[FAULT_NONCE_RESET] = 7;
		for (d.n_requests = 1; d.n_requests <= 1000; d.n_requests++)
			runs[run][d.n_requests - 1] = quirk_nonce_reset(&d) ? 'x' : '-';
	}
	assert_string_equal(runs[0], runs[1]);
	for (int i = 0; i < 1000; i++) {
		n += runs[0][i] == 'x';
		neighbours += i > 0 && runs[0][i] == 'x' && runs[0][i - 1] == 'x';
	}
	assert_in_range(n, 110, 180); /* 143 on average */
	assert_in_range(neighbours, 1, 40);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, open_rig, shut)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_ethernet_deaf),
		CASE(test_tls_slow),
		CASE(test_admin_freeze),
		CASE(test_admin_lost),
		CASE(test_flash_wear),
		CASE(test_mebx_needed),
		CASE(test_lock_out),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_nonce_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
