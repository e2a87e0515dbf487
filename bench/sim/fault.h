/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Misbehaviour that can be given to a share of the devices or to one device:
 *   --fault NAME=SHARE[:VALUE]   --fault NAME@INDEX[:VALUE]
 * Which devices get it depends on the seed alone. Ownership: plain values. Threads: read-only.
 */
#ifndef MUSTER_SIM_FAULT_H
#define MUSTER_SIM_FAULT_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault {
	FAULT_ANSWER,          /* every call is answered by wsman:InternalError */
	FAULT_UNAUTHORIZED,    /* 401 for ever */
	FAULT_TRUNCATED,       /* the XML of every answer ends in the middle */
	FAULT_HUGE_BODY,       /* answers announce and send VALUE MiB (1024) */
	FAULT_ENDLESS,         /* chunks without end */
	FAULT_WRONG_CERT,      /* shows its old certificate after the commit */
	FAULT_SILENT,          /* takes requests, never answers */
	FAULT_HANDSHAKE_STALL, /* accepts TCP, says nothing */
	FAULT_RESET,           /* resets the connection at request number VALUE (5) of a session */
	FAULT_DEAF,            /* resets every connection: a firewall */
	FAULT_COMMIT_CUT,      /* the answer to CommitChanges is cut off */
	FAULT_COMMIT_LOST,     /* connection dies at the first commit before it takes effect */
	FAULT_UUID_MISMATCH,   /* GetUuid gives another UUID than the Hello */
	FAULT_NOT_NOW,         /* GenerateKeyPair answers 2061 VALUE (3) times */
	FAULT_NONCE_RESET,     /* a new nonce every VALUE (7) requests */
	FAULT_SETUP_LOGIN,     /* a second setup session must log in once a password is set */
	FAULT_CLOSE_EACH,      /* closes the connection after every answer */
	FAULT_N,
};

struct fault_rule {
	enum fault fault;
	double share; /* used when index < 0 */
	long index;   /* one device, or -1 */
	uint32_t value;
};

#define FAULT_RULES_MAX 32

struct fault_plan {
	struct fault_rule rules[FAULT_RULES_MAX];
	size_t n;
};

/** Name as on the command line. */
const char *fault_name(enum fault f);

/** One line of help. */
const char *fault_help(enum fault f);

/** Add one rule from its text. @return 0 or E_CONFIG */
int fault_add(struct fault_plan *plan, const char *text, struct error *err);

/** Which faults a device has: a bit per enum fault, their values in values[FAULT_N]. */
uint32_t fault_choose(const struct fault_plan *plan, uint64_t seed, size_t index,
	uint32_t values[static FAULT_N]);

#endif
