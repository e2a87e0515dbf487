/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the capacity model; see capacity.h. */
#include "ctl/capacity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A core is planned this full: the rest is for retries, bursts within a second and the system. */
#define UTILISATION 0.7
/* From the Hello of a device to its last answer, mostly its own key generation (limits.md 7). */
#define SESSION_S 90
/* One Hello and a retry of every fifth device. */
#define HELLOS 1.2
/* worker.sessions of the default configuration. */
#define SESSIONS_MAX 5000

static const struct {
	const char *name, *us, *idle, *base;
} roles[CAPACITY_ROLES] = {
	[CAPACITY_LISTENER] = {"listener", "listener_us", "listener_idle_cores",
		"listener_base_kib"},
	[CAPACITY_BROKER] = {"broker", "broker_us", "broker_idle_cores", "broker_base_kib"},
	[CAPACITY_WORKER] = {"worker", "worker_us", "worker_idle_cores", "worker_base_kib"},
	[CAPACITY_REDIS] = {"redis", "redis_us", "redis_idle_cores", "redis_base_kib"},
	[CAPACITY_CA] = {"ca", "ca_us", "ca_idle_cores", "ca_base_kib"},
};

/* bench/costs.json as it was when this was built. */
static const char builtin_costs[] = {
#include "costs.inc"
};

const char *capacity_role_name(enum capacity_role role)
{
	return roles[role].name;
}

void capacity_site_defaults(struct capacity_site *site)
{
	*site = (struct capacity_site){.peak = 1,
		.session_s = SESSION_S,
		.hellos = HELLOS,
		.utilisation = UTILISATION,
		.sessions_max = SESSIONS_MAX};
}

static int number(double *out, const json_t *o, const char *key, struct error *err)
{
	const json_t *v = json_object_get(o, key);
	ENSURE(json_is_number(v) && json_number_value(v) > 0, err, E_CONFIG,
		"costs: %s: a number above 0 is needed", key);
	*out = json_number_value(v);
	return 0;
}

static int read_object(struct capacity_costs *c, const json_t *o, struct error *err)
{
	const json_t *m = json_object_get(o, "measured");
	const char *date = json_string_value(json_object_get(m, "date")),
		   *processor = json_string_value(json_object_get(m, "processor"));
	snprintf(c->where, sizeof c->where, "%s, %s", date ? date : "no date",
		processor ? processor : "unknown processor");
	for (int i = 0; i < CAPACITY_ROLES; i++) {
		TRY(number(&c->us[i], o, roles[i].us, err));
		TRY(number(&c->idle[i], o, roles[i].idle, err));
		TRY(number(&c->base_kib[i], o, roles[i].base, err));
	}
	TRY(number(&c->exchanges, o, "exchanges", err));
	TRY(number(&c->exchange_us, o, "worker_exchange_us", err));
	TRY(number(&c->session_kib, o, "worker_session_kib", err));
	TRY(number(&c->device_bytes, o, "redis_device_bytes", err));
	return number(&c->redis_writes, o, "redis_writes", err);
}

int capacity_costs_read(struct capacity_costs *out, const char *json, size_t len, struct error *err)
{
	json_error_t where;
	json_t *o = json_loadb(json, len, 0, &where);
	*out = (struct capacity_costs){0};
	ENSURE(o, err, E_CONFIG, "costs: line %d: %s", where.line, where.text);
	int rc = read_object(out, o, err);
	json_decref(o);
	return rc;
}

int capacity_costs_builtin(struct capacity_costs *out, struct error *err)
{
	return capacity_costs_read(out, builtin_costs, sizeof builtin_costs, err);
}

/* CPU of a role per provisioning at this site. */
static double us_of(
	enum capacity_role role, const struct capacity_costs *c, const struct capacity_site *site)
{
	double more = site->exchanges > 0 ? site->exchanges - c->exchanges : 0;
	switch (role) {
	case CAPACITY_LISTENER: return c->us[role] * site->hellos;
	case CAPACITY_WORKER: return fmax(c->us[role] + more * c->exchange_us, c->exchange_us);
	default: return c->us[role];
	}
}

static void plan_memory(
	struct capacity_plan *p, const struct capacity_costs *c, const struct capacity_site *site)
{
	for (int i = 0; i < CAPACITY_ROLES; i++)
		p->kib[i] = p->processes[i] * c->base_kib[i];
	p->kib[CAPACITY_WORKER] += p->in_flight * c->session_kib;
	p->kib[CAPACITY_REDIS] += site->devices * c->device_bytes / 1024;
}

void capacity_plan(struct capacity_plan *out, const struct capacity_costs *costs,
	const struct capacity_site *site)
{
	struct capacity_plan p = {.rate = site->devices / (site->hours * 3600)};
	p.peak_rate = p.rate * site->peak;
	p.in_flight = p.peak_rate * site->session_s;
	p.redis_writes = p.peak_rate * costs->redis_writes;
	p.signatures = p.peak_rate;
	for (int i = 0; i < CAPACITY_ROLES; i++) {
		double us = us_of((enum capacity_role)i, costs, site);
		p.cores[i] = p.peak_rate * us / 1e6;
		/* Each process spends its idle part first. */
		double room = site->utilisation - costs->idle[i];
		p.processes[i] = fmax(ceil(p.cores[i] / room), 1);
		if (i == CAPACITY_REDIS) { /* one process, one core: it cannot be multiplied */
			p.redis_full = p.processes[i] > 1;
			p.processes[i] = 1;
		}
		if (i == CAPACITY_WORKER)
			p.processes[i] =
				fmax(p.processes[i], ceil(p.in_flight / site->sessions_max));
		p.max_rate[i] = p.processes[i] * room * 1e6 / us;
		if (i == CAPACITY_WORKER)
			p.max_rate[i] = fmin(p.max_rate[i],
				p.processes[i] * site->sessions_max / site->session_s);
		if (p.max_rate[i] < p.max_rate[p.limit])
			p.limit = (enum capacity_role)i;
	}
	for (int i = 0; i < CAPACITY_ROLES; i++)
		p.cores[i] += p.processes[i] * costs->idle[i];
	plan_memory(&p, costs, site);
	*out = p;
}

json_t *capacity_plan_json(const struct capacity_plan *p)
{
	json_t *by_role = json_object();
	double kib = 0;
	for (int i = 0; i < CAPACITY_ROLES; i++) {
		kib += p->kib[i];
		json_object_set_new(by_role, roles[i].name,
			json_pack("{s:f, s:f, s:f, s:f}", "cores", p->cores[i], "processes",
				p->processes[i], "kib", p->kib[i], "max_rate", p->max_rate[i]));
	}
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:b, s:o}", "rate", p->rate,
		"peak_rate", p->peak_rate, "sessions_in_flight", p->in_flight, "redis_writes_per_s",
		p->redis_writes, "ca_signatures_per_s", p->signatures, "kib", kib, "limit",
		roles[p->limit].name, "redis_full", p->redis_full, "roles", by_role);
}
