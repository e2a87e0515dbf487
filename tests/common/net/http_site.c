/* SPDX-License-Identifier: Apache-2.0 */
/* See http_site.h. */
#include "tests/common/net/http_site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/common/net/net_test.h"

#define WAIT_MS     20000
#define REQUEST_MAX (1 << 21)

/* ---- the device ---- */

static void device_opened(struct conn *c, void *arg)
{
	(void)c;
	(void)arg;
}

static void device_end(struct site *s)
{
	if (s->script.then_close)
		conn_close(s->device);
	if (s->script.then_reset)
		conn_abort(s->device);
	if (s->script.then_close || s->script.then_reset)
		s->device = NULL;
}

static void device_send(uv_idle_t *idle)
{
	struct site *s = idle->data;
	const struct script *t = &s->script;
	size_t n = t->slice ? t->slice : (size_t)rand() % 40 + 1;

	if (!s->device || !s->sending)
		return;
	if (s->sent >= t->len && t->repeat > s->sent && conn_pending(s->device) < 1 << 18) {
		size_t period = t->len - t->repeat_from;

		(void)conn_write(s->device, t->bytes + t->repeat_from, period);
		s->sent += period;
		return;
	}
	if (s->sent >= t->len) {
		if (t->repeat <= s->sent) {
			s->sending = false;
			device_end(s);
		}
		return;
	}
	if (n > t->len - s->sent)
		n = t->len - s->sent;
	assert_int_equal(conn_write(s->device, t->bytes + s->sent, n), 0);
	s->sent += n;
}

static void device_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct site *s = arg;

	(void)c;
	assert_int_equal(buf_add(&s->request, data, len), 0);
	if (s->sending)
		return;
	s->sending = true;
	s->sent = 0;
}

static void device_closed(struct conn *c, const struct error *err, void *arg)
{
	struct site *s = arg;

	(void)c;
	(void)err;
	s->device_over = true;
	s->device = NULL;
}

static const struct conn_events device_events = {
	.opened = device_opened, .data = device_data, .closed = device_closed};

static void on_accept(int fd, const struct net_addr *peer, void *arg)
{
	struct site *s = arg;
	struct conn_opts opts = {.addr = *peer, .out_max = 1 << 22};

	assert_int_equal(conn_accept(&s->device, &s->loop, fd, &opts, &device_events, s, NULL), 0);
	s->sending = s->script.unasked;
}

/* ---- the client ---- */

static void on_ready(struct http_client *h, void *arg)
{
	(void)h;
	((struct site *)arg)->ready = true;
}

static int on_before_write(struct http_client *h, void *arg)
{
	(void)h;
	return ((struct site *)arg)->before_rc;
}

static void on_head(struct http_client *h, const struct http_head *head, void *arg)
{
	struct site *s = arg;

	s->head_seen = true;
	s->status = head->status;
	s->head_close = head->close;
	snprintf(s->server, sizeof s->server, "%s", head->server ? head->server : "");
	snprintf(s->www, sizeof s->www, "%s", head->www_authenticate ? head->www_authenticate : "");
	if (s->close_in_head) {
		http_close(h);
		s->http = NULL;
		s->over = true;
	}
}

static void on_body(struct http_client *h, const uint8_t *data, size_t len, void *arg)
{
	struct site *s = arg;

	s->body_len += len;
	assert_int_equal(buf_add(&s->body, data, len), 0);
	if (s->close_in_body) {
		http_close(h);
		s->http = NULL;
		s->over = true;
	}
}

static void on_done(struct http_client *h, bool reusable, void *arg)
{
	struct site *s = arg;

	assert_false(s->done);
	assert_int_equal(http_stage(h), HTTP_STAGE_IDLE);
	s->done = true;
	s->reusable = reusable;
}

static void on_closed(struct http_client *h, const struct error *err, void *arg)
{
	struct site *s = arg;

	assert_false(s->over);
	s->over = true;
	s->code = err->code;
	s->stage = http_stage(h);
	snprintf(s->text, sizeof s->text, "%s", err->text);
	s->http = NULL;
	http_close(h); /* allowed and without effect */
}

static const struct http_events events = {.ready = on_ready,
	.before_write = on_before_write,
	.head = on_head,
	.body = on_body,
	.done = on_done,
	.closed = on_closed};

void site_start(struct site *s, const struct script *script)
{
	memset(s, 0, sizeof *s);
	s->script = *script;
	buf_init(&s->request, REQUEST_MAX);
	buf_init(&s->body, HTTP_BODY_MAX);
	uv_loop_init(&s->loop);
	int fd = listen_any(&s->addr, 0);

	assert_int_equal(acceptor_start(&s->acceptor, &s->loop, fd, on_accept, s, NULL), 0);
	uv_idle_init(&s->loop, &s->sender);
	s->sender.data = s;
	uv_idle_start(&s->sender, device_send);
	struct conn_opts opts = {.addr = s->addr};

	assert_int_equal(http_open(&s->http, &s->loop, &opts, &events, s, NULL), 0);
	run_until(&s->loop, &s->ready, WAIT_MS);
}

void site_stop(struct site *s)
{
	http_close(s->http);
	conn_close(s->device);
	acceptor_close(s->acceptor);
	uv_close((uv_handle_t *)&s->sender, NULL);
	loop_finish(&s->loop);
	buf_free(&s->request);
	buf_free(&s->body);
}

const struct http_req site_request = {
	.host = "device:16993", .headers = "X-Test: 1\r\n", .body = "<x/>", .body_len = 4};

void site_post(struct site *s, uint32_t timeout_ms)
{
	struct http_req req = site_request;

	req.timeout_ms = timeout_ms;
	s->done = false;
	s->body_len = 0;
	s->body.len = 0;
	assert_int_equal(http_request(s->http, &req, NULL), 0);
}

void script_text(struct script *t, const char *text)
{
	*t = (struct script){.bytes = text, .len = strlen(text), .slice = 1 << 16};
}
