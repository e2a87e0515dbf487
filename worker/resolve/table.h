/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static table of devices: CSV (first line names the columns) or YAML (a list of maps, file
 * name ends in .yaml or .yml). Columns uuid, fqdn, profile and optionally ou, otp (base64).
 * The file is looked at again at most once a second and read anew when it has changed; a broken new
 * version is reported and the old content stays. Threads: the session loop only.
 * SPEC: ruling 53
 */
#ifndef MUSTER_WORKER_TABLE_H
#define MUSTER_WORKER_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/resolve/resolve.h"

#define TABLE_FILE_MAX (256u * 1024u * 1024u) /* bytes: about two million devices */

struct table;

/** Read a table. @return 0; -errno; E_CONFIG "FILE:LINE: what is wrong" */
int table_open(struct table **out, const char *path, struct error *err);

/**
 * Look a device up, reading the file anew when it has changed.
 * @param err filled when a changed file could not be read (the old content was used)
 * @return true when the table knows the device; the answer is then filled
 */
bool table_find(
	struct table *t, const struct uuid *uuid, struct resolve_answer *out, struct error *err);

/** Number of devices. */
size_t table_size(const struct table *t);

/** Look at the file at the next table_find(), even within the second. */
void table_touch(struct table *t);

/** Free. NULL is fine. */
void table_close(struct table *t);

#endif
