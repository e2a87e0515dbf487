/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deny-file: UUIDs that this site never provisions, one a line; empty lines and lines that
 * begin with '#' are ignored, so is what follows the UUID. SPEC: ruling 4
 * Ownership: the struct owns its table. Threads: the loop's.
 */
#ifndef MUSTER_BROKER_DENY_H
#define MUSTER_BROKER_DENY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/uuid.h"

struct error;

struct deny {
	struct uuid *uuids; /* sorted */
	size_t n;
};

/**
 * Read the file, replacing what was there; on an error the former list stays.
 * @param path "" = nobody
 * @return 0; -errno; E_CONFIG names file and line; E_LIMIT
 */
int deny_load(struct deny *d, const char *path, struct error *err);

bool deny_has(const struct deny *d, const struct uuid *uuid);

/** Safe on a zeroed struct. */
void deny_free(struct deny *d);

#endif
