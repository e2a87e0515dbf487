/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one source may take: open connections per address (IPv6 /64) and accepted connections per
 * second per subnet (/24, IPv6 /56). SPEC: ruling 10
 * Ownership: the struct owns its tables. Threads: the loop's.
 */
#ifndef MUSTER_LISTENER_LIMITS_H
#define MUSTER_LISTENER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/net/addr.h"

struct limits;
struct source; /* one address with open connections */

struct limits_opts {
	uint32_t max_per_source;  /* 0 = off */
	uint32_t rate_per_subnet; /* per second; 0 = off */
	uint32_t rate_burst;
};

enum limits_answer { LIMITS_OK, LIMITS_SOURCE, LIMITS_SUBNET };

/** NULL without memory. */
struct limits *limits_new(const struct limits_opts *opts);

void limits_free(struct limits *l);

/**
 * One more connection of this address.
 *
 * @param hold   LIMITS_OK: give it to limits_leave() when the connection ends (may become NULL)
 * @param now_ms CLOCK_BOOTTIME
 */
enum limits_answer limits_enter(
	struct limits *l, const struct net_addr *addr, uint64_t now_ms, struct source **hold);

/** The connection ended. NULL is fine. */
void limits_leave(struct limits *l, struct source *hold);

#endif
