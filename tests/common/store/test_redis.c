/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis client against a real server that is killed, frozen and restarted, over unix socket,
 * TCP and TLS, and against peers that are no Redis. Every command must be answered exactly once.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/secret.h"
#include "common/net/tls.h"
#include "common/store/redis.h"
#include "common/store/redis_url.h"
#include "tests/common/store/server.h"

#define WAIT_MS 30000
#define MANY    2000

struct client {
	uv_loop_t loop;
	struct redis *redis;
	int n_up, n_down, n_changed;
	int last_code;
	char last_text[ERROR_TEXT_MAX];
};

static void state_cb(struct redis *r, const struct redis_event *ev, void *arg)
{
	struct client *c = arg;
	(void)r;
	if (ev->up) {
		c->n_up++;
		c->n_changed += ev->changed;
		assert_int_equal(strlen(ev->run_id), REDIS_ID_LEN);
		assert_int_equal(strlen(ev->repl_id), REDIS_ID_LEN);
		assert_null(ev->why);
		return;
	}
	c->n_down++;
	assert_non_null(ev->why);
	assert_true(ev->retry_ms > 0);
	c->last_code = ev->why->code;
	snprintf(c->last_text, sizeof c->last_text, "%s", ev->why->text);
}

static void client_open(struct client *c, const struct redis_opts *opts)
{
	struct error err;
	memset(c, 0, sizeof *c);
	tls_init();
	uv_loop_init(&c->loop);
	if (redis_open(&c->redis, &c->loop, opts, state_cb, c, &err) < 0)
		fail_msg("%s", err.text);
}

static void client_close(struct client *c)
{
	redis_close(c->redis);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&c->loop), 0);
}

static void client_up(struct client *c)
{
	struct error err;
	if (redis_wait_up(c->redis, WAIT_MS, &err) < 0)
		fail_msg("%s", err.text);
}

/* Run the loop until *n reaches want. */
static void run_until(struct client *c, const int *n, int want)
{
	uint64_t end = clock_boot_ms() + WAIT_MS;
	bool never = false;
	while (*n < want) {
		if (clock_boot_ms() > end)
			fail_msg("%d instead of %d", *n, want);
		redis_wait(c->redis, &never, 10, NULL);
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

struct answers {
	int n, n_ok, n_timeout, n_closed, n_canceled, n_protocol;
	long long last; /* INCR answers must rise by one */
	bool in_order;
	int first_code;
};

static void answer_cb(const redisReply *reply, const struct error *err, void *arg)
{
	struct answers *a = arg;
	assert_int_equal(!reply, !!err);
	if (a->n++ == 0)
		a->first_code = err ? err->code : 0;
	if (reply) {
		a->n_ok++;
		a->in_order = a->in_order && reply->type == REDIS_REPLY_INTEGER &&
			      reply->integer == a->last + 1;
		a->last = reply->integer;
		return;
	}
	a->n_timeout += err->code == -ETIMEDOUT;
	a->n_closed += err->code == E_CLOSED;
	a->n_canceled += err->code == -ECANCELED;
	a->n_protocol += err->code == E_PROTOCOL;
}

static void incr(struct client *c, int n, struct answers *a)
{
	static const char *const argv[] = {"INCR", "counter"};
	for (int i = 0; i < n; i++)
		assert_int_equal(redis_command(c->redis, 2, argv, NULL, answer_cb, a, NULL), 0);
}

/* ---- tests with a server --------------------------------------------------------------------- */

static void test_pipeline_order_and_big_reply(void **state)
{
	struct server s;
	struct client c;
	struct answers a = {.in_order = true};
	(void)state;
	server_init(&s, "deploy/redis/fast.conf");
	server_start(&s);
	struct redis_opts opts = {.url = s.url, .client_name = "test"};
	client_open(&c, &opts);
	client_up(&c);
	incr(&c, MANY, &a);
	assert_int_equal(a.n, 0); /* never from inside redis_command() */
	run_until(&c, &a.n, MANY);
	assert_int_equal(a.n_ok, MANY);
	assert_true(a.in_order);

	const char *set[] = {"SETRANGE", "big", "8388607", "x"}, *get[] = {"GET", "big"};
	redisReply *reply = NULL;
	struct error err;
	assert_int_equal(redis_call(c.redis, 4, set, NULL, &reply, &err), 0);
	freeReplyObject(reply);
	assert_int_equal(redis_call(c.redis, 2, get, NULL, &reply, &err), 0);
	assert_int_equal(reply->len, 8388608);
	assert_int_equal(reply->str[8388607], 'x');
	freeReplyObject(reply);
	/* An error of Redis is an answer. */
	const char *bad[] = {"NOSUCH"};
	assert_int_equal(redis_call(c.redis, 1, bad, NULL, &reply, &err), 0);
	assert_int_equal(reply->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
	client_close(&c);
	server_stop(&s);
}

static void test_killed_and_restarted(void **state)
{
	struct server s;
	struct client c;
	struct answers a = {.in_order = true};
	struct error err;
	(void)state;
	server_init(&s, "deploy/redis/strict.conf");
	server_start(&s);
	struct redis_opts opts = {.url = s.url};
	client_open(&c, &opts);
	client_up(&c);
	incr(&c, MANY, &a);
	run_until(&c, &a.n, 1); /* in the middle */
	incr(&c, 500, &a);
	server_kill(&s);
	run_until(&c, &c.n_down, 1);
	assert_int_equal(a.n, MANY + 500);
	assert_int_equal(a.n_ok + a.n_closed, MANY + 500);
	assert_true(a.n_closed > 0 && a.in_order);
	assert_false(redis_is_up(c.redis));
	const char *ping[] = {"PING"};
	assert_int_equal(redis_command(c.redis, 1, ping, NULL, answer_cb, &a, &err), E_CLOSED);
	run_until(&c, &c.n_down, 3); /* it tries again, in vain */

	server_start(&s);
	client_up(&c);
	assert_int_equal(c.n_changed, 1);  /* SPEC: architecture D13.6 */
	assert_int_equal(a.n, MANY + 500); /* nothing was answered twice */
	struct answers b = {.in_order = false};
	incr(&c, 1, &b);
	run_until(&c, &b.n, 1);
	assert_true(b.last > a.last); /* strict: no acknowledged increment is lost */
	client_close(&c);
	server_stop(&s);
}

static void test_frozen_server_times_out(void **state)
{
	struct server s;
	struct client c;
	struct answers a = {0};
	(void)state;
	server_init(&s, "deploy/redis/fast.conf");
	server_start(&s);
	struct redis_opts opts = {.url = s.url, .command_ms = 200, .ping_ms = 100};
	client_open(&c, &opts);
	client_up(&c);
	kill(s.pid, SIGSTOP);
	incr(&c, 3, &a);
	run_until(&c, &c.n_down, 1);
	assert_int_equal(a.n, 3);
	assert_int_equal(a.first_code, -ETIMEDOUT);
	assert_int_equal(a.n_timeout, 1);
	assert_int_equal(a.n_closed, 2);
	assert_int_equal(c.last_code, -ETIMEDOUT);
	kill(s.pid, SIGCONT);
	client_up(&c);
	assert_int_equal(c.n_changed, 0); /* the same server */
	/* An idle client finds it out by PING. */
	int before = c.n_down;
	kill(s.pid, SIGSTOP);
	run_until(&c, &c.n_down, before + 1);
	kill(s.pid, SIGCONT);
	client_close(&c);
	server_stop(&s);
}

static void test_limit_and_close_with_outstanding(void **state)
{
	struct server s;
	struct client c;
	struct answers a = {0};
	struct error err;
	static const char *const argv[] = {"INCR", "counter"};
	(void)state;
	server_init(&s, "deploy/redis/fast.conf");
	server_start(&s);
	struct redis_opts opts = {.url = s.url, .pending_max = 10};
	client_open(&c, &opts);
	client_up(&c);
	incr(&c, 10, &a);
	assert_int_equal(redis_command(c.redis, 2, argv, NULL, answer_cb, &a, &err), E_LIMIT);
	assert_int_equal(redis_pending(c.redis), 10);
	client_close(&c);
	assert_int_equal(a.n, 10);
	assert_int_equal(a.n_canceled, 10);
	server_stop(&s);
}

static void close_inside_cb(const redisReply *reply, const struct error *err, void *arg)
{
	struct client *c = arg;
	if (reply && !err) {
		c->n_down++;
		redis_close(c->redis);
	}
}

static void test_close_inside_answer(void **state)
{
	struct server s;
	struct client c;
	struct answers a = {0};
	static const char *const argv[] = {"PING"};
	(void)state;
	server_init(&s, "deploy/redis/fast.conf");
	server_start(&s);
	struct redis_opts opts = {.url = s.url};
	client_open(&c, &opts);
	client_up(&c);
	assert_int_equal(redis_command(c.redis, 1, argv, NULL, close_inside_cb, &c, NULL), 0);
	incr(&c, 5, &a);
	uv_run(&c.loop, UV_RUN_DEFAULT); /* ends: nothing is left open */
	assert_int_equal(c.n_down, 1);
	assert_int_equal(a.n_canceled, 5);
	assert_int_equal(uv_loop_close(&c.loop), 0);
	server_stop(&s);
}

static void login(struct client *c, const char *url, const char *user, const char *password)
{
	struct secret secret = {0};
	secret_set(&secret, password, strlen(password));
	struct redis_opts opts = {.url = url, .user = user, .password = &secret};
	client_open(c, &opts);
	secret_free(&secret);
}

static void test_tcp_and_acl_user(void **state)
{
	struct server s;
	struct client c;
	char port[8], url[64];
	(void)state;
	server_init(&s, "deploy/redis/fast.conf");
	snprintf(port, sizeof port, "%u", server_free_port());
	const char *extra[] = {"--port", port, "--bind", "127.0.0.1", "--user", "ann", "on",
		">right", "~*", "+@all", "--user", "default", "off"};
	memcpy(s.extra, extra, sizeof extra);
	server_start(&s);
	snprintf(url, sizeof url, "redis://localhost:%s", port); /* by name: the resolver */
	login(&c, url, "ann", "right");
	client_up(&c);
	client_close(&c);

	login(&c, url, "ann", "wrong");
	run_until(&c, &c.n_down, 3);
	assert_int_equal(c.last_code, E_AUTH);
	assert_non_null(strstr(c.last_text, "\"ann\""));
	assert_null(strstr(c.last_text, "wrong "));
	assert_int_equal(c.n_up, 0);
	client_close(&c);

	struct redis_opts opts = {.url = url}; /* no login at all */
	client_open(&c, &opts);
	run_until(&c, &c.n_down, 1);
	assert_int_equal(c.last_code, E_AUTH);
	client_close(&c);
	server_stop(&s);
}

static void test_tls(void **state)
{
	struct server s;
	struct client c;
	char port[8], url[64], ca[96], cert[96], key[96], command[1024];
	(void)state;
	server_init(&s, "deploy/redis/fast.conf");
	snprintf(port, sizeof port, "%u", server_free_port());
	snprintf(ca, sizeof ca, "%s/ca.pem", s.dir);
	snprintf(cert, sizeof cert, "%s/srv.pem", s.dir);
	snprintf(key, sizeof key, "%s/srv.key", s.dir);
	snprintf(command, sizeof command,
		"cd %s && exec 2>/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -keyout "
		"ca.key "
		"-out ca.pem -subj /CN=test-ca -days 2 && openssl req -newkey rsa:2048 -nodes "
		"-keyout srv.key -out srv.csr -subj /CN=localhost && printf "
		"'subjectAltName=DNS:localhost' >ext && openssl x509 -req -in srv.csr -CA ca.pem "
		"-CAkey ca.key -CAcreateserial -days 2 -extfile ext -out srv.pem && openssl req "
		"-x509 -newkey rsa:2048 -nodes -keyout o.key -out other.pem -subj /CN=other -days "
		"2",
		s.dir);
	assert_int_equal(system(command), 0);
	const char *extra[] = {"--tls-port", port, "--bind", "127.0.0.1", "--tls-cert-file", cert,
		"--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"};
	memcpy(s.extra, extra, sizeof extra);
	server_start(&s);

	snprintf(url, sizeof url, "rediss://localhost:%s", port);
	struct redis_opts opts = {.url = url, .ca_file = ca};
	struct answers a = {.in_order = true};
	client_open(&c, &opts);
	client_up(&c);
	incr(&c, MANY, &a);
	run_until(&c, &a.n, MANY);
	assert_true(a.in_order && a.n_ok == MANY);
	client_close(&c);

	snprintf(ca, sizeof ca, "%s/other.pem", s.dir); /* another authority */
	client_open(&c, &opts);
	run_until(&c, &c.n_down, 2);
	assert_int_equal(c.last_code, E_TLS);
	client_close(&c);

	snprintf(ca, sizeof ca, "%s/ca.pem", s.dir); /* right authority, wrong name */
	snprintf(url, sizeof url, "rediss://127.0.0.1:%s", port);
	client_open(&c, &opts);
	run_until(&c, &c.n_down, 1);
	assert_int_equal(c.last_code, E_TLS);
	assert_int_equal(c.n_up, 0);
	client_close(&c);
	server_stop(&s);
}

/* ---- peers that are no Redis ----------------------------------------------------------------- */

struct peer {
	uv_tcp_t listener, client;
	const char *says; /* sent to everybody who connects; "" = silence */
	int n_accepted;
};

static void peer_connected_cb(uv_stream_t *listener, int status)
{
	struct peer *p = listener->data;
	assert_int_equal(status, 0);
	if (p->n_accepted++ > 0)
		return; /* one is enough; the others are never accepted */
	uv_tcp_init(listener->loop, &p->client);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&p->client), 0);
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)p->says, (unsigned)strlen(p->says));
	uv_try_write((uv_stream_t *)&p->client, &b, 1);
}

static uint16_t peer_open(struct peer *p, uv_loop_t *loop, const char *says)
{
	struct sockaddr_in addr;
	int len = sizeof addr;
	memset(p, 0, sizeof *p);
	p->says = says;
	uv_ip4_addr("127.0.0.1", 0, &addr);
	uv_tcp_init(loop, &p->listener);
	p->listener.data = p;
	uv_tcp_bind(&p->listener, (struct sockaddr *)&addr, 0);
	assert_int_equal(uv_listen((uv_stream_t *)&p->listener, 8, peer_connected_cb), 0);
	uv_tcp_getsockname(&p->listener, (struct sockaddr *)&addr, &len);
	return ntohs(addr.sin_port);
}

static void peer_case(const char *says, int want_code)
{
	struct client c = {0};
	struct peer p;
	char url[64];
	struct error err;
	tls_init();
	uv_loop_init(&c.loop);
	snprintf(url, sizeof url, "redis://127.0.0.1:%u", peer_open(&p, &c.loop, says));
	struct redis_opts opts = {.url = url, .command_ms = 150};
	assert_int_equal(redis_open(&c.redis, &c.loop, &opts, state_cb, &c, &err), 0);
	run_until(&c, &c.n_down, 1);
	assert_int_equal(c.last_code, want_code);
	assert_int_equal(c.n_up, 0);
	uv_close((uv_handle_t *)&p.listener, NULL);
	uv_close((uv_handle_t *)&p.client, NULL);
	client_close(&c);
}

static void test_strange_peers(void **state)
{
	(void)state;
	peer_case("", -ETIMEDOUT); /* black hole */
	peer_case("HTTP/1.1 400 Bad Request\r\n", E_PROTOCOL);
	peer_case("$-7\r\n", E_PROTOCOL);
	peer_case(":1\r\n", E_PROTOCOL); /* no text for INFO */
	peer_case("-ERR go away\r\n", E_REFUSED);
	peer_case("-NOAUTH Authentication required.\r\n", E_AUTH);
	peer_case("$10\r\nloading:1\n\r\n", E_STATE);
}

static void test_nobody_there(void **state)
{
	struct client c;
	char url[64];
	(void)state;
	snprintf(url, sizeof url, "redis://127.0.0.1:%u", server_free_port());
	struct redis_opts opts = {.url = url};
	client_open(&c, &opts);
	run_until(&c, &c.n_down, 3);
	assert_int_equal(c.last_code, -ECONNREFUSED);
	client_close(&c);
	struct redis_opts gone = {.url = "unix:///nonexistent/redis.sock"};
	client_open(&c, &gone);
	run_until(&c, &c.n_down, 2);
	assert_int_equal(c.last_code, -ENOENT);
	client_close(&c);
}

static void test_urls(void **state)
{
	static const struct {
		const char *url, *host;
		int port, rc;
	} cases[] = {
		{"unix:///run/redis.sock", "/run/redis.sock", 0, 0},
		{"redis://localhost", "localhost", 6379, 0},
		{"redis://10.1.2.3:7000", "10.1.2.3", 7000, 0},
		{"rediss://[2001:db8::1]:7001", "2001:db8::1", 7001, 0},
		{"redis://[::1]", "::1", 6379, 0},
		{"redis://user:pass@host", NULL, 0, E_CONFIG},
		{"redis://host:0", NULL, 0, E_CONFIG},
		{"redis://host:70000", NULL, 0, E_CONFIG},
		{"redis://host:12x", NULL, 0, E_CONFIG},
		{"redis://host:", NULL, 0, E_CONFIG},
		{"redis://[::1", NULL, 0, E_CONFIG},
		{"redis://", NULL, 0, E_CONFIG},
		{"http://host", NULL, 0, E_CONFIG},
		{"", NULL, 0, E_CONFIG},
		{NULL, NULL, 0, E_CONFIG},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct redis_url u;
		struct error err;
		assert_int_equal(redis_url_parse(&u, cases[i].url, &err), cases[i].rc);
		if (cases[i].rc < 0)
			continue;
		assert_string_equal(u.host, cases[i].host);
		assert_int_equal(u.port, cases[i].port);
		assert_int_equal(u.tls, strncmp(cases[i].url, "rediss", 6) == 0);
	}
}

int main(void)
{
	if (!server_available())
		return 77;
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_pipeline_order_and_big_reply),
		cmocka_unit_test(test_killed_and_restarted),
		cmocka_unit_test(test_frozen_server_times_out),
		cmocka_unit_test(test_limit_and_close_with_outstanding),
		cmocka_unit_test(test_close_inside_answer),
		cmocka_unit_test(test_tcp_and_acl_user),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_strange_peers),
		cmocka_unit_test(test_nobody_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
