/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream: TCP or unix socket, plain or TLS, client or server. Everything in Muster that talks
 * over a stream goes through here (devices, Redis, the CA socket, the simulator), so that cipher
 * policy, deadlines and byte limits live in one place.
 *
 * Life of a connection:
 *
 *   conn_open    -> CONNECT -> (HANDSHAKE) -> OPEN -> over
 *   conn_accept  ->            (HANDSHAKE) -> OPEN -> over
 *
 * Each phase before OPEN has one deadline; in OPEN the owner keeps time. A connection is over in
 * one of two ways, and in both its memory goes away by itself at the end of the loop turn:
 *   - it fails or the peer ends it: closed() is called, exactly once, as the last call;
 *   - the owner calls conn_close(): no callback follows.
 * After closed() has returned, or after conn_close(), the pointer must be forgotten. Inside any
 * callback every function here may be called, conn_close() included.
 *
 * Callbacks never run inside conn_open(), conn_accept(), conn_write() or conn_close(): a failure
 * that shows there is reported by closed() in a later turn. Threads: that of the loop.
 */
#ifndef MUSTER_NET_CONN_H
#define MUSTER_NET_CONN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/net/addr.h"

#define CONN_CONNECT_MS   5000              /* default wait for connect; README ruling 13 */
#define CONN_HANDSHAKE_MS 15000             /* default wait for the handshake; README ruling 13 */
#define CONN_OUT_MAX      ((size_t)1 << 20) /* default bound of unsent output, bytes */

struct conn;

struct conn_events {
	/** Connected and, with TLS, handshake done: conn_write() works from here on. Not called for
	 * an accepted connection without TLS, which is open when conn_accept() returns. */
	void (*opened)(struct conn *c, void *arg);
	/** Bytes have come (len > 0); they are valid during the call only. */
	void (*data)(struct conn *c, const uint8_t *data, size_t len, void *arg);
	/** Optional: output that had to be buffered has gone to the kernel. */
	void (*drained)(struct conn *c, void *arg);
	/** Optional: the peer sends no more. With this callback the connection stays open for
	 * writing until conn_close(); without it the end of input is closed() with code 0. */
	void (*eof)(struct conn *c, void *arg);
	/** The connection is over, by itself. err->code: 0 = orderly end of input; -ETIMEDOUT = the
	 * phase's deadline; -errno = the network; E_TLS; E_CLOSED = ended during the handshake. */
	void (*closed)(struct conn *c, const struct error *err, void *arg);
};

struct conn_opts {
	struct net_addr addr; /* conn_open: where to; conn_accept: the peer if known, else empty */
	struct net_addr bind; /* conn_open: local address, optional */
	SSL_CTX *tls;         /* client or server context; NULL = plain. A reference is taken */
	const char *sni;      /* client: server name to send, or NULL. Copied */
	const char *verify_name; /* client with a verifying context: host name or address that the
				    certificate must carry, or NULL. Copied */
	uint32_t connect_ms;     /* 0 = CONN_CONNECT_MS */
	uint32_t handshake_ms;   /* 0 = CONN_HANDSHAKE_MS */
	size_t out_max;          /* 0 = CONN_OUT_MAX */
	/** Optional: called with the fresh SSL before the handshake begins (message callback, PSK).
	 * Return < 0 to fail the connection with E_TLS. SSL_set_app_data() is free for the owner.
	 */
	int (*ssl_setup)(SSL *ssl, void *setup_arg);
	void *setup_arg;
};

enum conn_phase { CONN_PHASE_CONNECT, CONN_PHASE_HANDSHAKE, CONN_PHASE_OPEN };

/* How a connection failed, for code that decides what to try next (tls.h: the ladder). */
struct conn_failure {
	enum conn_phase phase; /* phase in which it ended */
	int alert;             /* fatal TLS alert received, or -1 */
	int alert_sent;        /* fatal TLS alert that we sent, or -1 */
	int sys_errno;  /* errno of the network, or 0 (ETIMEDOUT for our own deadline, too) */
	int ssl_reason; /* SSL_R_* of the first OpenSSL error, or 0 */
	bool eof;       /* the peer closed or reset */
	bool timed_out; /* the phase's deadline passed */
};

struct conn_stats {
	uint64_t bytes_in;  /* application bytes given to data() */
	uint64_t bytes_out; /* application bytes taken by the kernel or TLS */
};

/**
 * Start to connect.
 *
 * @param out    the new connection; callbacks come in later turns
 * @param events must stay valid as long as the connection
 * @return 0; -errno when the kernel refuses at once (no such unix path, no route, no fd);
 *         E_TLS when the TLS object cannot be made. Nothing is left behind then.
 */
int conn_open(struct conn **out, uv_loop_t *loop, const struct conn_opts *opts,
	const struct conn_events *events, void *arg, struct error *err);

/**
 * Take over an accepted socket, as server. The fd belongs to the connection from here on, also when
 * this fails (it is closed then). opts.tls is a server context or NULL.
 *
 * @return 0; -errno; E_TLS
 */
int conn_accept(struct conn **out, uv_loop_t *loop, int fd, const struct conn_opts *opts,
	const struct conn_events *events, void *arg, struct error *err);

/**
 * Send bytes: at once as far as possible, the rest from a buffer as the peer takes it.
 *
 * @return 0 = all bytes are sent or kept; E_LIMIT = they do not fit out_max, nothing was taken;
 *         E_STATE = not open; -ENOMEM
 */
int conn_write(struct conn *c, const void *data, size_t len);

/** Bytes that wait to be sent. */
size_t conn_pending(const struct conn *c);

/** Stop (true) or continue (false) reading: back-pressure. The end of input is not seen while
 * paused, a broken connection is. */
void conn_pause(struct conn *c, bool paused);

/** End the connection now: close_notify is tried once, unsent output is dropped, no callback
 * follows, memory goes at the end of this turn. NULL and a second call do nothing. */
void conn_close(struct conn *c);

/** As conn_close(), but with RST instead of FIN. */
void conn_abort(struct conn *c);

/** The TLS object, or NULL. */
SSL *conn_ssl(const struct conn *c);

/** The socket; -1 when over. Do not close it. */
int conn_fd(const struct conn *c);

enum conn_phase conn_phase(const struct conn *c);

/** The other end. */
const struct net_addr *conn_peer(const struct conn *c);

/** Our end, as the kernel says. @return 0 or -errno */
int conn_local(const struct conn *c, struct net_addr *out);

/** How it failed; meaningful inside closed(). */
const struct conn_failure *conn_failure(const struct conn *c);

const struct conn_stats *conn_stats(const struct conn *c);

#endif
