/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: one JSON object per line of everything that happened to a device, the evidence of
 * muster-sim verify. Lines of one loop turn are written with one write(2).
 * Every line has "t" (microseconds since the start of the run) and "ev"; device lines have "d".
 * Ownership: the ledger owns its file. Threads: the loop's thread only.
 */
#ifndef MUSTER_SIM_LEDGER_H
#define MUSTER_SIM_LEDGER_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct ledger {
	int fd; /* -1: nothing is kept */
	uint64_t start_us;
	struct buf out;
	bool failed; /* a write failed: said once on stderr */
};

/** Create (truncate) the file; NULL path keeps nothing. @return 0 or -errno */
int ledger_open(struct ledger *l, const char *path, struct error *err);

/** Start a line: {"t":..,"ev":"NAME","d":"UUID". device may be NULL. */
void ledger_begin(struct ledger *l, const char *event, const char *device);

/** Members of the line. A NULL text is written as null. */
void ledger_str(struct ledger *l, const char *key, const char *text);
void ledger_uint(struct ledger *l, const char *key, uint64_t value);
void ledger_bool(struct ledger *l, const char *key, bool value);

/** Finish the line. */
void ledger_end(struct ledger *l);

/** Write what is buffered (once per loop turn, and at the end). */
void ledger_flush(struct ledger *l);

/** Flush and close. Safe on a zeroed ledger with fd -1. */
void ledger_close(struct ledger *l);

/** Append text as a JSON string with quotes. @return as buf_add() */
int ledger_json_string(struct buf *out, const char *text);

#endif
