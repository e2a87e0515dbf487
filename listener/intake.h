/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Hello port: accepts, reads one message per connection, asks the brokers, and closes so that
 * the device can see the outcome: FIN = accepted, RST = not. Never sends a byte.
 * SPEC: hello.md 6.2; rulings 7 to 10; architecture D17
 *
 * Ownership: intake_close() ends every connection with RST. Threads: the loop's.
 */
#ifndef MUSTER_LISTENER_INTAKE_H
#define MUSTER_LISTENER_INTAKE_H

#include <stdint.h>
#include <uv.h>

#include "common/conf/conf.h"

struct error;
struct intake;

/** Called once, when intake_drain() was called and the last connection has ended. */
typedef void (*intake_drained_fn)(void *arg);

/**
 * Bind every configured address and connect to the brokers. Accepting begins when a broker is
 * there.
 *
 * @param conf must outlive the intake
 * @return 0; -errno or E_CONFIG, the text names what
 */
int intake_open(struct intake **out, uv_loop_t *loop, const struct conf *conf,
	intake_drained_fn drained, void *arg, struct error *err);

/** The port of the first address, as bound. */
uint16_t intake_port(const struct intake *in);

/** Log the counters of intake and uplink. */
void intake_log(const struct intake *in);

/** Accept no more; connections that are open run to their end, which is at most
 * message_timeout_ms + verdict_timeout_ms away. */
void intake_drain(struct intake *in);

/** Close everything now. NULL is fine. */
void intake_close(struct intake *in);

#endif
