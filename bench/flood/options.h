/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options that both floods share, in the words of perfdhcp: rate, clients, period, max-drop,
 * report interval; and what follows from them: who is next, when it is due, when it is enough.
 * Ownership: plain values. Threads: any.
 */
#ifndef MUSTER_FLOOD_OPTIONS_H
#define MUSTER_FLOOD_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit statuses, as perfdhcp's. */
enum {
	FLOOD_OK = 0,
	FLOOD_FATAL = 1,   /* it could not run */
	FLOOD_DROPPED = 3, /* more drops than --max-drop allows */
};

struct flood_options {
	uint64_t count;       /* Hellos at most; 0 = no end but the period */
	bool counted;         /* count was given */
	uint64_t first;       /* number of the first device */
	uint64_t clients;     /* different devices, then again from the first; 0 = all different */
	uint32_t rate;        /* per second, open loop; 0 = closed loop */
	uint32_t concurrency; /* without an answer at most */
	double period_s;      /* time limit of sending; 0 = none */
	double report_s;      /* interval of lines on standard error; 0 = none */
	double max_drop;      /* drops allowed, number or percent */
	bool max_drop_percent;
};

/** The shared options: a child parser whose input is a struct flood_options. */
extern const struct argp flood_argp;

/** Defaults: closed loop, all devices different, no drop allowed. */
void flood_defaults(struct flood_options *o, uint64_t count, uint32_t concurrency);

/** Parse "12" or "0.5%". @return false for anything else */
bool flood_parse_max_drop(struct flood_options *o, const char *text);

/** Number of the device of the n-th Hello (from 0). */
uint64_t flood_device(const struct flood_options *o, uint64_t n);

/** When the n-th Hello is due, in microseconds of the same clock as start_us; 0 = at once (closed
 * loop). */
uint64_t flood_due_us(const struct flood_options *o, uint64_t start_us, uint64_t n);

/** Whether another Hello is to be sent. */
bool flood_more(const struct flood_options *o, uint64_t sent, uint64_t start_us, uint64_t now_us);

/** FLOOD_OK, or FLOOD_DROPPED when too many of those sent were not answered well. */
int flood_status(const struct flood_options *o, uint64_t sent, uint64_t answered);

#endif
