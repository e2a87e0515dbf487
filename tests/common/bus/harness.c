/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/common/bus/harness.h"

#include <unistd.h>

#include "common/bus/curve.h"
#include "common/bus/zap.h"

uv_loop_t loop;
static uv_timer_t tick;

static void tick_cb(uv_timer_t *timer)
{
	(void)timer; /* wakes the loop so that a deadline is seen */
}

int loop_setup(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	uv_timer_init(&loop, &tick);
	uv_timer_start(&tick, tick_cb, 10, 10);
	return 0;
}

int loop_teardown(void **state)
{
	(void)state;
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop); /* EBUSY when a handle was forgotten */
}

static void send_ping(struct end *end)
{
	Muster__V1__Ping ping = MUSTER__V1__PING__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	ping.nonce = (uint64_t)end->to_send;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_PING;
	e.ping = &ping;
	assert_int_equal(bus_send(end->socket, NULL, &e), 0);
	end->to_send--;
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	struct end *end = arg;
	end->n_messages++;
	end->last_case = (int)e->body_case;
	end->last_schema = e->schema;
	snprintf(end->peer, sizeof end->peer, "%s", peer);
	if (e->body_case == MUSTER__V1__ENVELOPE__BODY_PING) {
		Muster__V1__Pong pong = MUSTER__V1__PONG__INIT;
		Muster__V1__Envelope out = MUSTER__V1__ENVELOPE__INIT;
		pong.nonce = e->ping->nonce;
		out.body_case = MUSTER__V1__ENVELOPE__BODY_PONG;
		out.pong = &pong;
		assert_int_equal(bus_send(s, peer, &out), 0);
	} else if (end->to_send > 0) {
		send_ping(end);
	}
}

static void on_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	(void)s;
	struct end *end = arg;
	*(event == BUS_UP ? &end->n_up : event == BUS_DOWN ? &end->n_down : &end->n_refused) += 1;
	if (event == BUS_REFUSED)
		snprintf(end->detail, sizeof end->detail, "%s", detail);
}

const struct bus_handler handler = {on_message, on_event};

void open_router(struct end *end, const char *endpoint, const char *keys_dir)
{
	struct error err = {.text = ""};
	if (!end->bus && bus_open(&end->bus, &loop, "broker", keys_dir, &err) != 0)
		fail_msg("%s", err.text);
	if (bus_router(&end->socket, end->bus, endpoint, "front", 4096, &handler, end, &err) != 0)
		fail_msg("%s", err.text);
}

void open_dealer(struct end *end, const char *role, const char *endpoint, const char *keys_dir)
{
	struct error err = {.text = ""};
	if (bus_open(&end->bus, &loop, role, keys_dir, &err) != 0 ||
		bus_dealer(&end->socket, end->bus, endpoint, 4096, &handler, end, &err) != 0)
		fail_msg("%s", err.text);
}

char *scratch_dir(void)
{
	static char dir[64];
	snprintf(dir, sizeof dir, "/tmp/muster-bus-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return dir;
}

void remove_dir(const char *dir)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

void make_keys(const char *dir)
{
	static const char *const roles[] = {"broker", "listener", "worker"};
	char path[256];
	struct error err;
	for (size_t i = 0; i < 3; i++) {
		struct curve_pair pair;
		assert_int_equal(curve_pair_new(&pair, &err), 0);
		assert_int_equal(curve_pair_write(dir, roles[i], &pair, &err), 0);
		snprintf(path, sizeof path, "%s/allow/%s.keys", dir, i == 1 ? "front" : "back");
		if (i > 0)
			assert_int_equal(
				curve_allow_append(path, pair.public_key, roles[i], &err), 0);
		curve_pair_free(&pair);
	}
}

void echo_run(const char *endpoint, const char *keys_dir, const char *label)
{
	enum { IN_FLIGHT = 512 };
	struct end broker = {0}, listener = {.to_send = N_ECHO};
	struct zap *zap = NULL;
	struct error err;
	char path[256];
	if (keys_dir) {
		assert_int_equal(bus_open(&broker.bus, &loop, "broker", keys_dir, &err), 0);
		snprintf(path, sizeof path, "%s/allow/front.keys", keys_dir);
		struct zap_domain domain = {"front", path};
		assert_int_equal(zap_open(&zap, broker.bus, &domain, 1, &err), 0);
	}
	open_router(&broker, endpoint, keys_dir);
	open_dealer(&listener, "listener", bus_endpoint(broker.socket), keys_dir);
	RUN_UNTIL(listener.n_up == 1);
	uint64_t t0 = clock_boot_us(), cpu0 = clock_cpu_us();
	for (int i = 0; i < IN_FLIGHT; i++)
		send_ping(&listener);
	RUN_UNTIL(listener.n_messages == N_ECHO);
	double wall = (double)(clock_boot_us() - t0), cpu = (double)(clock_cpu_us() - cpu0);
	print_message("bus %s: %.0f messages/s, %.2f us CPU per message (both ends)\n", label,
		2e6 * N_ECHO / wall, cpu / (2.0 * N_ECHO));
	assert_int_equal(broker.n_messages, N_ECHO);
	assert_string_equal(broker.peer, bus_id(listener.bus));
	assert_string_equal(listener.peer, bus_id(broker.bus));
	assert_int_equal(bus_stats(broker.socket)->malformed, 0);
	bus_close(listener.bus);
	zap_close(zap);
	bus_close(broker.bus);
}
