/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster profile check | show | diff | list | docs: profiles before they are used. What is said of
 * a key comes from common/conf/profile_fields.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/conf/profile_walk.h"
#include "ctl/command.h"
#include "ctl/site.h"

#define PRINT_MAX 262144
#define LACK_MAX  64
#define NOTE_MAX  256 /* the longest object of a key and two releases */

/* The release of --amt, or that of the device of --for. @return 0 with 0 = none was asked for */
static int wanted_release(const struct command_line *line, const struct conf *conf,
	unsigned *release, char *profile, size_t profile_len, struct error *err)
{
	struct site s;
	struct uuid id;
	char uuid[UUID_TEXT_LEN + 1];
	json_t *d = NULL;
	*release = 0;
	if (line->amt) {
		*release = amt_release_parse(line->amt);
		ENSURE(*release, err, E_CONFIG,
			"--amt \"%.20s\" is not a release of Intel AMT; write it as 11.8 or "
			"16.1.25",
			line->amt);
	}
	if (!line->device)
		return 0;
	ENSURE(uuid_parse(&id, line->device) == 0, err, E_CONFIG, "--for \"%.60s\" is not a UUID",
		line->device);
	uuid_text(&id, uuid);
	int rc = site_open(&s, conf, err);
	if (rc == 0)
		rc = site_device(&s, uuid, false, &d, err);
	site_close(&s);
	if (rc < 0)
		return rc;
	*release = amt_release_parse(site_text(d, "amt"));
	snprintf(profile, profile_len, "%s", site_text(d, "profile"));
	json_decref(d);
	ENSURE(*release, err, E_STATE, "%s has not told its release yet; say --amt", line->device);
	return 0;
}

/* ---- check ---------------------------------------------------------------------------------- */

struct checking {
	struct yaml_marks marks; /* of the present file */
	const struct command_line *line;
	unsigned release;
	json_t *notes;
};

/* A key that is used and that some releases (or the one asked for) cannot do. */
static void note_release(const char *path, const char *value, bool is_default, void *arg)
{
	struct checking *c = arg;
	char why[NOTE_MAX];
	const struct profile_field *f = profile_field_find(path);
	const char *where = yaml_mark_where(&c->marks, path);
	if (is_default || !f || !where || !profile_field_note(f, c->release, why, sizeof why))
		return;
	json_array_append_new(
		c->notes, json_sprintf("%s: %s: %s (\"%s\" ends there as \"not applicable\")",
				  where, path, why, value));
}

static void check_one(
	struct checking *c, const char *path, const char *masters_dir, json_t *findings)
{
	struct error err = {0};
	struct profile *p = malloc(sizeof *p);
	struct yaml_marks *marks = &c->marks;
	yaml_marks_init(marks);
	if (!p)
		json_array_append_new(findings, json_string("out of memory"));
	else if (profile_load_marks(p, path, masters_dir, marks, &err) < 0)
		json_array_append_new(findings, json_string(err.text));
	else
		profile_walk(p, note_release, c);
	yaml_marks_free(marks);
	free(p);
}

static void check_directory(
	struct checking *c, const struct conf *conf, json_t *findings, size_t *n_checked)
{
	struct profile_set set = {0};
	struct error err = {0};
	if (profile_set_load(&set, conf->worker.profiles_dir, conf->keys.masters_dir, &err) < 0)
		json_array_append_new(findings, json_string(err.text));
	for (size_t i = 0; i < set.n; i++) {
		char path[CONF_PATH_MAX + CONF_TEXT_MAX + sizeof "/.yaml"];
		snprintf(path, sizeof path, "%s/%s.yaml", conf->worker.profiles_dir,
			set.items[i]->name);
		check_one(c, path, conf->keys.masters_dir, findings);
	}
	*n_checked = set.n;
	profile_set_free(&set);
}

int command_profile_check(const struct command_line *line, const struct conf *conf)
{
	char of_device[CONF_TEXT_MAX];
	struct error err = {0};
	struct checking c = {.line = line, .notes = json_array()};
	json_t *findings = json_array(), *item;
	size_t n_checked = line->n_args, i;
	if (wanted_release(line, conf, &c.release, of_device, sizeof of_device, &err) < 0) {
		json_decref(findings);
		json_decref(c.notes);
		return command_fail(&err);
	}
	for (i = 0; i < line->n_args; i++)
		check_one(&c, line->args[i], conf->keys.masters_dir, findings);
	if (line->n_args == 0)
		check_directory(&c, conf, findings, &n_checked);
	bool good = json_array_size(findings) == 0;
	if (line->json) {
		command_print_json(json_pack("{s:b, s:i, s:o, s:o}", "accept", good, "profiles",
			(int)n_checked, "findings", findings, "notes", c.notes));
		return good ? COMMAND_OK : COMMAND_FAILED;
	}
	json_array_foreach(findings, i, item) puts(json_string_value(item));
	json_array_foreach(c.notes, i, item) printf("note: %s\n", json_string_value(item));
	if (good)
		printf("%zu profiles, all good\n", n_checked);
	json_decref(findings);
	json_decref(c.notes);
	return good ? COMMAND_OK : COMMAND_FAILED;
}

/* ---- show, diff, list ----------------------------------------------------------------------- */

struct shown {
	unsigned release;
	json_t *keys;
};

static void show_key(const char *path, const char *value, bool is_default, void *arg)
{
	struct shown *s = arg;
	char why[LACK_MAX];
	const struct profile_field *f = profile_field_find(path);
	(void)is_default;
	if (f && profile_field_lack(f, s->release, why, sizeof why))
		json_object_set_new(s->keys, path, json_sprintf("not applicable: %s", why));
	else
		json_object_set_new(s->keys, path, json_string(value));
}

/* A profile as {"path": "value"}, by what a release makes of it. @return NULL with err */
static json_t *keys_of(
	const struct conf *conf, const char *name, unsigned release, struct error *err)
{
	struct shown s = {release, NULL};
	struct profile *p = malloc(sizeof *p);
	if (!p)
		error_set(err, -ENOMEM, "out of memory");
	else if (profile_load(p, conf->worker.profiles_dir, name, NULL, err) == 0 &&
		 (s.keys = json_object()))
		profile_walk(p, show_key, &s);
	free(p);
	return s.keys;
}

static int show_yaml(const struct conf *conf, const char *name)
{
	struct error err = {0};
	struct buf text;
	struct profile *p = malloc(sizeof *p);
	buf_init(&text, PRINT_MAX);
	int rc = p ? profile_load(p, conf->worker.profiles_dir, name, NULL, &err)
		   : error_set(&err, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = profile_print(p, &text, &err);
	if (rc == 0)
		fwrite(text.data, 1, text.len, stdout);
	buf_free(&text);
	free(p);
	return rc < 0 ? command_fail(&err) : COMMAND_OK;
}

int command_profile_show(const struct command_line *line, const struct conf *conf)
{
	char of_device[CONF_TEXT_MAX] = "";
	struct error err = {0};
	unsigned release = 0;
	if (wanted_release(line, conf, &release, of_device, sizeof of_device, &err) < 0)
		return command_fail(&err);
	const char *name = line->n_args ? line->args[0] : of_device;
	if (!name[0]) {
		fputs("usage: muster profile show NAME [--for UUID | --amt RELEASE] [--json]\n",
			stderr);
		return COMMAND_USAGE;
	}
	if (!release && !line->json)
		return show_yaml(conf, name);
	json_t *keys = keys_of(conf, name, release, &err);
	if (!keys)
		return command_fail(&err);
	if (line->json)
		return command_print_json(keys);
	const char *path;
	json_t *value;
	json_object_foreach(keys, path, value) printf("%-44s %s\n", path, json_string_value(value));
	json_decref(keys);
	return COMMAND_OK;
}

static void add_change(json_t *changes, const char *path, json_t *a, json_t *b)
{
	if (!json_equal(a, b))
		json_array_append_new(
			changes, json_pack("{s:s, s:O?, s:O?}", "key", path, "from", a, "to", b));
}

int command_profile_diff(const struct command_line *line, const struct conf *conf)
{
	char of_device[CONF_TEXT_MAX];
	struct error err = {0};
	unsigned release;
	if (wanted_release(line, conf, &release, of_device, sizeof of_device, &err) < 0)
		return command_fail(&err);
	json_t *a = keys_of(conf, line->args[0], release, &err);
	json_t *b = a ? keys_of(conf, line->args[1], release, &err) : NULL;
	json_t *changes = json_array(), *value;
	const char *path;
	size_t i;
	if (!b) {
		json_decref(a);
		json_decref(changes);
		return command_fail(&err);
	}
	json_object_foreach(a, path, value)
		add_change(changes, path, value, json_object_get(b, path));
	json_object_foreach(b, path, value) if (!json_object_get(a, path))
		add_change(changes, path, NULL, value);
	json_decref(a);
	json_decref(b);
	if (line->json)
		return command_print_json(changes);
	json_array_foreach(changes, i, value) printf("%-44s %s -> %s\n", site_text(value, "key"),
		site_text(value, "from"), site_text(value, "to"));
	json_decref(changes);
	return COMMAND_OK;
}

int command_profile_list(const struct command_line *line, const struct conf *conf)
{
	static const char *const headings[] = {"NAME", "EXTENDS", "TAGS"};
	struct profile_set set = {0};
	struct error err = {0};
	if (profile_set_load(&set, conf->worker.profiles_dir, NULL, &err) < 0)
		return command_fail(&err);
	struct table *t = table_new(headings, 3);
	json_t *all = json_array();
	for (size_t i = 0; i < set.n; i++) {
		const struct profile *p = set.items[i];
		char tags[PROFILE_TAGS_MAX * (PROFILE_NAME_MAX + 2)] = "";
		for (uint32_t k = 0; k < p->n_tags; k++)
			snprintf(tags + strlen(tags), sizeof tags - strlen(tags), "%s%s",
				k ? " " : "", p->tags[k]);
		table_row(t, (const char *const[]){p->name, p->extends, tags});
		json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "name", p->name, "extends",
						   p->extends, "tags", tags));
	}
	profile_set_free(&set);
	if (!line->json) {
		table_print(t);
		json_decref(all);
		return COMMAND_OK;
	}
	table_free(t);
	return command_print_json(all);
}
