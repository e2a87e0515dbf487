/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks that belong to jobs. Told at least once: after-configure, after-unconfigure, on-failure
 * wait in the store, where the function that ended the job put them; this takes what is due, has it
 * told on the connector's loop, and records how it went: over, due again after a back-off, or given
 * up. Asked: before-unconfigure, which a row of the plan waits for while the session's loop goes
 * on. Ownership: hooks_open()/hooks_close(). Threads: the session loop. SPEC: docs/hook.md
 */
#ifndef MUSTER_WORKER_NOTICE_H
#define MUSTER_WORKER_NOTICE_H

#include "worker/connector.h"
#include "worker/hook/hook.h"

struct hooks;
struct store;

/**
 * Open the pools of what is configured and begin to look for notices.
 * @param owner name of the worker in events; must outlive it, as conf and store
 * @return 0; the errors of hook_pool_open()
 */
int hooks_open(struct hooks **out, uv_loop_t *loop, const struct conf_hooks *conf,
	struct connector *c, struct store *store, const char *owner, struct error *err);

/** After connector_stop(). NULL is fine. */
void hooks_close(struct hooks *h);

/* What a hook that was asked for leave says. */
enum hook_leave {
	HOOK_GO,     /* yes; also without a hook */
	HOOK_REFUSE, /* no: exit status 10, or {"refuse": true} */
	HOOK_BROKEN, /* it said neither: ask again later */
};

typedef void (*hook_leave_cb)(enum hook_leave leave, const char *why, void *arg);

/**
 * Ask before-unconfigure.
 * @param told the object; freed by the call
 * @return the question, for connector_cancel(); NULL: no hook is configured, or no memory (*err),
 * and there is no callback
 */
struct work *hooks_ask_unconfigure(struct hooks *h, json_t *told, const char *delivery,
	hook_leave_cb cb, void *arg, struct error *err);

#endif
