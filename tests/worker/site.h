/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of whole sessions share: a worker, a device (fake_device.h), a store (fake_store.h),
 * an authority, and the certificates of the site. One site per test program. Threads: one. */
#ifndef MUSTER_TEST_SITE_H
#define MUSTER_TEST_SITE_H

#include "tests/worker/fake_device.h"
#include "tests/worker/fake_store.h"
#include "tests/worker/worker_test.h"
#include "worker/session.h"
#include "worker/worker.h"

#define UUID_TEXT      "939b524b-13d4-1d18-e487-1c697a6b7a2b"
#define JOB_TEXT       "01a20a56-846e-7a1b-ba95-69476a530de8"
#define LONG_MS        20000
#define SITE_HELLO_MAX 1024

extern uv_loop_t loop;
extern struct conf conf;
extern struct worker w;
extern struct fake_device dev;
extern uint8_t hello[SITE_HELLO_MAX]; /* what the job carries */
extern size_t hello_len;
extern bool over; /* the session has ended, with this outcome */
extern char outcome[16];
extern unsigned ca_calls; /* requests to the authority, and what it answers */
extern enum ca_result ca_result;

/** For cmocka_run_group_tests(). */
int site_setup(void **state);
int site_teardown(void **state);

/** Load a second chain below the same root, with a leaf of RSA 3072; undone by the next call. */
void site_second_chain(bool load);

/** A device, a record and a profile that know nothing of earlier tests. */
void fresh(void);

/** The device has been showing another certificate of its name and key, and the record says so:
 * valid from and until so many days from now, of our authority or of one that is not trusted. */
void site_give_leaf(long from_days, long till_days, bool ours);

/** What the table of names calls the device; NULL = as at the beginning. */
void site_name_device(const char *fqdn);

/** One visit, to its end. @param args of the job; NULL = none */
void visit(void);
void visit_with(const char *args);

/** The first visit of an upkeep job. */
void upkeep(const char *kind, const char *args);

/** A later one, with the checkpoint of the last. */
void upkeep_again(const char *kind, const char *args);

/** A device in service, with its record. */
void in_service(void);

/** The job is finished, on a device that has had one commit, that of its setup. */
void assert_finished(void);

/** The job is finished and the device is as the profile says. */
void assert_provisioned(void);

/** The job ended so, with a text. */
void assert_end(const char *how, const char *reason);

#endif
