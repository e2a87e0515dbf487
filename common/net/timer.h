/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadline timer on CLOCK_BOOTTIME over uv_timer. Moving a deadline further away, which sessions do
 * at each exchange, costs one store: the running uv timer fires early, sees that the deadline moved
 * and sleeps on. 20 000 of them are fine. A machine that slept past a deadline finds it expired at
 * the first look. Ownership: embedded in its owner, which must stay until boot_timer_close() has
 * called back. Threads: that of the loop.
 */
#ifndef MUSTER_NET_TIMER_H
#define MUSTER_NET_TIMER_H

#include <stdint.h>
#include <uv.h>

struct boot_timer;
typedef void (*boot_timer_fn)(struct boot_timer *t, void *arg);

struct boot_timer {
	uv_timer_t uv;
	uint64_t deadline_ms; /* CLOCK_BOOTTIME; 0 = not set */
	uint64_t uv_due_ms;   /* when the uv timer will look; 0 = it sleeps */
	boot_timer_fn fn;     /* called at the deadline */
	boot_timer_fn closed; /* called by boot_timer_close() */
	void *arg;
};

/** Prepare a timer of this loop; fn(t, arg) will be called when a deadline passes. */
void boot_timer_init(struct boot_timer *t, uv_loop_t *loop, boot_timer_fn fn, void *arg);

/** Set or move the deadline (CLOCK_BOOTTIME, milliseconds). Never calls fn directly. */
void boot_timer_set(struct boot_timer *t, uint64_t deadline_ms);

/** Set the deadline delay_ms from now. */
void boot_timer_set_in(struct boot_timer *t, uint64_t delay_ms);

/** Forget the deadline. */
void boot_timer_stop(struct boot_timer *t);

/** Whether a deadline is set. */
int boot_timer_active(const struct boot_timer *t);

/** Close for good; closed(t, arg) is called at the end of this turn and may free the owner. */
void boot_timer_close(struct boot_timer *t, boot_timer_fn closed);

#endif
