/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded pseudo-random numbers (splitmix64): a run can be repeated exactly. Never for keys.
 * Ownership: plain values. Threads: none.
 */
#ifndef MUSTER_SIM_RNG_H
#define MUSTER_SIM_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/** A generator whose sequence depends on seed and the name of its use. */
void rng_seed(struct rng *r, uint64_t seed, const char *use);

/** Seed of one device: neighbours, and neighbouring seeds, have nothing in common. */
uint64_t rng_device_seed(uint64_t seed, size_t index);

/** Next 64 bits. */
uint64_t rng_next(struct rng *r);

/** Uniform in [0, 1). */
double rng_unit(struct rng *r);

/** Log-normal with this median and sigma of the logarithm. */
double rng_lognormal(struct rng *r, double median, double sigma);

/** Fill bytes. */
void rng_bytes(struct rng *r, uint8_t *out, uint32_t len);

#endif
