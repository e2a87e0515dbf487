/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of an estate; see psk.h. */
#include "bench/sim/psk.h"

#include "bench/sim/rng.h"

#include <stdio.h>

void dev_psk_make(struct dev_psk *out, uint64_t seed, size_t index, double share)
{
	struct rng rng;
	uint8_t random[PSK_RANDOM_ENOUGH];
	rng_seed(&rng, rng_device_seed(seed, index), "psk");
	out->typed = rng_unit(&rng) < share;
	do
		rng_bytes(&rng, random, sizeof random);
	while (psk_make(PSK_PID, random, sizeof random, out->pid) == 0);
	do
		rng_bytes(&rng, random, sizeof random);
	while (psk_make(PSK_PPS, random, sizeof random, out->pps) == 0);
	snprintf(out->mebx, sizeof out->mebx, "Typed-%08x", (unsigned)rng_next(&rng));
}
