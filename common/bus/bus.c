/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/bus/curve.h"
#include "common/bus/monitor.h"
#include "common/bus/zwatch.h"

/* Decoded form of one message: 256 KiB of bytes may describe very many empty sub-messages, and a
 * peer must not choose how much memory we use. Pages never touched cost nothing. */
#define DECODE_MAX (1024 * 1024)

#define ENDPOINT_MAX     256
#define SERVER_KEYS_MAX  2
#define ROUTER_BACKLOG   1024
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 2000

struct bus {
	uv_loop_t *loop;
	void *context;
	char id[BUS_ID_MAX + 1];
	bool curve;
	struct curve_pair pair;
	char server_keys[SERVER_KEYS_MAX][CURVE_TEXT_LEN + 1]; /* broker.pub, broker.pub.old */
	size_t n_server_keys;
	char *keys_dir;
	LIST_HEAD(, bus_socket) sockets;
};

struct bus_socket {
	struct bus *bus;
	void *socket;
	bool router, closed;
	char endpoint[ENDPOINT_MAX];
	size_t server_key; /* dealer: which of bus->server_keys */
	struct zwatch *watch;
	struct monitor *monitor;
	const struct bus_handler *handler;
	void *arg;
	struct bus_stats stats;
	ProtobufCAllocator allocator; /* bump allocator over decode */
	uint8_t *decode;
	size_t decode_used;
	LIST_ENTRY(bus_socket) next;
};

/* ---- decoding ------------------------------------------------------------------------------ */

static void *decode_alloc(void *arg, size_t size)
{
	struct bus_socket *s = arg;
	size = (size + 15) & ~(size_t)15;
	if (size > DECODE_MAX - s->decode_used)
		return NULL;
	void *p = s->decode + s->decode_used;
	s->decode_used += size;
	return p;
}

static void decode_free(void *arg, void *p)
{
	(void)arg, (void)p; /* all at once, when the next message comes */
}

static bool schema_acceptable(const Muster__V1__Envelope *e)
{
	return (e->schema >= BUS_SCHEMA_MIN && e->schema <= BUS_SCHEMA_MAX) ||
	       e->body_case == MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER ||
	       e->body_case == MUSTER__V1__ENVELOPE__BODY_WELCOME;
}

/* @param peer routing id (ROUTER), NULL on a DEALER */
static void bus_deliver(struct bus_socket *s, const char *peer, zmq_msg_t *msg)
{
	s->decode_used = 0;
	Muster__V1__Envelope *e =
		muster__v1__envelope__unpack(&s->allocator, zmq_msg_size(msg), zmq_msg_data(msg));
	if (!e || e->body_case == MUSTER__V1__ENVELOPE__BODY__NOT_SET ||
		(peer && strcmp(peer, e->sender) != 0)) {
		s->stats.malformed++;
		return;
	}
	if (!schema_acceptable(e)) {
		s->stats.wrong_schema++;
		return;
	}
	s->stats.received++;
	s->handler->message(s, peer ? peer : e->sender, e, s->arg);
}

/* Next frame of the message; -1 when there is none. */
static int frame_take(struct bus_socket *s, zmq_msg_t *msg)
{
	zmq_msg_init(msg);
	if (zmq_msg_recv(msg, s->socket, ZMQ_DONTWAIT) >= 0)
		return zmq_msg_more(msg);
	zmq_msg_close(msg);
	return -1;
}

static void frames_drop(struct bus_socket *s)
{
	zmq_msg_t msg;
	for (int more = 1; more > 0;) {
		more = frame_take(s, &msg);
		if (more >= 0)
			zmq_msg_close(&msg);
	}
}

static int bus_take(void *arg)
{
	struct bus_socket *s = arg;
	char id[BUS_ID_MAX + 1];
	const char *peer = NULL;
	zmq_msg_t msg;
	int more = frame_take(s, &msg);
	if (more < 0)
		return 0;
	bool ok = true;
	if (s->router) { /* the first frame is the routing id */
		size_t len = zmq_msg_size(&msg);
		ok = len > 0 && len <= BUS_ID_MAX && more && !memchr(zmq_msg_data(&msg), 0, len);
		if (ok) {
			memcpy(id, zmq_msg_data(&msg), len);
			id[len] = '\0';
			peer = id;
		}
		zmq_msg_close(&msg);
		if (!more) {
			s->stats.malformed++;
			return 1;
		}
		more = frame_take(s, &msg);
	}
	if (more > 0)
		frames_drop(s);
	if (ok && more == 0)
		bus_deliver(s, peer, &msg);
	else
		s->stats.malformed++;
	if (more >= 0)
		zmq_msg_close(&msg);
	return 1;
}

/* ---- sending ------------------------------------------------------------------------------- */

static int send_failed(struct bus_socket *s)
{
	int rc = -errno;
	if (rc == -EHOSTUNREACH)
		s->stats.unreachable++;
	else if (rc == -EAGAIN)
		s->stats.again++;
	return rc;
}

int bus_send(struct bus_socket *s, const char *peer, Muster__V1__Envelope *e)
{
	if (s->router && !peer)
		return -EINVAL;
	e->schema = BUS_SCHEMA_MAX;
	e->sender = s->bus->id;
	size_t len = muster__v1__envelope__get_packed_size(e);
	if (len > BUS_MESSAGE_MAX)
		return E_LIMIT;
	zmq_msg_t msg;
	if (zmq_msg_init_size(&msg, len) != 0)
		return -ENOMEM;
	muster__v1__envelope__pack(e, zmq_msg_data(&msg));
	/* With MANDATORY the routing frame is where an absent or full peer shows; once it is taken
	 * the second frame always goes. */
	if ((s->router &&
		    zmq_send(s->socket, peer, strlen(peer), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) ||
		zmq_msg_send(&msg, s->socket, ZMQ_DONTWAIT) < 0) {
		int rc = send_failed(s);
		zmq_msg_close(&msg);
		return rc;
	}
	s->stats.sent++;
	return 0;
}

int bus_register(struct bus_socket *s, Muster__V1__Role role, const char *version)
{
	Muster__V1__Register reg = MUSTER__V1__REGISTER__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	reg.role = role;
	reg.process_id = s->bus->id;
	reg.version = (char *)(uintptr_t)version;
	reg.schema_min = BUS_SCHEMA_MIN;
	reg.schema_max = BUS_SCHEMA_MAX;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER;
	e.register_peer = &reg;
	return bus_send(s, NULL, &e);
}

int bus_pong(struct bus_socket *s, const char *peer, uint64_t nonce)
{
	Muster__V1__Pong pong = MUSTER__V1__PONG__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	pong.nonce = nonce;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_PONG;
	e.pong = &pong;
	return bus_send(s, peer, &e);
}

/* ---- sockets ------------------------------------------------------------------------------- */

static int connect_dealer(struct bus_socket *s)
{
	const struct bus *bus = s->bus;
	if (bus->curve && zmq_setsockopt(s->socket, ZMQ_CURVE_SERVERKEY,
				  bus->server_keys[s->server_key], CURVE_TEXT_LEN) != 0)
		return -errno;
	return zmq_connect(s->socket, s->endpoint) == 0 ? 0 : -errno;
}

static void monitor_event(enum bus_event event, bool auth, const char *detail, void *arg)
{
	struct bus_socket *s = arg;
	if (event == BUS_REFUSED) {
		s->stats.handshakes_failed++;
		/* A broker key may be in the middle of its rotation: try the other one. */
		if (!s->router && !auth && s->bus->n_server_keys > 1) {
			s->server_key = (s->server_key + 1) % s->bus->n_server_keys;
			zmq_disconnect(s->socket, s->endpoint);
			connect_dealer(s);
		}
	}
	if (s->handler->event)
		s->handler->event(s, event, detail, s->arg);
}

static int set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value);
}

/* domain: of the keys that may come in; NULL for a dealer. SPEC: architecture D9 */
static int set_options(struct bus_socket *s, const char *domain, int hwm)
{
	const struct bus *bus = s->bus;
	const int64_t max = BUS_MESSAGE_MAX;
	void *z = s->socket;
	int bad = set_int(z, ZMQ_LINGER, BUS_LINGER_MS) ||
		  set_int(z, ZMQ_HEARTBEAT_IVL, BUS_HEARTBEAT_MS) ||
		  set_int(z, ZMQ_HEARTBEAT_TIMEOUT, BUS_SILENT_MS) ||
		  set_int(z, ZMQ_HEARTBEAT_TTL, BUS_SILENT_MS) || set_int(z, ZMQ_SNDHWM, hwm) ||
		  set_int(z, ZMQ_RCVHWM, hwm) || set_int(z, ZMQ_IMMEDIATE, 1) ||
		  set_int(z, ZMQ_IPV6, 1) || zmq_setsockopt(z, ZMQ_MAXMSGSIZE, &max, sizeof max);
	if (s->router)
		bad = bad || set_int(z, ZMQ_ROUTER_MANDATORY, 1) ||
		      set_int(z, ZMQ_ROUTER_HANDOVER, 1) || set_int(z, ZMQ_BACKLOG, ROUTER_BACKLOG);
	else
		bad = bad || zmq_setsockopt(z, ZMQ_ROUTING_ID, bus->id, strlen(bus->id)) ||
		      set_int(z, ZMQ_RECONNECT_IVL, RECONNECT_MS) ||
		      set_int(z, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
	if (bus->curve && !bad) {
		bad = zmq_setsockopt(
			      z, ZMQ_CURVE_PUBLICKEY, bus->pair.public_key, CURVE_TEXT_LEN) ||
		      zmq_setsockopt(z, ZMQ_CURVE_SECRETKEY, secret_text(&bus->pair.secret_key),
			      CURVE_TEXT_LEN);
		if (domain)
			bad = bad || set_int(z, ZMQ_CURVE_SERVER, 1) ||
			      zmq_setsockopt(z, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
	}
	return bad ? -errno : 0;
}

static int bind_router(struct bus_socket *s)
{
	/* A socket file is for our own user and group only. */
	mode_t old = umask(0117);
	int rc = zmq_bind(s->socket, s->endpoint) == 0 ? 0 : -errno;
	umask(old);
	size_t len = sizeof s->endpoint;
	if (rc == 0)
		zmq_getsockopt(s->socket, ZMQ_LAST_ENDPOINT, s->endpoint, &len);
	return rc;
}

static void socket_free(void *arg)
{
	struct bus_socket *s = arg;
	free(s->decode);
	free(s);
}

static int socket_open(struct bus_socket **out, struct bus *bus, bool router, const char *endpoint,
	const char *domain, int hwm, const struct bus_handler *handler, void *arg,
	struct error *err)
{
	ENSURE(strlen(endpoint) < ENDPOINT_MAX, err, E_CONFIG, "endpoint %.40s... is too long",
		endpoint);
	struct bus_socket *s = calloc(1, sizeof *s);
	ENSURE(s, err, -ENOMEM, "bus: out of memory");
	*s = (struct bus_socket){.bus = bus, .router = router, .handler = handler, .arg = arg};
	s->allocator = (ProtobufCAllocator){decode_alloc, decode_free, s};
	snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
	int rc = error_set(err, -ENOMEM, "bus: out of memory");
	s->decode = malloc(DECODE_MAX);
	s->socket = zmq_socket(bus->context, router ? ZMQ_ROUTER : ZMQ_DEALER);
	if (!s->decode || !s->socket)
		goto fail;
	rc = set_options(s, domain, hwm);
	/* The monitor comes first, so that no connection goes unseen. */
	if (rc == 0)
		rc = monitor_open(
			&s->monitor, bus->context, bus->loop, s->socket, monitor_event, s, err);
	if (rc == 0)
		rc = router ? bind_router(s) : connect_dealer(s);
	if (rc < 0) {
		error_set(err, rc, "bus: cannot %s %s: %s", router ? "bind" : "connect", endpoint,
			zmq_strerror(-rc));
		goto fail;
	}
	rc = zwatch_open(&s->watch, bus->loop, s->socket, bus_take, s, err);
	if (rc < 0)
		goto fail;
	LIST_INSERT_HEAD(&bus->sockets, s, next);
	*out = s;
	return 0;
fail:
	monitor_close(s->monitor);
	if (s->socket)
		zmq_close(s->socket);
	socket_free(s);
	return rc;
}

int bus_router(struct bus_socket **out, struct bus *bus, const char *endpoint, const char *domain,
	int hwm, const struct bus_handler *handler, void *arg, struct error *err)
{
	return socket_open(out, bus, true, endpoint, domain, hwm, handler, arg, err);
}

/* Once per bus, with the first dealer: a broker needs no public key of a broker. */
static int read_server_keys(struct bus *bus, struct error *err)
{
	if (!bus->curve || bus->n_server_keys > 0)
		return 0;
	char path[4096];
	snprintf(path, sizeof path, "%s/broker.pub", bus->keys_dir);
	TRY(curve_public_read(path, bus->server_keys[0], err));
	snprintf(path, sizeof path, "%s/broker.pub.old", bus->keys_dir);
	if (access(path, F_OK) == 0) {
		TRY(curve_public_read(path, bus->server_keys[1], err));
		bus->n_server_keys = 2;
		return 0;
	}
	bus->n_server_keys = 1;
	return 0;
}

int bus_dealer(struct bus_socket **out, struct bus *bus, const char *endpoint, int hwm,
	const struct bus_handler *handler, void *arg, struct error *err)
{
	TRY(read_server_keys(bus, err));
	return socket_open(out, bus, false, endpoint, NULL, hwm, handler, arg, err);
}

void bus_socket_close(struct bus_socket *s)
{
	if (!s || s->closed)
		return;
	s->closed = true;
	LIST_REMOVE(s, next);
	monitor_close(s->monitor);
	zwatch_close(s->watch, socket_free);
	zmq_close(s->socket);
}

void bus_pause(struct bus_socket *s, bool paused)
{
	zwatch_pause(s->watch, paused);
}

const char *bus_endpoint(const struct bus_socket *s)
{
	return s->endpoint;
}

const struct bus_stats *bus_stats(const struct bus_socket *s)
{
	return &s->stats;
}

/* ---- the bus ------------------------------------------------------------------------------- */

int bus_open(struct bus **out, uv_loop_t *loop, const char *role, const char *keys_dir,
	struct error *err)
{
	uint64_t number;
	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		return error_set(err, -errno, "no random numbers: %s", strerror(errno));
	struct bus *bus = calloc(1, sizeof *bus);
	ENSURE(bus, err, -ENOMEM, "bus: out of memory");
	bus->loop = loop;
	LIST_INIT(&bus->sockets);
	snprintf(bus->id, sizeof bus->id, "%s-%016" PRIx64, role, number);
	int rc = error_set(err, -ENOMEM, "bus: out of memory");
	if (keys_dir) {
		bus->curve = true;
		bus->keys_dir = strdup(keys_dir);
		if (!bus->keys_dir)
			goto fail;
		rc = curve_pair_read(&bus->pair, keys_dir, role, err);
		if (rc < 0)
			goto fail;
	}
	bus->context = zmq_ctx_new();
	if (!bus->context) {
		rc = error_set(err, -errno, "bus: no ZeroMQ context: %s", zmq_strerror(errno));
		goto fail;
	}
	*out = bus;
	return 0;
fail:
	curve_pair_free(&bus->pair);
	free(bus->keys_dir);
	free(bus);
	return rc;
}

const char *bus_id(const struct bus *bus)
{
	return bus->id;
}

void *bus_context(struct bus *bus)
{
	return bus->context;
}

uv_loop_t *bus_loop(const struct bus *bus)
{
	return bus->loop;
}

void bus_close(struct bus *bus)
{
	if (!bus)
		return;
	for (struct bus_socket *s; (s = LIST_FIRST(&bus->sockets));)
		bus_socket_close(s);
	zmq_ctx_term(bus->context);
	curve_pair_free(&bus->pair);
	free(bus->keys_dir);
	free(bus);
}
