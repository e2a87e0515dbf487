/* SPDX-License-Identifier: Apache-2.0 */
/* Latency, arrival, loss; see laws.h. */
#include "bench/sim/laws.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_MS_MAX 3600000.0
#define SIGMA_MAX      5.0
#define RATE_MAX       1e6 /* Hellos per second */
#define SECONDS_MAX    1e6

const struct laws laws_default = {
	.compress = 10,
	.deaf_ms = 200,
	.stall_ms = 30000, /* as long as slow firmware was seen. SPEC: wsman.md 2 */
	.reboot_ms = 15000,
};

static const char *const loss_names[LOSS_N + 1] = {
	[LOSS_DROP] = "drop",
	[LOSS_RESET] = "reset",
	[LOSS_STALL] = "stall",
	[LOSS_HALF_OPEN] = "half-open",
	[LOSS_REBOOT] = "reboot",
	[LOSS_N] = "none",
};

const char *laws_loss_name(enum loss loss)
{
	return loss_names[loss];
}

int laws_parse_latency(struct latency *out, const char *text, struct error *err)
{
	*out = (struct latency){.law = LATENCY_NONE};
	char tail;
	if (strcmp(text, "none") == 0)
		return 0;
	if (sscanf(text, "fixed:%lf%c", &out->ms, &tail) == 1)
		out->law = LATENCY_FIXED;
	else if (sscanf(text, "lognormal:%lf:%lf%c", &out->ms, &out->sigma, &tail) == 2)
		out->law = LATENCY_LOGNORMAL;
	ENSURE(out->law != LATENCY_NONE && out->ms >= 0 && out->ms < LATENCY_MS_MAX &&
			out->sigma >= 0 && out->sigma < SIGMA_MAX,
		err, E_CONFIG, "latency %s: none, fixed:MS or lognormal:MEDIAN_MS:SIGMA", text);
	return 0;
}

int laws_parse_arrival(struct arrival *out, const char *text, struct error *err)
{
	char tail;
	struct arrival a = {.rate = 1};
	bool ok = true;
	if (sscanf(text, "burst:%lf%c", &a.seconds, &tail) == 1 || strcmp(text, "burst") == 0)
		a.law = ARRIVAL_BURST;
	else if (sscanf(text, "steady:%lf%c", &a.rate, &tail) == 1)
		a.law = ARRIVAL_STEADY;
	else if (sscanf(text, "ramp:%lf:%lf%c", &a.rate, &a.seconds, &tail) == 2)
		a.law = ARRIVAL_RAMP;
	else if (sscanf(text, "open:%lf%c", &a.rate, &tail) == 1)
		a.law = ARRIVAL_OPEN;
	else
		ok = false;
	ENSURE(ok && a.rate > 0 && a.rate <= RATE_MAX && a.seconds >= 0 && a.seconds <= SECONDS_MAX,
		err, E_CONFIG, "arrival %s: burst[:S], steady:RATE, ramp:RATE:S or open:RATE",
		text);
	*out = a;
	return 0;
}

int laws_set_loss(struct laws *laws, const char *name, double probability, struct error *err)
{
	double total = probability;
	int which = LOSS_N;
	for (int i = 0; i < LOSS_N; i++) {
		if (strcmp(loss_names[i], name) == 0)
			which = i;
		else
			total += laws->loss[i];
	}
	ENSURE(which != LOSS_N, err, E_CONFIG, "loss %s: drop, reset, stall, half-open or reboot",
		name);
	ENSURE(probability >= 0 && total <= 1, err, E_CONFIG,
		"loss %s: probabilities are from 0 to 1 together", name);
	laws->loss[which] = probability;
	return 0;
}

int laws_parse_loss(struct laws *laws, const char *text, struct error *err)
{
	char *copy = strdup(text), *save = NULL;
	ENSURE(copy, err, -ENOMEM, "no memory");
	int rc = 0;
	for (char *one = strtok_r(copy, ",", &save); one && rc == 0;
		one = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(one, '='), *end = NULL;
		double p = eq ? strtod(eq + 1, &end) : -1;
		if (!eq || end == eq + 1 || *end) {
			rc = error_set(err, E_CONFIG, "loss %s: NAME=PROBABILITY", one);
			break;
		}
		*eq = '\0';
		rc = laws_set_loss(laws, one, p, err);
	}
	free(copy);
	return rc;
}

int laws_set_step(struct laws *laws, const char *call, const char *text, struct error *err)
{
	ENSURE(laws->n_steps < LAWS_STEPS_MAX, err, E_CONFIG, "more than %d steps", LAWS_STEPS_MAX);
	ENSURE(strlen(call) < LAWS_CALL_MAX && strchr(call, '.'), err, E_CONFIG,
		"step %s: Class.Method, Class.Get, Class.Put ...", call);
	struct latency_step *step = &laws->steps[laws->n_steps];
	TRY(laws_parse_latency(&step->latency, text, err));
	snprintf(step->call, sizeof step->call, "%s", call);
	laws->n_steps++;
	return 0;
}

double laws_latency(const struct laws *laws, const char *call, struct rng *rng)
{
	const struct latency *l = &laws->latency;
	for (size_t i = 0; call && i < laws->n_steps; i++)
		if (strcmp(laws->steps[i].call, call) == 0)
			l = &laws->steps[i].latency;
	switch (l->law) {
	case LATENCY_NONE: break;
	case LATENCY_FIXED: return l->ms;
	case LATENCY_LOGNORMAL: return rng_lognormal(rng, l->ms, l->sigma);
	}
	return 0;
}

enum loss laws_loss(const struct laws *laws, struct rng *rng)
{
	double u = rng_unit(rng);
	for (int i = 0; i < LOSS_N; i++) {
		if (u < laws->loss[i])
			return (enum loss)i;
		u -= laws->loss[i];
	}
	return LOSS_N;
}

double laws_compressed(const struct laws *laws, double ms)
{
	return ms / laws->compress;
}

/* Fisher and Yates: which device comes when has nothing to do with its number. */
static void shuffle(double *at, size_t n, struct rng *rng)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = rng_next(rng) % i;
		double keep = at[i - 1];
		at[i - 1] = at[j];
		at[j] = keep;
	}
}

void laws_arrivals(const struct arrival *law, uint64_t seed, double *out, size_t n)
{
	struct rng rng;
	double sum = 0, ramp = law->seconds;
	rng_seed(&rng, seed, "arrival");
	for (size_t k = 0; k < n; k++) {
		double s = 0;
		switch (law->law) {
		case ARRIVAL_BURST: s = rng_unit(&rng) * law->seconds; break;
		case ARRIVAL_STEADY: s = (double)k / law->rate; break;
		case ARRIVAL_RAMP:
			/* k devices have come when rate t^2 / 2 ramp = k. */
			s = sqrt(2 * ramp * (double)k / law->rate);
			if (s > ramp)
				s = ramp / 2 + (double)k / law->rate;
			break;
		case ARRIVAL_OPEN: s = sum += -log(1.0 - rng_unit(&rng)) / law->rate; break;
		}
		out[k] = s * 1000;
	}
	shuffle(out, n, &rng);
}
