/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks: what a device was given and does not show again (passwords of users, of the RFB port, of
 * Kerberos). The record keeps a keyed hash of each, so that a changed one is noticed without any
 * being sent twice. The key is the device's DEK; the digest realm is hashed too, because a device
 * that was unconfigured has another one and nothing of ours.
 * Ownership: struct marks holds no pointers. Threads: none. SPEC: provisioning.md 4 ACL
 */
#ifndef MUSTER_WORKER_MARKS_H
#define MUSTER_WORKER_MARKS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/crypto/seal.h"

#define MARKS_MAX      (SECRET_SET_MAX + 24) /* and the roots that a profile may name */
#define MARK_HEX       32                    /* half of a SHA-256 */
#define MARKS_TEXT_MAX (MARKS_MAX * (MARK_HEX + SECRET_NAME_MAX + 2)) /* field "marks" */

struct marks {
	struct {
		char name[SECRET_NAME_MAX + 1];
		char hash[MARK_HEX + 1];
	} items[MARKS_MAX];
	size_t n;
	bool dirty; /* the record has another text: the next step() carries it */
};

struct session;

/** Whether the device was given this value under this name. */
bool marks_has(const struct session *s, const char *name, const struct secret *value);

/** It was: remember it. What does not fit is forgotten: it is sent again one day. */
void marks_set(struct session *s, const char *name, const struct secret *value);

/** Forget one, or all with NULL. */
void marks_clear(struct session *s, const char *name);

/** Field "marks": lines "HASH NAME". Lines that are none are dropped. */
void marks_read(struct marks *m, const char *text);
void marks_text(const struct marks *m, char out[static MARKS_TEXT_MAX + 1]);

#endif
