/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster import FILE: devices that a list names. A row without a password is expected: its name,
 * profile, OU and tags wait in its record for its Hello. A row with a password is adopted. The
 * whole list is checked first; when one row cannot be taken, nothing is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/import/check.h"
#include "ctl/import/write.h"

#define WHERE_MAX 32

struct importing {
	const struct command_line *line;
	const struct conf *conf;
	enum import_format format;
	struct import_rules rules;
	struct profile_set profiles;
	struct import_list list;
	size_t count[IMPORT_RESULTS];
	size_t written;
};

/* ---- the command line and the file ----------------------------------------------------------- */

static int read_words(struct importing *im, struct error *err)
{
	for (size_t i = 1; i < im->line->n_args; i++) {
		const char *word = im->line->args[i];
		if (strncmp(word, "format=", 7) == 0) {
			im->format = import_format_find(word + 7);
			ENSURE(im->format != IMPORT_ANY, err, E_CONFIG,
				"\"%.60s\": a format is csv, json, meshcentral or dmt", word);
		} else if (strncmp(word, "profile=", 8) == 0) {
			im->rules.profile = word + 8;
		} else if (strncmp(word, "domain=", 7) == 0) {
			im->rules.domain = word + 7;
		} else {
			return error_set(err, E_CONFIG,
				"\"%.60s\": import takes FILE format= profile= domain=", word);
		}
	}
	return 0;
}

static int read_fd(struct secret *out, int fd, bool *shared, struct error *err)
{
	struct stat st;
	ENSURE(fstat(fd, &st) == 0, err, -errno, "%s", strerror(errno));
	ENSURE(S_ISREG(st.st_mode), err, E_CONFIG, "not a file");
	ENSURE(st.st_size > 0, err, E_CONFIG, "it is empty");
	ENSURE(st.st_size <= IMPORT_FILE_MAX, err, E_LIMIT,
		"larger than %d MiB: import it in parts", IMPORT_FILE_MAX >> 20);
	*shared = (st.st_mode & 077) != 0;
	*out = (struct secret){malloc((size_t)st.st_size + 1), (size_t)st.st_size};
	ENSURE(out->data, err, -ENOMEM, "out of memory");
	size_t have = 0;
	for (ssize_t n = 1; have < out->len && n > 0; have += n > 0 ? (size_t)n : 0) {
		n = read(fd, out->data + have, out->len - have);
		ENSURE(n >= 0, err, -errno, "%s", strerror(errno));
	}
	out->len = have; /* it may have shrunk meanwhile */
	out->data[have] = '\0';
	return 0;
}

static int read_list(struct importing *im, struct error *err)
{
	const char *path = im->line->args[0];
	struct secret text = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ENSURE(fd >= 0, err, -errno, "%s: %s", path, strerror(errno));
	int rc = read_fd(&text, fd, &im->rules.shared, err);
	close(fd);
	if (rc == 0)
		rc = import_parse(&im->list, secret_text(&text), text.len, im->format, err);
	secret_free(&text);
	return rc < 0 ? error_prefix(err, "%s", path) : 0;
}

static int check(struct importing *im, struct error *err)
{
	const struct conf *conf = im->conf;
	TRY(profile_set_load(&im->profiles, conf->worker.profiles_dir, NULL, err));
	im->rules.profiles = &im->profiles;
	im->rules.profiles_dir = conf->worker.profiles_dir;
	im->rules.default_profile = conf->worker.default_profile;
	return import_check(&im->list, &im->rules, err);
}

/* ---- the report ------------------------------------------------------------------------------ */

static const char *const results[IMPORT_RESULTS] = {
	[IMPORT_UNDECIDED] = "-",
	[IMPORT_EXPECT] = "expect",
	[IMPORT_ADOPT] = "adopt",
	[IMPORT_KEPT] = "kept",
	[IMPORT_SKIPPED] = "skipped",
	[IMPORT_REFUSED] = "refused",
};

static json_t *row_json(const struct import_row *row)
{
	bool good = row->result != IMPORT_REFUSED;
	json_t *out = json_object();
	if (row->line)
		json_object_set_new(out, "line", json_integer(row->line));
	else
		json_object_set_new(out, "index", json_integer((json_int_t)row->index));
	const struct {
		const char *key, *value;
	} texts[] = {{"result", results[row->result]}, {"device", row->uuid},
		/* what was refused may be anything: a password in the wrong column */
		{"name", good ? import_text(row, IMPORT_NAME) : ""},
		{"profile", good ? import_text(row, IMPORT_PROFILE) : ""}, {"field", row->field},
		{"why", row->why}, {"fix", row->fix}};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		json_object_set_new(out, texts[i].key, json_string(texts[i].value));
	return out;
}

static void print_rows(const struct importing *im)
{
	static const char *const headings[] = {"AT", "RESULT", "UUID", "NAME", "PROFILE", "REMARK"};
	struct table *t = table_new(headings, sizeof headings / sizeof headings[0]);
	for (size_t i = 0; i < im->list.n; i++) {
		const struct import_row *row = &im->list.rows[i];
		bool good = row->result != IMPORT_REFUSED;
		char where[WHERE_MAX], remark[2 * ERROR_TEXT_MAX];
		snprintf(remark, sizeof remark, "%s%s%s%s%s", row->field, *row->field ? ": " : "",
			row->why, *row->fix ? "; " : "", row->fix);
		table_row(t, (const char *const[]){import_where(row, where, sizeof where),
				     results[row->result], row->uuid,
				     good ? import_text(row, IMPORT_NAME) : "",
				     good ? import_text(row, IMPORT_PROFILE) : "", remark});
	}
	table_print(t);
}

static void count(struct importing *im)
{
	memset(im->count, 0, sizeof im->count);
	for (size_t i = 0; i < im->list.n; i++)
		im->count[im->list.rows[i].result]++;
}

static void report_json(const struct importing *im)
{
	json_t *rows = json_array(), *counts = json_object();
	for (size_t i = 0; i < im->list.n; i++)
		json_array_append_new(rows, row_json(&im->list.rows[i]));
	for (int r = IMPORT_EXPECT; r < IMPORT_RESULTS; r++)
		json_object_set_new(counts, results[r], json_integer((json_int_t)im->count[r]));
	command_print_json(json_pack("{s:s, s:s, s:b, s:b, s:I, s:o, s:o}", "file",
		im->line->args[0], "format", import_format_name(im->list.format), "dry_run",
		im->line->dry_run, "accept", im->count[IMPORT_REFUSED] == 0, "written",
		(json_int_t)im->written, "counts", counts, "rows", rows));
}

static void report(struct importing *im)
{
	const size_t *n = im->count;
	count(im);
	if (im->line->json) {
		report_json(im);
		return;
	}
	print_rows(im);
	printf("%s: %zu to expect, %zu to adopt, %zu kept, %zu skipped, %zu refused; %zu "
	       "written%s\n",
		import_format_name(im->list.format), n[IMPORT_EXPECT], n[IMPORT_ADOPT],
		n[IMPORT_KEPT], n[IMPORT_SKIPPED], n[IMPORT_REFUSED], im->written,
		im->line->dry_run ? " (dry run)" : "");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int look_and_write(struct importing *im, struct error *err)
{
	struct site s;
	size_t todo;
	int rc = site_open(&s, im->conf, err);
	if (rc == 0)
		rc = import_look(&s, &im->list, err);
	count(im);
	todo = im->count[IMPORT_EXPECT] + im->count[IMPORT_ADOPT];
	if (rc == 0 && im->count[IMPORT_REFUSED] == 0 && !im->line->dry_run) {
		if (im->count[IMPORT_ADOPT])
			rc = site_load_keks(&s, im->conf, err);
		if (rc == 0)
			rc = import_write(&s, im->conf, &im->list, &im->written, err);
		if (rc < 0)
			error_prefix(err,
				"%zu of %zu devices are written, run it again to go on: what is "
				"there is kept",
				im->written, todo);
	}
	site_close(&s);
	return rc;
}

int command_import(const struct command_line *line, const struct conf *conf)
{
	struct error err = {0};
	struct importing im = {.line = line, .conf = conf, .rules = {.profile = "", .domain = ""}};
	int rc = read_words(&im, &err);
	if (rc == 0)
		rc = read_list(&im, &err);
	if (rc == 0)
		rc = check(&im, &err);
	if (rc == 0) {
		rc = look_and_write(&im, &err);
		report(&im);
	}
	bool refused = im.count[IMPORT_REFUSED] > 0;
	profile_set_free(&im.profiles);
	import_list_free(&im.list);
	if (rc < 0)
		return command_fail(&err);
	return refused ? COMMAND_FAILED : COMMAND_OK;
}
