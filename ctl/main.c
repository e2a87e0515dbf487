/* SPDX-License-Identifier: Apache-2.0 */
/* muster: the one command that people type. The table below is the whole of its grammar. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/secret.h"
#include "common/conf/cli.h"
#include "ctl/capacity.h"
#include "ctl/command.h"

struct command {
	const char *words; /* "device show" */
	const char *args;  /* for --help */
	const char *help;
	size_t min_args, max_args;
	unsigned options;
	bool needs_conf;
	command_fn fn;
};

static const struct command commands[] = {
	{"node", "", "run listeners, brokers, workers and the CA of this host", 0, 0, 0, true,
		command_node},
	{"status", "", "how many jobs are in which state", 0, 0, OPT_JSON, true, command_status},
	{"device list", "[--state STATE]", "known devices", 0, 0, OPT_JSON | OPT_STATE | OPT_LIMIT,
		true, command_device_list},
	{"device show", "UUID", "everything about one device", 1, 1, OPT_JSON | OPT_REVEAL, true,
		command_device_show},
	{"device export", "", "all devices, one JSON object a line", 0, 0, OPT_JSON | OPT_REVEAL,
		true, command_device_export},
	{"job list", "[--state STATE]", "jobs, newest first", 0, 0,
		OPT_JSON | OPT_STATE | OPT_LIMIT, true, command_job_list},
	{"job show", "JOB", "one job with its events", 1, 1, OPT_JSON, true, command_job_show},
	{"job open", "KIND UUID|SELECTOR [with] [ARG...]",
		"open an upkeep job: maintain, check, renew, rotate, unconfigure, inventory", 2,
		SIZE_MAX, OPT_JSON, true, command_job_open},
	{"adopt", "UUID [addr=A] [profile=P] [name=FQDN] [ou=] [tags=] [fingerprint=HEX] [plain]",
		"take over a device that another server configured; its admin password comes from "
		"--password-file or standard input",
		1, SIZE_MAX, OPT_JSON | OPT_PASSWORD_FILE, true, command_adopt},
	{"import", "FILE [format=F] [profile=P] [domain=D]",
		"devices of a list (csv, json, meshcentral, dmt): expected, or adopted when it has "
		"their password; --dry-run only says what would be done",
		1, 4, OPT_JSON | OPT_DRY_RUN, true, command_import},
	{"job kick", "JOB|UUID [ADDR]",
		"run a waiting, dead or unapproved job now; ADDR decides a quarantine", 1, 2,
		OPT_JSON, true, command_job_kick},
	{"job cancel", "JOB|UUID", "end a job; a running session stops at its next step", 1, 1,
		OPT_JSON, true, command_job_cancel},
	{"plan", "[SELECTOR] [with] [profile=P] [out=FILE]",
		"read devices and say what would be changed; out= writes a plan", 0, SIZE_MAX,
		OPT_JSON, true, command_plan},
	{"apply", "FILE", "do what a plan says; refuses when a device has moved since", 1, 1,
		OPT_JSON, true, command_apply},
	{"drift", "[SELECTOR]", "as plan; exit status 1 when a device differs from its profile", 0,
		SIZE_MAX, OPT_JSON, true, command_drift},
	{"wave create", "NAME KIND [LIMIT=N...] [for SELECTOR] [with ARG...]",
		"a rollout of upkeep jobs, or of setup, within limits", 2, SIZE_MAX, OPT_JSON, true,
		command_wave_create},
	{"wave start", "NAME", "begin it with the canaries", 1, 1, OPT_JSON, true,
		command_wave_start},
	{"wave pause", "NAME", "open no more jobs; those in flight end", 1, 1, OPT_JSON, true,
		command_wave_pause},
	{"wave resume", "NAME", "go on; the error rate is measured anew", 1, 1, OPT_JSON, true,
		command_wave_resume},
	{"wave remove", "NAME", "forget a wave in which nothing moves, and its report", 1, 1,
		OPT_JSON, true, command_wave_remove},
	{"wave show", "NAME", "progress, estimate and what failed", 1, 1, OPT_JSON, true,
		command_wave_show},
	{"wave list", "", "all waves", 0, 0, OPT_JSON, true, command_wave_list},
	{"window", "", "devices in setup that will miss their window: the queue is too long", 0, 0,
		OPT_JSON, true, command_window},
	{"dead list", "", "jobs that gave up: step and reason", 0, 0, OPT_JSON | OPT_LIMIT, true,
		command_dead_list},
	{"dead drop", "JOB|UUID", "forget a dead job, or all of a device", 1, 1, OPT_JSON, true,
		command_dead_drop},
	{"events", "[UUID]", "the last events, of all devices or of one", 0, 1,
		OPT_JSON | OPT_LIMIT, true, command_events},
	{"profile check", "[FILE...]", "check profiles (default: all of worker.profiles_dir)", 0,
		SIZE_MAX, OPT_JSON | OPT_FOR | OPT_AMT, true, command_profile_check},
	{"profile show", "[NAME]", "a profile with all its defaults; --for: what that device gets",
		0, 1, OPT_JSON | OPT_FOR | OPT_AMT, true, command_profile_show},
	{"profile diff", "A B", "keys in which two profiles differ", 2, 2,
		OPT_JSON | OPT_FOR | OPT_AMT, true, command_profile_diff},
	{"profile list", "", "the profiles of worker.profiles_dir", 0, 0, OPT_JSON, true,
		command_profile_list},
	{"profile schema", "", "JSON Schema of a profile, for editors", 0, 0, 0, false,
		command_profile_schema},
	{"profile docs", "", "every key of a profile as a Markdown table", 0, 0, 0, false,
		command_profile_docs},
	{"rules check", "[FILE]", "check decision rules (default: worker.rules_file)", 0, 1, 0,
		true, command_rules_check},
	{"rules explain", "UUID | --hello FILE [ADDRESS]",
		"which rule decides about a device, and why the others do not", 0, 2,
		OPT_JSON | OPT_HELLO, true, command_rules_explain},
	{"directory sid", "NAME",
		"the SID of a user or group (CORP\\Group, group@domain, NAME, DN), for acl.users "
		"of "
		"a profile",
		1, 1, OPT_JSON, true, command_directory_sid},
	{"ca init", "", "make root and issuing CA in ca.dir", 0, 0, OPT_JSON, true,
		command_ca_init},
	{"ca show", "", "the CA's certificates and counts", 0, 0, OPT_JSON, true, command_ca_show},
	{"ca serve", "", "issue certificates on ca.socket (muster node starts it)", 0, 0, 0, true,
		command_ca_serve},
	{"cert check", "CHAIN.pem --key KEY.pem [--password-file FILE] [--domain SUFFIX]",
		"check a provisioning certificate against the rules of the firmware", 1, 1,
		OPT_JSON | OPT_KEY | OPT_PASSWORD_FILE | OPT_DOMAIN, false, command_cert_check},
	{"keys new", "", "make the keys that the configuration names and that do not exist yet", 0,
		0, OPT_JSON, true, command_keys_new},
	{"psk import", "FILE.csv", "store PSK pairs for devices before AMT 11 (pid,pps[,password])",
		1, 1, OPT_JSON, true, command_psk_import},
	{"psk add", "PID", "store one pair; PPS and MEBx password come from standard input", 1, 1,
		OPT_JSON, true, command_psk_add},
	{"psk list", "", "stored pairs, without the PPS", 0, 0, OPT_JSON | OPT_STATE | OPT_LIMIT,
		true, command_psk_list},
	{"psk delete", "PID", "delete one pair for good", 1, 1, OPT_JSON, true, command_psk_delete},
	{"schema apply", "", "load the functions into Redis (brokers do it at their start)", 0, 0,
		OPT_JSON, true, command_schema_apply},
	{"config check", "", "check the configuration and what it points at", 0, 0, OPT_JSON, true,
		command_config_check},
	{"decode hello", "FILE", "what the parser sees in a Hello (hex or raw; - = standard input)",
		1, 1, OPT_JSON, false, command_decode_hello},
	{"decode answer", "FILE", "what the parser sees in a WS-Man answer", 1, 1, OPT_JSON, false,
		command_decode_answer},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

/* Of options without a letter whose bit is above those that key - 256 can carry. */
#define OPT_DRY_RUN_KEY 1024

static const struct argp_option options[] = {
	{"config", 'c', "FILE", 0,
		"configuration (default " CLI_DEFAULT_CONFIG ", or MUSTER_CONFIG)", 0},
	{"json", 'j', NULL, 0, "answer in JSON", 0},
	{"reveal", OPT_REVEAL + 256, NULL, 0, "show passwords; this is logged as an event", 0},
	{"state", 's', "STATE", 0,
		"only this state (jobs: ready, leased, waiting, done, dead; devices: active, done, "
		"dead, cancelled, unconfigured, expected; pairs: free, fresh, used)",
		0},
	{"limit", 'n', "N", 0, "at most N rows", 0},
	{"key", 'k', "FILE", 0, "cert check: the private key", 0},
	{"password-file", OPT_PASSWORD_FILE + 256, "FILE", 0,
		"cert check: opens the private key; adopt: the device's admin password", 0},
	{"domain", 'd', "SUFFIX", 0, "cert check: would a device with this DNS suffix take it?", 0},
	{"dry-run", OPT_DRY_RUN_KEY, NULL, 0, "import: check and report, write nothing", 0},
	{"for", 'f', "UUID", 0, "profile: by the release of this device", 0},
	{"hello", 'H', "FILE", 0, "rules explain: a raw Hello in place of a known device", 0},
	{"amt", 'a', "RELEASE", 0, "profile: by this release, for example 11.8", 0},
	{0},
};

/* The bit of an option's key; 0 for those that every command takes. */
static unsigned option_bit(int key)
{
	switch (key) {
	case 'j': return OPT_JSON;
	case 's': return OPT_STATE;
	case 'n': return OPT_LIMIT;
	case 'k': return OPT_KEY;
	case 'd': return OPT_DOMAIN;
	case 'f': return OPT_FOR;
	case 'a': return OPT_AMT;
	case 'H': return OPT_HELLO;
	case OPT_DRY_RUN_KEY: return OPT_DRY_RUN;
	default:
		return key > 256 && key < 512 ? (unsigned)(key - 256) : 0; /* not argp's own keys */
	}
}

/* Commands with many options of their own parse them themselves; their first word stands first. */
static const struct {
	const char *word, *args, *help;
	int (*main)(int argc, char **argv);
} programs[] = {
	{"plan-capacity", "--devices N --hours H", "what a site of that size needs (--help: more)",
		command_plan_capacity},
};
#define N_PROGRAMS (sizeof programs / sizeof programs[0])

struct parsed {
	struct command_line line;
	unsigned used; /* options that were given */
};

static uint32_t parse_limit(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);
	if (*end || n == 0 || n > 1000000)
		argp_error(state, "--limit %s: a number from 1 to 1000000", arg);
	return (uint32_t)n;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct parsed *p = state->input;
	struct command_line *l = &p->line;
	p->used |= option_bit(key);
	switch (key) {
	case 'c': l->config = arg; return 0;
	case 'j': l->json = true; return 0;
	case OPT_REVEAL + 256: l->reveal = true; return 0;
	case 's': l->state = arg; return 0;
	case 'n': l->limit = parse_limit(arg, state); return 0;
	case 'k': l->key = arg; return 0;
	case OPT_PASSWORD_FILE + 256: l->password_file = arg; return 0;
	case 'd': l->domain = arg; return 0;
	case 'f': l->device = arg; return 0;
	case 'a': l->amt = arg; return 0;
	case 'H': l->hello = arg; return 0;
	case OPT_DRY_RUN_KEY: l->dry_run = true; return 0;
	case ARGP_KEY_ARG: l->args[l->n_args++] = arg; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static char *help_filter(int key, const char *text, void *input)
{
	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	if (!f)
		return NULL;
	fputs("Commands:\n", f);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char left[128];
		snprintf(left, sizeof left, "%s %s", commands[i].words, commands[i].args);
		fprintf(f, "  %-24s %s\n", left, commands[i].help);
	}
	for (size_t i = 0; i < N_PROGRAMS; i++)
		fprintf(f, "  %s %s\n  %-24s %s\n", programs[i].word, programs[i].args, "",
			programs[i].help);
	fprintf(f, "  %-24s %s\n", "version", "print the version");
	fclose(f);
	return out;
}

/* What the words behind some commands are. */
static const char which[] =
	"SELECTOR: all, a UUID, or words that must all fit: state= tag= profile= "
	"subnet=10.1.0.0/16 amt=16.1 error= wave=\n";
static const char limits[] =
	"LIMIT: canary=N in-flight=N per-site=N per-ca=N per-directory=N stop=2.5% "
	"blackout=22:00-06:00 (UTC)\n";
static const char job_args[] =
	"ARG: profile=NAME of maintain and check; partial or full of unconfigure; "
	"addr=A for one device that has moved\n";
static const char own_words[] = "out=FILE writes a plan; wait=SECONDS (600) for the devices\n";
static const struct {
	const char *words, *texts[3];
} more[] = {{"job open", {which, job_args}}, {"plan", {which, own_words}},
	{"drift", {which, own_words}}, {"wave create", {limits, which, job_args}}};

static void help_one(const struct command *c)
{
	printf("muster %s%s%s\n    %s\n", c->words, *c->args ? " " : "", c->args, c->help);
	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
		for (size_t k = 0; k < 3 && more[i].texts[k]; k++)
			if (strcmp(more[i].words, c->words) == 0)
				printf("    %s", more[i].texts[k]);
	for (const struct argp_option *o = options; o->name; o++)
		if (c->options & option_bit(o->key))
			printf("    --%s%s%s  %s\n", o->name, o->arg ? "=" : "",
				o->arg ? o->arg : "", o->doc);
}

static bool begins(const char *words, const char *first, const char *second)
{
	size_t len = strlen(first);
	if (strncmp(words, first, len) != 0 || (words[len] && words[len] != ' '))
		return false;
	return !second || !words[len] || strcmp(words + len + 1, second) == 0;
}

/* `muster VERB... --help`: the part of this verb. @return whether there is one */
static bool help_verb(int argc, char **argv)
{
	bool asked = false, found = false;
	for (int i = 2; i < argc; i++)
		asked |= strcmp(argv[i], "--help") == 0;
	const char *second = argc > 2 && argv[2][0] != '-' ? argv[2] : NULL;
	for (size_t i = 0; asked && i < N_COMMANDS; i++) {
		if (!begins(commands[i].words, argv[1], second))
			continue;
		help_one(&commands[i]);
		found = true;
	}
	return found;
}

/* "device nonsense": what there is behind the first word. */
static int unknown(char **args, size_t n_args)
{
	const char *second = n_args > 1 ? args[1] : "";
	size_t n = 0;
	fprintf(stderr, "muster: unknown command %s%s%s", args[0], *second ? " " : "", second);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (begins(commands[i].words, args[0], NULL))
			fprintf(stderr, "%s %s", n++ ? "," : "; there is", commands[i].words);
	fputs(n ? "\n" : "; see muster --help\n", stderr);
	return COMMAND_USAGE;
}

/* The command whose words begin the arguments; *n_words tells how many they were. */
static const struct command *find_command(char **args, size_t n_args, size_t *n_words)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char words[32];
		snprintf(words, sizeof words, "%s", commands[i].words);
		char *second = strchr(words, ' ');
		if (second)
			*second++ = '\0';
		if (n_args < 1 || strcmp(args[0], words) != 0)
			continue;
		if (second && (n_args < 2 || strcmp(args[1], second) != 0))
			continue;
		*n_words = second ? 2 : 1;
		return &commands[i];
	}
	return NULL;
}

static int check_line(const struct command *c, const struct parsed *p)
{
	if (p->line.n_args < c->min_args || p->line.n_args > c->max_args) {
		fprintf(stderr, "usage: muster %s %s\n", c->words, c->args);
		return COMMAND_USAGE;
	}
	unsigned foreign = p->used & ~c->options;
	for (const struct argp_option *o = options; o->name; o++) {
		if (foreign & option_bit(o->key)) {
			fprintf(stderr, "muster: %s does not take --%s\n", c->words, o->name);
			return COMMAND_USAGE;
		}
	}
	return COMMAND_OK;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {options, on_option, "COMMAND [ARGUMENT...]",
		"Muster: remote configuration of Intel AMT.\v", NULL, help_filter, NULL};
	static struct conf conf;
	argp_program_version = cli_version();
	for (size_t i = 0; argc > 1 && i < N_PROGRAMS; i++)
		if (strcmp(argv[1], programs[i].word) == 0)
			return programs[i].main(argc - 1, argv + 1);
	if (argc > 2 && help_verb(argc, argv))
		return COMMAND_OK;
	struct parsed p = {.line.args = calloc((size_t)argc + 1, sizeof(char *))};
	if (!p.line.args)
		return COMMAND_FAILED;
	secret_protect_process();
	argp_parse(&argp, argc, argv, 0, NULL, &p);

	size_t n_words = 0;
	char **all_args = p.line.args;
	int rc = COMMAND_OK;
	const struct command *c = find_command(p.line.args, p.line.n_args, &n_words);
	if (p.line.n_args == 1 && strcmp(p.line.args[0], "version") == 0) {
		puts(cli_version());
	} else if (!c) {
		if (!p.line.n_args)
			fputs("muster: no command; see muster --help\n", stderr);
		rc = p.line.n_args ? unknown(p.line.args, p.line.n_args) : COMMAND_USAGE;
	} else {
		p.line.args += n_words;
		p.line.n_args -= n_words;
		rc = check_line(c, &p);
		struct error err = {0};
		if (rc == COMMAND_OK && c->needs_conf) {
			p.line.config = cli_config_path(p.line.config);
			if (conf_load(p.line.config, &conf, &err) < 0)
				rc = command_fail(&err);
		}
		if (rc == COMMAND_OK)
			rc = c->fn(&p.line, c->needs_conf ? &conf : NULL);
	}
	free(all_args);
	return rc;
}
