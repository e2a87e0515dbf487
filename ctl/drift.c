/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster plan | apply | drift: what devices would be changed to fit their profile. All three open
 * check jobs (workers read and compare, nothing is written) and wait for them. A plan file holds
 * what each device differed in, and apply compares again before it writes: when one has moved,
 * nothing is applied.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "ctl/args.h"
#include "ctl/command.h"
#include "ctl/selector.h"

#define WHO_MAX      320
#define WAIT_S       600 /* for the checks; wait=N says otherwise */
#define WAIT_MAX_S   86400
#define POLL_MS      200 /* between two looks at the jobs */
#define DIGEST_HEX   64
#define PLAN_VERSION 1
#define SHOW_LINES   12 /* differences of one device, for people */

/* ---- words ----------------------------------------------------------------------------------- */

struct words {
	struct selector which;
	char args[JOB_ARGS_MAX + 1]; /* of the jobs: profile=NAME */
	const char *out;             /* plan file, or NULL */
	unsigned long wait_s;
};

/* [SELECTOR] [with profile=NAME], with out=FILE and wait=SECONDS anywhere: those are the command's
 * own. */
static int read_words(const struct command_line *line, const struct conf *conf, struct words *w,
	struct error *err)
{
	static char *const all[] = {"all"};
	size_t used = 0, n = 0;
	*w = (struct words){.wait_s = WAIT_S};
	for (size_t i = 0; i < line->n_args; i++) {
		char *word = line->args[i];
		if (strncmp(word, "out=", 4) == 0)
			w->out = word + 4;
		else if (strncmp(word, "wait=", 5) == 0)
			TRY(args_number(word, word + 5, WAIT_MAX_S, &w->wait_s, err));
		else
			line->args[n++] = word;
	}
	if (n == 0)
		return selector_parse(&w->which, all, 1, &used, err);
	TRY(selector_parse(&w->which, line->args, n, &used, err));
	return args_read(JOB_CHECK, line->args + used, n - used, w->which.one, conf, w->args, err);
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* {device, job, state, reason, error, diff} of each device that was asked. */
static json_t *row_new(const char *uuid, const char *job, const char *state, const char *error)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "device", uuid, "job", job, "state",
		state, "error", error, "diff", "", "fqdn", "");
}

static int open_check(struct site *s, const char *uuid, const struct words *w, enum job_kind kind,
	json_t *rows, struct error *err)
{
	char who[WHO_MAX], id[UUID_TEXT_LEN + 1] = "";
	struct answer a = {0};
	const struct store_opening o = {
		.uuid = uuid, .kind = kind, .args = w->args, .who = site_who(who, sizeof who)};
	int rc = site_wait(s, store_job_open(s->store, &o, id, site_answered, &a, err), &a, err);
	if (rc < 0 && rc != E_STATE && rc != -ENOENT)
		return rc;
	if (rc < 0)
		site_why_refused(s, uuid, err);
	json_array_append_new(rows,
		rc < 0 ? row_new(uuid, "", "refused", err->text) : row_new(uuid, id, "open", ""));
	return 0;
}

/* What would be written. What a firmware lacks is no difference: no job could mend it. */
static json_t *changes(const char *report)
{
	static const char lack[] = "\tnot applicable:";
	char *out = strdup(report);
	size_t n = 0;
	for (const char *at = report; out && *at;) {
		size_t len = strcspn(at, "\n");
		len += at[len] == '\n';
		if (!memmem(at, len, lack, sizeof lack - 1)) {
			memcpy(out + n, at, len);
			n += len;
		}
		at += len;
	}
	json_t *text = json_stringn(out ? out : "", n);
	free(out);
	return text;
}

/* One look at a job that was opened. @return 0, also when it is not over yet */
static int look(struct site *s, json_t *row, bool *over, struct error *err)
{
	json_t *job = NULL, *device = NULL;
	*over = true;
	if (strcmp(site_text(row, "state"), "open") != 0)
		return 0;
	TRY(site_job(s, site_text(row, "job"), &job, err));
	char state[16];
	snprintf(state, sizeof state, "%s", site_text(job, "state"));
	if (strcmp(state, "done") == 0 || strcmp(state, "dead") == 0 ||
		strcmp(state, "cancelled") == 0) {
		json_object_set_new(row, "state", json_string(state));
		json_object_set(row, "error", json_object_get(job, "error"));
	} else {
		*over = false;
	}
	json_decref(job);
	if (!*over)
		return 0;
	TRY(site_device(s, site_text(row, "device"), false, &device, err));
	json_object_set(row, "fqdn", json_object_get(device, "fqdn"));
	if (strcmp(state, "done") == 0)
		json_object_set_new(row, "diff", changes(site_text(device, "differences")));
	json_decref(device);
	return 0;
}

static void on_turn(uv_timer_t *t)
{
	uv_close((uv_handle_t *)t, NULL);
}

/* Let the loop run (the store's connection lives on it) until the next look. */
static void turn_of_loop(struct site *s)
{
	uv_timer_t t;
	uv_timer_init(&s->loop, &t);
	uv_timer_start(&t, on_turn, POLL_MS, 0);
	while (!uv_is_closing((uv_handle_t *)&t))
		uv_run(&s->loop, UV_RUN_ONCE);
	uv_run(&s->loop, UV_RUN_NOWAIT); /* the handle ends here, with this frame */
}

/* Wait until all have ended, or the time is over: the rest stays "open". */
static int await(struct site *s, json_t *rows, unsigned long wait_s, struct error *err)
{
	uint64_t end = clock_boot_ms() + wait_s * 1000;
	for (bool all = false; !all;) {
		json_t *row;
		size_t i;
		all = true;
		json_array_foreach(rows, i, row)
		{
			bool over;
			TRY(look(s, row, &over, err));
			all &= over;
		}
		if (clock_boot_ms() >= end)
			return 0;
		if (!all)
			turn_of_loop(s);
	}
	return 0;
}

static int check(struct site *s, const struct selection *found, const struct words *w, json_t *rows,
	struct error *err)
{
	for (size_t i = 0; i < found->n; i++)
		TRY(open_check(s, found->uuids[i], w, JOB_CHECK, rows, err));
	return await(s, rows, w->wait_s, err);
}

/* ---- telling --------------------------------------------------------------------------------- */

struct tally {
	size_t n_devices, n_differ, n_lines, n_silent;
};

static size_t count_lines(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static struct tally tally_of(json_t *rows)
{
	struct tally t = {.n_devices = json_array_size(rows)};
	json_t *row;
	size_t i;
	json_array_foreach(rows, i, row)
	{
		size_t lines = count_lines(site_text(row, "diff"));
		t.n_silent += strcmp(site_text(row, "state"), "done") != 0;
		t.n_differ += lines > 0;
		t.n_lines += lines;
	}
	return t;
}

static void show(json_t *rows)
{
	json_t *row;
	size_t i;
	json_array_foreach(rows, i, row)
	{
		const char *diff = site_text(row, "diff"), *state = site_text(row, "state");
		bool answered = strcmp(state, "done") == 0;
		size_t n = 0;
		if (answered && !*diff)
			continue;
		printf("%s %s%s%s\n", site_text(row, "device"), site_text(row, "fqdn"),
			answered ? "" : "  no answer: ",
			answered ? ""
				 : (*site_text(row, "error") ? site_text(row, "error") : state));
		for (; *diff; n++) {
			size_t len = strcspn(diff, "\n");
			if (n < SHOW_LINES)
				command_print_line(diff, len);
			diff += len + (diff[len] == '\n');
		}
		if (n > SHOW_LINES)
			printf("    and %zu more: --json\n", n - SHOW_LINES);
	}
	struct tally t = tally_of(rows);
	printf("%zu devices: %zu differ in %zu settings, %zu without an answer\n", t.n_devices,
		t.n_differ, t.n_lines, t.n_silent);
}

/* ---- the plan file --------------------------------------------------------------------------- */

/* What the device was like: another difference is another device. */
static void digest(const json_t *row, char out[static DIGEST_HEX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	const char *diff = site_text(row, "diff");
	out[0] = '\0';
	if (EVP_Digest(diff, strlen(diff), md, &len, EVP_sha256(), NULL))
		hex_encode(md, DIGEST_HEX / 2, out);
}

static int write_plan(const char *path, const struct words *w, json_t *rows, struct error *err)
{
	json_t *devices = json_array(), *row;
	size_t i;
	json_array_foreach(rows, i, row)
	{
		char hex[DIGEST_HEX + 1];
		digest(row, hex);
		if (*site_text(row, "diff"))
			json_array_append_new(devices,
				json_pack("{s:s, s:s, s:s, s:s}", "device",
					site_text(row, "device"), "fqdn", site_text(row, "fqdn"),
					"digest", hex, "diff", site_text(row, "diff")));
	}
	json_t *plan = json_pack("{s:i, s:I, s:s, s:o}", "muster_plan", PLAN_VERSION, "made_ms",
		(json_int_t)clock_wall_ms(), "args", w->args, "devices", devices);
	int rc = json_dump_file(plan, path, JSON_INDENT(1));
	json_decref(plan);
	ENSURE(rc == 0, err, -EIO, "%s cannot be written", path);
	return 0;
}

static int read_plan(const char *path, struct words *w, json_t **out, struct error *err)
{
	json_error_t why;
	json_t *plan = json_load_file(path, 0, &why);
	ENSURE(plan, err, E_CONFIG, "%.200s: %.100s", path, why.text);
	json_t *devices = json_object_get(plan, "devices");
	int version = (int)json_integer_value(json_object_get(plan, "muster_plan"));
	size_t n = strlen(site_text(plan, "args"));
	if (version != PLAN_VERSION || !json_is_array(devices) || n > JOB_ARGS_MAX) {
		json_decref(plan);
		return error_set(err, E_CONFIG, "%.200s is no plan of this release", path);
	}
	memcpy(w->args, site_text(plan, "args"), n + 1);
	*out = json_incref(devices);
	json_decref(plan);
	return 0;
}

/* ---- plan, drift ----------------------------------------------------------------------------- */

static int find_and_check(
	const struct conf *conf, const struct words *w, json_t *rows, struct error *err)
{
	struct site s;
	struct selection found = {0};
	int rc = site_open(&s, conf, err);
	if (rc == 0)
		rc = selector_collect(&s, &w->which, &found, err);
	if (rc == 0)
		rc = check(&s, &found, w, rows, err);
	free(found.uuids);
	site_close(&s);
	return rc;
}

int command_plan(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct words w;
	json_t *rows = json_array();
	int rc = read_words(line, conf, &w, &err);
	if (rc == 0)
		rc = find_and_check(conf, &w, rows, &err);
	if (rc == 0 && w.out)
		rc = write_plan(w.out, &w, rows, &err);
	size_t n_silent = tally_of(rows).n_silent;
	if (rc == 0 && line->json)
		command_print_json(json_incref(rows));
	else if (rc == 0)
		show(rows);
	if (rc == 0 && w.out && !line->json)
		printf("written to %s; do it with: muster apply %s\n", w.out, w.out);
	json_decref(rows);
	if (rc < 0)
		return command_fail(&err);
	return n_silent ? COMMAND_FAILED : COMMAND_OK;
}

/* As plan, for a script: the exit status says whether any device has drifted, or did not answer. */
int command_drift(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct words w;
	json_t *rows = json_array();
	int rc = read_words(line, conf, &w, &err);
	if (rc == 0 && w.out)
		rc = error_set(&err, E_CONFIG, "drift writes no file: use muster plan");
	if (rc == 0)
		rc = find_and_check(conf, &w, rows, &err);
	struct tally t = tally_of(rows);
	if (rc == 0 && line->json)
		command_print_json(json_incref(rows));
	else if (rc == 0)
		show(rows);
	json_decref(rows);
	if (rc < 0)
		return command_fail(&err);
	return t.n_differ || t.n_silent ? COMMAND_FAILED : COMMAND_OK;
}

/* ---- apply ----------------------------------------------------------------------------------- */

/* Whether each device is still as the plan found it; says which are not. */
static bool unmoved(json_t *planned, json_t *rows)
{
	json_t *row;
	size_t i, n_moved = 0;
	json_array_foreach(rows, i, row)
	{
		char hex[DIGEST_HEX + 1];
		const json_t *was = json_array_get(planned, i);
		digest(row, hex);
		bool answered = strcmp(site_text(row, "state"), "done") == 0;
		if (answered && strcmp(hex, site_text(was, "digest")) == 0)
			continue;
		n_moved++;
		fprintf(stderr, "muster: %s %s %s%s\n", site_text(was, "device"),
			site_text(was, "fqdn"),
			answered ? "differs in other settings than planned" : "gives no answer: ",
			answered ? "" : site_text(row, "error"));
	}
	return n_moved == 0;
}

static int apply(
	struct site *s, const struct words *w, json_t *planned, json_t *rows, struct error *err)
{
	json_t *device;
	size_t i;
	json_t *before = json_array();
	int rc = 0;
	json_array_foreach(planned, i, device) if (rc == 0) rc =
		open_check(s, site_text(device, "device"), w, JOB_CHECK, before, err);
	if (rc == 0)
		rc = await(s, before, w->wait_s, err);
	if (rc == 0 && !unmoved(planned, before))
		rc = error_set(err, E_STATE,
			"devices have moved since the plan: nothing is applied; "
			"make a new plan");
	json_decref(before);
	json_array_foreach(planned, i, device) if (rc == 0) rc =
		open_check(s, site_text(device, "device"), w, JOB_MAINTAIN, rows, err);
	return rc == 0 ? await(s, rows, w->wait_s, err) : rc;
}

int command_apply(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct site s;
	struct words w = {.wait_s = WAIT_S};
	json_t *planned = NULL, *rows = json_array();
	if (read_plan(line->args[0], &w, &planned, &err) < 0) {
		json_decref(rows);
		return command_fail(&err);
	}
	char profile[CONF_TEXT_MAX];
	int rc = site_open(&s, conf, &err);
	if (rc == 0 && job_arg(w.args, "profile", profile, sizeof profile))
		rc = args_profile(conf, profile, &err);
	if (rc == 0)
		rc = apply(&s, &w, planned, rows, &err);
	site_close(&s);
	struct tally t = tally_of(rows);
	json_decref(planned);
	if (rc == 0 && line->json)
		command_print_json(json_incref(rows));
	else if (rc == 0)
		printf("%zu devices: %zu brought to their profile, %zu not\n", t.n_devices,
			t.n_devices - t.n_silent, t.n_silent);
	json_decref(rows);
	if (rc < 0)
		return command_fail(&err);
	return t.n_silent ? COMMAND_FAILED : COMMAND_OK;
}
