/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster-sim: a simulated estate of Intel AMT devices, and the judge of what a server did to it.
 *   muster-sim run      simulate devices until SIGTERM
 *   muster-sim devices  print the table UUID, name, profile of the same estate
 *   muster-sim psk      print the pairs of PID and PPS of its devices
 *   muster-sim odca-root  print the root of the on-die authority
 *   muster-sim quirks   list the named behaviours that devices may have
 *   muster-sim verify   join a ledger with the server's records and judge
 */
#include "bench/sim/processes.h"
#include "bench/sim/scenario.h"
#include "bench/sim/verify.h"

#include <argp.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *argp_program_version = "muster-sim 0.1.0";

enum {
	K_DEVICES = 256,
	K_SEED,
	K_LISTENER,
	K_PORT,
	K_FIRST,
	K_ROOTS,
	K_DOMAIN,
	K_PROCESSES,
	K_LEDGER,
	K_KEYS,
	K_N_KEYS,
	K_PERSONALITIES,
	K_MIX,
	K_SCENARIO,
	K_ARRIVAL,
	K_LOSS,
	K_READDRESS,
	K_LATENCY,
	K_SLOW_KEYS,
	K_DEAF,
	K_COMPRESS,
	K_SPREAD,
	K_UNTIL,
	K_UNKNOWN,
	K_NAMED,
	K_ANY_SID,
	K_FAULT,
	K_PSK,
	K_PROFILE,
	K_RECORDS,
	K_CA,
	K_NAMES,
	K_JSON,
	K_ENDS,
};

struct args {
	struct estate_opts estate;
	struct verify_opts verify;
	const char *profile;
	char keys_file[PATH_MAX];
};

/* What identifies an estate: the same for run and devices. */
#define ESTATE_OPTIONS                                                                           \
	{"devices", K_DEVICES, "N", 0, "number of devices (100)", 0},                            \
		{"seed", K_SEED, "S", 0, "seed of everything random (1)", 0},                    \
		{"scenario", K_SCENARIO, "FILE", 0, "mix, quirks and laws as YAML", 0},          \
	{                                                                                        \
		"domain", K_DOMAIN, "NAME", 0, "DNS suffix of the devices (corp.example.com)", 0 \
	}

static const struct argp_option run_options[] = {
	ESTATE_OPTIONS,
	{"listener", K_LISTENER, "HOST:PORT[,..]", 0, "where Hellos go", 0},
	{"port", K_PORT, "PORT", 0, "port of the devices (16993)", 0},
	{"first-address", K_FIRST, "ADDR", 0, "address of device 0 (127.16.0.1)", 0},
	{"roots", K_ROOTS, "FILE", 0, "PEM roots whose hashes the devices list", 0},
	{"processes", K_PROCESSES, "N", 0,
		"hold the estate in N processes (1): ledgers FILE.0, ...", 0},
	{"ledger", K_LEDGER, "FILE", 0, "write the ledger there", 0},
	{"keys-file", K_KEYS, "FILE", 0, "RSA key pool (beside the program)", 0},
	{"n-keys", K_N_KEYS, "N", 0, "keys in the pool (32)", 0},
	{"personalities", K_PERSONALITIES, "DIR", 0, "generations as YAML files", 0},
	{"mix", K_MIX, "NAME=SHARE,..", 0, "shares of the generations; or a scenario FILE.yaml", 0},
	{"latency", K_LATENCY, "LAW", 0, "none | fixed:MS | lognormal:MEDIAN_MS:SIGMA", 0},
	{"slow-keys", K_SLOW_KEYS, "MS", 0, "extra time of GenerateKeyPair (0)", 0},
	{"deaf-ms", K_DEAF, "MS", 0, "port closed after a commit (200)", 0},
	{"compress", K_COMPRESS, "X", 0, "how much faster than in the field time passes (10)", 0},
	{"arrival", K_ARRIVAL, "LAW", 0,
		"burst[:S] | steady:RATE | ramp:RATE:S | open:RATE (burst)", 0},
	{"spread-s", K_SPREAD, "S", 0, "the same as --arrival burst:S", 0},
	{"loss", K_LOSS, "NAME=P,..", 0, "per request: drop, reset, stall, half-open, reboot", 0},
	{"readdress", K_READDRESS, "P", 0, "another address before a Hello (0)", 0},
	{"until-configured", K_UNTIL, NULL, 0, "end when all are configured and quiet", 0},
	{"psk", K_PSK, "P", 0, "share of devices before AMT 11 set up by PID and PPS (0)", 0},
	{"named", K_NAMED, NULL, 0, "the devices have their names already (typed into MEBx)", 0},
	{"any-ticket", K_ANY_SID, NULL, 0,
		"a Kerberos ticket without SIDs is an administrator's: a KDC that is no AD", 0},
	{"lenient", K_UNKNOWN, NULL, 0, "accept certificates that no source decides", 0},
	{"fault", K_FAULT, "NAME=SHARE[:V]", 0, "a quirk, also NAME@INDEX[:V]; muster-sim quirks",
		0},
	{0},
};

static const struct argp_option devices_options[] = {
	ESTATE_OPTIONS,
	{"profile", K_PROFILE, "NAME", 0, "third column (default)", 0},
	{0},
};

static const struct argp_option root_options[] = {
	{"keys-file", K_KEYS, "FILE", 0, "RSA key pool of the run (beside the program)", 0},
	{0},
};

static const struct argp_option quirks_options[] = {
	{"json", K_JSON, NULL, 0, "one JSON object per line", 0},
	{0},
};

static const struct argp_option verify_options[] = {
	{"ledger", K_LEDGER, "FILE", 0,
		"the ledger of the run; again for each process of an estate", 0},
	{"ends", K_ENDS, "FILE", 0, "write there what became of each device, JSON lines", 0},
	{"records", K_RECORDS, "FILE", 0, "JSON lines of the server's records, - = stdin", 0},
	{"ca-bundle", K_CA, "FILE", 0, "roots and issuers of device certificates; may repeat", 0},
	{"profile", K_PROFILE, "FILE", 0, "what the devices shall look like", 0},
	{"names", K_NAMES, "FILE", 0,
		"what they shall be called: uuid,name lines; else as the run says", 0},
	{"json", K_JSON, NULL, 0, "print the report as JSON", 0},
	{0},
};

static int number(
	struct argp_state *state, const char *arg, unsigned long long max, unsigned long long *out)
{
	char *end;
	*out = strtoull(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || *out > max)
		argp_error(state, "%s: a number from 0 to %llu", arg, max);
	return 0;
}

static double real(struct argp_state *state, const char *arg, double max)
{
	char *end;
	double x = strtod(arg, &end);
	if (end == arg || *end || !(x >= 0 && x <= max))
		argp_error(state, "%s: a number from 0 to %g", arg, max);
	return x;
}

static void must(struct argp_state *state, int rc, const struct error *err)
{
	if (rc < 0)
		argp_error(state, "%s", err->text);
}

static bool ends_with(const char *text, const char *tail)
{
	size_t len = strlen(text), n = strlen(tail);
	return len >= n && strcmp(text + len - n, tail) == 0;
}

static void add_listeners(struct argp_state *state, struct estate_opts *o, char *list)
{
	char *save = NULL;
	struct error err = {0};
	for (char *one = strtok_r(list, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		if (o->n_listeners == ESTATE_LISTENERS_MAX)
			argp_error(state, "more than %d listeners", ESTATE_LISTENERS_MAX);
		if (net_addr_parse(&o->listeners[o->n_listeners++], one, &err) < 0)
			argp_error(state, "%s", err.text);
	}
}

static void first_address(struct argp_state *state, struct estate_opts *o, const char *arg)
{
	struct net_addr a;
	size_t len = 0;
	struct error err = {0};
	const uint8_t *b =
		net_addr_from_host(&a, arg, 0, &err) == 0 ? net_addr_bytes(&a, &len) : NULL;
	if (!b || len != 4 || b[0] != 127)
		argp_error(state, "%s: an address of 127.0.0.0/8", arg);
	else
		o->first_address =
			(uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;
	struct estate_opts *o = &a->estate;
	struct error err = {0};
	unsigned long long n = 0;
	switch (key) {
	case K_DEVICES:
		number(state, arg, ESTATE_DEVICES_MAX, &n);
		o->n_devices = (size_t)n;
		break;
	case K_PROCESSES:
		number(state, arg, ESTATE_PROCESSES_MAX, &n);
		o->processes = (unsigned)n;
		break;
	case K_SEED:
		number(state, arg, UINT64_MAX, &n);
		o->seed = n;
		break;
	case K_PORT:
		number(state, arg, 65535, &n);
		o->port = (uint16_t)n;
		break;
	case K_N_KEYS:
		number(state, arg, 10000, &n);
		o->n_keys = (size_t)n;
		break;
	case K_SLOW_KEYS:
		number(state, arg, 600000, &n);
		o->laws.slow_key_ms = (uint32_t)n;
		break;
	case K_DEAF:
		number(state, arg, 600000, &n);
		o->laws.deaf_ms = (uint32_t)n;
		break;
	case K_LISTENER: add_listeners(state, o, arg); break;
	case K_FIRST: first_address(state, o, arg); break;
	case K_ROOTS: o->roots_file = arg; break;
	case K_DOMAIN: o->domain = arg; break;
	case K_LEDGER:
		o->ledger_file = arg;
		if (a->verify.n_ledgers == VERIFY_LEDGERS_MAX)
			argp_error(state, "more than %d ledgers", VERIFY_LEDGERS_MAX);
		else
			a->verify.ledgers[a->verify.n_ledgers++] = arg;
		break;
	case K_ENDS: a->verify.ends = arg; break;
	case K_KEYS: o->keys_file = arg; break;
	case K_PERSONALITIES: o->personalities = arg; break;
	case K_MIX:
		if (ends_with(arg, ".yaml") || ends_with(arg, ".yml"))
			must(state, scenario_load(o, arg, &err), &err);
		else
			o->mix = arg;
		break;
	case K_SCENARIO: must(state, scenario_load(o, arg, &err), &err); break;
	case K_ARRIVAL: must(state, laws_parse_arrival(&o->laws.arrival, arg, &err), &err); break;
	case K_LOSS: must(state, laws_parse_loss(&o->laws, arg, &err), &err); break;
	case K_LATENCY: must(state, laws_parse_latency(&o->laws.latency, arg, &err), &err); break;
	case K_FAULT: must(state, fault_add(&o->faults, arg, &err), &err); break;
	case K_READDRESS: o->laws.readdress = real(state, arg, 1); break;
	case K_PSK: o->psk = real(state, arg, 1); break;
	case K_COMPRESS: o->laws.compress = real(state, arg, 1e6); break;
	case K_SPREAD:
		o->laws.arrival =
			(struct arrival){.law = ARRIVAL_BURST, .seconds = real(state, arg, 1e6)};
		break;
	case K_UNTIL: o->until_configured = true; break;
	case K_NAMED: o->named = true; break;
	case K_ANY_SID: o->any_sid = true; break;
	case K_UNKNOWN: o->unknown_ok = true; break;
	case K_PROFILE: a->profile = a->verify.profile = arg; break;
	case K_NAMES: a->verify.names = arg; break;
	case K_RECORDS: a->verify.records = arg; break;
	case K_JSON: a->verify.json = true; break;
	case K_CA:
		if (a->verify.n_ca == VERIFY_CA_MAX)
			argp_error(state, "more than %d bundles", VERIFY_CA_MAX);
		else
			a->verify.ca[a->verify.n_ca++] = arg;
		break;
	case ARGP_KEY_ARG: argp_usage(state); break;
	case ARGP_KEY_END:
		if (o->laws.compress <= 0 || o->n_devices == 0 || o->processes == 0)
			argp_error(state, "--devices, --processes, --compress must be above 0");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Keys are kept beside the programs: in the build tree. */
static void default_keys_file(struct args *a)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (a->estate.keys_file || n <= 0)
		return;
	self[n] = '\0';
	snprintf(a->keys_file, sizeof a->keys_file, "%s/sim-keys.pem", dirname(self));
	a->estate.keys_file = a->keys_file;
}

static int fail(const struct error *err)
{
	fprintf(stderr, "muster-sim: %s\n", err->text);
	return 1;
}

static int run(int argc, char **argv)
{
	const struct argp argp = {.options = run_options,
		.parser = parse,
		.doc = "Simulate Intel AMT devices until SIGTERM."};
	static struct args a;
	struct error err = {0};
	estate_defaults(&a.estate);
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	default_keys_file(&a);
	int rc = a.estate.processes > 1 ? processes_run(&a.estate, &err)
					: estate_run(&a.estate, &err);
	return rc < 0 ? fail(&err) : 0;
}

static int devices(int argc, char **argv)
{
	const struct argp argp = {.options = devices_options,
		.parser = parse,
		.doc = "Print the table of names of an estate (CSV)."};
	static struct args a = {.profile = "default"};
	estate_defaults(&a.estate);
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	printf("uuid,fqdn,profile\n");
	for (size_t i = 0; i < a.estate.n_devices; i++) {
		struct device d = {0};
		device_identity(&d, a.estate.seed, i, a.estate.domain);
		printf("%s,%s,%s\n", d.uuid_text, d.fqdn, a.profile);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

static int psk(int argc, char **argv)
{
	const struct argp argp = {.options = devices_options,
		.parser = parse,
		.doc = "Print PID, PPS and MEBx password of the devices of an estate, for muster "
		       "psk import."};
	static struct args a;
	estate_defaults(&a.estate);
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	printf("pid,pps,mebx_password\n");
	for (size_t i = 0; i < a.estate.n_devices; i++) {
		struct dev_psk pair;
		dev_psk_make(&pair, a.estate.seed, i, 1);
		printf("%s,%s,%s\n", pair.pid, pair.pps, pair.mebx);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

static int odca_root(int argc, char **argv)
{
	const struct argp argp = {.options = root_options,
		.parser = parse,
		.doc = "Print the root certificate (PEM) above the on-die chains of the devices, "
		       "for worker.odca_roots."};
	static struct args a;
	struct error err = {0};
	struct ondie o;
	estate_defaults(&a.estate);
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	default_keys_file(&a);
	if (keypool_ondie(&o, a.estate.keys_file, &err) < 0)
		return fail(&err);
	bool ok = PEM_write_X509(stdout, o.root) == 1;
	ondie_close(&o);
	return ok && fflush(stdout) == 0 ? 0 : 1;
}

/* The table of quirks: JSON lines with --json, else text. */
static int quirks(int argc, char **argv)
{
	const struct argp argp = {.options = quirks_options,
		.parser = parse,
		.doc = "List the quirks that --fault and scenarios name."};
	static struct args a;
	estate_defaults(&a.estate);
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	for (int i = 0; i < FAULT_N; i++) {
		const struct fault_info *f = fault_info((enum fault)i);
		if (a.verify.json)
			printf("{\"name\":\"%s\",\"version\":%u,\"value\":%u,"
			       "\"meaning\":\"%s\",\"source\":\"%s\"}\n",
				f->name, f->version, f->value, f->meaning, f->source);
		else
			printf("%-16s /%u  %s (%s)\n", f->name, f->version, f->meaning, f->source);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

static int verify(int argc, char **argv)
{
	const struct argp argp = {.options = verify_options,
		.parser = parse,
		.doc = "Judge a run: the ledger of the devices against the records of the server."};
	static struct args a;
	struct error err = {0};
	estate_defaults(&a.estate);
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.verify.n_ledgers == 0) {
		error_set(&err, E_CONFIG, "verify: --ledger FILE is needed");
		return fail(&err);
	}
	int rc = verify_run(&a.verify, &err);
	return rc < 0 ? fail(&err) : rc;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(int argc, char **argv);
	} commands[] = {{"run", run}, {"devices", devices}, {"psk", psk}, {"odca-root", odca_root},
		{"quirks", quirks}, {"verify", verify}};
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			argv[1] = argv[0];
			return commands[i].fn(argc - 1, argv + 1);
		}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts(argp_program_version);
		return 0;
	}
	bool help = argc > 1 && strcmp(argv[1], "--help") == 0;
	fprintf(help ? stdout : stderr,
		"Usage: muster-sim run|devices|psk|odca-root|quirks|verify [OPTION...]\n"
		"Each command has --help.\n");
	return help ? 0 : 2;
}
