/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking over a device that somebody else configured: its admin password goes sealed into the
 * record together with a job of kind adopt, in one call of the store. For muster adopt and muster
 * import. Ownership: an adoption lends everything. Threads: none. SPEC: README.md ruling 18
 */
#ifndef MUSTER_CTL_ADOPT_H
#define MUSTER_CTL_ADOPT_H

#include <stdbool.h>

#include "common/base/secret.h"
#include "ctl/site.h"

/* NULL and "" = not given. */
struct adoption {
	const char *uuid;        /* text */
	const char *addr;        /* IP address; needed when the device never said Hello */
	const char *fqdn;        /* else the name that the device has */
	const char *profile;     /* else worker.default_profile */
	const char *ou, *tags;   /* tags: words, separated by spaces or commas */
	const char *fingerprint; /* SHA-256 of its TLS certificate; else any is taken */
	const char *told;        /* what a list told, for the record: common/base/told.h */
	bool plain;              /* without TLS, if it has none yet */
	const struct secret *password;
};

/** Whether it can be tried: UUID, address, name, fingerprint, tags, length of the password.
 * @return 0; E_CONFIG that names the field */
int adopt_check(const struct adoption *a, struct error *err);

/**
 * Seal the password, keep it in the record and open the job; all of it or nothing.
 *
 * @param s    with its keys: site_load_keks()
 * @param conf the default profile
 * @param job  the id of the new job
 * @return 0; E_CONFIG as adopt_check(); E_STATE the device has a live job; what the store says
 */
int adopt_one(struct site *s, const struct conf *conf, const struct adoption *a,
	char job[static UUID_TEXT_LEN + 1], struct error *err);

#endif
