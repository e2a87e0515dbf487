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
	uint64_t age_s = ms && now > ms ? (now - ms) / 1000 : 0;
	size_t u = 0;
	while (age_s < units[u].seconds)
		u++;
	if (!ms)
		snprintf(out, out_len, "-");
	else
		snprintf(out, out_len, "%llu %s ago",
			(unsigned long long)(age_s / (units[u].seconds ? units[u].seconds : 1)),
			units[u].unit);
	return out;
}
