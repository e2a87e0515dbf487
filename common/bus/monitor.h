/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket monitor: what ZeroMQ does behind our back (connections made, lost, handshakes refused) as
 * callbacks in the loop. Internal to common/bus. Threads: the loop's.
 */
#ifndef MUSTER_BUS_MONITOR_H
#define MUSTER_BUS_MONITOR_H

#include <stdbool.h>
#include <uv.h>

#include "common/bus/bus.h"

struct monitor;

/** @param auth with BUS_REFUSED: the allow-list said no (another server key would not help) */
typedef void (*monitor_cb)(enum bus_event event, bool auth, const char *detail, void *arg);

/** Watch a socket. @return 0; -errno; -ENOMEM */
int monitor_open(struct monitor **out, void *zmq_context, uv_loop_t *loop, void *socket,
	monitor_cb cb, void *arg, struct error *err);

/** Stop; before the watched socket is closed. NULL is fine. */
void monitor_close(struct monitor *m);

#endif
