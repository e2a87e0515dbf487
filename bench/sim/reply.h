/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP answers in the shape of firmware: SOAP in chunks of 762 bytes with four-digit upper-case
 * lengths, small HTML pages with Content-Length. Threads: none. SPEC: wsman.md 2
 */
#ifndef MUSTER_SIM_REPLY_H
#define MUSTER_SIM_REPLY_H

#include "bench/sim/device.h"
#include "common/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An envelope in chunks. */
void reply_soap(
	struct buf *out, const struct device *d, int status, bool close, const struct buf *body);

/** A page with one line of text. extra: header lines, or "" / NULL. */
void reply_html(
	struct buf *out, const struct device *d, int status, const char *extra, const char *text);

/** A page; inner is what stands below the heading. */
void reply_page(
	struct buf *out, const struct device *d, int status, const char *extra, const char *inner);

/** A body of any type in one piece. */
void reply_text(struct buf *out, const struct device *d, int status, const char *type,
	const struct buf *body);

/** Head of an answer that is too long: Content-Length len, or chunks for ever when 0. */
void reply_flood_head(struct buf *out, const struct device *d, uint64_t len);

/** n more bytes of it, as one chunk when chunked. */
void reply_flood(struct buf *out, size_t n, bool chunked);

/** Whether the device closes the connection after an answer of this status. SPEC: wsman.md 2 */
bool reply_closes(const struct device *d, int status);

#endif
