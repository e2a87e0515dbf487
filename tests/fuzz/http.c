/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of a device to the HTTP client. The stream and the timer below common/net/http.c are
 * replaced here by functions that feed the input (conn.o and timer.o of the library are then not
 * linked), so that a run costs microseconds. First byte: where to cut. The answer whole and in two
 * pieces must be judged alike; callbacks must keep their order.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/net/http.h"
#include "common/net/timer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the stream and the timer that http.c gets ---- */

struct conn {
	const struct conn_events *events;
	void *arg;
	bool closed;
};

static struct conn stream;
static struct boot_timer *timer;

int conn_open(struct conn **out, uv_loop_t *loop, const struct conn_opts *opts,
	const struct conn_events *events, void *arg, struct error *err)
{
	(void)loop, (void)opts, (void)err;
	stream = (struct conn){.events = events, .arg = arg};
	*out = &stream;
	return 0;
}

int conn_write(struct conn *c, const void *data, size_t len)
{
	(void)data;
	if (c->closed || len == 0)
		abort();
	return 0;
}

size_t conn_pending(const struct conn *c)
{
	(void)c;
	return 0;
}

void conn_close(struct conn *c)
{
	c->closed = true;
}

void boot_timer_init(struct boot_timer *t, uv_loop_t *loop, boot_timer_fn fn, void *arg)
{
	(void)loop;
	*t = (struct boot_timer){.fn = fn, .arg = arg};
	timer = t;
}

void boot_timer_set_in(struct boot_timer *t, uint64_t delay_ms)
{
	t->deadline_ms = delay_ms;
}

void boot_timer_stop(struct boot_timer *t)
{
	t->deadline_ms = 0;
}

void boot_timer_close(struct boot_timer *t, boot_timer_fn closed)
{
	t->closed = closed;
}

/* ---- the owner of the client ---- */

struct seen {
	bool again; /* send a further request after a reusable answer */
	int n_heads, n_done, n_closed, status, end;
	bool in_answer;
	struct buf body;
};

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void ask(struct http_client *h)
{
	const struct http_req req = {.host = "127.0.0.1:16993", .body = "x", .body_len = 1};
	require(http_request(h, &req, NULL) == 0);
	require(timer->deadline_ms != 0);
}

static void on_ready(struct http_client *h, void *arg)
{
	(void)arg;
	ask(h);
}

static void on_head(struct http_client *h, const struct http_head *head, void *arg)
{
	struct seen *s = arg;
	require(!s->in_answer && !s->n_closed && http_stage(h) == HTTP_STAGE_BODY);
	require(head->status >= 200 && head->status <= 599);
	s->in_answer = true;
	s->status = head->status;
	s->n_heads++;
	const char *texts[] = {head->server, head->www_authenticate, head->content_type};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		require(!texts[i] || !strpbrk(texts[i], "\r\n"));
}

static void on_body(struct http_client *h, const uint8_t *data, size_t len, void *arg)
{
	struct seen *s = arg;
	(void)h;
	require(s->in_answer && buf_add(&s->body, data, len) == 0);
}

static void on_done(struct http_client *h, bool reusable, void *arg)
{
	struct seen *s = arg;
	require(s->in_answer && !s->n_closed && http_stage(h) == HTTP_STAGE_IDLE);
	require(timer->deadline_ms == 0);
	s->in_answer = false;
	s->n_done++;
	if (reusable && s->again)
		ask(h);
	else if (!reusable)
		http_close(h);
}

static void on_closed(struct http_client *h, const struct error *err, void *arg)
{
	struct seen *s = arg;
	(void)h;
	require(s->n_closed++ == 0 && err->code <= 0);
	require((err->code == 0) == (err->text[0] == '\0'));
	s->end = err->code;
}

static const struct http_events events = {
	.ready = on_ready, .head = on_head, .body = on_body, .done = on_done, .closed = on_closed};

/* A copy of its own size, so that reading behind the piece is seen. */
static void feed(const uint8_t *data, size_t len)
{
	if (stream.closed || len == 0)
		return;
	uint8_t *piece = malloc(len);
	require(piece != NULL);
	memcpy(piece, data, len);
	stream.events->data(&stream, piece, len, stream.arg);
	free(piece);
}

static void run(struct seen *s, const uint8_t *data, size_t size, size_t cut, bool again)
{
	struct http_client *h;
	struct error orderly = {0};

	*s = (struct seen){.again = again};
	buf_init(&s->body, HTTP_BODY_MAX);
	require(http_open(&h, NULL, &(struct conn_opts){0}, &events, s, NULL) == 0);
	stream.events->opened(&stream, stream.arg);
	feed(data, cut);
	feed(data + cut, size - cut);
	if (!stream.closed)
		stream.events->closed(&stream, &orderly, stream.arg);
	require(stream.closed && timer->closed);
	timer->closed(timer, timer->arg);
}

/* Bytes behind an answer are an error of the exchange when they come in its last piece, and of the
 * connection when they come later: both are E_PROTOCOL, but only the second has a done(). */
static bool same(const struct seen *a, const struct seen *b)
{
	bool trailing = a->end == E_PROTOCOL || b->end == E_PROTOCOL;
	return a->n_heads == b->n_heads && a->status == b->status && a->body.len == b->body.len &&
	       (a->body.len == 0 || memcmp(a->body.data, b->body.data, a->body.len) == 0) &&
	       (trailing || (a->n_done == b->n_done && a->end == b->end));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut, chain;

	if (size < 2)
		return 0;
	size_t at = data[0] * (size - 1) / 256;
	run(&whole, data + 1, size - 1, 0, false);
	run(&cut, data + 1, size - 1, at, false);
	require(same(&whole, &cut));
	run(&chain, data + 1, size - 1, at, true);
	require(chain.n_heads >= cut.n_heads && chain.n_done <= chain.n_heads);
	buf_free(&whole.body);
	buf_free(&cut.body);
	buf_free(&chain.body);
	return 0;
}
