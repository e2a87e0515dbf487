/* SPDX-License-Identifier: Apache-2.0 */
/* See lag.h. */
#include "common/net/lag.h"

#include "common/base/clock.h"

#define PROBE_US (LAG_PROBE_MS * 1000ull)

const uint64_t lag_bounds[] = {1000, 2000, 3000, 5000, 10000, 20000, 30000, 50000, 100000, 200000,
	500000, 1000000, 2000000, 5000000, 0};

void lag_note(struct lag *lag, uint64_t late_us)
{
	if (late_us > lag->max_us)
		lag->max_us = late_us;
	/* The probes that this one stands for would have been less and less late. */
	for (;; late_us -= PROBE_US) {
		metric_observe(lag->histogram, late_us);
		if (late_us < PROBE_US)
			return;
	}
}

static void on_probe(uv_timer_t *t)
{
	struct lag *lag = t->data;
	uint64_t now = clock_boot_us();
	lag_note(lag, now > lag->due_us ? now - lag->due_us : 0);
	lag->due_us = now + PROBE_US;
	/* Once each time: a repeating timer of libuv catches up in a burst of its own. */
	uv_update_time(t->loop);
	uv_timer_start(t, on_probe, LAG_PROBE_MS, 0);
}

void lag_start(struct lag *lag, uv_loop_t *loop, struct metric *histogram)
{
	lag->histogram = histogram;
	lag->max_us = 0;
	metric_register(histogram);
	uv_timer_init(loop, &lag->timer);
	lag->timer.data = lag;
	lag->due_us = clock_boot_us() + PROBE_US;
	uv_update_time(loop);
	uv_timer_start(&lag->timer, on_probe, LAG_PROBE_MS, 0);
	uv_unref((uv_handle_t *)&lag->timer); /* a probe keeps no loop alive */
}

void lag_stop(struct lag *lag)
{
	uv_close((uv_handle_t *)&lag->timer, NULL);
}

int lag_print(struct lag *lag, struct buf *counts, uint64_t *max_us)
{
	size_t n = 0;
	while (lag_bounds[n])
		n++;
	*max_us = lag->max_us;
	lag->max_us = 0;
	uint64_t beyond = lag->histogram->count;
	for (size_t i = 0; i < n; i++) {
		beyond -= lag->histogram->buckets[i];
		int rc = buf_addf(counts, "%llu,", (unsigned long long)lag->histogram->buckets[i]);
		if (rc < 0)
			return rc;
	}
	return buf_addf(counts, "%llu", (unsigned long long)beyond);
}
