/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: counters, gauges and fixed-bucket histograms in static storage, registered once and
 * printed in the Prometheus text format. Labels come from static tables only: never a UUID or an
 * address. Threads: values are updated with relaxed atomics.
 */
#ifndef MUSTER_BASE_METRIC_H
#define MUSTER_BASE_METRIC_H

#include <stddef.h>
#include <stdint.h>

struct buf;

#define METRIC_BUCKETS_MAX 16

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
	const char *name;   /* "muster_hellos_total" */
	const char *help;   /* one line */
	const char *labels; /* "verdict=\"new\"" or NULL */
	enum metric_type type;
	const uint64_t *bounds; /* histogram: ascending upper bounds, ended by 0 */
	int64_t value;          /* counter, gauge */
	uint64_t sum, count;
	uint64_t buckets[METRIC_BUCKETS_MAX];
	struct metric *next; /* owned by the registry */
};

/** Add a metric with static life to the registry (once; a second call is ignored). */
void metric_register(struct metric *m);

/** Counter or gauge: add (a gauge may go down). */
void metric_add(struct metric *m, int64_t delta);

/** Gauge: set. */
void metric_set(struct metric *m, int64_t value);

/** Histogram: one observation, in the unit of its bounds. */
void metric_observe(struct metric *m, uint64_t value);

/** All registered metrics in Prometheus text format. @return 0 or the error of buf_add() */
int metric_print(struct buf *out);

#endif
