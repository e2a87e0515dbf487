/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded growable bytes. Every buffer is born with a maximum; passing it is an error, not growth.
 * Ownership: the struct owns its memory; buf_free() wipes nothing (use struct secret for secrets,
 * or buf_wipe()). Threads: none.
 */
#ifndef MUSTER_BASE_BUF_H
#define MUSTER_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* NULL until the first byte */
	size_t len;    /* bytes used */
	size_t cap;    /* bytes allocated */
	size_t max;    /* len never exceeds this */
};

/** Start an empty buffer that will never hold more than max bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);

/** Free the memory and start again empty with the same maximum. Safe on a zeroed struct. */
void buf_free(struct buf *b);

/** Like buf_free(), but overwrites the bytes first. For buffers that held a secret. */
void buf_wipe(struct buf *b);

/**
 * Append bytes.
 * @return 0; E_LIMIT when max would be passed (nothing is appended); -ENOMEM
 */
int buf_add(struct buf *b, const void *data, size_t len);

/** Append a NUL-terminated string without its NUL. Returns as buf_add(). */
int buf_adds(struct buf *b, const char *s);

/** Append formatted text. Returns as buf_add(). */
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Make room for extra bytes and return where they may be written; then add to b->len yourself.
 * NULL when max would be passed or memory is out. */
uint8_t *buf_reserve(struct buf *b, size_t extra);

/** Drop n bytes from the front (n may exceed len). */
void buf_consume(struct buf *b, size_t n);

/** NUL-terminate in place (not counted in len) and return the text. NULL when there is no room. */
const char *buf_cstr(struct buf *b);

#endif
