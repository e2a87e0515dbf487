/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a connection: reading (until the message is complete and the socket is empty, or EOF),
 * waiting (for the verdict; the socket is not watched: a device that closed first changes nothing),
 * gone. Both states have one fixed time limit each, so each is a list ordered by deadline and one
 * timer looks at the heads: no timer per connection.
 *
 * SO_LINGER {1,0} is set on the listening socket and inherited: until it is cleared, every way that
 * this process may end, SIGKILL included, shows the device an RST. SPEC: ruling 9
 */
#include "listener/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/net/listen.h"
#include "common/net/proxy.h"
#include "listener/cidr.h"
#include "listener/counters.h"
#include "listener/limits.h"
#include "listener/recent.h"
#include "listener/uplink.h"
#include "proto/hello.h"

#define READ_MAX       (HELLO_MAX_LEN + 1) /* ruling 7: one byte more than any message */
#define TICK_MS        100                 /* fineness of the deadlines */
#define FD_RESERVE     64                  /* descriptors that are not connections */
#define DEFER_ACCEPT_S 5                   /* the kernel keeps silent connections so long */

/* Watches a socket for bytes; lives on its own until libuv has let go of it. */
struct waker {
	uv_poll_t poll;
	struct client *client;
};

struct client {
	TAILQ_ENTRY(client) link; /* in->reading or in->waiting */
	struct intake *in;
	struct waker *waker;        /* only while bytes are awaited */
	struct proxy_parser *proxy; /* only until the PROXY header is complete */
	struct source *hold;
	uint64_t deadline_ms;
	size_t raw_cap;
	int fd;
	bool waiting, complete, any_byte;
	struct hello_parser parser;
	struct hello_item item;
};

TAILQ_HEAD(client_list, client);

struct intake {
	uv_loop_t *loop;
	const struct conf *conf;
	struct uplink *uplink;
	struct recent *recent;
	struct limits *limits;
	struct acceptor *acceptors[CONF_ADDRESSES_MAX];
	uint32_t n_acceptors;
	struct cidr proxies[CONF_PROXIES_MAX];
	uint32_t n_proxies;
	struct client_list reading, waiting; /* by deadline */
	uint32_t n_clients, max_clients;
	uint16_t port;
	bool paused, draining;
	uv_timer_t *tick;
	intake_drained_fn drained;
	void *arg;
	uint8_t bytes[READ_MAX + PROXY_FIXED_LEN + PROXY_BODY_MAX];
};

/* ---- accepting or not ---------------------------------------------------------------------- */

static void update_pause(struct intake *in)
{
	bool pause = in->n_clients >= in->max_clients || !uplink_has_room(in->uplink);
	if (pause == in->paused || in->draining)
		return;
	in->paused = pause;
	for (uint32_t i = 0; i < in->n_acceptors; i++)
		acceptor_pause(in->acceptors[i], pause);
}

static void on_room(bool room, void *arg)
{
	(void)room; /* update_pause() asks itself */
	update_pause(arg);
}

/* ---- the end of a connection --------------------------------------------------------------- */

static void waker_free(uv_handle_t *handle)
{
	free(handle->data);
}

static void client_sleep(struct client *c)
{
	if (!c->waker)
		return;
	c->waker->client = NULL;
	uv_close((uv_handle_t *)&c->waker->poll, waker_free);
	c->waker = NULL;
}

static void client_free(struct client *c, enum counter why)
{
	struct intake *in = c->in;
	counters_add(why);
	client_sleep(c); /* the handle before the fd */
	uplink_cancel(in->uplink, &c->item);
	TAILQ_REMOVE(c->waiting ? &in->waiting : &in->reading, c, link);
	limits_leave(in->limits, c->hold);
	close(c->fd);
	free(c->proxy);
	free(c->item.raw);
	free(c);
	if (in->n_clients-- == in->max_clients)
		update_pause(in);
	if (in->draining && in->n_clients == 0)
		in->drained(in->arg);
}

/* The device sees RST: SO_LINGER {1,0} still stands. */
static void client_reject(struct client *c, enum counter why)
{
	client_free(c, why);
}

/* The device sees FIN. */
static void client_accept(struct client *c, enum counter why)
{
	const struct linger orderly = {.l_onoff = 0};
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &orderly, sizeof orderly);
	client_free(c, why);
}

/* ---- verdicts ------------------------------------------------------------------------------ */

static const struct {
	enum counter counter;
	bool accept;
} outcomes[] = {
	[MUSTER__V1__VERDICT_CODE__VERDICT_UNSPECIFIED] = {COUNT_BUSY, false},
	[MUSTER__V1__VERDICT_CODE__VERDICT_NEW] = {COUNT_NEW, true},
	[MUSTER__V1__VERDICT_CODE__VERDICT_DUP] = {COUNT_DUP, true},
	[MUSTER__V1__VERDICT_CODE__VERDICT_IGN] = {COUNT_IGN, true},
	[MUSTER__V1__VERDICT_CODE__VERDICT_DENY] = {COUNT_DENY, false},
	[MUSTER__V1__VERDICT_CODE__VERDICT_BUSY] = {COUNT_BUSY, false},
};

static void on_verdict(struct hello_item *item, Muster__V1__VerdictCode code, void *arg)
{
	struct intake *in = arg;
	struct client *c = (struct client *)((char *)item - offsetof(struct client, item));
	if ((size_t)code >= sizeof outcomes / sizeof outcomes[0])
		code = MUSTER__V1__VERDICT_CODE__VERDICT_UNSPECIFIED;
	if (outcomes[code].accept) {
		recent_add(in->recent, &item->uuid, &item->source, clock_boot_ms());
		client_accept(c, outcomes[code].counter);
	} else {
		client_reject(c, outcomes[code].counter);
	}
}

static const struct uplink_events uplink_events = {on_verdict, on_room};

/* ---- reading ------------------------------------------------------------------------------- */

static void set_address(struct hello_address *out, const struct net_addr *addr)
{
	size_t len;
	const uint8_t *bytes = net_addr_bytes(addr, &len);
	out->len = (uint8_t)len;
	memcpy(out->bytes, bytes, len);
}

/* The message is over: judge it, then remember, or ask a broker. */
static void client_end(struct client *c)
{
	struct intake *in = c->in;
	uint64_t now = clock_boot_ms();
	enum hello_code code = hello_parser_end(&c->parser);
	if (code != HELLO_DONE) {
		client_reject(c, c->any_byte ? COUNT_MALFORMED + code : COUNT_PORT_CHECK);
		return;
	}
	client_sleep(c);
	c->item.uuid = c->parser.uuid;
	c->item.received_ms = clock_wall_ms();
	if (recent_has(in->recent, &c->item.uuid, &c->item.source, now)) {
		client_accept(c, COUNT_CACHED);
		return;
	}
	TAILQ_REMOVE(&in->reading, c, link);
	TAILQ_INSERT_TAIL(&in->waiting, c, link);
	c->waiting = true;
	c->deadline_ms = now + in->conf->listener.verdict_timeout_ms;
	if (uplink_submit(in->uplink, &c->item) < 0)
		client_reject(c, COUNT_BUSY);
}

static int raw_add(struct client *c, const uint8_t *data, size_t len)
{
	size_t need = c->item.raw_len + len;
	if (need > c->raw_cap) {
		/* The first piece is nearly always the whole message: exactly its size. */
		size_t cap = c->raw_cap == 0 ? need : need * 2;
		cap = cap > HELLO_MAX_LEN ? HELLO_MAX_LEN : cap;
		uint8_t *grown = realloc(c->item.raw, cap);
		if (!grown)
			return -ENOMEM;
		c->item.raw = grown;
		c->raw_cap = cap;
	}
	memcpy(c->item.raw + c->item.raw_len, data, len);
	c->item.raw_len = need;
	return 0;
}

static bool client_limits(struct client *c, const struct net_addr *source)
{
	static const enum counter shed[] = {
		[LIMITS_SOURCE] = COUNT_SHED_SOURCE, [LIMITS_SUBNET] = COUNT_SHED_SUBNET};
	enum limits_answer answer = limits_enter(c->in->limits, source, clock_boot_ms(), &c->hold);
	if (answer == LIMITS_OK)
		return true;
	client_reject(c, shed[answer]);
	return false;
}

/* Bytes of the PROXY header. @return bytes used; -1: the client is gone */
static ssize_t client_proxy(struct client *c, const uint8_t *data, size_t len)
{
	struct proxy_header header;
	size_t used = 0;
	int rc = proxy_feed(c->proxy, data, len, &used, &header, NULL);
	if (rc < 0) {
		client_reject(c, COUNT_BAD_PROXY);
		return -1;
	}
	if (rc == 0)
		return (ssize_t)used;
	free(c->proxy);
	c->proxy = NULL;
	if (header.local) /* the balancer's own check: its address is exempt. SPEC: ruling 10 */
		return (ssize_t)used;
	set_address(&c->item.source, &header.source);
	set_address(&c->item.local, &header.dest);
	c->item.port = net_addr_port(&header.source);
	return client_limits(c, &header.source) ? (ssize_t)used : -1;
}

/* @return 0, or -1 when the client is gone */
static int client_bytes(struct client *c, const uint8_t *data, size_t len)
{
	if (c->proxy) {
		ssize_t used = client_proxy(c, data, len);
		if (used < 0)
			return -1;
		data += used;
		len -= (size_t)used;
	}
	if (len == 0)
		return 0;
	c->any_byte = true;
	enum hello_code code = hello_parser_feed(&c->parser, data, len, NULL);
	if (code != HELLO_MORE && code != HELLO_DONE) {
		client_reject(c, COUNT_MALFORMED + code);
		return -1;
	}
	c->complete = code == HELLO_DONE;
	if (raw_add(c, data, len) < 0) {
		client_reject(c, COUNT_SHED_MEMORY);
		return -1;
	}
	return 0;
}

static void client_read(struct client *c);

static void waker_cb(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events; /* recv() says what it was */
	struct waker *w = poll->data;
	if (w->client)
		client_read(w->client);
}

static void client_wait_for_bytes(struct client *c)
{
	if (c->waker)
		return;
	struct waker *w = calloc(1, sizeof *w);
	if (!w || uv_poll_init(c->in->loop, &w->poll, c->fd) < 0) {
		free(w);
		client_reject(c, COUNT_SHED_MEMORY);
		return;
	}
	w->client = c;
	w->poll.data = w;
	c->waker = w;
	uv_poll_start(&w->poll, UV_READABLE, waker_cb);
}

static void client_read(struct client *c)
{
	struct intake *in = c->in;
	for (;;) {
		ssize_t n = recv(c->fd, in->bytes, sizeof in->bytes, MSG_DONTWAIT);
		if (n > 0) {
			if (client_bytes(c, in->bytes, (size_t)n) < 0)
				return;
		} else if (n == 0 || (errno == EAGAIN && c->complete)) {
			client_end(c); /* SPEC: ruling 8 */
			return;
		} else if (errno == EAGAIN) {
			client_wait_for_bytes(c);
			return;
		} else if (errno != EINTR) {
			client_reject(c, COUNT_ABORTED);
			return;
		}
	}
}

/* ---- accepting ----------------------------------------------------------------------------- */

/* With the PROXY protocol on: every peer of proxy_addresses must speak it; without a list, all. */
static bool speaks_proxy(const struct intake *in, const struct net_addr *peer)
{
	if (!in->conf->listener.proxy_protocol)
		return false;
	for (uint32_t i = 0; i < in->n_proxies; i++)
		if (cidr_has(&in->proxies[i], peer))
			return true;
	return in->n_proxies == 0;
}

static void set_local(struct client *c)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	struct net_addr local;
	if (getsockname(c->fd, (struct sockaddr *)&sa, &len) != 0)
		return;
	net_addr_set(&local, (struct sockaddr *)&sa, len);
	set_address(&c->item.local, &local);
}

static void on_accept(int fd, const struct net_addr *peer, void *arg)
{
	struct intake *in = arg;
	bool proxied = speaks_proxy(in, peer);
	struct client *c = calloc(1, sizeof *c);
	counters_add(COUNT_ACCEPTED);
	if (!c || (proxied && !(c->proxy = malloc(sizeof *c->proxy)))) {
		counters_add(COUNT_SHED_MEMORY);
		free(c);
		close(fd);
		return;
	}
	c->in = in;
	c->fd = fd;
	c->deadline_ms = clock_boot_ms() + in->conf->listener.message_timeout_ms;
	c->item.port = net_addr_port(peer);
	set_address(&c->item.source, peer);
	set_local(c);
	hello_parser_init(&c->parser);
	TAILQ_INSERT_TAIL(&in->reading, c, link);
	if (++in->n_clients == in->max_clients)
		update_pause(in);
	if (c->proxy)
		proxy_init(c->proxy);
	else if (!client_limits(c, peer))
		return;
	client_read(c);
}

static void tick_cb(uv_timer_t *timer)
{
	struct intake *in = timer->data;
	uint64_t now = clock_boot_ms();
	for (struct client *c, *next = TAILQ_FIRST(&in->reading); (c = next);) {
		next = TAILQ_NEXT(c, link);
		if (c->deadline_ms > now)
			break;
		client_reject(c, COUNT_TIMEOUT);
	}
	for (struct client *c, *next = TAILQ_FIRST(&in->waiting); (c = next);) {
		next = TAILQ_NEXT(c, link);
		if (c->deadline_ms > now)
			break;
		client_reject(c, COUNT_NO_VERDICT);
	}
}

/* ---- life ---------------------------------------------------------------------------------- */

/* Descriptors decide how many connections there can be; ask for all we may have. */
static uint32_t connections_possible(uint32_t wanted)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return wanted;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= (rlim_t)wanted + FD_RESERVE)
		return wanted;
	uint32_t possible =
		(uint32_t)(limit.rlim_cur > FD_RESERVE ? limit.rlim_cur - FD_RESERVE : 1);
	LOG_WARN("listener.few_descriptors", KV_UINT("max_connections", wanted),
		KV_UINT("possible", possible));
	return possible;
}

static int open_address(struct intake *in, const char *text, struct error *err)
{
	struct listen_opts opts = {.reuse_port = true, .defer_s = DEFER_ACCEPT_S};
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct net_addr bound;
	TRY(net_addr_parse(&opts.addr, text, err));
	int fd = listen_socket(&opts, err);
	TRY(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
		int rc = error_set(err, -errno, "SO_LINGER on %s: %s", text, strerror(errno));
		close(fd);
		return rc;
	}
	if (in->n_acceptors == 0 && listen_address(fd, &bound) == 0)
		in->port = net_addr_port(&bound);
	TRY(acceptor_start(&in->acceptors[in->n_acceptors], in->loop, fd, on_accept, in, err));
	acceptor_pause(in->acceptors[in->n_acceptors++], true);
	return 0;
}

static int open_parts(struct intake *in, struct error *err)
{
	const struct conf_listener *c = &in->conf->listener;
	const struct limits_opts limits = {c->max_per_source, c->rate_per_subnet, c->rate_burst};
	in->max_clients = connections_possible(c->max_connections);
	in->recent = recent_new();
	in->limits = limits_new(&limits);
	in->tick = calloc(1, sizeof *in->tick);
	ENSURE(in->recent && in->limits && in->tick, err, -ENOMEM, "out of memory");
	uv_timer_init(in->loop, in->tick);
	in->tick->data = in;
	uv_timer_start(in->tick, tick_cb, TICK_MS, TICK_MS);
	for (; in->n_proxies < c->n_proxy_addresses; in->n_proxies++)
		TRY(cidr_parse(
			&in->proxies[in->n_proxies], c->proxy_addresses[in->n_proxies], err));
	TRY(uplink_open(&in->uplink, in->loop, in->conf, in->max_clients, &uplink_events, in, err));
	for (uint32_t i = 0; i < c->n_addresses; i++)
		TRY(open_address(in, c->addresses[i], err));
	return 0;
}

int intake_open(struct intake **out, uv_loop_t *loop, const struct conf *conf,
	intake_drained_fn drained, void *arg, struct error *err)
{
	struct intake *in = calloc(1, sizeof *in);
	ENSURE(in, err, -ENOMEM, "out of memory");
	in->loop = loop;
	in->conf = conf;
	in->drained = drained;
	in->arg = arg;
	in->paused = true; /* until a broker is there */
	TAILQ_INIT(&in->reading);
	TAILQ_INIT(&in->waiting);
	int rc = open_parts(in, err);
	if (rc < 0) {
		intake_close(in);
		return rc;
	}
	*out = in;
	return 0;
}

uint16_t intake_port(const struct intake *in)
{
	return in->port;
}

void intake_log(const struct intake *in)
{
	const struct uplink_stats *s = uplink_stats(in->uplink);
	uint64_t accept_failures = 0;
	for (uint32_t i = 0; i < in->n_acceptors; i++)
		accept_failures += acceptor_failures(in->acceptors[i]);
	counters_log();
	LOG_INFO("listener.uplink", KV_UINT("open", in->n_clients), KV_UINT("sent", s->sent),
		KV_UINT("batches", s->batches), KV_UINT("retransmitted", s->retransmitted),
		KV_UINT("stray_verdicts", s->stray_verdicts),
		KV_UINT("accept_failures", accept_failures), KV_BOOL("paused", in->paused));
}

static void close_acceptors(struct intake *in)
{
	for (uint32_t i = 0; i < in->n_acceptors; i++)
		acceptor_close(in->acceptors[i]);
	in->n_acceptors = 0;
}

void intake_drain(struct intake *in)
{
	if (in->draining)
		return;
	in->draining = true;
	close_acceptors(in);
	if (in->n_clients == 0)
		in->drained(in->arg);
}

static void handle_free(uv_handle_t *handle)
{
	free(handle);
}

void intake_close(struct intake *in)
{
	if (!in)
		return;
	in->draining = false; /* nobody waits for drained() any more */
	close_acceptors(in);
	for (struct client *c; (c = TAILQ_FIRST(&in->reading));)
		client_reject(c, COUNT_ABORTED);
	for (struct client *c; (c = TAILQ_FIRST(&in->waiting));)
		client_reject(c, COUNT_NO_VERDICT);
	if (in->tick)
		uv_close((uv_handle_t *)in->tick, handle_free);
	uplink_close(in->uplink);
	recent_free(in->recent);
	limits_free(in->limits);
	free(in);
}
