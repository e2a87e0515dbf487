/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream: both ends in one loop, plain and TLS, over TCP and unix sockets; every way to fail in
 * every phase; closing inside callbacks; back-pressure.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/net/conn.h"
#include "common/net/listen.h"
#include "tests/common/net/net_test.h"

#define WAIT_MS 20000

enum when { NEVER, AT_OPENED, AT_DATA, AT_EOF };

struct end { /* one end of a connection */
	struct conn *conn;
	bool opened, over, drained, eof, got_want;
	enum when close_at;
	bool echo, pause_at_data;
	size_t in, want;
	int code;
	struct conn_failure failure;
	char text[ERROR_TEXT_MAX];
};

struct pair {
	uv_loop_t loop;
	struct acceptor *acceptor;
	struct net_addr addr;
	SSL_CTX *client_tls, *server_tls;
	struct end client, server;
	bool server_resets, accepted, half_open;
};

static void end_opened(struct conn *c, void *arg)
{
	struct end *e = arg;

	assert_false(e->opened);
	e->opened = true;
	if (e->close_at == AT_OPENED)
		conn_close(c);
}

static void end_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct end *e = arg;

	e->in += len;
	e->got_want = e->in >= e->want;
	if (e->echo)
		assert_int_equal(conn_write(c, data, len), 0);
	if (e->pause_at_data)
		conn_pause(c, true);
	if (e->close_at == AT_DATA) {
		conn_close(c);
		conn_close(c);
		e->close_at = NEVER;
		e->got_want = true;
		e->conn = NULL;
	}
}

static void end_drained(struct conn *c, void *arg)
{
	(void)c;
	((struct end *)arg)->drained = true;
}

static void end_eof(struct conn *c, void *arg)
{
	struct end *e = arg;

	assert_false(e->eof);
	e->eof = true;
	assert_int_equal(conn_write(c, "late", 4), 0);
	conn_close(c);
	e->conn = NULL;
}

static void end_closed(struct conn *c, const struct error *err, void *arg)
{
	struct end *e = arg;

	assert_false(e->over);
	e->over = true;
	e->code = err->code;
	e->failure = *conn_failure(c);
	memcpy(e->text, err->text, sizeof e->text);
	e->conn = NULL;
	conn_close(c); /* allowed and without effect */
}

static const struct conn_events events = {
	.opened = end_opened, .data = end_data, .drained = end_drained, .closed = end_closed};
static const struct conn_events half_events = {.opened = end_opened,
	.data = end_data,
	.drained = end_drained,
	.eof = end_eof,
	.closed = end_closed};

static void on_accept(int fd, const struct net_addr *peer, void *arg)
{
	struct pair *p = arg;
	struct conn_opts opts = {.addr = *peer, .tls = p->server_tls, .out_max = 1 << 26};

	p->accepted = true;
	if (p->server_resets) {
		struct linger reset = {1, 0};

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
		return;
	}
	assert_int_equal(conn_accept(&p->server.conn, &p->loop, fd, &opts,
				 p->half_open ? &half_events : &events, &p->server, NULL),
		0);
}

static void pair_init(struct pair *p, bool tls)
{
	memset(p, 0, sizeof *p);
	uv_loop_init(&p->loop);
	int fd = listen_any(&p->addr, 0);

	assert_int_equal(acceptor_start(&p->acceptor, &p->loop, fd, on_accept, p, NULL), 0);
	if (!tls)
		return;
	assert_int_equal(tls_ctx_server(&p->server_tls, test_identity(), NULL), 0);
	assert_int_equal(tls_ctx_new(&p->client_tls, TLS_PROFILE_M, NULL, NULL), 0);
}

static void pair_connect(struct pair *p)
{
	struct conn_opts opts = {.addr = p->addr,
		.tls = p->client_tls,
		.connect_ms = 400,
		.handshake_ms = 400,
		.out_max = 1 << 16};

	assert_int_equal(conn_open(&p->client.conn, &p->loop, &opts, &events, &p->client, NULL), 0);
}

static void pair_free(struct pair *p)
{
	conn_close(p->client.conn);
	conn_close(p->server.conn);
	acceptor_close(p->acceptor);
	loop_finish(&p->loop);
	SSL_CTX_free(p->client_tls);
	SSL_CTX_free(p->server_tls);
}

static void echo(bool tls)
{
	static uint8_t block[50000];
	struct pair p;

	pair_init(&p, tls);
	p.server.echo = true;
	pair_connect(&p);
	assert_int_equal(conn_write(p.client.conn, "x", 1), E_STATE);
	run_until(&p.loop, &p.client.opened, WAIT_MS);
	for (int i = 0; i < 20; i++) {
		p.client.want += sizeof block;
		p.client.got_want = false;
		assert_int_equal(conn_write(p.client.conn, block, sizeof block), 0);
		run_until(&p.loop, &p.client.got_want, WAIT_MS);
	}
	assert_int_equal(p.client.in, 20 * sizeof block);
	assert_int_equal(conn_stats(p.client.conn)->bytes_out, 20 * sizeof block);
	assert_int_equal(conn_stats(p.client.conn)->bytes_in, 20 * sizeof block);
	conn_close(p.client.conn);
	p.client.conn = NULL;
	run_until(&p.loop, &p.server.over, WAIT_MS);
	assert_int_equal(p.server.code, 0);
	assert_false(p.client.over);
	pair_free(&p);
}

static void echo_plain(void **state)
{
	(void)state;
	echo(false);
}

static void echo_tls(void **state)
{
	(void)state;
	echo(true);
}

static void echo_unix(void **state)
{
	char dir[] = "/tmp/net-test-XXXXXX", path[64];
	struct pair p;

	(void)state;
	pair_init(&p, false);
	acceptor_close(p.acceptor);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	struct listen_opts opts = {0};

	assert_int_equal(net_addr_parse(&opts.addr, path, NULL), 0);
	int stale = listen_socket(&opts, NULL);

	assert_true(stale >= 0);
	assert_int_equal(listen_socket(&opts, NULL), -EADDRINUSE); /* in use: not replaced */
	close(stale);
	int fd = listen_socket(&opts, NULL); /* left over: replaced */

	assert_true(fd >= 0);
	assert_int_equal(acceptor_start(&p.acceptor, &p.loop, fd, on_accept, &p, NULL), 0);
	p.addr = opts.addr;
	p.server.echo = true;
	p.client.want = 4;
	pair_connect(&p);
	run_until(&p.loop, &p.client.opened, WAIT_MS);
	assert_int_equal(conn_write(p.client.conn, "ping", 4), 0);
	run_until(&p.loop, &p.client.got_want, WAIT_MS);
	pair_free(&p);
	unlink(path);
	struct conn_opts gone = {.addr = opts.addr};
	struct conn *c;

	uv_loop_init(&p.loop);
	assert_int_equal(conn_open(&c, &p.loop, &gone, &events, &p.client, NULL), -ENOENT);
	loop_finish(&p.loop);
	rmdir(dir);
}

static void output_is_bounded(void **state)
{
	static uint8_t block[1 << 16];
	struct pair p;
	int rc = 0;

	(void)state;
	pair_init(&p, false);
	pair_connect(&p);
	run_until(&p.loop, &p.client.opened, WAIT_MS);
	run_until(&p.loop, &p.accepted, WAIT_MS);
	conn_pause(p.server.conn, true);
	assert_int_equal(conn_write(p.client.conn, block, sizeof block), 0);
	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = conn_write(p.client.conn, block, sizeof block / 2);
	assert_int_equal(rc, E_LIMIT);
	assert_true(conn_pending(p.client.conn) <= sizeof block);
	size_t before = p.server.in;

	uv_run(&p.loop, UV_RUN_NOWAIT);
	assert_int_equal(p.server.in, before); /* paused */
	conn_pause(p.server.conn, false);
	run_until(&p.loop, &p.client.drained, WAIT_MS);
	assert_int_equal(conn_pending(p.client.conn), 0);
	pair_free(&p);
}

/* Many records that one read() takes in: none may wait for a socket that has nothing more to say,
 * and a pause holds what TLS has already. */
static void records_read_ahead(void **state)
{
	enum { N = 20 };
	struct pair p;

	(void)state;
	pair_init(&p, true);
	p.server.pause_at_data = true;
	p.server.want = 1;
	pair_connect(&p);
	run_until(&p.loop, &p.client.opened, WAIT_MS);
	run_until(&p.loop, &p.server.opened, WAIT_MS);
	for (int i = 0; i < N; i++)
		assert_int_equal(conn_write(p.client.conn, "x", 1), 0);
	for (size_t got = 1; got <= N; got++) {
		p.server.want = got;
		p.server.got_want = false;
		conn_pause(p.server.conn, false);
		run_until(&p.loop, &p.server.got_want, WAIT_MS);
		uv_run(&p.loop, UV_RUN_NOWAIT);
		assert_int_equal(p.server.in, got);
	}
	p.server.pause_at_data = p.server.got_want = false;
	p.server.want = 2 * N;
	conn_pause(p.server.conn, false);
	for (int i = 0; i < N; i++)
		assert_int_equal(conn_write(p.client.conn, "x", 1), 0);
	conn_close(p.client.conn);
	p.client.conn = NULL;
	run_until(&p.loop, &p.server.over, WAIT_MS);
	assert_int_equal(p.server.in, 2 * N);
	assert_int_equal(p.server.code, 0);
	pair_free(&p);
}

static void close_inside_callbacks(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct pair p;

		pair_init(&p, tls);
		p.client.close_at = AT_OPENED;
		pair_connect(&p);
		run_until(&p.loop, &p.server.over, WAIT_MS);
		p.client.conn = NULL;
		assert_false(p.client.over);
		pair_free(&p);

		pair_init(&p, tls);
		p.server.close_at = AT_DATA;
		pair_connect(&p);
		run_until(&p.loop, &p.client.opened, WAIT_MS);
		assert_int_equal(conn_write(p.client.conn, "x", 1), 0);
		run_until(&p.loop, &p.client.over, WAIT_MS);
		assert_int_equal(p.client.code, 0);
		assert_false(p.server.over);
		pair_free(&p);
	}
}

static void half_open_server_still_writes(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, false);
	p.half_open = true;
	p.client.want = 4;
	pair_connect(&p);
	run_until(&p.loop, &p.client.opened, WAIT_MS);
	run_until(&p.loop, &p.accepted, WAIT_MS);
	assert_int_equal(shutdown(conn_fd(p.client.conn), SHUT_WR), 0);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_true(p.server.eof);
	assert_int_equal(p.client.in, 4);
	assert_int_equal(p.client.code, 0);
	assert_false(p.server.over);
	pair_free(&p);
}

static void connect_refused(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, false);
	acceptor_close(p.acceptor);
	p.acceptor = NULL;
	pair_connect(&p);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.code, -ECONNREFUSED);
	assert_int_equal(p.client.failure.phase, CONN_PHASE_CONNECT);
	assert_int_equal(p.client.failure.sys_errno, ECONNREFUSED);
	pair_free(&p);
}

/* Nobody accepts and the queue is full: the kernel drops our SYN, as a black hole would. */
static void connect_into_a_black_hole(void **state)
{
	struct pair p;
	int fill[3], fd;

	(void)state;
	pair_init(&p, false);
	acceptor_close(p.acceptor);
	p.acceptor = NULL;
	fd = listen_any(&p.addr, 1);
	for (int i = 0; i < 3; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], &p.addr.sa, p.addr.len);
	}
	uint64_t start_ms = clock_boot_ms();

	pair_connect(&p);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.code, -ETIMEDOUT);
	assert_true(p.client.failure.timed_out);
	assert_int_equal(p.client.failure.phase, CONN_PHASE_CONNECT);
	assert_true(clock_boot_ms() - start_ms >= 400);
	for (int i = 0; i < 3; i++)
		close(fill[i]);
	close(fd);
	pair_free(&p);
}

static void handshake_with_a_silent_server(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, true);
	acceptor_pause(p.acceptor, true); /* the kernel connects, nobody speaks */
	pair_connect(&p);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.code, -ETIMEDOUT);
	assert_int_equal(p.client.failure.phase, CONN_PHASE_HANDSHAKE);
	pair_free(&p);
}

/* A byte now and then is no progress: the deadline is for the whole handshake. */
static void drip(uv_timer_t *t)
{
	struct pair *p = t->data;

	if (p->server.conn)
		(void)conn_write(p->server.conn, "\x16\x03\x03\x40", 1);
}

static void handshake_with_a_slow_server(void **state)
{
	struct pair p;
	uv_timer_t timer;

	(void)state;
	pair_init(&p, true);
	SSL_CTX_free(p.server_tls);
	p.server_tls = NULL;
	uv_timer_init(&p.loop, &timer);
	timer.data = &p;
	uv_timer_start(&timer, drip, 150, 1000);
	pair_connect(&p);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.code, -ETIMEDOUT);
	assert_int_equal(p.client.failure.phase, CONN_PHASE_HANDSHAKE);
	uv_close((uv_handle_t *)&timer, NULL);
	pair_free(&p);
}

static void reset_in_the_handshake(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, true);
	p.server_resets = true;
	pair_connect(&p);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.code, -ECONNRESET);
	assert_true(p.client.failure.eof);
	assert_int_equal(p.client.failure.phase, CONN_PHASE_HANDSHAKE);
	pair_free(&p);
}

static void close_in_the_handshake(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, true);
	SSL_CTX_free(p.server_tls);
	p.server_tls = NULL;
	p.server.close_at = AT_DATA; /* takes the ClientHello and goes */
	pair_connect(&p);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.code, E_CLOSED);
	assert_true(p.client.failure.eof);
	assert_int_equal(p.client.failure.phase, CONN_PHASE_HANDSHAKE);
	pair_free(&p);
}

static void reset_when_open(void **state)
{
	(void)state;
	for (int paused = 0; paused < 2; paused++) {
		struct pair p;

		pair_init(&p, false);
		pair_connect(&p);
		run_until(&p.loop, &p.client.opened, WAIT_MS);
		run_until(&p.loop, &p.accepted, WAIT_MS);
		conn_pause(p.client.conn, paused);
		if (paused) /* something to send keeps the socket watched */
			assert_int_equal(conn_write(p.client.conn, "x", 1), 0);
		conn_abort(p.server.conn);
		p.server.conn = NULL;
		if (paused)
			conn_pause(p.client.conn, false);
		run_until(&p.loop, &p.client.over, WAIT_MS);
		assert_int_equal(p.client.code, -ECONNRESET);
		assert_int_equal(p.client.failure.phase, CONN_PHASE_OPEN);
		pair_free(&p);
	}
}

/* The answer that came before a reset of our sending side is still delivered. */
static void write_error_after_input(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, false);
	pair_connect(&p);
	run_until(&p.loop, &p.client.opened, WAIT_MS);
	run_until(&p.loop, &p.accepted, WAIT_MS);
	assert_int_equal(conn_write(p.server.conn, "answer", 6), 0);
	assert_int_equal(shutdown(conn_fd(p.client.conn), SHUT_WR), 0);
	assert_int_equal(conn_write(p.client.conn, "x", 1), 0); /* EPIPE, told later */
	assert_false(p.client.over);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.in, 6);
	pair_free(&p);
}

static void alerts_are_told(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, true);
	SSL_CTX_set_cipher_list(p.server_tls, "ECDHE-RSA-CHACHA20-POLY1305");
	pair_connect(&p);
	run_until(&p.loop, &p.client.over, WAIT_MS);
	assert_int_equal(p.client.code, E_TLS);
	assert_int_equal(p.client.failure.alert, 40);
	assert_non_null(strstr(p.client.text, "alert 40"));
	run_until(&p.loop, &p.server.over, WAIT_MS);
	assert_int_equal(p.server.failure.alert_sent, 40);
	pair_free(&p);
}

static void strict_client_verifies(void **state)
{
	static const struct {
		const char *name;
		bool trusted;
		int code;
	} rows[] = {{"test.example", true, 0}, {"other.example", true, E_TLS},
		{"127.0.0.1", true, E_TLS}, {"test.example", false, E_TLS}};
	char dir[] = "/tmp/net-test-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	test_identity_save(dir);
	snprintf(path, sizeof path, "%s/cert.pem", dir);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pair p;
		bool *flag;

		pair_init(&p, true);
		SSL_CTX_free(p.client_tls);
		assert_int_equal(
			tls_ctx_client_strict(&p.client_tls, rows[i].trusted ? path : NULL, NULL),
			0);
		struct conn_opts opts = {
			.addr = p.addr, .tls = p.client_tls, .verify_name = rows[i].name};

		assert_int_equal(
			conn_open(&p.client.conn, &p.loop, &opts, &events, &p.client, NULL), 0);
		flag = rows[i].code ? &p.client.over : &p.client.opened;
		run_until(&p.loop, flag, WAIT_MS);
		assert_int_equal(p.client.code, rows[i].code);
		pair_free(&p);
	}
	struct error err;
	SSL_CTX *ctx;

	assert_int_equal(tls_ctx_client_strict(&ctx, "/nonexistent.pem", &err), E_TLS);
	assert_non_null(strstr(err.text, "/nonexistent.pem"));
	snprintf(path, sizeof path, "%s/key.pem", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/cert.pem", dir);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_plain),
		cmocka_unit_test(echo_tls),
		cmocka_unit_test(echo_unix),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(records_read_ahead),
		cmocka_unit_test(close_inside_callbacks),
		cmocka_unit_test(half_open_server_still_writes),
		cmocka_unit_test(connect_refused),
		cmocka_unit_test(connect_into_a_black_hole),
		cmocka_unit_test(handshake_with_a_silent_server),
		cmocka_unit_test(handshake_with_a_slow_server),
		cmocka_unit_test(reset_in_the_handshake),
		cmocka_unit_test(close_in_the_handshake),
		cmocka_unit_test(reset_when_open),
		cmocka_unit_test(write_error_after_input),
		cmocka_unit_test(alerts_are_told),
		cmocka_unit_test(strict_client_verifies),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	test_identity_free();
	return rc;
}
