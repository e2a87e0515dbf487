/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus over real sockets: the stall watchdog of the loop adapter, MANDATORY, Curve with an
 * allow-list per role, key rotation, and frames that must not pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/bus/curve.h"
#include "common/bus/zap.h"
#include "common/bus/zwatch.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#define N_STALL 200000
#define N_ECHO  50000
#else
#define N_STALL 1000000
#define N_ECHO  200000
#endif
#define WAIT_MS 60000

/* ---- a loop that runs until something is true --------------------------------------------- */

static uv_loop_t loop;
static uv_timer_t tick;

static void tick_cb(uv_timer_t *timer)
{
	(void)timer; /* wakes the loop so that a deadline is seen */
}

static int loop_setup(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	uv_timer_init(&loop, &tick);
	uv_timer_start(&tick, tick_cb, 10, 10);
	return 0;
}

static int loop_teardown(void **state)
{
	(void)state;
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop); /* EBUSY when a handle was forgotten */
}

/* The condition may have effects: it is asked once a turn and its last answer counts. */
#define RUN_UNTIL(cond)                                                   \
	do {                                                              \
		uint64_t deadline_ = clock_boot_ms() + WAIT_MS;           \
		bool met_;                                                \
		while (!(met_ = (cond)) && clock_boot_ms() < deadline_)   \
			uv_run(&loop, UV_RUN_ONCE);                       \
		if (!met_)                                                \
			fail_msg("not within %d ms: %s", WAIT_MS, #cond); \
	} while (0)

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

struct end {
	struct bus *bus;
	struct bus_socket *socket;
	long n_messages, n_up, n_down, n_refused;
	long to_send; /* echo test: pings still to go */
	char peer[BUS_ID_MAX + 1];
	char detail[128];
	int last_case;
	uint32_t last_schema;
};

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

static const struct bus_handler handler = {on_message, on_event};

static void open_router(struct end *end, const char *endpoint, const char *keys_dir)
{
	struct error err = {.text = ""};
	if (!end->bus && bus_open(&end->bus, &loop, "broker", keys_dir, &err) != 0)
		fail_msg("%s", err.text);
	if (bus_router(&end->socket, end->bus, endpoint, "front", 4096, &handler, end, &err) != 0)
		fail_msg("%s", err.text);
}

static void open_dealer(
	struct end *end, const char *role, const char *endpoint, const char *keys_dir)
{
	struct error err = {.text = ""};
	if (bus_open(&end->bus, &loop, role, keys_dir, &err) != 0 ||
		bus_dealer(&end->socket, end->bus, endpoint, 4096, &handler, end, &err) != 0)
		fail_msg("%s", err.text);
}

static void echo_run(const char *endpoint, const char *keys_dir, const char *label)
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

static char *scratch_dir(void)
{
	static char dir[64];
	snprintf(dir, sizeof dir, "/tmp/muster-bus-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return dir;
}

static void remove_dir(const char *dir)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

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

/* ---- Curve --------------------------------------------------------------------------------- */

static void make_keys(const char *dir)
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

struct site {
	char dir[64];
	char front_allow[128], back_allow[128];
	struct end front, back;
	struct zap *zap;
};

static void site_open(struct site *site)
{
	*site = (struct site){.zap = NULL};
	snprintf(site->dir, sizeof site->dir, "%s", scratch_dir());
	make_keys(site->dir);
	struct error err = {.text = ""};
	snprintf(site->front_allow, sizeof site->front_allow, "%s/allow/front.keys", site->dir);
	snprintf(site->back_allow, sizeof site->back_allow, "%s/allow/back.keys", site->dir);
	const struct zap_domain domains[] = {
		{"front", site->front_allow}, {"back", site->back_allow}};
	assert_int_equal(bus_open(&site->front.bus, &loop, "broker", site->dir, &err), 0);
	assert_int_equal(zap_open(&site->zap, site->front.bus, domains, 2, &err), 0);
	open_router(&site->front, "tcp://127.0.0.1:*", site->dir);
	assert_int_equal(bus_router(&site->back.socket, site->front.bus, "tcp://127.0.0.1:*",
				 "back", 64, &handler, &site->back, &err),
		0);
}

static void site_close(struct site *site)
{
	zap_close(site->zap);
	bus_close(site->front.bus);
	remove_dir(site->dir);
}

static void test_curve_roles(void **state)
{
	(void)state;
	struct site site;
	site_open(&site);
	struct end listener = {0}, worker = {0}, wrong = {0};
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_up == 1);
	open_dealer(&worker, "worker", bus_endpoint(site.back.socket), site.dir);
	RUN_UNTIL(worker.n_up == 1);
	assert_int_equal(zap_stats(site.zap)->accepted, 2);
	assert_int_equal(zap_stats(site.zap)->refused, 0);
	/* A listener's key at the workers' socket. */
	open_dealer(&wrong, "listener", bus_endpoint(site.back.socket), site.dir);
	RUN_UNTIL(wrong.n_refused > 0);
	assert_non_null(strstr(wrong.detail, "allow-list"));
	assert_int_equal(wrong.n_up, 0);
	assert_true(zap_stats(site.zap)->refused > 0);
	bus_close(wrong.bus);
	/* No Curve at all. */
	wrong = (struct end){0};
	open_dealer(&wrong, "listener", bus_endpoint(site.front.socket), NULL);
	RUN_UNTIL(site.front.n_refused > 0);
	assert_int_equal(wrong.n_up, 0);
	bus_close(wrong.bus);
	bus_close(listener.bus);
	bus_close(worker.bus);
	site_close(&site);
}

static void test_curve_reload(void **state)
{
	(void)state;
	struct site site;
	site_open(&site);
	struct end listener = {0};
	struct error err;
	/* An unreadable list changes nothing. */
	int fd = open(site.front_allow, O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "short\n", 6), 6);
	close(fd);
	assert_int_equal(zap_reload(site.zap, &err), E_CONFIG);
	assert_non_null(strstr(err.text, "line 2"));
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_up == 1);
	bus_close(listener.bus);
	/* An empty list allows nobody. */
	assert_int_equal(truncate(site.front_allow, 0), 0);
	assert_int_equal(zap_reload(site.zap, &err), 0);
	listener = (struct end){0};
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_refused > 0);
	assert_int_equal(listener.n_up, 0);
	bus_close(listener.bus);
	site_close(&site);
}

static void test_curve_rotation(void **state)
{
	(void)state;
	struct site site;
	site_open(&site);
	/* The broker runs with its old key still; the new public key has been handed out. */
	char from[128], to[128];
	snprintf(from, sizeof from, "%s/broker.pub", site.dir);
	snprintf(to, sizeof to, "%s/broker.pub.old", site.dir);
	assert_int_equal(rename(from, to), 0);
	struct curve_pair fresh;
	struct error err;
	assert_int_equal(curve_pair_new(&fresh, &err), 0);
	assert_int_equal(curve_pair_write(site.dir, "broker", &fresh, &err), 0);
	curve_pair_free(&fresh);
	struct end listener = {0};
	open_dealer(&listener, "listener", bus_endpoint(site.front.socket), site.dir);
	RUN_UNTIL(listener.n_up == 1);
	assert_true(listener.n_refused >= 1);
	bus_close(listener.bus);
	site_close(&site);
}

static void test_echo_tcp_and_curve(void **state)
{
	(void)state;
	echo_run("tcp://127.0.0.1:*", NULL, "tcp");
	char *dir = scratch_dir();
	make_keys(dir);
	echo_run("tcp://127.0.0.1:*", dir, "tcp + Curve");
	remove_dir(dir);
}

static void test_key_files(void **state)
{
	(void)state;
	char *dir = scratch_dir(), path[128];
	make_keys(dir);
	struct curve_pair pair;
	struct error err;
	assert_int_equal(curve_pair_read(&pair, dir, "worker", &err), 0);
	assert_int_equal(strlen(pair.public_key), CURVE_TEXT_LEN);
	curve_pair_free(&pair);
	/* Readable by others. */
	snprintf(path, sizeof path, "%s/worker.key", dir);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(curve_pair_read(&pair, dir, "worker", &err), E_CONFIG);
	assert_non_null(strstr(err.text, "worker.key"));
	/* Halves of two pairs. */
	snprintf(path, sizeof path, "cp '%s/broker.pub' '%s/listener.pub'", dir, dir);
	assert_int_equal(system(path), 0);
	assert_int_equal(curve_pair_read(&pair, dir, "listener", &err), E_CONFIG);
	assert_non_null(strstr(err.text, "does not belong"));
	assert_int_equal(curve_pair_read(&pair, dir, "nobody", &err), -ENOENT);
	remove_dir(dir);
}

static void test_allow_list(void **state)
{
	(void)state;
	char *dir = scratch_dir(), path[128];
	snprintf(path, sizeof path, "%s/list", dir);
	struct curve_pair pair;
	uint8_t binary[CURVE_KEY_LEN], other[CURVE_KEY_LEN] = {1};
	struct error err;
	assert_int_equal(curve_pair_new(&pair, &err), 0);
	assert_non_null(zmq_z85_decode(binary, pair.public_key));
	assert_int_equal(curve_allow_append(path, "# listeners of site A", "", &err), 0);
	assert_int_equal(curve_allow_append(path, "", "", &err), 0);
	struct curve_allow allow;
	assert_int_equal(curve_allow_read(&allow, path, &err), E_CONFIG); /* " ": no key */
	assert_non_null(strstr(err.text, "line 2"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(curve_allow_append(path, "# listeners of site A", "", &err), 0);
	assert_int_equal(curve_allow_append(path, pair.public_key, "hall 3", &err), 0);
	curve_pair_free(&pair);
	assert_int_equal(curve_allow_read(&allow, path, &err), 0);
	assert_int_equal(allow.n_keys, 1);
	assert_true(curve_allow_has(&allow, binary));
	assert_false(curve_allow_has(&allow, other));
	curve_allow_free(&allow);
	assert_int_equal(curve_allow_read(&allow, "/nonexistent/list", &err), -ENOENT);
	remove_dir(dir);
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
		CASE(test_curve_roles),
		CASE(test_curve_reload),
		CASE(test_curve_rotation),
		CASE(test_echo_tcp_and_curve),
		cmocka_unit_test(test_key_files),
		cmocka_unit_test(test_allow_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
