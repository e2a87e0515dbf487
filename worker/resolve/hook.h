/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hook: a program of the operator that gets a device's facts and answers its name, profile and
 * OU. Mode json: one JSON object on standard input, one on standard output. Mode args: facts as
 * arguments key=value, answer as lines key=value. Exit 0 = answer, 10 = wait, anything else failed.
 * It runs in a process group of its own, which is killed at the limit and again after its end; its
 * output is limited; so many run at once and no more. Threads: the connector's loop only.
 * SPEC: ruling 53; docs/hook.md
 */
#ifndef MUSTER_WORKER_HOOK_H
#define MUSTER_WORKER_HOOK_H

#include <uv.h>

#include "common/conf/conf.h"
#include "worker/resolve/resolve.h"

#define HOOK_OUTPUT_MAX (64 * 1024) /* bytes of standard output. SPEC: ruling 53 */
#define HOOK_ERRORS_MAX 512         /* bytes of standard error that are kept for the reason */
#define HOOK_EXIT_WAIT  10

struct hook_pool;
struct hook_run;

typedef void (*hook_cb)(const struct resolve_answer *answer, void *arg);

/** A pool on a loop. conf must outlive it. @return 0 or -ENOMEM */
int hook_pool_open(struct hook_pool **out, uv_loop_t *loop, const struct conf_hook *conf);

/**
 * Run the hook for these facts, now or when a place is free. Exactly one callback.
 */
void hook_start(struct hook_pool *p, const struct resolve_facts *facts, hook_cb cb, void *arg);

/** Kill what runs, answer everything with a failure, free at the end of the loop's turn. */
void hook_pool_close(struct hook_pool *p);

/** Parse one answer (exposed for tests). @return as resolve_answer.result says; never fails */
void hook_parse_json(const char *text, size_t len, struct resolve_answer *out);
void hook_parse_lines(const char *text, size_t len, struct resolve_answer *out);

#endif
