/* SPDX-License-Identifier: Apache-2.0 */
/* What the WS-Man tests share: files of the vectors, and trees as comparable text. */
#ifndef MUSTER_TESTS_WSMAN_HELPER_H
#define MUSTER_TESTS_WSMAN_HELPER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "proto/wsman/read.h"

/** Folder of the WS-Man vectors (MUSTER_VECTORS, default ../shared/vectors), or NULL after saying
 * on standard output that they are absent. */
const char *vectors_dir(void);

/** Whole file; fails the test when it cannot be read. Free with buf_free(). */
void load_file(struct buf *out, const char *dir, const char *name);

/** Parse or fail the test. */
void must_read(struct arena *arena, const struct buf *doc, struct wsman_message *out);

/** Bytes outside 0x21..0x7e and '%' as %XX. */
void add_quoted(struct buf *out, const char *text);

/** One line per element: depth, {namespace}name, attributes, 'text'. */
void add_tree(struct buf *out, const struct wsman_node *node, unsigned depth);

#endif
