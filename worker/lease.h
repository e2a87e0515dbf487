/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The right to touch a device. "Renew before you mutate": a row that changes something asks the
 * store first (step()), and the bytes go out only while the local deadline has not passed. The
 * deadline is counted from the moment the request was sent, on CLOCK_BOOTTIME, and is looked at
 * again immediately before the write. Ownership: embedded in a session, but for the tests it works
 * alone. Threads: the session loop. SPEC: architecture D13.3, D13.4, ruling 12
 */
#ifndef MUSTER_WORKER_LEASE_H
#define MUSTER_WORKER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/store/store.h"

#define LEASE_GUARD_MS 2000  /* the local deadline is so much before the store's */
#define LEASE_SPARE_MS 5000  /* step TTL = time-out of the step + this. SPEC: ruling 12 */
#define LEASE_RENEW_MS 10000 /* READ rows and pauses renew so often */
#define LEASE_RETRY_MS 500   /* the store does not answer: ask again */

struct session;

struct lease {
	uint64_t deadline_ms; /* CLOCK_BOOTTIME; 0 = never held */
	uint64_t sent_ms;     /* when the newest request was sent */
	bool renewing;        /* a renew is under way */
};

/** A request for ttl_ms was sent at sent_ms and granted: never shortens. */
void lease_granted(struct lease *l, uint64_t sent_ms, uint32_t ttl_ms);

/** Whether bytes may go out now. */
bool lease_may_write(const struct lease *l, uint64_t now_ms);

/** TTL for a step with this time-out. */
uint32_t lease_ttl(uint32_t run_lease_ms, uint32_t timeout_ms);

/** Ask the store for the present row: checkpoint, pending secrets, promotion if told. Answered by
 * drive_stepped() or session_lost(); repeats by itself while the store is down. */
void lease_step(struct session *s, enum store_secret_act act, uint32_t timeout_ms);

/** The store's view of who we are. */
struct store_lease lease_who(const struct session *s);

#endif
