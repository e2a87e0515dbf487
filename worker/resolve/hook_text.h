/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook is told and what its answer means: text only, no processes. SPEC: ruling 53 */
#ifndef MUSTER_WORKER_HOOK_TEXT_H
#define MUSTER_WORKER_HOOK_TEXT_H

#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "worker/resolve/resolve.h"

#define HOOK_ARGS 5 /* uuid address hello_version pid amt */

struct hook_text {
	struct buf input;          /* standard input: JSON, or nothing in mode args */
	char *argv[HOOK_ARGS + 2]; /* mode args: command, arguments, NULL */
};

/** Write the facts down in the mode of the configuration. @return 0 or -ENOMEM */
int hook_text_build(
	struct hook_text *t, const struct conf_hook *conf, const struct resolve_facts *facts);

/** Free. Safe on a zeroed struct. */
void hook_text_free(struct hook_text *t);

/**
 * The answer of a finished run.
 * @param why    not NULL: it was stopped for this reason
 * @param status exit status; sig the signal that ended it, or 0
 */
void hook_text_judge(struct resolve_answer *a, enum conf_hook_mode mode, const char *why,
	int64_t status, int sig, struct buf *out, struct buf *errors);

#endif
