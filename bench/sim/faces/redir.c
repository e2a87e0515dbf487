/* SPDX-License-Identifier: Apache-2.0 */
/* The redirection port; see redir.h. Numbers are little-endian, texts have a length byte. */
#include "bench/sim/faces/redir.h"

#include "bench/sim/auth.h"
#include "bench/sim/estate.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/net/conn.h"
#include "proto/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_MAX       16384 /* the longest message is serial data of 64 KiB in theory, 1 KiB in use */
#define OUT_MAX      65536
#define IDLE_MS      60000 /* as on the port of WS-Man */
#define TEXT_MAX     255   /* a length byte goes no further */
#define SERVICE_LEN  4
#define SOL_TEXT_MAX 1024

/* Of StartRedirectionSessionReply. */
enum { START_OK, START_TYPE_UNKNOWN, START_BUSY, START_UNSUPPORTED };
/* Ways to log in; Kerberos (2) and digest without client nonce (3) are not offered. */
enum { LOGIN_QUERY = 0, LOGIN_BASIC = 1, LOGIN_DIGEST = 4 };
enum { LOGIN_OK = 0, LOGIN_FAILED = 1 };

enum stage { STAGE_START, STAGE_LOGIN, STAGE_READY, STAGE_OPEN };

struct redir {
	struct estate *e;
	struct device *d;
	struct conn *c;
	struct redir *next, *prev;
	unsigned number;
	struct tls_side side;
	enum stage stage;
	char service[SERVICE_LEN + 1];
	char nonce[33];
	struct buf in;
	uint32_t heartbeat_ms; /* 0 = the client wants none */
	bool greeted;          /* the console has shown its banner */
	bool heard;            /* since the last tick */
	struct boot_timer timer;
};

/* ---- which services are on ------------------------------------------------------------------ */

bool redir_allows(const struct device *d, const char *service)
{
	/* EnabledState of AMT_RedirectionService is 32768 + a bit per service; 2 of the KVM service
	 * point is enabled, 6 enabled and no session runs. SPEC: provisioning.md 4 FEATURES */
	uint32_t bits = d->set.redir_state & 3;
	if (memcmp(service, "IDER", SERVICE_LEN) == 0)
		return bits & 1;
	if (memcmp(service, "SOL ", SERVICE_LEN) == 0)
		return bits & 2;
	return device_has_kvm(d) && (d->set.kvm_state == 2 || d->set.kvm_state == 6);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void note(const struct redir *r, const char *what, const char *why)
{
	struct ledger *l = &r->e->ledger;
	ledger_begin(l, "redirection", r->d->id);
	ledger_uint(l, "s", r->number);
	ledger_str(l, "service", r->service);
	ledger_str(l, "what", what);
	if (why)
		ledger_str(l, "why", why);
	ledger_end(l);
}

static void freed(struct boot_timer *t, void *arg)
{
	struct redir *r = arg;
	(void)t;
	buf_wipe(&r->in);
	buf_free(&r->in);
	free(r);
}

static void over(struct redir *r, const char *why)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		r->e->redirections = r->next;
	if (r->next)
		r->next->prev = r->prev;
	note(r, "end", why);
	r->c = NULL;
	boot_timer_close(&r->timer, freed);
}

/* Handlers return false when the connection is over. */
static bool finish(struct redir *r, const char *why)
{
	conn_close(r->c);
	over(r, why);
	return false;
}

static bool say(struct redir *r, const void *data, size_t len)
{
	return conn_write(r->c, data, len) == 0 || finish(r, "write failed");
}

void redir_drop_all(struct estate *e, const struct device *d)
{
	for (struct redir *r = e->redirections, *next; r; r = next) {
		next = r->next;
		if (r->d != d)
			continue;
		conn_abort(r->c);
		over(r, "port restarted");
	}
}

static void on_tick(struct boot_timer *t, void *arg)
{
	struct redir *r = arg;
	bool beats = r->stage == STAGE_OPEN && r->heartbeat_ms > 0;
	bool heard = r->heard;
	(void)t;
	r->heard = false;
	if (!beats && !heard) {
		finish(r, "idle");
		return;
	}
	boot_timer_set_in(&r->timer, beats ? r->heartbeat_ms : IDLE_MS);
	if (beats)
		(void)say(r, (const uint8_t[8]){0x2B}, 8);
}

/* ---- session and login ---------------------------------------------------------------------- */

static bool service_busy(const struct redir *r, const char *service)
{
	for (const struct redir *o = r->e->redirections; o; o = o->next)
		if (o != r && o->d == r->d && strcmp(o->service, service) == 0)
			return true;
	return false;
}

static bool start_session(struct redir *r, const uint8_t *m, size_t len)
{
	static const char *const services[] = {"SOL ", "IDER", "KVMR"};
	uint8_t reply[13] = {0x11, START_TYPE_UNKNOWN};
	char wanted[SERVICE_LEN + 1] = "";
	(void)len;
	memcpy(wanted, m + 4, SERVICE_LEN);
	for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
		if (strcmp(wanted, services[i]) == 0)
			reply[1] = !redir_allows(r->d, wanted) ? START_UNSUPPORTED
				   : service_busy(r, wanted)   ? START_BUSY
							       : START_OK;
	if (!say(r, reply, sizeof reply))
		return false;
	if (reply[1] != START_OK) {
		note(r, "refused", reply[1] == START_BUSY ? "busy" : "off");
		return finish(r, "service refused");
	}
	memcpy(r->service, wanted, sizeof r->service);
	r->stage = STAGE_LOGIN;
	return true;
}

static bool login_reply(struct redir *r, uint8_t status, uint8_t type, const struct buf *data)
{
	struct buf out;
	uint32_t n = data ? (uint32_t)data->len : 0;
	const uint8_t head[9] = {0x14, status, 0, 0, type, (uint8_t)n, (uint8_t)(n >> 8),
		(uint8_t)(n >> 16), (uint8_t)(n >> 24)};
	buf_init(&out, sizeof head + n);
	bool ok = buf_add(&out, head, sizeof head) == 0 && (!n || !buf_add(&out, data->data, n)) &&
		  say(r, out.data, out.len);
	buf_free(&out);
	return ok;
}

static bool login_done(struct redir *r, uint8_t type, bool good)
{
	if (good) {
		r->stage = STAGE_READY;
		note(r, "login", NULL);
		return login_reply(r, LOGIN_OK, type, NULL);
	}
	auth_failed(r->d);
	r->e->counts.failed_logins++;
	note(r, "refused", "credentials");
	return login_reply(r, LOGIN_FAILED, type, NULL) && finish(r, "login failed");
}

/* Next text of a message. @return false when it does not fit */
static bool take(const uint8_t **at, const uint8_t *end, char out[static TEXT_MAX + 1])
{
	if (*at == end || (size_t)(end - *at - 1) < **at)
		return false;
	size_t n = *(*at)++;
	memcpy(out, *at, n);
	out[n] = '\0';
	*at += n;
	return true;
}

static bool login_basic(struct redir *r, const uint8_t *at, const uint8_t *end)
{
	char user[TEXT_MAX + 1], password[TEXT_MAX + 1], hex[DIGEST_HEX_MAX + 1];
	uint8_t kept[16], given[16];
	uint32_t realms;
	bool good = take(&at, end, user) && take(&at, end, password) && at == end &&
		    auth_user(r->d, user, kept, &realms) && auth_may(realms, REALM_REDIRECTION) &&
		    digest_ha1(DIGEST_MD5, user, r->d->realm, password, hex) == 0 &&
		    hex_decode(hex, strlen(hex), given, sizeof given) == sizeof given &&
		    memcmp(given, kept, sizeof kept) == 0;
	return login_done(r, LOGIN_BASIC, good && !auth_locked(r->d));
}

static bool add_text(struct buf *b, const char *text)
{
	const uint8_t n = (uint8_t)strlen(text);
	return buf_add(b, &n, 1) == 0 && buf_adds(b, text) == 0;
}

static bool challenge(struct redir *r)
{
	struct buf data;
	uint8_t raw[16];
	rng_bytes(&r->d->rng, raw, sizeof raw);
	hex_encode(raw, sizeof raw, r->nonce);
	buf_init(&data, 256);
	bool ok = add_text(&data, r->d->realm) && add_text(&data, r->nonce) &&
		  add_text(&data, "auth") && login_reply(r, LOGIN_FAILED, LOGIN_DIGEST, &data);
	buf_free(&data);
	return ok;
}

/* user, realm, nonce, uri, cnonce, nc, response, qop; the first message has user and uri only. */
enum { D_USER, D_REALM, D_NONCE, D_URI, D_CNONCE, D_NC, D_RESPONSE, D_QOP, D_N };

static bool digest_good(struct redir *r, char f[static D_N][TEXT_MAX + 1])
{
	uint8_t kept[16];
	uint32_t realms;
	char ha1[33], want[DIGEST_HEX_MAX + 1];
	if (!r->nonce[0] || strcmp(f[D_REALM], r->d->realm) != 0 ||
		strcmp(f[D_NONCE], r->nonce) != 0 || strcmp(f[D_QOP], "auth") != 0 ||
		!auth_user(r->d, f[D_USER], kept, &realms) ||
		!auth_may(realms, REALM_REDIRECTION) || auth_locked(r->d))
		return false;
	hex_encode(kept, sizeof kept, ha1);
	const struct digest_input in = {.alg = DIGEST_MD5,
		.qop = DIGEST_QOP_AUTH,
		.ha1 = ha1,
		.nonce = r->nonce,
		.cnonce = f[D_CNONCE],
		.nc = (uint32_t)strtoul(f[D_NC], NULL, 16),
		.method = "POST",
		.uri = f[D_URI]};
	return digest_response(&in, want) == 0 && strcmp(want, f[D_RESPONSE]) == 0;
}

static bool login_digest(struct redir *r, const uint8_t *at, const uint8_t *end)
{
	char f[D_N][TEXT_MAX + 1];
	for (int i = 0; i < D_N; i++)
		if (!take(&at, end, f[i]))
			return login_done(r, LOGIN_DIGEST, false);
	if (!f[D_RESPONSE][0])
		return challenge(r);
	return login_done(r, LOGIN_DIGEST, digest_good(r, f));
}

static bool authenticate(struct redir *r, const uint8_t *m, size_t len)
{
	switch (m[4]) {
	case LOGIN_BASIC: return login_basic(r, m + 9, m + len);
	case LOGIN_DIGEST: return login_digest(r, m + 9, m + len);
	default: break;
	}
	struct buf ways;
	buf_init(&ways, 8);
	(void)buf_add(&ways, (const uint8_t[]){LOGIN_BASIC, LOGIN_DIGEST}, 2);
	bool ok = login_reply(r, m[4] == LOGIN_QUERY ? LOGIN_OK : LOGIN_FAILED, LOGIN_QUERY, &ways);
	buf_free(&ways);
	return ok;
}

static bool end_session(struct redir *r, const uint8_t *m, size_t len)
{
	(void)m, (void)len;
	return finish(r, "ended by the client");
}

/* ---- services ------------------------------------------------------------------------------- */

/* An answer of n bytes that repeats the sequence number of the message. */
static bool reply_to(struct redir *r, const uint8_t *m, uint8_t type, size_t n)
{
	uint8_t out[32] = {type};
	memcpy(out + 4, m + 4, 4);
	return say(r, out, n);
}

static bool opened(struct redir *r)
{
	r->stage = STAGE_OPEN;
	note(r, "open", NULL);
	return true;
}

static bool sol_open(struct redir *r, const uint8_t *m, size_t len)
{
	(void)len;
	r->heartbeat_ms = (uint32_t)(m[18] | m[19] << 8);
	if (r->heartbeat_ms)
		boot_timer_set_in(&r->timer, r->heartbeat_ms);
	return reply_to(r, m, 0x21, 23) && opened(r);
}

/* A console that wakes up at the first key. Nothing is sent right behind the opening's reply, since
 * amtterm takes all that it reads with it for a part of the reply. */
static bool sol_echo(struct redir *r, const uint8_t *m, size_t len)
{
	struct buf text;
	if (r->stage != STAGE_OPEN)
		return true; /* typed while it was being closed */
	buf_init(&text, SOL_TEXT_MAX);
	if (!r->greeted)
		(void)buf_addf(&text, "Serial console of %s.%s (simulated)\r\n", r->d->set.host,
			r->d->set.domain);
	r->greeted = true;
	size_t room = SOL_TEXT_MAX - text.len;
	(void)buf_add(&text, m + 10, len - 10 < room ? len - 10 : room);
	const uint8_t head[10] = {0x2A, [8] = (uint8_t)text.len, [9] = (uint8_t)(text.len >> 8)};
	bool ok = say(r, head, sizeof head) && say(r, text.data, text.len);
	buf_free(&text);
	return ok;
}

static bool sol_close(struct redir *r, const uint8_t *m, size_t len)
{
	(void)len;
	r->stage = STAGE_READY;
	r->heartbeat_ms = 0;
	return reply_to(r, m, 0x23, 8);
}

static bool sol_ping(struct redir *r, const uint8_t *m, size_t len)
{
	(void)len;
	return reply_to(r, m, 0x25, 8);
}

static bool ider_open(struct redir *r, const uint8_t *m, size_t len)
{
	(void)len;
	return reply_to(r, m, 0x41, 30) && opened(r);
}

static bool ider_close(struct redir *r, const uint8_t *m, size_t len)
{
	(void)len;
	r->stage = STAGE_READY;
	return reply_to(r, m, 0x43, 8);
}

static bool kvm_open(struct redir *r, const uint8_t *m, size_t len)
{
	(void)len;
	return reply_to(r, m, 0x41, 8) && opened(r) && say(r, "RFB 003.008\n", 12);
}

static bool nothing(struct redir *r, const uint8_t *m, size_t len)
{
	(void)r, (void)m, (void)len;
	return true;
}

/* ---- messages ------------------------------------------------------------------------------- */

static const struct message {
	uint8_t type;
	enum stage first, last; /* stages in which it may come */
	const char *service;    /* NULL = any */
	uint8_t len;            /* of the fixed part */
	uint8_t len_at, len_n;  /* where the length of the rest is, its bytes; 0 = no rest */
	bool (*fn)(struct redir *r, const uint8_t *m, size_t len);
} messages[] = {
	{0x10, STAGE_START, STAGE_START, NULL, 8, 0, 0, start_session},
	{0x12, STAGE_START, STAGE_OPEN, NULL, 4, 0, 0, end_session},
	{0x13, STAGE_LOGIN, STAGE_LOGIN, NULL, 9, 5, 4, authenticate},
	{0x20, STAGE_READY, STAGE_READY, "SOL ", 24, 0, 0, sol_open},
	{0x22, STAGE_OPEN, STAGE_OPEN, "SOL ", 8, 0, 0, sol_close},
	{0x24, STAGE_OPEN, STAGE_OPEN, "SOL ", 8, 0, 0, sol_ping},
	{0x27, STAGE_OPEN, STAGE_OPEN, "SOL ", 14, 0, 0, nothing},
	{0x28, STAGE_READY, STAGE_OPEN, "SOL ", 10, 8, 2, sol_echo},
	{0x2B, STAGE_OPEN, STAGE_OPEN, "SOL ", 8, 0, 0, nothing},
	{0x40, STAGE_READY, STAGE_READY, "IDER", 18, 0, 0, ider_open},
	{0x42, STAGE_OPEN, STAGE_OPEN, "IDER", 8, 0, 0, ider_close},
	{0x40, STAGE_READY, STAGE_READY, "KVMR", 8, 0, 0, kvm_open},
};

static const struct message *find_message(const struct redir *r, uint8_t type)
{
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		const struct message *m = &messages[i];
		if (m->type == type && r->stage >= m->first && r->stage <= m->last &&
			(!m->service || strcmp(m->service, r->service) == 0))
			return m;
	}
	return NULL;
}

/* Whole length of the message at the start of the input; 0 = not known yet. */
static size_t message_len(const struct redir *r, const struct message *m)
{
	if (r->in.len < m->len)
		return 0;
	size_t rest = 0;
	for (int i = m->len_n; i-- > 0;)
		rest = rest << 8 | r->in.data[m->len_at + i];
	return m->len + rest;
}

static void on_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct redir *r = arg;
	(void)c;
	r->heard = true;
	if (buf_add(&r->in, data, len) < 0) {
		finish(r, "message too long");
		return;
	}
	while (r->in.len > 0) {
		const struct message *m = find_message(r, r->in.data[0]);
		size_t n = m ? message_len(r, m) : 0;
		if (!m || n > IN_MAX) {
			finish(r, "unexpected message");
			return;
		}
		if (n == 0 || r->in.len < n)
			return;
		if (!m->fn(r, r->in.data, n))
			return;
		buf_consume(&r->in, n);
	}
}

/* ---- connection events ---------------------------------------------------------------------- */

static void on_opened(struct conn *c, void *arg)
{
	(void)c, (void)arg;
}

static void on_closed(struct conn *c, const struct error *err, void *arg)
{
	(void)c;
	over(arg, err->code == 0 ? "peer closed" : err->text);
}

static int on_ssl(SSL *ssl, void *arg)
{
	struct redir *r = arg;
	r->side = (struct tls_side){.e = r->e, .d = r->d, .number = r->number};
	SSL_set_app_data(ssl, &r->side);
	return tlsd_setup(ssl, r->d);
}

void redir_accept(struct estate *e, struct device *d, int fd, const struct net_addr *peer, bool tls)
{
	static const struct conn_events events = {
		.opened = on_opened, .data = on_data, .closed = on_closed};
	struct redir *r = calloc(1, sizeof *r);
	if (!r) {
		close(fd);
		return;
	}
	*r = (struct redir){
		.e = e, .d = d, .number = ++e->session_counter, .next = e->redirections};
	if (r->next)
		r->next->prev = r;
	e->redirections = r;
	buf_init(&r->in, IN_MAX);
	boot_timer_init(&r->timer, e->loop, on_tick, r);
	boot_timer_set_in(&r->timer, IDLE_MS);
	struct conn_opts opts = {.addr = *peer,
		.tls = tls ? tlsd_context(e, d) : NULL,
		.out_max = OUT_MAX,
		.ssl_setup = on_ssl,
		.setup_arg = r};
	struct error err = {0};
	if (conn_accept(&r->c, e->loop, fd, &opts, &events, r, &err) < 0)
		over(r, err.text);
}
