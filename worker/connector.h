/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second loop. What: a thread with its own uv_loop_t for everything that may block or wait for
 * a third party (certificate authority, hook programs, reverse DNS, key generation), so that it
 * never stops a device session. How: the session loop submits a struct work, the connector starts
 * it on its own loop and hands it back finished. Ownership: a work belongs to exactly one side at
 * a time and travels through a mutex-protected list and a uv_async_t; nothing else is shared.
 * SPEC: architecture D5.
 */
#ifndef MUSTER_WORKER_CONNECTOR_H
#define MUSTER_WORKER_CONNECTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct connector;
struct error;
struct work;

/** One piece of work. Embed it as the first member of a struct with inputs and outputs. */
struct work {
	/** Connector thread: begin. Must lead to exactly one connector_finish(), now or later. */
	void (*start)(struct connector *c, struct work *w);
	/** Session thread: the work is finished. Not called after connector_cancel(). */
	void (*done)(struct work *w, void *arg);
	/** Session thread: free the work; called after done() or instead of it. */
	void (*destroy)(struct work *w);
	void *arg;             /* session thread only */
	atomic_bool cancelled; /* set by the session thread, read by the connector */
	STAILQ_ENTRY(work) link;
};

/**
 * Start the thread. The loop given receives the finished work.
 * @return 0; -errno with text
 */
int connector_start(struct connector **out, uv_loop_t *session_loop, struct error *err);

/** Session thread: hand over a work. The connector owns it until done() or destroy(). */
void connector_submit(struct connector *c, struct work *w);

/** Session thread: nobody waits for this work any more. It is freed when the connector returns
 * it; the connector may stop early (work_cancelled()). */
void connector_cancel(struct work *w);

/** Connector thread: whether the session has gone away. */
bool work_cancelled(const struct work *w);

/** Connector thread: give a work back. It must not be touched afterwards. */
void connector_finish(struct connector *c, struct work *w);

/** Connector thread: its loop. */
uv_loop_t *connector_loop(struct connector *c);

/**
 * Register a function that the connector thread calls once when it stops, for closing handles that
 * live on its loop. Call it before the first connector_submit(), or from the connector thread.
 */
void connector_at_stop(struct connector *c, void (*fn)(void *arg), void *arg);

/** Stop the thread: work in flight is destroyed without done(). Frees the connector. Call it
 * before the session loop is closed, and run that loop once more afterwards. */
void connector_stop(struct connector *c);

#endif
