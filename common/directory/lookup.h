/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a directory: the computer that a device is, its groups, and the SID of a user or
 * group. Every call BLOCKS as directory_link_search() does and passes its errors on. Threads: that
 * of the link. SPEC: directory.md 5, 6
 */
#ifndef MUSTER_DIRECTORY_LOOKUP_H
#define MUSTER_DIRECTORY_LOOKUP_H

#include <stdbool.h>

#include "common/base/fqdn.h"
#include "common/base/uuid.h"
#include "common/directory/link.h"
#include "common/directory/text.h"

#define DIRECTORY_DN_MAX     511
#define DIRECTORY_GROUPS_MAX 16383 /* about 150 groups; a computer is in five or ten */

struct directory_computer {
	char dn[DIRECTORY_DN_MAX + 1];
	char fqdn[FQDN_MAX + 1]; /* dNSHostName, else account and domain; "" = no usable one */
	bool swapped;            /* its UUID stands there in the order of the text */
	/* Groups, those of groups too: lines "sAMAccountName<TAB>DN"; "" when not asked for. The
	 * primary group (Domain Computers) is none of them: AD does not list it. */
	char groups[DIRECTORY_GROUPS_MAX + 1];
};

/**
 * The computer with a UUID, or, if there is none and fqdn is not "", the one with that dNSHostName.
 * Disabled accounts do not count.
 * @return 0; -ENOENT: none; E_STATE: several, the text names two; E_LIMIT: too many groups
 */
int directory_find_computer(struct directory_link *l, const struct conf_directory *conf,
	const struct uuid *uuid, const char *fqdn, bool groups, struct directory_computer *out,
	struct error *err);

struct directory_account {
	char sid[DIRECTORY_SID_TEXT_MAX];
	char dn[DIRECTORY_DN_MAX + 1];
};

/**
 * The user or group that an operator means by a name, for access lists of devices.
 * @param name "CORP\Group", "group@domain", "NAME" or a DN
 * @return 0; E_CONFIG: none or several, a distribution group, a builtin one; the text says which
 */
int directory_find_account(struct directory_link *l, const struct conf_directory *conf,
	const char *name, struct directory_account *out, struct error *err);

/** Try what conf says: log in and look at the base. @return as directory_link_open() */
int directory_try(struct directory_link *l, const struct conf_directory *conf, uint32_t server,
	struct error *err);

#endif
