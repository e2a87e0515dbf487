/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the configuration file, and shorthands for writing tables: the simulator writes
 * some, too.
 */
#ifndef MUSTER_CONF_SCHEMA_H
#define MUSTER_CONF_SCHEMA_H

#include "common/conf/yaml.h"

/* One row of a table: the key is spelled as the member of the struct. */
#define ROW_UINT(type, member) CYAML_FIELD_UINT(#member, CYAML_FLAG_OPTIONAL, type, member)
#define ROW_BOOL(type, member) CYAML_FIELD_BOOL(#member, CYAML_FLAG_OPTIONAL, type, member)
#define ROW_TEXT(type, member) CYAML_FIELD_STRING(#member, CYAML_FLAG_OPTIONAL, type, member, 0)
#define ROW_ENUM(type, member, words)                                                           \
	CYAML_FIELD_ENUM(#member, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, type, member, words, \
		CYAML_ARRAY_LEN(words))
#define ROW_SECTION(type, member, rows) \
	CYAML_FIELD_MAPPING(#member, CYAML_FLAG_OPTIONAL, type, member, rows)
/* An inline array "member" with its count in "n_<member>". */
#define ROW_LIST(type, member, entry_schema)                                            \
	{                                                                               \
		.key = #member, .data_offset = offsetof(type, member),                  \
		.count_offset = offsetof(type, n_##member),                             \
		.count_size = sizeof(((type *)NULL)->n_##member), .value = {            \
			CYAML_VALUE_SEQUENCE(CYAML_FLAG_OPTIONAL,                       \
				__typeof__(((type *)NULL)->member[0]), entry_schema, 0, \
				CYAML_ARRAY_LEN(((type *)NULL)->member))                \
		}                                                                       \
	}

extern const struct yaml_schema conf_schema; /* of struct conf */

#endif
