/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, checks and the comparison of rules. See rules.h. */
#include "common/conf/rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/err.h"
#include "common/base/uuid.h"
#include "common/conf/schema.h"
#include "common/crypto/seal.h"

typedef char uuid_line[RULE_UUID_LEN + 1];

struct document {
	struct rule rules[RULES_MAX];
	uint32_t n_rules;
};

struct rules {
	struct document doc;
	struct {
		uuid_line *uuids; /* of uuids_file, sorted */
		size_t n;
	} files[RULES_MAX];
};

/* ---- tables ----------------------------------------------------------------------------- */

#define TEXT_ENTRY(name, size)                     \
	static const cyaml_schema_value_t name = { \
		CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char[(size) + 1], 1, size)}
TEXT_ENTRY(uuid_entry, RULE_UUID_LEN);
TEXT_ENTRY(subnet_entry, RULE_SUBNET_MAX);
TEXT_ENTRY(root_entry, RULE_HASH_MAX);
TEXT_ENTRY(domain_entry, CONF_TEXT_MAX - 1);
TEXT_ENTRY(ou_entry, RULE_OU_MAX);
TEXT_ENTRY(name_entry, RULE_NAME_MAX);

#define T struct rule
static const cyaml_schema_field_t rule_rows[] = {
	ROW_TEXT(T, name),
	ROW_LIST(T, uuids, &uuid_entry),
	ROW_TEXT(T, uuids_file),
	ROW_LIST(T, subnets, &subnet_entry),
	ROW_TEXT(T, amt_from),
	ROW_TEXT(T, amt_before),
	ROW_LIST(T, roots, &root_entry),
	ROW_LIST(T, domains, &domain_entry),
	ROW_LIST(T, ous, &ou_entry),
	ROW_LIST(T, profiles, &name_entry),
	ROW_LIST(T, sources, &name_entry),
	ROW_LIST(T, groups, &ou_entry),
	ROW_TEXT(T, profile),
	ROW_TEXT(T, ou),
	ROW_LIST(T, tags, &name_entry),
	ROW_TEXT(T, wave),
	ROW_BOOL(T, approve),
	CYAML_FIELD_END,
};
#undef T
static const cyaml_schema_value_t rule_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct rule, rule_rows)};
static const cyaml_schema_field_t document_rows[] = {
	ROW_LIST(struct document, rules, &rule_entry),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t document_top = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, document_rows)};
static const struct yaml_range no_numbers[] = {{0}};
static const struct yaml_schema rules_schema = {.top = &document_top, .ranges = no_numbers};

/* ---- checks ----------------------------------------------------------------------------- */

/* A subnet as bytes. @return bytes of the address, 0 = not one */
static size_t subnet_parse(const char *text, uint8_t bytes[16], unsigned *prefix)
{
	char host[RULE_SUBNET_MAX + 1], end;
	const char *slash = strchr(text, '/');
	snprintf(host, sizeof host, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	size_t len = inet_pton(AF_INET, host, bytes) == 1    ? 4
		     : inet_pton(AF_INET6, host, bytes) == 1 ? 16
							     : 0;
	*prefix = (unsigned)len * 8;
	if (slash && (sscanf(slash + 1, "%3u%c", prefix, &end) != 1 || *prefix > len * 8))
		return 0;
	return len;
}

static bool amt_parse(const char *text, unsigned out[2])
{
	out[0] = out[1] = 0;
	return sscanf(text, "%u.%u", &out[0], &out[1]) >= 1;
}

static int bad(const struct yaml_marks *m, size_t i, const char *key, struct error *err,
	const char *text, const char *value)
{
	char path[YAML_PATH_MAX];
	snprintf(path, sizeof path, "rules[%zu].%s", i, key);
	return yaml_error_at(m, path, err, "\"%.80s\" %s", value, text);
}

static bool is_source(const char *text)
{
	static const char *const sources[] = {
		"import", "table", "hook", "directory", "reverse-dns"};
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
		if (strcmp(text, sources[i]) == 0)
			return true;
	return false;
}

static int check_lists(
	const struct rule *r, size_t i, const struct yaml_marks *m, struct error *err)
{
	char key[64];
	struct uuid id;
	uint8_t bytes[16];
	unsigned prefix;
	for (uint32_t k = 0; k < r->n_uuids; k++) {
		snprintf(key, sizeof key, "uuids[%u]", k);
		if (uuid_parse(&id, r->uuids[k]) < 0)
			return bad(m, i, key, err, "is not a UUID", r->uuids[k]);
	}
	for (uint32_t k = 0; k < r->n_subnets; k++) {
		snprintf(key, sizeof key, "subnets[%u]", k);
		if (!subnet_parse(r->subnets[k], bytes, &prefix))
			return bad(m, i, key, err, "is not a subnet such as 10.1.0.0/16",
				r->subnets[k]);
	}
	for (uint32_t k = 0; k < r->n_roots; k++) {
		snprintf(key, sizeof key, "roots[%u]", k);
		if (r->roots[k][strspn(r->roots[k], "0123456789abcdefABCDEF")])
			return bad(
				m, i, key, err, "is not the begin of a hash in hex", r->roots[k]);
	}
	for (uint32_t k = 0; k < r->n_tags; k++) {
		snprintf(key, sizeof key, "tags[%u]", k);
		if (!key_id_ok(r->tags[k]))
			return bad(m, i, key, err, "is not a tag: letters, digits, . _ or -",
				r->tags[k]);
	}
	for (uint32_t k = 0; k < r->n_sources; k++) {
		snprintf(key, sizeof key, "sources[%u]", k);
		if (!is_source(r->sources[k]))
			return bad(m, i, key, err,
				"is not one of import, table, hook, directory, reverse-dns",
				r->sources[k]);
	}
	for (uint32_t k = 0; k < r->n_groups; k++) {
		snprintf(key, sizeof key, "groups[%u]", k);
		if (strpbrk(r->groups[k], "\\@\t\n") && !strchr(r->groups[k], '='))
			return bad(m, i, key, err,
				"has a domain: write the group's name alone, or its DN",
				r->groups[k]);
	}
	return 0;
}

static int check_rule(
	const struct document *d, size_t i, const struct yaml_marks *m, struct error *err)
{
	const struct rule *r = &d->rules[i];
	unsigned amt[2], before[2];
	if (!key_id_ok(r->name))
		return bad(m, i, "name", err, "is not a name: letters, digits, . _ or -", r->name);
	for (size_t k = 0; k < i; k++)
		if (strcmp(d->rules[k].name, r->name) == 0)
			return bad(
				m, i, "name", err, "is the name of an earlier rule, too", r->name);
	if (r->amt_from[0] && !amt_parse(r->amt_from, amt))
		return bad(m, i, "amt_from", err, "is not a release such as 11.8", r->amt_from);
	if (r->amt_before[0] && !amt_parse(r->amt_before, before))
		return bad(m, i, "amt_before", err, "is not a release such as 11.8", r->amt_before);
	if (r->amt_from[0] && r->amt_before[0] &&
		(amt[0] > before[0] || (amt[0] == before[0] && amt[1] >= before[1])))
		return bad(m, i, "amt_from", err, "is not below amt_before: no release fits",
			r->amt_from);
	if (r->profile[0] && !key_id_ok(r->profile))
		return bad(m, i, "profile", err, "is not a name of a profile", r->profile);
	if (r->wave[0] && !key_id_ok(r->wave))
		return bad(m, i, "wave", err, "is not a name of a wave", r->wave);
	return check_lists(r, i, m, err);
}

/* ---- files of UUIDs --------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int add_line(uuid_line **lines, size_t *n, size_t *room, char *text)
{
	struct uuid id;
	text[strcspn(text, "#\r\n")] = '\0';
	text += strspn(text, " \t");
	text[strcspn(text, " \t")] = '\0';
	if (!text[0])
		return 0;
	if (uuid_parse(&id, text) < 0)
		return E_CONFIG;
	if (*n == *room) {
		size_t more = *room ? *room * 2 : 64;
		uuid_line *grown = reallocarray(*lines, more, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		*lines = grown;
		*room = more;
	}
	uuid_text(&id, (*lines)[(*n)++]);
	return 0;
}

static int load_uuids(struct rules *r, size_t i, struct error *err)
{
	const char *path = r->doc.rules[i].uuids_file;
	char text[256];
	size_t room = 0;
	unsigned line = 0;
	int rc = 0;
	if (!path[0])
		return 0;
	FILE *f = fopen(path, "re");
	ENSURE(f, err, E_CONFIG, "rule %s: uuids_file %s: %s", r->doc.rules[i].name, path,
		strerror(errno));
	while (rc == 0 && fgets(text, sizeof text, f)) {
		line++;
		rc = add_line(&r->files[i].uuids, &r->files[i].n, &room, text);
	}
	fclose(f);
	if (rc < 0)
		return error_set(err, rc, "%s:%u: %s", path, line,
			rc == E_CONFIG ? "not a UUID; one per line" : "out of memory");
	qsort(r->files[i].uuids, r->files[i].n, sizeof(uuid_line), by_text);
	return 0;
}

/* ---- load ------------------------------------------------------------------------------- */

int rules_load(struct rules **out, const char *path, struct error *err)
{
	struct rules *r = calloc(1, sizeof *r);
	struct yaml_marks marks;
	ENSURE(r, err, -ENOMEM, "%s: out of memory", path);
	yaml_marks_init(&marks);
	int rc = yaml_overlay_file(&rules_schema, path, &marks, &r->doc, err);
	for (size_t i = 0; rc == 0 && i < r->doc.n_rules; i++) {
		rc = check_rule(&r->doc, i, &marks, err);
		if (rc == 0)
			rc = load_uuids(r, i, err);
	}
	if (rc == 0 && r->doc.n_rules == 0)
		rc = error_set(
			err, E_CONFIG, "%s: no rules; write some, or leave rules_file empty", path);
	yaml_marks_free(&marks);
	if (rc < 0)
		rules_free(r);
	else
		*out = r;
	return rc;
}

void rules_free(struct rules *r)
{
	for (size_t i = 0; r && i < RULES_MAX; i++)
		free(r->files[i].uuids);
	free(r);
}

size_t rules_count(const struct rules *r)
{
	return r->doc.n_rules;
}

const struct rule *rules_at(const struct rules *r, size_t i)
{
	return &r->doc.rules[i];
}

/* ---- conditions: each tells what does not hold, or returns false -------------------------- */

struct question {
	const struct rules *rules;
	size_t i;
	const struct rule *rule;
	const struct rule_facts *facts;
	char *out;
	size_t out_len;
};

#define SAY(q, ...) (snprintf((q)->out, (q)->out_len, __VA_ARGS__), true)

static bool known(const char *text)
{
	return text && text[0];
}

static bool misses_uuid(const struct question *q)
{
	const struct rule *r = q->rule;
	if (r->n_uuids == 0 && !r->uuids_file[0])
		return false;
	for (uint32_t k = 0; k < r->n_uuids; k++)
		if (strcasecmp(r->uuids[k], q->facts->uuid) == 0)
			return false;
	if (bsearch(q->facts->uuid, q->rules->files[q->i].uuids, q->rules->files[q->i].n,
		    sizeof(uuid_line), by_text))
		return false;
	return SAY(q, "uuids: %s is not in the list", q->facts->uuid);
}

static bool in_subnet(const char *address, const char *subnet)
{
	uint8_t a[16], b[16];
	unsigned host, prefix;
	size_t len = subnet_parse(subnet, b, &prefix);
	if (subnet_parse(address, a, &host) != len)
		return false;
	for (unsigned bit = 0; bit < prefix; bit++)
		if (((unsigned)(a[bit / 8] ^ b[bit / 8]) >> (7 - bit % 8)) & 1u)
			return false;
	return true;
}

static bool misses_subnet(const struct question *q)
{
	if (q->rule->n_subnets == 0)
		return false;
	if (!known(q->facts->address))
		return SAY(q, "subnets: the address is not known");
	for (uint32_t k = 0; k < q->rule->n_subnets; k++)
		if (in_subnet(q->facts->address, q->rule->subnets[k]))
			return false;
	return SAY(q, "subnets: %s is in none of them", q->facts->address);
}

static bool misses_amt(const struct question *q)
{
	unsigned is[2], from[2], before[2];
	bool has_from = amt_parse(q->rule->amt_from, from);
	bool has_before = amt_parse(q->rule->amt_before, before);
	if (!has_from && !has_before)
		return false;
	if (!known(q->facts->amt) || !amt_parse(q->facts->amt, is))
		return SAY(q, "amt: the release is not known yet");
	if (has_from && (is[0] < from[0] || (is[0] == from[0] && is[1] < from[1])))
		return SAY(q, "amt_from: %s is older than %s", q->facts->amt, q->rule->amt_from);
	if (has_before && (is[0] > before[0] || (is[0] == before[0] && is[1] >= before[1])))
		return SAY(q, "amt_before: %s is not older than %s", q->facts->amt,
			q->rule->amt_before);
	return false;
}

static bool misses_root(const struct question *q)
{
	if (q->rule->n_roots == 0)
		return false;
	for (uint32_t k = 0; k < q->rule->n_roots; k++)
		for (size_t i = 0; i < q->facts->n_roots; i++)
			if (strncasecmp(q->facts->roots[i], q->rule->roots[k],
				    strlen(q->rule->roots[k])) == 0)
				return false;
	return SAY(q, "roots: %s",
		q->facts->n_roots ? "the Hello has none of them" : "no Hello is known");
}

/* Whether text ends in one of a list's entries, at a separator. */
static bool ends_in(const char *text, const char *list, size_t stride, uint32_t n, char separator)
{
	size_t len = strlen(text);
	for (uint32_t k = 0; k < n; k++) {
		const char *end = list + k * stride;
		size_t end_len = strlen(end);
		if (len < end_len || strcasecmp(text + len - end_len, end) != 0)
			continue;
		if (len == end_len || text[len - end_len - 1] == separator)
			return true;
	}
	return false;
}

static bool misses_domain(const struct question *q)
{
	const struct rule *r = q->rule;
	if (r->n_domains == 0)
		return false;
	if (known(q->facts->fqdn) &&
		ends_in(q->facts->fqdn, r->domains[0], sizeof r->domains[0], r->n_domains, '.'))
		return false;
	return SAY(q, "domains: %s is in none of them",
		known(q->facts->fqdn) ? q->facts->fqdn : "a device without a name");
}

static bool misses_ou(const struct question *q)
{
	const struct rule *r = q->rule;
	if (r->n_ous == 0)
		return false;
	if (known(q->facts->ou) &&
		ends_in(q->facts->ou, r->ous[0], sizeof r->ous[0], r->n_ous, ','))
		return false;
	return SAY(q, "ous: %s is in none of them",
		known(q->facts->ou) ? q->facts->ou : "a device without an OU");
}

static bool is_one_of(const char *text, const char *list, size_t stride, uint32_t n)
{
	for (uint32_t k = 0; known(text) && k < n; k++)
		if (strcmp(text, list + k * stride) == 0)
			return true;
	return false;
}

static bool misses_profile(const struct question *q)
{
	const struct rule *r = q->rule;
	if (r->n_profiles == 0 ||
		is_one_of(q->facts->profile, r->profiles[0], sizeof r->profiles[0], r->n_profiles))
		return false;
	return SAY(q, "profiles: the source told %s",
		known(q->facts->profile) ? q->facts->profile : "none");
}

static bool misses_source(const struct question *q)
{
	const struct rule *r = q->rule;
	if (r->n_sources == 0 ||
		is_one_of(q->facts->source, r->sources[0], sizeof r->sources[0], r->n_sources))
		return false;
	return SAY(q, "sources: it was named by %s",
		known(q->facts->source) ? q->facts->source : "nobody");
}

/* Whether a line of the groups has this name or this DN. */
static bool has_group(const char *groups, const char *wanted)
{
	size_t len = strlen(wanted);
	for (const char *p = groups; *p; p += strcspn(p, "\t\n"), p += *p != '\0')
		if (strcspn(p, "\t\n") == len && strncasecmp(p, wanted, len) == 0)
			return true;
	return false;
}

static bool misses_group(const struct question *q)
{
	const struct rule *r = q->rule;
	if (r->n_groups == 0)
		return false;
	for (uint32_t k = 0; q->facts->groups && k < r->n_groups; k++)
		if (has_group(q->facts->groups, r->groups[k]))
			return false;
	return SAY(q, "groups: %s",
		q->facts->groups ? "it is in none of them"
				 : "not known before the directory is asked");
}

bool rules_ask_directory(const struct rules *r)
{
	for (size_t i = 0; i < r->doc.n_rules; i++)
		if (r->doc.rules[i].n_ous || r->doc.rules[i].n_groups)
			return true;
	return false;
}

int rules_check_directory(const struct rules *r, bool configured, struct error *err)
{
	for (size_t i = 0; i < r->doc.n_rules && !configured; i++)
		ENSURE(!r->doc.rules[i].n_groups, err, E_CONFIG,
			"rule %s asks for groups: fill in the section directory of the "
			"configuration",
			r->doc.rules[i].name);
	return 0;
}

const char *rules_misfit(
	const struct rules *r, size_t i, const struct rule_facts *facts, char *out, size_t out_len)
{
	static bool (*const conditions[])(const struct question *q) = {misses_uuid, misses_subnet,
		misses_amt, misses_root, misses_domain, misses_ou, misses_profile, misses_source,
		misses_group};
	const struct question q = {r, i, &r->doc.rules[i], facts, out, out_len};
	for (size_t k = 0; k < sizeof conditions / sizeof conditions[0]; k++)
		if (conditions[k](&q))
			return out;
	return NULL;
}

const struct rule *rules_decide(const struct rules *r, const struct rule_facts *facts)
{
	char why[8];
	for (size_t i = 0; i < r->doc.n_rules; i++)
		if (!rules_misfit(r, i, facts, why, sizeof why))
			return &r->doc.rules[i];
	return NULL;
}
