/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/common/pki/csv.h"

#include "tests/proto/vectors.h"

#include <stdbool.h>
#include <string.h>

enum { FIELDS_MAX = 16 };

/* Cut the line into fields where it stands; quotes are dropped. */
static size_t split(char *line, char **fields)
{
	size_t n = 0;
	bool quoted = false;
	char *out = line;
	fields[n++] = line;
	for (const char *in = line; *in; in++) {
		if (*in == '"') {
			quoted = !quoted;
		} else if (*in == ',' && !quoted && n < FIELDS_MAX) {
			*out++ = '\0';
			fields[n++] = out;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return n;
}

size_t csv_each(const char *dir, const char *name, void (*fn)(char **fields, size_t n))
{
	struct buf text;
	char *fields[FIELDS_MAX], *save = NULL;
	size_t n_lines = 0;
	vectors_load(&text, dir, name);
	buf_add(&text, "", 1);
	strtok_r((char *)text.data, "\r\n", &save);
	for (char *line; (line = strtok_r(NULL, "\r\n", &save)); n_lines++) {
		size_t n = split(line, fields);
		fn(fields, n);
	}
	buf_free(&text);
	return n_lines;
}
