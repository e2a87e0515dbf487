/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ca/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/net/conn.h"
#include "common/net/listen.h"
#include "ctl/ca/authority.h"

#define FRAME_MAX    65536u                /* SPEC: README ruling 39 */
#define FRAME_HEAD   4u                    /* u32 little-endian length */
#define IN_MAX       (4u * FRAME_MAX)      /* pipelined requests that may wait unread */
#define CRL_EVERY_MS (24u * 3600u * 1000u) /* SPEC: ca.md 4.1: daily */

struct client {
	struct conn *conn;
	struct server *server;
	struct buf in, out;
	TAILQ_ENTRY(client) link;
};

struct server {
	struct authority *authority;
	uv_loop_t *loop;
	struct acceptor *acceptor;
	uv_check_t flush;
	uv_timer_t crl_timer;
	uv_signal_t sigterm, sigint;
	TAILQ_HEAD(, client) clients;
	struct error failure; /* why the loop was left */
};

static void client_free(struct client *c)
{
	TAILQ_REMOVE(&c->server->clients, c, link);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static void drop(struct client *c, const char *why)
{
	LOG_WARN("ca.client_dropped", KV_STR("why", why));
	conn_close(c->conn);
	client_free(c);
}

static uint32_t frame_length(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int queue_reply(struct client *c, const Muster__V1__CaReply *reply)
{
	uint32_t len = (uint32_t)muster__v1__ca_reply__get_packed_size(reply);
	uint8_t *room = buf_reserve(&c->out, FRAME_HEAD + len);
	if (!room)
		return E_LIMIT;
	for (size_t i = 0; i < FRAME_HEAD; i++)
		room[i] = (uint8_t)(len >> (8 * i));
	muster__v1__ca_reply__pack(reply, room + FRAME_HEAD);
	c->out.len += FRAME_HEAD + len;
	return 0;
}

static const char *op_name(Muster__V1__CaOp op)
{
	const ProtobufCEnumValue *v =
		protobuf_c_enum_descriptor_get_value(&muster__v1__ca_op__descriptor, (int)op);
	return v ? v->name : "unknown";
}

static int answer_frame(struct client *c, const uint8_t *data, size_t len)
{
	Muster__V1__CaRequest *req = muster__v1__ca_request__unpack(NULL, len, data);
	if (!req)
		return E_PARSE;
	Muster__V1__CaReply reply = MUSTER__V1__CA_REPLY__INIT;
	authority_answer(c->server->authority, req, &reply);
	bool good = reply.status == MUSTER__V1__CA_STATUS__CA_ISSUED ||
		    reply.status == MUSTER__V1__CA_STATUS__CA_OK;
	if (good)
		LOG_DEBUG("ca.answer", KV_STR("op", op_name(req->op)),
			KV_STR("uuid", req->device_uuid), KV_STR("job", req->job));
	else
		LOG_WARN("ca.refused", KV_STR("op", op_name(req->op)),
			KV_STR("uuid", req->device_uuid), KV_STR("job", req->job),
			KV_STR("why", reply.text));
	int rc = queue_reply(c, &reply);
	authority_reply_clear(&reply);
	muster__v1__ca_request__free_unpacked(req, NULL);
	return rc;
}

static void on_data(struct conn *conn, const uint8_t *data, size_t len, void *arg)
{
	(void)conn;
	struct client *c = arg;
	if (buf_add(&c->in, data, len) < 0) {
		drop(c, "more unread requests than allowed");
		return;
	}
	size_t at = 0;
	while (c->in.len - at >= FRAME_HEAD) {
		uint32_t n = frame_length(c->in.data + at);
		if (n == 0 || n > FRAME_MAX) {
			drop(c, "frame length out of bounds");
			return;
		}
		if (c->in.len - at < FRAME_HEAD + n)
			break;
		if (answer_frame(c, c->in.data + at + FRAME_HEAD, n) < 0) {
			drop(c, "malformed request, or answers are not being read");
			return;
		}
		at += FRAME_HEAD + n;
	}
	buf_consume(&c->in, at);
}

static void on_closed(struct conn *conn, const struct error *err, void *arg)
{
	(void)conn;
	(void)err;
	client_free(arg);
}

static void leave(struct server *s, int code, const char *text)
{
	error_set(&s->failure, code, "%s", text);
	uv_stop(s->loop);
}

/* End of the turn: what was issued becomes durable, then the answers go out. */
static void on_flush(uv_check_t *handle)
{
	struct server *s = handle->data;
	struct error err = {0};
	struct client *c, *next;
	if (authority_sync(s->authority, &err) < 0) {
		leave(s, err.code, err.text);
		return;
	}
	for (c = TAILQ_FIRST(&s->clients); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!c->out.len)
			continue;
		if (conn_write(c->conn, c->out.data, c->out.len) < 0) {
			drop(c, "answers are not being read");
			continue;
		}
		c->out.len = 0;
	}
}

/* Whoever may ask must run as us, or as root. */
static bool peer_allowed(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == geteuid() || cred.uid == 0);
}

static void on_accept(int fd, const struct net_addr *peer, void *arg)
{
	static const struct conn_events events = {.data = on_data, .closed = on_closed};
	(void)peer;
	struct server *s = arg;
	struct error err = {0};
	struct client *c = peer_allowed(fd) ? calloc(1, sizeof *c) : NULL;
	if (!c) {
		LOG_WARN("ca.client_refused", KV_STR("why", "another user, or no memory"));
		close(fd);
		return;
	}
	c->server = s;
	buf_init(&c->in, IN_MAX);
	buf_init(&c->out, IN_MAX);
	TAILQ_INSERT_TAIL(&s->clients, c, link);
	if (conn_accept(&c->conn, s->loop, fd, &(struct conn_opts){.out_max = IN_MAX}, &events, c,
		    &err) < 0) {
		LOG_WARN("ca.client_refused", KV_STR("why", err.text));
		client_free(c);
	}
}

static void on_crl(uv_timer_t *timer)
{
	struct server *s = timer->data;
	struct error err = {0};
	if (authority_write_crl(s->authority, &err) < 0)
		LOG_ERROR("ca.crl_failed", KV_STR("why", err.text));
}

static void on_signal(uv_signal_t *handle, int signum)
{
	LOG_INFO("ca.stopping", KV_INT("signal", signum));
	uv_stop(handle->loop);
}

static int start(struct server *s, const char *socket_path, struct error *err)
{
	struct listen_opts opts = {0};
	TRY(net_addr_parse(&opts.addr, socket_path, err));
	int fd = listen_socket(&opts, err);
	TRY(fd);
	TRY(acceptor_start(&s->acceptor, s->loop, fd, on_accept, s, err));
	s->flush.data = s->crl_timer.data = s;
	uv_check_init(s->loop, &s->flush);
	uv_check_start(&s->flush, on_flush);
	uv_timer_init(s->loop, &s->crl_timer);
	uv_timer_start(&s->crl_timer, on_crl, CRL_EVERY_MS, CRL_EVERY_MS);
	uv_signal_init(s->loop, &s->sigterm);
	uv_signal_start(&s->sigterm, on_signal, SIGTERM);
	uv_signal_init(s->loop, &s->sigint);
	uv_signal_start(&s->sigint, on_signal, SIGINT);
	return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void stop(struct server *s)
{
	struct client *c;
	while ((c = TAILQ_FIRST(&s->clients))) {
		conn_close(c->conn);
		client_free(c);
	}
	acceptor_close(s->acceptor);
	uv_close((uv_handle_t *)&s->flush, NULL);
	uv_close((uv_handle_t *)&s->crl_timer, NULL);
	uv_close((uv_handle_t *)&s->sigterm, NULL);
	uv_close((uv_handle_t *)&s->sigint, NULL);
	uv_run(s->loop, UV_RUN_DEFAULT);
}

int ca_serve(struct authority *a, const char *socket_path, struct error *err)
{
	uv_loop_t loop;
	struct server s = {.authority = a, .loop = &loop};
	TAILQ_INIT(&s.clients);
	uv_loop_init(&loop);
	int rc = start(&s, socket_path, err);
	if (rc == 0) {
		LOG_INFO("ca.ready", KV_STR("socket", socket_path), KV_INT("pid", getpid()));
		uv_run(&loop, UV_RUN_DEFAULT);
		stop(&s);
		if (s.failure.code < 0) {
			*err = s.failure;
			rc = s.failure.code;
		}
		unlink(socket_path);
	} else {
		acceptor_close(s.acceptor);
		uv_walk(&loop, close_handle, NULL);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	uv_loop_close(&loop);
	return rc;
}
