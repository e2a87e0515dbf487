/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crashes on demand, for tests (test.crashes): a session dies before or after a row of its plan, as
 * if its process had been killed there: the connection ends, nothing is told to the store, the
 * lease runs out. Each line of the file, "UUID PLAN ROW before|after", strikes once.
 * Ownership: the worker's. Threads: the session loop. SPEC: provisioning.md 7
 */
#ifndef MUSTER_WORKER_CRASH_H
#define MUSTER_WORKER_CRASH_H

#include <stdbool.h>

struct crashes;
struct error;
struct session;

/** Read the file; path "" = none. @return 0 (*out NULL without a file); E_CONFIG; -errno; -ENOMEM
 */
int crashes_load(struct crashes **out, const char *path, struct error *err);

/** Whether the session is to die at its present row. NULL = never. */
bool crash_due(struct crashes *c, const struct session *s, const char *moment);

void crashes_free(struct crashes *c);

#endif
