/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections in one loop: each must open and answer; what a pair costs in heap is printed. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/err.h"
#include "common/net/conn.h"
#include "common/net/listen.h"
#include "tests/common/net/net_test.h"

#define WAIT_MS  20000
#define PING_LEN 4

struct member { /* one end of a connection */
	struct conn *conn;
	bool opened, answered, echo;
	size_t n_in;
};

struct crowd {
	uv_loop_t loop;
	SSL_CTX *server_tls;
	struct member *clients, *servers;
	int n_servers;
};

static void member_opened(struct conn *c, void *arg)
{
	(void)c;
	((struct member *)arg)->opened = true;
}

static void member_data(struct conn *c, const uint8_t *data, size_t len, void *arg)
{
	struct member *m = arg;

	m->n_in += len;
	m->answered = m->n_in == PING_LEN;
	if (m->echo)
		assert_int_equal(conn_write(c, data, len), 0);
}

static void member_closed(struct conn *c, const struct error *err, void *arg)
{
	(void)c;
	(void)arg;
	fail_msg("a connection ended: %s", err->text);
}

static const struct conn_events crowd_events = {
	.opened = member_opened, .data = member_data, .closed = member_closed};

static void crowd_accept(int fd, const struct net_addr *peer, void *arg)
{
	struct crowd *w = arg;
	struct conn_opts opts = {.addr = *peer, .tls = w->server_tls, .handshake_ms = 60000};
	struct member *m = &w->servers[w->n_servers++];

	m->echo = true;
	assert_int_equal(conn_accept(&m->conn, &w->loop, fd, &opts, &crowd_events, m, NULL), 0);
}

static void crowd_wait(struct crowd *w, int n, size_t offset)
{
	for (int i = 0; i < n; i++)
		run_until(&w->loop, (bool *)((char *)&w->clients[i] + offset), WAIT_MS);
}

static void many(int n, bool tls, const char *name)
{
	struct crowd w = {0};
	struct conn_opts opts = {.connect_ms = 60000, .handshake_ms = 60000};
	struct acceptor *acceptor;

	uv_loop_init(&w.loop);
	w.clients = calloc((size_t)n, sizeof *w.clients);
	w.servers = calloc((size_t)n, sizeof *w.servers);
	assert_non_null(w.clients);
	assert_non_null(w.servers);
	if (tls) {
		assert_int_equal(tls_ctx_server(&w.server_tls, test_identity(), NULL), 0);
		assert_int_equal(tls_ctx_new(&opts.tls, TLS_PROFILE_M, NULL, NULL), 0);
	}
	int fd = listen_any(&opts.addr, 0);

	assert_int_equal(acceptor_start(&acceptor, &w.loop, fd, crowd_accept, &w, NULL), 0);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;

	for (int i = 0; i < n; i++) {
		assert_int_equal(conn_open(&w.clients[i].conn, &w.loop, &opts, &crowd_events,
					 &w.clients[i], NULL),
			0);
		if (i % 64 == 0)
			uv_run(&w.loop, UV_RUN_NOWAIT);
	}
	crowd_wait(&w, n, offsetof(struct member, opened));
	for (int i = 0; i < n; i++)
		assert_int_equal(conn_write(w.clients[i].conn, "ping", PING_LEN), 0);
	crowd_wait(&w, n, offsetof(struct member, answered));
	size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;

	print_message("%d %s connections: %zu bytes of heap for each pair of ends\n", n, name,
		after > before ? (after - before) / (size_t)n : 0);
	for (int i = 0; i < n; i++) {
		conn_close(w.clients[i].conn);
		conn_close(w.servers[i].conn);
	}
	acceptor_close(acceptor);
	loop_finish(&w.loop);
	SSL_CTX_free(opts.tls);
	SSL_CTX_free(w.server_tls);
	free(w.clients);
	free(w.servers);
}

static void five_thousand_plain(void **state)
{
	(void)state;
	if (sysconf(_SC_OPEN_MAX) < 10100) {
		print_message("SKIP: needs 10100 descriptors, see ulimit -n\n");
		skip();
	}
	many(5000, false, "plain");
}

static void five_hundred_tls(void **state)
{
	(void)state;
	many(500, true, "TLS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_thousand_plain),
		cmocka_unit_test(five_hundred_tls),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	test_identity_free();
	return rc;
}
