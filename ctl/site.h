/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command's connection to the store: a loop of its own, and calls that wait for their answer.
 * Ownership: embedded in the command; site_close() ends it. Threads: none.
 */
#ifndef MUSTER_CTL_SITE_H
#define MUSTER_CTL_SITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/conf/conf.h"
#include "common/crypto/seal.h"
#include "common/store/store.h"

/* How long a command waits for Redis before it says so. */
#define SITE_TIMEOUT_MS 10000

struct site {
	uv_loop_t loop;
	struct store *store;
	struct kek_ring *keks; /* only after site_load_keks() */
};

/** Connect. @return 0; the error says which Redis and why */
int site_open(struct site *s, const struct conf *conf, struct error *err);

/** Load the key-encryption keys, for commands that reveal passwords. */
int site_load_keks(struct site *s, const struct conf *conf, struct error *err);

/** Close and free. Safe after a failed site_open(). */
void site_close(struct site *s);

/* One answer that a command waits for. */
struct answer {
	bool done;
	struct error err; /* code 0 = good */
};

/** Callback of type store_done_cb for a struct answer. */
void site_answered(const struct error *err, void *answer);

/** Note the outcome in an answer: for callbacks that carry more than an error. */
void site_note(struct answer *a, const struct error *err);

/**
 * Wait for an answer whose call returned rc.
 * @return 0, or the failure of the call, of the wait or of the answer, in err
 */
int site_wait(struct site *s, int rc, struct answer *a, struct error *err);

/** Who runs this command, for events: "user@host". Returns out. */
const char *site_who(char *out, size_t out_len);

/* One page of ids from the store: jobs of a list, or devices. */
struct site_page {
	struct answer answer;
	char cursor[32];                /* where the next page begins; "0" = that was all */
	char (*ids)[UUID_TEXT_LEN + 1]; /* freed by the caller */
	size_t n;
};

/** Callback of type store_ids_cb for a struct site_page. */
void site_page(
	const char *const *ids, size_t n, const char *cursor, const struct error *err, void *page);

/** A text member of a JSON object; "" when it is absent. */
const char *site_text(const json_t *object, const char *key);

/* ---- records as JSON (ctl/records.c) -------------------------------------------------------- */

/**
 * One device as JSON, with its newest job's state, and its passwords when reveal is set (the caller
 * has logged that).
 * @return 0 and *out, owned by the caller; -ENOENT; what the store or the seals say
 */
int site_device(struct site *s, const char *uuid, bool reveal, json_t **out, struct error *err);

/** Set the text of err, which the store gave for this device, to what forbids it a job of upkeep.
 */
void site_why_refused(struct site *s, const char *uuid, struct error *err);

/** One job as JSON. @return 0 and *out; -ENOENT; what the store says */
int site_job(struct site *s, const char *id, json_t **out, struct error *err);

/** The job id of an argument that is a job id, or a device's UUID (its newest job).
 * @return 0 with both ids; -ENOENT */
int site_find_job(struct site *s, const char *text, char job[static UUID_TEXT_LEN + 1],
	char uuid[static UUID_TEXT_LEN + 1], struct error *err);

typedef int (*site_each_fn)(struct site *s, const char *id, void *arg);

/** Call fn with the UUID of every known device, each once; stops at its first non-zero result. */
int site_each_device(struct site *s, site_each_fn fn, void *arg, struct error *err);

/** The same with the PID of every stored PSK pair. */
int site_each_psk(struct site *s, site_each_fn fn, void *arg, struct error *err);

#endif
