/* SPDX-License-Identifier: Apache-2.0 */
/* A store in memory: the calls of store.h that a session makes, answered from the loop. It replaces
 * libmuster_store at link time and remembers what was asked, so that tests can judge the order of
 * step() and request. Threads: one. */
#ifndef MUSTER_TEST_FAKE_STORE_H
#define MUSTER_TEST_FAKE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"

/* A stored PSK pair. */
struct fake_pair {
	char pid[9], state[8], uuid[40];
	struct buf sealed;
	unsigned bad;
};

#define FAKE_PAIRS  8
#define FAKE_FIELDS 24

struct fake_store {
	uv_loop_t *loop;
	/* what is kept */
	struct buf checkpoint, dek, cur, prev, pend;
	bool have_pend;
	uint32_t tries, gen;
	char amt[32], quarantine[32];
	char pw_tries[16], tlsp[8]; /* fields of the record */
	char setup_fp[72], setup_fp3[72];
	struct {
		char name[16], value[256];
	} fields[FAKE_FIELDS]; /* the other fields of the record, by fake_store_field() */
	struct fake_pair pairs[FAKE_PAIRS];
	size_t n_pairs;
	bool reads_only; /* the job is a dry run */
	/* what was asked */
	char last_step[64]; /* newest step() */
	unsigned n_steps, n_renews;
	bool pend_before_secret; /* a pending set came with or before the first SECRET row */
	char end[16];            /* finish | retry | dead | park | release */
	uint64_t window_ms;      /* release: the device gave so much more time */
	char why[16];            /* park */
	bool poll;               /* park: has a poll time */
	uint64_t delay_ms;       /* fail: until the next visit */
	char err[64], txt[400], end_step[64];
	/* what it shall do */
	const char *stale_at;  /* answer E_STALE at this step */
	const char *lost_at;   /* do this step, then answer E_STALE: killed before it was sent */
	unsigned replies_lost; /* do so many steps, then answer E_CLOSED */
	unsigned down;         /* answer E_CLOSED to so many calls */
};

extern struct fake_store fake_store;

void fake_store_reset(uv_loop_t *loop);

/** The value of a field of the record; "" when it was never set. */
const char *fake_store_field(const char *name);

/** Set it. */
void fake_store_set(const char *name, const char *value, size_t len);

/** Put a pair as `muster psk import` would. */
struct fake_pair *fake_store_pair(const char *pid, const void *sealed, size_t len);

/** The pair of a PID or NULL. */
struct fake_pair *fake_store_pair_find(const char *pid);

/** Between two visits: forget the last end, keep record and checkpoint. */
void fake_store_next_visit(void);

#endif
