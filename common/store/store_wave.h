/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes due by itself: the calendar of upkeep, the window of devices in setup, and waves.
 * Part of the store's face: store.h has the rules of its calls and the words.
 */
#ifndef MUSTER_STORE_WAVE_H
#define MUSTER_STORE_WAVE_H

#include "common/store/store.h"

/* The calendar of a site. 0 = not on it. The functions put each device on it when a job ends well.
 * SPEC: maintenance.md 8 */
struct store_upkeep {
	uint64_t renew_before_ms; /* before the end of a certificate */
	uint64_t certificate_ms; /* how long a certificate is good: the mean load follows from it */
	uint64_t rotate_ms, maintain_ms, inventory_ms; /* intervals */
	uint64_t wear_ms; /* between two jobs that write to one device */
};

/** Write the calendar's rules; what is on it already stays. */
int store_upkeep_policy(struct store *s, const struct store_upkeep *u, store_done_cb cb, void *arg,
	struct error *err);

/** Open what has become due, of running waves and of the calendar; call it about every second, from
 * any number of brokers. limit at most STORE_BATCH_MAX. The answer is the number of jobs opened. */
int store_pump(struct store *s, uint32_t limit, store_count_cb cb, void *arg, struct error *err);

/* ---- the window of devices in setup -----------------------------------------------------------
 */

struct store_window_look {
	uint64_t danger; /* devices whose window closes before their turn, or soon while they wait
			    for an operator; an estimate of long lists */
	uint64_t asked;  /* of these, now first in the queue, to be asked for more time */
};
typedef void (*store_window_look_cb)(
	const struct store_window_look *found, const struct error *err, void *arg);

/** The window guard: look through the queue, at most once a second whoever calls; found is NULL
 * without err when another broker has just looked. SPEC: hello.md 5.2, provisioning.md 3
 * @param length_ms how long a device answers from the first Hello of a series on */
int store_window_look(
	struct store *s, uint64_t length_ms, store_window_look_cb cb, void *arg, struct error *err);

#define STORE_WHY_MAX 31 /* of a reason, which is a short word */

/* One device that will miss its window. */
struct store_window_row {
	char job[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	uint64_t closes_ms; /* since 1970 */
	uint64_t turn_ms;   /* expected; STORE_NEVER = no job ends at present, or it waits */
	uint32_t asked;     /* 2 = it has been asked for more time */
	char why[STORE_WHY_MAX + 1]; /* what it waits for; "" = it is in the queue */
};
#define STORE_WINDOW_PAGE 512 /* places of the queue in one answer */
/** @param size length of the list; rows are those of the page that are in danger */
typedef void (*store_window_list_cb)(const struct store_window_row *rows, size_t n, uint64_t size,
	uint64_t now_ms, const struct error *err, void *arg);

/** The devices in danger among STORE_WINDOW_PAGE places of a list from `place` on: the queue, or
 * one of waiting jobs. */
int store_window_list(struct store *s, enum store_list list, uint64_t length_ms, uint64_t place,
	store_window_list_cb cb, void *arg, struct error *err);

/* ---- waves: a rollout of one kind of job over many devices ----------------------------------- */

#define STORE_WAVE_NAME_MAX 32  /* of a-z 0-9 . - _ */
#define STORE_WAVES_MAX     256 /* listed */

struct store_wave_rules {
	enum job_kind kind;     /* JOB_SETUP: devices join it by their rule */
	const char *args;       /* of each job; NULL = none */
	uint32_t canary;        /* so many first; the others wait until they have ended */
	uint32_t in_flight;     /* jobs at a time */
	uint32_t per_site;      /* of one /24 (IPv6: /64); 0 = no limit */
	uint32_t per_ca;        /* of all waves, for kinds that need certificates; 0 = no limit */
	uint32_t per_directory; /* likewise, the directory */
	uint32_t stop_permille; /* pause when so many of 1000 ended jobs have failed */
	const char *blackout;   /* "1320-360,720-780": minutes of the day, UTC; NULL = none */
};

/** A wave without devices. E_STATE: the name is taken. */
int store_wave_create(struct store *s, const char *name, const struct store_wave_rules *r,
	const char *who, store_done_cb cb, void *arg, struct error *err);

/** Add devices to a wave that has not started, in this order; at most STORE_BATCH_MAX at a time.
 * The answer is how many were new to it. */
int store_wave_add(struct store *s, const char *name, const char *const *uuids, size_t n,
	store_count_cb cb, void *arg, struct error *err);

enum store_wave_act { STORE_WAVE_START, STORE_WAVE_PAUSE, STORE_WAVE_RESUME };

/** Start, pause or resume; jobs in flight are not touched. A resume measures the error rate anew.
 * E_STATE: not from its present state. */
int store_wave_move(struct store *s, const char *name, enum store_wave_act act, const char *who,
	store_done_cb cb, void *arg, struct error *err);

/** Delete a wave and its report. E_STATE while it runs (a wave of setups: while devices wait for
 * it), and while jobs of it are in flight. */
int store_wave_remove(struct store *s, const char *name, const char *who, store_done_cb cb,
	void *arg, struct error *err);

struct store_wave_failed {
	const char *uuid, *reason;
};

struct store_wave {
	const char *state; /* draft | running | paused | done */
	const char *why;   /* paused: by whom, or the error rate */
	const char *kind, *args, *blackout;
	uint64_t total, left, in_flight, ok, bad, skipped;
	uint64_t canary, limit, per_site, stop_permille;
	uint64_t now_ms, created_ms, first_ms,
		state_ms;                       /* first_ms: first start; state_ms: last move */
	const struct store_wave_failed *failed; /* and skipped ones */
	size_t n_failed;
};

/** @param w valid during the call */
typedef void (*store_wave_cb)(const struct store_wave *w, const struct error *err, void *arg);
int store_wave_get(
	struct store *s, const char *name, store_wave_cb cb, void *arg, struct error *err);

enum store_joined {
	STORE_JOINED_GO,    /* it is its turn */
	STORE_JOINED_WAITS, /* listed: park it with reason "wave", the pump wakes it */
	STORE_JOINED_NONE,  /* no such wave, or one of another kind than setup */
};
typedef void (*store_joined_cb)(enum store_joined joined, const struct error *err, void *arg);

/** The owner of a setup job asks to go on as part of a wave. E_STALE as other owner's calls. */
int store_wave_join(struct store *s, const struct store_lease *lease, const char *wave,
	store_joined_cb cb, void *arg, struct error *err);

/** Names of all waves, oldest first; one page. */
int store_wave_list(struct store *s, store_ids_cb cb, void *arg, struct error *err);

#endif
