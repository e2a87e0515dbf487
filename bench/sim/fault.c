/* SPDX-License-Identifier: Apache-2.0 */
/* Misbehaviour; see fault.h. */
#include "bench/sim/fault.h"

#include "bench/sim/rng.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *help;
	uint32_t value; /* default */
} faults[FAULT_N] = {
	[FAULT_ANSWER] = {"answer", "every call is answered by a fault"},
	[FAULT_UNAUTHORIZED] = {"unauthorized", "401 for ever"},
	[FAULT_TRUNCATED] = {"truncated", "XML that ends in the middle"},
	[FAULT_HUGE_BODY] = {"huge-body", "answers of VALUE MiB (1024)", 1024},
	[FAULT_ENDLESS] = {"endless", "chunks without end"},
	[FAULT_WRONG_CERT] = {"wrong-cert", "the old certificate after the commit"},
	[FAULT_SILENT] = {"silent", "no answer at all"},
	[FAULT_HANDSHAKE_STALL] = {"handshake-stall", "no TLS handshake"},
	[FAULT_RESET] = {"reset", "reset at request VALUE (5) of a session", 5},
	[FAULT_DEAF] = {"deaf", "every connection is reset"},
	[FAULT_COMMIT_CUT] = {"commit-cut", "no answer to CommitChanges"},
	[FAULT_COMMIT_LOST] = {"commit-lost", "connection dies before the first commit counts"},
	[FAULT_UUID_MISMATCH] = {"uuid-mismatch", "GetUuid unlike the Hello"},
	[FAULT_NOT_NOW] = {"not-now", "GenerateKeyPair 2061 VALUE (3) times", 3},
	[FAULT_NONCE_RESET] = {"nonce-reset", "a new nonce every VALUE (7) requests", 7},
	[FAULT_SETUP_LOGIN] = {"setup-login", "401 in setup once a password is set"},
	[FAULT_CLOSE_EACH] = {"close-each", "a connection serves one request"},
};

const char *fault_name(enum fault f)
{
	return faults[f].name;
}

const char *fault_help(enum fault f)
{
	return faults[f].help;
}

int fault_add(struct fault_plan *plan, const char *text, struct error *err)
{
	ENSURE(plan->n < FAULT_RULES_MAX, err, E_CONFIG, "--fault: more than %d", FAULT_RULES_MAX);
	size_t len = strcspn(text, "=@");
	struct fault_rule rule = {.fault = FAULT_N, .index = -1, .share = 1.0};
	for (int f = 0; f < FAULT_N; f++)
		if (strlen(faults[f].name) == len && strncmp(faults[f].name, text, len) == 0)
			rule.fault = (enum fault)f;
	ENSURE(rule.fault != FAULT_N, err, E_CONFIG, "--fault %s: no such fault (see --help)",
		text);
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

uint32_t fault_choose(
	const struct fault_plan *plan, uint64_t seed, size_t index, uint32_t values[static FAULT_N])
{
	uint32_t set = 0;
	for (size_t i = 0; i < plan->n; i++) {
		const struct fault_rule *r = &plan->rules[i];
		struct rng rng;
		rng_seed(&rng, seed + index, faults[r->fault].name);
		bool hit = r->index >= 0 ? (size_t)r->index == index : rng_unit(&rng) < r->share;
		if (hit) {
			set |= 1u << r->fault;
			values[r->fault] = r->value;
		}
	}
	return set;
}
