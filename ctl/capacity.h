/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capacity model: measured costs of one provisioning and the size of a site in, processes,
 * memory, writes and signatures out. Plain arithmetic; docs/capacity.md explains it, the bench
 * entry `capacity` compares it with a run. Ownership: plain values. Threads: any.
 */
#ifndef MUSTER_CTL_CAPACITY_H
#define MUSTER_CTL_CAPACITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

/* Roles that cost CPU. */
enum capacity_role {
	CAPACITY_LISTENER,
	CAPACITY_BROKER,
	CAPACITY_WORKER,
	CAPACITY_REDIS,
	CAPACITY_CA,
	CAPACITY_ROLES
};

/* What a provisioning costs, as `./run bench capacity --store` measures it. */
struct capacity_costs {
	char where[160];                 /* date and processor of the measurement */
	double us[CAPACITY_ROLES];       /* CPU per provisioning; listener: per Hello */
	double idle[CAPACITY_ROLES];     /* cores that an idle process keeps busy */
	double base_kib[CAPACITY_ROLES]; /* memory of an idle process */
	double exchanges;                /* requests per provisioning at which it was measured */
	double exchange_us;              /* worker CPU per further exchange */
	double session_kib;              /* worker memory per open session */
	double device_bytes;             /* Redis memory per device that is done */
	double redis_writes;             /* writing calls per provisioning */
};

/* The site. */
struct capacity_site {
	double devices, hours;
	double peak;         /* rate of the worst time by the mean rate */
	double exchanges;    /* of its profile; 0 = as measured */
	double session_s;    /* how long a device takes, mostly its own time */
	double hellos;       /* Hellos per device */
	double utilisation;  /* of a core, at the peak */
	double sessions_max; /* of one worker: worker.sessions */
};

struct capacity_plan {
	double rate, peak_rate;           /* provisionings per second */
	double cores[CAPACITY_ROLES];     /* busy at the peak */
	double processes[CAPACITY_ROLES]; /* so that none is busier than utilisation */
	double kib[CAPACITY_ROLES];       /* memory of all processes of the role */
	double in_flight;                 /* sessions open at the peak: Little's law */
	double redis_writes;              /* per second at the peak */
	double signatures;                /* of the CA, per second at the peak */
	double max_rate[CAPACITY_ROLES];  /* what the planned processes could carry */
	enum capacity_role limit;         /* which of them ends it first */
	bool redis_full;                  /* one Redis cannot carry it: partitions are needed */
};

/** "listener", "broker", ... as in the configuration. */
const char *capacity_role_name(enum capacity_role role);

/** Defaults of a site: everything but devices and hours. */
void capacity_site_defaults(struct capacity_site *site);

/** Read costs from JSON text. @return 0; E_CONFIG, the text names what is missing */
int capacity_costs_read(
	struct capacity_costs *out, const char *json, size_t len, struct error *err);

/** The costs that were built in. @return as capacity_costs_read() */
int capacity_costs_builtin(struct capacity_costs *out, struct error *err);

/** The arithmetic. All inputs must be above 0. */
void capacity_plan(struct capacity_plan *out, const struct capacity_costs *costs,
	const struct capacity_site *site);

/** The plan as JSON; the caller owns it. */
json_t *capacity_plan_json(const struct capacity_plan *plan);

/** `muster plan-capacity`: parses its own options. @return enum of command.h */
int command_plan_capacity(int argc, char **argv);

#endif
