/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of each row, before the site is asked: the whole list is checked, every row that
 * cannot be taken gets its reason. Threads: pure functions.
 */
#ifndef MUSTER_CTL_IMPORT_CHECK_H
#define MUSTER_CTL_IMPORT_CHECK_H

#include "common/base/told.h"
#include "common/conf/profile.h"
#include "ctl/adopt.h"
#include "ctl/import/list.h"

/* What rows are checked against. Texts: "" = none. */
struct import_rules {
	const struct profile_set *profiles;
	const char *profiles_dir;    /* for texts */
	const char *default_profile; /* worker.default_profile */
	const char *profile;         /* of rows that name none */
	const char *domain;          /* of names without one */
	bool shared;                 /* others than its owner may read the file */
};

/**
 * Judge the rows: each ends as IMPORT_EXPECT, IMPORT_ADOPT, IMPORT_SKIPPED or IMPORT_REFUSED, with
 * uuid set where it is one, and name, profile and tags as they will be written.
 * @return 0; -ENOMEM
 */
int import_check(struct import_list *list, const struct import_rules *rules, struct error *err);

/** What a checked row tells. */
void import_told(const struct import_row *row, struct told *out);

/** A checked row with a password as an adoption; it lends the row's values. */
struct adoption import_adoption(const struct import_row *row);

#endif
