/* SPDX-License-Identifier: Apache-2.0 */
/* How commands answer: one-line errors, JSON, tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "ctl/command.h"

struct table {
	size_t n_columns, n_rows;
	char **cells; /* n_rows * n_columns, the headings first */
};

int command_fail(const struct error *err)
{
	fprintf(stderr, "muster: %s\n", err->text[0] ? err->text : error_name(err->code));
	return COMMAND_FAILED;
}

int command_print_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(value);
	return COMMAND_OK;
}

struct table *table_new(const char *const *headings, size_t n_columns)
{
	struct table *t = calloc(1, sizeof *t);
	if (t) {
		t->n_columns = n_columns;
		table_row(t, headings);
	}
	return t;
}

void table_row(struct table *t, const char *const *cells)
{
	if (!t)
		return;
	char **grown = realloc(t->cells, (t->n_rows + 1) * t->n_columns * sizeof *grown);
	if (!grown)
		return;
	t->cells = grown;
	for (size_t i = 0; i < t->n_columns; i++)
		grown[t->n_rows * t->n_columns + i] =
			strdup(cells[i] && *cells[i] ? cells[i] : "-");
	t->n_rows++;
}

void table_print(struct table *t)
{
	if (!t)
		return;
	for (size_t row = 0; row < t->n_rows; row++) {
		for (size_t col = 0; col < t->n_columns; col++) {
			size_t width = 0;
			for (size_t r = 0; r < t->n_rows; r++) {
				const char *cell = t->cells[r * t->n_columns + col];
				size_t len = cell ? strlen(cell) : 0;
				width = len > width ? len : width;
			}
			const char *cell = t->cells[row * t->n_columns + col];
			bool last = col + 1 == t->n_columns;
			printf("%-*s%s", last ? 0 : (int)width, cell ? cell : "",
				last ? "\n" : "  ");
		}
	}
	table_free(t);
}

void table_free(struct table *t)
{
	for (size_t i = 0; t && i < t->n_rows * t->n_columns; i++)
		free(t->cells[i]);
	if (t)
		free(t->cells);
	free(t);
}

const char *command_ago(char *out, size_t out_len, uint64_t ms)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {0, "s"}};
	uint64_t now = clock_wall_ms();
	uint64_t age_s = (now > ms ? now - ms : ms - now) / 1000;
	bool past = now >= ms;
	size_t u = 0;
	while (age_s < units[u].seconds)
		u++;
	if (!ms)
		snprintf(out, out_len, "-");
	else
		snprintf(out, out_len, "%s%llu %s%s", past ? "" : "in ",
			(unsigned long long)(age_s / (units[u].seconds ? units[u].seconds : 1)),
			units[u].unit, past ? " ago" : "");
	return out;
}

void command_print_line(const char *line, size_t len)
{
	static const char *const between[] = {".", ": ", " -> "};
	size_t n_tabs = 0, at = 0;
	for (size_t i = 0; i < len; i++)
		n_tabs += line[i] == '\t';
	fputs("    ", stdout);
	for (size_t i = 0; i < len; i++) {
		if (line[i] != '\t')
			putchar(line[i]);
		else
			fputs(n_tabs == 3 ? between[at++] : ": ", stdout);
	}
	putchar('\n');
}

/* What a name of a field does not say by itself. */
static const char *label(const char *key)
{
	return strcmp(key, "differences") == 0
		       ? "differences, as the last job found them; those of a maintain are written"
		       : key;
}

static void print_text(const char *key, const char *text)
{
	if (!strpbrk(text, "\t\n")) {
		printf("%-24s %s\n", key, text);
		return;
	}
	printf("%s\n", label(key));
	while (*text) {
		size_t len = strcspn(text, "\n");
		command_print_line(text, len);
		text += len + (text[len] == '\n');
	}
}

void command_print_object(json_t *object)
{
	const char *key, *name;
	json_t *value, *member;
	char ago[32];
	json_object_foreach(object, key, value)
	{
		size_t len = strlen(key);
		long long number = json_integer_value(value);
		if (json_is_string(value) && *json_string_value(value))
			print_text(key, json_string_value(value));
		else if (json_is_integer(value) && len > 3 && strcmp(key + len - 3, "_ms") == 0)
			printf("%-24.*s %s\n", (int)len - 3, key,
				command_ago(ago, sizeof ago, (uint64_t)number));
		else if (json_is_integer(value))
			printf("%-24s %lld\n", key, number);
		else if (json_is_true(value))
			printf("%-24s yes\n", key);
		json_object_foreach(value, name, member) if (json_is_string(member))
			printf("%-24s %s\n", name, json_string_value(member));
	}
}
