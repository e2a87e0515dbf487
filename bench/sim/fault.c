/* SPDX-License-Identifier: Apache-2.0 */
/* The table of quirks; see fault.h. */
#include "bench/sim/fault.h"

#include "bench/sim/rng.h"

#include <stdlib.h>
#include <string.h>

static const struct fault_info faults[FAULT_N] = {
	[FAULT_ANSWER] = {"answer", 1, 0, "every call is answered by a fault", "wsman.md 5"},
	[FAULT_UNAUTHORIZED] = {"unauthorized", 1, 0, "401 for ever", "wsman.md 3.2"},
	[FAULT_TRUNCATED] = {"truncated", 1, 0, "XML that ends in the middle", "own"},
	[FAULT_HUGE_BODY] = {"huge-body", 1, 1024, "answers of VALUE MiB", "own"},
	[FAULT_ENDLESS] = {"endless", 1, 0, "chunks without end", "own"},
	[FAULT_WRONG_CERT] = {"wrong-cert", 1, 0, "the old certificate after the commit",
		"tls.md 14"},
	[FAULT_SILENT] = {"silent", 1, 0, "takes requests, never answers", "own"},
	[FAULT_HANDSHAKE_STALL] = {"handshake-stall", 1, 0, "no TLS handshake", "own"},
	[FAULT_DEAF] = {"deaf", 1, 0, "every connection is reset: a firewall", "hello.md 5.4"},
	[FAULT_FOREIGN_PASSWORD] = {"foreign-password", 1, 0,
		"asks for a password that nobody told us", "wsman.md 3.1; tls.md 12"},
	[FAULT_FLASH_WEAR] = {"flash-wear", 1, 6, "RV 38 after VALUE writes of a day",
		"maintenance.md 8"},
	[FAULT_UUID_MISMATCH] = {"uuid-mismatch", 1, 0, "GetUuid unlike the Hello", "ruling 2"},
	[FAULT_ZERO_UUID] = {"zero-uuid", 1, 0, "a UUID of zeros", "hello.md 3"},
	[FAULT_PLACEHOLDER_UUID] = {"placeholder-uuid", 1, 0,
		"the UUID of boards whose vendor set none", "hello.md 3"},
	[FAULT_SHARED_UUID] = {"shared-uuid", 1, 0, "the UUID of the device before it",
		"hello.md 3; ruling 2"},
	[FAULT_RESET] = {"reset", 1, 5, "reset at request VALUE of a session", "own"},
	[FAULT_COMMIT_CUT] = {"commit-cut", 1, 0, "no answer to CommitChanges",
		"provisioning.md 3; tls.md 12"},
	[FAULT_COMMIT_LOST] = {"commit-lost", 1, 0,
		"connection dies before the first commit counts", "provisioning.md 7"},
	[FAULT_NOT_NOW] = {"not-now", 1, 3, "GenerateKeyPair answers 2061 VALUE times",
		"provisioning.md 3"},
	[FAULT_NONCE_RESET] = {"nonce-reset", 2, 7,
		"a new nonce at any time, on average every VALUE requests", "wsman.md 3.2"},
	[FAULT_SETUP_LOGIN] = {"setup-login", 1, 0,
		"a second setup session logs in once a password is set", "wsman.md 3.1"},
	[FAULT_CLOSE_EACH] = {"close-each", 1, 0, "a connection serves one request", "tls.md 13"},
	[FAULT_TLS_SLOW] = {"tls-slow", 1, 30000,
		"Put AMT_TLSSettingData takes VALUE ms (compressed)", "wsman.md 2"},
	[FAULT_ETHERNET_DEAF] = {"ethernet-deaf", 1, 600000,
		"Put AMT_EthernetPortSettings: deaf for VALUE ms (compressed)",
		"provisioning.md 4"},
	[FAULT_MEBX_NEEDED] = {"mebx-needed", 1, 0,
		"commit answers 2057 while the MEBx password is the default", "provisioning.md 3"},
	[FAULT_ADMIN_LOST] = {"admin-lost", 1, 0,
		"the answer to the first SetAdminAclEntryEx is lost", "provisioning.md 7"},
	[FAULT_ADMIN_FREEZE] = {"admin-freeze", 1, 60000,
		"AdminSetup or the admin password twice in a setup: frozen for VALUE ms "
		"(compressed)",
		"provisioning.md 5"},
	[FAULT_LOCK_OUT] = {"lock-out", 1, 10,
		"VALUE wrong logins by others when it comes up configured", "wsman.md 3.3"},
	[FAULT_AUDIT_LOCK] = {"audit-lock", 1, 0,
		"unprovision answers 2076: an auditor's lock is in the way", "maintenance.md 6"},
	[FAULT_WINDOW] = {"window", 1, 21600,
		"in setup it answers and says Hello for VALUE seconds only, if it is not extended",
		"hello.md 5.2"},
	[FAULT_ACL_DROP] = {"acl-drop", 1, 0, "any ACL change forces a new login, in setup too",
		"wsman.md 3.2"},
};

_Static_assert(FAULT_N <= 64, "fault_choose() returns a bit per quirk");

const struct fault_info *fault_info(enum fault f)
{
	return &faults[f];
}

const char *fault_name(enum fault f)
{
	return faults[f].name;
}

enum fault fault_find(const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);
	size_t name_len = slash ? (size_t)(slash - text) : len;
	unsigned version = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : 0;
	for (int f = 0; f < FAULT_N; f++)
		if (strlen(faults[f].name) == name_len &&
			strncmp(faults[f].name, text, name_len) == 0 &&
			(!slash || faults[f].version == version))
			return (enum fault)f;
	return FAULT_N;
}

int fault_add(struct fault_plan *plan, const char *text, struct error *err)
{
	ENSURE(plan->n < FAULT_RULES_MAX, err, E_CONFIG, "--fault: more than %d", FAULT_RULES_MAX);
	size_t len = strcspn(text, "=@:");
	struct fault_rule rule = {.fault = fault_find(text, len), .index = -1, .share = 1.0};
	ENSURE(rule.fault != FAULT_N, err, E_CONFIG,
		"--fault %s: no such quirk or version (see muster-sim quirks)", text);
	rule.value = faults[rule.fault].value;
	char *end = (char *)text + len;
	if (*end == '=')
		rule.share = strtod(end + 1, &end);
	else if (*end == '@')
		rule.index = strtol(end + 1, &end, 10);
	if (*end == ':')
		rule.value = (uint32_t)strtoul(end + 1, &end, 10);
	ENSURE(*end == '\0' && rule.share >= 0 && rule.share <= 1 && rule.index >= -1, err,
		E_CONFIG, "--fault %s: NAME=SHARE[:VALUE] or NAME@INDEX[:VALUE]", text);
	plan->rules[plan->n++] = rule;
	return 0;
}

uint64_t fault_choose(
	const struct fault_plan *plan, uint64_t seed, size_t index, uint32_t values[static FAULT_N])
{
	uint64_t set = 0;
	for (size_t i = 0; i < plan->n; i++) {
		const struct fault_rule *r = &plan->rules[i];
		struct rng rng;
		rng_seed(&rng, rng_device_seed(seed, index), faults[r->fault].name);
		bool hit = r->index >= 0 ? (size_t)r->index == index : rng_unit(&rng) < r->share;
		if (hit) {
			set |= UINT64_C(1) << r->fault;
			values[r->fault] = r->value;
		}
	}
	return set;
}
