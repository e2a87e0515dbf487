/* SPDX-License-Identifier: Apache-2.0 */
/* Files with test keys: written beside and renamed, since two simulators may start at once. */
#ifndef MUSTER_SIM_PEMFILE_H
#define MUSTER_SIM_PEMFILE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdio.h>

/**
 * Store a file of mode 0600 atomically.
 * @param write puts the content into the file; false = failed
 * @return 0; E_CONFIG when the name is too long; -errno
 */
int pemfile_store(const char *path, bool (*write)(FILE *f, const void *arg), const void *arg,
	struct error *err);

#endif
