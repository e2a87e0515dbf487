/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in a time that the test turns, and devices that are rows of the test: what tests of the
 * calendar and of waves share. The functions are the product's. One store per program. Threads:
 * one.
 */
#ifndef MUSTER_TEST_TURNED_H
#define MUSTER_TEST_TURNED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/store/store_wave.h"
#include "tests/common/store/server.h"
#include "tests/common/store/site.h"

#define DAY_MS         86400000ull
#define HOUR_MS        3600000ull
#define START          1700000000000ull
#define TURNED_TEST(f) cmocka_unit_test_setup_teardown(f, turned_setup, turned_teardown)

struct device {
	char uuid[UUID_TEXT_LEN + 1];
	uint64_t cert_end_ms, rotated_ms, written_ms; /* by a job that changes the device */
};

/* What a claim said, kept beyond the next call. */
struct work {
	char id[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	uint64_t fence;
	enum job_kind kind;
};

extern struct server server;
extern struct site site;
extern struct error err;
extern uint64_t now;
extern struct work works[STORE_BATCH_MAX]; /* of the last claim() */
extern size_t n_works;

void clock_to(uint64_t ms);

/** Wait for the answer of a call that returned rc; the test fails unless it is good. */
void ok(int rc);

/** n devices of many sites, forty in each, set up at the same time. */
void set_up(struct device *d, size_t n, uint64_t life_ms);

/** The number that set_up() gave it. */
size_t index_of(const char *uuid);

/** All jobs that are due, into works. */
void claim(void);

/** A worker's whole work on one job. */
void end_job(const struct work *w, bool good, const struct store_field *f, size_t n_fields);

/** Of each test: an empty store, at START. */
int turned_setup(void **state);
int turned_teardown(void **state);

/** @return the program's exit status; 77 = there is no Redis */
int turned_run(const struct CMUnitTest *tests, size_t n);

#endif
