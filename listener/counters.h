/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the listener counts: as metrics, and as one log event (at the end, and on SIGUSR1).
 * Threads: any.
 */
#ifndef MUSTER_LISTENER_COUNTERS_H
#define MUSTER_LISTENER_COUNTERS_H

#include "proto/hello.h"

enum counter {
	COUNT_ACCEPTED,    /* connections taken from the kernel */
	COUNT_NEW,         /* verdicts: closed with FIN */
	COUNT_DUP,         /* */
	COUNT_IGN,         /* */
	COUNT_CACHED,      /* answered from memory: closed with FIN */
	COUNT_DENY,        /* verdicts: closed with RST, as all below */
	COUNT_BUSY,        /* */
	COUNT_NO_VERDICT,  /* no broker answered in time */
	COUNT_TIMEOUT,     /* the message did not come in time */
	COUNT_PORT_CHECK,  /* closed by the peer without a byte */
	COUNT_ABORTED,     /* reset by the peer in the middle */
	COUNT_SHED_SOURCE, /* too many open connections of one address */
	COUNT_SHED_SUBNET, /* too many connections a second of one subnet */
	COUNT_SHED_MEMORY, /* no memory for one more */
	COUNT_BAD_PROXY,   /* no PROXY header where one is due */
	COUNT_MALFORMED,   /* + enum hello_code: one counter per reason */
	COUNT_N = COUNT_MALFORMED + HELLO_N_CODES,
};

/** Register the metrics. Once, at the start. */
void counters_start(void);

/** Count one. */
void counters_add(enum counter which);

/** Log every counter that is not zero as event "listener.counters". */
void counters_log(void);

#endif
