/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a device's port: TLS, HTTP requests one at a time, login, and the answer after
 * the time that the device takes. SPEC: wsman.md 2, 3; tls.md 13, 14
 */
#include "bench/sim/auth.h"
#include "bench/sim/estate.h"
#include "bench/sim/faces/face.h"
#include "bench/sim/faces/negotiate.h"
#include "bench/sim/faces/redir.h"
#include "bench/sim/quirk.h"
#include "bench/sim/reply.h"
#include "bench/sim/wsman.h"
#include "bench/sim/xml.h"
#include "common/base/clock.h"
#include "common/net/conn.h"

#include <llhttp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEADER_VALUE_MAX 16400 /* an Authorization with a ticket of a user in many groups */
#define URL_MAX          256
#define IDLE_MS          60000 /* the device closes idle connections. SPEC: wsman.md 2 */
#define FLOOD_STEP_LEN   (256u << 10)
#define OUT_MAX          (1u << 20)

enum phase { PHASE_READING, PHASE_THINKING, PHASE_FLOODING, PHASE_STUCK };

struct session {
	struct estate *e;
	struct device *d;
	struct conn *c;
	struct session *next, *prev;
	unsigned number, generation;
	unsigned attempt; /* the how manieth session of the device */
	enum loss fate;   /* of the request that is being served */
	struct tls_side side;
	bool setup; /* opened while the device was in setup */
	bool open;  /* the handshake is done */
	bool logged_in;
	uint32_t realms; /* of who is logged in */
	enum phase phase;
	unsigned n_requests;
	llhttp_t parser;
	struct buf url, field, value, auth, trace, body, out;
	bool have_host, message;
	bool close_after;
	uint64_t flood_left; /* bytes; UINT64_MAX = without end */
	struct boot_timer timer;
};

/* ---- life ----------------------------------------------------------------------------------- */

static void freed(struct boot_timer *t, void *arg)
{
	struct session *s = arg;
	(void)t;
	buf_free(&s->url);
	buf_free(&s->field);
	buf_free(&s->value);
	buf_free(&s->auth);
	buf_free(&s->trace);
	buf_free(&s->body);
	buf_free(&s->out);
	free(s);
}

/* Take the session out of everything; its connection is over or about to be. */
static void over(struct session *s, const char *how)
{
	struct estate *e = s->e;
	if (s->prev)
		s->prev->next = s->next;
	else
		e->open[estate_slot(e, s->d)] = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if (s->open)
		e->counts.in_session--;
	ledger_begin(&e->ledger, "close", s->d->id);
	ledger_uint(&e->ledger, "s", s->number);
	ledger_str(&e->ledger, "how", how);
	ledger_uint(&e->ledger, "requests", s->n_requests);
	ledger_end(&e->ledger);
	s->c = NULL;
	boot_timer_close(&s->timer, freed);
}

static void end(struct session *s, const char *how)
{
	conn_close(s->c);
	over(s, how);
}

static void cut(struct session *s, const char *how)
{
	conn_abort(s->c);
	over(s, how);
}

void session_drop_all(struct estate *e, struct device *d, struct session *except)
{
	struct session *next, *s = e->open[estate_slot(e, d)];
	while (s) {
		next = s->next;
		if (s != except)
			cut(s, "port restarted");
		s = next;
	}
	redir_drop_all(e, d);
}

struct device *session_device(SSL *ssl)
{
	return ((const struct tls_side *)SSL_get_app_data(ssl))->d;
}

struct estate *session_estate(SSL *ssl)
{
	return ((const struct tls_side *)SSL_get_app_data(ssl))->e;
}

void session_refused(SSL *ssl, const char *why)
{
	const struct tls_side *side = SSL_get_app_data(ssl);
	struct ledger *l = &side->e->ledger;
	side->e->counts.refusals++;
	ledger_begin(l, "refuse", side->d->id);
	ledger_uint(l, "s", side->number);
	ledger_str(l, "why", why);
	ledger_end(l);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* Time of one answer, and what the network adds. */
static double think_ms(struct session *s, const char *call)
{
	const struct laws *laws = s->d->laws;
	double ms = laws_latency(laws, call, &s->d->draws[DRAW_LATENCY]);
	return s->fate == LOSS_STALL ? ms + laws_compressed(laws, laws->stall_ms) : ms;
}

static void ready_for_next(struct session *s)
{
	s->phase = PHASE_READING;
	s->message = false;
	buf_free(&s->out);
	buf_wipe(&s->body);
	buf_free(&s->url);
	buf_free(&s->trace);
	buf_wipe(&s->auth);
	s->have_host = false;
	boot_timer_set_in(&s->timer, IDLE_MS);
	conn_pause(s->c, false);
}

static void send_answer(struct session *s)
{
	if (conn_write(s->c, s->out.data, s->out.len) < 0) {
		cut(s, "write failed");
		return;
	}
	if (s->flood_left) {
		s->phase = PHASE_FLOODING;
		boot_timer_set_in(&s->timer, 1);
		return;
	}
	if (s->close_after) {
		end(s, "closed after the answer");
		return;
	}
	ready_for_next(s);
}

static void answer_in(struct session *s, double ms)
{
	s->phase = PHASE_THINKING;
	conn_pause(s->c, true);
	if (ms < 0.5)
		send_answer(s);
	else
		boot_timer_set_in(&s->timer, (uint64_t)(ms + 0.5));
}

static void flood(struct session *s)
{
	if (conn_pending(s->c) == 0) {
		size_t n = s->flood_left < FLOOD_STEP_LEN ? (size_t)s->flood_left : FLOOD_STEP_LEN;
		buf_free(&s->out);
		reply_flood(&s->out, n, s->flood_left == UINT64_MAX);
		if (conn_write(s->c, s->out.data, s->out.len) < 0) {
			cut(s, "write failed");
			return;
		}
		if (s->flood_left != UINT64_MAX)
			s->flood_left -= n;
	}
	if (s->flood_left == 0)
		end(s, "flood is over");
	else
		boot_timer_set_in(&s->timer, 1);
}

static void on_timer(struct boot_timer *t, void *arg)
{
	struct session *s = arg;
	(void)t;
	switch (s->phase) {
	case PHASE_THINKING: send_answer(s); break;
	case PHASE_FLOODING: flood(s); break;
	case PHASE_READING: end(s, "idle"); break;
	case PHASE_STUCK: break;
	}
}

static void page(struct session *s, int status, const char *text, bool challenge)
{
	struct buf extra;
	buf_init(&extra, 1024);
	if (challenge && negotiate_offered(s->d))
		(void)buf_adds(&extra, "WWW-Authenticate: Negotiate\r\n");
	if (challenge)
		auth_challenge(s->d, &extra);
	reply_html(&s->out, s->d, status, buf_cstr(&extra), text);
	buf_free(&extra);
	s->close_after = reply_closes(s->d, status);
	answer_in(s, think_ms(s, NULL));
}

/* ---- requests ------------------------------------------------------------------------------- */

static void close_port(struct device *d, double ms)
{
	uint64_t until = clock_boot_ms() + (uint64_t)ms;
	if (d->deaf_until_ms < until)
		d->deaf_until_ms = until;
}

/* The device says nothing more on this connection; the peer must notice by itself. */
static void go_silent(struct session *s)
{
	s->phase = PHASE_STUCK;
	conn_pause(s->c, false);
}

/* Port and nonces after commit or unprovision. */
static void restart(struct session *s, const struct wsman_answer *a)
{
	struct estate *e = s->e;
	if (a->configured)
		e->counts.configured++;
	if (a->setup_again) {
		if (e->counts.configured)
			e->counts.configured--;
		hello_begin(e, s->d);
	}
	session_drop_all(e, s->d, s);
	auth_reset(s->d);
	close_port(s->d, s->d->laws->deaf_ms);
	e->quiet_since_ms = 0;
}

/* The engine starts anew: what was not committed is gone, and in setup the Hellos begin again.
 * SPEC: hello.md 5.1 */
static void reboot(struct session *s)
{
	struct estate *e = s->e;
	struct device *d = s->d;
	device_reboot(d);
	auth_reset(d);
	close_port(d, laws_compressed(d->laws, d->laws->reboot_ms));
	if (d->state == DEV_IN)
		hello_begin(e, d);
	e->quiet_since_ms = 0;
	session_drop_all(e, d, NULL);
}

/* Misbehaviour that replaces an answer. @return true when it did */
static bool misbehave(struct session *s, struct wsman_answer *a)
{
	struct device *d = s->d;
	if (device_has(d, FAULT_HUGE_BODY) || device_has(d, FAULT_ENDLESS)) {
		bool endless = device_has(d, FAULT_ENDLESS);
		uint64_t len = (uint64_t)d->fault_values[FAULT_HUGE_BODY] << 20;
		reply_flood_head(&s->out, d, endless ? 0 : len);
		s->flood_left = endless ? UINT64_MAX : len;
		return true;
	}
	if (device_has(d, FAULT_TRUNCATED))
		a->body.len /= 2;
	return false;
}

static void serve(struct session *s)
{
	struct device *d = s->d;
	struct wsman_answer a = {0};
	buf_init(&a.body, WSMAN_ANSWER_MAX);
	struct wsman_client who = {.session = s->number,
		.attempt = s->attempt,
		.trace = s->trace.len ? buf_cstr(&s->trace) : NULL};
	wsman_serve(d, &who, (const char *)s->body.data, s->body.len, &a);
	if (a.acl_changed) {
		for (struct session *o = s->e->open[estate_slot(s->e, d)]; o; o = o->next)
			o->logged_in = false;
		auth_reset(d);
	}
	if (a.deaf_ms > 0)
		close_port(d, a.deaf_ms);
	if (a.restart)
		restart(s, &a);
	if (a.cut || a.freeze || s->fate == LOSS_HALF_OPEN) {
		buf_free(&a.body);
		if (a.cut)
			cut(s, "the call cuts the connection");
		else
			go_silent(s);
		return;
	}
	s->close_after = a.close || reply_closes(d, a.status) || device_has(d, FAULT_CLOSE_EACH);
	double ms = think_ms(s, a.call) + a.slow_ms + (a.slow_key ? d->laws->slow_key_ms : 0);
	if (a.html) {
		reply_html(&s->out, d, 400, "", "Bad Request");
	} else if (!misbehave(s, &a)) {
		reply_soap(&s->out, d, a.status, s->close_after, &a.body);
	}
	buf_free(&a.body);
	answer_in(s, ms);
}

/* A face other than WS-Man. */
static void face(struct session *s, bool post, const char *url)
{
	const struct face_request rq = {.session = s->number,
		.post = post,
		.url = url,
		.realms = s->realms,
		.body = s->body.data,
		.body_len = s->body.len};
	s->close_after = face_serve(s->d, &rq, &s->out) != 200;
	answer_in(s, think_ms(s, NULL));
}

static bool login_needed(const struct session *s)
{
	const struct device *d = s->d;
	if (device_has(d, FAULT_UNAUTHORIZED) || device_has(d, FAULT_FOREIGN_PASSWORD) ||
		d->state == DEV_POST || d->psk.typed)
		return true;
	if (device_has(d, FAULT_ACL_DROP) && !d->admin_default)
		return true;
	/* The same generation's second session, after a password was set. */
	return device_has(d, FAULT_SETUP_LOGIN) && !d->admin_default && s->n_requests == 1;
}

/* @return true when the request may be served */
static bool login(struct session *s, const char *method, const char *url)
{
	struct device *d = s->d;
	if (quirk_nonce_reset(d)) {
		auth_reset(d);
		s->logged_in = false;
	}
	const char *header = s->auth.len ? buf_cstr(&s->auth) : NULL;
	if (!login_needed(s) && !(device_has(d, FAULT_SETUP_LOGIN) && header))
		return true;
	if (!header && s->logged_in && d->as->http.login_cache)
		return true;
	const char *why;
	struct auth_request rq = {.header = header,
		.method = method,
		.uri = url,
		.body = s->body.data,
		.body_len = s->body.len};
	enum auth_result r = AUTH_LOCKED;
	if (header && negotiate_is(header))
		r = negotiate_check(d, header, s->e->opts.any_sid, &rq.realms, &why);
	else if (!device_has(d, FAULT_UNAUTHORIZED))
		r = auth_check(d, &rq, &why);
	if (r == AUTH_OK) {
		s->logged_in = true;
		s->realms = rq.realms;
		return true;
	}
	if (r == AUTH_BAD) {
		s->e->counts.failed_logins++;
		ledger_begin(&s->e->ledger, "login_failed", d->id);
		ledger_uint(&s->e->ledger, "s", s->number);
		ledger_str(&s->e->ledger, "why", why);
		ledger_uint(&s->e->ledger, "row", d->n_logins_bad);
		ledger_end(&s->e->ledger);
	}
	page(s, 401,
		"Log on failed. Incorrect user name or password, or user account "
		"temporarily locked.",
		true);
	return false;
}

/* The law of loss, before the request is looked at. @return true when that was its end */
static bool lose(struct session *s)
{
	struct device *d = s->d;
	s->fate = laws_loss(d->laws, &d->draws[DRAW_LOSS]);
	if (s->fate == LOSS_N)
		return false;
	ledger_begin(&s->e->ledger, "loss", d->id);
	ledger_uint(&s->e->ledger, "s", s->number);
	ledger_uint(&s->e->ledger, "request", d->n_requests);
	ledger_str(&s->e->ledger, "what", laws_loss_name(s->fate));
	ledger_end(&s->e->ledger);
	switch (s->fate) {
	case LOSS_DROP: go_silent(s); return true;
	case LOSS_RESET: cut(s, "lost"); return true;
	case LOSS_REBOOT: reboot(s); return true;
	case LOSS_STALL:
	case LOSS_HALF_OPEN:
	case LOSS_N: break;
	}
	return false;
}

/* AMT 21 completes TLS 1.3 and then drops the first request. SPEC: tls.md 2 */
static bool drops(const struct session *s)
{
	SSL *ssl = conn_ssl(s->c);
	return s->d->as->tls.drops_first_request && s->setup && s->n_requests == 1 && ssl &&
	       SSL_version(ssl) == TLS1_3_VERSION;
}

static void handle(struct session *s)
{
	struct device *d = s->d;
	const char *url = s->url.len ? buf_cstr(&s->url) : "";
	bool post = llhttp_get_method(&s->parser) == HTTP_POST;
	s->n_requests++;
	d->n_requests++;
	s->e->counts.requests++;
	boot_timer_stop(&s->timer);
	if (drops(s)) {
		cut(s, "first request at TLS 1.3");
		return;
	}
	if (device_has(d, FAULT_RESET) && s->n_requests == d->fault_values[FAULT_RESET]) {
		cut(s, "reset");
		return;
	}
	if (device_has(d, FAULT_SILENT)) {
		go_silent(s);
		return;
	}
	if (lose(s))
		return;
	if (!s->have_host) {
		page(s, 400, "Bad Request. Missing Host", false);
		return;
	}
	bool wsman = post && strcmp(url, "/wsman") == 0;
	if (!face_public(d, post, url) && !login(s, post ? "POST" : "GET", url))
		return;
	if (!wsman)
		face(s, post, url);
	else if (login_needed(s) && !auth_may(s->realms, REALM_ADMINISTRATION))
		page(s, 403, "Forbidden", false);
	else
		serve(s);
}

/* ---- llhttp --------------------------------------------------------------------------------- */

static int on_url(llhttp_t *p, const char *at, size_t len)
{
	return buf_add(&((struct session *)p->data)->url, at, len) < 0 ? HPE_USER : 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
	struct session *s = p->data;
	return buf_add(&s->field, at, len) < 0 ? HPE_USER : 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
	struct session *s = p->data;
	return buf_add(&s->value, at, len) < 0 ? HPE_USER : 0;
}

static int on_value_complete(llhttp_t *p)
{
	struct session *s = p->data;
	const char *name = s->field.len ? buf_cstr(&s->field) : "";
	int rc = 0;
	if (name && strcasecmp(name, "Host") == 0)
		s->have_host = true;
	else if (name && strcasecmp(name, "Authorization") == 0)
		rc = s->auth.len ? -1 : buf_add(&s->auth, s->value.data, s->value.len);
	else if (name && strcasecmp(name, "X-Muster-Trace") == 0)
		rc = s->trace.len ? -1 : buf_add(&s->trace, s->value.data, s->value.len);
	buf_free(&s->field);
	buf_wipe(&s->value);
	return rc < 0 ? HPE_USER : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	return buf_add(&((struct session *)p->data)->body, at, len) < 0 ? HPE_USER : 0;
}

static int on_message(llhttp_t *p)
{
	((struct session *)p->data)->message = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t *http_settings(void)
{
	static llhttp_settings_t settings;
	if (!settings.on_url) {
		llhttp_settings_init(&settings);
		settings.on_url = on_url;
		settings.on_header_field = on_field;
		settings.on_header_value = on_value;
		settings.on_header_value_complete = on_value_complete;
		settings.on_body = on_body;
		settings.on_message_complete = on_message;
	}
	return &settings;
}

/* ---- connection events ---------------------------------------------------------------------- */

static void on_opened(struct conn *c, void *arg)
{
	struct session *s = arg;
	(void)c;
	s->open = true;
	s->e->counts.in_session++;
	ledger_begin(&s->e->ledger, "session", s->d->id);
	ledger_uint(&s->e->ledger, "s", s->number);
	ledger_uint(&s->e->ledger, "attempt", s->attempt);
	ledger_uint(&s->e->ledger, "gen", s->d->generation);
	ledger_str(&s->e->ledger, "kind", s->setup ? "setup" : "admin");
	const SSL *ssl = conn_ssl(s->c);
	ledger_str(&s->e->ledger, "tls", ssl ? SSL_get_version(ssl) : "");
	ledger_str(&s->e->ledger, "suite", ssl ? SSL_get_cipher_name(ssl) : "");
	ledger_end(&s->e->ledger);
	boot_timer_set_in(&s->timer, IDLE_MS);
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct session *s = arg;
	(void)c;
	if (!s->open || s->phase == PHASE_STUCK)
		return;
	if (s->phase != PHASE_READING) {
		cut(s, "request before the answer");
		return;
	}
	enum llhttp_errno rc = llhttp_execute(&s->parser, (const char *)data, len);
	if (s->message && rc == HPE_PAUSED) {
		const char *at = llhttp_get_error_pos(&s->parser);
		if (at != (const char *)data + len) {
			cut(s, "pipelined requests");
			return;
		}
		llhttp_resume(&s->parser);
		handle(s);
	} else if (rc != HPE_OK) {
		page(s, 400, "Bad Request", false);
	}
}

static void on_closed(struct conn *c, const struct error *err, void *arg)
{
	(void)c;
	over(arg, err->code == 0 ? "peer closed" : err->text);
}

static int on_ssl(SSL *ssl, void *arg)
{
	struct session *s = arg;
	s->side = (struct tls_side){.e = s->e, .d = s->d, .number = s->number};
	SSL_set_app_data(ssl, &s->side);
	return tlsd_setup(ssl, s->d);
}

static struct session *session_new(struct estate *e, struct device *d)
{
	struct session *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->e = e;
	s->d = d;
	s->setup = d->state != DEV_POST;
	s->generation = d->generation;
	s->number = ++e->session_counter;
	s->attempt = ++d->n_sessions;
	s->fate = LOSS_N;
	buf_init(&s->url, URL_MAX);
	buf_init(&s->field, HEADER_VALUE_MAX);
	buf_init(&s->value, HEADER_VALUE_MAX);
	buf_init(&s->auth, HEADER_VALUE_MAX);
	buf_init(&s->trace, HEADER_VALUE_MAX);
	buf_init(&s->body, XML_BYTES_MAX);
	buf_init(&s->out, OUT_MAX);
	llhttp_init(&s->parser, HTTP_REQUEST, http_settings());
	s->parser.data = s;
	boot_timer_init(&s->timer, e->loop, on_timer, s);
	s->next = e->open[estate_slot(e, d)];
	if (s->next)
		s->next->prev = s;
	e->open[estate_slot(e, d)] = s;
	return s;
}

void session_accept(
	struct estate *e, struct device *d, int fd, const struct net_addr *peer, bool tls)
{
	static const struct conn_events events = {
		.opened = on_opened, .data = on_data, .closed = on_closed};
	struct session *s = session_new(e, d);
	if (!s) {
		close(fd);
		return;
	}
	e->counts.sessions++;
	/* Without TLS the bytes of the ClientHello go nowhere: a stalled handshake. */
	bool stall = tls && device_has(d, FAULT_HANDSHAKE_STALL);
	struct conn_opts opts = {
		.addr = *peer,
		.tls = !tls || stall ? NULL : tlsd_context(e, d),
		.out_max = OUT_MAX,
		.ssl_setup = on_ssl,
		.setup_arg = s,
	};
	struct error err = {0};
	if (conn_accept(&s->c, e->loop, fd, &opts, &events, s, &err) < 0)
		over(s, err.text);
	else if (!tls)
		on_opened(s->c, s);
}
