/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator's list told about a device, as one text for its record (field told): lines
 * "key<TAB>value". It stays as it was told while rules and sessions change the record's own name
 * and profile, so that a list can be imported again and compared. Threads: pure functions.
 */
#ifndef MUSTER_BASE_TOLD_H
#define MUSTER_BASE_TOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/fqdn.h"

#define TOLD_PROFILE_MAX 255
#define TOLD_OU_MAX      511
#define TOLD_TAGS_MAX    1023
#define TOLD_TEXT_MAX    2200 /* all of them with their keys, tabs and line ends, and a NUL */

struct told {
	char fqdn[FQDN_MAX + 1];
	char profile[TOLD_PROFILE_MAX + 1]; /* "" = the default */
	char ou[TOLD_OU_MAX + 1];
	char tags[TOLD_TAGS_MAX + 1]; /* words, separated by spaces */
	bool adopt;                   /* with its password: taken over, not waited for */
};

/** The text of t. The values hold no control characters. Returns out. */
const char *told_write(const struct told *t, char out[static TOLD_TEXT_MAX]);

/** Read a text; unknown keys are passed over. @return 0; E_PARSE */
int told_read(struct told *t, const char *text);

#endif
