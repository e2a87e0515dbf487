/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 client for devices: one connection, one request in flight, keep-alive, no pipelining, no
 * redirects, no digest (the session keeps the digest state, since it outlives connections).
 *
 *   http_open -> ready() -> http_request -> head() body()* done() -> http_request -> ...
 *
 * The client is over when closed() is called (exactly once, last call) or when the owner calls
 * http_close(), after which no callback follows; in both cases its memory goes by itself at the end
 * of the turn. Every function may be called inside every callback. Callbacks never run inside
 * http_open() or http_request().
 *
 * Limits are refused by name: see the constants. SPEC: wsman.md 2
 */
#ifndef MUSTER_NET_HTTP_H
#define MUSTER_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/net/conn.h"

#define HTTP_OVERHEAD_MAX                                                                       \
	((size_t)64 << 10)                 /* answer bytes that are not body: status and header \
      lines, 1xx answers, chunk sizes and extensions, trailers, all together. D6 */
#define HTTP_BODY_MAX    ((size_t)1 << 20) /* body bytes of one answer. D6 */
#define HTTP_EXCHANGE_MS 30000             /* default wait for one answer; README ruling 13 */

struct http_client;

/* Head of an answer; valid during head() only. Texts are NULL when the header is absent. */
struct http_head {
	int status;                   /* 200..599 */
	const char *server;           /* Server: names the firmware version */
	const char *www_authenticate; /* WWW-Authenticate; the Digest one if there are several */
	const char *content_type;
	bool close; /* the connection ends with this answer */
};

struct http_events {
	/** Connected, TLS done. Decide on the certificate (conn_ssl(http_conn(h))) before the first
	 * request: nothing has been sent yet. SPEC: README ruling 34 */
	void (*ready)(struct http_client *h, void *arg);
	/** Optional: called inside http_request(), with the request complete, right before its
	 * bytes go out. Return < 0 and nothing is sent. SPEC: architecture D13.4 */
	int (*before_write)(struct http_client *h, void *arg);
	void (*head)(struct http_client *h, const struct http_head *head, void *arg);
	/** A piece of the body, cut anywhere, chunking removed; valid during the call only. */
	void (*body)(struct http_client *h, const uint8_t *data, size_t len, void *arg);
	/** The answer is complete. reusable: another http_request() may follow on this connection;
	 * else call http_close() and open a new one. */
	void (*done)(struct http_client *h, bool reusable, void *arg);
	/** The connection is over. err->code: 0 = the peer closed between exchanges; E_CLOSED = it
	 * closed while an answer was due (http_stage() says how far it was); -ETIMEDOUT; E_LIMIT;
	 * E_PARSE; E_PROTOCOL; other errors as conn.h. */
	void (*closed)(struct http_client *h, const struct error *err, void *arg);
};

struct http_req {
	const char *method;  /* NULL = "POST" */
	const char *path;    /* NULL = "/wsman" */
	const char *host;    /* value of Host */
	const char *headers; /* further complete lines, each ended by CR LF, or NULL. Content-Length
				is written here when there is a body or the method is POST */
	const void *body;
	size_t body_len;
	uint32_t timeout_ms; /* whole exchange; 0 = HTTP_EXCHANGE_MS */
};

/* How far the connection or the exchange is. */
enum http_stage {
	HTTP_STAGE_CONNECT, /* connecting, handshake */
	HTTP_STAGE_IDLE,    /* no request in flight */
	HTTP_STAGE_SENT,    /* request handed out, no byte of an answer yet */
	HTTP_STAGE_HEAD,    /* inside status line and headers */
	HTTP_STAGE_BODY,
};

/** Open the connection. @return 0 or the errors of conn_open() */
int http_open(struct http_client **out, uv_loop_t *loop, const struct conn_opts *opts,
	const struct http_events *events, void *arg, struct error *err);

/**
 * Send one request, head and body in one write. Nothing of req is kept.
 *
 * @return 0; E_STATE = not ready, busy, or the last answer ended the connection; E_CONFIG = a line
 *         break where none may be; E_LIMIT; -ENOMEM; or what before_write() returned (nothing was
 *         sent, the connection stays usable)
 */
int http_request(struct http_client *h, const struct http_req *req, struct error *err);

/** Close now, without callback. NULL and a second call do nothing. */
void http_close(struct http_client *h);

/** The stream below, for its SSL object, addresses and failure. Valid until closed() returns. */
struct conn *http_conn(const struct http_client *h);

enum http_stage http_stage(const struct http_client *h);

/** Requests handed out on this connection so far. */
unsigned http_n_requests(const struct http_client *h);

#endif
