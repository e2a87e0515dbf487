/* SPDX-License-Identifier: Apache-2.0 */
/* Between the pool (hook.c) and the two ways to run a hook: process.c and web.c. */
#ifndef MUSTER_WORKER_HOOK_INT_H
#define MUSTER_WORKER_HOOK_INT_H

#include <stdint.h>
#include <sys/queue.h>

#include "common/base/secret.h"
#include "worker/hook/hook.h"

#define HOOK_DELIVERY_MAX 128

struct hook_process;
struct hook_request;
struct hook_web;

struct hook_run {
	struct hook_pool *pool;
	hook_cb cb;
	void *arg;
	struct buf input;              /* JSON, one line */
	char *argv[HOOK_ARGS_MAX + 2]; /* mode args: command, arguments, NULL */
	char delivery[HOOK_DELIVERY_MAX];
	struct buf out, errors;
	enum hook_end end;
	int number;                   /* exit status, signal or status of HTTP */
	struct hook_process *process; /* one of these while it runs */
	struct hook_request *request;
	TAILQ_ENTRY(hook_run) link;
};

TAILQ_HEAD(hook_run_list, hook_run);

struct hook_pool {
	uv_loop_t *loop;
	enum hook_moment moment;
	const struct conf_hook *conf;
	struct hook_run_list waiting, running;
	uint32_t n_running;
	struct secret key;    /* web */
	struct hook_web *web; /* web; made with the first request */
	bool closing;
};

/* How a hook is run. */
struct hook_way {
	/** Begin. Leads to exactly one hook_run_done(), now or later. */
	void (*start)(struct hook_run *r);
	/** The pool is closing: hurry. */
	void (*stop)(struct hook_run *r);
};
extern const struct hook_way hook_way_process, hook_way_web;

/** The run is over, r->end and what belongs to it say how. Frees r. */
void hook_run_done(struct hook_run *r);

/** Close what the requests of a pool share. NULL is fine. */
void hook_web_close(struct hook_web *web);

#endif
