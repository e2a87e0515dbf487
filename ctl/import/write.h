/* SPDX-License-Identifier: Apache-2.0 */
/* Checked rows against the store, and into it. */
#ifndef MUSTER_CTL_IMPORT_WRITE_H
#define MUSTER_CTL_IMPORT_WRITE_H

#include "ctl/import/list.h"
#include "ctl/site.h"

/**
 * Compare the rows that are still good with what the store has: what an earlier run has written
 * becomes IMPORT_KEPT, what is not possible now IMPORT_REFUSED. Writes nothing.
 * @return 0; what the store says
 */
int import_look(struct site *s, struct import_list *list, struct error *err);

/**
 * Write the rows that are IMPORT_EXPECT or IMPORT_ADOPT, one by one, each at once or not at all.
 *
 * @param s    with its keys when a row is IMPORT_ADOPT
 * @param done how many are written, also after an error
 * @return 0; what the store says: the error names the row, and the ones after it are not written
 */
int import_write(struct site *s, const struct conf *conf, struct import_list *list, size_t *done,
	struct error *err);

/** Where a row stands: "line 3" or "[2]". Returns out. */
const char *import_where(const struct import_row *row, char *out, size_t out_len);

#endif
