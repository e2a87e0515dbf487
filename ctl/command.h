/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command of `muster` gets and how it answers. A command is one row of the table in
 * ctl/main.c: words, arguments, options that it takes, function. Results go to standard output (a
 * table for people, JSON with --json); errors to standard error in one line.
 */
#ifndef MUSTER_CTL_COMMAND_H
#define MUSTER_CTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/conf/conf.h"

/* Exit statuses of the command. */
enum {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1, /* it was tried and did not work, or the thing checked is bad */
	COMMAND_USAGE = 64, /* the command line is wrong (EX_USAGE) */
};

/* Options; a command's row lists those that it takes. */
enum command_option {
	OPT_JSON = 1 << 0,
	OPT_REVEAL = 1 << 1,
	OPT_STATE = 1 << 2,
	OPT_LIMIT = 1 << 3,
	OPT_KEY = 1 << 4,
	OPT_PASSWORD_FILE = 1 << 5,
	OPT_DOMAIN = 1 << 6,
	OPT_TRIES = 1 << 7,
	OPT_FOR = 1 << 8,
	OPT_AMT = 1 << 9,
	OPT_HELLO = 1 << 10,
	OPT_DRY_RUN = 1 << 11,
};

struct command_line {
	const char *config; /* --config or NULL */
	bool json, reveal, dry_run;
	const char *state, *key, *password_file, *domain, *device, *amt, *hello;
	uint32_t limit; /* 0 = the command's default */
	char **args;    /* positional arguments after the command's words */
	size_t n_args;
};

/* Commands that need a configuration get it loaded; for the others conf is NULL. */
typedef int (*command_fn)(const struct command_line *line, const struct conf *conf);

int command_node(const struct command_line *line, const struct conf *conf);
int command_status(const struct command_line *line, const struct conf *conf);
int command_device_list(const struct command_line *line, const struct conf *conf);
int command_device_show(const struct command_line *line, const struct conf *conf);
int command_device_export(const struct command_line *line, const struct conf *conf);
int command_job_list(const struct command_line *line, const struct conf *conf);
int command_job_show(const struct command_line *line, const struct conf *conf);
int command_wave_create(const struct command_line *line, const struct conf *conf);
int command_wave_start(const struct command_line *line, const struct conf *conf);
int command_wave_pause(const struct command_line *line, const struct conf *conf);
int command_wave_resume(const struct command_line *line, const struct conf *conf);
int command_wave_remove(const struct command_line *line, const struct conf *conf);
int command_wave_show(const struct command_line *line, const struct conf *conf);
int command_wave_list(const struct command_line *line, const struct conf *conf);
int command_plan(const struct command_line *line, const struct conf *conf);
int command_apply(const struct command_line *line, const struct conf *conf);
int command_drift(const struct command_line *line, const struct conf *conf);
int command_import(const struct command_line *line, const struct conf *conf);
int command_window(const struct command_line *line, const struct conf *conf);
int command_adopt(const struct command_line *line, const struct conf *conf);
int command_job_open(const struct command_line *line, const struct conf *conf);
int command_job_kick(const struct command_line *line, const struct conf *conf);
int command_job_cancel(const struct command_line *line, const struct conf *conf);
int command_dead_list(const struct command_line *line, const struct conf *conf);
int command_dead_drop(const struct command_line *line, const struct conf *conf);
int command_events(const struct command_line *line, const struct conf *conf);
int command_profile_check(const struct command_line *line, const struct conf *conf);
int command_profile_diff(const struct command_line *line, const struct conf *conf);
int command_profile_list(const struct command_line *line, const struct conf *conf);
int command_profile_docs(const struct command_line *line, const struct conf *conf);
int command_profile_schema(const struct command_line *line, const struct conf *conf);
int command_profile_show(const struct command_line *line, const struct conf *conf);
int command_rules_check(const struct command_line *line, const struct conf *conf);
int command_rules_explain(const struct command_line *line, const struct conf *conf);
int command_directory_sid(const struct command_line *line, const struct conf *conf);
int command_ca_init(const struct command_line *line, const struct conf *conf);
int command_ca_show(const struct command_line *line, const struct conf *conf);
int command_ca_serve(const struct command_line *line, const struct conf *conf);
int command_cert_check(const struct command_line *line, const struct conf *conf);
int command_keys_new(const struct command_line *line, const struct conf *conf);
int command_psk_import(const struct command_line *line, const struct conf *conf);
int command_psk_add(const struct command_line *line, const struct conf *conf);
int command_psk_list(const struct command_line *line, const struct conf *conf);
int command_psk_delete(const struct command_line *line, const struct conf *conf);
int command_schema_apply(const struct command_line *line, const struct conf *conf);
int command_config_check(const struct command_line *line, const struct conf *conf);
int command_decode_hello(const struct command_line *line, const struct conf *conf);
int command_decode_answer(const struct command_line *line, const struct conf *conf);

/** A line of standard input, not shown while it is typed. @return 0, or E_CONFIG at its end */
int command_ask(struct secret *out, const char *what, struct error *err);

/** Print err on standard error as "muster: text". @return COMMAND_FAILED */
int command_fail(const struct error *err);

/** Print a JSON value and a newline on standard output, and release it. @return COMMAND_OK */
int command_print_json(json_t *value);

/** Print the members of an object for people, one a line: times (NAME_ms) as they are from now,
 * texts of several lines and objects indented below their name. Empty ones are left out. */
void command_print_object(json_t *object);

/** One line of a report, of columns with tabs between: four are "Class.Property: is -> should be".
 */
void command_print_line(const char *line, size_t len);

/** A file, or standard input for "-": hex digits or raw bytes. @return 0; -errno; E_LIMIT */
int command_read_bytes(const char *path, struct buf *out, struct error *err);

/* A table for people: columns as wide as their widest cell. */
struct table;

/** A table with these column headings. */
struct table *table_new(const char *const *headings, size_t n_columns);

/** Add a row; cells are copied, NULL prints as "-". */
void table_row(struct table *t, const char *const *cells);

/** Print and free. */
void table_print(struct table *t);

/** Free without printing. NULL is allowed. */
void table_free(struct table *t);

/** "3 s ago", "in 2 h" for a time in ms since 1970 (0 = "-"). Returns out. */
const char *command_ago(char *out, size_t out_len, uint64_t ms);

#endif
