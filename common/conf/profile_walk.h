/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile key by key: for everything that is said about profiles (differences, what a release
 * cannot do, documentation, the JSON Schema). Threads: pure functions.
 */
#ifndef MUSTER_CONF_PROFILE_WALK_H
#define MUSTER_CONF_PROFILE_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/conf/profile_fields.h"
#include "common/conf/profile_schema.h"

/* A value as text: what the file would say; a list of words is one value, "a, b". */
#define PROFILE_VALUE_MAX 1024

/** One key that has a value. @param is_default nobody need write it down */
typedef void (*profile_each_fn)(const char *path, const char *value, bool is_default, void *arg);

/** Every key of a profile in the order of the file; entries of lists as "acl.users[2].name". */
void profile_walk(const struct profile *p, profile_each_fn each, void *arg);

/** One key of the tables. @param path as of profile_fields @param value its libcyaml row */
typedef void (*profile_key_fn)(const char *path, const cyaml_schema_value_t *value, void *arg);

/** Every key that can be written, in the order of the file. */
void profile_walk_keys(profile_key_fn each, void *arg);

/** Why a release has not what a row is about, "from AMT 6.0 on" or "before AMT 16.1". Returns
 * NULL when it has it. @param release AMT_RELEASE(), 0 = unknown: has it */
const char *profile_field_lack(
	const struct profile_field *f, unsigned release, char *out, size_t out_len);

/** For people: which releases cannot do what a row is about, or that this one cannot: "AMT 11.8 has
 * no X; it exists from AMT 16.0 on". Returns NULL when there is nothing to say.
 * @param release AMT_RELEASE(), 0 = the profile is for all */
const char *profile_field_note(
	const struct profile_field *f, unsigned release, char *out, size_t out_len);

/** A release of Intel AMT, "11.8" or "11.8.92.4222". @return AMT_RELEASE(); 0 = not a release */
unsigned amt_release_parse(const char *text);

/**
 * profile_load_file() that also tells where keys were given.
 * @param marks initialised by the caller, who frees them
 */
int profile_load_marks(struct profile *out, const char *path, const char *masters_dir,
	struct yaml_marks *marks, struct error *err);

#endif
