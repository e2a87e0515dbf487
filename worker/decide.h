/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision rules at work: what a source of names told, and what the rules make of it.
 * `muster rules explain` asks the same functions. See common/conf/rules.h.
 */
#ifndef MUSTER_WORKER_DECIDE_H
#define MUSTER_WORKER_DECIDE_H

#include "worker/resolve/resolve.h"

struct session;

enum decision {
	DECISION_GO,      /* a rule fits, or there are no rules */
	DECISION_NO_RULE, /* it waits until a rule fits */
	DECISION_APPROVE  /* it waits for an operator */
};

/**
 * Lay the first rule that fits over a source's answer: profile, OU; tags and wave of the session.
 * @param why what the operator is told; WHY_MAX bytes
 */
#define DECIDE_WHY_MAX 256
enum decision session_decide(
	struct session *s, struct resolve_answer *a, char why[static DECIDE_WHY_MAX]);

#endif
