/* SPDX-License-Identifier: Apache-2.0 */
/* See options.h. */
#include "bench/flood/options.h"

#include <stdlib.h>
#include <string.h>

#define CONCURRENCY_MAX 65536u   /* file descriptors, window of the bus */
#define RATE_MAX        1000000u /* far beyond what one process can send */

static const struct argp_option options[] = {
	{"count", 'n', "N", 0, "how many Hellos; with --period no limit by default", 0},
	{"period", 'p', "S", 0, "stop sending after S seconds", 0},
	{"rate", 'r', "R", 0, "open loop: R Hellos per second, latency from the moment due", 0},
	{"clients", 'R', "N", 0, "different devices, then again from the first [all different]", 0},
	{"first", 'f', "I", 0, "number of the first device [0]", 0},
	{"concurrency", 'c', "C", 0, "at most C without an answer", 0},
	{"max-drop", 'D', "N|N%", 0, "status 3 with more drops than that [0]", 0},
	{"report-interval", 't', "S", 0, "a line on standard error every S seconds", 0},
	{0},
};

void flood_defaults(struct flood_options *o, uint64_t count, uint32_t concurrency)
{
	*o = (struct flood_options){.count = count, .concurrency = concurrency};
}

bool flood_parse_max_drop(struct flood_options *o, const char *text)
{
	char *end;
	o->max_drop = strtod(text, &end);
	o->max_drop_percent = strcmp(end, "%") == 0;
	return end != text && o->max_drop >= 0 && (*end == '\0' || o->max_drop_percent);
}

static uint64_t number(struct argp_state *state, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || n < min || n > max)
		argp_error(state, "%s: a number from %llu to %llu", text, (unsigned long long)min,
			(unsigned long long)max);
	return n;
}

static double seconds(struct argp_state *state, const char *text)
{
	char *end;
	double s = strtod(text, &end);
	if (end == text || *end || !(s > 0) || s > 1e6)
		argp_error(state, "%s: seconds above 0", text);
	return s;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct flood_options *o = state->input;
	switch (key) {
	case 'n':
		o->count = number(state, arg, 1, UINT64_MAX);
		o->counted = true;
		return 0;
	case 'p': o->period_s = seconds(state, arg); return 0;
	case 'r': o->rate = (uint32_t)number(state, arg, 1, RATE_MAX); return 0;
	case 'R': o->clients = number(state, arg, 1, UINT64_MAX); return 0;
	case 'f': o->first = number(state, arg, 0, UINT64_MAX); return 0;
	case 'c': o->concurrency = (uint32_t)number(state, arg, 1, CONCURRENCY_MAX); return 0;
	case 't': o->report_s = seconds(state, arg); return 0;
	case 'D':
		if (!flood_parse_max_drop(o, arg))
			argp_error(state, "--max-drop %s: a number or a number and %%", arg);
		return 0;
	case ARGP_KEY_END:
		if (o->period_s > 0 && !o->counted)
			o->count = 0;
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

const struct argp flood_argp = {options, on_option, NULL, NULL, NULL, NULL, NULL};

uint64_t flood_device(const struct flood_options *o, uint64_t n)
{
	return o->first + (o->clients ? n % o->clients : n);
}

uint64_t flood_due_us(const struct flood_options *o, uint64_t start_us, uint64_t n)
{
	return o->rate ? start_us + n * 1000000u / o->rate : 0;
}

bool flood_more(const struct flood_options *o, uint64_t sent, uint64_t start_us, uint64_t now_us)
{
	if (o->count && sent >= o->count)
		return false;
	return o->period_s <= 0 || (double)(now_us - start_us) < o->period_s * 1e6;
}

int flood_status(const struct flood_options *o, uint64_t sent, uint64_t answered)
{
	double drops = (double)(sent - answered);
	double allowed = o->max_drop_percent ? (double)sent * o->max_drop / 100 : o->max_drop;
	return drops <= allowed ? FLOOD_OK : FLOOD_DROPPED;
}
