/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real muster-broker on a private redis-server, between a listener and workers played by this
 * test: admission, credit, claims, and what happens when any of them vanishes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/store/store.h"

#define WAIT_MS   20000
#define N_BROKERS 2
#define N_WORKERS 2
#define MAX_JOBS  512
#define QUIET_MS  6000 /* what the configuration below makes the longest lease */

struct got_job {
	char job[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	uint64_t fence;
	size_t hello_len, address_len;
	bool begun;
};

/* A fake listener or worker, with a socket to each broker. */
struct peer {
	struct bench *bench;
	struct bus *bus;
	struct bus_socket *sockets[N_BROKERS];
	bool worker, keep, refuse; /* keep: do not acknowledge */
	uint32_t n_up, n_welcome, n_refused, n_drain, n_pong;
	char reason[160];
	uint32_t n_verdicts, n_by_code[8];
	struct got_job jobs[MAX_JOBS];
	uint32_t n_jobs;
};

struct bench {
	uv_loop_t loop;
	uv_timer_t tick;
	char dir[64], log[128], redis_sock[128], config[128];
	pid_t redis, brokers[N_BROKERS];
	struct store *store;
	struct peer listener, workers[N_WORKERS];
	uint64_t next_seq;
	uint32_t n_begun, n_begin_refused, n_finished;
	bool call_done;
	struct store_counts counts;
};

static void tick_cb(uv_timer_t *timer)
{
	(void)timer;
}

/* The condition may have effects: it is asked once a turn and its last answer counts. */
#define RUN_UNTIL(t, cond)                                                \
	do {                                                              \
		uint64_t deadline_ = clock_boot_ms() + WAIT_MS;           \
		bool met_;                                                \
		while (!(met_ = (cond)) && clock_boot_ms() < deadline_)   \
			uv_run(&(t)->loop, UV_RUN_ONCE);                  \
		if (!met_)                                                \
			fail_msg("not within %d ms: %s", WAIT_MS, #cond); \
	} while (0)

/* For what must not happen: turn the loop for a while. */
static void run_for(struct bench *t, uint64_t ms)
{
	uint64_t end = clock_boot_ms() + ms;
	while (clock_boot_ms() < end)
		uv_run(&t->loop, UV_RUN_ONCE);
}

static size_t log_count(const struct bench *t, const char *event)
{
	char line[8192];
	size_t n = 0;
	FILE *f = fopen(t->log, "r");
	while (f && fgets(line, sizeof line, f))
		n += strstr(line, event) != NULL;
	if (f)
		fclose(f);
	return n;
}

/* ---- processes ----------------------------------------------------------------------------- */

static pid_t spawn(const struct bench *t, const char *program, char *const argv[])
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(t->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execvp(program, argv);
		_exit(127);
	}
	return pid;
}

static void redis_start(struct bench *t)
{
	char *argv[] = {"redis-server", "--port", "0", "--unixsocket", t->redis_sock, "--dir",
		t->dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "", NULL};
	t->redis = spawn(t, "redis-server", argv);
}

static void broker_start(struct bench *t, int i)
{
	char program[512], index[8];
	size_t before = log_count(t, "broker.ready");
	ssize_t n = readlink("/proc/self/exe", program, 400);
	assert_true(n > 0);
	program[n] = '\0';
	*strrchr(program, '/') = '\0';
	strcat(program, "/../bin/muster-broker");
	snprintf(index, sizeof index, "%d", i);
	char *argv[] = {program, "--config", t->config, "--index", index, NULL};
	t->brokers[i] = spawn(t, program, argv);
	RUN_UNTIL(t, log_count(t, "broker.ready") > before);
}

static int stop(struct bench *t, pid_t *pid, int signum)
{
	int status = 0;
	kill(*pid, signum);
	RUN_UNTIL(t, waitpid(*pid, &status, WNOHANG) == *pid);
	*pid = 0;
	return status;
}

static void write_config(const struct bench *t, const char *options)
{
	FILE *f = fopen(t->config, "w");
	assert_non_null(f);
	fprintf(f,
		"log: {level: info, format: json}\n"
		"redis: {url: \"unix://%s\"}\n"
		"worker: {run_lease_ms: 5000, waits: {slow_exchange_ms: 1000}}\n"
		"bus:\n  curve: false\n  brokers:\n"
		"    - {front: \"ipc://%s/front0\", back: \"ipc://%s/back0\"}\n"
		"    - {front: \"ipc://%s/front1\", back: \"ipc://%s/back1\"}\n"
		"broker:\n  dispatch_lease_ms: 1000\n  grace_ms: 1000\n%s",
		t->redis_sock, t->dir, t->dir, t->dir, t->dir, options);
	fclose(f);
}

/* ---- peers --------------------------------------------------------------------------------- */

static void begun_cb(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg)
{
	struct bench *t = arg;
	(void)job, (void)dev;
	*(err ? &t->n_begin_refused : &t->n_begun) += 1;
}

static void send_ack(struct bus_socket *s, const Muster__V1__Job *job, bool accepted)
{
	Muster__V1__JobAck ack = MUSTER__V1__JOB_ACK__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	ack.job = job->job;
	ack.fence = job->fence;
	ack.accepted = accepted;
	ack.reason = accepted ? "" : "test";
	e.body_case = MUSTER__V1__ENVELOPE__BODY_JOB_ACK;
	e.job_ack = &ack;
	assert_int_equal(bus_send(s, NULL, &e), 0);
}

static void send_credit(struct peer *p, int broker, uint32_t slots)
{
	Muster__V1__Credit c = MUSTER__V1__CREDIT__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	c.slots = slots;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_CREDIT;
	e.credit = &c;
	assert_int_equal(bus_send(p->sockets[broker], NULL, &e), 0);
}

static void send_done(struct peer *p, int broker, const struct got_job *j)
{
	Muster__V1__Done d = MUSTER__V1__DONE__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	d.job = (char *)(uintptr_t)j->job;
	d.fence = j->fence;
	d.outcome = "done";
	e.body_case = MUSTER__V1__ENVELOPE__BODY_DONE;
	e.done = &d;
	assert_int_equal(bus_send(p->sockets[broker], NULL, &e), 0);
}

static void on_job(struct peer *p, struct bus_socket *s, const Muster__V1__Job *job)
{
	struct error err;
	assert_true(p->n_jobs < MAX_JOBS);
	struct got_job *j = &p->jobs[p->n_jobs++];
	snprintf(j->job, sizeof j->job, "%s", job->job);
	snprintf(j->uuid, sizeof j->uuid, "%s", job->uuid);
	j->fence = job->fence;
	j->hello_len = job->hello.len;
	j->address_len = job->address.len;
	if (p->keep)
		return;
	send_ack(s, job, !p->refuse);
	if (p->refuse)
		return;
	const struct store_lease lease = {j->job, j->uuid, j->fence};
	assert_int_equal(store_begin(p->bench->store, &lease, bus_id(p->bus), 5000, begun_cb,
				 p->bench, &err),
		0);
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	struct peer *p = arg;
	(void)peer;
	switch (e->body_case) {
	case MUSTER__V1__ENVELOPE__BODY_WELCOME:
		*(e->welcome->accepted ? &p->n_welcome : &p->n_refused) += 1;
		snprintf(p->reason, sizeof p->reason, "%s", e->welcome->reason);
		break;
	case MUSTER__V1__ENVELOPE__BODY_VERDICT_BATCH:
		for (size_t i = 0; i < e->verdict_batch->n_verdicts; i++) {
			p->n_verdicts++;
			p->n_by_code[e->verdict_batch->verdicts[i]->code]++;
		}
		break;
	case MUSTER__V1__ENVELOPE__BODY_JOB: on_job(p, s, e->job); break;
	case MUSTER__V1__ENVELOPE__BODY_DRAIN: p->n_drain++; break;
	case MUSTER__V1__ENVELOPE__BODY_PING: bus_pong(s, NULL, e->ping->nonce); break;
	case MUSTER__V1__ENVELOPE__BODY_PONG: p->n_pong++; break;
	default: fail_msg("unexpected message");
	}
}

static void on_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	struct peer *p = arg;
	(void)detail;
	if (event != BUS_UP)
		return;
	p->n_up++;
	bus_register(s, p->worker ? MUSTER__V1__ROLE__ROLE_WORKER : MUSTER__V1__ROLE__ROLE_LISTENER,
		"test");
}

static const struct bus_handler handler = {on_message, on_event};

static void peer_open(struct bench *t, struct peer *p, bool worker, int n_brokers)
{
	struct error err = {.text = ""};
	char endpoint[128];
	*p = (struct peer){.bench = t, .worker = worker};
	assert_int_equal(
		bus_open(&p->bus, &t->loop, worker ? "worker" : "listener", NULL, &err), 0);
	for (int i = 0; i < n_brokers; i++) {
		snprintf(endpoint, sizeof endpoint, "ipc://%s/%s%d", t->dir,
			worker ? "back" : "front", i);
		assert_int_equal(
			bus_dealer(&p->sockets[i], p->bus, endpoint, 4096, &handler, p, &err), 0);
	}
	RUN_UNTIL(t, p->n_welcome == (uint32_t)n_brokers);
}

static void peer_close(struct peer *p)
{
	bus_close(p->bus);
	p->bus = NULL;
}

/* Device number n says Hello through a broker. */
static void say_hello(struct bench *t, int broker, uint32_t n)
{
	uint8_t raw[841] = {0, 0, 3}, address[4] = {10, 0, (uint8_t)(n >> 8), (uint8_t)n};
	uint8_t uuid[16] = {0x12, 0x34};
	Muster__V1__Hello h = MUSTER__V1__HELLO__INIT, *list[] = {&h};
	Muster__V1__HelloBatch batch = MUSTER__V1__HELLO_BATCH__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	memcpy(uuid + 12, &n, sizeof n);
	h.seq = ++t->next_seq;
	h.raw = (ProtobufCBinaryData){sizeof raw, raw};
	h.address = (ProtobufCBinaryData){sizeof address, address};
	h.uuid = (ProtobufCBinaryData){sizeof uuid, uuid};
	h.received_ms = clock_wall_ms();
	batch.n_hellos = 1;
	batch.hellos = list;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_HELLO_BATCH;
	e.hello_batch = &batch;
	assert_int_equal(bus_send(t->listener.sockets[broker], NULL, &e), 0);
}

static uint32_t verdicts(const struct bench *t, Muster__V1__VerdictCode code)
{
	return t->listener.n_by_code[code];
}

#define V_NEW  MUSTER__V1__VERDICT_CODE__VERDICT_NEW
#define V_DUP  MUSTER__V1__VERDICT_CODE__VERDICT_DUP
#define V_IGN  MUSTER__V1__VERDICT_CODE__VERDICT_IGN
#define V_DENY MUSTER__V1__VERDICT_CODE__VERDICT_DENY

/* ---- the store as the test sees it --------------------------------------------------------- */

static void finished_cb(const struct error *err, void *arg)
{
	struct bench *t = arg;
	if (err)
		fail_msg("finish: %s", err->text);
	t->n_finished++;
}

static void finish(struct bench *t, const struct got_job *j)
{
	struct error err;
	const struct store_lease lease = {j->job, j->uuid, j->fence};
	assert_int_equal(
		store_finish(t->store, &lease, "configured", NULL, 0, finished_cb, t, &err), 0);
}

static void counts_cb(const struct store_counts *c, const struct error *err, void *arg)
{
	struct bench *t = arg;
	t->call_done = true;
	if (!err)
		t->counts = *c;
}

static const struct store_counts *counts(struct bench *t)
{
	struct error err;
	t->call_done = false;
	memset(&t->counts, 0xff, sizeof t->counts);
	if (store_counts(t->store, counts_cb, t, &err) == 0)
		RUN_UNTIL(t, t->call_done);
	return &t->counts;
}

/* ---- set-up -------------------------------------------------------------------------------- */

static int bench_setup(void **state)
{
	struct bench *t = calloc(1, sizeof *t);
	struct error err = {.text = ""};
	uv_loop_init(&t->loop);
	uv_timer_init(&t->loop, &t->tick);
	uv_timer_start(&t->tick, tick_cb, 5, 5);
	snprintf(t->dir, sizeof t->dir, "/tmp/muster-broker-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->log, sizeof t->log, "%s/log", t->dir);
	snprintf(t->config, sizeof t->config, "%s/muster.yaml", t->dir);
	snprintf(t->redis_sock, sizeof t->redis_sock, "%s/redis.sock", t->dir);
	redis_start(t);
	write_config(t, "");
	char url[160];
	snprintf(url, sizeof url, "unix://%s", t->redis_sock);
	const struct store_opts opts = {.redis = {.url = url}};
	assert_int_equal(store_open(&t->store, &t->loop, &opts, NULL, NULL, &err), 0);
	if (redis_wait_up(store_redis(t->store), WAIT_MS, &err) < 0)
		fail_msg("%s", err.text);
	*state = t;
	return 0;
}

static int bench_teardown(void **state)
{
	struct bench *t = *state;
	char command[128];
	peer_close(&t->listener);
	for (int i = 0; i < N_WORKERS; i++)
		peer_close(&t->workers[i]);
	store_close(t->store);
	for (int i = 0; i < N_BROKERS; i++) {
		if (t->brokers[i] <= 0)
			continue;
		kill(t->brokers[i], SIGKILL);
		waitpid(t->brokers[i], NULL, 0);
	}
	if (t->redis > 0) {
		kill(t->redis, SIGKILL);
		waitpid(t->redis, NULL, 0);
	}
	uv_close((uv_handle_t *)&t->tick, NULL);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	int rc = uv_loop_close(&t->loop);
	snprintf(command, sizeof command, "rm -r '%s'", t->dir);
	rc |= system(command);
	free(t);
	return rc;
}

/* ---- the way of one device ----------------------------------------------------------------- */

static void test_admit_job_done(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	say_hello(t, 0, 1);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 1);
	assert_int_equal(counts(t)->n[STORE_LIST_READY], 1); /* no credit, no claim */
	send_credit(w, 0, 2);
	RUN_UNTIL(t, t->n_begun == 1);
	assert_int_equal(w->jobs[0].hello_len, 841);
	assert_int_equal(w->jobs[0].address_len, 4);
	assert_string_equal(w->jobs[0].uuid, "12340000-0000-0000-0000-000001000000");
	say_hello(t, 0, 1); /* while it is in work */
	RUN_UNTIL(t, verdicts(t, V_DUP) == 1);
	finish(t, &w->jobs[0]);
	RUN_UNTIL(t, t->n_finished == 1);
	send_done(w, 0, &w->jobs[0]);
	say_hello(t, 0, 1); /* within the cool-down */
	RUN_UNTIL(t, verdicts(t, V_IGN) == 1);
	assert_int_equal(counts(t)->n[STORE_LIST_DONE], 1);
	assert_int_equal(w->n_jobs, 1);
}

static void test_same_frame_twice(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	for (int i = 0; i < 5; i++) {
		t->next_seq = 41;
		say_hello(t, 0, 7);
	}
	RUN_UNTIL(t, t->listener.n_verdicts == 5);
	assert_int_equal(verdicts(t, V_NEW), 1);
	assert_int_equal(verdicts(t, V_DUP), 4);
	assert_int_equal(counts(t)->n[STORE_LIST_READY], 1);
}

static void test_credit_is_kept(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->keep = true;
	for (uint32_t i = 0; i < 5; i++)
		say_hello(t, 0, i);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 5);
	send_credit(w, 0, 2);
	RUN_UNTIL(t, w->n_jobs == 2);
	/* A Credit that was on its way counts slots that these two jobs will take. */
	send_credit(w, 0, 2);
	run_for(t, 600); /* three polls, less than the dispatch lease */
	assert_int_equal(w->n_jobs, 2);
	send_credit(w, 0, 3);
	RUN_UNTIL(t, w->n_jobs == 3);
}

static void test_refused_job_is_released(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->refuse = true;
	say_hello(t, 0, 1);
	send_credit(w, 0, 1);
	RUN_UNTIL(t, w->n_jobs == 1);
	w->refuse = false;
	uint64_t start = clock_boot_ms();
	RUN_UNTIL(t, counts(t)->n[STORE_LIST_READY] == 1);
	assert_true(clock_boot_ms() - start < 900); /* not by the end of its lease */
	send_credit(w, 0, 1);
	RUN_UNTIL(t, t->n_begun == 1);
	assert_true(w->jobs[1].fence > w->jobs[0].fence);
	assert_string_equal(w->jobs[1].job, w->jobs[0].job);
}

/* ---- who vanishes -------------------------------------------------------------------------- */

static void test_vanished_worker(void **state)
{
	struct bench *t = *state;
	struct peer *gone = &t->workers[0], *w = &t->workers[1];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, gone, true, 1);
	peer_open(t, w, true, 1);
	send_credit(gone, 0, 50);
	send_credit(w, 0, 10);
	peer_close(gone);
	for (uint32_t i = 0; i < 10; i++)
		say_hello(t, 0, i);
	RUN_UNTIL(t, t->n_begun == 10);
	assert_int_equal(counts(t)->n[STORE_LIST_READY], 0);
}

static void test_job_lost_on_the_way_comes_back(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->keep = true; /* as if the frame had been lost */
	say_hello(t, 0, 1);
	send_credit(w, 0, 1);
	RUN_UNTIL(t, w->n_jobs == 1);
	w->keep = false;
	send_credit(w, 0, 2);
	RUN_UNTIL(t, t->n_begun == 1); /* dispatch lease + grace */
	assert_int_equal(w->n_jobs, 2);
	assert_true(w->jobs[1].fence > w->jobs[0].fence);
	/* The first delivery, late: refused. */
	struct error err;
	const struct store_lease stale = {w->jobs[0].job, w->jobs[0].uuid, w->jobs[0].fence};
	assert_int_equal(store_begin(t->store, &stale, "late", 5000, begun_cb, t, &err), 0);
	RUN_UNTIL(t, t->n_begin_refused == 1);
}

static void test_killed_broker(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	w->keep = true;
	say_hello(t, 0, 1);
	say_hello(t, 0, 2);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 2);
	send_credit(w, 0, 1);
	RUN_UNTIL(t, w->n_jobs == 1);
	stop(t, &t->brokers[0], SIGKILL);
	broker_start(t, 0);
	/* Both sides register again by themselves; what was accepted is still there. */
	RUN_UNTIL(t, w->n_welcome == 2 && t->listener.n_welcome == 2);
	say_hello(t, 0, 1);
	RUN_UNTIL(t, verdicts(t, V_DUP) == 1);
	w->keep = false;
	send_credit(w, 0, 2);
	RUN_UNTIL(t, t->n_begun == 2);
	assert_int_equal(counts(t)->n[STORE_LIST_LEASED], 2);
}

static void test_two_brokers_claim_once(void **state)
{
	struct bench *t = *state;
	enum { N = 200 };
	broker_start(t, 0);
	broker_start(t, 1);
	peer_open(t, &t->listener, false, 2);
	peer_open(t, &t->workers[0], true, 2);
	peer_open(t, &t->workers[1], true, 2);
	for (int i = 0; i < N_WORKERS; i++)
		for (int b = 0; b < N_BROKERS; b++)
			send_credit(&t->workers[i], b, N);
	for (uint32_t i = 0; i < N; i++) {
		say_hello(t, (int)(i % 2), i);
		say_hello(t, (int)(1 - i % 2), i); /* and a retransmission to the other */
	}
	RUN_UNTIL(t, t->listener.n_verdicts == 2 * N);
	assert_int_equal(verdicts(t, V_NEW), N);
	assert_int_equal(verdicts(t, V_DUP), N);
	RUN_UNTIL(t, t->n_begun == N);
	assert_int_equal(t->workers[0].n_jobs + t->workers[1].n_jobs, N);
	assert_int_equal(t->n_begin_refused, 0);
	assert_int_equal(counts(t)->n[STORE_LIST_LEASED], N);
}

static void test_redis_restart(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, w, true, 1);
	say_hello(t, 0, 1);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 1);
	stop(t, &t->redis, SIGKILL);
	RUN_UNTIL(t, log_count(t, "redis.down") == 1);
	say_hello(t, 0, 2); /* stays in the front socket */
	send_credit(w, 0, 4);
	uint64_t restarted = clock_boot_ms();
	redis_start(t);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 2);
	RUN_UNTIL(t, log_count(t, "broker.quiet") == 1);
	RUN_UNTIL(t, t->n_begun >= 1 || clock_boot_ms() - restarted > 3 * QUIET_MS);
	/* Nothing is claimed before owners unknown to Redis must have stopped. */
	assert_true(clock_boot_ms() - restarted >= QUIET_MS);
	RUN_UNTIL(t, t->n_begun == 2);
}

/* ---- who may talk -------------------------------------------------------------------------- */

static void test_wrong_role_and_strangers(void **state)
{
	struct bench *t = *state;
	struct peer *w = &t->workers[0];
	struct error err;
	char endpoint[128];
	broker_start(t, 0);
	*w = (struct peer){.bench = t, .worker = false}; /* a listener at the workers' socket */
	assert_int_equal(bus_open(&w->bus, &t->loop, "listener", NULL, &err), 0);
	snprintf(endpoint, sizeof endpoint, "ipc://%s/back0", t->dir);
	assert_int_equal(bus_dealer(&w->sockets[0], w->bus, endpoint, 64, &handler, w, &err), 0);
	RUN_UNTIL(t, w->n_refused == 1);
	assert_non_null(strstr(w->reason, "role"));
	send_credit(w, 0, 3); /* not registered */
	RUN_UNTIL(t, w->n_refused == 2);
	assert_string_equal(w->reason, BUS_REGISTER_FIRST);
	/* A worker of a later release. */
	Muster__V1__Register reg = MUSTER__V1__REGISTER__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	reg.role = MUSTER__V1__ROLE__ROLE_WORKER;
	reg.schema_min = BUS_SCHEMA_MAX + 1;
	reg.schema_max = BUS_SCHEMA_MAX + 2;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER;
	e.register_peer = &reg;
	assert_int_equal(bus_send(w->sockets[0], NULL, &e), 0);
	RUN_UNTIL(t, w->n_refused == 3);
	assert_non_null(strstr(w->reason, "schema"));
	assert_int_equal(w->n_welcome, 0);
}

static void test_deny_file(void **state)
{
	struct bench *t = *state;
	char options[256], path[128];
	snprintf(path, sizeof path, "%s/deny", t->dir);
	snprintf(options, sizeof options, "  deny_file: \"%s\"\n", path);
	write_config(t, options);
	FILE *f = fopen(path, "w");
	fputs("# stolen\n12340000-0000-0000-0000-000005000000 laptop of room 5\n", f);
	fclose(f);
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_DENY) == 1);
	say_hello(t, 0, 6);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 1);
	/* A broken list changes nothing, an empty one frees the device. */
	f = fopen(path, "w");
	fputs("12340000-0000-0000\n", f);
	fclose(f);
	kill(t->brokers[0], SIGHUP);
	RUN_UNTIL(t, log_count(t, "reload.failed") == 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_DENY) == 2);
	assert_int_equal(truncate(path, 0), 0);
	kill(t->brokers[0], SIGHUP);
	RUN_UNTIL(t, log_count(t, "reload.done") == 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_NEW) == 2);
}

static void test_intake_off(void **state)
{
	struct bench *t = *state;
	write_config(t, "  intake: false\n");
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	say_hello(t, 0, 5);
	RUN_UNTIL(t, verdicts(t, V_DENY) == 1);
}

static void test_drain(void **state)
{
	struct bench *t = *state;
	broker_start(t, 0);
	peer_open(t, &t->listener, false, 1);
	peer_open(t, &t->workers[0], true, 1);
	for (uint32_t i = 0; i < 20; i++)
		say_hello(t, 0, i);
	RUN_UNTIL(t, t->listener.n_verdicts > 0);
	kill(t->brokers[0], SIGTERM);
	RUN_UNTIL(t, t->listener.n_drain == 1 && t->workers[0].n_drain == 1);
	int status = -1;
	RUN_UNTIL(t, waitpid(t->brokers[0], &status, WNOHANG) == t->brokers[0]);
	t->brokers[0] = 0;
	assert_int_equal(status, 0);
	/* Whatever it had begun to admit was answered. */
	assert_int_equal(counts(t)->n[STORE_LIST_READY], t->listener.n_verdicts);
}

int main(void)
{
	if (system("command -v redis-server >/dev/null 2>&1") != 0) {
		puts("SKIPPED: no redis-server in PATH");
		return 77;
	}
#define CASE(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_admit_job_done),
		CASE(test_same_frame_twice),
		CASE(test_credit_is_kept),
		CASE(test_refused_job_is_released),
		CASE(test_vanished_worker),
		CASE(test_job_lost_on_the_way_comes_back),
		CASE(test_killed_broker),
		CASE(test_two_brokers_claim_once),
		CASE(test_redis_restart),
		CASE(test_wrong_role_and_strangers),
		CASE(test_deny_file),
		CASE(test_intake_off),
		CASE(test_drain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
