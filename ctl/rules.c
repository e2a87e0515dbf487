/* SPDX-License-Identifier: Apache-2.0 */
/* muster rules check | explain: decision rules before they decide; see common/conf/rules.h. */
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/base/uuid.h"
#include "common/conf/rules.h"
#include "common/directory/text.h"
#include "common/net/addr.h"
#include "ctl/args.h"
#include "ctl/command.h"
#include "ctl/site.h"
#include "proto/hello.h"

#define WHY_MAX        256
#define EXPLAIN_HEX    (2 * HELLO_HASH_MAX + 1)
#define HELLO_FILE_MAX (8 * HELLO_MAX_LEN) /* in hex, with line ends */
#define NOT_A_REQUEST  "usage: muster rules explain UUID | --hello FILE [ADDRESS]\n"

static const char *file_of(const struct command_line *line, const struct conf *conf, size_t arg)
{
	return line->n_args > arg ? line->args[arg] : conf->worker.rules_file;
}

int command_rules_check(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct rules *r = NULL;
	const char *path = file_of(line, conf, 0);
	if (!path[0]) {
		error_set(&err, E_CONFIG, "worker.rules_file is not set, and no FILE is given");
		return command_fail(&err);
	}
	int rc = rules_load(&r, path, &err);
	if (rc == 0)
		rc = rules_check_directory(r, conf->directory.n_servers > 0, &err);
	if (rc == 0)
		rc = args_rules(r, conf, &err);
	if (rc < 0) {
		rules_free(r);
		return command_fail(&err);
	}
	bool last = false;
	for (size_t i = 0; i < rules_count(r); i++) {
		const struct rule *x = rules_at(r, i);
		if (last)
			printf("note: rule %s is never reached: the one before takes every "
			       "device\n",
				x->name);
		last |= !x->n_uuids && !x->uuids_file[0] && !x->n_subnets && !x->amt_from[0] &&
			!x->amt_before[0] && !x->n_roots && !x->n_domains && !x->n_ous &&
			!x->n_profiles && !x->n_sources && !x->n_groups;
	}
	printf("%zu rules, all good\n", rules_count(r));
	rules_free(r);
	return COMMAND_OK;
}

/* ---- explain -------------------------------------------------------------------------------- */

/* What is known of the device that is asked about. */
struct about {
	struct rule_facts facts;
	json_t *record; /* texts of facts live here */
	bool listed;    /* by muster import */
	char uuid[UUID_TEXT_LEN + 1];
	char hex[HELLO_N_HASHES][EXPLAIN_HEX];
	const char *roots[HELLO_N_HASHES];
};

static void read_facts(struct about *a, const struct hello *h)
{
	struct hello_hash hash;
	size_t offset = 0;
	uuid_text(&h->uuid, a->uuid);
	a->facts.uuid = a->uuid;
	while (a->facts.n_roots < HELLO_N_HASHES && hello_next_hash(h, &offset, &hash)) {
		hex_encode(hash.hash, hash.len, a->hex[a->facts.n_roots]);
		a->roots[a->facts.n_roots] = a->hex[a->facts.n_roots];
		a->facts.n_roots++;
	}
	a->facts.roots = a->roots;
}

static int read_hello(struct about *a, const char *path, struct error *err)
{
	struct buf raw;
	struct hello h;
	buf_init(&raw, HELLO_FILE_MAX);
	int rc = command_read_bytes(path, &raw, err);
	if (rc == 0 && hello_decode(raw.data, raw.len, &h) != HELLO_DONE)
		rc = error_set(
			err, E_CONFIG, "%s: not a Hello: see muster decode hello %s", path, path);
	if (rc == 0)
		read_facts(a, &h);
	buf_free(&raw);
	return rc;
}

static int read_record(
	struct about *a, const struct conf *conf, const char *text, struct error *err)
{
	struct site s;
	struct uuid id;
	ENSURE(uuid_parse(&id, text) == 0, err, E_CONFIG, "\"%.60s\" is not a UUID", text);
	uuid_text(&id, a->uuid);
	a->facts.uuid = a->uuid;
	int rc = site_open(&s, conf, err);
	if (rc == 0)
		rc = site_device(&s, a->uuid, false, &a->record, err);
	site_close(&s);
	if (rc < 0)
		return rc;
	a->facts.address = site_text(a->record, "address");
	a->facts.amt = site_text(a->record, "amt");
	a->facts.fqdn = site_text(a->record, "fqdn");
	a->facts.profile = site_text(a->record, "profile");
	const char *dn = site_text(a->record, "host_dn");
	a->facts.ou = *dn ? directory_parent(dn) : site_text(a->record, "ou");
	if (*dn) /* else it was not asked, or knows no such computer */
		a->facts.groups = site_text(a->record, "host_groups");
	a->listed = *site_text(a->record, "told") != '\0';
	if (a->listed)
		a->facts.source = "import";
	return 0;
}

static json_t *decision_of(const struct rule *r)
{
	json_t *tags = json_array();
	for (uint32_t i = 0; i < r->n_tags; i++)
		json_array_append_new(tags, json_string(r->tags[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:b}", "rule", r->name, "profile", r->profile,
		"ou", r->ou, "wave", r->wave, "tags", tags, "approve", r->approve);
}

static void print_decision(const struct rule *r)
{
	printf("profile %s, OU %s, wave %s, tags",
		r->profile[0] ? r->profile : "as the source says",
		r->ou[0] ? r->ou : "as the source says", r->wave[0] ? r->wave : "none");
	for (uint32_t i = 0; i < r->n_tags; i++)
		printf(" %s", r->tags[i]);
	printf("%s%s\n", r->n_tags ? "" : " none", r->approve ? "; waits for approval" : "");
}

static int explain(const struct rules *r, const struct about *a, bool json)
{
	json_t *steps = json_array();
	const struct rule *decided = NULL;
	char why[WHY_MAX];
	for (size_t i = 0; i < rules_count(r) && !decided; i++) {
		const struct rule *x = rules_at(r, i);
		const char *misfit = rules_misfit(r, i, &a->facts, why, sizeof why);
		json_array_append_new(steps, json_pack("{s:s, s:b, s:s}", "rule", x->name, "fits",
						     !misfit, "why", misfit ? misfit : ""));
		if (!json)
			printf("%-20s %s%s\n", x->name, misfit ? "no   " : "fits",
				misfit ? misfit : "");
		if (!misfit)
			decided = x;
	}
	json_t *decision = decided ? decision_of(decided) : json_null();
	if (json)
		return command_print_json(json_pack("{s:s, s:o, s:o, s:b}", "device", a->uuid,
			"rules", steps, "decision", decision, "listed", a->listed));
	if (!decided)
		puts(a->listed ? "no rule fits: the device is what its list says (muster import)"
			       : "no rule fits: the device waits");
	else
		print_decision(decided);
	json_decref(steps);
	json_decref(decision);
	return COMMAND_OK;
}

int command_rules_explain(const struct command_line *line, const struct conf *conf)
{
	static struct about a;
	struct error err = {0};
	struct rules *r = NULL;
	if (!line->hello && line->n_args == 0) {
		fputs(NOT_A_REQUEST, stderr);
		return COMMAND_USAGE;
	}
	struct net_addr addr;
	size_t at = line->hello ? 0 : 1; /* where the address stands */
	if (line->n_args > at + 1) {
		fputs(NOT_A_REQUEST, stderr);
		return COMMAND_USAGE;
	}
	if (line->n_args > at && net_addr_from_host(&addr, line->args[at], 0, &err) < 0)
		return command_fail(&err);
	int rc = conf->worker.rules_file[0]
			 ? rules_load(&r, conf->worker.rules_file, &err)
			 : error_set(&err, E_CONFIG, "worker.rules_file is not set");
	if (rc == 0)
		rc = line->hello ? read_hello(&a, line->hello, &err)
				 : read_record(&a, conf, line->args[0], &err);
	if (rc == 0) {
		if (line->n_args > at)
			a.facts.address = line->args[at];
		rc = explain(r, &a, line->json);
	} else {
		rc = command_fail(&err);
	}
	json_decref(a.record);
	rules_free(r);
	return rc;
}
