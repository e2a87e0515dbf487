/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile wants of the wired port and of its old 802.1x, on devices of many kinds.
 * SPEC: provisioning.md 4 NETWORK, WIRED 802.1x */
#include "tests/worker/worker_test.h"

#include <string.h>

#include "worker/plan.h"
#include "worker/session.h"
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define MAC    "00-be-43-d8-22-a4"
#define REPORT 4096

static struct session s;
static struct profile profile;

/* The object as a device shows it; NULL = it does not. */
struct port {
	const char *mac, *ip, *dhcp, *sync, *shared;
};

static struct wishes wishes_of(const struct port *p)
{
	static struct wsman_node root, items[5];
	const char *const names[] = {
		"MACAddress", "IPAddress", "DHCPEnabled", "IpSyncEnabled", "SharedStaticIp"};
	const char *const texts[] = {p->mac, p->ip, p->dhcp, p->sync, p->shared};
	memset(items, 0, sizeof items);
	root = (struct wsman_node){.ns = "", .name = "AMT_EthernetPortSettings", .text = ""};
	for (size_t i = 5; i-- > 0;) {
		if (!texts[i])
			continue;
		items[i] = (struct wsman_node){.ns = "",
			.name = names[i],
			.text = texts[i],
			.text_len = strlen(texts[i]),
			.parent = &root,
			.next = root.child};
		root.child = &items[i];
	}
	s.report.len = 0;
	port_note(&s, &root);
	struct wishes w = {.s = &s, .have = &root};
	port_wish(&w);
	return w;
}

static const struct wish *wish_for(const struct wishes *w, const char *property)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->items[i].property, property) == 0)
			return &w->items[i];
	return NULL;
}

static bool drops(const struct wishes *w, const char *property)
{
	const struct wish *x = wish_for(w, property);
	return x && x->kind == WISH_DROP;
}

static bool reported(const char *text)
{
	const char *report = buf_cstr(&s.report);
	return report && strstr(report, text) != NULL;
}

static int setup(void **state)
{
	(void)state;
	memset(&profile, 0, sizeof profile);
	s = (struct session){.profile = &profile, .plan = PLAN_ADMIN};
	s.row = &step_table[STEP_PORT_GET];
	buf_init(&s.report, REPORT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_free(&s.report);
	return 0;
}

static void test_no_wire(void **state)
{
	(void)state;
	static const char *const macs[] = {NULL, "", "00-00-00-00-00-00", "00:00:00:00:00:00"};
	profile.network.address = PROFILE_ADDRESS_DHCP;
	profile.network.vlan = 7;
	for (size_t i = 0; i < sizeof macs / sizeof macs[0]; i++) {
		assert_int_equal(wishes_of(&(struct port){.mac = macs[i], .dhcp = "true"}).n, 0);
		assert_true(reported("not applicable: the machine has no wired port"));
	}
	struct wishes w = wishes_of(&(struct port){.mac = MAC, .dhcp = "true"});
	assert_non_null(wish_for(&w, "DHCPEnabled"));
	assert_false(reported("not applicable"));
}

/* A tag on a port whose addresses are not its own: a Put may not carry them. */
static void test_tag_alone(void **state)
{
	(void)state;
	static const struct {
		const char *dhcp, *sync, *shared;
		bool borrowed;
	} cases[] = {
		{"true", "true", "false", true},
		{"false", "true", "true", true},
		{"false", "false", "false", false},
		{"false", "true", "false", false},
	};
	profile.network.vlan = 7;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct wishes w = wishes_of(&(struct port){.mac = MAC,
			.ip = "192.0.2.9",
			.dhcp = cases[i].dhcp,
			.sync = cases[i].sync,
			.shared = cases[i].shared});
		assert_int_equal(drops(&w, "IPAddress"), cases[i].borrowed);
		assert_int_equal(drops(&w, "SecondaryDNS"), cases[i].borrowed);
		assert_non_null(wish_for(&w, "VLANTag"));
		assert_null(wish_for(&w, "DHCPEnabled"));
	}
}

static void test_own_address(void **state)
{
	(void)state;
	static const struct {
		const char *dialled, *ip;
		bool fits;
	} cases[] = {
		{"192.0.2.9", "192.0.2.9", true},
		{"192.0.2.9", NULL, true},
		{"192.0.2.9", "0.0.0.0", true},
		{"192.0.2.9", "198.51.100.3", false}, /* the air, or a translator */
		{"2001:db8::9", "192.0.2.9", false},
		{"2001:db8::9", NULL, false},
	};
	profile.network.address = PROFILE_ADDRESS_STATIC;
	snprintf(profile.network.subnet_mask, sizeof profile.network.subnet_mask, "255.255.0.0");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(s.o.own_address, sizeof s.o.own_address, "%s", cases[i].dialled);
		struct wishes w =
			wishes_of(&(struct port){.mac = MAC, .ip = cases[i].ip, .dhcp = "true"});
		const struct wish *ip = wish_for(&w, "IPAddress");
		assert_int_equal(ip && ip->kind == WISH_TEXT, cases[i].fits);
		assert_int_equal(wish_for(&w, "DHCPEnabled") != NULL, cases[i].fits);
		assert_int_equal(reported("IPAddress\t\tnot applicable: "), !cases[i].fits);
	}
}

static uint64_t comparison(const char *shown)
{
	struct wsman_node item = {
		.ns = "", .name = "ServerCertificateNameComparison", .text = shown ? shown : ""};
	struct wsman_node root = {.ns = "", .name = "AMT_8021XProfile", .text = ""};
	item.parent = &root;
	item.text_len = strlen(item.text);
	root.child = shown ? &item : NULL;
	struct wishes w = {.s = &s, .have = &root};
	wired_old_wish(&w);
	return wish_for(&w, "ServerCertificateNameComparison")->want;
}

/* Two ways to count, and nobody knows which a device means: its own, where it shows one that fits;
 * else both are tried, each once. */
static void test_name_comparison(void **state)
{
	(void)state;
	profile.wired.state = PROFILE_ON;
	profile.wired.ieee8021x.server_match = PROFILE_MATCH_SUFFIX;
	assert_int_equal(comparison(NULL), 1);
	assert_int_equal(comparison("1"), 1);
	assert_int_equal(comparison("3"), 3);
	assert_int_equal(comparison("0"), 1);
	assert_int_equal(comparison("2"), 1);
	assert_int_equal(wired_old_put_fault(&s, WSMAN_REACT_BUSY).kind, VERDICT_FAIL);
	assert_int_equal(wired_old_put_fault(&s, WSMAN_REACT_SCHEMA).kind, VERDICT_AGAIN);
	assert_int_equal(comparison(NULL), 3);
	assert_int_equal(comparison("1"), 1);
	assert_int_equal(wired_old_put_fault(&s, WSMAN_REACT_SCHEMA).kind, VERDICT_FAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_wire, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tag_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_name_comparison, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
