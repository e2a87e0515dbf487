/* SPDX-License-Identifier: Apache-2.0 */
/* Between drive.c (rows), drive_device.c (what the device reports); nobody else includes it. */
#ifndef MUSTER_WORKER_DRIVE_INT_H
#define MUSTER_WORKER_DRIVE_INT_H

#include "worker/session.h"
#include "worker/worker.h"

/** Send s->body. */
void drive_send(struct session *s);

/** Enumerate, or Pull when s->context is set. */
void drive_enumerate(struct session *s);

/** Run a KIND_CONNECT row. */
void drive_connect(struct session *s);

#endif
