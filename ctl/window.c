/* SPDX-License-Identifier: Apache-2.0 */
/* muster window: the devices in setup whose window closes before their turn, or while they wait for
 * somebody, and what was done. */
#include <stdio.h>
#include <string.h>

#include "common/store/store_wave.h"
#include "ctl/command.h"
#include "ctl/site.h"

#define MINUTE_MS 60000

struct looking {
	struct answer answer;
	json_t *rows;
	uint64_t size;
};

static json_int_t minutes(uint64_t at_ms, uint64_t now_ms)
{
	return ((json_int_t)at_ms - (json_int_t)now_ms) / MINUTE_MS;
}

static void on_page(const struct store_window_row *rows, size_t n, uint64_t size, uint64_t now_ms,
	const struct error *err, void *arg)
{
	struct looking *l = arg;
	for (size_t i = 0; i < n; i++) {
		const struct store_window_row *r = &rows[i];
		json_t *row = json_pack("{s:s, s:s, s:I, s:I, s:b, s:s}", "device", r->uuid, "job",
			r->job, "closes_ms", (json_int_t)r->closes_ms, "closes_min",
			minutes(r->closes_ms, now_ms), "asked", r->asked != 0, "waits_for", r->why);
		if (r->turn_ms != STORE_NEVER)
			json_object_set_new(
				row, "turn_min", json_integer(minutes(r->turn_ms, now_ms)));
		json_array_append_new(l->rows, row);
	}
	l->size = size;
	site_note(&l->answer, err);
}

static int look_at(struct site *s, enum store_list list, uint64_t length_ms, struct looking *l,
	struct error *err)
{
	uint64_t place = 0;
	do {
		l->answer = (struct answer){0};
		TRY(site_wait(s,
			store_window_list(s->store, list, length_ms, place, on_page, l, err),
			&l->answer, err));
		place += STORE_WINDOW_PAGE;
	} while (place < l->size);
	return 0;
}

static int look(struct site *s, const struct conf *conf, struct looking *l, struct error *err)
{
	static const enum store_list lists[] = {
		STORE_LIST_READY, STORE_LIST_WAIT_MANUAL, STORE_LIST_WAIT_CA, STORE_LIST_WAIT_AD};
	uint64_t length_ms = conf->broker.setup_window_s * 1000ull;
	ENSURE(length_ms, err, E_CONFIG,
		"broker.setup_window_s is 0: no window is watched; 21600 is what most devices "
		"have");
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		TRY(look_at(s, lists[i], length_ms, l, err));
	return 0;
}

static void print(const struct looking *l)
{
	static const char *const headings[] = {"DEVICE", "CLOSES IN", "TURN IN", "ASKED FOR MORE"};
	struct table *t = table_new(headings, sizeof headings / sizeof headings[0]);
	size_t i;
	json_t *row;
	json_array_foreach(l->rows, i, row)
	{
		char closes[32], turn[64] = "no job ends at present";
		const char *why = site_text(row, "waits_for");
		json_t *at = json_object_get(row, "turn_min");
		snprintf(closes, sizeof closes, "%lld min",
			(long long)json_integer_value(json_object_get(row, "closes_min")));
		if (why[0])
			snprintf(turn, sizeof turn, "waits: %s", why);
		if (at)
			snprintf(turn, sizeof turn, "%lld min", (long long)json_integer_value(at));
		table_row(t, (const char *const[]){site_text(row, "device"), closes, turn,
				     json_is_true(json_object_get(row, "asked")) ? "yes" : "no"});
	}
	table_print(t);
}

int command_window(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s = {0};
	struct looking l = {.rows = json_array()};
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = look(&s, conf, &l, &err);
	site_close(&s);
	if (rc < 0) {
		json_decref(l.rows);
		return command_fail(&err);
	}
	if (line->json)
		return command_print_json(l.rows);
	print(&l);
	json_decref(l.rows);
	return COMMAND_OK;
}
