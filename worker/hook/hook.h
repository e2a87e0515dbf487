/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: what the operator's own programs and services are asked and told, at five moments. A hook
 * is a program (arguments and lines, or JSON on standard input and output) or a web address (a
 * signed POST of the same JSON). A pool runs the hooks of one moment: so many at once, the rest
 * waits; each has a time limit, its output is limited, and a program runs in a process group of its
 * own, which is killed at the limit and again after its end. What went wrong always has a name.
 * Threads: the connector's loop only; no session and no Hello ever waits for it.
 * SPEC: ruling 53; docs/hook.md
 */
#ifndef MUSTER_WORKER_HOOK_H
#define MUSTER_WORKER_HOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/conf/conf.h"

struct error;

#define HOOK_OUTPUT_MAX (64 * 1024) /* bytes of an answer. SPEC: ruling 53 */
#define HOOK_ERRORS_MAX 512         /* bytes of standard error that are kept for the reason */
#define HOOK_INPUT_MAX  (64 * 1024) /* 255 hashes in hex and JSON are 36 KiB */
#define HOOK_EXIT_WAIT  10          /* "ask again later"; before-unconfigure: "do not" */
#define HOOK_ARGS_MAX   12
#define HOOK_SECRET_MIN 16 /* bytes: less could be guessed from one signed request */

enum hook_moment {
	HOOK_ON_HELLO,           /* who is this device? Asked */
	HOOK_AFTER_CONFIGURE,    /* told, at least once */
	HOOK_BEFORE_UNCONFIGURE, /* may it go? Asked */
	HOOK_AFTER_UNCONFIGURE,  /* told, at least once */
	HOOK_ON_FAILURE,         /* a job was given up. Told, at least once */
	N_HOOK_MOMENTS,
};

/** "on-hello", "after-configure", ... */
const char *hook_moment_name(enum hook_moment moment);

/* How a run ended. Everything but the first two is a misbehaviour. */
enum hook_end {
	HOOK_ANSWERED,
	HOOK_SAYS_WAIT,   /* exit status 10 */
	HOOK_TIMED_OUT,   /* killed, or the request was dropped */
	HOOK_CRASHED,     /* a signal */
	HOOK_FLOODED,     /* more than HOOK_OUTPUT_MAX */
	HOOK_EXIT_STATUS, /* any other exit status */
	HOOK_NOT_STARTED, /* missing, not executable, no memory */
	HOOK_UNREACHABLE, /* web: no connection, TLS refused */
	HOOK_HTTP_STATUS, /* web: not 2xx */
	HOOK_NONSENSE,    /* it ended well, but what it said cannot be understood */
	HOOK_STOPPED,     /* the worker is stopping */
	N_HOOK_ENDS,
};

/** "timed_out", "crashed", ... */
const char *hook_end_name(enum hook_end end);

struct hook_outcome {
	enum hook_end end;
	const char *out; /* standard output or body; NUL-terminated */
	size_t out_len;
	const char *why; /* not ANSWERED: one printable line that begins with the name of the end */
};

/** out and why live as long as the callback. */
typedef void (*hook_cb)(const struct hook_outcome *outcome, void *arg);

struct hook_pool;

/** Whether a hook is configured. */
bool hook_is_set(const struct conf_hook *conf);

/**
 * A pool on a loop, which is the connector's (it need not run yet). conf must outlive it.
 * @return 0; -ENOMEM; E_CONFIG, -errno: the file of the web hook's secret
 */
int hook_pool_open(struct hook_pool **out, uv_loop_t *loop, enum hook_moment moment,
	const struct conf_hook *conf, struct error *err);

/**
 * Run the hook, now or when a place is free. Exactly one callback, perhaps before the return.
 * @param told     what it is told: a JSON object; not kept, not freed
 * @param delivery the same text for every repetition, for hooks that must not act twice; copied
 */
void hook_start(
	struct hook_pool *p, const json_t *told, const char *delivery, hook_cb cb, void *arg);

/** Kill what runs, answer everything with HOOK_STOPPED, free at the end of the loop's turn. */
void hook_pool_close(struct hook_pool *p);

#endif
