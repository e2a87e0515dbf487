/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was answered a moment ago: durable verdicts by UUID and source address, for 5 seconds, so
 * that a burst of equal Hellos costs the brokers one. May forget at any time. SPEC: ruling 3, D15
 * Ownership: the struct owns its table. Threads: the loop's.
 */
#ifndef MUSTER_LISTENER_RECENT_H
#define MUSTER_LISTENER_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/uuid.h"
#include "listener/uplink.h"

#define RECENT_LIFE_MS 5000

struct recent;

/** An empty memory of fixed size (1.5 MB, touched as used). NULL without memory. */
struct recent *recent_new(void);

void recent_free(struct recent *r);

/** Note that this Hello was answered for good. @param now_ms CLOCK_BOOTTIME */
void recent_add(struct recent *r, const struct uuid *uuid, const struct hello_address *source,
	uint64_t now_ms);

/** Whether it was answered within RECENT_LIFE_MS. */
bool recent_has(struct recent *r, const struct uuid *uuid, const struct hello_address *source,
	uint64_t now_ms);

#endif
