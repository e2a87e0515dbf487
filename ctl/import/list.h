/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of devices as a file tells it: what muster import reads, row by row, before anything is
 * checked against the site. A file is one of four formats, each read by a file of its own; all end
 * in the same rows. A row that cannot be taken carries the reason; a file that cannot be read at
 * all is an error.
 *
 * Ownership: struct import_list owns its rows; import_list_free() wipes and frees, passwords
 * included. Threads: none.
 */
#ifndef MUSTER_CTL_IMPORT_LIST_H
#define MUSTER_CTL_IMPORT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/base/uuid.h"

#define IMPORT_ROWS_MAX  500000      /* devices of one file; more is several files */
#define IMPORT_VALUE_MAX 1023        /* bytes of one value; an OU is the longest */
#define IMPORT_FILE_MAX  (256 << 20) /* an export of MeshCentral has about 2 KiB a device */

enum import_format {
	IMPORT_ANY, /* by content */
	IMPORT_CSV,
	IMPORT_JSON,
	IMPORT_MESHCENTRAL,
	IMPORT_DMT, /* Device Management Toolkit */
	IMPORT_FORMATS
};

/* The columns of a CSV file, and what the other formats are brought to. */
enum import_field {
	IMPORT_UUID,
	IMPORT_NAME,
	IMPORT_PROFILE,
	IMPORT_OU,
	IMPORT_TAGS,
	IMPORT_ADDRESS,
	IMPORT_PASSWORD,
	IMPORT_FINGERPRINT,
	IMPORT_TLS,
	IMPORT_FIELDS
};

enum import_result {
	IMPORT_UNDECIDED,
	IMPORT_EXPECT,  /* its Hello will be answered as the row says */
	IMPORT_ADOPT,   /* taken over with the password of the row */
	IMPORT_KEPT,    /* an earlier run has done it */
	IMPORT_SKIPPED, /* no device of ours, and none that anybody could mean */
	IMPORT_REFUSED,
	IMPORT_RESULTS
};

struct import_row {
	uint32_t line; /* of a CSV file, from 1; 0 = JSON */
	size_t index;  /* of a JSON list, from 0 */
	struct secret value[IMPORT_FIELDS];
	char uuid[UUID_TEXT_LEN + 1]; /* once it was found good */
	enum import_result result;
	const char *field;        /* refused: which one, a column's name; "" = the row */
	char why[ERROR_TEXT_MAX]; /* refused, skipped; else a remark or "" */
	const char *fix;          /* refused: what to do */
};

struct import_list {
	enum import_format format;
	struct import_row *rows;
	size_t n, max;
};

/** "csv", "json", "meshcentral", "dmt". */
const char *import_format_name(enum import_format format);

/** @return IMPORT_ANY for an unknown name */
enum import_format import_format_find(const char *name);

/** "uuid", "name", ... */
const char *import_field_name(enum import_field field);

/** @return IMPORT_FIELDS for an unknown name; "fqdn" is name, as in worker.devices_file */
enum import_field import_field_find(const char *name);

/**
 * Read a file's content.
 *
 * @param list   empty; free it also after an error
 * @param format IMPORT_ANY: by content
 * @return 0; E_CONFIG: the file cannot be read as a list at all, the text names the place and never
 * quotes a value; -ENOMEM; E_LIMIT
 */
int import_parse(struct import_list *list, const char *text, size_t len, enum import_format format,
	struct error *err);

/** Wipe and free the rows. */
void import_list_free(struct import_list *list);

/* ---- for the parsers ------------------------------------------------------------------------- */

/** A new row at the end. @return NULL with err */
struct import_row *import_list_add(struct import_list *list, struct error *err);

/** Refuse a row; the first reason stays. fix: a static text. */
void import_refuse(struct import_row *row, const char *field, const char *fix, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Give a row a value, or refuse it when it is no text that can be one. */
void import_set(struct import_row *row, enum import_field field, const char *text, size_t len);

/** The value, "" = not given. */
const char *import_text(const struct import_row *row, enum import_field field);

int import_csv(struct import_list *list, const char *text, size_t len, struct error *err);

/** The three formats that are JSON. */
int import_json(struct import_list *list, const char *text, size_t len, enum import_format format,
	struct error *err);

#endif
