/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How late a loop is: a probe that should run every LAG_PROBE_MS notes by how much it came too
 * late. That is what every event of that loop waited before anybody looked at it. A probe that was
 * held up stands for all that should have run meanwhile, so a long stall counts as long as it
 * lasted (no coordinated omission).
 * Ownership: the owner embeds it and keeps it until the loop has run once after lag_stop().
 * Threads: that of the loop.
 */
#ifndef MUSTER_NET_LAG_H
#define MUSTER_NET_LAG_H

#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/metric.h"

#define LAG_PROBE_MS 20

struct lag {
	uv_timer_t timer;
	struct metric *histogram; /* of microseconds, static life */
	uint64_t due_us, max_us;  /* max: since the last lag_print() */
};

/**
 * Start to probe.
 * @param histogram METRIC_HISTOGRAM with bounds lag_bounds; is registered here
 */
void lag_start(struct lag *lag, uv_loop_t *loop, struct metric *histogram);

/** Stop; the handle closes in the next turn. */
void lag_stop(struct lag *lag);

/** Note one probe that came late_us too late; what lag_start()'s timer calls. */
void lag_note(struct lag *lag, uint64_t late_us);

/** Counts of the buckets, "12,0,3", the last one without bound, and the longest since the last
 * call. @return as buf_add() */
int lag_print(struct lag *lag, struct buf *counts, uint64_t *max_us);

/** Upper bounds of the buckets in microseconds, ended by 0. */
extern const uint64_t lag_bounds[];

#endif
