/* SPDX-License-Identifier: Apache-2.0 */
/* See decide.h. */
#include "worker/decide.h"

#include <stdio.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/log.h"
#include "common/base/told.h"
#include "common/conf/rules.h"
#include "worker/directory/directory.h"
#include "worker/session.h"
#include "worker/worker.h"

/* Hashes of the Hello as hex, in the lists arena, which nobody uses yet. */
static size_t hello_roots(struct session *s, const char **roots, size_t max)
{
	struct hello_hash h;
	size_t offset = 0, n = 0;
	while (n < max && hello_next_hash(&s->hello, &offset, &h)) {
		char *hex = arena_alloc(&s->lists, 2u * h.len + 1);
		if (!hex)
			break;
		hex_encode(h.hash, h.len, hex);
		roots[n++] = hex;
	}
	return n;
}

static void use_rule(struct session *s, const struct rule *rule, struct resolve_answer *a)
{
	struct told told = {0};
	if (strcmp(a->source, RESOLVE_IMPORT) == 0)
		told_read(&told, s->told);
	size_t len = rule->n_tags ? (size_t)snprintf(s->tags, sizeof s->tags, "%s", told.tags) : 0;
	if (rule->profile[0])
		snprintf(a->profile, sizeof a->profile, "%s", rule->profile);
	if (rule->ou[0])
		snprintf(a->ou, sizeof a->ou, "%s", rule->ou);
	for (uint32_t i = 0; i < rule->n_tags && len < sizeof s->tags; i++)
		len += (size_t)snprintf(
			s->tags + len, sizeof s->tags - len, "%s%s", len ? " " : "", rule->tags[i]);
	snprintf(s->wave, sizeof s->wave, "%s", rule->wave);
}

enum decision session_decide(
	struct session *s, struct resolve_answer *a, char why[static DECIDE_WHY_MAX])
{
	const char *roots[HELLO_N_HASHES];
	char host[NET_ADDR_TEXT_MAX];
	if (!s->w->rules)
		return DECISION_GO;
	struct rule_facts facts = {.uuid = s->uuid_text,
		.address = net_addr_host_text(&s->device.addr, host),
		.amt = s->ck.amt,
		.roots = roots,
		.n_roots = hello_roots(s, roots, HELLO_N_HASHES),
		.fqdn = a->fqdn,
		.profile = a->profile,
		.ou = a->ou,
		.groups = a->host ? a->host->groups : NULL,
		.source = a->source};
	const struct rule *rule = rules_decide(s->w->rules, &facts);
	arena_reset(&s->lists);
	LOG_INFO("rule", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_STR("rule", rule ? rule->name : ""));
	if (!rule && strcmp(a->source, RESOLVE_IMPORT) == 0)
		return DECISION_GO; /* who listed it has decided about it */
	if (!rule) {
		snprintf(why, DECIDE_WHY_MAX,
			"no rule of %.120s fits it: see muster rules explain %s; it is looked at "
			"again by itself",
			s->w->conf->worker.rules_file, s->uuid_text);
		return DECISION_NO_RULE;
	}
	use_rule(s, rule, a);
	if (!rule->approve || s->approved)
		return DECISION_GO;
	snprintf(why, DECIDE_WHY_MAX,
		"rule %s asks for approval: muster job kick %s lets it go on, muster job cancel "
		"refuses it",
		rule->name, s->uuid_text);
	return DECISION_APPROVE;
}
