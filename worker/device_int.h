/* SPDX-License-Identifier: Apache-2.0 */
/* Between device.c (connection) and device_http.c (exchange); nobody else includes it. */
#ifndef MUSTER_WORKER_DEVICE_INT_H
#define MUSTER_WORKER_DEVICE_INT_H

#include "worker/device.h"

#define SECRET_FILE_MAX 1024 /* bytes of a password file */

extern const struct http_events device_http_events;

/** Open a connection for what waits. */
void device_open(struct device *d);

/** Go on with what waits: send on the connection, or open one. */
void device_resume(struct device *d);

/** Send the request of the present call on the ready connection. */
void device_send(struct device *d);

/** Go on with what waits after a pause. */
void device_pause(struct device *d, uint32_t ms);

/** Drop everything and report. */
void device_fail(struct device *d, enum device_trouble trouble, const struct error *err);

/** The same in the next turn of the loop. */
void device_fail_soon(struct device *d, enum device_trouble trouble, const struct error *err);

/** Give the parser back and free the tree of the answer. */
void device_reader_put(struct device *d);

void device_on_timer(struct boot_timer *t, void *arg);
void device_on_ready(struct http_client *h, void *arg);
void device_on_closed(struct http_client *h, const struct error *err, void *arg);

#endif
