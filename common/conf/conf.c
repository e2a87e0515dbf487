/* SPDX-License-Identifier: Apache-2.0 */
/* The layers: defaults, file, conf.d, environment; then the checks. Threads: conf_load() reads the
 * environment, so call it before threads that might change it. */
#include "common/conf/conf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/conf/check.h"
#include "common/conf/schema.h"

/* One value of the environment as YAML: nesting and a quoted value. */
#define ENV_TEXT_MAX 8192
#define ENV_PREFIX   "MUSTER_"

/* ---- conf.d ----------------------------------------------------------------------------- */

static int is_yaml_file(const struct dirent *e)
{
	size_t len = strlen(e->d_name);
	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".yaml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int overlay_dir(
	const char *dir, struct yaml_marks *marks, struct conf *conf, struct error *err)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_yaml_file, by_name);
	if (n < 0 && errno == ENOENT)
		return 0; /* the directory is optional */
	ENSURE(n >= 0, err, -errno, "%s: %s", dir, strerror(errno));
	int rc = 0;
	for (int i = 0; i < n; i++) {
		char path[CONF_PATH_MAX];
		if (rc == 0 && snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name) >=
				       (int)sizeof path)
			rc = error_set(err, E_CONFIG, "%s: path too long", names[i]->d_name);
		if (rc == 0)
			rc = yaml_overlay_file(&conf_schema, path, marks, conf, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

/* ---- environment ------------------------------------------------------------------------ */

/* Whether name is "<KEY>" or, with rest pointing behind it, "<KEY>_...". */
static bool env_name_is(const char *name, size_t len, const char *key, const char **rest)
{
	size_t key_len = strlen(key);
	if (len < key_len)
		return false;
	for (size_t i = 0; i < key_len; i++) {
		if (name[i] != toupper((unsigned char)key[i]))
			return false;
	}
	*rest = name + key_len;
	return len == key_len || name[key_len] == '_';
}

/* The row that NAME of MUSTER_NAME means; appends the keys on the way there to yaml as nested
 * block mappings. NULL if there is none. */
static const cyaml_schema_field_t *env_find(
	const cyaml_schema_field_t *rows, const char *name, size_t len, int depth, struct buf *yaml)
{
	for (; rows->key; rows++) {
		const char *rest;
		if (!env_name_is(name, len, rows->key, &rest))
			continue;
		size_t yaml_len = yaml->len;
		size_t rest_len = len - (size_t)(rest - name);
		if (buf_addf(yaml, "%*s%s:", depth, "", rows->key) < 0)
			return NULL;
		if (rest_len == 0 && rows->value.type != CYAML_MAPPING)
			return rows;
		if (rest_len > 1 && rows->value.type == CYAML_MAPPING &&
			buf_adds(yaml, "\n") == 0) {
			const cyaml_schema_field_t *found = env_find(rows->value.mapping.fields,
				rest + 1, rest_len - 1, depth + 1, yaml);
			if (found)
				return found;
		}
		yaml->len = yaml_len;
	}
	return NULL;
}

/* A scalar is quoted, so that it is taken as it stands; a list is YAML: ["a", "b"]. */
static int env_add_value(struct buf *yaml, const cyaml_schema_field_t *row, const char *value)
{
	if (row->value.type == CYAML_SEQUENCE)
		return buf_addf(yaml, " %s\n", value);
	TRY(buf_adds(yaml, " \""));
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			TRY(buf_adds(yaml, "\\"));
		TRY((unsigned char)*p < 0x20 ? buf_addf(yaml, "\\x%02x", (unsigned char)*p)
					     : buf_add(yaml, p, 1));
	}
	return buf_adds(yaml, "\"\n");
}

/* A Service named muster-listener makes Kubernetes set MUSTER_LISTENER_PORT and others. */
static bool is_kubernetes_name(const char *rest)
{
	return strncmp(rest, "_SERVICE_", 9) == 0 || strcmp(rest, "_PORT") == 0 ||
	       strncmp(rest, "_PORT_", 6) == 0;
}

/* A variable of a section that has no such key is a slip; other MUSTER_* are not ours. */
static int env_unknown(const char *name, size_t len, struct error *err)
{
	const char *rest;
	for (const cyaml_schema_field_t *s = conf_schema.top->mapping.fields; s->key; s++) {
		if (!env_name_is(name, len, s->key, &rest))
			continue;
		char tail[64];
		snprintf(tail, sizeof tail, "%.*s", (int)(len - (size_t)(rest - name)), rest);
		if (!is_kubernetes_name(tail))
			return error_set(err, E_CONFIG,
				"environment " ENV_PREFIX "%.*s: section %s has no such key",
				(int)len, name, s->key);
	}
	return 0;
}

static int overlay_variable(
	const char *entry, struct yaml_marks *marks, struct conf *conf, struct error *err)
{
	const char *name = entry + strlen(ENV_PREFIX), *equals = strchr(name, '=');
	if (!equals)
		return 0;
	size_t len = (size_t)(equals - name);
	struct buf yaml;
	buf_init(&yaml, ENV_TEXT_MAX);
	const cyaml_schema_field_t *row =
		env_find(conf_schema.top->mapping.fields, name, len, 0, &yaml);
	if (!row) {
		buf_free(&yaml);
		return env_unknown(name, len, err);
	}
	char source[128];
	snprintf(source, sizeof source, "environment " ENV_PREFIX "%.*s", (int)len, name);
	int rc = env_add_value(&yaml, row, equals + 1);
	if (rc < 0)
		error_set(err, rc, "%s: %s", source, error_name(rc));
	else
		rc = yaml_overlay(&conf_schema, (const char *)yaml.data, yaml.len, source, false,
			marks, conf, err);
	buf_free(&yaml);
	return rc;
}

static int overlay_environment(struct yaml_marks *marks, struct conf *conf, struct error *err)
{
	for (char **e = environ; e && *e; e++) {
		if (strncmp(*e, ENV_PREFIX, strlen(ENV_PREFIX)) == 0)
			TRY(overlay_variable(*e, marks, conf, err));
	}
	return 0;
}

/* ---- interface -------------------------------------------------------------------------- */

static int load_layers(
	const char *path, struct yaml_marks *marks, struct conf *conf, struct error *err)
{
	char copy[CONF_PATH_MAX], dir[CONF_PATH_MAX + 8];
	ENSURE(strlen(path) < sizeof copy, err, E_CONFIG, "%s: path too long", path);
	snprintf(copy, sizeof copy, "%s", path);
	snprintf(dir, sizeof dir, "%s/conf.d", dirname(copy));
	TRY(yaml_overlay_file(&conf_schema, path, marks, conf, err));
	TRY(overlay_dir(dir, marks, conf, err));
	TRY(overlay_environment(marks, conf, err));
	return conf_check(conf, marks, err);
}

static int load_text(const char *text, const char *name, struct yaml_marks *marks,
	struct conf *conf, struct error *err)
{
	TRY(yaml_overlay(&conf_schema, text, strlen(text), name, true, marks, conf, err));
	return conf_check(conf, marks, err);
}

/* path, or text under the name path. */
static int load(const char *path, const char *text, struct conf *out, struct error *err)
{
	struct conf *conf = malloc(sizeof *conf); /* too large for a stack */
	ENSURE(conf, err, -ENOMEM, "%s: out of memory", path);
	conf_defaults(conf);
	struct yaml_marks marks;
	yaml_marks_init(&marks);
	int rc = text ? load_text(text, path, &marks, conf, err)
		      : load_layers(path, &marks, conf, err);
	if (rc == 0)
		*out = *conf;
	yaml_marks_free(&marks);
	free(conf);
	return rc;
}

int conf_load(const char *path, struct conf *out, struct error *err)
{
	return load(path, NULL, out, err);
}

int conf_load_text(const char *text, const char *name, struct conf *out, struct error *err)
{
	return load(name, text, out, err);
}

int conf_print(const struct conf *conf, struct buf *out, struct error *err)
{
	return yaml_print(&conf_schema, conf, out, err);
}
