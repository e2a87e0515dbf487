/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store on a loop with synchronous calls, for tests: every call runs the loop until its answer
 * is there and keeps what the answer said.
 */
#ifndef MUSTER_TESTS_STORE_SITE_H
#define MUSTER_TESTS_STORE_SITE_H

#include "common/base/err.h"
#include "common/store/store.h"

struct site {
	uv_loop_t loop;
	struct store *store;
	/* the last answer */
	bool done;
	int code; /* 0 or err->code */
	char text[ERROR_TEXT_MAX];
	enum store_verdict verdict;
	bool kept;
	bool dead, changed;
	struct store_reaped reaped;
	struct store_counts counts;
	int codes[STORE_BATCH_MAX];
	struct store_claim
		claims[STORE_BATCH_MAX]; /* texts and blobs are gone: ids and numbers only */
	size_t n;
	uint64_t count;
};

/** Open, connect, and load the library unless text is NULL (store_schema_text() or a changed one).
 */
void site_open(struct site *t, const char *url, const char *user, const char *password,
	const char *library);
void site_close(struct site *t);

/** Load a library; fails the test when Redis does not take it. */
void site_load(struct site *t, const char *library);

/** The library of the product, where a function that touches a key which it has not declared fails,
 * and one that may reach further fails outside the tag of its first key. from: NULL, or a text that
 * is there exactly once, replaced by to. malloc()ed. */
char *site_library(const char *from, const char *to);

/** The same with one function replaced: time is in key test:now. malloc()ed. */
char *site_library_with_clock(void);

/** Run the loop until the last call is answered; rc is what the call returned. @return t->code */
int site_wait(struct site *t, int rc, const struct error *err);

/** One raw command of words separated by spaces; fails the test on an error reply unless reply_err
 * is given (512 bytes). @return integer of the reply, or 0 */
long long site_raw(struct site *t, const char *words, char *reply_err);

/* Callbacks; arg is the struct site. */
void site_done_cb(const struct error *err, void *arg);
void site_admit_cb(enum store_verdict v, const struct error *err, void *arg);
void site_claim_cb(const struct store_claim *c, size_t n, const struct error *err, void *arg);
void site_reap_cb(const struct store_reaped *r, const struct error *err, void *arg);
void site_begin_cb(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg);
void site_renew_cb(const int *codes, size_t n, const struct error *err, void *arg);
void site_fail_cb(bool dead, const struct error *err, void *arg);
void site_schema_cb(bool changed, const struct error *err, void *arg);
void site_expect_cb(bool kept, const struct error *err, void *arg);
void site_count_cb(uint64_t n, const struct error *err, void *arg);
void site_counts_cb(const struct store_counts *c, const struct error *err, void *arg);

#endif
