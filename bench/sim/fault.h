/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quirks: named, versioned behaviours that a share of the devices or single devices have, beside
 * what their generation does.
 *   --fault NAME=SHARE[:VALUE]   --fault NAME@INDEX[:VALUE]   (NAME or NAME/VERSION)
 * Which devices have one depends on the seed alone. A behaviour that changes its meaning gets a new
 * version, so that an old scenario is refused instead of testing something else.
 * Ownership: plain values. Threads: read-only.
 */
#ifndef MUSTER_SIM_FAULT_H
#define MUSTER_SIM_FAULT_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault {
	/* Misbehaviour that ends in a named refusal. */
	FAULT_ANSWER,
	FAULT_UNAUTHORIZED,
	FAULT_TRUNCATED,
	FAULT_HUGE_BODY,
	FAULT_ENDLESS,
	FAULT_WRONG_CERT,
	FAULT_SILENT,
	FAULT_HANDSHAKE_STALL,
	FAULT_DEAF,
	FAULT_FOREIGN_PASSWORD,
	FAULT_FLASH_WEAR,
	/* Identities that no server may trust. */
	FAULT_UUID_MISMATCH,
	FAULT_ZERO_UUID,
	FAULT_PLACEHOLDER_UUID,
	FAULT_SHARED_UUID,
	/* Healthy firmware that is awkward. */
	FAULT_RESET,
	FAULT_COMMIT_CUT,
	FAULT_COMMIT_LOST,
	FAULT_NOT_NOW,
	FAULT_NONCE_RESET,
	FAULT_SETUP_LOGIN,
	FAULT_CLOSE_EACH,
	FAULT_TLS_SLOW,
	FAULT_ETHERNET_DEAF,
	FAULT_MEBX_NEEDED,
	FAULT_ADMIN_LOST,
	FAULT_ADMIN_FREEZE,
	FAULT_LOCK_OUT,
	FAULT_ACL_DROP,
	FAULT_AUDIT_LOCK,
	FAULT_WINDOW,
	FAULT_N,
};

/* One row of the table. */
struct fault_info {
	const char *name;
	unsigned version;
	uint32_t value; /* default of VALUE, 0 = it has none */
	const char *meaning;
	const char *source; /* document and section, "own" = own idea */
};

struct fault_rule {
	enum fault fault;
	double share; /* used when index < 0 */
	long index;   /* one device, or -1 */
	uint32_t value;
};

#define FAULT_RULES_MAX 256 /* a scenario may name single devices */

struct fault_plan {
	struct fault_rule rules[FAULT_RULES_MAX];
	size_t n;
};

/** The row of a quirk. */
const struct fault_info *fault_info(enum fault f);

/** Name as on the command line. */
const char *fault_name(enum fault f);

/** By "NAME" or "NAME/VERSION" of this length. @return FAULT_N when there is none */
enum fault fault_find(const char *text, size_t len);

/** Add one rule from its text. @return 0 or E_CONFIG */
int fault_add(struct fault_plan *plan, const char *text, struct error *err);

/** Which quirks a device has: a bit per enum fault, their values in values[FAULT_N]. */
uint64_t fault_choose(const struct fault_plan *plan, uint64_t seed, size_t index,
	uint32_t values[static FAULT_N]);

#endif
