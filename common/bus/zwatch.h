/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ZeroMQ socket in a libuv loop. ZMQ_FD is edge-triggered and any send or receive may swallow
 * the edge, so reading in a poll callback stalls sooner or later. The one form that works: a
 * prepare handle asks ZMQ_EVENTS and starts an idle handle when work is pending, a check handle
 * drains, and a poll handle on ZMQ_FD only wakes the loop. SPEC: architecture D3
 *
 * No other file may touch ZMQ_FD. Ownership: the socket stays the caller's; zwatch_close() comes
 * before zmq_close(). Threads: the loop's only.
 */
#ifndef MUSTER_BUS_ZWATCH_H
#define MUSTER_BUS_ZWATCH_H

#include <stdbool.h>
#include <uv.h>

/* Messages taken from one socket in one turn of the loop: enough to amortise the turn, few enough
 * that timers and other sockets keep their turn (about 0.2 ms at 1 us each). */
#define ZWATCH_DRAIN_MAX 256

struct error;
struct zwatch;

/** Take one message from the socket without blocking. @return 1 taken, 0 nothing there */
typedef int (*zwatch_take_fn)(void *arg);

/** Called once, in the turn after zwatch_close(), when no callback can come any more. */
typedef void (*zwatch_closed_cb)(void *arg);

/**
 * Watch a socket for messages.
 *
 * @param take called up to ZWATCH_DRAIN_MAX times a turn until it returns 0
 * @return 0; -ENOMEM; the libuv or ZeroMQ error negated
 */
int zwatch_open(struct zwatch **out, uv_loop_t *loop, void *socket, zwatch_take_fn take, void *arg,
	struct error *err);

/** Stop (true) or go on (false) taking messages: back-pressure. Messages stay in the socket. */
void zwatch_pause(struct zwatch *w, bool paused);

/**
 * Stop watching; may be called from inside take(). The memory is freed at the end of the turn.
 *
 * @param closed may be NULL
 */
void zwatch_close(struct zwatch *w, zwatch_closed_cb closed);

#endif
