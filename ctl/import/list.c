/* SPDX-License-Identifier: Apache-2.0 */
/* Rows, and which parser reads a file. See list.h. */
#include "ctl/import/list.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROWS_FIRST 256

static const char *const formats[IMPORT_FORMATS] = {"any", "csv", "json", "meshcentral", "dmt"};
static const char *const fields[IMPORT_FIELDS] = {
	"uuid", "name", "profile", "ou", "tags", "address", "password", "fingerprint", "tls"};

const char *import_format_name(enum import_format format)
{
	return formats[format];
}

enum import_format import_format_find(const char *name)
{
	for (int i = IMPORT_CSV; i < IMPORT_FORMATS; i++)
		if (strcmp(formats[i], name) == 0)
			return (enum import_format)i;
	return IMPORT_ANY;
}

const char *import_field_name(enum import_field field)
{
	return fields[field];
}

enum import_field import_field_find(const char *name)
{
	int i = 0;
	while (i < IMPORT_FIELDS && strcasecmp(fields[i], name) != 0)
		i++;
	return strcasecmp(name, "fqdn") == 0 ? IMPORT_NAME : (enum import_field)i;
}

struct import_row *import_list_add(struct import_list *list, struct error *err)
{
	if (list->n == IMPORT_ROWS_MAX) {
		error_set(
			err, E_LIMIT, "more than %d devices: import it in parts", IMPORT_ROWS_MAX);
		return NULL;
	}
	if (list->n == list->max) {
		size_t max = list->max ? 2 * list->max : ROWS_FIRST;
		/* Rows hold only pointers to what is secret: moving them leaves no copy behind. */
		struct import_row *rows = realloc(list->rows, max * sizeof *rows);
		if (!rows) {
			error_set(err, -ENOMEM, "no memory for %zu devices", max);
			return NULL;
		}
		list->rows = rows;
		list->max = max;
	}
	struct import_row *row = &list->rows[list->n++];
	*row = (struct import_row){.field = "", .fix = ""};
	return row;
}

void import_list_free(struct import_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		for (int k = 0; k < IMPORT_FIELDS; k++)
			secret_free(&list->rows[i].value[k]);
	free(list->rows);
	*list = (struct import_list){0};
}

void import_refuse(struct import_row *row, const char *field, const char *fix, const char *fmt, ...)
{
	va_list ap;
	if (row->result == IMPORT_REFUSED)
		return;
	row->result = IMPORT_REFUSED;
	row->field = field;
	row->fix = fix;
	va_start(ap, fmt);
	vsnprintf(row->why, sizeof row->why, fmt, ap);
	va_end(ap);
}

void import_set(struct import_row *row, enum import_field field, const char *text, size_t len)
{
	if (len > IMPORT_VALUE_MAX) {
		import_refuse(
			row, fields[field], "shorten it", "longer than %d bytes", IMPORT_VALUE_MAX);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (!iscntrl((unsigned char)text[i]))
			continue;
		import_refuse(row, fields[field], "take it out",
			"byte %zu of it is a control character", i + 1);
		return;
	}
	if (secret_set(&row->value[field], text, len) < 0)
		import_refuse(row, fields[field], "import less at a time", "no memory for it");
}

const char *import_text(const struct import_row *row, enum import_field field)
{
	return secret_text(&row->value[field]);
}

int import_parse(struct import_list *list, const char *text, size_t len, enum import_format format,
	struct error *err)
{
	static const char mark[] = "\xef\xbb\xbf"; /* UTF-8, as spreadsheets write it */
	if (len >= 3 && memcmp(text, mark, 3) == 0) {
		text += 3;
		len -= 3;
	}
	ENSURE(!memchr(text, '\0', len), err, E_CONFIG,
		"it holds NUL bytes: save it as UTF-8 text");
	size_t skip = strspn(text, " \t\r\n");
	ENSURE(skip < len, err, E_CONFIG, "it is empty");
	bool json = text[skip] == '[' || text[skip] == '{';
	list->format = format == IMPORT_ANY && !json ? IMPORT_CSV : format;
	if (list->format == IMPORT_CSV)
		TRY(import_csv(list, text, len, err));
	else
		TRY(import_json(list, text, len, format, err));
	ENSURE(list->n > 0, err, E_CONFIG, "no device in it");
	return 0;
}
