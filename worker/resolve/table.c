/* SPDX-License-Identifier: Apache-2.0 */
/* CSV and YAML into one hash of rows. See table.h. */
#include "worker/resolve/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>
#include <yaml.h>

#include "common/base/clock.h"
#include "common/base/err.h"

#define TABLE_LOOK_MS  1000
#define TABLE_COLUMNS  5
#define TABLE_LINE_MAX 4096

enum column { COL_UUID, COL_FQDN, COL_PROFILE, COL_OU, COL_OTP };
static const char *const column_names[TABLE_COLUMNS] = {"uuid", "fqdn", "profile", "ou", "otp"};

/* One device; the texts follow the struct in one block: fqdn, profile, ou, each with its NUL. */
struct row {
	struct uuid uuid; /* key */
	UT_hash_handle hh;
	uint8_t otp_len;
	uint8_t otp[RESOLVE_OTP_MAX];
	char texts[];
};

struct table {
	char *path;
	struct row *rows;
	struct stat seen; /* of the content */
	uint64_t looked_ms;
};

static int column_find(const char *name)
{
	for (int i = 0; i < TABLE_COLUMNS; i++)
		if (strcmp(column_names[i], name) == 0)
			return i;
	return -1;
}

static void rows_free(struct row *rows)
{
	struct row *r, *next;
	HASH_ITER(hh, rows, r, next)
	{
		HASH_DEL(rows, r);
		explicit_bzero(r->otp, sizeof r->otp);
		free(r);
	}
}

/* Check one record and add it. */
static int row_add(struct row **rows, const char *const value[TABLE_COLUMNS], struct error *err)
{
	struct resolve_answer a = {0};
	struct uuid uuid;
	ENSURE(value[COL_UUID] && uuid_parse(&uuid, value[COL_UUID]) == 0, err, E_CONFIG,
		"uuid \"%.40s\" is not a UUID", value[COL_UUID] ? value[COL_UUID] : "");
	TRY(fqdn_set(a.fqdn, value[COL_FQDN] ? value[COL_FQDN] : "", err));
	for (int i = COL_PROFILE; i <= COL_OTP; i++)
		if (value[i])
			TRY(resolve_set_field(&a, column_names[i], value[i], err));
	struct row *r;
	HASH_FIND(hh, *rows, &uuid, sizeof uuid, r);
	ENSURE(!r, err, E_CONFIG, "uuid %s stands here a second time", value[COL_UUID]);
	size_t fqdn = strlen(a.fqdn) + 1, profile = strlen(a.profile) + 1, ou = strlen(a.ou) + 1;
	r = calloc(1, sizeof *r + fqdn + profile + ou);
	ENSURE(r, err, -ENOMEM, "no memory for the table of devices");
	r->uuid = uuid;
	r->otp_len = (uint8_t)a.otp_len;
	memcpy(r->otp, a.otp, sizeof r->otp);
	memcpy(r->texts, a.fqdn, fqdn);
	memcpy(r->texts + fqdn, a.profile, profile);
	memcpy(r->texts + fqdn + profile, a.ou, ou);
	HASH_ADD(hh, *rows, uuid, sizeof uuid, r);
	return 0;
}

/* Cut one CSV line in place (RFC 4180 quotes, no line breaks inside). @return fields or E_PARSE */
static int csv_cut(char *line, char *field[], int max)
{
	int n = 0;
	char *p = line;
	for (;;) {
		if (n == max)
			return E_PARSE;
		char *out = p;
		field[n++] = out;
		if (*p == '"') {
			for (p++; *p; p++) {
				if (*p == '"' && *++p != '"')
					break;
				*out++ = *p;
			}
			if (*p && *p != ',')
				return E_PARSE;
		} else {
			while (*p && *p != ',')
				*out++ = *p++;
		}
		bool more = *p == ',';
		*out = '\0';
		if (!more)
			return n;
		p++;
	}
}

static int csv_header(char *line, int order[TABLE_COLUMNS], struct error *err)
{
	char *field[TABLE_COLUMNS];
	int n = csv_cut(line, field, TABLE_COLUMNS);
	ENSURE(n > 0, err, E_CONFIG,
		"the first line must name the columns uuid,fqdn,profile[,ou,otp]");
	bool have[TABLE_COLUMNS] = {false};
	for (int i = 0; i < n; i++) {
		order[i] = column_find(field[i]);
		ENSURE(order[i] >= 0, err, E_CONFIG,
			"unknown column \"%.40s\"; known are uuid,fqdn,profile,ou,otp", field[i]);
		have[order[i]] = true;
	}
	ENSURE(have[COL_UUID] && have[COL_FQDN], err, E_CONFIG, "columns uuid and fqdn are needed");
	return n;
}

static int csv_line(struct row **rows, char *line, const int *order, int n, struct error *err)
{
	char *field[TABLE_COLUMNS];
	const char *value[TABLE_COLUMNS] = {NULL};
	int have = csv_cut(line, field, TABLE_COLUMNS);
	ENSURE(have == n, err, E_CONFIG, "%d fields where the first line names %d columns", have,
		n);
	for (int i = 0; i < n; i++)
		value[order[i]] = field[i][0] ? field[i] : NULL;
	return row_add(rows, value, err);
}

static int csv_read(struct row **rows, FILE *f, const char *path, struct error *err)
{
	char line[TABLE_LINE_MAX];
	int order[TABLE_COLUMNS], n = 0, rc = 0;
	unsigned long number = 0;
	while (rc >= 0 && fgets(line, sizeof line, f)) {
		number++;
		size_t len = strlen(line);
		if (len == sizeof line - 1 && line[len - 1] != '\n')
			rc = error_set(err, E_CONFIG, "line is too long");
		line[strcspn(line, "\r\n")] = '\0';
		if (rc < 0 || !line[0] || line[0] == '#')
			continue;
		if (n == 0)
			rc = n = csv_header(line, order, err);
		else
			rc = csv_line(rows, line, order, n, err);
	}
	if (rc < 0)
		return error_prefix(err, "%s:%lu", path, number);
	ENSURE(!ferror(f), err, -EIO, "%s: cannot be read", path);
	return 0;
}

/* YAML: events of a sequence of mappings of scalars. */
struct yaml_state {
	int depth;  /* 0 outside, 1 in the list, 2 in a map */
	int column; /* the key that waits for its value, or -1 */
	char *value[TABLE_COLUMNS];
};

static int yaml_scalar(struct yaml_state *st, const char *text, struct error *err)
{
	ENSURE(st->depth == 2, err, E_CONFIG, "a list of maps (uuid, fqdn, profile) is expected");
	if (st->column < 0) {
		st->column = column_find(text);
		ENSURE(st->column >= 0, err, E_CONFIG,
			"unknown key \"%.40s\"; known are uuid,fqdn,profile,ou,otp", text);
		return 0;
	}
	free(st->value[st->column]);
	st->value[st->column] = strdup(text);
	ENSURE(st->value[st->column], err, -ENOMEM, "no memory for the table of devices");
	st->column = -1;
	return 0;
}

static void yaml_clear(struct yaml_state *st)
{
	for (int i = 0; i < TABLE_COLUMNS; i++) {
		free(st->value[i]);
		st->value[i] = NULL;
	}
	st->column = -1;
}

static int yaml_event(
	struct row **rows, struct yaml_state *st, const yaml_event_t *ev, struct error *err)
{
	int rc = 0;
	switch (ev->type) {
	case YAML_SEQUENCE_START_EVENT:
		ENSURE(st->depth++ == 0, err, E_CONFIG, "a list inside a device");
		break;
	case YAML_SEQUENCE_END_EVENT: st->depth--; break;
	case YAML_MAPPING_START_EVENT:
		ENSURE(st->depth++ == 1, err, E_CONFIG, "a list of maps is expected");
		break;
	case YAML_MAPPING_END_EVENT:
		st->depth--;
		rc = row_add(rows, (const char *const *)st->value, err);
		yaml_clear(st);
		break;
	case YAML_SCALAR_EVENT:
		rc = yaml_scalar(st, (const char *)ev->data.scalar.value, err);
		break;
	case YAML_ALIAS_EVENT: rc = error_set(err, E_CONFIG, "aliases are not used here"); break;
	default: break;
	}
	return rc;
}

static int yaml_read(struct row **rows, FILE *f, const char *path, struct error *err)
{
	yaml_parser_t parser;
	ENSURE(yaml_parser_initialize(&parser), err, -ENOMEM, "%s: no memory", path);
	yaml_parser_set_input_file(&parser, f);
	struct yaml_state st = {.column = -1};
	int rc = 0;
	for (bool end = false; rc == 0 && !end;) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&parser, &ev)) {
			rc = error_set(err, E_CONFIG, "%s:%zu: %s", path,
				parser.problem_mark.line + 1,
				parser.problem ? parser.problem : "broken YAML");
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		rc = yaml_event(rows, &st, &ev, err);
		if (rc < 0)
			error_prefix(err, "%s:%zu", path, ev.start_mark.line + 1);
		yaml_event_delete(&ev);
	}
	yaml_clear(&st);
	yaml_parser_delete(&parser);
	return rc;
}

static bool is_yaml(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* Read the file into a fresh set of rows and swap it in. */
static int table_read(struct table *t, struct error *err)
{
	FILE *f = fopen(t->path, "re");
	ENSURE(f, err, -errno, "%s: %s", t->path, strerror(errno));
	struct stat st = {0};
	struct row *rows = NULL;
	int rc = fstat(fileno(f), &st) < 0 ? error_set(err, -errno, "%s", t->path) : 0;
	if (rc == 0 && (uint64_t)st.st_size > TABLE_FILE_MAX)
		rc = error_set(err, E_CONFIG, "%s: larger than %u bytes", t->path, TABLE_FILE_MAX);
	if (rc == 0)
		rc = is_yaml(t->path) ? yaml_read(&rows, f, t->path, err)
				      : csv_read(&rows, f, t->path, err);
	fclose(f);
	t->seen = st; /* a broken version is reported once, not at every look */
	if (rc < 0) {
		rows_free(rows);
		return rc;
	}
	rows_free(t->rows);
	t->rows = rows;
	return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int table_open(struct table **out, const char *path, struct error *err)
{
	struct table *t = calloc(1, sizeof *t);
	ENSURE(t, err, -ENOMEM, "no memory for the table of devices");
	t->path = strdup(path);
	int rc = t->path ? table_read(t, err) : error_set(err, -ENOMEM, "no memory");
	if (rc < 0) {
		table_close(t);
		return rc;
	}
	t->looked_ms = clock_boot_ms();
	*out = t;
	return 0;
}

/* Read the file again if it is another one than before. */
static void table_look(struct table *t, uint64_t now, struct error *err)
{
	struct stat st;
	t->looked_ms = now;
	if (stat(t->path, &st) < 0)
		error_set(err, -errno, "%s: %s; the old content stays", t->path, strerror(errno));
	else if (!same_file(&st, &t->seen))
		table_read(t, err);
}

static struct row *row_find(const struct table *t, const struct uuid *uuid)
{
	struct row *r;
	HASH_FIND(hh, t->rows, uuid, sizeof *uuid, r);
	return r;
}

bool table_find(
	struct table *t, const struct uuid *uuid, struct resolve_answer *out, struct error *err)
{
	uint64_t now = clock_boot_ms();
	bool looked = now - t->looked_ms >= TABLE_LOOK_MS;
	if (looked)
		table_look(t, now, err);
	struct row *r = row_find(t, uuid);
	if (!r && !looked) {
		/* Perhaps the row was written and the job kicked a moment ago. */
		table_look(t, now, err);
		r = row_find(t, uuid);
	}
	if (!r)
		return false;
	const char *fqdn = r->texts, *profile = fqdn + strlen(fqdn) + 1;
	const char *ou = profile + strlen(profile) + 1;
	out->result = RESOLVE_FOUND;
	out->source = "table";
	snprintf(out->fqdn, sizeof out->fqdn, "%s", fqdn);
	snprintf(out->profile, sizeof out->profile, "%s", profile);
	snprintf(out->ou, sizeof out->ou, "%s", ou);
	memcpy(out->otp, r->otp, sizeof out->otp);
	out->otp_len = r->otp_len;
	return true;
}

size_t table_size(const struct table *t)
{
	return HASH_COUNT(t->rows);
}

void table_touch(struct table *t)
{
	t->looked_ms = 0;
}

void table_close(struct table *t)
{
	if (!t)
		return;
	rows_free(t->rows);
	free(t->path);
	free(t);
}
