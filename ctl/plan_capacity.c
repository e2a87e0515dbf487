/* SPDX-License-Identifier: Apache-2.0 */
/* muster plan-capacity: how many processes, how much memory for a site. See capacity.h. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/capacity.h"
#include "ctl/command.h"

#define COSTS_MAX 65536 /* bytes of the JSON file; it has some 700 */

enum { K_DEVICES = 256, K_HOURS, K_PEAK, K_EXCHANGES, K_SESSION_S, K_HELLOS, K_SESSIONS, K_COSTS };

struct request {
	struct capacity_site site;
	const char *costs_file;
	bool json;
};

static const struct argp_option options[] = {
	{"devices", K_DEVICES, "N", 0, "devices of the site", 0},
	{"hours", K_HOURS, "H", 0, "in which they shall all be provisioned", 0},
	{"peak", K_PEAK, "X", 0, "rate of the worst time by the mean rate [1]", 0},
	{"profile-exchanges", K_EXCHANGES, "N", 0, "requests per device [as measured]", 0},
	{"session-s", K_SESSION_S, "S", 0, "how long a device takes [90]", 0},
	{"hellos", K_HELLOS, "X", 0, "Hellos per device [1.2]", 0},
	{"sessions", K_SESSIONS, "N", 0, "sessions of one worker at most [5000]", 0},
	{"costs", K_COSTS, "FILE", 0, "measured costs [those built in]", 0},
	{"json", 'j', NULL, 0, "answer in JSON", 0},
	{0},
};

static double positive(struct argp_state *state, const char *arg)
{
	char *end;
	double v = strtod(arg, &end);
	if (end == arg || *end || !(v > 0) || v > 1e12)
		argp_error(state, "%s: a number above 0", arg);
	return v;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;
	struct capacity_site *s = &r->site;
	switch (key) {
	case K_DEVICES: s->devices = positive(state, arg); return 0;
	case K_HOURS: s->hours = positive(state, arg); return 0;
	case K_PEAK: s->peak = positive(state, arg); return 0;
	case K_EXCHANGES: s->exchanges = positive(state, arg); return 0;
	case K_SESSION_S: s->session_s = positive(state, arg); return 0;
	case K_HELLOS: s->hellos = positive(state, arg); return 0;
	case K_SESSIONS: s->sessions_max = positive(state, arg); return 0;
	case K_COSTS: r->costs_file = arg; return 0;
	case 'j': r->json = true; return 0;
	case ARGP_KEY_ARG: argp_usage(state); return 0;
	case ARGP_KEY_END:
		if (!(s->devices > 0) || !(s->hours > 0))
			argp_error(state, "--devices and --hours are needed");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static int read_costs(struct capacity_costs *out, const char *path, struct error *err)
{
	static char text[COSTS_MAX];
	if (!path)
		return capacity_costs_builtin(out, err);
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	size_t len = fread(text, 1, sizeof text, f);
	fclose(f);
	return capacity_costs_read(out, text, len, err);
}

static void print_roles(const struct capacity_plan *p)
{
	static const char *const headings[] = {
		"ROLE", "PROCESSES", "CORES BUSY", "MEMORY MIB", "CARRIES AT MOST"};
	struct table *t = table_new(headings, 5);
	for (int i = 0; i < CAPACITY_ROLES; i++) {
		char cells[4][32];
		snprintf(cells[0], sizeof cells[0], "%.0f", p->processes[i]);
		snprintf(cells[1], sizeof cells[1], "%.3f", p->cores[i]);
		snprintf(cells[2], sizeof cells[2], "%.0f", p->kib[i] / 1024);
		snprintf(cells[3], sizeof cells[3], "%.1f/s", p->max_rate[i]);
		const char *const row[] = {capacity_role_name((enum capacity_role)i), cells[0],
			cells[1], cells[2], cells[3]};
		table_row(t, row);
	}
	table_print(t);
}

static void print_plan(
	const struct capacity_plan *p, const struct capacity_costs *c, const struct request *r)
{
	double kib = 0, cores = 0;
	for (int i = 0; i < CAPACITY_ROLES; i++) {
		kib += p->kib[i];
		cores += p->cores[i];
	}
	printf("%.0f devices in %g h: %.2f/s on average, %.2f/s at the peak\n\n", r->site.devices,
		r->site.hours, p->rate, p->peak_rate);
	print_roles(p);
	printf("\nsessions in flight    %.0f (%.2f/s x %g s)\n", p->in_flight, p->peak_rate,
		r->site.session_s);
	printf("Redis writes          %.0f/s\n", p->redis_writes);
	printf("CA signatures         %.2f/s\n", p->signatures);
	printf("memory                %.0f MiB in all\n", kib / 1024);
	printf("CPU                   %.2f cores busy in all\n", cores);
	if (p->redis_full)
		printf("\nOne Redis cannot carry this: spread the site over several partitions "
		       "(redis.partition).\n");
	else
		printf("\nWhat ends it first: %s, at %.1f/s.\n", capacity_role_name(p->limit),
			p->max_rate[p->limit]);
	printf("One process is enough where it says 1; run two of listener, broker and worker so "
	       "that one may fail.\nCosts: %s (%s). A plan for %.0f %% of each core; "
	       "docs/capacity.md explains it.\n",
		r->costs_file ? r->costs_file : "built in", c->where, r->site.utilisation * 100);
}

int command_plan_capacity(int argc, char **argv)
{
	static const struct argp argp = {options, on_option, NULL,
		"Processes, memory, writes and signatures that a site needs, from measured costs.",
		NULL, NULL, NULL};
	struct request r = {0};
	struct capacity_costs costs;
	struct capacity_plan plan;
	struct error err = {0};
	capacity_site_defaults(&r.site);
	argp_err_exit_status = COMMAND_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &r);
	if (read_costs(&costs, r.costs_file, &err) < 0)
		return command_fail(&err);
	capacity_plan(&plan, &costs, &r.site);
	if (r.json)
		return command_print_json(capacity_plan_json(&plan));
	print_plan(&plan, &costs, &r);
	return COMMAND_OK;
}
