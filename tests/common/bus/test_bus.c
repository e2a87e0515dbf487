/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus over real sockets: the stall watchdog of the loop adapter, MANDATORY, and frames that
 * must not pass.
 */
#include "tests/common/bus/harness.h"

#include <pthread.h>
#include <sys/stat.h>
#include <zmq.h>

#include "common/bus/zwatch.h"

/* ---- the adapter: every message arrives, however fast they come ---------------------------- */

struct flood {
	void *context, *pull;
	long taken;
};

static void *flood_thread(void *arg)
{
	struct flood *f = arg;
	void *push = zmq_socket(f->context, ZMQ_PAIR);
	assert_int_equal(zmq_connect(push, "inproc://stall"), 0);
	for (int i = 0; i < N_STALL; i++)
		zmq_send(push, &i, sizeof i, 0);
	zmq_close(push);
	return NULL;
}

static int flood_take(void *arg)
{
	struct flood *f = arg;
	int number;
	if (zmq_recv(f->pull, &number, sizeof number, ZMQ_DONTWAIT) < 0)
		return 0;
	assert_int_equal(number, f->taken);
	f->taken++;
	return 1;
}

static void test_stall_watchdog(void **state)
{
	(void)state;
	struct flood f = {.context = zmq_ctx_new()};
	f.pull = zmq_socket(f.context, ZMQ_PAIR);
	assert_int_equal(zmq_bind(f.pull, "inproc://stall"), 0);
	struct zwatch *w;
	struct error err;
	assert_int_equal(zwatch_open(&w, &loop, f.pull, flood_take, &f, &err), 0);
	pthread_t thread;
	pthread_create(&thread, NULL, flood_thread, &f);
	uint64_t t0 = clock_boot_us(), cpu0 = clock_cpu_us();
	RUN_UNTIL(f.taken == N_STALL);
	print_message("zwatch: %.2f us wall, %.2f us CPU (both threads) per message\n",
		(double)(clock_boot_us() - t0) / N_STALL,
		(double)(clock_cpu_us() - cpu0) / N_STALL);
	pthread_join(thread, NULL);
	zwatch_close(w, NULL);
	zmq_close(f.pull);
	zmq_ctx_term(f.context);
}

static void test_pause_holds_messages(void **state)
{
	(void)state;
	struct flood f = {.context = zmq_ctx_new()};
	f.pull = zmq_socket(f.context, ZMQ_PAIR);
	void *push = zmq_socket(f.context, ZMQ_PAIR);
	assert_int_equal(zmq_bind(f.pull, "inproc://pause"), 0);
	assert_int_equal(zmq_connect(push, "inproc://pause"), 0);
	struct zwatch *w;
	struct error err;
	assert_int_equal(zwatch_open(&w, &loop, f.pull, flood_take, &f, &err), 0);
	zwatch_pause(w, true);
	for (int i = 0; i < 10; i++)
		zmq_send(push, &i, sizeof i, 0);
	for (int i = 0; i < 5; i++)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(f.taken, 0);
	zwatch_pause(w, false);
	RUN_UNTIL(f.taken == 10);
	zwatch_close(w, NULL);
	zmq_close(push);
	zmq_close(f.pull);
	zmq_ctx_term(f.context);
}

/* ---- two peers in one loop ----------------------------------------------------------------- */

static void test_echo_ipc(void **state)
{
	(void)state;
	char *dir = scratch_dir(), endpoint[128];
	snprintf(endpoint, sizeof endpoint, "ipc://%s/front", dir);
	echo_run(endpoint, NULL, "ipc");
	remove_dir(dir);
}

static void test_ipc_mode(void **state)
{
	(void)state;
	char *dir = scratch_dir(), endpoint[128];
	snprintf(endpoint, sizeof endpoint, "ipc://%s/front", dir);
	struct end broker = {0};
	open_router(&broker, endpoint, NULL);
	struct stat st;
	assert_int_equal(stat(endpoint + strlen("ipc://"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	bus_close(broker.bus);
	remove_dir(dir);
}

static void test_mandatory(void **state)
{
	(void)state;
	struct end broker = {0}, worker = {0};
	open_router(&broker, "tcp://127.0.0.1:*", NULL);
	Muster__V1__Drain drain = MUSTER__V1__DRAIN__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_DRAIN;
	e.drain = &drain;
	assert_int_equal(bus_send(broker.socket, "worker-unknown", &e), -EHOSTUNREACH);
	assert_int_equal(bus_stats(broker.socket)->unreachable, 1);
	open_dealer(&worker, "worker", bus_endpoint(broker.socket), NULL);
	RUN_UNTIL(worker.n_up == 1);
	assert_int_equal(bus_send(worker.socket, NULL, &e), 0);
	RUN_UNTIL(broker.n_messages == 1);
	assert_int_equal(bus_send(broker.socket, broker.peer, &e), 0);
	RUN_UNTIL(worker.n_messages == 1);
	/* A peer that went away is told to the sender, not swallowed. */
	bus_close(worker.bus);
	RUN_UNTIL(broker.n_down == 1);
	RUN_UNTIL(bus_send(broker.socket, broker.peer, &e) == -EHOSTUNREACH);
	bus_close(broker.bus);
}

static void test_dealer_without_broker(void **state)
{
	(void)state;
	struct end worker = {0};
	open_dealer(&worker, "worker", "tcp://127.0.0.1:1", NULL);
	Muster__V1__Credit credit = MUSTER__V1__CREDIT__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_CREDIT;
	e.credit = &credit;
	assert_int_equal(bus_send(worker.socket, NULL, &e), -EAGAIN);
	assert_int_equal(bus_stats(worker.socket)->again, 1);
	bus_close(worker.bus);
}

static void test_too_long_is_refused(void **state)
{
	(void)state;
	struct end worker = {0};
	open_dealer(&worker, "worker", "tcp://127.0.0.1:1", NULL);
	static char reason[BUS_MESSAGE_MAX + 1];
	memset(reason, 'x', sizeof reason - 1);
	Muster__V1__Drain drain = MUSTER__V1__DRAIN__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	drain.reason = reason;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_DRAIN;
	e.drain = &drain;
	assert_int_equal(bus_send(worker.socket, NULL, &e), E_LIMIT);
	bus_close(worker.bus);
}

/* ---- frames that must not pass ------------------------------------------------------------- */

static void raw_send(void *dealer, const char *sender, uint32_t schema, bool reg)
{
	Muster__V1__Ping ping = MUSTER__V1__PING__INIT;
	Muster__V1__Register hello = MUSTER__V1__REGISTER__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	uint8_t bytes[256];
	e.schema = schema;
	e.sender = (char *)(uintptr_t)sender;
	e.body_case =
		reg ? MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER : MUSTER__V1__ENVELOPE__BODY_PING;
	if (reg)
		e.register_peer = &hello;
	else
		e.ping = &ping;
	size_t len = muster__v1__envelope__pack(&e, bytes);
	assert_int_equal(zmq_send(dealer, bytes, len, 0), (int)len);
}

/* An envelope whose HelloBatch has very many empty Hellos: few bytes, much memory when decoded. */
static void raw_send_bomb(void *dealer, const char *sender)
{
	enum { N = 60000 };
	static Muster__V1__Hello hello;
	static Muster__V1__Hello *hellos[N];
	muster__v1__hello__init(&hello);
	for (int i = 0; i < N; i++)
		hellos[i] = &hello;
	Muster__V1__HelloBatch batch = MUSTER__V1__HELLO_BATCH__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	batch.n_hellos = N;
	batch.hellos = hellos;
	e.schema = BUS_SCHEMA_MAX;
	e.sender = (char *)(uintptr_t)sender;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_HELLO_BATCH;
	e.hello_batch = &batch;
	size_t len = muster__v1__envelope__get_packed_size(&e);
	assert_true(len < BUS_MESSAGE_MAX);
	uint8_t *bytes = malloc(len);
	muster__v1__envelope__pack(&e, bytes);
	assert_int_equal(zmq_send(dealer, bytes, len, 0), (int)len);
	free(bytes);
}

static void test_bad_frames(void **state)
{
	(void)state;
	struct end broker = {0};
	open_router(&broker, "tcp://127.0.0.1:*", NULL);
	const struct bus_stats *stats = bus_stats(broker.socket);
	void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER);
	zmq_setsockopt(dealer, ZMQ_ROUTING_ID, "listener-1", 10);
	int linger = 0;
	zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
	assert_int_equal(zmq_connect(dealer, bus_endpoint(broker.socket)), 0);

	zmq_send(dealer, "\xff\xff\xff garbage", 11, 0);
	RUN_UNTIL(stats->malformed == 1);
	zmq_send(dealer, "", 0, 0);
	RUN_UNTIL(stats->malformed == 2);
	zmq_send(dealer, "two", 3, ZMQ_SNDMORE);
	zmq_send(dealer, "frames", 6, ZMQ_SNDMORE);
	zmq_send(dealer, "or more", 7, 0);
	RUN_UNTIL(stats->malformed == 3);
	raw_send(dealer, "listener-2", BUS_SCHEMA_MAX, false); /* not who the routing id says */
	RUN_UNTIL(stats->malformed == 4);
	raw_send_bomb(dealer, "listener-1");
	RUN_UNTIL(stats->malformed == 5);
	raw_send(dealer, "listener-1", BUS_SCHEMA_MAX + 1, false);
	RUN_UNTIL(stats->wrong_schema == 1);
	raw_send(dealer, "listener-1", BUS_SCHEMA_MIN - 1, false);
	RUN_UNTIL(stats->wrong_schema == 2);
	assert_int_equal(broker.n_messages, 0);
	/* Register of any version is heard, so that it can be refused with a reason. */
	raw_send(dealer, "listener-1", BUS_SCHEMA_MAX + 1, true);
	RUN_UNTIL(broker.n_messages == 1);
	assert_int_equal(broker.last_case, MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER);
	raw_send(dealer, "listener-1", BUS_SCHEMA_MAX, false);
	RUN_UNTIL(broker.n_messages == 2);
	assert_int_equal(stats->malformed, 5);
	zmq_close(dealer);
	zmq_ctx_term(context);
	bus_close(broker.bus);
}

static void test_over_long_frame_is_cut_off(void **state)
{
	(void)state;
	struct end broker = {0};
	open_router(&broker, "tcp://127.0.0.1:*", NULL);
	void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER);
	int linger = 0;
	zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
	assert_int_equal(zmq_connect(dealer, bus_endpoint(broker.socket)), 0);
	static char big[BUS_MESSAGE_MAX + 1];
	zmq_send(dealer, big, sizeof big, 0);
	RUN_UNTIL(broker.n_down == 1); /* libzmq closes the connection (MAXMSGSIZE) */
	assert_int_equal(broker.n_messages, 0);
	zmq_close(dealer);
	zmq_ctx_term(context);
	bus_close(broker.bus);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, loop_setup, loop_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_stall_watchdog),
		CASE(test_pause_holds_messages),
		CASE(test_echo_ipc),
		CASE(test_ipc_mode),
		CASE(test_mandatory),
		CASE(test_dealer_without_broker),
		CASE(test_too_long_is_refused),
		CASE(test_bad_frames),
		CASE(test_over_long_frame_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
