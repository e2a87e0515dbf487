/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a device's memory that most devices leave as they were made: access lists, wireless
 * profiles, remote access ... A part is shared, read-only, until the device first writes it; then
 * the device gets a copy of its own. So an estate costs what it changed.
 * Ownership: a device owns its copies (parts_free()); factory values are static.
 * Threads: the loop's thread only.
 */
#ifndef MUSTER_SIM_PARTS_H
#define MUSTER_SIM_PARTS_H

#include <stddef.h>

struct device;

enum part {
	PART_SETTINGS, /* device.set itself: always the device's own */
	PART_ACL,
	PART_KERBEROS,
	PART_TRUST, /* revoked serial numbers, names of mutual authentication */
	PART_WIFI,
	PART_WIRED, /* 802.1x on the wire */
	PART_REMOTE,
	PART_NETWORK,
	PART_BOOT,
	PART_RECORD, /* how it was provisioned */
	PART_N,
};

/** The part to read. */
const void *part_read(const struct device *d, enum part p);

/** The part to write: the device's own copy. NULL when there is no memory. */
void *part_write(struct device *d, enum part p);

/** Back to the factory value; what was there is overwritten (secrets) and freed. */
void part_reset(struct device *d, enum part p);

/** Reset all parts. */
void parts_free(struct device *d);

/** Bytes that the device holds of its own, for reports of memory. */
size_t parts_bytes(const struct device *d);

#endif
