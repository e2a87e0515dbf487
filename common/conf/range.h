/* SPDX-License-Identifier: Apache-2.0 */
/* Accepted numbers of a key of a YAML file. */
#ifndef MUSTER_CONF_RANGE_H
#define MUSTER_CONF_RANGE_H

#include <stdint.h>

/* A number without a row is refused by a test of the tables. */
struct yaml_range {
	const char *path; /* "worker.sessions"; of an entry of a list "acl.users[].name" */
	uint32_t min, max;
};

#endif
