/* SPDX-License-Identifier: Apache-2.0 */
/* What the on-hello hook is told and what its answer means: text only, no processes.
 * SPEC: ruling 53 */
#ifndef MUSTER_WORKER_HOOK_TEXT_H
#define MUSTER_WORKER_HOOK_TEXT_H

#include <jansson.h>

#include "common/conf/conf.h"
#include "worker/hook/hook.h"
#include "worker/resolve/resolve.h"

/** The facts as the object of ruling 53. @return the caller frees; NULL: no memory */
json_t *hook_text_facts(const struct resolve_facts *facts);

/** The answer of a finished run. @param lines the answer is lines key=value, not JSON */
void hook_text_judge(struct resolve_answer *a, bool lines, const struct hook_outcome *outcome);

/** Parse one answer (exposed for tests). @return as resolve_answer.result says; never fails */
void hook_parse_json(const char *text, size_t len, struct resolve_answer *out);
void hook_parse_lines(const char *text, size_t len, struct resolve_answer *out);

#endif
