/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker counts: as metrics, and as one log event (at the end, and on SIGUSR1). */
#ifndef MUSTER_BROKER_COUNTERS_H
#define MUSTER_BROKER_COUNTERS_H

#include <stdint.h>

enum counter {
	COUNT_HELLO,         /* Hellos taken from listeners */
	COUNT_NEW,           /* verdicts of the store */
	COUNT_DUP,           /* */
	COUNT_IGN,           /* */
	COUNT_DENY,          /* of the store, the deny-file, or intake off */
	COUNT_BUSY,          /* */
	COUNT_NO_ANSWER,     /* the store did not say: the listener will ask again */
	COUNT_CLAIMED,       /* jobs claimed */
	COUNT_SENT,          /* jobs sent to a worker */
	COUNT_RELEASED,      /* claims given back: no worker took them */
	COUNT_REFUSED,       /* jobs a worker refused */
	COUNT_DONE,          /* Done messages */
	COUNT_REQUEUED,      /* leases reaped */
	COUNT_LOST_DEAD,     /* of those dead: lost too often */
	COUNT_WOKEN,         /* waiting jobs whose poll time came */
	COUNT_STRANGER,      /* messages of peers that are not registered */
	COUNT_WORKER_SILENT, /* workers that fell silent */
	COUNT_WINDOW_ASKED,  /* devices to be asked for a longer setup window */
	COUNT_N,
};

/** Gauge: devices whose setup window closes before their turn. */
void counters_set_danger(uint64_t n);

/** Register the metrics. Once, at the start. */
void counters_start(void);

/** Add to one. */
void counters_add(enum counter which, uint64_t n);

/** Log every counter that is not zero as event "broker.counters". */
void counters_log(void);

#endif
