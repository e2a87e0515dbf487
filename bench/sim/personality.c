/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware generations; see personality.h. */
#include "bench/sim/personality.h"

#include "bench/sim/classes/class.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* Names in the list of what a generation lacks. */
#define ABSENT_MAX 256

/* Made from personalities.json by the build. */
extern const char personality_builtin[];

static int tls_version(const char *text)
{
	static const struct {
		const char *name;
		int version;
	} versions[] = {{"1.0", TLS1_VERSION}, {"1.1", TLS1_1_VERSION}, {"1.2", TLS1_2_VERSION},
		{"1.3", TLS1_3_VERSION}};
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
		if (strcmp(versions[i].name, text) == 0)
			return versions[i].version;
	return 0;
}

/* "absent": names of classes, methods and properties. */
static int read_absent(struct personality *p, json_t *names, struct error *err)
{
	const char *texts[ABSENT_MAX];
	size_t n = json_array_size(names);
	ENSURE(n <= ABSENT_MAX, err, E_CONFIG, "personality %s: more than %d absent", p->name,
		ABSENT_MAX);
	for (size_t i = 0; i < n; i++) {
		texts[i] = json_string_value(json_array_get(names, i));
		ENSURE(texts[i], err, E_CONFIG, "personality %s: absent: names are texts", p->name);
	}
	return n ? absence_build(&p->absent, texts, n, err) : 0;
}

static int read_one(struct personality *p, json_t *o, struct error *err)
{
	json_error_t why;
	const char *name, *version, *build, *sku, *tls_min, *tls_max;
	int b[12];
	json_t *absent = NULL;
	/* Strict: a misspelt member is an error, not a default. */
	int rc = json_unpack_ex(o, &why, JSON_STRICT,
		"{s:s, s:s, s:s, s:s, s:F, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, "
		"s:b, s:b, s?o}",
		"name", &name, "version", &version, "build", &build, "sku", &sku, "share",
		&p->share, "tls_min", &tls_min, "tls_max", &tls_max, "sha1_chain", &b[0],
		"sha1_csr", &b[1], "mebx_required", &b[2], "commit_cut", &b[3], "no_clear_ports",
		&b[4], "readonly_cert", &b[5], "auth_int", &b[6], "key_generation", &b[7], "kvm",
		&b[8], "opt_in", &b[9], "host_based_setup", &b[10], "absent", &absent);
	ENSURE(rc == 0, err, E_CONFIG, "personality: %s", why.text);
	const char *texts[] = {name, version, build, sku};
	char *fields[] = {p->name, p->version, p->build, p->sku};
	for (size_t i = 0; i < 4; i++) {
		size_t len = strlen(texts[i]);
		ENSURE(len < PERSONALITY_TEXT_MAX, err, E_CONFIG, "personality %s: too long", name);
		memcpy(fields[i], texts[i], len + 1);
	}
	p->tls_min = tls_version(tls_min);
	p->tls_max = tls_version(tls_max);
	ENSURE(p->tls_min && p->tls_max >= p->tls_min, err, E_CONFIG,
		"personality %s: tls_min, tls_max", name);
	p->sha1_chain = b[0];
	p->sha1_csr = b[1];
	p->mebx_required = b[2];
	p->commit_cut = b[3];
	p->no_clear_ports = b[4];
	p->readonly_cert = b[5];
	p->auth_int = b[6];
	p->key_generation = b[7];
	p->kvm = b[8];
	p->opt_in = b[9];
	p->host_based_setup = b[10];
	return read_absent(p, absent, err);
}

int personality_load(struct personality_set *set, const char *path, struct error *err)
{
	json_error_t why;
	json_t *all = path ? json_load_file(path, JSON_REJECT_DUPLICATES, &why)
			   : json_loads(personality_builtin, JSON_REJECT_DUPLICATES, &why);
	const char *file = path ? path : "personalities.json";
	ENSURE(all, err, E_CONFIG, "%s:%d: %s", file, why.line, why.text);
	size_t n = json_array_size(all);
	*set = (struct personality_set){.items = calloc(n ? n : 1, sizeof *set->items), .n = n};
	int rc = set->items ? 0 : -ENOMEM;
	if (rc == 0 && n == 0)
		rc = error_set(err, E_CONFIG, "%s: no personality", file);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = read_one(&set->items[i], json_array_get(all, i), err);
	json_decref(all);
	if (rc < 0) {
		error_prefix(err, "%s", file);
		personality_free(set);
	}
	return rc;
}

int personality_mix(struct personality_set *set, const char *mix, struct error *err)
{
	char *copy = strdup(mix), *save = NULL;
	ENSURE(copy, err, -ENOMEM, "no memory");
	for (size_t i = 0; i < set->n; i++)
		set->items[i].share = 0;
	int rc = 0;
	for (char *part = strtok_r(copy, ",", &save); part && rc == 0;
		part = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(part, '='), *end = NULL;
		if (eq)
			*eq = '\0';
		double share = eq ? strtod(eq + 1, &end) : 1.0;
		struct personality *p = (struct personality *)personality_find(set, part);
		if (!p || share < 0 || (end && *end))
			rc = error_set(err, E_CONFIG, "--mix: \"%s\" is not NAME=SHARE", part);
		else
			p->share = share;
	}
	free(copy);
	return rc;
}

const struct personality *personality_pick(const struct personality_set *set, double unit)
{
	double total = 0, seen = 0;
	for (size_t i = 0; i < set->n; i++)
		total += set->items[i].share;
	for (size_t i = 0; i < set->n; i++) {
		seen += set->items[i].share;
		if (unit * total < seen)
			return &set->items[i];
	}
	return &set->items[set->n - 1];
}

const struct personality *personality_find(const struct personality_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->items[i].name, name) == 0)
			return &set->items[i];
	return NULL;
}

void personality_free(struct personality_set *set)
{
	for (size_t i = 0; i < set->n && set->items; i++)
		absence_free(set->items[i].absent);
	free(set->items);
	*set = (struct personality_set){0};
}
