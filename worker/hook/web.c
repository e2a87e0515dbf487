/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook that is a web address: a signed POST by libcurl, whose sockets and timer live on the
 * connector's loop (curl_multi_socket_action). Another try, with a pause that doubles, when nobody
 * answered, at 429 and at 5xx: the same delivery, a new signature.
 *
 *   Muster-Signature: t=SECONDS,v1=HEX   HMAC-SHA256(secret, "SECONDS.BODY")
 */
#include <curl/curl.h>
#include <errno.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/codec.h"
#include "worker/hook/hook_int.h"

#define PAUSE_FIRST_MS 500 /* before the second try */
#define HEADER_MAX     256
#define MAC_LEN        32

/* What all requests of a pool share. */
struct hook_web {
	CURLM *multi;
	uv_loop_t *loop;
	uv_timer_t timer;
	bool closing;
};

/* One socket of libcurl's. */
struct watch {
	uv_poll_t poll;
	struct hook_web *web;
	curl_socket_t fd;
};

struct hook_request {
	struct hook_run *run;
	CURL *easy;
	struct curl_slist *headers;
	uv_timer_t pause;
	uint32_t tries;
	char text[CURL_ERROR_SIZE];
};

static void request_over(struct hook_request *q);

/* ---- libcurl on the loop --------------------------------------------------------------------- */

static void request_judge(struct hook_request *q, CURLcode code);

static void collect(struct hook_web *w)
{
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(w->multi, &left));) {
		if (m->msg != CURLMSG_DONE)
			continue;
		struct hook_request *q = NULL;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &q);
		curl_multi_remove_handle(w->multi, m->easy_handle);
		request_judge(q, code);
	}
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct watch *x = poll->data;
	struct hook_web *w = x->web;
	int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
		    (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) |
		    (status < 0 ? CURL_CSELECT_ERR : 0);
	int running;
	curl_multi_socket_action(w->multi, x->fd, flags, &running); /* may close x */
	collect(w);
}

static void on_timer(uv_timer_t *t)
{
	struct hook_web *w = t->data;
	int running;
	curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(w);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
	(void)multi;
	struct hook_web *w = arg;
	if (w->closing)
		return 0;
	if (ms < 0)
		uv_timer_stop(&w->timer);
	else
		uv_timer_start(&w->timer, on_timer, (uint64_t)ms, 0);
	return 0;
}

static void on_watch_closed(uv_handle_t *h)
{
	free(h->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	(void)easy;
	struct hook_web *w = arg;
	struct watch *x = of_socket;
	if (what == CURL_POLL_REMOVE) {
		if (x) {
			uv_poll_stop(&x->poll);
			uv_close((uv_handle_t *)&x->poll, on_watch_closed);
			curl_multi_assign(w->multi, fd, NULL);
		}
		return 0;
	}
	if (!x) {
		x = calloc(1, sizeof *x);
		if (!x || uv_poll_init_socket(w->loop, &x->poll, fd) < 0) {
			free(x);
			return -1; /* libcurl ends the request */
		}
		x->web = w;
		x->fd = fd;
		x->poll.data = x;
		curl_multi_assign(w->multi, fd, x);
	}
	uv_poll_start(&x->poll,
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
		on_event);
	return 0;
}

static struct hook_web *web_open(uv_loop_t *loop)
{
	struct hook_web *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	curl_global_init(CURL_GLOBAL_DEFAULT); /* counted; a repeat does nothing */
	w->multi = curl_multi_init();
	if (!w->multi) {
		free(w);
		return NULL;
	}
	w->loop = loop;
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
	return w;
}

static void on_web_closed(uv_handle_t *h)
{
	free(h->data);
}

void hook_web_close(struct hook_web *w)
{
	if (!w)
		return;
	w->closing = true;
	curl_multi_cleanup(w->multi);
	uv_close((uv_handle_t *)&w->timer, on_web_closed);
}

/* ---- one request ----------------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct hook_run *r = arg;
	if (buf_add(&r->out, data, size * n) == 0)
		return size * n;
	r->end = HOOK_FLOODED;
	return 0;
}

static int add_header(struct hook_request *q, const char *name, const char *value)
{
	char line[HEADER_MAX];
	snprintf(line, sizeof line, "%s: %s", name, value);
	struct curl_slist *longer = curl_slist_append(q->headers, line);
	if (!longer)
		return -ENOMEM;
	q->headers = longer;
	return 0;
}

static int sign(struct hook_request *q)
{
	struct hook_run *r = q->run;
	const struct secret *key = &r->pool->key;
	struct buf text;
	uint8_t mac[MAC_LEN];
	char hex[2 * MAC_LEN + 1], value[HEADER_MAX / 2];
	long long now = (long long)time(NULL);
	buf_init(&text, HOOK_INPUT_MAX + 32);
	int rc = buf_addf(&text, "%lld.", now);
	if (rc == 0)
		rc = buf_add(&text, r->input.data, r->input.len);
	if (rc == 0 &&
		!HMAC(EVP_sha256(), key->data, (int)key->len, text.data, text.len, mac, NULL))
		rc = -ENOMEM;
	buf_free(&text);
	if (rc < 0)
		return rc;
	hex_encode(mac, sizeof mac, hex);
	snprintf(value, sizeof value, "t=%lld,v1=%s", now, hex);
	return add_header(q, "Muster-Signature", value);
}

static int make_headers(struct hook_request *q)
{
	const struct hook_run *r = q->run;
	curl_slist_free_all(q->headers);
	q->headers = NULL;
	int rc = add_header(q, "Content-Type", "application/json");
	if (rc == 0)
		rc = add_header(q, "Muster-Moment", hook_moment_name(r->pool->moment));
	if (rc == 0)
		rc = add_header(q, "Muster-Delivery", r->delivery);
	if (rc == 0) /* no pause before a short body */
		rc = add_header(q, "Expect", "");
	return rc == 0 ? sign(q) : rc;
}

static void set_options(struct hook_request *q)
{
	struct hook_run *r = q->run;
	const struct conf_hook *c = r->pool->conf;
	CURL *e = q->easy;
	curl_easy_reset(e);
	curl_easy_setopt(e, CURLOPT_PRIVATE, q);
	curl_easy_setopt(e, CURLOPT_URL, c->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L); /* a thread */
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->timeout_s * 1000);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, q->headers);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)r->input.len);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, (const char *)r->input.data);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, q->text);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "muster");
	if (c->ca_file[0])
		curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
}

static void request_try(struct hook_request *q)
{
	struct hook_run *r = q->run;
	r->end = HOOK_ANSWERED;
	r->out.len = r->errors.len = 0;
	q->text[0] = '\0';
	q->tries++;
	if (make_headers(q) < 0) {
		r->end = HOOK_NOT_STARTED;
		request_over(q);
		return;
	}
	set_options(q);
	if (curl_multi_add_handle(r->pool->web->multi, q->easy) != CURLM_OK) {
		r->end = HOOK_NOT_STARTED;
		request_over(q);
	}
}

static void on_pause(uv_timer_t *t)
{
	request_try(t->data);
}

static enum hook_end end_of(const struct hook_request *q, CURLcode code, long status)
{
	if (q->run->end != HOOK_ANSWERED)
		return q->run->end;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return HOOK_TIMED_OUT;
	if (code != CURLE_OK)
		return HOOK_UNREACHABLE;
	return status / 100 == 2 ? HOOK_ANSWERED : HOOK_HTTP_STATUS;
}

static bool may_pass(enum hook_end end, long status)
{
	return end == HOOK_TIMED_OUT || end == HOOK_UNREACHABLE ||
	       (end == HOOK_HTTP_STATUS && (status == 429 || status >= 500));
}

static void request_judge(struct hook_request *q, CURLcode code)
{
	struct hook_run *r = q->run;
	long status = 0;
	curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
	r->number = (int)status;
	r->end = end_of(q, code, status);
	if (r->end != HOOK_ANSWERED && code != CURLE_OK)
		buf_addf(&r->errors, "%s", q->text[0] ? q->text : curl_easy_strerror(code));
	bool again = q->tries <= r->pool->conf->retries && !r->pool->closing;
	if (again && may_pass(r->end, status))
		uv_timer_start(&q->pause, on_pause, (uint64_t)PAUSE_FIRST_MS << (q->tries - 1), 0);
	else
		request_over(q);
}

static void on_request_closed(uv_handle_t *h)
{
	struct hook_request *q = h->data;
	struct hook_run *r = q->run;
	curl_easy_cleanup(q->easy);
	curl_slist_free_all(q->headers);
	free(q);
	r->request = NULL;
	hook_run_done(r);
}

static void request_over(struct hook_request *q)
{
	if (!uv_is_closing((uv_handle_t *)&q->pause))
		uv_close((uv_handle_t *)&q->pause, on_request_closed);
}

static void web_start(struct hook_run *r)
{
	struct hook_pool *p = r->pool;
	struct hook_request *q = r->request = calloc(1, sizeof *q);
	if (!p->web)
		p->web = web_open(p->loop);
	if (q)
		q->easy = curl_easy_init();
	if (!q || !q->easy || !p->web) {
		free(q);
		r->request = NULL;
		r->end = HOOK_NOT_STARTED;
		buf_adds(&r->errors, "no memory");
		hook_run_done(r);
		return;
	}
	q->run = r;
	uv_timer_init(p->loop, &q->pause);
	q->pause.data = q;
	request_try(q);
}

static void web_stop(struct hook_run *r)
{
	curl_multi_remove_handle(r->pool->web->multi, r->request->easy);
	request_over(r->request);
}

const struct hook_way hook_way_web = {.start = web_start, .stop = web_stop};
