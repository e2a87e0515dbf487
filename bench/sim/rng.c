/* SPDX-License-Identifier: Apache-2.0 */
/* splitmix64; see rng.h. */
#include "bench/sim/rng.h"

#include <math.h>

void rng_seed(struct rng *r, uint64_t seed, const char *use)
{
	r->state = seed * 0x9E3779B97F4A7C15u + 0x1B873593u;
	for (const char *s = use; *s; s++) {
		r->state ^= (uint8_t)*s;
		(void)rng_next(r);
	}
}

uint64_t rng_device_seed(uint64_t seed, size_t index)
{
	return seed * 1000003u + index;
}

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += 0x9E3779B97F4A7C15u);
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_lognormal(struct rng *r, double median, double sigma)
{
	/* Box-Muller; the second value is not kept, so that each call costs the same draws. */
	double u = 1.0 - rng_unit(r), v = rng_unit(r);
	return median * exp(sigma * sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v));
}

void rng_bytes(struct rng *r, uint8_t *out, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		out[i] = (uint8_t)(rng_next(r) >> 32);
}
