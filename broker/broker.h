/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker as a whole: opens store, bus and the two sockets, and decides when they may work:
 * admission while Redis is up and the schema is ours; claiming and reaping also not within the
 * quiet period after Redis was restarted or replaced, because owners of leases that Redis may have
 * forgotten must have stopped first. SPEC: architecture D10, D13.6, D18, D22; ruling 12
 * Threads: the loop's.
 */
#ifndef MUSTER_BROKER_BROKER_H
#define MUSTER_BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/conf/conf.h"

struct broker;
struct error;

/** Called once: the broker has drained (failed false), or cannot go on (failed true, said in the
 * log). Call broker_close() after it, not inside. */
typedef void (*broker_over_fn)(bool failed, void *arg);

/**
 * Start broker number index of the configuration.
 * @param conf must outlive it
 * @return 0; -errno or E_CONFIG, the text names what
 */
int broker_open(struct broker **out, uv_loop_t *loop, const struct conf *conf, uint32_t index,
	broker_over_fn over, void *arg, struct error *err);

/** Read allow-lists and deny-file again; failures are logged and leave the former lists. */
void broker_reload(struct broker *b);

/** Tell the peers, take no more, flush the verdicts, then call over(). */
void broker_drain(struct broker *b);

/** Close everything now. NULL is fine. */
void broker_close(struct broker *b);

#endif
