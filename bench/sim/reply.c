/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP answers; see reply.h. */
#include "bench/sim/reply.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HTML_MAX 8192

static const char *status_text(int status)
{
	switch (status) {
	case 200: return "OK";
	case 303: return "See Other";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 500: return "Internal Server Error";
	default: return "Bad Request";
	}
}

static void head(struct buf *out, const struct device *d, int status, const char *type)
{
	time_t now = (time_t)device_time(d);
	struct tm tm;
	char date[40];
	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	(void)buf_addf(out,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nServer: Intel(R) Active Management Technology "
		"%s\r\nX-Frame-Options: DENY\r\nContent-Type: %s\r\n",
		status, status_text(status), date, d->as->http.server, type);
}

void reply_soap(
	struct buf *out, const struct device *d, int status, bool close, const struct buf *body)
{
	head(out, d, status, "application/soap+xml; charset=UTF-8");
	(void)buf_adds(out, "Transfer-Encoding: chunked\r\n");
	if (close)
		(void)buf_adds(out, "Connection: close\r\n");
	(void)buf_adds(out, "\r\n");
	/* Firmware fills buffers of one size; the head takes its part of the first one. */
	size_t chunk = d->as->http.chunk, room = out->len < chunk ? chunk - out->len : chunk;
	for (size_t at = 0; at < body->len;) {
		size_t n = body->len - at < room ? body->len - at : room;
		(void)buf_addf(out, "%04zX\r\n", n);
		(void)buf_add(out, body->data + at, n);
		(void)buf_adds(out, "\r\n");
		at += n;
		room = chunk;
	}
	(void)buf_adds(out, "0\r\n\r\n");
}

void reply_html(
	struct buf *out, const struct device *d, int status, const char *extra, const char *text)
{
	char inner[256];
	snprintf(inner, sizeof inner, "<h2>%s</h2>", text);
	reply_page(out, d, status, extra, inner);
}

void reply_page(
	struct buf *out, const struct device *d, int status, const char *extra, const char *inner)
{
	struct buf html;
	buf_init(&html, HTML_MAX);
	(void)buf_addf(&html,
		"<!DOCTYPE HTML><html lang=\"en\"><head><title>Intel&reg; Active Management "
		"Technology</title></head><body><h1>Intel<sup>&reg;</sup> Active Management "
		"Technology</h1>%s</body></html>",
		inner);
	head(out, d, status, "text/html");
	(void)buf_addf(out, "%s%sContent-Length: %zu\r\n\r\n", extra ? extra : "",
		status == 200 ? "" : "Connection: close\r\n", html.len);
	(void)buf_add(out, html.data, html.len);
	buf_free(&html);
}

void reply_text(struct buf *out, const struct device *d, int status, const char *type,
	const struct buf *body)
{
	head(out, d, status, type);
	(void)buf_addf(out, "%sContent-Length: %zu\r\n\r\n",
		status == 200 ? "" : "Connection: close\r\n", body->len);
	(void)buf_add(out, body->data, body->len);
}

void reply_flood_head(struct buf *out, const struct device *d, uint64_t len)
{
	head(out, d, 200, "application/soap+xml; charset=UTF-8");
	if (len)
		(void)buf_addf(out, "Content-Length: %" PRIu64 "\r\n\r\n", len);
	else
		(void)buf_adds(out, "Transfer-Encoding: chunked\r\n\r\n");
}

void reply_flood(struct buf *out, size_t n, bool chunked)
{
	if (chunked)
		(void)buf_addf(out, "%04zX\r\n", n);
	uint8_t *at = buf_reserve(out, n);
	if (at) {
		memset(at, ' ', n);
		out->len += n;
	}
	if (chunked)
		(void)buf_adds(out, "\r\n");
}

bool reply_closes(const struct device *d, int status)
{
	switch (status) {
	case 200: return false;
	case 400: return d->as->http.close_400;
	case 401: return d->as->http.close_401;
	default: return true;
	}
}
