/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench of the broker tests: a private redis-server and the real muster-broker as children, a
 * fake listener and fake workers, and a store client, all turned by one loop. Threads: none.
 */
#ifndef MUSTER_TESTS_BROKER_HARNESS_H
#define MUSTER_TESTS_BROKER_HARNESS_H

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

#define V_NEW  MUSTER__V1__VERDICT_CODE__VERDICT_NEW
#define V_DUP  MUSTER__V1__VERDICT_CODE__VERDICT_DUP
#define V_IGN  MUSTER__V1__VERDICT_CODE__VERDICT_IGN
#define V_DENY MUSTER__V1__VERDICT_CODE__VERDICT_DENY

/* For what must not happen: turn the loop for a while. */
void run_for(struct bench *t, uint64_t ms);

/* Lines of the log (redis and brokers) with this event. */
size_t log_count(const struct bench *t, const char *event);

/* Of fake listeners and workers. */
extern const struct bus_handler peer_handler;

/* Start redis-server on the folder of this bench; a second start finds the former data. */
void redis_start(struct bench *t);

/* Start broker i and wait until it is ready. */
void broker_start(struct bench *t, int i);

/* Signal a child and wait for its end. @return wait status */
int stop(struct bench *t, pid_t *pid, int signum);

/* The configuration of the brokers; options: more lines of the section broker. */
void write_config(const struct bench *t, const char *options);

/* A worker grants slots to a broker. */
void send_credit(struct peer *p, int broker, uint32_t slots);

/* A worker says that it is done with a job. */
void send_done(struct peer *p, int broker, const struct got_job *j);

/* A listener or worker connects to the first n brokers and is welcomed. */
void peer_open(struct bench *t, struct peer *p, bool worker, int n_brokers);

/* It vanishes without a word. NULL bus is fine. */
void peer_close(struct peer *p);

/* Device number n says Hello through a broker. */
void say_hello(struct bench *t, int broker, uint32_t n);

/* Verdicts of this kind so far. */
uint32_t verdicts(const struct bench *t, Muster__V1__VerdictCode code);

/* Finish a begun job in the store. */
void finish(struct bench *t, const struct got_job *j);

/* For cmocka: folder, Redis, store client; no broker yet. */
int bench_setup(void **state);

/* For cmocka: fails when a handle of the loop was forgotten. */
int bench_teardown(void **state);

/* Answer of store_begin(): counts. */
void begun_cb(const struct store_job *job, const struct store_device *dev, const struct error *err,
	void *arg);

/* How many jobs are in which state, from the store; all bits set when it does not answer. */
const struct store_counts *counts(struct bench *t);

#endif
