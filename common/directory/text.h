/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of a directory: filters, DNs, SIDs. Threads: pure functions. SPEC: directory.md 5, 6
 */
#ifndef MUSTER_DIRECTORY_TEXT_H
#define MUSTER_DIRECTORY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;
struct uuid;

#define DIRECTORY_SID_TEXT_MAX 184 /* "S-1-", a 48-bit authority, 15 sub-authorities, and NUL */

/** Append bytes as a value of a filter, each of them as \xx, so that none has a meaning.
 * @return 0; the error of buf_add() */
int directory_add_value(struct buf *out, const void *bytes, size_t len);

/**
 * Append the filter of the computers that have a UUID: its bytes in the order of SMBIOS, or, where
 * somebody typed them in the order of the text, in that. SPEC: directory.md 6
 * @return 0; the error of buf_add()
 */
int directory_add_uuid(struct buf *out, const struct uuid *uuid);

/** The DN above: what follows the first comma that is not escaped. "" when there is none. */
const char *directory_parent(const char *dn);

/**
 * A binary SID as text: "S-1-5-21-...". SPEC: directory.md 5
 * @return 0; E_PARSE: not a SID
 */
int directory_sid_text(char out[static DIRECTORY_SID_TEXT_MAX], const void *sid, size_t len);

/* What an operator calls a user or group. */
struct directory_name {
	bool dn;             /* account is a DN */
	const char *account; /* sAMAccountName, or the DN */
	size_t account_len;
	const char *netbios; /* of CORP\Group; len 0 = not said */
	size_t netbios_len;
	const char *domain; /* of group@corp.example.com; NULL = not said */
};

/** Split "CORP\Group", "group@domain", "NAME" or a DN; points into text. @return 0; E_CONFIG */
int directory_name_parse(struct directory_name *out, const char *text, struct error *err);

#endif
