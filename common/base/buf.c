/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

static int buf_grow(struct buf *b, size_t need)
{
	if (need <= b->cap)
		return 0;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	uint8_t *data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

uint8_t *buf_reserve(struct buf *b, size_t extra)
{
	if (extra > b->max - b->len || buf_grow(b, b->len + extra) < 0)
		return NULL;
	return b->data + b->len;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (len > b->max - b->len)
		return E_LIMIT;
	TRY(buf_grow(b, b->len + len));
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	size_t room = b->cap - b->len; /* nearly always enough: formatted once, not twice */
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(room ? (char *)b->data + b->len : NULL, room, fmt, ap);
	va_end(ap);
	int rc = n < 0 ? -EINVAL : (size_t)n > b->max - b->len ? E_LIMIT : 0;
	if (rc == 0 && (size_t)n >= room) {
		rc = buf_grow(b, b->len + (size_t)n + 1);
		if (rc == 0)
			vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	if (rc == 0)
		b->len += (size_t)n;
	return rc;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

const char *buf_cstr(struct buf *b)
{
	if (buf_grow(b, b->len + 1) < 0)
		return NULL;
	b->data[b->len] = '\0';
	return (const char *)b->data;
}
