/* SPDX-License-Identifier: Apache-2.0 */
/* Scenario files; see scenario.h. One function per key, found by a table. */
#include "bench/sim/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define TEXT_MAX (1024 * 1024) /* a file of a few lines; a latency table has some hundred */
#define RULE_MAX 128           /* "NAME=SHARE:VALUE" */

struct reader {
	struct estate_opts *opts;
	yaml_document_t doc;
	const char *file;
	struct error *err;
};

typedef int read_fn(struct reader *r, yaml_node_t *node);

static int wrong(struct reader *r, const yaml_node_t *at, const char *key, const char *what)
{
	return error_set(
		r->err, E_CONFIG, "%s:%zu: %s: %s", r->file, at->start_mark.line + 1, key, what);
}

static const char *scalar(const yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
						      : NULL;
}

/* A number from 0 to max. */
static int number(
	struct reader *r, const yaml_node_t *node, const char *key, double max, double *out)
{
	const char *text = scalar(node);
	char *end = NULL;
	*out = text ? strtod(text, &end) : 0;
	if (!text || end == text || *end || !(*out >= 0 && *out <= max)) {
		char what[64];
		snprintf(what, sizeof what, "a number from 0 to %g", max);
		return wrong(r, node, key, what);
	}
	return 0;
}

/* Call fn for each pair of a mapping. */
static int each_pair(struct reader *r, yaml_node_t *map, const char *where,
	int (*fn)(struct reader *r, const char *key, yaml_node_t *value))
{
	if (map->type != YAML_MAPPING_NODE)
		return wrong(r, map, where, "a mapping");
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
		if (!scalar(key))
			return wrong(r, map, where, "keys are words");
		TRY(fn(r, scalar(key), value));
	}
	return 0;
}

/* Put file and line before what a parser of a value said. */
static int placed(struct reader *r, const yaml_node_t *at, int rc)
{
	if (rc == E_CONFIG)
		error_prefix(r->err, "%s:%zu", r->file, at->start_mark.line + 1);
	return rc;
}

/* ---- mix ------------------------------------------------------------------------------------ */

/* Collected as "NAME=SHARE,..", which personality_mix() checks. */
static int mix_pair(struct reader *r, const char *key, yaml_node_t *value)
{
	double share;
	char *grown = NULL;
	TRY(number(r, value, key, 1e9, &share));
	int len = asprintf(&grown, "%s%s%s=%.9g", r->opts->mix ? r->opts->mix : "",
		r->opts->mix ? "," : "", key, share);
	ENSURE(len >= 0, r->err, -ENOMEM, "no memory");
	free(r->opts->mix_owned);
	r->opts->mix = r->opts->mix_owned = grown;
	return 0;
}

static int read_mix(struct reader *r, yaml_node_t *node)
{
	r->opts->mix = NULL;
	return each_pair(r, node, "mix", mix_pair);
}

/* ---- quirks --------------------------------------------------------------------------------- */

static yaml_node_t *member(struct reader *r, yaml_node_t *map, const char *name)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
		p++) {
		const char *key = scalar(yaml_document_get_node(&r->doc, p->key));
		if (key && strcmp(key, name) == 0)
			return yaml_document_get_node(&r->doc, p->value);
	}
	return NULL;
}

static int add_rule(struct reader *r, const yaml_node_t *at, const char *name, char sign,
	const char *amount, const char *value)
{
	char rule[RULE_MAX];
	int len = snprintf(rule, sizeof rule, "%s%c%s%s%s", name, sign, amount, value ? ":" : "",
		value ? value : "");
	if (len < 0 || (size_t)len >= sizeof rule)
		return wrong(r, at, name, "too long");
	return placed(r, at, fault_add(&r->opts->faults, rule, r->err));
}

/* {share: 0.1, value: 5} or {devices: [3, 17], value: 5} */
static int quirk_map(struct reader *r, const char *key, yaml_node_t *map)
{
	yaml_node_t *share = member(r, map, "share"), *devices = member(r, map, "devices");
	yaml_node_t *value = member(r, map, "value");
	long known = !!share + !!devices + !!value;
	if (map->data.mapping.pairs.top - map->data.mapping.pairs.start != known ||
		!share == !devices || (value && !scalar(value)) || (share && !scalar(share)) ||
		(devices && devices->type != YAML_SEQUENCE_NODE))
		return wrong(r, map, key, "share or devices, and value");
	if (share)
		return add_rule(r, map, key, '=', scalar(share), scalar(value));
	for (yaml_node_item_t *i = devices->data.sequence.items.start;
		i < devices->data.sequence.items.top; i++) {
		const char *index = scalar(yaml_document_get_node(&r->doc, *i));
		if (!index)
			return wrong(r, map, key, "devices are numbers");
		TRY(add_rule(r, map, key, '@', index, scalar(value)));
	}
	return 0;
}

static int quirk_pair(struct reader *r, const char *key, yaml_node_t *value)
{
	if (value->type == YAML_MAPPING_NODE)
		return quirk_map(r, key, value);
	if (!scalar(value))
		return wrong(r, value, key, "a share, or {share, devices, value}");
	return add_rule(r, value, key, '=', scalar(value), NULL);
}

static int read_quirks(struct reader *r, yaml_node_t *node)
{
	return each_pair(r, node, "quirks", quirk_pair);
}

/* ---- laws ----------------------------------------------------------------------------------- */

static int law_latency(struct reader *r, yaml_node_t *node)
{
	const char *text = scalar(node);
	if (!text)
		return wrong(r, node, "latency", "a text");
	return placed(r, node, laws_parse_latency(&r->opts->laws.latency, text, r->err));
}

static int step_pair(struct reader *r, const char *key, yaml_node_t *value)
{
	if (!scalar(value))
		return wrong(r, value, key, "a latency");
	return placed(r, value, laws_set_step(&r->opts->laws, key, scalar(value), r->err));
}

static int law_steps(struct reader *r, yaml_node_t *node)
{
	r->opts->laws.n_steps = 0;
	return each_pair(r, node, "steps", step_pair);
}

static int law_arrival(struct reader *r, yaml_node_t *node)
{
	const char *text = scalar(node);
	if (!text)
		return wrong(r, node, "arrival", "a text");
	return placed(r, node, laws_parse_arrival(&r->opts->laws.arrival, text, r->err));
}

static int loss_pair(struct reader *r, const char *key, yaml_node_t *value)
{
	double p;
	TRY(number(r, value, key, 1, &p));
	return placed(r, value, laws_set_loss(&r->opts->laws, key, p, r->err));
}

static int law_loss(struct reader *r, yaml_node_t *node)
{
	memset(r->opts->laws.loss, 0, sizeof r->opts->laws.loss);
	return each_pair(r, node, "loss", loss_pair);
}

static int law_readdress(struct reader *r, yaml_node_t *node)
{
	return number(r, node, "readdress", 1, &r->opts->laws.readdress);
}

static int law_compress(struct reader *r, yaml_node_t *node)
{
	TRY(number(r, node, "compress", 1e6, &r->opts->laws.compress));
	return r->opts->laws.compress > 0 ? 0 : wrong(r, node, "compress", "above 0");
}

static int milliseconds(struct reader *r, yaml_node_t *node, const char *key, uint32_t *out)
{
	double ms;
	TRY(number(r, node, key, 3600000, &ms));
	*out = (uint32_t)ms;
	return 0;
}

static int law_slow_keys(struct reader *r, yaml_node_t *node)
{
	return milliseconds(r, node, "slow-keys-ms", &r->opts->laws.slow_key_ms);
}

static int law_deaf(struct reader *r, yaml_node_t *node)
{
	return milliseconds(r, node, "deaf-ms", &r->opts->laws.deaf_ms);
}

static int law_stall(struct reader *r, yaml_node_t *node)
{
	return milliseconds(r, node, "stall-ms", &r->opts->laws.stall_ms);
}

static int law_reboot(struct reader *r, yaml_node_t *node)
{
	return milliseconds(r, node, "reboot-ms", &r->opts->laws.reboot_ms);
}

/* ---- the file ------------------------------------------------------------------------------- */

struct key {
	const char *name;
	read_fn *read;
};

static int by_table(struct reader *r, const struct key *keys, const char *name, yaml_node_t *value)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys->read(r, value);
	return wrong(r, value, name, "no such key (see docs/simulator.md)");
}

static int law_pair(struct reader *r, const char *key, yaml_node_t *value)
{
	static const struct key keys[] = {{"latency", law_latency}, {"steps", law_steps},
		{"arrival", law_arrival}, {"loss", law_loss}, {"readdress", law_readdress},
		{"compress", law_compress}, {"slow-keys-ms", law_slow_keys}, {"deaf-ms", law_deaf},
		{"stall-ms", law_stall}, {"reboot-ms", law_reboot}, {NULL, NULL}};
	return by_table(r, keys, key, value);
}

static int read_laws(struct reader *r, yaml_node_t *node)
{
	return each_pair(r, node, "laws", law_pair);
}

static int read_name(struct reader *r, yaml_node_t *node)
{
	const char *text = scalar(node);
	if (!text || strlen(text) >= sizeof r->opts->scenario)
		return wrong(r, node, "name", "a short text");
	snprintf(r->opts->scenario, sizeof r->opts->scenario, "%s", text);
	return 0;
}

static int read_devices(struct reader *r, yaml_node_t *node)
{
	double n;
	TRY(number(r, node, "devices", ESTATE_DEVICES_MAX, &n));
	r->opts->n_devices = (size_t)n;
	return 0;
}

static int top_pair(struct reader *r, const char *key, yaml_node_t *value)
{
	static const struct key keys[] = {{"name", read_name}, {"devices", read_devices},
		{"mix", read_mix}, {"quirks", read_quirks}, {"laws", read_laws}, {NULL, NULL}};
	return by_table(r, keys, key, value);
}

int scenario_load_text(
	struct estate_opts *opts, const char *text, const char *name, struct error *err)
{
	struct reader r = {.opts = opts, .file = name, .err = err};
	yaml_parser_t parser;
	ENSURE(yaml_parser_initialize(&parser), err, -ENOMEM, "no memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
	int rc = 0;
	if (!yaml_parser_load(&parser, &r.doc)) {
		rc = error_set(err, E_CONFIG, "%s:%zu: %s", name, parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "not YAML");
	} else {
		yaml_node_t *top = yaml_document_get_root_node(&r.doc);
		rc = top ? each_pair(&r, top, "scenario", top_pair)
			 : error_set(err, E_CONFIG, "%s: empty", name);
		yaml_document_delete(&r.doc);
	}
	yaml_parser_delete(&parser);
	return rc;
}

int scenario_load(struct estate_opts *opts, const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	char *text = calloc(1, TEXT_MAX + 1);
	size_t len = text ? fread(text, 1, TEXT_MAX, f) : 0;
	fclose(f);
	int rc = len == TEXT_MAX ? error_set(err, E_CONFIG, "%s: longer than 1 MiB", path) : 0;
	if (!text)
		rc = error_set(err, -ENOMEM, "no memory");
	if (rc == 0)
		rc = scenario_load_text(opts, text, path, err);
	free(text);
	return rc;
}
