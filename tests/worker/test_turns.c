/* SPDX-License-Identifier: Apache-2.0 */
/* A process makes only so many connections at a time; the next waits its turn, and gets it however
 * the one before it ended. SPEC: none, own limit (worker/device.h) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "common/net/listen.h"
#include "worker/device_int.h"

#define N 3

#define TICK_MS 5

static uv_loop_t loop;
static uv_timer_t tick;
static struct conf_worker conf;
static struct device_env env;
static struct device devices[N];
static int listener = -1;
static unsigned n_failed, n_closed;

static void on_failed(enum device_trouble trouble, const struct error *err, void *arg)
{
	(void)trouble, (void)err, (void)arg;
	n_failed++;
}

static void on_closed(void *arg)
{
	(void)arg;
	n_closed++;
}

/* The loop looks again this often, so that UV_RUN_ONCE returns after a timer too. */
static void on_tick(uv_timer_t *t)
{
	(void)t;
}

static const struct device_ops ops = {.failed = on_failed};

/* A listener that never answers a ClientHello. */
static void open_all(void)
{
	struct listen_opts lo = {0};
	struct error err = {0};
	struct net_addr at;
	assert_int_equal(net_addr_from_host(&lo.addr, "127.0.0.1", 0, &err), 0);
	listener = listen_socket(&lo, &err);
	assert_true(listener >= 0);
	assert_int_equal(listen_address(listener, &at), 0);
	conf.waits.connect_ms = conf.waits.handshake_ms = 60000;
	uv_loop_init(&loop);
	uv_timer_init(&loop, &tick);
	uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
	assert_int_equal(device_env_open(&env, &loop, &conf, &err), 0);
	env.opening_max = 1;
	for (unsigned i = 0; i < N; i++) {
		device_init(&devices[i], &env, &ops, NULL);
		devices[i].addr = at;
		device_set_role(&devices[i], DEVICE_ADMIN, TLS_PROFILE_V);
		device_connect(&devices[i]);
	}
}

static void run_until_opening(const struct device *d)
{
	while (!d->opening || !d->http)
		uv_run(&loop, UV_RUN_ONCE);
}

static void test_turns(void **state)
{
	(void)state;
	open_all();
	run_until_opening(&devices[0]);
	while (!devices[1].waits || !devices[2].waits)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(env.n_opening, 1);
	assert_null(devices[1].http);
	device_drop(&devices[0]); /* given up: the second's turn */
	run_until_opening(&devices[1]);
	assert_true(devices[2].waits);
	device_connect(&devices[0]); /* comes back: behind the third */
	while (!devices[0].waits)
		uv_run(&loop, UV_RUN_ONCE);
	struct error err = {.code = -ETIMEDOUT};
	device_fail(&devices[1], DEVICE_HANDSHAKE, &err);
	assert_int_equal(n_failed, 1);
	run_until_opening(&devices[2]);
	assert_true(devices[0].waits);
	device_drop(&devices[0]); /* one that waits leaves the list */
	assert_false(devices[0].waits);
	device_drop(&devices[2]);
	assert_int_equal(env.n_opening, 0);
	assert_true(TAILQ_EMPTY(&env.waiting));
	for (unsigned i = 0; i < N; i++)
		device_close(&devices[i], on_closed);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(n_closed, N);
	device_env_close(&env);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
