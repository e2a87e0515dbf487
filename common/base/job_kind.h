/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job is for: setting up a device that said Hello, or one of the upkeep jobs on a device
 * that is in service. The names are those of `muster job open`, of field k of a job and of the bus.
 * Threads: constants. SPEC: maintenance.md 1 to 7
 */
#ifndef MUSTER_BASE_JOB_KIND_H
#define MUSTER_BASE_JOB_KIND_H

#include <stdbool.h>
#include <stddef.h>

#define JOB_ARGS_MAX 255 /* bytes of a job's arguments: names and switches, no lists */

enum job_kind {
	JOB_SETUP,       /* after a Hello: never opened by hand */
	JOB_MAINTAIN,    /* bring the device to its profile; profile=NAME: to another one */
	JOB_CHECK,       /* the same, but only say what would be written */
	JOB_RENEW,       /* a new TLS certificate with a new key */
	JOB_ROTATE,      /* new passwords */
	JOB_UNCONFIGURE, /* back to setup (partial), or to the factory (full) */
	JOB_ADOPT,       /* take over a device that somebody else configured */
	JOB_INVENTORY,   /* read what it is */
	JOB_KINDS
};

/** "setup", "maintain", ...; "?" for no kind. */
const char *job_kind_name(enum job_kind kind);

/** The kind of a name; NULL and "" are JOB_SETUP. @return 0 or -1 */
int job_kind_parse(enum job_kind *out, const char *name);

/** Whether a job of this kind needs nothing but a device in service: JOB_SETUP begins with a Hello,
 * JOB_ADOPT with a password. */
bool job_kind_opens(enum job_kind kind);

/**
 * One argument of a job: "profile=p1 full" has profile with value "p1" and full with value "".
 * @param out the value, cut at out_len - 1; may be NULL with out_len 0
 * @return whether the argument is there
 */
bool job_arg(const char *args, const char *name, char *out, size_t out_len);

#endif
