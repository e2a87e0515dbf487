/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The laws of an estate: how long devices think, when they say Hello, what the network loses, and
 * when DHCP gives another address. Every decision is drawn from a generator of the device and of
 * the law, one draw per event: the k-th event has the same outcome in each run of a seed, whatever
 * the timing was. Ownership: plain values. Threads: read-only after parsing.
 */
#ifndef MUSTER_SIM_LAWS_H
#define MUSTER_SIM_LAWS_H

#include "bench/sim/rng.h"
#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define LAWS_STEPS_MAX 64 /* rows of a latency table: a session has some 40 kinds of calls */
#define LAWS_CALL_MAX  96 /* "Class.Method" */

/* What a device draws by chance; each has its own generator in the device. */
enum draw { DRAW_HELLO, DRAW_LATENCY, DRAW_LOSS, DRAW_ADDRESS, DRAW_NONCE, DRAW_RESET, DRAW_N };

enum latency_law { LATENCY_NONE, LATENCY_FIXED, LATENCY_LOGNORMAL };

struct latency {
	enum latency_law law;
	double ms; /* fixed value or median */
	double sigma;
};

/* Latency of one kind of call, instead of the general one. */
struct latency_step {
	char call[LAWS_CALL_MAX];
	struct latency latency;
};

enum arrival_law {
	ARRIVAL_BURST,  /* all within `seconds`: power returns */
	ARRIVAL_STEADY, /* one each 1/rate s */
	ARRIVAL_RAMP,   /* the rate grows from 0 to `rate` in `seconds`, then stays */
	ARRIVAL_OPEN,   /* open loop: independent devices, exponential gaps, mean 1/rate s */
};

struct arrival {
	enum arrival_law law;
	double rate; /* first Hellos per second */
	double seconds;
};

/* What may happen to a request. */
enum loss {
	LOSS_DROP,      /* never arrives; the connection stays open and silent */
	LOSS_RESET,     /* the connection is reset before it is served */
	LOSS_STALL,     /* served, the answer comes late */
	LOSS_HALF_OPEN, /* served, the answer never comes, the connection stays open */
	LOSS_REBOOT,    /* the device starts anew: staged settings are gone */
	LOSS_N,         /* nothing happens */
};

struct laws {
	struct latency latency;
	struct latency_step steps[LAWS_STEPS_MAX];
	size_t n_steps;
	struct arrival arrival;
	double loss[LOSS_N]; /* probability per request */
	double readdress;    /* probability of a new address before a Hello that is not the first */
	double compress;     /* how much faster than in the field time passes */
	uint32_t slow_key_ms; /* added to GenerateKeyPair */
	uint32_t deaf_ms;     /* port closed after a commit */
	uint32_t stall_ms;    /* extra time of LOSS_STALL; compressed */
	uint32_t reboot_ms;   /* port closed by LOSS_REBOOT; compressed */
};

/** What holds without options. */
extern const struct laws laws_default;

/** "none", "fixed:MS", "lognormal:MEDIAN_MS:SIGMA". @return 0 or E_CONFIG */
int laws_parse_latency(struct latency *out, const char *text, struct error *err);

/** "burst", "burst:S", "steady:RATE", "ramp:RATE:S", "open:RATE". @return 0 or E_CONFIG */
int laws_parse_arrival(struct arrival *out, const char *text, struct error *err);

/** "NAME=PROBABILITY,.." with drop, reset, stall, half-open, reboot. @return 0 or E_CONFIG */
int laws_parse_loss(struct laws *laws, const char *text, struct error *err);

/** Set one loss by its name. @return 0 or E_CONFIG */
int laws_set_loss(struct laws *laws, const char *name, double probability, struct error *err);

/** Set the latency of one kind of call. @return 0 or E_CONFIG */
int laws_set_step(struct laws *laws, const char *call, const char *text, struct error *err);

/** Milliseconds that an answer takes; one draw whatever the law is. call may be NULL. */
double laws_latency(const struct laws *laws, const char *call, struct rng *rng);

/** The fate of a request; one draw. @return LOSS_N = it goes well */
enum loss laws_loss(const struct laws *laws, struct rng *rng);

/** Name of a loss, as on the command line. */
const char *laws_loss_name(enum loss loss);

/** Milliseconds of the field in compressed time. */
double laws_compressed(const struct laws *laws, double ms);

/** Times of the first Hellos in ms after the start: out[n], by device. Depends on the seed alone.
 */
void laws_arrivals(const struct arrival *law, uint64_t seed, double *out, size_t n);

#endif
