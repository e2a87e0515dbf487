/* SPDX-License-Identifier: Apache-2.0 */
/* Walks along the libcyaml tables, with the values or without. See profile_walk.h. */
#include "common/conf/profile_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ----------------------------------------------------------------------------- */

struct walk {
	profile_each_fn each;
	void *arg;
};

static void scalar(const cyaml_schema_value_t *v, const char *at, char *out, size_t out_len)
{
	uint32_t number = 0;
	switch (v->type) {
	case CYAML_BOOL: snprintf(out, out_len, "%s", *(const bool *)at ? "true" : "false"); return;
	case CYAML_STRING: snprintf(out, out_len, "%s", at); return;
	case CYAML_ENUM:
		memcpy(&number, at, sizeof number);
		for (uint32_t i = 0; i < v->enumeration.count; i++)
			if ((uint32_t)v->enumeration.strings[i].val == number)
				snprintf(out, out_len, "%s", v->enumeration.strings[i].str);
		return;
	default: memcpy(&number, at, sizeof number); snprintf(out, out_len, "%u", number);
	}
}

static void list_text(const cyaml_schema_value_t *entry, const char *at, size_t size, uint32_t n,
	char out[static PROFILE_VALUE_MAX])
{
	size_t len = 0;
	out[0] = '\0';
	for (uint32_t i = 0; i < n && len + 2 < PROFILE_VALUE_MAX; i++) {
		len += (size_t)snprintf(out + len, PROFILE_VALUE_MAX - len, "%s", i ? ", " : "");
		scalar(entry, at + i * size, out + len, PROFILE_VALUE_MAX - len);
		len = strlen(out);
	}
}

static void walk_mapping(const struct walk *w, const cyaml_schema_value_t *v, const char *path,
	const char *at, const char *plain);

/* What an entry of a list holds when nothing is written; NULL = zeros. */
static const void *entry_default(const char *path)
{
	const struct yaml_entry_defaults *d = profile_schema.entry_defaults;
	while (d->path && strcmp(d->path, path) != 0)
		d++;
	return d->entry;
}

static void walk_list(
	const struct walk *w, const cyaml_schema_field_t *f, const char *path, const char *at)
{
	static const struct profile zeros;
	const cyaml_schema_value_t *entry = f->value.sequence.entry;
	char text[PROFILE_VALUE_MAX], inner[YAML_PATH_MAX + sizeof "[4294967295]"];
	uint32_t n;
	memcpy(&n, at + f->count_offset, sizeof n);
	if (entry->type != CYAML_MAPPING) {
		list_text(entry, at + f->data_offset, f->value.data_size, n, text);
		w->each(path, text, n == 0, w->arg);
		return;
	}
	const void *plain = entry_default(path);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(inner, sizeof inner, "%s[%u]", path, i);
		walk_mapping(w, entry, inner, at + f->data_offset + i * f->value.data_size,
			plain ? plain : (const void *)&zeros);
	}
}

static void walk_mapping(const struct walk *w, const cyaml_schema_value_t *v, const char *path,
	const char *at, const char *plain)
{
	char text[PROFILE_VALUE_MAX], usual[PROFILE_VALUE_MAX], inner[YAML_PATH_MAX];
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", f->key);
		if (f->value.type == CYAML_MAPPING) {
			walk_mapping(
				w, &f->value, inner, at + f->data_offset, plain + f->data_offset);
		} else if (f->value.type == CYAML_SEQUENCE) {
			walk_list(w, f, inner, at);
		} else {
			scalar(&f->value, at + f->data_offset, text, sizeof text);
			scalar(&f->value, plain + f->data_offset, usual, sizeof usual);
			w->each(inner, text, strcmp(text, usual) == 0, w->arg);
		}
	}
}

void profile_walk(const struct profile *p, profile_each_fn each, void *arg)
{
	const struct walk w = {each, arg};
	walk_mapping(&w, profile_schema.top, "", (const char *)p, (const char *)&profile_none);
}

/* ---- keys ------------------------------------------------------------------------------- */

static void walk_keys(
	const cyaml_schema_value_t *v, const char *path, profile_key_fn each, void *arg)
{
	char inner[YAML_PATH_MAX];
	for (const cyaml_schema_field_t *f = v->mapping.fields; f->key; f++) {
		const cyaml_schema_value_t *value = &f->value;
		bool entries = value->type == CYAML_SEQUENCE &&
			       value->sequence.entry->type == CYAML_MAPPING;
		snprintf(inner, sizeof inner, "%s%s%s%s", path, *path ? "." : "", f->key,
			entries ? "[]" : "");
		if (entries)
			walk_keys(value->sequence.entry, inner, each, arg);
		else if (value->type == CYAML_MAPPING)
			walk_keys(value, inner, each, arg);
		else
			each(inner, value, arg);
	}
}

void profile_walk_keys(profile_key_fn each, void *arg)
{
	walk_keys(profile_schema.top, "", each, arg);
}

/* ---- releases --------------------------------------------------------------------------- */

const char *profile_field_lack(
	const struct profile_field *f, unsigned release, char *out, size_t out_len)
{
	if (!release)
		return NULL;
	if (f->since && release < f->since)
		snprintf(out, out_len, "from AMT %u.%u on", f->since / 100, f->since % 100);
	else if (f->before && release >= f->before)
		snprintf(out, out_len, "before AMT %u.%u", f->before / 100, f->before % 100);
	else
		return NULL;
	return out;
}

const char *profile_field_note(
	const struct profile_field *f, unsigned release, char *out, size_t out_len)
{
	char who[sizeof "AMT 4294967295.4294967295"], how[64];
	unsigned limit = f->since ? f->since : f->before;
	/* Without a release: the nearest one that cannot do it. */
	if (!limit || !profile_field_lack(f,
			      release    ? release
			      : f->since ? limit - 1
					 : limit,
			      how, sizeof how))
		return NULL;
	snprintf(who, sizeof who, "AMT %u.%u", (release ? release : limit) / 100,
		(release ? release : limit) % 100);
	if (release)
		snprintf(out, out_len, "%s has no %s; it exists %s", who, f->object, how);
	else if (f->since)
		snprintf(out, out_len, "releases before %s have no %s; it exists %s", who,
			f->object, how);
	else
		snprintf(
			out, out_len, "%s and later have no %s; it exists %s", who, f->object, how);
	return out;
}

#define RELEASE_PARTS_MAX 4  /* major, minor, fix, build */
#define RELEASE_MAX       99 /* AMT_RELEASE() has two digits for each */

unsigned amt_release_parse(const char *text)
{
	unsigned parts[RELEASE_PARTS_MAX] = {0}, n = 0;
	for (const char *p = text; p; p++) {
		size_t digits = strspn(p, "0123456789");
		if (digits == 0 || digits > 5 || n == RELEASE_PARTS_MAX)
			return 0;
		parts[n++] = (unsigned)strtoul(p, NULL, 10);
		p += digits;
		if (*p == '\0')
			break;
		if (*p != '.')
			return 0;
	}
	bool ok = parts[0] >= 1 && parts[0] <= RELEASE_MAX && parts[1] <= RELEASE_MAX;
	return ok ? AMT_RELEASE(parts[0], parts[1]) : 0;
}
