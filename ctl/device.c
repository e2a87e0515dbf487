/* SPDX-License-Identifier: Apache-2.0 */
/* muster device list | show | export. Passwords only with --reveal, and that is an event. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/selector.h"
#include "ctl/site.h"

#define DEFAULT_LIMIT 1000 /* rows of a list for people; --limit asks for more */
#define WHO_MAX       320

/* Said before anything is shown, so that no reveal goes unrecorded. */
static int log_reveal(struct site *s, const char *uuid, struct error *err)
{
	char who[WHO_MAX];
	struct answer a = {0};
	return site_wait(s,
		store_audit(s->store, "reveal", uuid, site_who(who, sizeof who), "passwords shown",
			site_answered, &a, err),
		&a, err);
}

static int open_for(
	struct site *s, const struct command_line *line, const struct conf *conf, struct error *err)
{
	TRY(site_open(s, conf, err));
	return line->reveal ? site_load_keks(s, conf, err) : 0;
}

/* ---- list and export ------------------------------------------------------------------------ */

struct listing {
	const struct command_line *line;
	uint32_t left;
	json_t *rows; /* list --json */
	struct table *table;
	bool export;
	struct error err;
};

/* An end that is not a failure: enough rows. */
#define ENOUGH 1

static void show_row(struct listing *l, json_t *d)
{
	char ago[32];
	uint64_t last_ms = (uint64_t)json_integer_value(json_object_get(d, "last_ms"));
	const char *quarantine = site_text(d, "quarantine");
	table_row(l->table,
		(const char *const[]){site_text(d, "uuid"), site_text(d, "state"),
			site_text(d, "fqdn"), site_text(d, "profile"), site_text(d, "address"),
			site_text(d, "amt"), command_ago(ago, sizeof ago, last_ms),
			*quarantine ? quarantine : site_text(d, "error")});
}

static int on_uuid(struct site *s, const char *uuid, void *arg)
{
	struct listing *l = arg;
	json_t *d = NULL;
	int rc = site_device(s, uuid, l->line->reveal, &d, &l->err);
	if (rc == -ENOENT)
		return 0; /* forgotten meanwhile */
	TRY(rc);
	if (l->line->state && strcmp(l->line->state, site_text(d, "state")) != 0) {
		json_decref(d);
		return 0;
	}
	if (l->export) {
		json_dumpf(d, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(d);
	} else if (l->line->json) {
		json_array_append_new(l->rows, d);
	} else {
		show_row(l, d);
		json_decref(d);
	}
	return --l->left ? 0 : ENOUGH;
}

static int list(const struct command_line *line, const struct conf *conf, struct listing *l)
{
	struct site s;
	l->line = line;
	if (line->state && selector_state(line->state, &l->err) < 0)
		return command_fail(&l->err);
	int rc = open_for(&s, line, conf, &l->err);
	if (rc == 0 && line->reveal)
		rc = log_reveal(&s, "", &l->err);
	if (rc == 0)
		rc = site_each_device(&s, on_uuid, l, &l->err);
	site_close(&s);
	return rc < 0 ? command_fail(&l->err) : COMMAND_OK;
}

int command_device_list(const struct command_line *line, const struct conf *conf)
{
	static const char *const headings[] = {
		"UUID", "STATE", "NAME", "PROFILE", "ADDRESS", "AMT", "LAST HELLO", "REMARK"};
	struct listing l = {
		.left = line->limit ? line->limit : DEFAULT_LIMIT, .rows = json_array()};
	l.table = table_new(headings, sizeof headings / sizeof headings[0]);
	int rc = list(line, conf, &l);
	if (rc == COMMAND_OK && line->json)
		command_print_json(json_incref(l.rows));
	if (!line->json && rc == COMMAND_OK)
		table_print(l.table);
	else
		table_free(l.table);
	json_decref(l.rows);
	return rc;
}

int command_device_export(const struct command_line *line, const struct conf *conf)
{
	struct listing l = {.left = UINT32_MAX, .export = true};
	return list(line, conf, &l);
}

/* ---- show ----------------------------------------------------------------------------------- */

int command_device_show(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct uuid id;
	char uuid[UUID_TEXT_LEN + 1];
	json_t *d = NULL;
	if (uuid_parse(&id, line->args[0]) < 0) {
		error_set(&err, E_CONFIG, "\"%.60s\" is not a UUID", line->args[0]);
		return command_fail(&err);
	}
	uuid_text(&id, uuid);
	int rc = open_for(&s, line, conf, &err);
	if (rc == 0 && line->reveal)
		rc = log_reveal(&s, uuid, &err);
	if (rc == 0)
		rc = site_device(&s, uuid, line->reveal, &d, &err);
	site_close(&s);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(d);
	command_print_object(d);
	json_decref(d);
	return COMMAND_OK;
}
