/* SPDX-License-Identifier: Apache-2.0 */
/* muster status, schema apply, job list | show | kick | cancel, dead list | drop, events. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/addr.h"
#include "ctl/command.h"
#include "ctl/site.h"

#define DEFAULT_LIMIT 1000
#define PAGE          1000 /* job ids, events */
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

/* Ids of jobs: those of a job are UUIDv7, so their order is that of creation. */
struct ids {
	char (*all)[UUID_TEXT_LEN + 1];
	size_t n, room;
};

static int keep_ids(struct ids *ids, const struct site_page *p, struct error *err)
{
	if (ids->n + p->n > ids->room) {
		size_t room = 2 * ids->room + p->n;
		void *more = realloc(ids->all, room * sizeof *ids->all);
		ENSURE(more, err, -ENOMEM, "out of memory");
		ids->all = more;
		ids->room = room;
	}
	if (p->n)
		memcpy(ids->all + ids->n, p->ids, p->n * sizeof *ids->all);
	ids->n += p->n;
	return 0;
}

static int add_list(struct site *s, enum store_list list, struct ids *ids, struct error *err)
{
	char cursor[32] = "0";
	int rc;
	do {
		struct site_page p = {0};
		rc = site_wait(s, store_job_list(s->store, list, cursor, PAGE, site_page, &p, err),
			&p.answer, err);
		if (rc == 0)
			rc = keep_ids(ids, &p, err);
		memcpy(cursor, p.cursor, sizeof cursor);
		free(p.ids);
	} while (rc == 0 && strcmp(cursor, "0") != 0);
	return rc;
}

static int newest_first(const void *a, const void *b)
{
	return -strcmp(a, b);
}

/* The jobs of the newest ids as rows. One may end meanwhile, and stand in two lists. */
static void add_rows(struct site *s, struct ids *ids, uint32_t limit, json_t *rows)
{
	if (ids->n)
		qsort(ids->all, ids->n, sizeof *ids->all, newest_first);
	for (size_t i = 0; i < ids->n && json_array_size(rows) < limit; i++) {
		json_t *job = NULL;
		bool again = i > 0 && strcmp(ids->all[i], ids->all[i - 1]) == 0;
		if (!again && site_job(s, ids->all[i], &job, NULL) == 0)
			json_array_append_new(rows, job);
	}
}

static int add_state(
	struct site *s, const char *state, uint32_t limit, json_t *rows, struct error *err)
{
	struct ids ids = {0};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < N_STATES; i++)
		for (size_t k = 0; rc == 0 && k < states[i].n; k++)
			if (!state || strcmp(state, states[i].state) == 0)
				rc = add_list(s, states[i].lists[k], &ids, err);
	if (rc == 0)
		add_rows(s, &ids, limit, rows);
	free(ids.all);
	return rc;
}

static int check_state(const char *state, struct error *err)
{
	for (size_t i = 0; i < N_STATES; i++)
		if (!state || strcmp(state, states[i].state) == 0)
			return 0;
	return error_set(
		err, E_CONFIG, "--state %s: one of ready, leased, waiting, dead, done", state);
}

static void show_jobs(json_t *rows)
{
	static const char *const headings[] = {
		"JOB", "DEVICE", "KIND", "STATE", "STEP", "TRIES", "LOST", "CREATED", "REASON"};
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
		table_row(t,
			(const char *const[]){site_text(j, "job"), site_text(j, "device"),
				site_text(j, "kind"), site_text(j, "state"), site_text(j, "step"),
				tries, lost, created, site_text(j, "error")});
	}
	table_print(t);
}

static int list_jobs(const struct command_line *line, const struct conf *conf, const char *state)
{
	struct error err = {0};
	struct site s;
	if (check_state(state, &err) < 0)
		return command_fail(&err);
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
	struct uuid id;
	char uuid[UUID_TEXT_LEN + 1] = "";
	if (line->n_args && uuid_parse(&id, line->args[0]) < 0) {
		error_set(&err, E_CONFIG, "\"%.60s\" is not a UUID", line->args[0]);
		return command_fail(&err);
	}
	if (line->n_args)
		uuid_text(&id, uuid);
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = read_events(&s, NULL, *uuid ? uuid : NULL, &rows, &err);
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
	command_print_object(out);
	putchar('\n');
	show_events(rows);
	json_decref(rows);
	json_decref(out);
	return COMMAND_OK;
}

/* ---- acts ----------------------------------------------------------------------------------- */

/* Why a job is neither kicked nor cancelled, and what could be done. */
static void why_not(struct site *s, const char *job, const char *uuid, struct error *err)
{
	json_t *j = NULL, *d = NULL;
	int rc = site_job(s, job, &j, NULL);
	if (rc == 0)
		rc = site_device(s, uuid, false, &d, NULL);
	const char *state = site_text(j, "state"), *quar = site_text(d, "quarantine");
	if (rc < 0)
		error_set(err, err->code, "job %s has gone meanwhile", job);
	else if (strcmp(state, "leased") == 0)
		error_set(err, err->code,
			"job %s is leased: a worker has it; to end it: muster job cancel", job);
	else if (strcmp(state, "done") == 0 || strcmp(state, "cancelled") == 0)
		error_set(err, err->code, "job %s is %s: open a new one with muster job open", job,
			state);
	else if (strcmp(site_text(d, "job"), job) != 0)
		error_set(err, err->code, "job %s is %s, and the device has a newer one, %s", job,
			state, site_text(d, "job"));
	else if (*quar)
		error_set(err, err->code,
			"the device is in quarantine (%s): name the address that is right, muster "
			"job kick %s ADDRESS",
			quar, uuid);
	json_decref(j);
	json_decref(d);
}

typedef int (*act_fn)(
	struct site *s, const char *job, const char *uuid, const char *addr, struct error *err);

/* @param addr the address to use, which decides a quarantine; NULL = the one on record */
static int kick(
	struct site *s, const char *job, const char *uuid, const char *addr, struct error *err)
{
	char who[WHO_MAX];
	struct answer a = {0};
	return site_wait(s,
		store_kick(s->store, job, uuid, site_who(who, sizeof who), addr, site_answered, &a,
			err),
		&a, err);
}

static int end_job(
	struct site *s, const char *job, const char *uuid, const char *text, struct error *err)
{
	char who[WHO_MAX];
	struct answer a = {0};
	return site_wait(s,
		store_cancel(s->store, job, uuid, site_who(who, sizeof who), text, site_answered,
			&a, err),
		&a, err);
}

static int cancel(
	struct site *s, const char *job, const char *uuid, const char *addr, struct error *err)
{
	(void)addr;
	return end_job(s, job, uuid, "cancelled by operator", err);
}

static int act(
	const struct command_line *line, const struct conf *conf, act_fn fn, const char *past)
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
	if (rc == 0) {
		rc = fn(&s, job, uuid, addr, &err);
		if (rc == E_STATE)
			why_not(&s, job, uuid, &err);
	}
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
	return act(line, conf, kick, "kicked");
}

int command_job_cancel(const struct command_line *line, const struct conf *conf)
{
	return act(line, conf, cancel, "cancelled");
}

/* ---- dead drop ------------------------------------------------------------------------------ */

/* The dead jobs of a device, also when it is well again and has newer ones; or the one named. */
static int drop(struct site *s, const char *what, json_t *dropped, struct error *err)
{
	struct uuid id;
	char text[UUID_TEXT_LEN + 1];
	json_t *rows = json_array(), *j;
	size_t i;
	ENSURE(uuid_parse(&id, what) == 0, err, E_CONFIG,
		"\"%.60s\" is neither a job id nor a UUID", what);
	uuid_text(&id, text);
	int rc = add_state(s, "dead", UINT32_MAX, rows, err);
	json_array_foreach(rows, i, j)
	{
		const char *job = site_text(j, "job"), *uuid = site_text(j, "device");
		if (rc < 0 || (strcmp(job, text) != 0 && strcmp(uuid, text) != 0))
			continue;
		rc = end_job(s, job, uuid, "dropped", err);
		if (rc == 0)
			json_array_append(dropped, j);
	}
	json_decref(rows);
	if (rc == 0 && json_array_size(dropped) == 0)
		rc = error_set(err, -ENOENT,
			"%s is no dead job, nor a device with one: see muster dead list; to end "
			"another job: muster job cancel",
			text);
	return rc;
}

int command_dead_drop(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	json_t *dropped = json_array(), *out = json_array(), *j;
	size_t i;
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = drop(&s, line->args[0], dropped, &err);
	site_close(&s);
	json_array_foreach(dropped, i, j)
	{
		const char *job = site_text(j, "job"), *uuid = site_text(j, "device");
		json_array_append_new(out,
			json_pack("{s:s, s:s, s:s}", "job", job, "device", uuid, "act", "dropped"));
		if (!line->json)
			printf("dropped job %s of device %s\n", job, uuid);
	}
	json_decref(dropped);
	if (line->json && rc == 0)
		return command_print_json(out);
	json_decref(out);
	return rc < 0 ? command_fail(&err) : COMMAND_OK;
}
