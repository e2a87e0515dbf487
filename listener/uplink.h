/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener's way to the brokers: one DEALER each, a bounded window of unanswered Hellos per
 * broker, batches sent at the end of a turn of the loop, retransmission to another broker. Nothing
 * is stored: a Hello lives in its connection. SPEC: architecture D9, D17; ruling 11
 *
 * Ownership: items belong to the caller and stay in place until their verdict or uplink_cancel().
 * Threads: the loop's.
 */
#ifndef MUSTER_LISTENER_UPLINK_H
#define MUSTER_LISTENER_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "common/base/uuid.h"
#include "common/conf/conf.h"
#include "proto/muster.pb-c.h"

struct error;
struct uplink;

/* An address as the bus carries it: 4 or 16 bytes. */
struct hello_address {
	uint8_t bytes[16];
	uint8_t len;
};

/* One Hello on its way. The caller fills the first part, the uplink owns the second. */
struct hello_item {
	uint8_t *raw;
	size_t raw_len;
	struct uuid uuid;
	struct hello_address source, local;
	uint16_t port;
	uint64_t received_ms; /* wall clock */

	TAILQ_ENTRY(hello_item) link;
	uint64_t seq;     /* 0: not in the uplink's hands */
	uint64_t sent_ms; /* CLOCK_BOOTTIME of the last sending; 0: waits for room */
	uint32_t slot;
	uint8_t broker; /* index of the broker that has it, once sent */
	bool moved;     /* sent more than once */
};

struct uplink_events {
	/** The verdict of one item, which is the caller's again. */
	void (*verdict)(struct hello_item *item, Muster__V1__VerdictCode code, void *arg);
	/** Room came or went: accept only while there is room. */
	void (*room)(bool room, void *arg);
};

struct uplink_stats {
	uint64_t sent, batches, retransmitted, stray_verdicts;
};

/**
 * Connect to every broker of the configuration.
 *
 * @param conf      must outlive the uplink
 * @param n_items   most items at a time
 * @return 0; the errors of bus_open() and bus_dealer()
 */
int uplink_open(struct uplink **out, uv_loop_t *loop, const struct conf *conf, uint32_t n_items,
	const struct uplink_events *events, void *arg, struct error *err);

/** Hand over an item; it leaves at the end of this turn. @return 0; E_LIMIT more than n_items */
int uplink_submit(struct uplink *u, struct hello_item *item);

/** Take an item back; a verdict that comes later is ignored. */
void uplink_cancel(struct uplink *u, struct hello_item *item);

/** Whether a Hello submitted now would leave at once. */
bool uplink_has_room(const struct uplink *u);

/** Counters since the start. */
const struct uplink_stats *uplink_stats(const struct uplink *u);

/** Close; items that are left get no verdict. NULL is fine. */
void uplink_close(struct uplink *u);

#endif
