/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP client for devices over conn and llhttp. See http.h.
 *
 * The parser is stopped at the end of each answer (HPE_PAUSED), so that bytes behind it are seen as
 * what they are: something that no request asked for. Callbacks may close the client under our
 * feet; memory stays until the end of the turn and h->over is asked after each.
 */
#include "common/net/http.h"

#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/net/timer.h"

#define FIELD_MAX        64                 /* longer header names are none that we keep */
#define REQUEST_HEAD_MAX ((size_t)64 << 10) /* bound of what the caller may put into a head */

/* Headers of the answer that we keep. */
enum { KEEP_SERVER, KEEP_WWW_AUTHENTICATE, KEEP_CONTENT_TYPE, KEEP_N };
static const char *const keep_names[KEEP_N] = {"Server", "WWW-Authenticate", "Content-Type"};

struct http_client {
	struct conn *conn;
	struct boot_timer timer; /* deadline of the exchange */
	const struct http_events *events;
	void *arg;
	llhttp_t parser;
	enum http_stage stage;
	unsigned n_requests;
	bool over;
	bool complete;        /* the answer has just ended */
	bool unusable;        /* no further request on this connection */
	struct error failure; /* why a parser callback stopped */
	size_t raw, body;     /* bytes of the present answer, all and body */
	char field[FIELD_MAX + 1];
	size_t field_len;
	struct buf value;
	char *kept[KEEP_N];
};

/* ---- the end ---- */

static void forget_headers(struct http_client *h)
{
	for (int i = 0; i < KEEP_N; i++) {
		free(h->kept[i]);
		h->kept[i] = NULL;
	}
}

static void forget_answer(struct http_client *h)
{
	forget_headers(h);
	buf_free(&h->value);
	h->field_len = 0;
	h->raw = h->body = 0;
	h->complete = false;
}

static void http_free(struct boot_timer *t, void *arg)
{
	struct http_client *h = arg;

	(void)t;
	forget_answer(h);
	free(h);
}

static void http_end(struct http_client *h, const struct error *err)
{
	if (h->over)
		return;
	h->over = true;
	h->events->closed(h, err, h->arg);
	conn_close(h->conn);
	boot_timer_close(&h->timer, http_free);
}

void http_close(struct http_client *h)
{
	if (!h || h->over)
		return;
	h->over = true;
	conn_close(h->conn);
	boot_timer_close(&h->timer, http_free);
}

/* ---- parser callbacks: fill h->failure and return HPE_USER to stop ---- */

static int refuse(struct http_client *h, int code, const char *text)
{
	error_set(&h->failure, code, "%s", text);
	return HPE_USER;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
	struct http_client *h = p->data;

	for (size_t i = 0; i < len && h->field_len <= FIELD_MAX; i++)
		h->field[h->field_len++] = at[i];
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
	struct http_client *h = p->data;

	return buf_add(&h->value, at, len) < 0
		       ? refuse(h, E_LIMIT, "answer headers exceed the limit of 64 KiB")
		       : 0;
}

/* The Digest challenge wins among several; of other headers the first counts. */
static bool keep_value(const struct http_client *h, int i, const char *value)
{
	if (!h->kept[i])
		return true;
	return i == KEEP_WWW_AUTHENTICATE && strncasecmp(value, "Digest ", 7) == 0 &&
	       strncasecmp(h->kept[i], "Digest ", 7) != 0;
}

static int on_value_complete(llhttp_t *p)
{
	struct http_client *h = p->data;
	const char *value = buf_cstr(&h->value);

	for (int i = 0; i < KEEP_N && value && h->stage != HTTP_STAGE_BODY; i++) {
		size_t len = strlen(keep_names[i]);

		if (h->field_len != len || strncasecmp(h->field, keep_names[i], len) != 0 ||
			!keep_value(h, i, value))
			continue;
		free(h->kept[i]);
		h->kept[i] = strdup(value);
		if (!h->kept[i])
			return refuse(h, -ENOMEM, "out of memory for an answer header");
	}
	h->field_len = 0;
	h->value.len = 0;
	return value ? 0 : refuse(h, E_LIMIT, "answer headers exceed the limit of 64 KiB");
}

static int on_headers_complete(llhttp_t *p)
{
	struct http_client *h = p->data;
	struct http_head head;

	if (p->status_code < 100 || p->status_code > 599)
		return refuse(h, E_PROTOCOL, "answer status out of range");
	if (p->status_code == 101)
		return refuse(h, E_PROTOCOL, "device wants to switch protocols");
	if (p->status_code < 200) {
		forget_headers(h);
		return 1; /* no body, whatever its Content-Length says. SPEC: RFC 9112 6.3 */
	}
	/* An answer that came before the request was out leaves the two sides out of step. */
	h->unusable = !llhttp_should_keep_alive(p) || conn_pending(h->conn) > 0;
	head = (struct http_head){
		.status = p->status_code,
		.server = h->kept[KEEP_SERVER],
		.www_authenticate = h->kept[KEEP_WWW_AUTHENTICATE],
		.content_type = h->kept[KEEP_CONTENT_TYPE],
		.close = h->unusable,
	};
	h->stage = HTTP_STAGE_BODY;
	h->events->head(h, &head, h->arg);
	return h->over ? HPE_USER : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct http_client *h = p->data;

	h->body += len;
	if (h->body > HTTP_BODY_MAX)
		return refuse(h, E_LIMIT, "answer body exceeds the limit of 1 MiB");
	h->events->body(h, (const uint8_t *)at, len, h->arg);
	return h->over ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *p)
{
	struct http_client *h = p->data;

	if (p->status_code < 200) /* 1xx: the real answer follows; its bytes stay counted */
		return 0;
	h->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t *parser_settings(void)
{
	static const llhttp_settings_t settings = {
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_header_value_complete = on_value_complete,
		.on_headers_complete = on_headers_complete,
		.on_body = on_body,
		.on_message_complete = on_message_complete,
	};

	return &settings;
}

/* ---- stream callbacks ---- */

static void fail_parse(struct http_client *h, llhttp_errno_t e)
{
	struct error err = h->failure;

	if (!err.code)
		error_set(&err, E_PARSE, "answer is not HTTP: %s (%s)",
			llhttp_get_error_reason(&h->parser), llhttp_errno_name(e));
	http_end(h, &err);
}

static void finish_answer(struct http_client *h)
{
	bool reusable = !h->unusable;

	boot_timer_stop(&h->timer);
	forget_answer(h);
	h->stage = HTTP_STAGE_IDLE;
	h->events->done(h, reusable, h->arg);
}

/* Bytes right behind an answer belong to nothing: the two sides are out of step. */
static void fail_trailing(struct http_client *h)
{
	struct error err;

	error_set(&err, E_PROTOCOL, "bytes after the end of the answer");
	http_end(h, &err);
}

static void conn_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct http_client *h = arg;
	struct error err;

	(void)c;
	if (h->stage < HTTP_STAGE_SENT) {
		error_set(&err, E_PROTOCOL, "device sent %zu bytes without a request", len);
		http_end(h, &err);
		return;
	}
	if (h->stage == HTTP_STAGE_SENT)
		h->stage = HTTP_STAGE_HEAD;
	h->raw += len;
	llhttp_errno_t e = llhttp_execute(&h->parser, (const char *)data, len);

	if (h->over)
		return;
	if (h->complete) {
		if (e != HPE_PAUSED || llhttp_get_error_pos(&h->parser) != (const char *)data + len)
			fail_trailing(h);
		else
			finish_answer(h);
		return;
	}
	if (e != HPE_OK) {
		fail_parse(h, e);
		return;
	}
	if (h->raw - h->body > HTTP_OVERHEAD_MAX) {
		refuse(h, E_LIMIT, "answer headers and chunk framing exceed the limit of 64 KiB");
		fail_parse(h, HPE_USER);
	}
}

/* The peer closed: that may be how the body ends. */
static void conn_over(struct conn *c, const struct error *err, void *arg)
{
	static const char *const where[] = {
		[HTTP_STAGE_SENT] = "before the answer",
		[HTTP_STAGE_HEAD] = "inside the head of the answer",
		[HTTP_STAGE_BODY] = "inside the body of the answer",
	};
	struct http_client *h = arg;
	struct error late;

	(void)c;
	if (h->over)
		return;
	if (!err->code && h->stage == HTTP_STAGE_BODY && llhttp_message_needs_eof(&h->parser)) {
		(void)llhttp_finish(&h->parser);
		h->unusable = true;
		finish_answer(h);
	}
	if (h->over) {
		return;
	}
	if (h->stage < HTTP_STAGE_SENT) {
		http_end(h, err);
		return;
	}
	if (err->code)
		error_set(&late, err->code, "%s, %s", err->text, where[h->stage]);
	else
		error_set(&late, E_CLOSED, "device closed the connection %s", where[h->stage]);
	http_end(h, &late);
}

static void conn_is_open(struct conn *c, void *arg)
{
	struct http_client *h = arg;

	(void)c;
	h->stage = HTTP_STAGE_IDLE;
	h->events->ready(h, h->arg);
}

static void exchange_late(struct boot_timer *t, void *arg)
{
	struct http_client *h = arg;
	struct error err;

	(void)t;
	error_set(&err, -ETIMEDOUT, "device did not answer in time");
	http_end(h, &err);
}

static const struct conn_events stream_events = {
	.opened = conn_is_open,
	.data = conn_data,
	.closed = conn_over,
};

int http_open(struct http_client **out, uv_loop_t *loop, const struct conn_opts *opts,
	const struct http_events *events, void *arg, struct error *err)
{
	struct http_client *h = calloc(1, sizeof *h);
	int rc;

	ENSURE(h, err, -ENOMEM, "out of memory for an HTTP client");
	h->events = events;
	h->arg = arg;
	buf_init(&h->value, HTTP_OVERHEAD_MAX);
	llhttp_init(&h->parser, HTTP_RESPONSE, parser_settings());
	h->parser.data = h;
	rc = conn_open(&h->conn, loop, opts, &stream_events, h, err);
	if (rc < 0) {
		free(h);
		return rc;
	}
	boot_timer_init(&h->timer, loop, exchange_late, h);
	*out = h;
	return 0;
}

/* ---- requests ---- */

static bool one_line(const char *text)
{
	return !strpbrk(text, "\r\n");
}

static int write_head(struct buf *b, const struct http_req *req)
{
	const char *method = req->method ? req->method : "POST";

	TRY(buf_addf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, req->path ? req->path : "/wsman",
		req->host));
	if (req->headers)
		TRY(buf_adds(b, req->headers));
	if (req->body_len || strcmp(method, "POST") == 0)
		TRY(buf_addf(b, "Content-Length: %zu\r\n", req->body_len));
	return buf_adds(b, "\r\n");
}

static int send_request(
	struct http_client *h, const struct http_req *req, struct buf *b, struct error *err)
{
	int rc = write_head(b, req);

	if (rc == 0 && req->body_len)
		rc = buf_add(b, req->body, req->body_len);
	if (rc < 0)
		return error_set(err, rc, "request too long");
	if (h->events->before_write) {
		rc = h->events->before_write(h, h->arg);
		if (rc < 0)
			return error_set(err, rc, "request was dropped unsent");
	}
	rc = conn_write(h->conn, b->data, b->len);
	if (rc < 0)
		return error_set(err, rc, "cannot send the request");
	return 0;
}

int http_request(struct http_client *h, const struct http_req *req, struct error *err)
{
	struct buf b;
	int rc;

	ENSURE(!h->over && !h->unusable && h->stage == HTTP_STAGE_IDLE, err, E_STATE,
		"connection cannot take a request now");
	ENSURE(one_line(req->host) && (!req->path || one_line(req->path)), err, E_CONFIG,
		"line break in host or path of a request");
	buf_init(&b, REQUEST_HEAD_MAX + req->body_len);
	rc = send_request(h, req, &b, err);
	buf_wipe(&b); /* it may carry passwords */
	if (rc < 0)
		return rc;
	forget_answer(h);
	h->failure = (struct error){0};
	llhttp_reset(&h->parser);
	h->stage = HTTP_STAGE_SENT;
	h->n_requests++;
	boot_timer_set_in(&h->timer, req->timeout_ms ? req->timeout_ms : HTTP_EXCHANGE_MS);
	return 0;
}

struct conn *http_conn(const struct http_client *h)
{
	return h->conn;
}

enum http_stage http_stage(const struct http_client *h)
{
	return h->stage;
}

unsigned http_n_requests(const struct http_client *h)
{
	return h->n_requests;
}
