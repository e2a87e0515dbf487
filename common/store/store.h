/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: jobs and devices in Redis, and the only code that may change them. Each call below is
 * one Redis Function of library muster_v1 (functions/), so each is atomic; this header is its C
 * face. Broker, worker and muster use nothing else of Redis.
 *
 *               admit           claim          begin           finish
 *   (nothing) --------> ready --------> leased -------> leased --------> done
 *                         ^               |  park ^ step, renew |
 *                         |               v       |             | fail(dead), fail at max,
 *         kick, reap(poll)+----- waiting <+       |             | reap at max lost
 *                         +----- fail(retry), release, reap     v
 *                         +------------------ kick ----------- dead      cancel: -> cancelled
 *
 * An upkeep job (kind other than setup) is made by store_job_open() instead of admit, on a device
 * that is done; when it gives up or is cancelled, the device is done again, with the error.
 *
 * Words: fence = grows with every change of owner, max(stored + 1, Redis' TIME in ms). A call with
 * another fence than the stored one, or on a job that is not leased, is refused: E_STALE. A refused
 * call has changed nothing. All times are Redis' TIME in ms since 1970; leases and delays are given
 * as durations.
 *
 * Asynchronous rule: a call that returns 0 calls its callback exactly once, from the loop; a call
 * that returns < 0 (E_CLOSED: Redis is down; E_LIMIT: too many in flight) never does. A callback's
 * err is NULL on success; E_CLOSED, -ETIMEDOUT, -ECANCELED leave open whether Redis executed the
 * call; repeating is safe for all but admit with another job id (which would answer DUP) and fail/
 * park/release (the repeat is then refused: E_STALE). Texts and blobs given to a callback are valid
 * during it. Inputs are copied. NULL callbacks are allowed.
 *
 * Errors of callbacks besides those: E_STALE (fence, owner or state are not yours: stop touching
 * the device), E_STATE (not possible now, the text says why), -ENOENT (no such job or device),
 * E_AUTH (the ACL user may not), E_PROTOCOL (unexpected reply), E_REFUSED (other error reply of
 * Redis, quoted).
 *
 * Ownership: store_open() / store_close(). Threads: one, that of the loop.
 * SPEC: architecture D11-D16, 2; rulings 1-6, 11, 12, 15, 16, 18-26, 50
 */
#ifndef MUSTER_STORE_STORE_H
#define MUSTER_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/job_kind.h"
#include "common/base/uuid.h"
#include "common/store/redis.h"

#define STORE_ADDR_MAX  46         /* text of an address, with NUL */
#define STORE_BATCH_MAX 256        /* jobs in one claim, renew or reap */
#define STORE_NEVER     UINT64_MAX /* park: no poll time, an operator must act */

struct store;

struct store_opts {
	struct redis_opts redis;
	const char *partition; /* the {p} of every key; NULL = "0"; 1 to 16 of A-Z a-z 0-9 */
};

/** Open; connects in the background (state callback of redis.h). @return as redis_open() */
int store_open(struct store **out, uv_loop_t *loop, const struct store_opts *opts,
	redis_state_fn state, void *arg, struct error *err);

/** As redis_close(). NULL is fine. */
void store_close(struct store *s);

/** The connection, for redis_is_up(), redis_pending(), redis_wait_up() and redis_wait(). */
struct redis *store_redis(const struct store *s);

/* ---- plain data ------------------------------------------------------------------------------ */

struct store_blob {
	const void *data; /* NULL = absent */
	size_t len;
};

/* One field of a device record to set; value.len 0 deletes it. Settable: fqdn profile ou amt port
 * cert_fp cert_serial ad_dn realm tlsp seen12 setup_fp setup_fp3 suffix audit pw_tries tags wave
 * cert_end inv diff marks renew_before told host_dn host_groups;
 * rehello
 * ("auto" = a Hello after done starts a new generation without approval); unconf ("1" = we
 * unconfigured it ourselves: same; cleared by the next generation, and by a finish that does not
 * set it); dek (only while there is none: it is never overwritten). Any other name: E_STATE. */
struct store_field {
	const char *name;
	struct store_blob value;
};

#define STORE_FIELDS_MAX 24 /* in one call */

/* A device record. Texts are "" and blobs NULL when absent. */
struct store_device {
	char uuid[UUID_TEXT_LEN + 1];
	uint32_t gen;               /* generation, from 1; 0 = only denied so far */
	const char *job;            /* newest job, active or ended */
	const char *state;          /* active done dead cancelled unconfigured expected "" */
	const char *addr;           /* where the session dials */
	const char *src;            /* source of the last Hello */
	const char *addr_alt;       /* the other source seen before that one (ruling 2) */
	uint64_t alt_ms;            /* when addr_alt was last seen */
	const char *quar;           /* why quarantined, or "" */
	const char *deny;           /* why denied, or "" */
	uint64_t hellos;            /* Hellos counted */
	uint64_t first_ms, last_ms; /* first and last Hello ever */
	uint64_t hello_ms;          /* first Hello of this generation */
	uint64_t done_ms;           /* finish of this generation, 0 = not yet */
	uint64_t end_ms;            /* last finish or cancel: the cool-down counts from here */
	const char *res;            /* text given to finish */
	const char *err;            /* last failure: its reason word, and its text */
	const char *txt;
	const char *fqdn, *profile, *ou, *amt, *cert_fp, *cert_serial, *ad_dn, *realm, *tlsp,
		*seen12;
	const char *setup_fp, *setup_fp3, *suffix, *audit, *pw_tries, *rehello, *unconf;
	const char *tags; /* words, separated by spaces */
	const char *told; /* by an operator's list: common/base/told.h */
	const char *wave;
	const char *host_dn;     /* the computer object in the directory, as last asked */
	const char *host_groups; /* its groups: lines "sAMAccountName<TAB>DN" */
	uint64_t cert_end_ms;    /* notAfter of its certificate */
	const char *inv;         /* newest inventory: lines "class.property<TAB>value" */
	const char *marks;       /* hashes of secrets that the device was given: worker/marks.h */
	const char *diff; /* newest comparison: lines "class<TAB>property<TAB>have<TAB>want" */
	struct store_blob dek, sec_cur, sec_prev, sec_pend;
	struct store_blob sec_give; /* passwords that an operator gave; gone after setup or adopt */
};

/* A job. */
struct store_job {
	char id[UUID_TEXT_LEN + 1];
	char uuid[UUID_TEXT_LEN + 1]; /* the device */
	uint32_t gen;
	uint64_t fence;
	const char *state; /* ready | leased | waiting | done | dead | cancelled */
	const char *kind;  /* of an upkeep job; "" = setup */
	const char *args;  /* its arguments */
	const char *why;   /* waiting: ca | ad | manual (kept afterwards) */
	uint32_t kicked;   /* 1 = an operator has let it go on without its wave */
	uint32_t approved; /* 1 = an operator has approved it */
	const char *owner; /* worker, from begin() on */
	uint32_t tries;    /* failures of the device */
	uint32_t lost;     /* leases lost */
	const char *step;  /* last step */
	struct store_blob checkpoint;
	struct store_blob hello; /* raw Hello; absent once done or cancelled */
	const char *traceparent;
	uint64_t created_ms, begun_ms, ended_ms;
	const char *err, *txt; /* reason word and text of the last failure or of the wait */
	const char *res;
	uint64_t due_ms; /* ready: due; leased: end of the lease; waiting: next poll (STORE_NEVER);
			  * only in answers of store_job_get() and lists, else 0 */
};

/** Answer of a call that only succeeds or fails. */
typedef void (*store_done_cb)(const struct error *err, void *arg);

/* ---- broker ---------------------------------------------------------------------------------- */

enum store_verdict {
	STORE_NEW = 1, /* a job was made (it may wait for an operator) */
	STORE_DUP,     /* a job exists */
	STORE_IGN,     /* cool-down after the end, or a dead job: counted */
	STORE_DENY,    /* denied or quarantined */
	STORE_BUSY,    /* too many jobs wait, or Redis takes no writes: nothing was changed */
};

struct store_hello {
	struct uuid uuid;
	const char *addr;        /* source address, text without port */
	struct store_blob raw;   /* the message */
	const char *traceparent; /* or NULL */
	const char *subnet;      /* "10.1.2.0/24" when paced, else NULL */
	uint64_t elapsed_ms;     /* since its series of Hellos began: its place in the queue */
	uint64_t left_ms;        /* until it stops to answer; 0 = not known */
};

struct store_admission {
	uint32_t cooldown_ms;  /* [120000] */
	uint32_t max_waiting;  /* jobs in wait:*; [100000] */
	uint32_t subnet_rate;  /* starts per second and subnet; 0 = no pacing */
	uint32_t subnet_burst; /* starts at once; at least 1 */
};

/** @param verdict 0 when err is set */
typedef void (*store_admit_cb)(enum store_verdict verdict, const struct error *err, void *arg);

/**
 * Judge a Hello: the only judge of duplicates (ruling 3). Call it for a whole batch; the commands
 * leave in one write. Makes the job id (UUIDv7). The deny-file and switched-off intake are the
 * caller's: DENY without asking. The answer is durable as far as Redis' configuration goes.
 * Addresses: the newest wins while the job is not leased; A, B, A within 60 minutes and known
 * placeholder UUIDs go to wait:manual, quarantined (ruling 2). SPEC: rulings 1-6, 21
 */
int store_admit(struct store *s, const struct store_hello *hello,
	const struct store_admission *limits, store_admit_cb cb, void *arg, struct error *err);

/* What a worker needs to begin. */
struct store_claim {
	char id[UUID_TEXT_LEN + 1];
	char uuid[UUID_TEXT_LEN + 1];
	uint32_t gen;
	uint64_t fence;
	const char *addr;
	uint32_t tries, lost;
	struct store_blob checkpoint, hello; /* upkeep jobs have no Hello */
	const char *traceparent;
	const char *kind, *args; /* as in store_job; setup: "extend" = ask it for more time only */
};

/** @param claims n_claims jobs, oldest due first; none when err is set */
typedef void (*store_claim_cb)(
	const struct store_claim *claims, size_t n_claims, const struct error *err, void *arg);

/** Take up to n due jobs under a dispatch lease [5000 ms]. n at most STORE_BATCH_MAX. */
int store_claim(struct store *s, uint32_t n, uint32_t lease_ms, store_claim_cb cb, void *arg,
	struct error *err);

struct store_reaped {
	uint32_t requeued; /* expired leases back to ready */
	uint32_t dead;     /* of those: lost too often */
	uint32_t woken;    /* waiting jobs whose poll time came */
	bool more;         /* the limit was reached: call again */
};
typedef void (*store_reap_cb)(
	const struct store_reaped *result, const struct error *err, void *arg);

/** Move leases that ended more than grace_ms [5000] ago, and waiting jobs whose poll time has come.
 * A lease that was begun counts as lost, dead at max_lost [5]; a dispatch without begin() does not
 * count. limit at most STORE_BATCH_MAX per kind. SPEC: D13.5, rulings 20, 22 */
int store_reap(struct store *s, uint32_t grace_ms, uint32_t max_lost, uint32_t limit,
	store_reap_cb cb, void *arg, struct error *err);

/* ---- worker (release also broker) ------------------------------------------------------------ */

/* A lease: who calls. */
struct store_lease {
	const char *job;  /* id text */
	const char *uuid; /* device, text */
	uint64_t fence;
};

/** @param job, dev NULL when err is set; job->hello and job->checkpoint included */
typedef void (*store_begin_cb)(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg);

/** First act of an owner: turns the dispatch lease into a run lease and reads job and device whole.
 * A repeat by the same owner is fine. owner: name of the worker process. */
int store_begin(struct store *s, const struct store_lease *lease, const char *owner,
	uint32_t ttl_ms, store_begin_cb cb, void *arg, struct error *err);

enum store_secret_act {
	STORE_SECRET_KEEP,    /* leave pending as it is */
	STORE_SECRET_PENDING, /* pending = the given blob (write-ahead; replaces an older pending)
			       */
	STORE_SECRET_PROMOTE, /* previous = current, current = pending, no pending (ruling 15); a
			       * repeat without pending is fine once there is a current set */
	STORE_SECRET_DROP,    /* no pending: the device is known not to have taken it */
	STORE_SECRET_SETTLE,  /* as PROMOTE, and previous stays */
};

struct store_step {
	const char *step;             /* name of the row */
	struct store_blob checkpoint; /* data NULL = keep the old one */
	uint32_t ttl_ms; /* max(30 s, time-out of the step + 5 s); never shortens (ruling 12) */
	enum store_secret_act act;
	struct store_blob pending;
	const struct store_field *fields; /* device fields to set */
	size_t n_fields;
};

/** Renew before you mutate: only success allows the step's write. Your local deadline is the time
 * you called this plus ttl_ms - 2 s. An expired lease that nobody reaped revives. SPEC: D13 */
int store_step(struct store *s, const struct store_lease *lease, const struct store_step *step,
	store_done_cb cb, void *arg, struct error *err);

/** @param codes one per lease: 0, E_STALE; NULL when err is set */
typedef void (*store_renew_cb)(const int *codes, size_t n, const struct error *err, void *arg);

/** Prolong n leases (at most STORE_BATCH_MAX) in one call. */
int store_renew(struct store *s, const struct store_lease *leases, size_t n, uint32_t ttl_ms,
	store_renew_cb cb, void *arg, struct error *err);

/** End well. Refused with E_STATE while a secret is pending; a repeat with the same fence and
 * result succeeds. Deletes payload and checkpoint; the job expires after 7 days. SPEC: rulings 11,
 * 15, 24 */
int store_finish(struct store *s, const struct store_lease *lease, const char *result,
	const struct store_field *fields, size_t n_fields, store_done_cb cb, void *arg,
	struct error *err);

struct store_failure {
	bool dead;                    /* do not retry */
	uint32_t max_attempts;        /* [8]: the failure that reaches it kills */
	uint64_t delay_ms;            /* retry: store_backoff_ms() */
	const char *err;              /* reason word, "already_configured" */
	const char *txt;              /* for people, one line, no secrets */
	const char *step;             /* NULL = keep */
	struct store_blob checkpoint; /* data NULL = keep */
	const struct store_field *fields;
	size_t n_fields;
};

/** @param dead whether the job is dead now */
typedef void (*store_fail_cb)(bool dead, const struct error *err, void *arg);

/** The device failed this attempt. SPEC: ruling 20 */
int store_fail(struct store *s, const struct store_lease *lease, const struct store_failure *f,
	store_fail_cb cb, void *arg, struct error *err);

/** Pause before attempt tries + 1, full jitter: uniform between min_ms and min(max_ms, min_ms *
 * 2^tries), tries being the failures so far including this one (>= 1).
 * @param random any 64 random bits */
uint64_t store_backoff_ms(uint32_t tries, uint64_t min_ms, uint64_t max_ms, uint64_t random);

struct store_park {
	const char *why;        /* "ca" | "ad" | "manual" */
	uint64_t poll_ms;       /* from now until reap makes it ready; STORE_NEVER */
	const char *err, *txt;  /* reason word and text for people */
	const char *step;       /* NULL = keep */
	const char *quarantine; /* reason word: no address until store_kick() names one; NULL */
	struct store_blob checkpoint; /* data NULL = keep */
	const struct store_field *fields;
	size_t n_fields;
};

/** Give up the lease and wait in view. Counts as no attempt. SPEC: ruling 22 */
int store_park(struct store *s, const struct store_lease *lease, const struct store_park *p,
	store_done_cb cb, void *arg, struct error *err);

/** Give the job back, due now (drain; a claim that could not be delivered). step NULL and
 * checkpoint.data NULL keep what is there. */
int store_release(struct store *s, const struct store_lease *lease, const char *step,
	struct store_blob checkpoint, store_done_cb cb, void *arg, struct error *err);

/** The same for a device that has just given more time: its window ends window_ms from now. */
int store_extended(struct store *s, const struct store_lease *lease, const char *step,
	struct store_blob checkpoint, uint64_t window_ms, store_done_cb cb, void *arg,
	struct error *err);

/* ---- PSK pairs (worker and operator) --------------------------------------------------------- */

#define STORE_PID_LEN 8

/* What stands behind a PID. Texts are "" when absent. */
struct store_psk {
	char pid[STORE_PID_LEN + 1];
	struct store_blob sealed; /* psk_seal() */
	const char *state;        /* free | fresh (made by us, not proven yet) | used */
	const char *uuid;         /* the device it belongs to */
	const char *source;       /* where it came from */
	uint64_t added_ms, used_ms;
	uint32_t bad;         /* handshakes that failed with it */
	const char *bad_uuid; /* the device at which it failed last */
	uint64_t bad_ms;
};

/** @param pair NULL when err is set; store_psk_put(): also when it was stored, else what is there
 */
typedef void (*store_psk_cb)(const struct store_psk *pair, const struct error *err, void *arg);

/** Store a new pair. One that is there is never overwritten: the callback gets it, to be compared.
 * @param uuid the device it is made for; NULL = for whoever says Hello with it
 * @param source, who for people: a file, a user; NULL = a worker */
int store_psk_put(struct store *s, const char *pid, struct store_blob sealed, const char *uuid,
	const char *source, const char *who, store_psk_cb cb, void *arg, struct error *err);

/** One pair. -ENOENT: unknown PID. */
int store_psk_get(struct store *s, const char *pid, store_psk_cb cb, void *arg, struct error *err);

enum store_psk_mark {
	STORE_PSK_USED,     /* uuid was set up with it: it belongs to it from now on */
	STORE_PSK_MISMATCH, /* a handshake of uuid failed with it */
};

/** Note what happened with a pair; repeating is fine. E_STATE: it belongs to another device. */
int store_psk_mark(struct store *s, const char *pid, const char *uuid, const char *job,
	enum store_psk_mark what, store_done_cb cb, void *arg, struct error *err);

/** Delete one pair for good. -ENOENT. */
int store_psk_delete(struct store *s, const char *pid, const char *who, store_done_cb cb, void *arg,
	struct error *err);

/* ---- notices: what hooks are still to be told ------------------------------------------------ */

#define STORE_NOTICES_MAX 64 /* in one claim */

/* One notice. Written by the function that ends a job, so that it is as durable as the end. */
struct store_notice {
	const char *id;   /* "moment.job.time": the same at every repetition */
	const char *json; /* what is told: one object */
	uint32_t tries;   /* this one included */
};

/** @param list valid in the callback; n 0 when err is set */
typedef void (*store_notices_cb)(
	const struct store_notice *list, size_t n, const struct error *err, void *arg);

/** Say that notices of a moment are wanted (for a week from now), and take up to n that are due.
 * What is not ended within lease_ms is due again: at least once. n may be 0. */
int store_notice_claim(struct store *s, const char *moment, uint32_t n, uint32_t lease_ms,
	store_notices_cb cb, void *arg, struct error *err);

struct store_notice_result {
	const char *id, *moment, *uuid;
	const char *who;   /* the worker */
	const char *text;  /* for the event stream */
	bool over;         /* told, or given up: forget it */
	uint64_t delay_ms; /* not over: due again */
};

/** Record how a notice was told. */
int store_notice_end(struct store *s, const struct store_notice_result *r, store_done_cb cb,
	void *arg, struct error *err);

/* ---- upkeep ---------------------------------------------------------------------------------- */

struct store_opening {
	const char *uuid; /* the device */
	enum job_kind kind;
	const char *args;       /* at most JOB_ARGS_MAX bytes; NULL = none */
	const char *addr;       /* NULL = the one on record; a device that we never saw needs one */
	uint64_t delay_ms;      /* from now until it is due */
	const char *who;        /* for the event */
	struct store_blob give; /* sealed passwords to try on it; JOB_ADOPT */
	const struct store_field *fields; /* of the record, with the job or not at all */
	size_t n_fields;
};

/** Open an upkeep job. E_STATE: the device has a live job, or is not in service (JOB_ADOPT: only
 * the former), or is in quarantine; -ENOENT: no such device.
 * @param id the new job's, valid when the call succeeds */
int store_job_open(struct store *s, const struct store_opening *o,
	char id[static UUID_TEXT_LEN + 1], store_done_cb cb, void *arg, struct error *err);

/** @param ids n ids, order and number per page are Redis' choice; a device may come twice
 *  @param cursor where to go on; "0" = that was all. Copy it to call again. */
typedef void (*store_ids_cb)(
	const char *const *ids, size_t n, const char *cursor, const struct error *err, void *arg);

/** @param n what was counted; 0 when err is set */
typedef void (*store_count_cb)(uint64_t n, const struct error *err, void *arg);

/* ---- operator -------------------------------------------------------------------------------- */

/* The calls of this group name job and device; read the job first (store_job_get). */

/** End a job that is not done (a dead one too: this is `dead drop`). A running owner stops at its
 * next step. Lifts a quarantine. The device's next Hello after the cool-down starts anew. */
int store_cancel(struct store *s, const char *job, const char *uuid, const char *who,
	const char *text, store_done_cb cb, void *arg, struct error *err);

/** Make a waiting, dead or delayed job due now; a dead one gets all its attempts again. E_STATE
 * when it is leased or over, and for a quarantined device without addr.
 * @param addr NULL, or the address to use: decides a quarantine (ruling 2) */
int store_kick(struct store *s, const char *job, const char *uuid, const char *who,
	const char *addr, store_done_cb cb, void *arg, struct error *err);

/** Answer DENY to this device from now on (reason not NULL) or no longer (NULL). A running job is
 * not touched: cancel it. Works for devices never seen. */
int store_deny(struct store *s, const char *uuid, const char *reason, const char *who,
	store_done_cb cb, void *arg, struct error *err);

/** Delete the record and its secrets for good, and its ended job. E_STATE while a job is active. */
int store_forget(struct store *s, const char *uuid, const char *job, const char *who,
	store_done_cb cb, void *arg, struct error *err);

/** @param kept the very same was told before, and nothing was written */
typedef void (*store_expect_cb)(bool kept, const struct error *err, void *arg);

/** Note what an operator's list tells about a device (common/base/told.h) for its next Hello; one
 * that we never saw is then "expected". E_STATE: it is in service, or its setup has begun.
 * @param fields name, profile, OU and tags, for the record itself */
int store_expect(struct store *s, const char *uuid, const char *who, const char *told,
	const struct store_field *fields, size_t n_fields, store_expect_cb cb, void *arg,
	struct error *err);

/* ---- reading --------------------------------------------------------------------------------- */

/** @param dev NULL when err is set (-ENOENT: never seen) */
typedef void (*store_device_cb)(const struct store_device *dev, const struct error *err, void *arg);

/** One device record, secrets included (sealed). */
int store_device_get(
	struct store *s, const char *uuid, store_device_cb cb, void *arg, struct error *err);

/** @param job NULL when err is set (-ENOENT: unknown or expired) */
typedef void (*store_job_cb)(const struct store_job *job, const struct error *err, void *arg);

int store_job_get(struct store *s, const char *id, store_job_cb cb, void *arg, struct error *err);

/** UUIDs of all known devices, page by page (SCAN; costs nothing on the job path).
 * @param cursor "0" at first */
int store_device_list(
	struct store *s, const char *cursor, store_ids_cb cb, void *arg, struct error *err);

/** PIDs of all stored pairs, page by page; as store_device_list(). */
int store_psk_list(
	struct store *s, const char *cursor, store_ids_cb cb, void *arg, struct error *err);

enum store_list {
	STORE_LIST_READY,
	STORE_LIST_LEASED,
	STORE_LIST_WAIT_CA,
	STORE_LIST_WAIT_AD,
	STORE_LIST_WAIT_MANUAL,
	STORE_LIST_DEAD,
	STORE_LIST_DONE,
	STORE_LISTS
};

/** "ready", "leased", "wait:ca", ... */
const char *store_list_name(enum store_list list);

/** Job ids of one state, by time, at most count from the given rank; dead and done: newest first.
 * The callback's cursor is the next rank, "0" at the end. */
int store_job_list(struct store *s, enum store_list list, const char *cursor, uint32_t count,
	store_ids_cb cb, void *arg, struct error *err);

struct store_counts {
	uint64_t now_ms;         /* Redis' clock */
	uint64_t due;            /* ready and due */
	uint64_t n[STORE_LISTS]; /* jobs per list; ready includes those in back-off */
	uint64_t next_due_ms;    /* due time of the first ready job, 0 = none */
};
typedef void (*store_counts_cb)(const struct store_counts *c, const struct error *err, void *arg);

/** Depth of all queues; constant time. */
int store_counts(struct store *s, store_counts_cb cb, void *arg, struct error *err);

struct store_event {
	const char *id;    /* stream id, "ms-seq" */
	const char *event; /* admit open claim begin finish fail dead park release reap wake cancel
			    * kick deny forget expect quarantine secret psk */
	const char *job, *uuid, *who, *fence, *text; /* "" when absent */
};
typedef void (*store_events_cb)(
	const struct store_event *events, size_t n, const struct error *err, void *arg);

/** Events after a stream id ("0" = from the oldest kept), oldest first, at most count. */
int store_events(struct store *s, const char *after, uint32_t count, store_events_cb cb, void *arg,
	struct error *err);

/** Append one event of our own to the stream, for what changes no job: who revealed a password. */
int store_audit(struct store *s, const char *event, const char *uuid, const char *who,
	const char *text, store_done_cb cb, void *arg, struct error *err);

/* ---- peers: operator's view only, never for safety ------------------------------------------- */

#define STORE_PEER_TTL_MS 10000

struct store_peer {
	const char *id; /* role + random number of the process start */
	const char *role, *version, *host;
	uint32_t slots, used;
	bool drain;
};

/** Say that this process lives; call it every 3 s. */
int store_peer_beat(struct store *s, const struct store_peer *peer, store_done_cb cb, void *arg,
	struct error *err);

typedef void (*store_peers_cb)(
	const struct store_peer *peers, size_t n, const struct error *err, void *arg);
int store_peer_list(struct store *s, store_peers_cb cb, void *arg, struct error *err);

/* ---- schema ---------------------------------------------------------------------------------- */

#define STORE_SCHEMA     1 /* version of records and functions */
#define STORE_PARTITIONS 1

/** The text of library muster_v1, as built in. */
const char *store_schema_text(void);

/** @param changed whether anything had to be loaded */
typedef void (*store_schema_cb)(bool changed, const struct error *err, void *arg);

/** Load the library unless the very same text is there, and write muster:sys:meta. Needs the ACL
 * user muster-ctl or one with +function. E_CONFIG when a newer schema is there. */
int store_schema_apply(struct store *s, store_schema_cb cb, void *arg, struct error *err);

/** Start-up check of broker and worker: library there, schema ours. E_CONFIG with what to do. */
int store_schema_check(struct store *s, store_done_cb cb, void *arg, struct error *err);

#endif
