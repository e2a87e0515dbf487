/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to common/conf: YAML text into a plain struct by libcyaml tables, as an overlay: only the
 * keys that are present replace what the struct holds. libcyaml 1.3.1 has no numeric ranges, takes
 * "5x" for 5 and "maybe" for true, and does not tell which keys were present; so the libyaml
 * document is walked beside its tables first: strict scalars, ranges, unknown and double keys, each
 * error with line and column. Then libcyaml loads, and the present keys are copied.
 *
 * Tables may use UINT (uint32_t), BOOL, ENUM (strict), STRING (char array), MAPPING (inline) and
 * SEQUENCE (inline array and uint32_t count); never pointers.
 */
#ifndef MUSTER_CONF_YAML_H
#define MUSTER_CONF_YAML_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/conf/range.h"

struct buf;
struct error;

/* Largest file; a real one has some ten kilobytes. */
#define YAML_TEXT_MAX (1024 * 1024)
/* Longest dotted path of a key, with NUL. */
#define YAML_PATH_MAX 96

/* What the entries of a sequence of mappings hold before their keys are read. */
struct yaml_entry_defaults {
	const char *path; /* of the sequence */
	const void *entry;
};

struct yaml_schema {
	const cyaml_schema_value_t *top; /* mapping with CYAML_FLAG_POINTER */
	const struct yaml_range *ranges; /* ended by path NULL */
	size_t range_stride; /* of larger rows that begin with a range; 0 = of ranges alone */
	const struct yaml_entry_defaults *entry_defaults; /* ended by path NULL; or NULL */
};

/* Where each key was given last, for checks that look at several keys. */
struct yaml_marks {
	struct arena arena;
	struct yaml_mark *last;
};

void yaml_marks_init(struct yaml_marks *m);
void yaml_marks_free(struct yaml_marks *m);

/**
 * Read a text and lay it over data.
 *
 * @param name  of the source, for errors: a file, or "environment MUSTER_X"
 * @param lines false: errors do not tell line and column (environment)
 * @param marks filled
 * @param data  the struct of schema->top; unchanged after an error
 * @return 0; E_CONFIG "NAME:LINE:COLUMN: path: text"; -ENOMEM
 */
int yaml_overlay(const struct yaml_schema *schema, const char *text, size_t len, const char *name,
	bool lines, struct yaml_marks *marks, void *data, struct error *err);

/** yaml_overlay() of a file. @return also -errno */
int yaml_overlay_file(const struct yaml_schema *schema, const char *path, struct yaml_marks *marks,
	void *data, struct error *err);

/**
 * An error about a key: put before the text where the key was given, else where its section was,
 * or "default" if nowhere.
 * @return E_CONFIG
 */
int yaml_error_at(const struct yaml_marks *marks, const char *path, struct error *err,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** Append data as YAML. @return 0; -ENOMEM; the error of buf_add() */
int yaml_print(
	const struct yaml_schema *schema, const void *data, struct buf *out, struct error *err);

/** Where a key was given, "FILE:LINE:COLUMN", else where its section was; NULL = nowhere. */
const char *yaml_mark_where(const struct yaml_marks *marks, const char *path);

/** Whether the path of a row ("acl.users[].name") is that of a key ("acl.users[3].name"). */
bool yaml_path_fits(const char *row, const char *path);

/** The accepted numbers of a key or NULL. */
const struct yaml_range *yaml_range_find(const struct yaml_schema *schema, const char *path);

#endif
