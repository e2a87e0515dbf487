/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digest login of a device: nonces, their counts, wrong passwords and the lock-out.
 * Ownership: state is in struct device. Threads: the loop's thread only. SPEC: wsman.md 3.2, 3.3
 */
#ifndef MUSTER_SIM_AUTH_H
#define MUSTER_SIM_AUTH_H

#include "bench/sim/device.h"
#include "common/base/buf.h"

enum auth_result {
	AUTH_OK,
	AUTH_CHALLENGE, /* no or outdated answer: 401, no mark against the client */
	AUTH_BAD,       /* wrong credentials: 401, counts towards the lock-out */
	AUTH_LOCKED,    /* the back-off runs: 401 whatever the answer is */
};

struct auth_request {
	const char *header; /* value of Authorization, or NULL */
	const char *method, *uri;
	const void *body;
	size_t body_len;
	uint32_t realms; /* out: of the user who logged in, bit n = realm n */
};

/* Realms. SPEC: wsman.md 7 */
enum auth_realm {
	REALM_REDIRECTION = 2,
	REALM_ADMINISTRATION = 3, /* all but the audit log */
	REALM_REMOTE_CONTROL = 5,
	REALM_GENERAL_INFO = 13,
};

/** Whether a user with these realms may use what belongs to a realm. */
bool auth_may(uint32_t realms, enum auth_realm realm);

/** Judge a request's login. why gets a word for the ledger. */
enum auth_result auth_check(struct device *d, struct auth_request *rq, const char **why);

/**
 * Look up who may log in over the network: the administrator, or an enabled digest entry of the
 * access list.
 *
 * @param ha1    gets MD5(user:realm:password)
 * @param realms gets the user's realms
 * @return whether there is such a user
 */
bool auth_user(const struct device *d, const char *user, uint8_t ha1[static 16], uint32_t *realms);

/** Count one wrong password; the tenth in a row starts the lock-out. */
void auth_failed(struct device *d);

/** Whether the lock-out runs. */
bool auth_locked(const struct device *d);

/** Append a WWW-Authenticate header with a fresh nonce. */
void auth_challenge(struct device *d, struct buf *out);

/** Somebody else tried n wrong passwords. */
void auth_failures(struct device *d, unsigned n);

/** Forget all nonces. */
void auth_reset(struct device *d);

#endif
