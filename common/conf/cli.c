/* SPDX-License-Identifier: Apache-2.0 */
/* argp with the shared options on top and the program's own ones beside them. */
#include "common/conf/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/secret.h"

/* Keys without a letter, so that programs may use all letters. */
enum { KEY_CONFIG = 0x1000, KEY_CHECK, KEY_PRINT_CONFIG };

/* The whole configuration as YAML: some kilobytes. */
#define PRINT_MAX (1024 * 1024)

/* The configuration repeats the log's enumerations, because its tables need none of the log. */
_Static_assert((int)CONF_LOG_ERROR == LOG_LEVEL_ERROR, "same order");
_Static_assert((int)CONF_LOG_JSON == LOG_FORMAT_JSON, "same order");

struct cli {
	const struct cli_program *program;
	void *input;
	const char *config;
	bool check, print_config;
};

static const struct argp_option shared_options[] = {
	{"config", KEY_CONFIG, "FILE", 0,
		"Configuration file (default: $MUSTER_CONFIG or " CLI_DEFAULT_CONFIG ")", 0},
	{"check", KEY_CHECK, NULL, 0, "Check the configuration and what it points at, and exit", 0},
	{"print-config", KEY_PRINT_CONFIG, NULL, 0,
		"Print the configuration that is in effect, as YAML, and exit", 0},
	{0},
};

static error_t on_shared(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;
	switch (key) {
	case KEY_CONFIG: cli->config = arg; return 0;
	case KEY_CHECK: cli->check = true; return 0;
	case KEY_PRINT_CONFIG: cli->print_config = true; return 0;
	case ARGP_KEY_ARG: argp_error(state, "unexpected argument \"%s\"", arg); return 0;
	case ARGP_KEY_INIT: state->child_inputs[0] = cli; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static bool is_own_key(const struct cli_program *program, int key)
{
	for (const struct argp_option *o = program->options; o && (o->name || o->key); o++) {
		if (o->key == key)
			return true;
	}
	return false;
}

static error_t on_own(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;
	if (!cli || !is_own_key(cli->program, key))
		return ARGP_ERR_UNKNOWN;
	const char *wrong = cli->program->option_fn(key, arg ? arg : "", cli->input);
	if (wrong)
		argp_error(state, "%s", wrong);
	return 0;
}

const char *cli_version(void)
{
	return "muster " MUSTER_VERSION;
}

const char *cli_config_path(const char *argument)
{
	if (argument)
		return argument;
	const char *variable = getenv("MUSTER_CONFIG");
	return variable && *variable ? variable : CLI_DEFAULT_CONFIG;
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "%s\n", cli_version());
}

static int print_config(const struct conf *conf, struct error *err)
{
	struct buf out;
	buf_init(&out, PRINT_MAX);
	int rc = conf_print(conf, &out, err);
	if (rc == 0 && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
		rc = error_set(err, E_CLOSED, "standard output is closed");
	buf_free(&out);
	return rc;
}

int cli_start(
	const struct cli_program *program, int argc, char **argv, void *input, struct conf *out)
{
	secret_protect_process();
	const struct argp own = {.options = program->options, .parser = on_own};
	const struct argp_child children[] = {{&own, 0, NULL, 0}, {0}};
	const struct argp argp = {.options = shared_options,
		.parser = on_shared,
		.doc = program->doc,
		.children = children};
	struct cli cli = {.program = program, .input = input};
	argp_program_version_hook = print_version;
	argp_err_exit_status = 64; /* EX_USAGE */
	argp_parse(&argp, argc, argv, 0, NULL, &cli);

	struct error err = {0};
	int rc = conf_load(cli_config_path(cli.config), out, &err);
	if (rc == 0 && cli.print_config)
		rc = print_config(out, &err);
	if (rc == 0 && cli.check && program->check_fn)
		rc = program->check_fn(out, &err);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", argv[0], err.text);
		return CLI_FAILED;
	}
	if (cli.print_config || cli.check)
		return CLI_DONE;
	log_start(program->role, (enum log_level)out->log.level, (enum log_format)out->log.format);
	return CLI_RUN;
}
