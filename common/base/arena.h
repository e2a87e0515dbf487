/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena: many small allocations with one life, under a ceiling of bytes. Used per session and per
 * parsed answer; freeing the arena frees all. Threads: none.
 */
#ifndef MUSTER_BASE_ARENA_H
#define MUSTER_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out, all blocks */
	size_t max;  /* ceiling for used */
};

/** Start an empty arena that hands out at most max bytes. Allocates nothing. */
void arena_init(struct arena *a, size_t max);

/** Zeroed memory aligned for any type; NULL when the ceiling or memory is reached. */
void *arena_alloc(struct arena *a, size_t size);

/** Copy of len bytes plus a NUL; NULL as arena_alloc(). */
char *arena_strndup(struct arena *a, const char *s, size_t len);

/** Copy of a NUL-terminated string; NULL as arena_alloc(). */
char *arena_strdup(struct arena *a, const char *s);

/** Formatted string in the arena; NULL as arena_alloc(). */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Free everything; the arena may be used again. */
void arena_reset(struct arena *a);

#endif
