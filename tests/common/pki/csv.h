/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the CSV files of vectors/pki. */
#ifndef MUSTER_TESTS_PKI_CSV_H
#define MUSTER_TESTS_PKI_CSV_H

#include <stddef.h>

/**
 * Call fn for every line after the heading, with its fields split in place. Quoted fields may hold
 * commas. @return number of lines
 */
size_t csv_each(const char *dir, const char *name, void (*fn)(char **fields, size_t n));

#endif
