/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch: the back socket. Workers grant credit (free session slots, absolute); while there is
 * credit, due jobs are claimed and sent. A claim that cannot be delivered, or that the worker
 * refuses, is released at once; one that is lost on the way comes back when its dispatch lease
 * ends. Never more jobs than credit, never a job whose claim was not just made.
 * SPEC: architecture D9, D10, D13; ruling 26
 * Threads: the loop's.
 */
#ifndef MUSTER_BROKER_DISPATCH_H
#define MUSTER_BROKER_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/bus/bus.h"
#include "common/conf/conf.h"
#include "common/store/store.h"

struct dispatch;
struct error;

/** Bind the back socket; nothing is claimed before dispatch_gate().
 * @param conf, store, bus must outlive it @return 0; the errors of bus_router() */
int dispatch_open(struct dispatch **out, struct bus *bus, const char *endpoint,
	const struct conf *conf, struct store *store, struct error *err);

/** Claim jobs (true) or not. */
void dispatch_gate(struct dispatch *d, bool open);

/** A job may have become due: look at the end of this turn, not at the next poll. */
void dispatch_kick(struct dispatch *d);

/** The endpoint as bound, with its real port. */
const char *dispatch_endpoint(const struct dispatch *d);

/** No claim is under way. */
bool dispatch_idle(const struct dispatch *d);

/** Tell the workers and claim no more. */
void dispatch_drain(struct dispatch *d);

/** Call after store_close(), which answers what is outstanding, and before bus_close(). NULL is
 * fine. */
void dispatch_close(struct dispatch *d);

#endif
