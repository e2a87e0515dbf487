/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of common/store: building one FCALL, remembering who waits for its answer, reading the
 * answer. A call is built in the scratch of struct store (one thread, copied by redis_command()).
 */
#ifndef MUSTER_STORE_INT_H
#define MUSTER_STORE_INT_H

#include <hiredis/hiredis.h>

#include "common/base/err.h"
#include "common/store/store_wave.h"

/* FCALL name n, the keys and arguments of renew (the longest call): per job a key, id, uuid, fence.
 */
#define CALL_ARGC_MAX (8 + 4 * STORE_BATCH_MAX)
#define CALL_TEXT_MAX ((size_t)96 * STORE_BATCH_MAX) /* keys and numbers printed for one call */
#define PREFIX_MAX    40                             /* "muster:{p}:" */

struct store {
	struct redis *redis;
	char prefix[PREFIX_MAX];
	/* scratch */
	const char *argv[CALL_ARGC_MAX];
	size_t argv_len[CALL_ARGC_MAX];
	int argc;
	int n_keys;
	char text[CALL_TEXT_MAX];
	size_t text_len;
	bool overflow; /* something did not fit: the call is refused */
};

/* Who waits for an answer. */
struct store_req {
	struct store *s;
	union {
		store_done_cb done;
		store_admit_cb admit;
		store_claim_cb claim;
		store_reap_cb reap;
		store_begin_cb begin;
		store_renew_cb renew;
		store_fail_cb fail;
		store_device_cb device;
		store_job_cb job;
		store_ids_cb ids;
		store_counts_cb counts;
		store_events_cb events;
		store_peers_cb peers;
		store_schema_cb schema;
		store_psk_cb psk;
		store_count_cb count;
		store_wave_cb wave;
		store_expect_cb expect;
		store_joined_cb joined;
		store_window_look_cb window_look;
		store_window_list_cb window_list;
		store_notices_cb notices;
	} cb;
	void *arg;
	uint64_t a, b;               /* what the answer needs to know of the question */
	char id[UUID_TEXT_LEN + 1];  /* likewise */
	char id2[UUID_TEXT_LEN + 1]; /* likewise */
};

/* Begin a call of function muster_v1_<name>: keys first, then arguments. */
void call_begin(struct store *s, const char *name);
/* Begin a plain command. */
void cmd_begin(struct store *s, const char *command);
/* Key muster:{p}:<name><id>. */
void call_key(struct store *s, const char *name, const char *id);
/* Any other key. */
void call_raw_key(struct store *s, const char *key);
/* Arguments. NULL text and absent blobs are sent as "". */
void call_text(struct store *s, const char *text);
void call_blob(struct store *s, struct store_blob blob);
void call_u64(struct store *s, uint64_t n);
/* name, value pairs */
void call_fields(struct store *s, const struct store_field *fields, size_t n);
/* id, uuid, fence: the first arguments of every owner's call */
void call_lease(struct store *s, const struct store_lease *lease);

/**
 * Send what was built; reply is called with a struct store_req that it must free.
 * @return as redis_command(); E_LIMIT when an input is too long. req is copied.
 */
int call_send(
	struct store *s, redis_reply_fn reply, const struct store_req *req, struct error *err);

/** Turn an error, an error reply or a refusal number into *err. @return 0 (err untouched) or
 * err->code
 */
int reply_check(const struct redisReply *reply, const struct error *lost, struct error *err);

/** reply_check() and the type must be an array of at least n elements. */
int reply_array(
	const struct redisReply *reply, size_t n, const struct error *lost, struct error *err);

/** Answer for store_done_cb. */
void reply_done(const struct redisReply *reply, const struct error *lost, void *arg);

/** Number of an integer or text reply; "inf" is STORE_NEVER. */
uint64_t reply_u64(const struct redisReply *reply);
/** Text of a reply, "" for nil. */
const char *reply_text(const struct redisReply *reply);
struct store_blob reply_blob(const struct redisReply *reply);
/** Copy an id, cutting what is too long. */
void reply_id(const struct redisReply *reply, char out[static UUID_TEXT_LEN + 1]);

/** Flat name, value list of a hash to a record; id is copied into it. */
void device_from_reply(struct store_device *out, const char *uuid, const struct redisReply *fields);
void psk_from_reply(struct store_psk *out, const char *pid, const struct redisReply *fields);
void job_from_reply(struct store_job *out, const char *id, const struct redisReply *fields);

/** Page by page the ids of all keys muster:{p}:<name><id> (SCAN). */
int scan_ids(struct store *s, const char *name, const char *cursor, store_ids_cb cb, void *arg,
	struct error *err);

#endif
