/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster profile docs | schema: every key of a profile as a Markdown table, and as JSON Schema
 * (draft 7) for editors. Both are made from the tables that profiles are read with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/profile_walk.h"
#include "ctl/command.h"

#define VALUES_MAX 512

/* ---- the defaults, by path ------------------------------------------------------------------ */

static void keep_default(const char *path, const char *value, bool is_default, void *arg)
{
	(void)is_default;
	json_object_set_new(arg, path, json_string(value));
}

static json_t *defaults(void)
{
	json_t *all = json_object();
	profile_walk(&profile_none, keep_default, all);
	return all;
}

/* ---- Markdown ------------------------------------------------------------------------------- */

static void scalar_values(const char *path, const cyaml_schema_value_t *v, char *out, size_t len)
{
	const struct yaml_range *r = yaml_range_find(&profile_schema, path);
	out[0] = '\0';
	switch (v->type) {
	case CYAML_BOOL: snprintf(out, len, "true, false"); break;
	case CYAML_UINT:
		snprintf(out, len, "%u to %u", r ? r->min : 0, r ? r->max : UINT32_MAX);
		break;
	case CYAML_STRING: snprintf(out, len, "text, %u bytes", v->string.max); break;
	case CYAML_ENUM:
		for (uint32_t i = 0; i < v->enumeration.count; i++)
			snprintf(out + strlen(out), len - strlen(out), "%s%s", i ? ", " : "",
				v->enumeration.strings[i].str);
		break;
	default: break;
	}
}

static void print_row(const char *path, const cyaml_schema_value_t *v, void *arg)
{
	char values[VALUES_MAX], releases[64] = "all";
	const struct profile_field *f = profile_field_find(path);
	const char *usual = json_string_value(json_object_get(arg, path));
	if (v->type == CYAML_SEQUENCE) {
		int n = snprintf(values, sizeof values, "list of up to %u: ", v->sequence.max);
		scalar_values(path, v->sequence.entry, values + n, sizeof values - (size_t)n);
	} else {
		scalar_values(path, v, values, sizeof values);
	}
	if (f->since)
		snprintf(releases, sizeof releases, "%u.%u on", f->since / 100, f->since % 100);
	else if (f->before)
		snprintf(releases, sizeof releases, "before %u.%u", f->before / 100,
			f->before % 100);
	printf("| `%s` | %s | %s | %s | %s | %s |\n", path, values, usual ? usual : "", releases,
		f->object[0] ? f->object : "-", f->text);
}

int command_profile_docs(const struct command_line *line, const struct conf *conf)
{
	(void)line, (void)conf;
	json_t *usual = defaults();
	puts("| key | values | default | AMT | on the device | meaning "
	     "|\n|---|---|---|---|---|---|");
	profile_walk_keys(print_row, usual);
	json_decref(usual);
	return COMMAND_OK;
}

/* ---- JSON Schema ---------------------------------------------------------------------------- */

static json_t *schema_of(const cyaml_schema_value_t *v, const char *path);

static json_t *schema_words(const cyaml_schema_value_t *v)
{
	json_t *words = json_array();
	for (uint32_t i = 0; i < v->enumeration.count; i++) {
		const char *word = v->enumeration.strings[i].str;
		json_array_append_new(words, json_string(word));
		/* YAML 1.1 reads these words as truth values, and editors hand them on so. */
		if (strcmp(word, "on") == 0)
			json_array_append_new(words, json_true());
		else if (strcmp(word, "off") == 0)
			json_array_append_new(words, json_false());
	}
	return json_pack("{s:o}", "enum", words);
}

static json_t *schema_keys(const cyaml_schema_value_t *v, const char *path)
{
	json_t *keys = json_object();
	char inner[YAML_PATH_MAX];
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", f->key);
		json_object_set_new(keys, f->key, schema_of(&f->value, inner));
	}
	return json_pack(
		"{s:s, s:o, s:b}", "type", "object", "properties", keys, "additionalProperties", 0);
}

static json_t *schema_list(const cyaml_schema_value_t *v, const char *path)
{
	char inner[YAML_PATH_MAX];
	bool entries = v->sequence.entry->type == CYAML_MAPPING;
	snprintf(inner, sizeof inner, "%s%s", path, entries ? "[]" : "");
	return json_pack("{s:s, s:o, s:I}", "type", "array", "items",
		schema_of(v->sequence.entry, inner), "maxItems", (json_int_t)v->sequence.max);
}

static json_t *schema_of(const cyaml_schema_value_t *v, const char *path)
{
	const struct yaml_range *r = yaml_range_find(&profile_schema, path);
	const struct profile_field *f = profile_field_find(path);
	json_t *out = NULL;
	switch (v->type) {
	case CYAML_MAPPING: out = schema_keys(v, path); break;
	case CYAML_SEQUENCE: out = schema_list(v, path); break;
	case CYAML_BOOL: out = json_pack("{s:s}", "type", "boolean"); break;
	case CYAML_ENUM: out = schema_words(v); break;
	case CYAML_UINT:
		out = json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
			(json_int_t)(r ? r->min : 0), "maximum",
			(json_int_t)(r ? r->max : UINT32_MAX));
		break;
	default:
		out = json_pack("{s:[s, s], s:I}", "type", "string", "number", "maxLength",
			(json_int_t)v->string.max);
	}
	if (f)
		json_object_set_new(out, "description", json_string(f->text));
	return out;
}

int command_profile_schema(const struct command_line *line, const struct conf *conf)
{
	(void)line, (void)conf;
	json_t *schema = schema_of(profile_schema.top, "");
	json_object_set_new(
		schema, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
	json_object_set_new(schema, "title", json_string("Muster profile"));
	return command_print_json(schema);
}
