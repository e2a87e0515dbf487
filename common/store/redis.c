/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See redis.h; redis_wait.c has the calls that run the loop. One connection at a time goes through
 * these phases:
 *
 *   PAUSE --(timer)--> RESOLVE (names only) --> CONNECT --> GREET (AUTH, SETNAME, INFO) --> UP
 *     ^                    |                       |           |                            |
 *     +--------------------+-----------------------+-----------+----------------------------+
 *                                   redis_lost(): the only way back
 *
 * Commands wait for their replies in a ring, in the order of sending. Their bytes are collected in
 * `out` and written once per turn of the loop, by a prepare handle, just before the loop sleeps.
 * The one timer serves all phases: end of the pause, oldest command's deadline, next PING.
 */
#include "common/store/redis_int.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/net/addr.h"
#include "common/net/conn.h"
#include "common/net/tls.h"

#define GREETING_MAX 4 /* commands of our own that may stand in the ring besides the caller's */

static void redis_lost(struct redis *r, const struct error *why);
static void redis_connect(struct redis *r);
static void flush_cb(uv_prepare_t *h);

/* ---- memory ---------------------------------------------------------------------------------- */

static void redis_free(struct redis *r)
{
	if (r->reader)
		redisReaderFree(r->reader);
	buf_wipe(&r->out);
	secret_free(&r->password);
	SSL_CTX_free(r->tls);
	free(r->ring);
	free(r->user);
	free(r->client_name);
	free(r);
}

static void handle_gone(struct redis *r)
{
	if (--r->n_handles == 0)
		redis_free(r);
}

static void timer_closed_cb(struct boot_timer *t, void *arg)
{
	(void)t;
	handle_gone(arg);
}

static void handle_closed_cb(uv_handle_t *h)
{
	handle_gone(h->data);
}

/* ---- ring ------------------------------------------------------------------------------------ */

static struct pending pending_pop(struct redis *r)
{
	struct pending p = r->ring[r->head];
	r->head = (r->head + 1) % r->ring_max;
	r->n_pending--;
	return p;
}

/* Answer everything outstanding: the first with `first`, the rest with `rest`. New commands are
 * refused meanwhile, because the phase is not UP. */
static void pending_fail(struct redis *r, const struct error *first, const struct error *rest)
{
	const struct error *err = first;
	while (r->n_pending > 0) {
		struct pending p = pending_pop(r);
		if (p.fn)
			p.fn(NULL, err, p.arg);
		err = rest;
	}
}

static void timer_arm(struct redis *r)
{
	if (r->n_pending > 0)
		boot_timer_set(&r->timer, r->ring[r->head].deadline_ms);
	else if (r->phase == PHASE_UP)
		boot_timer_set(&r->timer, r->heard_ms + r->opts.ping_ms);
	else
		boot_timer_stop(&r->timer);
}

static int command_queue(struct redis *r, int argc, const char *const *argv, const size_t *argv_len,
	redis_reply_fn fn, void *arg, struct error *err)
{
	char *text = NULL;
	/* The formatter takes char ** but does not write. */
	int len = redisFormatCommandArgv(&text, argc, (const char **)(uintptr_t)argv, argv_len);
	ENSURE(len >= 0, err, -ENOMEM, "redis: out of memory");
	int rc = 0;
	if (r->out.len + conn_pending(r->conn) + (size_t)len > r->opts.out_max)
		rc = error_set(err, E_LIMIT, "redis: %zu bytes wait to be sent", r->opts.out_max);
	else if (buf_add(&r->out, text, (size_t)len) < 0)
		rc = error_set(err, -ENOMEM, "redis: out of memory");
	redisFreeCommand(text);
	TRY(rc);
	r->ring[(r->head + r->n_pending++) % r->ring_max] = (struct pending){
		.fn = fn, .arg = arg, .deadline_ms = clock_boot_ms() + r->opts.command_ms};
	if (r->n_pending == 1)
		timer_arm(r);
	if (!uv_is_active((uv_handle_t *)&r->flush))
		uv_prepare_start(&r->flush, flush_cb);
	return 0;
}

static void flush_cb(uv_prepare_t *h)
{
	struct redis *r = h->data;
	uv_prepare_stop(h);
	if (!r->conn || r->out.len == 0)
		return;
	int rc = conn_write(r->conn, r->out.data, r->out.len);
	r->out.len = 0;
	if (rc < 0) {
		struct error err;
		error_set(&err, rc, "redis: cannot send: %s", error_name(rc));
		redis_lost(r, &err);
	}
}

/* ---- greeting -------------------------------------------------------------------------------- */

/* The value of "name:value\r\n" in the answer of INFO, cut to out_len; "" when absent. */
static void info_value(const char *info, const char *name, char *out, size_t out_len)
{
	size_t name_len = strlen(name);
	out[0] = '\0';
	for (const char *line = info; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		const char *value = line + name_len + 1;
		size_t len = strcspn(value, "\r\n");
		len = len < out_len - 1 ? len : out_len - 1;
		memcpy(out, value, len);
		out[len] = '\0';
		return;
	}
}

static void redis_up(struct redis *r, const char *info)
{
	char run_id[REDIS_ID_LEN + 1], repl_id[REDIS_ID_LEN + 1], uptime[24];
	info_value(info, "run_id", run_id, sizeof run_id);
	info_value(info, "master_replid", repl_id, sizeof repl_id);
	info_value(info, "uptime_in_seconds", uptime, sizeof uptime);
	bool changed = r->run_id[0] &&
		       (strcmp(run_id, r->run_id) != 0 || strcmp(repl_id, r->repl_id) != 0);
	memcpy(r->run_id, run_id, sizeof run_id);
	memcpy(r->repl_id, repl_id, sizeof repl_id);
	r->phase = PHASE_UP;
	r->failures = 0;
	memset(&r->last_err, 0, sizeof r->last_err);
	struct redis_event ev = {.up = true,
		.changed = changed,
		.uptime_ms = strtoull(uptime, NULL, 10) * 1000,
		.run_id = r->run_id,
		.repl_id = r->repl_id};
	if (r->state)
		r->state(r, &ev, r->state_arg);
}

static void auth_cb(const redisReply *reply, const struct error *err, void *arg)
{
	struct redis *r = arg;
	if (!err && reply->type == REDIS_REPLY_ERROR && r->greet_err.code == 0)
		error_set(&r->greet_err, E_AUTH, "redis: login as \"%s\" refused: %.200s",
			r->user ? r->user : "default", reply->str);
}

static void info_cb(const redisReply *reply, const struct error *err, void *arg)
{
	struct redis *r = arg;
	if (err)
		return; /* redis_lost() is already at work */
	struct error *bad = &r->greet_err;
	char loading[4] = "";
	if (bad->code == 0 && reply->type == REDIS_REPLY_ERROR)
		error_set(bad, strncmp(reply->str, "NO", 2) == 0 ? E_AUTH : E_REFUSED,
			"redis: INFO refused: %.200s", reply->str);
	else if (bad->code == 0 && reply->type != REDIS_REPLY_STRING)
		error_set(bad, E_PROTOCOL, "redis: INFO was not answered with text");
	else if (bad->code == 0)
		info_value(reply->str, "loading", loading, sizeof loading);
	if (strcmp(loading, "1") == 0)
		error_set(bad, E_STATE, "redis: still loading its data");
	if (bad->code != 0) {
		struct error why = *bad;
		redis_lost(r, &why);
		return;
	}
	redis_up(r, reply->str);
}

static int greet_queue(struct redis *r, struct error *err)
{
	if (r->password.len > 0) {
		const char *argv[] = {
			"AUTH", r->user ? r->user : "default", secret_text(&r->password)};
		size_t len[] = {4, strlen(argv[1]), r->password.len};
		TRY(command_queue(r, 3, argv, len, auth_cb, r, err));
	}
	if (r->client_name) {
		const char *argv[] = {"CLIENT", "SETNAME", r->client_name};
		TRY(command_queue(r, 3, argv, NULL, NULL, NULL, err));
	}
	const char *info[] = {"INFO"};
	return command_queue(r, 1, info, NULL, info_cb, r, err);
}

/* ---- the connection -------------------------------------------------------------------------- */

static void opened_cb(struct conn *c, void *arg)
{
	struct redis *r = arg;
	(void)c;
	r->phase = PHASE_GREET;
	r->heard_ms = clock_boot_ms();
	memset(&r->greet_err, 0, sizeof r->greet_err);
	struct error err;
	if (greet_queue(r, &err) < 0)
		redis_lost(r, &err);
}

/* One reply to its command. */
static void reply_deliver(struct redis *r, redisReply *reply)
{
	struct pending p = pending_pop(r);
	r->keep_reply = false;
	if (p.fn)
		p.fn(reply, NULL, p.arg);
	if (!r->keep_reply)
		freeReplyObject(reply);
	r->keep_reply = false;
}

static void data_cb(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct redis *r = arg;
	struct error err;
	r->heard_ms = clock_boot_ms();
	int rc = redisReaderFeed(r->reader, (const char *)data, len);
	while (rc == REDIS_OK) {
		void *reply = NULL;
		rc = redisReaderGetReply(r->reader, &reply);
		if (rc == REDIS_OK && !reply) {
			timer_arm(r);
			return;
		}
		if (rc == REDIS_OK && r->n_pending == 0) {
			freeReplyObject(reply);
			error_set(&err, E_PROTOCOL, "redis: an answer that nobody asked for");
			redis_lost(r, &err);
			return;
		}
		if (rc == REDIS_OK)
			reply_deliver(r, reply);
		if (r->conn != c)
			return; /* closed or lost inside the callback */
	}
	error_set(&err, E_PROTOCOL, "redis: not the Redis protocol: %s", r->reader->errstr);
	redis_lost(r, &err);
}

static void closed_cb(struct conn *c, const struct error *why, void *arg)
{
	struct redis *r = arg;
	(void)c;
	r->conn = NULL; /* gone by itself */
	struct error err;
	if (why->code == 0)
		error_set(&err, E_CLOSED, "redis: the server closed the connection");
	else
		error_set(&err, why->code, "redis: %.280s", why->text);
	redis_lost(r, &err);
}

static const struct conn_events redis_events = {
	.opened = opened_cb, .data = data_cb, .closed = closed_cb};

static uint32_t backoff_next(struct redis *r)
{
	uint64_t top = r->opts.backoff_min_ms;
	for (uint32_t i = 0; i < r->failures && top < r->opts.backoff_max_ms; i++)
		top *= 2;
	if (top > r->opts.backoff_max_ms)
		top = r->opts.backoff_max_ms;
	uint32_t random = 0;
	RAND_bytes((unsigned char *)&random, sizeof random);
	r->failures++;
	return (uint32_t)(top / 2 + random % (top / 2 + 1)); /* half fixed, half jitter */
}

/* The connection is over or never was: answer what is outstanding, tell, try again later. */
static void redis_lost(struct redis *r, const struct error *why)
{
	if (r->phase == PHASE_CLOSED || r->phase == PHASE_PAUSE)
		return;
	struct error first = *why, rest = *why;
	if (why->code != E_PROTOCOL)
		rest.code = E_CLOSED;
	if (why->code != E_PROTOCOL && why->code != -ETIMEDOUT)
		first.code = E_CLOSED;
	r->phase = PHASE_PAUSE;
	conn_close(r->conn);
	r->conn = NULL;
	r->out.len = 0;
	uint32_t pause_ms = backoff_next(r);
	r->last_err = first.code == -ETIMEDOUT ? first : *why;
	boot_timer_set_in(&r->timer, pause_ms);
	pending_fail(r, &first, &rest);
	if (r->phase == PHASE_CLOSED || !r->state)
		return;
	struct redis_event ev = {.why = &r->last_err, .retry_ms = pause_ms};
	r->state(r, &ev, r->state_arg);
}

static void connect_to(struct redis *r, const struct net_addr *addr)
{
	struct error err;
	struct conn_opts opts = {.addr = *addr,
		.tls = r->tls,
		.sni = r->tls ? r->url.host : NULL,
		.verify_name = r->tls ? r->url.host : NULL,
		.connect_ms = r->opts.connect_ms,
		.handshake_ms = r->opts.connect_ms,
		/* The bound is ours (redis.h); this one only has to be larger. */
		.out_max = 2 * r->opts.out_max};
	r->phase = PHASE_CONNECT;
	redisReaderFree(r->reader);
	r->reader = redisReaderCreate();
	if (!r->reader) {
		error_set(&err, -ENOMEM, "redis: out of memory");
		redis_lost(r, &err);
	} else if (conn_open(&r->conn, r->loop, &opts, &redis_events, r, &err) < 0) {
		r->conn = NULL;
		redis_lost(r, &err);
	}
}

static void resolved_cb(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct redis *r = req->data;
	r->resolving = false;
	struct net_addr addr = {0};
	if (r->phase == PHASE_RESOLVE && status == 0) {
		net_addr_set(&addr, found->ai_addr, found->ai_addrlen);
		net_addr_set_port(&addr, r->url.port);
		connect_to(r, &addr);
	} else if (r->phase == PHASE_RESOLVE) {
		struct error err;
		error_set(&err, -EHOSTUNREACH, "redis: cannot look up %.200s: %s", r->url.host,
			uv_strerror(status));
		redis_lost(r, &err);
	}
	uv_freeaddrinfo(found);
	handle_gone(r);
}

static void redis_connect(struct redis *r)
{
	struct net_addr addr = {0};
	struct error err;
	if (r->url.is_unix) {
		addr.un.sun_family = AF_UNIX;
		memcpy(addr.un.sun_path, r->url.host, strlen(r->url.host) + 1);
		addr.len = sizeof addr.un;
		connect_to(r, &addr);
		return;
	}
	if (net_addr_from_host(&addr, r->url.host, r->url.port, NULL) == 0) {
		connect_to(r, &addr);
		return;
	}
	r->phase = PHASE_RESOLVE;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	int rc = uv_getaddrinfo(r->loop, &r->resolver, resolved_cb, r->url.host, NULL, &hints);
	if (rc < 0) {
		error_set(
			&err, rc, "redis: cannot look up %.200s: %s", r->url.host, uv_strerror(rc));
		redis_lost(r, &err);
		return;
	}
	r->resolving = true;
	r->n_handles++;
}

static void timer_cb(struct boot_timer *t, void *arg)
{
	struct redis *r = arg;
	struct error err;
	uint64_t now = clock_boot_ms();
	(void)t;
	if (r->phase == PHASE_PAUSE) {
		redis_connect(r);
	} else if (r->n_pending > 0 && now >= r->ring[r->head].deadline_ms) {
		error_set(&err, -ETIMEDOUT, "redis: no answer for %u ms", r->opts.command_ms);
		redis_lost(r, &err);
	} else if (r->n_pending == 0 && r->phase == PHASE_UP &&
		   now >= r->heard_ms + r->opts.ping_ms) {
		const char *ping[] = {"PING"};
		if (command_queue(r, 1, ping, NULL, NULL, NULL, &err) < 0)
			redis_lost(r, &err);
	} else {
		timer_arm(r);
	}
}

/* ---- public ---------------------------------------------------------------------------------- */

static void opts_default(struct redis_opts *o)
{
	static const struct redis_opts defaults = {.connect_ms = 3000,
		.command_ms = 5000,
		.ping_ms = 1000,
		.backoff_min_ms = 50,
		.backoff_max_ms = 2000,
		.pending_max = 16384,
		.out_max = (size_t)64 << 20};
	o->connect_ms = o->connect_ms ? o->connect_ms : defaults.connect_ms;
	o->command_ms = o->command_ms ? o->command_ms : defaults.command_ms;
	o->ping_ms = o->ping_ms ? o->ping_ms : defaults.ping_ms;
	o->backoff_min_ms = o->backoff_min_ms ? o->backoff_min_ms : defaults.backoff_min_ms;
	o->backoff_max_ms = o->backoff_max_ms ? o->backoff_max_ms : defaults.backoff_max_ms;
	o->pending_max = o->pending_max ? o->pending_max : defaults.pending_max;
	o->out_max = o->out_max ? o->out_max : defaults.out_max;
}

static char *dup_or_null(const char *s)
{
	return s && *s ? strdup(s) : NULL;
}

static int redis_init(struct redis *r, const struct redis_opts *opts, struct error *err)
{
	TRY(redis_url_parse(&r->url, opts->url, err));
	ENSURE(!r->url.is_unix || strlen(r->url.host) < sizeof((struct sockaddr_un *)0)->sun_path,
		err, E_CONFIG, "redis.url: the path of the socket is too long: %.200s",
		r->url.host);
	if (r->url.tls)
		TRY(tls_ctx_client_strict(
			&r->tls, opts->ca_file && *opts->ca_file ? opts->ca_file : NULL, err));
	r->user = dup_or_null(opts->user);
	r->client_name = dup_or_null(opts->client_name);
	if (opts->password)
		ENSURE(secret_set(&r->password, opts->password->data, opts->password->len) == 0,
			err, -ENOMEM, "redis: out of memory");
	r->ring_max = r->opts.pending_max + GREETING_MAX;
	r->ring = calloc(r->ring_max, sizeof *r->ring);
	r->reader = redisReaderCreate();
	buf_init(&r->out, r->opts.out_max);
	ENSURE(r->ring && r->reader, err, -ENOMEM, "redis: out of memory");
	return 0;
}

int redis_open(struct redis **out, uv_loop_t *loop, const struct redis_opts *opts,
	redis_state_fn state, void *arg, struct error *err)
{
	struct redis *r = calloc(1, sizeof *r);
	ENSURE(r, err, -ENOMEM, "redis: out of memory");
	r->loop = loop;
	r->opts = *opts;
	opts_default(&r->opts);
	r->state = state;
	r->state_arg = arg;
	int rc = redis_init(r, opts, err);
	if (rc < 0) {
		redis_free(r);
		return rc;
	}
	boot_timer_init(&r->timer, loop, timer_cb, r);
	uv_prepare_init(loop, &r->flush);
	uv_timer_init(loop, &r->wait_timer);
	r->flush.data = r->wait_timer.data = r->resolver.data = r;
	r->n_handles = 3;
	r->phase = PHASE_PAUSE; /* callbacks come from the loop only, so begin there */
	boot_timer_set_in(&r->timer, 0);
	*out = r;
	return 0;
}

void redis_close(struct redis *r)
{
	if (!r || r->phase == PHASE_CLOSED)
		return;
	r->phase = PHASE_CLOSED;
	conn_close(r->conn);
	r->conn = NULL;
	struct error err;
	error_set(&err, -ECANCELED, "redis: client closed");
	pending_fail(r, &err, &err);
	if (r->resolving)
		uv_cancel((uv_req_t *)&r->resolver);
	boot_timer_close(&r->timer, timer_closed_cb);
	uv_close((uv_handle_t *)&r->flush, handle_closed_cb);
	uv_close((uv_handle_t *)&r->wait_timer, handle_closed_cb);
}

int redis_command(struct redis *r, int argc, const char *const *argv, const size_t *argv_len,
	redis_reply_fn fn, void *arg, struct error *err)
{
	if (r->phase != PHASE_UP)
		return error_set(err, E_CLOSED, "redis: not connected: %.280s",
			r->last_err.code ? r->last_err.text : "still connecting");
	ENSURE(r->n_pending < r->opts.pending_max, err, E_LIMIT, "redis: %zu commands wait",
		r->n_pending);
	return command_queue(r, argc, argv, argv_len, fn, arg, err);
}

bool redis_is_up(const struct redis *r)
{
	return r->phase == PHASE_UP;
}

size_t redis_pending(const struct redis *r)
{
	return r->n_pending;
}

uv_loop_t *redis_loop(const struct redis *r)
{
	return r->loop;
}
