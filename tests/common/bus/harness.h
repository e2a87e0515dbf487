/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench of the bus tests: one loop, and two ends of the bus that count what they get and answer
 * Ping with Pong. Threads: none.
 */
#ifndef MUSTER_TESTS_COMMON_BUS_HARNESS_H
#define MUSTER_TESTS_COMMON_BUS_HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/bus/bus.h"

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

/* Turned by RUN_UNTIL(). */
extern uv_loop_t loop;

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

extern const struct bus_handler handler;

/* Set-up and tear-down of cmocka: the loop; tear-down fails when a handle was forgotten. */
int loop_setup(void **state);

int loop_teardown(void **state);

/* A broker at this endpoint; keys_dir NULL = without Curve. */
void open_router(struct end *end, const char *endpoint, const char *keys_dir);

/* A listener or worker that connects there. */
void open_dealer(struct end *end, const char *role, const char *endpoint, const char *keys_dir);

/* N_ECHO pings and their answers between two ends; prints the rate. */
void echo_run(const char *endpoint, const char *keys_dir, const char *label);

/* A new folder; static storage. */
char *scratch_dir(void);

void remove_dir(const char *dir);

/* Keys and allow-lists of all roles. */
void make_keys(const char *dir);

#endif
