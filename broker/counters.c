/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/counters.h"

#include <stdio.h>

#include "common/base/log.h"
#include "common/base/metric.h"

static const char *const names[COUNT_N] = {
	[COUNT_HELLO] = "hello",
	[COUNT_NEW] = "new",
	[COUNT_DUP] = "dup",
	[COUNT_IGN] = "ign",
	[COUNT_DENY] = "deny",
	[COUNT_BUSY] = "busy",
	[COUNT_NO_ANSWER] = "no_answer",
	[COUNT_CLAIMED] = "claimed",
	[COUNT_SENT] = "sent",
	[COUNT_RELEASED] = "released",
	[COUNT_REFUSED] = "refused",
	[COUNT_DONE] = "done",
	[COUNT_REQUEUED] = "requeued",
	[COUNT_LOST_DEAD] = "lost_dead",
	[COUNT_WOKEN] = "woken",
	[COUNT_STRANGER] = "stranger",
	[COUNT_WORKER_SILENT] = "worker_silent",
	[COUNT_WINDOW_ASKED] = "window_asked",
};

static struct metric metrics[COUNT_N];
static char labels[COUNT_N][48];
static struct metric danger = {.name = "muster_broker_window_danger",
	.help = "Devices whose setup window closes before their turn (one look a second).",
	.type = METRIC_GAUGE};

void counters_start(void)
{
	for (int i = 0; i < COUNT_N; i++) {
		snprintf(labels[i], sizeof labels[i], "event=\"%s\"", names[i]);
		metrics[i] = (struct metric){
			.name = "muster_broker_events_total",
			.help = "Hellos, jobs and leases by what became of them.",
			.labels = labels[i],
			.type = METRIC_COUNTER,
		};
		metric_register(&metrics[i]);
	}
	metric_register(&danger);
}

void counters_add(enum counter which, uint64_t n)
{
	metric_add(&metrics[which], (int64_t)n);
}

void counters_set_danger(uint64_t n)
{
	metric_set(&danger, (int64_t)n);
}

void counters_log(void)
{
	struct log_kv kv[COUNT_N];
	size_t n = 0;
	for (int i = 0; i < COUNT_N; i++)
		if (metrics[i].value != 0)
			kv[n++] = KV_INT(names[i], metrics[i].value);
	log_event(LOG_LEVEL_INFO, "broker.counters", kv, n);
}
