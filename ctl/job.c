/* SPDX-License-Identifier: Apache-2.0 */
/* muster status, schema apply, job list | show | kick | cancel, dead list | drop, events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/addr.h"
#include "ctl/command.h"
#include "ctl/site.h"

#define DEFAULT_LIMIT 1000
#define WHO_MAX       320

/* ---- status --------------------------------------------------------------------------------- */

struct counts_answer {
	struct answer answer;
	struct store_counts counts;
};

static void on_counts(const struct store_counts *c, const struct error *err, void *arg)
{
	struct counts_answer *a = arg;
	if (c)
		a->counts = *c;
	site_note(&a->answer, err);
}

static json_t *status_json(const struct store_counts *c)
{
	const uint64_t *n = c->n;
	uint64_t waiting =
		n[STORE_LIST_WAIT_CA] + n[STORE_LIST_WAIT_AD] + n[STORE_LIST_WAIT_MANUAL];
	uint64_t jobs = n[STORE_LIST_READY] + n[STORE_LIST_LEASED] + waiting + n[STORE_LIST_DEAD] +
			n[STORE_LIST_DONE];
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "jobs",
		(json_int_t)jobs, "ready", (json_int_t)n[STORE_LIST_READY], "due",
		(json_int_t)c->due, "leased", (json_int_t)n[STORE_LIST_LEASED], "waiting",
		(json_int_t)waiting, "waiting_ca", (json_int_t)n[STORE_LIST_WAIT_CA], "waiting_ad",
		(json_int_t)n[STORE_LIST_WAIT_AD], "waiting_manual",
		(json_int_t)n[STORE_LIST_WAIT_MANUAL], "dead", (json_int_t)n[STORE_LIST_DEAD],
		"done", (json_int_t)n[STORE_LIST_DONE]);
}

int command_status(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct counts_answer a = {0};
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = site_wait(&s, store_counts(s.store, on_counts, &a, &err), &a.answer, &err);
	site_close(&s);
	if (rc < 0)
		return command_fail(&err);
	json_t *out = status_json(&a.counts), *value;
	if (line->json)
		return command_print_json(out);
	const char *key;
	json_object_foreach(out, key, value)
		printf("%-16s %lld\n", key, (long long)json_integer_value(value));
	json_decref(out);
	return COMMAND_OK;
}

/* ---- schema --------------------------------------------------------------------------------- */

struct schema_answer {
	struct answer answer;
	bool changed;
};

static void on_schema(bool changed, const struct error *err, void *arg)
{
	struct schema_answer *a = arg;
	a->changed = changed;
	site_note(&a->answer, err);
}

int command_schema_apply(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct schema_answer a = {0};
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = site_wait(
			&s, store_schema_apply(s.store, on_schema, &a, &err), &a.answer, &err);
	site_close(&s);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(
			json_pack("{s:i, s:b}", "schema", STORE_SCHEMA, "changed", a.changed));
	printf("schema %d %s\n", STORE_SCHEMA, a.changed ? "loaded" : "was there already");
	return COMMAND_OK;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* What --state says -> the lists that it means. */
static const struct {
	const char *state;
	enum store_list lists[4];
	size_t n;
} states[] = {
	{"ready", {STORE_LIST_READY}, 1},
	{"leased", {STORE_LIST_LEASED}, 1},
	{"waiting", {STORE_LIST_WAIT_MANUAL, STORE_LIST_WAIT_CA, STORE_LIST_WAIT_AD}, 3},
	{"dead", {STORE_LIST_DEAD}, 1},
	{"done", {STORE_LIST_DONE}, 1},
};
#define N_STATES (sizeof states / sizeof states[0])

static int add_list(
	struct site *s, enum store_list list, uint32_t limit, json_t *rows, struct error *err)
{
	char cursor[32] = "0";
	do {
		struct site_page p = {0};
		uint32_t want = limit - (uint32_t)json_array_size(rows);
		TRY(site_wait(s, store_job_list(s->store, list, cursor, want, site_page, &p, err),
			&p.answer, err));
		for (size_t i = 0; i < p.n && json_array_size(rows) < limit; i++) {
			json_t *job = NULL;
			if (site_job(s, p.ids[i], &job, NULL) == 0)
				json_array_append_new(rows, job);
		}
		memcpy(cursor, p.cursor, sizeof cursor);
		free(p.ids);
	} while (strcmp(cursor, "0") != 0 && json_array_size(rows) < limit);
	return 0;
}

static int add_state(
	struct site *s, const char *state, uint32_t limit, json_t *rows, struct error *err)
{
	bool known = false;
	for (size_t i = 0; i < N_STATES; i++) {
		if (state && strcmp(state, states[i].state) != 0)
			continue;
		known = true;
		for (size_t k = 0; k < states[i].n && json_array_size(rows) < limit; k++)
			TRY(add_list(s, states[i].lists[k], limit, rows, err));
	}
	ENSURE(known, err, E_CONFIG, "--state %s: one of ready, leased, waiting, dead, done",
		state);
	return 0;
}

static void show_jobs(json_t *rows)
{
	static const char *const headings[] = {
		"JOB", "DEVICE", "STATE", "STEP", "TRIES", "LOST", "CREATED", "REASON"};
	struct table *t = table_new(headings, sizeof headings / sizeof headings[0]);
	json_t *j;
	size_t i;
	json_array_foreach(rows, i, j)
	{
		char tries[24], lost[24], created[32];
		snprintf(tries, sizeof tries, "%lld",
			(long long)json_integer_value(json_object_get(j, "tries")));
		snprintf(lost, sizeof lost, "%lld",
			(long long)json_integer_value(json_object_get(j, "lost")));
		command_ago(created, sizeof created,
			(uint64_t)json_integer_value(json_object_get(j, "created_ms")));
		table_row(t, (const char *const[]){site_text(j, "job"), site_text(j, "device"),
				     site_text(j, "state"), site_text(j, "step"), tries, lost,
				     created, site_text(j, "error")});
	}
	table_print(t);
}

static int list_jobs(const struct command_line *line, const struct conf *conf, const char *state)
{
	struct error err = {0};
	struct site s;
	json_t *rows = json_array();
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = add_state(&s, state, line->limit ? line->limit : DEFAULT_LIMIT, rows, &err);
	site_close(&s);
	if (rc == 0 && line->json)
		return command_print_json(rows);
	if (rc == 0)
		show_jobs(rows);
	json_decref(rows);
	return rc < 0 ? command_fail(&err) : COMMAND_OK;
}

int command_job_list(const struct command_line *line, const struct conf *conf)
{
	return list_jobs(line, conf, line->state);
}

/* The dead list names devices first: that is what an operator looks for. */
int command_dead_list(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	json_t *rows = json_array(), *j;
	size_t i;
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = add_state(&s, "dead", line->limit ? line->limit : DEFAULT_LIMIT, rows, &err);
	site_close(&s);
	json_array_foreach(rows, i, j) json_object_set(j, "uuid", json_object_get(j, "device"));
	if (rc == 0 && line->json)
		return command_print_json(rows);
	static const char *const headings[] = {"DEVICE", "STEP", "REASON", "JOB"};
	struct table *t = table_new(headings, sizeof headings / sizeof headings[0]);
	json_array_foreach(rows, i, j)
		table_row(t, (const char *const[]){site_text(j, "device"), site_text(j, "step"),
				     site_text(j, "error"), site_text(j, "job")});
	table_print(t);
	json_decref(rows);
	return rc < 0 ? command_fail(&err) : COMMAND_OK;
}

/* ---- show and events ------------------------------------------------------------------------ */

struct events_answer {
	struct answer answer;
	const char *job, *uuid; /* only these, when not NULL */
	char last[40];
	size_t n;
	json_t *rows;
};

static void on_events(
	const struct store_event *events, size_t n, const struct error *err, void *arg)
{
	struct events_answer *a = arg;
	for (size_t i = 0; i < n; i++) {
		const struct store_event *e = &events[i];
		snprintf(a->last, sizeof a->last, "%s", e->id);
		if ((a->job && strcmp(a->job, e->job) != 0) ||
			(a->uuid && strcmp(a->uuid, e->uuid) != 0))
			continue;
		json_array_append_new(
			a->rows, json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "ms",
					 (json_int_t)strtoll(e->id, NULL, 10), "event", e->event,
					 "job", e->job, "uuid", e->uuid, "who", e->who, "fence",
					 e->fence, "text", e->text));
	}
	a->n = n;
	site_note(&a->answer, err);
}

/* Reads the stream from its beginning: an operator's look, never on the way of a job. */
static int read_events(
	struct site *s, const char *job, const char *uuid, json_t **rows, struct error *err)
{
	enum { PAGE = 1000 };
	struct events_answer a = {.job = job, .uuid = uuid, .last = "0", .rows = json_array()};
	int rc;
	do {
		a.answer = (struct answer){0};
		rc = site_wait(s, store_events(s->store, a.last, PAGE, on_events, &a, err),
			&a.answer, err);
	} while (rc == 0 && a.n == PAGE);
	*rows = a.rows;
	return rc;
}

static void show_events(json_t *rows)
{
	static const char *const headings[] = {"WHEN", "EVENT", "DEVICE", "WHO", "FENCE", "TEXT"};
	struct table *t = table_new(headings, sizeof headings / sizeof headings[0]);
	json_t *e;
	size_t i;
	json_array_foreach(rows, i, e)
	{
		char when[32];
		command_ago(
			when, sizeof when, (uint64_t)json_integer_value(json_object_get(e, "ms")));
		table_row(t,
			(const char *const[]){when, site_text(e, "event"), site_text(e, "uuid"),
				site_text(e, "who"), site_text(e, "fence"), site_text(e, "text")});
	}
	table_print(t);
}

int command_events(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	json_t *rows = NULL;
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = read_events(&s, NULL, line->n_args ? line->args[0] : NULL, &rows, &err);
	site_close(&s);
	size_t limit = line->limit ? line->limit : DEFAULT_LIMIT;
	while (rc == 0 && json_array_size(rows) > limit)
		json_array_remove(rows, 0);
	if (rc == 0 && line->json)
		return command_print_json(rows);
	if (rc == 0)
		show_events(rows);
	json_decref(rows);
	return rc < 0 ? command_fail(&err) : COMMAND_OK;
}

int command_job_show(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	char job[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	json_t *out = NULL, *rows = NULL;
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = site_find_job(&s, line->args[0], job, uuid, &err);
	if (rc == 0)
		rc = site_job(&s, job, &out, &err);
	if (rc == 0)
		rc = read_events(&s, job, NULL, &rows, &err);
	site_close(&s);
	if (rc < 0) {
		json_decref(out);
		json_decref(rows);
		return command_fail(&err);
	}
	if (line->json) {
		json_object_set_new(out, "events", rows);
		return command_print_json(out);
	}
	const char *key;
	json_t *value;
	json_object_foreach(out, key, value)
	{
		if (json_is_string(value) && *json_string_value(value))
			printf("%-12s %s\n", key, json_string_value(value));
		else if (json_is_integer(value))
			printf("%-12s %lld\n", key, (long long)json_integer_value(value));
	}
	putchar('\n');
	show_events(rows);
	json_decref(rows);
	json_decref(out);
	return COMMAND_OK;
}

/* ---- acts ----------------------------------------------------------------------------------- */

enum act { ACT_KICK, ACT_CANCEL, ACT_DROP };

/* @param addr kick: the address to use, which decides a quarantine; NULL = the one on record */
static int act_on(struct site *s, enum act act, const char *job, const char *uuid, const char *addr,
	struct error *err)
{
	char who[WHO_MAX];
	struct answer a = {0};
	site_who(who, sizeof who);
	if (act == ACT_DROP) {
		json_t *found = NULL;
		TRY(site_job(s, job, &found, err));
		bool dead = strcmp(site_text(found, "state"), "dead") == 0;
		json_decref(found);
		ENSURE(dead, err, E_STATE, "job %s is not dead; to end it use: muster job cancel",
			job);
	}
	int rc = act == ACT_KICK
			 ? store_kick(s->store, job, uuid, who, addr, site_answered, &a, err)
			 : store_cancel(s->store, job, uuid, who,
				   act == ACT_DROP ? "dropped" : "cancelled by operator",
				   site_answered, &a, err);
	return site_wait(s, rc, &a, err);
}

static int act(
	const struct command_line *line, const struct conf *conf, enum act act, const char *past)
{
	struct error err = {0};
	struct site s;
	char job[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	struct net_addr parsed;
	const char *addr = line->n_args > 1 ? line->args[1] : NULL;
	if (addr && net_addr_from_host(&parsed, addr, 0, &err) < 0)
		return command_fail(&err);
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = site_find_job(&s, line->args[0], job, uuid, &err);
	if (rc == 0)
		rc = act_on(&s, act, job, uuid, addr, &err);
	site_close(&s);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(
			json_pack("{s:s, s:s, s:s}", "job", job, "device", uuid, "act", past));
	printf("%s job %s of device %s\n", past, job, uuid);
	return COMMAND_OK;
}

int command_job_kick(const struct command_line *line, const struct conf *conf)
{
	return act(line, conf, ACT_KICK, "kicked");
}

int command_job_cancel(const struct command_line *line, const struct conf *conf)
{
	return act(line, conf, ACT_CANCEL, "cancelled");
}

int command_dead_drop(const struct command_line *line, const struct conf *conf)
{
	return act(line, conf, ACT_DROP, "dropped");
}
