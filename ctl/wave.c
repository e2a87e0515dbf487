/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster wave create | start | pause | resume | remove | show | list: one kind of upkeep job over
 * many devices, or first setups: those join by a rule that names the wave (docs/rules.md). The
 * limits are words: canary=20 in-flight=100 per-site=10 per-ca=0 per-directory=0 stop=2.5%
 * blackout=22:00-06:00,12:00-13:00 (UTC).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store_wave.h"
#include "ctl/args.h"
#include "ctl/command.h"
#include "ctl/selector.h"

#define WHO_MAX       320
#define BLACKOUT_MAX  128
#define IN_FLIGHT     100 /* default: about what one worker does in a minute */
#define STOP_PERMILLE 50
#define MINUTES_A_DAY 1440
#define SHOW_FAILED   20 /* rows for people; --json has all */
#define NUMBER_MAX    1000000

/* ---- words ----------------------------------------------------------------------------------- */

struct wave_words {
	struct store_wave_rules rules;
	char blackout[BLACKOUT_MAX];
};

/* "2.5%" or "2.5" as permille. */
static int read_permille(const char *text, uint32_t *out, struct error *err)
{
	char *end;
	double percent = strtod(text, &end);
	ENSURE(end != text && (*end == '\0' || strcmp(end, "%") == 0) && percent > 0 &&
			percent <= 100,
		err, E_CONFIG, "stop=%.20s: a percentage above 0", text);
	*out = (uint32_t)(percent * 10 + 0.5);
	ENSURE(*out > 0, err, E_CONFIG, "stop=%.20s: 0.1%% is the least", text);
	return 0;
}

static bool read_minute(const char **at, unsigned *out)
{
	unsigned hour, minute;
	int n = 0;
	if (sscanf(*at, "%2u:%2u%n", &hour, &minute, &n) != 2 || hour > 24 || minute > 59)
		return false;
	*at += n;
	*out = (hour * 60 + minute) % MINUTES_A_DAY;
	return true;
}

/* "22:00-06:00,12:00-13:00" as minutes of the day. */
static int read_blackout(const char *text, char out[static BLACKOUT_MAX], struct error *err)
{
	size_t len = 0;
	const char *at = text;
	do {
		unsigned from, to;
		bool good = read_minute(&at, &from) && *at++ == '-' && read_minute(&at, &to);
		ENSURE(good && len < BLACKOUT_MAX - 12, err, E_CONFIG,
			"blackout=%.60s: HH:MM-HH:MM, several with commas, in UTC", text);
		len += (size_t)snprintf(
			out + len, BLACKOUT_MAX - len, "%s%u-%u", len ? "," : "", from, to);
	} while (*at++ == ',');
	ENSURE(at[-1] == '\0', err, E_CONFIG, "blackout=%.60s: HH:MM-HH:MM, in UTC", text);
	return 0;
}

static int read_word(struct wave_words *w, const char *word, struct error *err)
{
	const struct {
		const char *name;
		uint32_t *number;
	} numbers[] = {{"canary=", &w->rules.canary}, {"in-flight=", &w->rules.in_flight},
		{"per-site=", &w->rules.per_site}, {"per-ca=", &w->rules.per_ca},
		{"per-directory=", &w->rules.per_directory}};
	if (strncmp(word, "stop=", 5) == 0)
		return read_permille(word + 5, &w->rules.stop_permille, err);
	if (strncmp(word, "blackout=", 9) == 0) {
		w->rules.blackout = w->blackout;
		return read_blackout(word + 9, w->blackout, err);
	}
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		size_t len = strlen(numbers[i].name);
		if (strncmp(word, numbers[i].name, len) != 0)
			continue;
		unsigned long n;
		TRY(args_number(word, word + len, NUMBER_MAX, &n, err));
		ENSURE(n > 0 || numbers[i].number != &w->rules.in_flight, err, E_CONFIG,
			"in-flight=0: such a wave never runs; at least 1");
		*numbers[i].number = (uint32_t)n;
		return 0;
	}
	return error_set(err, E_CONFIG,
		"\"%.40s\" is no limit of a wave; write the devices behind the word for", word);
}

static int check_name(const char *name, struct error *err)
{
	size_t len = strlen(name);
	ENSURE(len > 0 && len <= STORE_WAVE_NAME_MAX &&
			strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == len,
		err, E_CONFIG, "a wave's name has up to %d of a-z 0-9 . - _", STORE_WAVE_NAME_MAX);
	return 0;
}

/* ---- create ---------------------------------------------------------------------------------- */

static void on_count(uint64_t n, const struct error *err, void *arg)
{
	(void)n;
	site_note(arg, err);
}

static int add_devices(
	struct site *s, const char *name, const struct selection *found, struct error *err)
{
	const char *uuids[STORE_BATCH_MAX];
	for (size_t i = 0; i < found->n;) {
		struct answer a = {0};
		size_t n = 0;
		while (n < STORE_BATCH_MAX && i < found->n)
			uuids[n++] = found->uuids[i++];
		TRY(site_wait(
			s, store_wave_add(s->store, name, uuids, n, on_count, &a, err), &a, err));
	}
	return 0;
}

static int create(struct site *s, const char *name, const struct wave_words *w,
	const struct selector *which, size_t *n_devices, struct error *err)
{
	char who[WHO_MAX];
	struct answer a = {0};
	struct selection found = {0};
	bool chosen = w->rules.kind != JOB_SETUP;
	int rc = chosen ? selector_collect(s, which, &found, err) : 0;
	if (rc == 0 && chosen && found.n == 0)
		rc = error_set(err, -ENOENT, "no device fits");
	if (rc == 0)
		rc = site_wait(s,
			store_wave_create(s->store, name, &w->rules, site_who(who, sizeof who),
				site_answered, &a, err),
			&a, err);
	if (rc == E_STATE)
		error_set(err, rc, "there is a wave \"%s\" already", name);
	if (rc == 0)
		rc = add_devices(s, name, &found, err);
	*n_devices = found.n;
	free(found.uuids);
	return rc;
}

/* NAME KIND LIMIT... for SELECTOR [with ARG...] */
static int read_line(const struct command_line *line, const struct conf *conf, struct wave_words *w,
	struct selector *which, char args[static JOB_ARGS_MAX + 1], struct error *err)
{
	size_t at = 2, used = 0;
	TRY(check_name(line->args[0], err));
	bool known = job_kind_parse(&w->rules.kind, line->args[1]) == 0;
	bool setup = known && w->rules.kind == JOB_SETUP;
	ENSURE(setup || (known && job_kind_opens(w->rules.kind)), err, E_CONFIG,
		"\"%.40s\" is neither setup nor a kind of upkeep job", line->args[1]);
	args[0] = '\0';
	for (; at < line->n_args && strcmp(line->args[at], "for") != 0; at++)
		TRY(read_word(w, line->args[at], err));
	if (setup) {
		ENSURE(at == line->n_args, err, E_CONFIG,
			"a wave of setups takes no devices: a rule with wave: %s sends them",
			line->args[0]);
		return 0;
	}
	ENSURE(at + 1 < line->n_args, err, E_CONFIG,
		"which devices? ... for all, or for tag=lab state=done");
	TRY(selector_parse(which, line->args + at + 1, line->n_args - at - 1, &used, err));
	at += 1 + used;
	return args_read(w->rules.kind, line->args + at, line->n_args - at, false, conf, args, err);
}

int command_wave_create(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct selector which;
	char args[JOB_ARGS_MAX + 1];
	size_t n = 0;
	struct wave_words w = {
		.rules = {.args = args, .in_flight = IN_FLIGHT, .stop_permille = STOP_PERMILLE}};
	if (read_line(line, conf, &w, &which, args, &err) < 0)
		return command_fail(&err);
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = create(&s, line->args[0], &w, &which, &n, &err);
	site_close(&s);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(
			json_pack("{s:s, s:I}", "wave", line->args[0], "devices", (json_int_t)n));
	printf("wave %s: %zu devices; begin it with: muster wave start %s\n", line->args[0], n,
		line->args[0]);
	return COMMAND_OK;
}

/* ---- start, pause, resume, remove ------------------------------------------------------------ */

static int moved(const struct command_line *line, const char *name, int rc, const char *past,
	struct error *err)
{
	if (rc == -ENOENT)
		error_set(err, rc, "there is no wave \"%s\"", name);
	if (rc < 0)
		return command_fail(err);
	if (line->json)
		return command_print_json(json_pack("{s:s, s:s}", "wave", name, "act", past));
	printf("%s wave %s\n", past, name);
	return COMMAND_OK;
}

#define REMOVE (-1) /* among the moves */

/* @param act an enum store_wave_act, or REMOVE */
static int ask(struct site *s, const char *name, int act, struct answer *a, struct error *err)
{
	char who[WHO_MAX];
	site_who(who, sizeof who);
	if (act == REMOVE)
		return store_wave_remove(s->store, name, who, site_answered, a, err);
	return store_wave_move(
		s->store, name, (enum store_wave_act)act, who, site_answered, a, err);
}

static int move(const struct command_line *line, const struct conf *conf, int act, const char *past)
{
	struct error err = {0};
	struct site s;
	struct answer a = {0};
	const char *name = line->args[0];
	int rc = check_name(name, &err);
	if (rc < 0)
		return command_fail(&err);
	rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = site_wait(&s, ask(&s, name, act, &a, &err), &a, &err);
	site_close(&s);
	if (rc == E_STATE && act == REMOVE)
		error_set(&err, rc,
			"wave %s runs, has jobs in flight, or devices wait for it: pause it, or "
			"let them go (muster job kick); see muster wave show %s",
			name, name);
	else if (rc == E_STATE)
		error_set(&err, rc, "wave %s is not in a state for this: see muster wave show %s",
			name, name);
	return moved(line, name, rc, past, &err);
}

int command_wave_start(const struct command_line *line, const struct conf *conf)
{
	return move(line, conf, STORE_WAVE_START, "started");
}

int command_wave_pause(const struct command_line *line, const struct conf *conf)
{
	return move(line, conf, STORE_WAVE_PAUSE, "paused");
}

int command_wave_resume(const struct command_line *line, const struct conf *conf)
{
	return move(line, conf, STORE_WAVE_RESUME, "resumed");
}

int command_wave_remove(const struct command_line *line, const struct conf *conf)
{
	return move(line, conf, REMOVE, "removed");
}

/* ---- show, list ------------------------------------------------------------------------------ */

struct wave_answer {
	struct answer answer;
	json_t *json;
};

/* Seconds until the rest has ended at the pace since the first start; -1 = cannot be told. */
static long long estimate_s(const struct store_wave *w)
{
	uint64_t over = w->ok + w->bad + w->skipped, spent = w->now_ms - w->first_ms;
	if (!w->first_ms || over == 0 || w->left + w->in_flight == 0)
		return w->first_ms && over ? 0 : -1;
	return (long long)((double)spent / (double)over * (double)(w->left + w->in_flight) / 1000);
}

static void on_wave(const struct store_wave *w, const struct error *err, void *arg)
{
	struct wave_answer *a = arg;
	site_note(&a->answer, err);
	if (!w)
		return;
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {{"total", w->total}, {"left", w->left}, {"in_flight", w->in_flight},
		{"ok", w->ok}, {"failed", w->bad}, {"skipped", w->skipped}, {"canary", w->canary},
		{"limit", w->limit}, {"per_site", w->per_site}, {"stop_permille", w->stop_permille},
		{"created_ms", w->created_ms}, {"started_ms", w->first_ms},
		{"state_ms", w->state_ms}};
	a->json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "state", w->state, "why", w->why, "kind",
		w->kind, "args", w->args, "blackout", w->blackout);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		json_object_set_new(
			a->json, numbers[i].key, json_integer((json_int_t)numbers[i].value));
	json_object_set_new(a->json, "estimate_s", json_integer(estimate_s(w)));
	json_t *failed = json_object();
	for (size_t i = 0; i < w->n_failed; i++)
		json_object_set_new(failed, w->failed[i].uuid, json_string(w->failed[i].reason));
	json_object_set_new(a->json, "failures", failed);
}

static int get_wave(struct site *s, const char *name, json_t **out, struct error *err)
{
	struct wave_answer a = {0};
	int rc = site_wait(s, store_wave_get(s->store, name, on_wave, &a, err), &a.answer, err);
	if (rc == -ENOENT)
		error_set(err, rc, "there is no wave \"%s\"", name);
	if (a.json)
		json_object_set_new(a.json, "wave", json_string(name));
	*out = a.json;
	return rc;
}

static void show(json_t *wave)
{
	const char *key;
	json_t *value;
	size_t n = 0;
	command_print_object(wave);
	json_object_foreach(json_object_get(wave, "failures"), key, value)
	{
		if (n++ < SHOW_FAILED)
			printf("  %s %s\n", key, json_string_value(value));
	}
	if (n > SHOW_FAILED)
		printf("  and %zu more: --json\n", n - SHOW_FAILED);
}

int command_wave_show(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	json_t *wave = NULL;
	int rc = check_name(line->args[0], &err);
	if (rc < 0)
		return command_fail(&err);
	rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = get_wave(&s, line->args[0], &wave, &err);
	site_close(&s);
	if (rc < 0)
		return command_fail(&err);
	if (line->json)
		return command_print_json(wave);
	show(wave);
	json_decref(wave);
	return COMMAND_OK;
}

static int list_waves(struct site *s, json_t *rows, struct error *err)
{
	struct site_page p = {0};
	TRY(site_wait(s, store_wave_list(s->store, site_page, &p, err), &p.answer, err));
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < p.n; i++) {
		json_t *wave = NULL;
		rc = get_wave(s, p.ids[i], &wave, err);
		if (wave) {
			json_object_del(wave, "failures");
			json_array_append_new(rows, wave);
		}
	}
	free(p.ids);
	return rc;
}

int command_wave_list(const struct command_line *line, const struct conf *conf)
{
	static const char *const keys[] = {"total", "ok", "failed", "skipped", "in_flight"};
	static const char *const headings[] = {
		"WAVE", "KIND", "STATE", "TOTAL", "OK", "FAILED", "SKIPPED", "IN FLIGHT", "WHY"};
	struct error err = {0};
	struct site s;
	json_t *rows = json_array(), *w;
	size_t i;
	int rc = site_open(&s, conf, &err);
	if (rc == 0)
		rc = list_waves(&s, rows, &err);
	site_close(&s);
	if (rc < 0) {
		json_decref(rows);
		return command_fail(&err);
	}
	if (line->json)
		return command_print_json(rows);
	struct table *t = table_new(headings, sizeof headings / sizeof headings[0]);
	json_array_foreach(rows, i, w)
	{
		char n[5][24];
		for (size_t k = 0; k < 5; k++)
			snprintf(n[k], sizeof n[k], "%lld",
				(long long)json_integer_value(json_object_get(w, keys[k])));
		table_row(t, (const char *const[]){site_text(w, "wave"), site_text(w, "kind"),
				     site_text(w, "state"), n[0], n[1], n[2], n[3], n[4],
				     site_text(w, "why")});
	}
	table_print(t);
	json_decref(rows);
	return COMMAND_OK;
}
