/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP client and a scripted device in one loop, for tests. The device sends its bytes in
 * slices, one slice per turn; what the client reports is kept in struct site.
 */
#ifndef MUSTER_TESTS_NET_HTTP_SITE_H
#define MUSTER_TESTS_NET_HTTP_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/net/http.h"
#include "common/net/listen.h"

struct script {
	const char *bytes; /* what to answer */
	size_t len;
	size_t slice;    /* bytes per turn; 0 = random */
	bool then_close; /* FIN after the answer */
	bool then_reset;
	bool unasked;  /* answer without waiting for a request */
	size_t repeat; /* send the bytes again so many bytes more: endless answers */
	size_t repeat_from;
};

struct site {
	uv_loop_t loop;
	struct acceptor *acceptor;
	struct net_addr addr;
	uv_idle_t sender;
	struct script script;
	struct conn *device;
	size_t sent;
	bool sending, device_over;
	struct buf request;
	/* client side */
	struct http_client *http;
	bool ready, head_seen, done, reusable, over, close_in_head, close_in_body;
	int status, code, before_rc;
	bool head_close;
	char server[100], www[300], text[ERROR_TEXT_MAX];
	enum http_stage stage;
	struct buf body;
	size_t body_len;
};

/* A small POST, as site_post() sends it. */
extern const struct http_req site_request;

/* Script that sends the text in one piece. */
void script_text(struct script *t, const char *text);

/* Start the device, connect the client and wait until it is ready. */
void site_start(struct site *s, const struct script *script);

/* Send site_request; timeout_ms 0 = the default. Forgets what came before. */
void site_post(struct site *s, uint32_t timeout_ms);

/* Close both ends; fails on a leaked handle. */
void site_stop(struct site *s);

#endif
