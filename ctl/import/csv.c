/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV after RFC 4180: quotes, doubled quotes, line breaks inside quotes, CR LF or LF. The first
 * record names the columns. Besides: empty lines, and lines that begin with #, are skipped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/import/list.h"

#define COLUMNS_MAX 32
#define RECORD_MAX  65536

struct csv {
	const char *at, *end;
	uint32_t line;  /* that is read, from 1 */
	uint32_t first; /* of the present record */
	char *text; /* of the present record: values, each with a NUL; never moved, may be secret */
	size_t used, n, from[COLUMNS_MAX], len[COLUMNS_MAX];
};

static bool at_eol(const struct csv *c)
{
	return c->at == c->end || *c->at == '\n' ||
	       (*c->at == '\r' && (c->at + 1 == c->end || c->at[1] == '\n'));
}

static void skip_eol(struct csv *c)
{
	if (c->at < c->end && *c->at == '\r')
		c->at++;
	if (c->at < c->end && *c->at == '\n')
		c->at++;
	c->line++;
}

static int take(struct csv *c, struct error *err)
{
	if (*c->at == '\n')
		c->line++;
	ENSURE(c->used < RECORD_MAX, err, E_CONFIG, "line %u: longer than %d bytes", c->first,
		RECORD_MAX);
	c->text[c->used++] = *c->at++;
	return 0;
}

static int quoted(struct csv *c, struct error *err)
{
	uint32_t opened = c->line;
	c->at++;
	for (;; c->at++) {
		while (c->at < c->end && *c->at != '"')
			TRY(take(c, err));
		ENSURE(c->at < c->end, err, E_CONFIG, "line %u: a quote is opened and never closed",
			opened);
		c->at++;
		if (c->at == c->end || *c->at != '"')
			break;
		c->at--; /* a doubled quote is one */
		TRY(take(c, err));
	}
	ENSURE(at_eol(c) || *c->at == ',', err, E_CONFIG,
		"line %u: text after a closing quote; write a quote inside quotes twice", c->line);
	return 0;
}

static int plain(struct csv *c, struct error *err)
{
	while (!at_eol(c) && *c->at != ',') {
		ENSURE(*c->at != '"', err, E_CONFIG,
			"line %u: a quote inside a value that does not begin with one", c->line);
		TRY(take(c, err));
	}
	return 0;
}

/* The next record. @return 1; 0 = the end; E_CONFIG */
static int next_record(struct csv *c, struct error *err)
{
	while (c->at < c->end && (at_eol(c) || *c->at == '#')) {
		while (!at_eol(c))
			c->at++;
		skip_eol(c);
	}
	if (c->at == c->end)
		return 0;
	c->used = 0;
	c->first = c->line;
	for (c->n = 0;; c->at++) {
		ENSURE(c->n < COLUMNS_MAX, err, E_CONFIG, "line %u: more than %d values", c->first,
			COLUMNS_MAX);
		c->from[c->n] = c->used;
		TRY(c->at < c->end && *c->at == '"' ? quoted(c, err) : plain(c, err));
		c->len[c->n] = c->used - c->from[c->n];
		c->text[c->used++] = '\0'; /* there is room: see import_csv() */
		c->n++;
		if (at_eol(c))
			break;
	}
	skip_eol(c);
	return 1;
}

static const char *value(const struct csv *c, size_t i)
{
	return c->text + c->from[i];
}

/* A file without a header begins with values, perhaps a password: nothing of it is quoted before
 * one column is known to be a header's. */
static int read_header(
	const struct csv *c, enum import_field order[static COLUMNS_MAX], struct error *err)
{
	bool have[IMPORT_FIELDS + 1] = {false};
	for (size_t i = 0; i < c->n; i++)
		have[order[i] = import_field_find(value(c, i))] = true;
	ENSURE(have[IMPORT_UUID], err, E_CONFIG,
		"line %u: the first line must name the columns, uuid among them: uuid,name,"
		"profile,ou,tags,address,password,fingerprint,tls",
		c->first);
	bool seen[IMPORT_FIELDS] = {false};
	for (size_t i = 0; i < c->n; i++) {
		ENSURE(order[i] < IMPORT_FIELDS, err, E_CONFIG,
			"line %u: unknown column \"%.40s\"; known are uuid, name, profile, ou, "
			"tags, address, password, fingerprint, tls",
			c->first, value(c, i));
		ENSURE(!seen[order[i]], err, E_CONFIG, "line %u: column \"%.40s\" stands twice",
			c->first, value(c, i));
		seen[order[i]] = true;
	}
	return 0;
}

static int read_row(struct import_list *list, const struct csv *c,
	const enum import_field order[static COLUMNS_MAX], size_t n_columns, struct error *err)
{
	struct import_row *row = import_list_add(list, err);
	if (!row)
		return err->code;
	row->line = c->first;
	if (c->n != n_columns) { /* what stands where is not known: keep nothing of it */
		import_refuse(row, "", "quote values that hold a comma",
			"%zu values where the first line names %zu columns", c->n, n_columns);
		return 0;
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->len[i])
			import_set(row, order[i], value(c, i), c->len[i]);
	return 0;
}

static int read_all(struct import_list *list, struct csv *c, struct error *err)
{
	enum import_field order[COLUMNS_MAX];
	int rc = next_record(c, err);
	size_t n_columns = c->n;
	ENSURE(rc != 0, err, E_CONFIG, "it is empty");
	if (rc > 0)
		rc = read_header(c, order, err);
	while (rc >= 0 && (rc = next_record(c, err)) > 0)
		rc = read_row(list, c, order, n_columns, err);
	return rc;
}

int import_csv(struct import_list *list, const char *text, size_t len, struct error *err)
{
	struct csv c = {.at = text, .end = text + len, .line = 1};
	c.text = malloc(RECORD_MAX + COLUMNS_MAX); /* and a NUL for each value */
	ENSURE(c.text, err, -ENOMEM, "out of memory");
	int rc = read_all(list, &c, err);
	explicit_bzero(c.text, RECORD_MAX + COLUMNS_MAX);
	free(c.text);
	return rc;
}
