/* SPDX-License-Identifier: Apache-2.0 */
/* Between session.c (beginning) and session_end.c (end); nobody else includes it. */
#ifndef MUSTER_WORKER_SESSION_INT_H
#define MUSTER_WORKER_SESSION_INT_H

#include "worker/session.h"
#include "worker/worker.h"

/** Nothing is left to say: close handles, free the slot, tell the worker. */
void session_over(struct session *s);

#endif
