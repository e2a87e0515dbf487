/* SPDX-License-Identifier: Apache-2.0 */
/* Typical mistakes in profiles: each is refused with its line and column and what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/err.h"
#include "common/conf/profile.h"
#include "common/crypto/seal.h"

static char dir[64], file[128];

/* place is what follows the file's name; says is the hint. */
static const struct {
	const char *text, *place, *says;
} mistakes[] = {
	/* YAML and keys */
	{"power: s9\n", ":1:8: power: ", "s0, always"},
	{"power : always\npower: s0\n", ":1:1: power: ", "given twice"},
	{"tls:\n  valdity_days: 90\n", ":2:3: tls: ", "did you mean \"validity_days\"?"},
	{"featurs: {sol: true}\n", ":1:1: ", "did you mean \"features\"?"},
	{"features: [sol, kvm]\n", ":1:11: features: ", "must be a section of keys"},
	{"features:\n  sol: maybe\n", ":2:8: features.sol: ", "not true or false"},
	{"tags: kiosk\n", ":1:7: tags: ", "must be a list"},
	{"tags: ['two words']\n", ":1:8: tags[0]: ", "letters, digits, . _ or -"},
	{"features:\n\tsol: true\n", ":2:1: ", "cannot start any token"},
	{"name: other\n", ":1:1: name: ", "must equal the name of the file"},
	{"extends: nobody\n", ":1:1: extends: ", "there is no profile \"nobody\""},
	{"extends: p\n", ":1:1: extends: ", "another profile"},
	/* numbers */
	{"tls: {validity_days: 0}\n", ":1:22: tls.validity_days: ", "1 to 3650"},
	{"tls: {validity_days: 2y}\n", ":1:22: tls.validity_days: ", "not a number"},
	{"tls: {key_bits: 2000}\n", ":1:7: tls.key_bits: ", "1024, 2048, 3072"},
	{"network: {vlan: 4095}\n", ":1:17: network.vlan: ", "0 to 4094"},
	{"timeouts: {kvm_session_min: 300}\n", ":1:29: timeouts.kvm_session_min: ", "0 to 255"},
	{"kerberos: {clock_tolerance_min: 10}\n",
		":1:33: kerberos.clock_tolerance_min: ", "1 to 5"},
	{"tls: {validity_days: 90, renew_before_days: 90}\n",
		":1:26: tls.renew_before_days: ", "make it smaller"},
	/* passwords */
	{"admin_password: {source: none}\n", ":1:18: admin_password.source: ", "use random"},
	{"admin_password: {source: derived}\n", ":1:18: admin_password.source: ", "needs master"},
	{"admin_password: {source: derived, master: old}\n",
		":1:35: admin_password.master: ", "unknown master version"},
	{"mebx_password: {source: fixed, fixed_file: x}\n",
		":1:17: mebx_password.source: ", "allow_fixed: true"},
	{"mebx_password: {source: fixed, allow_fixed: true, fixed_file: /absent}\n",
		":1:51: mebx_password.fixed_file: ", "/absent"},
	/* TLS */
	{"tls: {mutual: true}\n", ":1:7: tls.mutual: ", "needs trusted_roots"},
	{"tls: {trusted_cns: [corp.example.com]}\n", ":1:7: tls.trusted_cns: ", "only with mutual"},
	{"tls: {trusted_roots: [/absent.pem]}\n", ":1:23: tls.trusted_roots[0]: ", "/absent.pem"},
	{"tls:\n  mutual: true\n  clear_ports: true\n  trusted_roots: [/r]\n",
		":3:3: tls.clear_ports: ", "remove one of the two"},
	/* access list */
	{"acl:\n  users:\n    - {role: help_desk}\n", ":3:7: acl.users[0]: ", "either name"},
	{"acl: {users: [{name: admin, role: help_desk}]}\n",
		":1:16: acl.users[0].name: ", "admin_password"},
	{"acl: {users: [{name: a}]}\n", ":1:15: acl.users[0]: ", "give it a role or realms"},
	{"acl: {users: [{name: a, realms: [remote_controls]}]}\n",
		":1:34: acl.users[0].realms[0]: ", "remote_control"},
	{"acl: {users: [{name: a, role: help_desk}, {name: a, role: auditor}]}\n",
		":1:44: acl.users[1].name: ", "merge the two"},
	{"acl: {users: [{name: seventeen_letters, role: help_desk}]}\n",
		":1:22: acl.users[0].name: ", "must be 0 to 16"},
	{"acl: {users: [{sid: CORP\\helpdesk, role: help_desk}]}\n",
		":1:16: acl.users[0].sid: ", "is not S-1-"},
	{"acl: {users: [{sid: S-1-5-21-1-2-3-4, role: help_desk}]}\n",
		":1:16: acl.users[0].sid: ", "kerberos.state: on"},
	{"acl: {admin: off}\n", ":1:7: acl.admin: ", "lock itself out"},
	{"acl: {users: [{name: a, role: help_desk, access: local}]}\n",
		":1:42: acl.users[0].access: ", "use network or both"},
	{"acl: {users: [{name: a, role: auditor}, {name: b, role: auditor},\n"
	 "  {name: c, role: auditor}, {name: d, role: auditor}, {name: e, role: auditor},\n"
	 "  {name: f, role: auditor}, {name: g, role: auditor}, {name: h, role: auditor}]}\n",
		":3:55: acl.users[7]: ", "a device takes 7 besides admin"},
	/* Kerberos, KVM, names */
	{"kerberos: {state: on}\ntime: {max_drift_s: 120}\n",
		":2:8: time.max_drift_s: ", "at most 60"},
	{"kvm: {port_5900: on}\n", ":1:7: kvm.port_5900: ", "needs rfb_password"},
	{"features: {kvm: false}\nkvm: {port_5900: on, rfb_password: {source: random}}\n",
		":2:7: kvm.port_5900: ", "features.kvm: true"},
	{"names: {ddns: on, ddns_interval_min: 5}\n", ":1:19: names.ddns_interval_min: ", "20"},
	{"names: {ddns_ttl_s: 60}\n", ":1:9: names.ddns_ttl_s: ", "only with ddns: on"},
	/* wire and air */
	{"network: {address: static}\n", ":1:11: network.address: ", "255.255.255.0"},
	{"network: {address: static, subnet_mask: 255.0.255.0}\n",
		":1:28: network.subnet_mask: ", "is not a mask"},
	{"network: {address: dhcp, gateway: 10.0.0.1}\n",
		":1:26: network.gateway: ", "only with address: static"},
	{"wireless: {profiles: [{name: a, ssid: a, priority: 1}]}\n",
		":1:23: wireless.profiles[0].security: ", "needs psk_file"},
	{"wireless: {profiles: [{name: a, ssid: a, security: owe}]}\n",
		":1:23: wireless.profiles[0]: ", "needs priority"},
	{"wireless: {profiles: [{name: a, ssid: a, security: owe, priority: 1},\n"
	 "  {name: b, ssid: b, security: owe, priority: 1}]}\n",
		":2:37: wireless.profiles[1].priority: ", "each entry has its own"},
	{"wireless: {profiles: [{name: a, ssid: a, priority: 1, encryption: gcmp256, psk_file: "
	 "x}]}\n",
		":1:55: wireless.profiles[0].encryption: ", "ccmp or tkip"},
	{"wireless: {state: off, profiles: [{name: a, ssid: a, security: owe, priority: 1}]}\n",
		":1:24: wireless.profiles: ", "remove one of the two"},
	{"wired: {state: on, ieee8021x: {protocol: peap-mschapv2}}\n",
		":1:32: wired.ieee8021x.protocol: ", "needs password_file"},
	{"wired: {state: on}\n", ":1:1: wired.ieee8021x.root_file: ", "name a PEM file"},
	{"wired: {state: on, ieee8021x: {server_match: full, root_file: /r}}\n",
		":1:32: wired.ieee8021x.server_match: ", "needs server_name"},
	/* remote access */
	{"remote_access: {home_domains: [corp.example.com]}\n",
		":1:17: remote_access.home_domains: ", "only with state: on"},
	{"remote_access: {state: on, servers: [{address: mps}]}\n",
		":1:17: remote_access.state: ", "never calls"},
	{"remote_access: {state: on, home_domains: [a.example], servers: [{address: mps}]}\n",
		":1:17: remote_access.state: ", "calls no server"},
	{"remote_access: {state: on, home_domains: [a.example], servers: [{address: 10.0.0.1}], "
	 "policies: [{trigger: user, servers: [10.0.0.1]}]}\n",
		":1:66: remote_access.servers[0].address: ", "needs cn"},
	{"remote_access: {state: on, home_domains: [a.example], servers: [{address: m, place: "
	 "inside}], policies: [{trigger: user, servers: [m]}]}\n",
		":1:122: remote_access.policies[0].servers: ", "place: outside"},
	{"remote_access: {state: on, home_domains: [-], servers: [{address: m, auth: "
	 "certificate}], policies: [{trigger: user, servers: [m]}]}\n",
		":1:57: remote_access.servers[0]: ", "needs root_file"},
};

static void test_mistakes(void **state)
{
	(void)state;
	static struct profile p;
	size_t n = sizeof mistakes / sizeof mistakes[0], n_wrong = 0, len = strlen(file);
	assert_true(n >= 40);
	for (size_t i = 0; i < n; i++) {
		struct error err = {0};
		FILE *f = fopen(file, "w");
		assert_non_null(f);
		fputs(mistakes[i].text, f);
		fclose(f);
		int rc = profile_load_file(&p, file, dir, &err);
		if (rc != E_CONFIG || strncmp(err.text, file, len) != 0 ||
			strncmp(err.text + len, mistakes[i].place, strlen(mistakes[i].place)) !=
				0 ||
			!strstr(err.text, mistakes[i].says)) {
			print_error("%s gave %d \"%s\", not %s... %s\n", mistakes[i].text, rc,
				err.text, mistakes[i].place, mistakes[i].says);
			n_wrong++;
		}
	}
	assert_int_equal(n_wrong, 0);
}

int main(void)
{
	struct error err;
	snprintf(dir, sizeof dir, "/tmp/muster-mistakes-XXXXXX");
	if (!mkdtemp(dir) || key_file_make(dir, "2026", &err) < 0)
		return 1;
	snprintf(file, sizeof file, "%s/p.yaml", dir);
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes)};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	char key[128];
	snprintf(key, sizeof key, "%s/2026.key", dir);
	unlink(key);
	unlink(file);
	rmdir(dir);
	return rc;
}
