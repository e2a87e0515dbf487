/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of every program, so that each main.c stays tiny: command line by argp, configuration,
 * --check, --print-config, --version, --help, protection of the process, log.
 *
 *   int main(int argc, char **argv)
 *   {
 *           static const struct cli_program program = {.role = "broker", .doc = "...",
 *                   .options = options, .option_fn = on_option};
 *           static struct conf conf;
 *           int rc = cli_start(&program, argc, argv, &args, &conf);
 *           if (rc != CLI_RUN)
 *                   return rc;
 *           ...
 *   }
 */
#ifndef MUSTER_CONF_CLI_H
#define MUSTER_CONF_CLI_H

#include <argp.h>

#include "common/conf/conf.h"

/* Where packages put the file; --config overrides, and so does the variable MUSTER_CONFIG. */
#define CLI_DEFAULT_CONFIG "/etc/muster/muster.yaml"

enum {
	CLI_RUN = -1,   /* go on */
	CLI_DONE = 0,   /* --check or --print-config was served: exit 0 */
	CLI_FAILED = 1, /* configuration refused, said on stderr: exit 1 */
};

struct cli_program {
	const char *role; /* "listener", "broker", ...: in every log line */
	const char *doc;  /* one paragraph for --help */
	/** Options of the program itself, ended by an empty row; or NULL. */
	const struct argp_option *options;
	/**
	 * One own option: its key and argument ("" if it has none).
	 * @param input what was given to cli_start()
	 * @return 0, or a text that says what is wrong with the argument
	 */
	const char *(*option_fn)(int key, const char *arg, void *input);
	/** --check: load what the configuration points at, as the program's start would; or NULL.
	 * @return 0; the text says what is wrong */
	int (*check_fn)(struct conf *conf, struct error *err);
};

/**
 * Parse the command line, load the configuration, protect the process (secret.h), start the log.
 * A wrong command line ends the process with status 64, --help and --version with 0 (argp).
 *
 * @param input passed to option_fn
 * @return CLI_RUN, CLI_DONE or CLI_FAILED
 */
int cli_start(
	const struct cli_program *program, int argc, char **argv, void *input, struct conf *out);

/**
 * The name of the configuration file: the argument, else MUSTER_CONFIG, else the default.
 * For programs with subcommands, which parse their own lines.
 */
const char *cli_config_path(const char *argument);

/** "muster 0.1.0". */
const char *cli_version(void);

#endif
