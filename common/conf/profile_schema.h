/* SPDX-License-Identifier: Apache-2.0 */
/* Private to common/conf and the command line: the tables of a profile, and its checks. */
#ifndef MUSTER_CONF_PROFILE_SCHEMA_H
#define MUSTER_CONF_PROFILE_SCHEMA_H

#include "common/conf/profile.h"
#include "common/conf/yaml.h"

extern const struct yaml_schema profile_schema; /* of struct profile */

/**
 * What the tables cannot say: keys that need or exclude each other, and files that must be there.
 *
 * @param marks       where the keys were given
 * @param file_name   the profile's file without directory and ".yaml"
 * @param masters_dir as of profile_load_file()
 * @return 0; E_CONFIG "FILE:LINE:COLUMN: key: what is wrong, what to do"
 */
int profile_check(const struct profile *p, const struct yaml_marks *marks, const char *file_name,
	const char *masters_dir, struct error *err);

#endif
