/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where test data is: our copies under tests/data, and the full set outside the repository
 * (MUSTER_VECTORS, default ../shared/vectors). Loading fails the test when a file is not there.
 */
#ifndef MUSTER_TESTS_VECTORS_H
#define MUSTER_TESTS_VECTORS_H

#include "common/base/buf.h"

#include <jansson.h>

/** Folder of the outside set, or NULL after saying on standard output that part is absent. */
const char *vectors_outside(const char *part);

/** Whole file dir/name. Free with buf_free(). */
void vectors_load(struct buf *out, const char *dir, const char *name);

/** JSON document dir/name. Free with json_decref(). */
json_t *vectors_json(const char *dir, const char *name);

/** Text member of an object; fails the test when it is missing. */
const char *vectors_text(const json_t *object, const char *key);

#endif
