/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange: headers, digest, the answer parsed as it comes. See device.h. */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/log.h"
#include "worker/device_int.h"

#define CNONCE_LEN  8    /* random bytes */
#define HEADERS_MAX 4096 /* of one request */
#define SENDS_MAX                                                                \
	5 /* of one call: first, challenge, new nonces, passwords. A device that \
	     challenges for ever costs its own job only */

static int add_authorization(struct device *d, struct buf *out, struct error *err)
{
	const char *user = NULL;
	const struct secret *password = NULL;
	ENSURE(d->ops->credential(d->credential, &user, &password, d->arg), err, E_AUTH,
		"the device wants a login and no password is known for it");
	ENSURE(digest_realm_ok(d->digest.challenge.realm), err, E_AUTH,
		"the device's digest realm has not the form of Intel AMT: it gets no answer");
	uint8_t random[CNONCE_LEN];
	char cnonce[2 * CNONCE_LEN + 1];
	ENSURE(RAND_bytes(random, sizeof random) == 1, err, E_CRYPTO, "no random numbers");
	hex_encode(random, sizeof random, cnonce);
	struct digest_request rq = {.user = user,
		.password = secret_text(password),
		.method = "POST",
		.uri = "/wsman",
		.cnonce = cnonce,
		.body = d->body->data,
		.body_len = d->body->len};
	TRY(buf_adds(out, "Authorization: "));
	TRY(digest_authorize(&d->digest, &rq, out, err));
	return buf_adds(out, "\r\n");
}

static int add_headers(struct device *d, struct buf *out, struct error *err)
{
	TRY(buf_adds(out, "Content-Type: application/soap+xml;charset=UTF-8\r\n"));
	if (d->trace)
		TRY(buf_addf(out, "X-Muster-Trace: %s\r\n", d->trace));
	d->answered = d->authorize;
	if (d->authorize)
		TRY(add_authorization(d, out, err));
	return buf_add(out, "", 1); /* NUL: http_req.headers is a text */
}

void device_send(struct device *d)
{
	struct error err = {0};
	struct buf headers;
	char host[NET_ADDR_TEXT_MAX];
	buf_init(&headers, HEADERS_MAX);
	device_reader_put(d);
	int rc = add_headers(d, &headers, &err);
	if (rc == 0) {
		struct http_req rq = {.host = net_addr_text(&d->addr, host),
			.headers = (const char *)headers.data,
			.body = d->body->data,
			.body_len = d->body->len,
			.timeout_ms = d->timeout_ms};
		d->sends++;
		rc = http_request(d->http, &rq, &err);
	}
	buf_free(&headers);
	if (rc == 0)
		return;
	if (!err.code)
		error_set(&err, rc, "the request could not be sent: %s", error_name(rc));
	device_fail_soon(d,
		rc == E_STALE  ? DEVICE_LEASE
		: rc == E_AUTH ? DEVICE_LOGIN
			       : DEVICE_OURS,
		&err);
}

void device_call(struct device *d, const struct buf *body, uint64_t message_id, uint32_t timeout_ms,
	const char *trace)
{
	d->calling = true;
	d->body = body;
	d->message_id = message_id;
	d->timeout_ms = timeout_ms;
	d->trace = trace;
	d->sends = 0;
	if (d->ready && d->http)
		device_send(d);
	else
		boot_timer_set_in(&d->timer, 0);
}

static int on_before_write(struct http_client *h, void *arg)
{
	(void)h;
	struct device *d = arg;
	return d->ops->may_write(d->arg) ? 0 : E_STALE;
}

static bool wants_parser(int status)
{
	return status == 200 || status == 400 || status == 403 || status == 500;
}

static void on_head(struct http_client *h, const struct http_head *head, void *arg)
{
	(void)h;
	struct device *d = arg;
	d->status = head->status;
	d->parse_error = (struct error){0};
	free(d->challenge);
	d->challenge = head->www_authenticate ? strdup(head->www_authenticate) : NULL;
	if (head->server) {
		strncpy(d->server, head->server, sizeof d->server - 1);
		d->server[sizeof d->server - 1] = '\0';
	}
	if (!wants_parser(head->status))
		return;
	if (d->env->n_readers)
		d->reader = d->env->readers[--d->env->n_readers];
	else
		wsman_reader_new(&d->reader, &d->parse_error);
	if (d->reader)
		wsman_reader_begin(d->reader, &d->arena, &d->parse_error);
}

static void on_body(struct http_client *h, const uint8_t *data, size_t len, void *arg)
{
	(void)h;
	struct device *d = arg;
	if (!d->reader || d->parse_error.code)
		return; /* the rest of an HTML page, or of what is refused already */
	if (wsman_reader_feed(d->reader, data, len, &d->parse_error) < 0 && d->status == 200) {
		struct error err = d->parse_error;
		d->parse_error = (struct error){0};
		device_fail(d, DEVICE_GARBAGE, &err); /* do not read a gigabyte to its end */
	}
}

/* 401. SPEC: wsman.md 3.2, 3.3, rulings 17, 37 */
static void on_challenge(struct device *d)
{
	struct error err = {0};
	int verdict = d->challenge ? digest_state_challenged(&d->digest, d->challenge,
					     strlen(d->challenge), d->answered, &err)
				   : error_set(&err, E_PROTOCOL, "401 without WWW-Authenticate");
	if (verdict < 0) {
		device_fail(d, DEVICE_GARBAGE, &err);
		return;
	}
	uint32_t pause_ms = 0;
	const char *user;
	const struct secret *password;
	if (verdict == DIGEST_BAD_CREDENTIALS) {
		d->ops->login(false, d->arg);
		d->logins++;
		if (!d->accepted) /* one that was taken is not wrong: a nonce was reset again */
			d->credential++;
		pause_ms = d->env->conf->waits.password_ms;
	}
	bool more = d->ops->credential(d->credential, &user, &password, d->arg);
	if (!more && d->logins > 0) { /* a nonce that was reset meanwhile looks like a refusal: the
					 list again, as far as DEVICE_LOGINS_MAX goes */
		d->credential = 0;
		more = d->ops->credential(0, &user, &password, d->arg);
	}
	if (!more || d->logins >= d->logins_max) {
		error_set(&err, E_AUTH,
			d->logins ? "%u password(s) refused by the device"
				  : "the device wants a login and no password is known for it",
			d->logins);
		device_fail(d, DEVICE_LOGIN, &err);
		return;
	}
	if (d->sends >= SENDS_MAX) { /* says nothing about the password: another visit */
		error_set(&err, E_PROTOCOL, "the device challenges the same request %u times",
			d->sends);
		device_fail(d, DEVICE_HTTP, &err);
		return;
	}
	d->authorize = true;
	device_pause(d, pause_ms);
}

static void on_login(struct device *d)
{
	digest_state_accepted(&d->digest);
	if (!d->accepted || d->logins > 0)
		d->ops->login(true, d->arg);
	d->accepted = true;
	d->logins = 0;
}

static bool relates(const struct device *d, const struct wsman_message *m)
{
	if (!m->relates_to[0])
		return m->fault.present; /* a fault about a request that could not be read */
	char *end;
	unsigned long long n = strtoull(m->relates_to, &end, 10);
	return *end == '\0' && n == d->message_id;
}

static void on_answer(struct device *d)
{
	struct error err = d->parse_error;
	struct wsman_message m;
	d->parse_error = (struct error){0};
	int rc = err.code;
	if (rc == 0 && !d->reader)
		rc = error_set(&err, E_PROTOCOL, "HTTP status %d", d->status);
	if (rc == 0)
		rc = wsman_reader_end(d->reader, &m, &err);
	if (rc < 0 && d->status != 200) {
		error_set(&err, E_PROTOCOL, "HTTP status %d without a SOAP answer", d->status);
		device_fail(d, DEVICE_HTTP, &err);
		return;
	}
	if (rc == 0 && !relates(d, &m))
		rc = error_set(&err, E_PROTOCOL,
			"the answer relates to message \"%.40s\", not to %llu", m.relates_to,
			(unsigned long long)d->message_id);
	if (rc < 0) {
		device_fail(d, DEVICE_GARBAGE, &err);
		return;
	}
	if (d->answered)
		on_login(d);
	d->worked = true;
	d->calling = false;
	d->body = NULL;
	d->ops->answer(&m, d->arg); /* may close the session or begin the next call */
	if (!d->calling)
		device_reader_put(d);
}

static void on_done(struct http_client *h, bool reusable, void *arg)
{
	struct device *d = arg;
	d->idle_since_ms = clock_boot_ms();
	if (!reusable || d->status == 401 || d->status == 400) { /* SPEC: wsman.md 2 */
		http_close(h);
		d->http = NULL;
		d->ready = false;
	}
	if (d->status == 401)
		on_challenge(d);
	else
		on_answer(d);
}

const struct http_events device_http_events = {
	.ready = device_on_ready,
	.before_write = on_before_write,
	.head = on_head,
	.body = on_body,
	.done = on_done,
	.closed = device_on_closed,
};
