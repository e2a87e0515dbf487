/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about every key of a profile, one row each: its numbers, the releases of Intel AMT
 * that have it, the WS-Man property that it becomes, and a sentence. `muster profile check`, docs,
 * the JSON Schema and the ranges of the loader are all made from this table.
 * SPEC: provisioning.md 4, 6
 */
#ifndef MUSTER_CONF_PROFILE_FIELDS_H
#define MUSTER_CONF_PROFILE_FIELDS_H

#include <stddef.h>

#include "common/conf/range.h"

/* A release as a number that can be compared: 11.6 is AMT_RELEASE(11, 6). */
#define AMT_RELEASE(major, minor) ((major)*100u + (minor))

struct profile_field {
	struct yaml_range range; /* path of the key; numbers: from min to max, else 0, 0 */
	unsigned since;          /* first release that has it; 0 = all that Muster serves */
	unsigned before;         /* the first that has it no more; 0 = none */
	const char *object;      /* "Class.Property" or "Class.Method()"; "" = not on the device */
	const char *text;        /* what it is, for people */
};

/* Ended by a row whose path is NULL; in the order of the file. */
extern const struct profile_field profile_fields[];

/** The row of a path; an index in it ("acl.users[3].sid") does not matter. @return or NULL */
const struct profile_field *profile_field_find(const char *path);

#endif
