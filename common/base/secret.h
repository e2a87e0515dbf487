/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret: bytes that are wiped when freed and that no log or JSON can print (log.h knows the type
 * and prints "<redacted>"). Memory is excluded from core dumps as far as the allocator allows
 * (programs call secret_protect_process() at start). Ownership: the struct owns its bytes.
 */
#ifndef MUSTER_BASE_SECRET_H
#define MUSTER_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

struct error;

struct secret {
	uint8_t *data; /* NUL-terminated for convenience; the NUL is not counted */
	size_t len;
};

/** Copy len bytes into a new secret (freeing what was there). @return 0 or -ENOMEM */
int secret_set(struct secret *s, const void *data, size_t len);

/** Wipe and free. Safe on a zeroed struct. */
void secret_free(struct secret *s);

/** The bytes as C text ("" when empty). Valid until the next change. */
const char *secret_text(const struct secret *s);

/** Constant-time comparison; 1 when equal. */
int secret_equal(const struct secret *a, const struct secret *b);

/**
 * Read a file that holds one secret; a trailing newline is dropped. The file must not be readable
 * by group or others.
 *
 * @param max longest accepted content in bytes
 * @return 0; -errno; E_CONFIG (permissions, empty, too long), text names the file
 */
int secret_read_file(struct secret *s, const char *path, size_t max, struct error *err);

/** No core dumps, no ptrace by the same user (PR_SET_DUMPABLE 0). Call first in main(). */
void secret_protect_process(void);

#endif
