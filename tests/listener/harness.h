/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench of the listener tests: fake brokers (ROUTERs), the real muster-listener as a child, and
 * devices (plain sockets), all turned by one loop. Threads: none.
 */
#ifndef MUSTER_TESTS_LISTENER_HARNESS_H
#define MUSTER_TESTS_LISTENER_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/bus/bus.h"
#include "proto/hello.h"

#define WAIT_MS   20000
#define HELLO_LEN 841 /* 24 SHA-256 hashes, as captured */
#define N_BROKERS 2

struct fake_broker {
	struct bus *bus;
	struct bus_socket *socket;
	char endpoint[128];
	bool silent; /* takes Hellos and says nothing */
	Muster__V1__VerdictCode code;
	uint32_t n_hellos;
	char last_peer[BUS_ID_MAX + 1];
	uint64_t held[64]; /* sequence numbers not answered */
	uint32_t n_held;
	uint8_t last_address[16];
	size_t last_address_len, last_raw_len;
};

struct bench {
	uv_loop_t loop;
	uv_timer_t tick;
	struct fake_broker brokers[N_BROKERS];
	char dir[64], log[128];
	pid_t pid;
	uint16_t port;
	uint32_t next_device;
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

enum ending { END_OPEN, END_FIN, END_RST };

/* Answer every Hello that a silent broker holds. */
void answer_held(struct fake_broker *b, Muster__V1__VerdictCode code);

/* Fake broker i binds its endpoint; it answers NEW. */
void broker_start(struct bench *t, int i);

/* It vanishes without a word. */
void broker_stop(struct bench *t, int i);

/* The last line of the log that has this event, or NULL; static storage. */
const char *log_line(const struct bench *t, const char *event);

/* A number from the JSON log line of an event; 0 when it is not there. */
long log_number(const struct bench *t, const char *event, const char *key);

/* Lines of the log with this event. */
size_t log_count(const struct bench *t, const char *event);

/* Ask for the counters and wait until they are in the log. */
void report(struct bench *t);

/* One counter of the listener, now. */
long counter(struct bench *t, const char *key);

/* Start the program and wait until it is ready; options: more lines of its section. */
void listener_start(struct bench *t, const char *options);

/* Until the listener has been welcomed n times. */
void wait_brokers(struct bench *t, size_t n);

/* Signal it and wait for its end. @return wait status */
int listener_stop(struct bench *t, int signum);

/* For cmocka: a folder and a loop; no broker, no listener yet. */
int bench_setup(void **state);

/* For cmocka: fails when a handle of the loop was forgotten. */
int bench_teardown(void **state);

/* A connection from its own address 127.9.x.y, or from the given one. */
int device_connect(struct bench *t, const char *from);

/* What the device sees now; closes nothing. */
enum ending device_state(int fd);

/* Until the listener closes; closes the socket too. */
enum ending device_wait(struct bench *t, int fd);

/* A good message of a device that nobody has seen. */
size_t make_hello(struct bench *t, uint8_t out[static HELLO_LEN]);

/* A new device connects and says Hello. @return the socket */
int device_say(struct bench *t, const char *from);

#endif
