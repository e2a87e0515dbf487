/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/counters.h"

#include <stdio.h>

#include "common/base/log.h"
#include "common/base/metric.h"

static const char *const names[COUNT_MALFORMED] = {
	[COUNT_ACCEPTED] = "accepted",
	[COUNT_NEW] = "new",
	[COUNT_DUP] = "dup",
	[COUNT_IGN] = "ign",
	[COUNT_CACHED] = "cached",
	[COUNT_DENY] = "deny",
	[COUNT_BUSY] = "busy",
	[COUNT_NO_VERDICT] = "no_verdict",
	[COUNT_TIMEOUT] = "timeout",
	[COUNT_PORT_CHECK] = "port_check",
	[COUNT_ABORTED] = "aborted",
	[COUNT_SHED_SOURCE] = "shed_source",
	[COUNT_SHED_SUBNET] = "shed_subnet",
	[COUNT_SHED_MEMORY] = "shed_memory",
	[COUNT_BAD_PROXY] = "bad_proxy",
};

static struct metric metrics[COUNT_N];
static char keys[COUNT_N][48], labels[COUNT_N][64];

void counters_start(void)
{
	for (int i = 0; i < COUNT_N; i++) {
		if (i < COUNT_MALFORMED)
			snprintf(keys[i], sizeof keys[i], "%s", names[i]);
		else
			snprintf(keys[i], sizeof keys[i], "malformed.%s",
				hello_code_name((enum hello_code)(i - COUNT_MALFORMED)));
		snprintf(labels[i], sizeof labels[i], "event=\"%s\"", keys[i]);
		metrics[i] = (struct metric){
			.name = "muster_listener_connections_total",
			.help = "Connections of the Hello port by what became of them.",
			.labels = labels[i],
			.type = METRIC_COUNTER,
		};
		metric_register(&metrics[i]);
	}
}

void counters_add(enum counter which)
{
	metric_add(&metrics[which], 1);
}

void counters_log(void)
{
	struct log_kv kv[COUNT_N];
	size_t n = 0;
	for (int i = 0; i < COUNT_N; i++)
		if (metrics[i].value != 0)
			kv[n++] = KV_INT(keys[i], metrics[i].value);
	log_event(LOG_LEVEL_INFO, "listener.counters", kv, n);
}
