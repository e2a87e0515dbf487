/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream over uv_poll and, with TLS, SSL_set_fd. See conn.h.
 *
 * Every way to the end passes conn_release(): poll handle closed, then the fd, then the timer,
 * whose close callback frees. So memory outlives all frames of the present turn, and callbacks may
 * close the connection under our feet: after each callback we ask c->over before touching more.
 */
#include "common/net/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/net/conn_tls.h"
#include "common/net/timer.h"
#include "common/net/tls.h"

#define READ_SIZE      16384 /* one TLS record */
#define READS_PER_TURN 4     /* keeps the loop fair to other connections */
#define DRAIN_READS    64    /* what a broken connection may still hold, 1 MiB */

struct conn {
	uv_poll_t poll;
	struct boot_timer
		timer; /* the phase's deadline; in OPEN: a failure to report, input held */
	int fd;
	SSL *ssl;
	const struct conn_events *events;
	void *arg;
	struct buf out;
	size_t out_sent; /* bytes at the front of out that are gone */
	enum conn_phase phase;
	uint32_t handshake_ms;
	int polled;       /* uv events asked for at present */
	int write_error;  /* first error of a write, reported in a later turn */
	unsigned handles; /* still to close before the memory goes */
	bool ssl_wants_write;
	bool ssl_holds_input; /* it reads ahead: no event of the socket tells of these bytes */
	bool paused, eof_seen, over;
	struct conn_failure failure;
	struct conn_stats stats;
	struct net_addr peer;
};

/* ---- the end ---- */

static void conn_unref(struct conn *c)
{
	if (--c->handles)
		return;
	buf_wipe(&c->out);
	free(c);
}

static void conn_poll_closed(uv_handle_t *h)
{
	conn_unref(h->data);
}

static void conn_timer_closed(struct boot_timer *t, void *arg)
{
	(void)t;
	conn_unref(arg);
}

static void conn_release(struct conn *c)
{
	c->over = true;
	uv_close((uv_handle_t *)&c->poll, conn_poll_closed);
	boot_timer_close(&c->timer, conn_timer_closed);
	SSL_free(c->ssl);
	c->ssl = NULL;
	close(c->fd);
	c->fd = -1;
}

/* Report the end and let go. During closed() the SSL object and the fd still exist. */
static void conn_end(struct conn *c, const struct error *err)
{
	c->over = true;
	c->events->closed(c, err, c->arg);
	conn_release(c);
}

static const char *phase_name(enum conn_phase phase)
{
	static const char *const names[] = {"connect to", "TLS handshake with", "connection to"};

	return names[phase];
}

static void conn_fail(struct conn *c, int code, const char *why)
{
	char peer[NET_ADDR_TEXT_MAX];
	struct error err = {0};

	c->failure.phase = c->phase;
	if (c->failure.alert >= 0)
		error_set(&err, code, "%s %s failed: %s (alert %d: %s)", phase_name(c->phase),
			net_addr_text(&c->peer, peer), why, c->failure.alert,
			SSL_alert_desc_string_long(c->failure.alert));
	else
		error_set(&err, code, "%s %s failed: %s", phase_name(c->phase),
			net_addr_text(&c->peer, peer), why);
	conn_end(c, &err);
}

static void conn_fail_errno(struct conn *c, int sys_errno)
{
	c->failure.sys_errno = sys_errno;
	c->failure.eof = sys_errno == ECONNRESET || sys_errno == EPIPE;
	conn_fail(c, -sys_errno, strerror(sys_errno));
}

/* The peer sends no more. */
static void conn_input_end(struct conn *c)
{
	struct error none = {0};

	c->failure.eof = true;
	c->failure.phase = c->phase;
	if (c->phase != CONN_PHASE_OPEN) {
		conn_fail(c, E_CLOSED, "peer closed");
		return;
	}
	c->eof_seen = true;
	if (c->events->eof)
		c->events->eof(c, c->arg);
	else
		conn_end(c, &none);
}

/* An SSL call failed for good. saved_errno is errno right after it. */
static void conn_fail_ssl(struct conn *c, int ssl_error, int saved_errno)
{
	char text[200];
	unsigned long first = ERR_peek_error();

	if (ssl_error == SSL_ERROR_ZERO_RETURN ||
		(ssl_error == SSL_ERROR_SYSCALL && !first && !saved_errno)) {
		ERR_clear_error();
		conn_input_end(c);
		return;
	}
	if (ssl_error == SSL_ERROR_SYSCALL && !first) {
		conn_fail_errno(c, saved_errno);
		return;
	}
	c->failure.ssl_reason = ERR_GET_REASON(first);
	tls_error_text(text, sizeof text);
	conn_fail(c, E_TLS, text);
}

/* ---- readiness ---- */

static void conn_ready(uv_poll_t *poll, int status, int events);

/* Ask for exactly the events that we can use now. */
static void conn_poll(struct conn *c)
{
	int want = 0;

	if (c->over)
		return;
	if (c->phase == CONN_PHASE_CONNECT) {
		want = UV_WRITABLE;
	} else if (c->phase == CONN_PHASE_HANDSHAKE) {
		want = c->ssl_wants_write ? UV_WRITABLE : UV_READABLE;
	} else {
		if (!c->paused && !c->eof_seen)
			want |= UV_READABLE;
		if ((c->out.len > c->out_sent || c->ssl_wants_write) && !c->write_error)
			want |= UV_WRITABLE;
	}
	if (want == c->polled)
		return;
	c->polled = want;
	if (want)
		uv_poll_start(&c->poll, want, conn_ready);
	else
		uv_poll_stop(&c->poll);
}

/* One write. @return bytes taken, 0 = later, -1 = failed (c->write_error and failure are set) */
static ssize_t conn_write_some(struct conn *c, const uint8_t *data, size_t len)
{
	if (!c->ssl) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n >= 0)
			return n;
		if (errno == EAGAIN || errno == EINTR)
			return 0;
		c->write_error = errno;
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	int n = SSL_write(c->ssl, data, len > INT32_MAX ? INT32_MAX : (int)len);
	int saved_errno = errno;

	if (n > 0)
		return n;
	int e = SSL_get_error(c->ssl, n);

	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return 0;
	c->failure.ssl_reason = ERR_GET_REASON(ERR_peek_error());
	ERR_clear_error();
	c->write_error = e == SSL_ERROR_SYSCALL && saved_errno ? saved_errno : EPIPE;
	return -1;
}

/* Hand out as much as goes. The error of a failed write is reported in a later turn, after what the
 * peer may have sent before it closed was read. */
static size_t conn_push(struct conn *c, const uint8_t *data, size_t len)
{
	size_t done = 0;

	while (done < len && !c->write_error) {
		ssize_t n = conn_write_some(c, data + done, len - done);

		if (n < 0)
			boot_timer_set_in(&c->timer, 0);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	c->stats.bytes_out += done;
	return done;
}

static void conn_flush(struct conn *c)
{
	if (c->out.len == c->out_sent)
		return;
	c->out_sent += conn_push(c, c->out.data + c->out_sent, c->out.len - c->out_sent);
	if (c->out_sent < c->out.len)
		return;
	c->out_sent = 0;
	buf_wipe(&c->out);
	if (c->events->drained)
		c->events->drained(c, c->arg);
}

/* One read. @return bytes, 0 = later, -1 = the connection is over or its input has ended */
static int conn_read_some(struct conn *c, uint8_t *buf)
{
	if (!c->ssl) {
		ssize_t n = recv(c->fd, buf, READ_SIZE, 0);

		if (n > 0)
			return (int)n;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n == 0)
			conn_input_end(c);
		else
			conn_fail_errno(c, errno);
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	int n = SSL_read(c->ssl, buf, READ_SIZE);
	int saved_errno = errno;

	c->ssl_wants_write = false;
	/* Part of a record may be there without a whole one: then the rest comes by the socket. */
	c->ssl_holds_input = n > 0 && SSL_has_pending(c->ssl);
	if (n > 0)
		return n;
	int e = SSL_get_error(c->ssl, n);

	c->ssl_wants_write = e == SSL_ERROR_WANT_WRITE;
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return 0;
	conn_fail_ssl(c, e, saved_errno);
	return -1;
}

/* One read, given to the owner. @return as conn_read_some() */
static int conn_read_once(struct conn *c)
{
	uint8_t buf[READ_SIZE];
	int n = conn_read_some(c, buf);

	if (n <= 0)
		return n;
	c->stats.bytes_in += (size_t)n;
	c->events->data(c, buf, (size_t)n, c->arg);
	return n;
}

/* At most n_reads, until nothing comes or the owner has enough. A short read ends the turn unless
 * TLS read ahead: most often the socket is empty, and if not, it stays readable. */
static void conn_read(struct conn *c, int n_reads, int short_read)
{
	while (n_reads-- > 0 && !c->over && !c->paused && !c->eof_seen) {
		int n = conn_read_once(c);

		if (n <= 0 || (n < short_read && !c->ssl_holds_input))
			return;
	}
}

/* What TLS holds when a turn ends waits for no socket event: the next turn reads it. */
static void conn_read_later(struct conn *c)
{
	if (c->ssl_holds_input && c->phase == CONN_PHASE_OPEN && !c->over && !c->paused &&
		!c->eof_seen)
		boot_timer_set_in(&c->timer, 0);
}

/* ---- phases ---- */

static void conn_opened(struct conn *c)
{
	c->phase = CONN_PHASE_OPEN;
	c->ssl_wants_write = false;
	c->ssl_holds_input = c->ssl && SSL_has_pending(c->ssl);
	boot_timer_stop(&c->timer);
	c->events->opened(c, c->arg);
	conn_poll(c);
	conn_read_later(c);
}

static void conn_handshake(struct conn *c)
{
	ERR_clear_error();
	errno = 0;
	int n = SSL_do_handshake(c->ssl);
	int saved_errno = errno;

	if (n == 1) {
		conn_opened(c);
		return;
	}
	int e = SSL_get_error(c->ssl, n);

	c->ssl_wants_write = e == SSL_ERROR_WANT_WRITE;
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		conn_poll(c);
	else
		conn_fail_ssl(c, e, saved_errno);
}

static int socket_error(int fd)
{
	int value = 0;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len) < 0 ? errno : value;
}

/* A refused SYN is ECONNREFUSED. ECONNRESET means that we were connected and reset before the first
 * look: the same as a reset in the handshake, which must not depend on our speed. */
static void conn_fail_connect(struct conn *c, int failed)
{
	if (failed == ECONNRESET && c->ssl)
		c->phase = CONN_PHASE_HANDSHAKE;
	conn_fail_errno(c, failed);
}

static void conn_connected(struct conn *c)
{
	int failed = socket_error(c->fd);

	if (failed) {
		conn_fail_connect(c, failed);
		return;
	}
	if (!c->ssl) {
		conn_opened(c);
		return;
	}
	c->phase = CONN_PHASE_HANDSHAKE;
	boot_timer_set_in(&c->timer, c->handshake_ms);
	conn_handshake(c);
}

/* status < 0 is how libuv tells EPOLLERR; it has stopped watching then. Reading tells the reason,
 * after whatever arrived before the error. */
static void conn_broken(struct conn *c)
{
	c->polled = 0;
	if (c->phase == CONN_PHASE_CONNECT) {
		int failed = socket_error(c->fd);

		conn_fail_connect(c, failed ? failed : EIO);
		return;
	}
	if (c->phase == CONN_PHASE_HANDSHAKE) {
		conn_handshake(c);
		return;
	}
	bool was_paused = c->paused;

	conn_read(c, DRAIN_READS, 1);
	if (c->over || (c->paused && !was_paused)) {
		conn_poll(c);
		return;
	}
	int failed = socket_error(c->fd);

	conn_fail_errno(c, failed ? failed : ECONNRESET);
}

static void conn_ready(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;

	if (c->over)
		return;
	if (status < 0) {
		conn_broken(c);
		return;
	}
	if (c->phase == CONN_PHASE_CONNECT) {
		conn_connected(c);
		return;
	}
	if (c->phase == CONN_PHASE_HANDSHAKE) {
		conn_handshake(c);
		return;
	}
	if ((events & UV_READABLE) || c->ssl_wants_write)
		conn_read(c, READS_PER_TURN, READ_SIZE);
	if (!c->over)
		conn_flush(c);
	conn_poll(c);
	conn_read_later(c);
}

static void conn_deadline(struct boot_timer *t, void *arg)
{
	struct conn *c = arg;

	(void)t;
	if (c->over)
		return;
	if (c->phase == CONN_PHASE_OPEN && !c->write_error) {
		conn_read(c, READS_PER_TURN, READ_SIZE);
		conn_poll(c);
		conn_read_later(c);
		return;
	}
	if (c->phase == CONN_PHASE_OPEN) {
		c->paused = false;
		conn_read(c, DRAIN_READS, 1);
		if (!c->over)
			conn_fail_errno(c, c->write_error);
		return;
	}
	c->failure.timed_out = true;
	c->failure.sys_errno = ETIMEDOUT;
	conn_fail(c, -ETIMEDOUT, "no progress before the deadline");
}

/* ---- making one ---- */

/* Common part of both makers. Takes fd over, also on failure. */
static int conn_new(struct conn **out, uv_loop_t *loop, int fd, const struct conn_opts *opts,
	bool server, const struct conn_events *events, void *arg, struct error *err)
{
	struct conn *c = calloc(1, sizeof *c);
	int rc = c ? 0 : error_set(err, -ENOMEM, "out of memory for a connection");

	if (c) {
		c->fd = fd;
		c->events = events;
		c->arg = arg;
		c->handshake_ms = opts->handshake_ms ? opts->handshake_ms : CONN_HANDSHAKE_MS;
		c->failure = (struct conn_failure){.alert = -1, .alert_sent = -1};
		c->peer = opts->addr;
		buf_init(&c->out, opts->out_max ? opts->out_max : CONN_OUT_MAX);
	}
	if (rc == 0 && opts->tls)
		rc = conn_tls_new(&c->ssl, fd, opts, server, &c->failure, err);
	if (rc == 0 && (rc = uv_poll_init(loop, &c->poll, fd)) < 0)
		error_set(err, rc, "cannot watch a socket: %s", uv_strerror(rc));
	if (rc < 0) {
		if (c)
			SSL_free(c->ssl);
		free(c);
		close(fd);
		return rc;
	}
	c->poll.data = c;
	boot_timer_init(&c->timer, loop, conn_deadline, c);
	c->handles = 2;
	*out = c;
	return 0;
}

static void set_nodelay(int fd)
{
	int one = 1;

	/* Fails on unix sockets, which have no Nagle. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int conn_open(struct conn **out, uv_loop_t *loop, const struct conn_opts *opts,
	const struct conn_events *events, void *arg, struct error *err)
{
	char text[NET_ADDR_TEXT_MAX];
	int rc = 0;
	int fd = socket(opts->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ENSURE(fd >= 0, err, -errno, "cannot make a socket: %s", strerror(errno));
	set_nodelay(fd);
	if ((opts->bind.len && bind(fd, &opts->bind.sa, opts->bind.len) < 0) ||
		(connect(fd, &opts->addr.sa, opts->addr.len) < 0 && errno != EINPROGRESS)) {
		rc = -errno;
		close(fd);
		return error_set(err, rc, "connect to %s failed: %s",
			net_addr_text(&opts->addr, text), strerror(-rc));
	}
	TRY(conn_new(out, loop, fd, opts, false, events, arg, err));
	(*out)->phase = CONN_PHASE_CONNECT;
	boot_timer_set_in(&(*out)->timer, opts->connect_ms ? opts->connect_ms : CONN_CONNECT_MS);
	conn_poll(*out);
	return 0;
}

int conn_accept(struct conn **out, uv_loop_t *loop, int fd, const struct conn_opts *opts,
	const struct conn_events *events, void *arg, struct error *err)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof ss;

	set_nodelay(fd);
	TRY(conn_new(out, loop, fd, opts, true, events, arg, err));
	if (!(*out)->peer.len && getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
		net_addr_set(&(*out)->peer, (struct sockaddr *)&ss, len);
	(*out)->phase = opts->tls ? CONN_PHASE_HANDSHAKE : CONN_PHASE_OPEN;
	if (opts->tls)
		boot_timer_set_in(&(*out)->timer, (*out)->handshake_ms);
	conn_poll(*out);
	return 0;
}

/* ---- use ---- */

int conn_write(struct conn *c, const void *data, size_t len)
{
	size_t done = 0;

	if (c->over || c->phase != CONN_PHASE_OPEN)
		return E_STATE;
	if (c->write_error)
		return 0; /* closed() is on its way and says why */
	if (len > c->out.max - (c->out.len - c->out_sent))
		return E_LIMIT;
	if (c->out_sent) {
		buf_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
	if (c->out.len == 0)
		done = conn_push(c, data, len);
	if (done < len && !c->write_error)
		TRY(buf_add(&c->out, (const uint8_t *)data + done, len - done));
	conn_poll(c);
	return 0;
}

size_t conn_pending(const struct conn *c)
{
	return c->out.len - c->out_sent;
}

void conn_pause(struct conn *c, bool paused)
{
	c->paused = paused;
	conn_poll(c);
	conn_read_later(c);
}

void conn_close(struct conn *c)
{
	if (!c || c->over)
		return;
	if (c->ssl && c->phase == CONN_PHASE_OPEN && !c->write_error && !conn_pending(c)) {
		ERR_clear_error();
		(void)SSL_shutdown(c->ssl);
		ERR_clear_error();
	}
	conn_release(c);
}

void conn_abort(struct conn *c)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (!c || c->over)
		return;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	conn_release(c);
}

SSL *conn_ssl(const struct conn *c)
{
	return c->ssl;
}

int conn_fd(const struct conn *c)
{
	return c->fd;
}

enum conn_phase conn_phase(const struct conn *c)
{
	return c->phase;
}

const struct net_addr *conn_peer(const struct conn *c)
{
	return &c->peer;
}

int conn_local(const struct conn *c, struct net_addr *out)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof ss;

	if (getsockname(c->fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	net_addr_set(out, (struct sockaddr *)&ss, len);
	return 0;
}

const struct conn_failure *conn_failure(const struct conn *c)
{
	return &c->failure;
}

const struct conn_stats *conn_stats(const struct conn *c)
{
	return &c->stats;
}
