/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authority's socket: the input is the stream of one client, in two pieces (first byte: where
 * to cut). The stream and the acceptor below ctl/ca/serve.c are replaced here (conn.o and listen.o
 * of the library are then not linked); the server, the frames and the CA behind them are real.
 * Every answer must be a whole frame with a known status.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/log.h"
#include "common/net/conn.h"
#include "common/net/listen.h"
#include "ctl/ca/authority.h"
#include "ctl/ca/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* ---- the stream and the acceptor that serve.c gets ---- */

struct conn {
	const struct conn_events *events;
	void *arg;
	bool open;
	int fd;
};

struct acceptor {
	uv_idle_t idle; /* drives the run: one stage per turn */
	accept_fn fn;
	void *arg;
	int stage;
};

static struct conn stream;
static struct acceptor acceptor;
static const uint8_t *pieces[2];
static size_t piece_len[2];

int conn_accept(struct conn **out, uv_loop_t *loop, int fd, const struct conn_opts *opts,
	const struct conn_events *events, void *arg, struct error *err)
{
	(void)loop, (void)opts, (void)err;
	stream = (struct conn){.events = events, .arg = arg, .open = true, .fd = fd};
	*out = &stream;
	return 0;
}

int conn_write(struct conn *c, const void *data, size_t len)
{
	const uint8_t *p = data;
	require(c->open && len > 0);
	while (len > 0) {
		require(len > 4);
		size_t n =
			(size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
		require(n <= len - 4);
		Muster__V1__CaReply *reply = muster__v1__ca_reply__unpack(NULL, n, p + 4);
		require(reply && reply->status != MUSTER__V1__CA_STATUS__CA_STATUS_UNSPECIFIED);
		muster__v1__ca_reply__free_unpacked(reply, NULL);
		p += 4 + n, len -= 4 + n;
	}
	return 0;
}

void conn_close(struct conn *c)
{
	if (c->open)
		close(c->fd);
	c->open = false;
}

int listen_socket(const struct listen_opts *opts, struct error *err)
{
	(void)opts, (void)err;
	return 0;
}

static void next_stage(uv_idle_t *idle)
{
	int stage = acceptor.stage++, pair[2];
	if (stage == 0) {
		require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
		close(pair[1]); /* the server asks the other only who its peer is */
		acceptor.fn(pair[0], &(struct net_addr){0}, acceptor.arg);
	} else if (stage <= 2 && stream.open && piece_len[stage - 1] > 0) {
		uint8_t *piece = malloc(piece_len[stage - 1]);
		require(piece != NULL);
		memcpy(piece, pieces[stage - 1], piece_len[stage - 1]);
		stream.events->data(&stream, piece, piece_len[stage - 1], stream.arg);
		free(piece);
	} else if (stage > 2) {
		uv_stop(idle->loop);
	}
}

int acceptor_start(
	struct acceptor **out, uv_loop_t *loop, int fd, accept_fn fn, void *arg, struct error *err)
{
	(void)fd, (void)err;
	acceptor = (struct acceptor){.fn = fn, .arg = arg};
	uv_idle_init(loop, &acceptor.idle);
	uv_idle_start(&acceptor.idle, next_stage);
	*out = &acceptor;
	return 0;
}

void acceptor_close(struct acceptor *a)
{
	uv_close((uv_handle_t *)&a->idle, NULL);
}

/* ---- the authority ---- */

static char folder[] = "/tmp/muster-fuzz-XXXXXX";
static struct authority *authority;

static void close_all(void)
{
	static const char *const files[] = {
		"root.pem", "root.key", "issuing.pem", "issuing.key", "ledger.jsonl", "crl.pem"};
	char path[64];
	authority_close(authority);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void open_all(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	require(mkdtemp(folder) != NULL && authority_create(folder, NULL) == 0);
	const struct authority_opts opts = {.dir = folder, .validity_days = 365};
	require(authority_open(&authority, &opts, NULL) == 0 && atexit(close_all) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = {0};

	if (!authority)
		open_all();
	if (size < 2)
		return 0;
	piece_len[0] = data[0] * (size - 1) / 256;
	piece_len[1] = size - 1 - piece_len[0];
	pieces[0] = data + 1;
	pieces[1] = data + 1 + piece_len[0];
	require(ca_serve(authority, "/nowhere/ca.sock", &err) == 0);
	require(!stream.open);
	return 0;
}
