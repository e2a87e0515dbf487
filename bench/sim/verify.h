/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of a run: reads the ledger of the devices and, when given, the records of the server,
 * and names every broken invariant with the story of the device. Works against any server: without
 * records only what the devices saw is judged.
 * Ownership: all memory is freed by verify_free(). Threads: none. SPEC: architecture.md 3
 */
#ifndef MUSTER_SIM_VERIFY_H
#define MUSTER_SIM_VERIFY_H

#include "common/base/err.h"
#include "common/conf/profile.h"

#include <jansson.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERIFY_CA_MAX 8

struct verify_opts {
	const char *ledger;
	const char *records; /* NULL = none, "-" = standard input */
	const char *profile; /* NULL = not compared */
	const char *ca[VERIFY_CA_MAX];
	size_t n_ca;
	bool json;
};

/* What the ledger says of one device. */
struct v_device {
	const char *uuid, *fqdn, *faults;
	json_t *lines;  /* its ledger lines, in order */
	json_t *final;  /* borrowed from lines; NULL when the run was cut */
	json_t *record; /* of the server, or NULL */
	uint64_t hellos, accepted;
	uint64_t first_hello_us; /* sent, since the start of the run; UINT64_MAX = never */
	uint64_t done_us;        /* last change by the server, or in->post */
	bool configured;
	unsigned n_violations;
};

struct verify {
	struct v_device *devices;
	size_t n;
	json_t *by_uuid;  /* uuid -> index */
	uint64_t wall_ms; /* start of the run */
	bool have_records, have_profile, ended;
	struct profile profile;
	X509_STORE *store;
	json_t *violations; /* array of objects */
	uint64_t bad_lines, strangers;
};

/** Load, judge, print. @return 0 = no violation, 1 = some; negative = could not judge */
int verify_run(const struct verify_opts *opts, struct error *err);

/* For tests: the parts of verify_run(). */
int verify_load(struct verify *v, const struct verify_opts *opts, struct error *err);
void verify_judge(struct verify *v);
/** The report as a new reference. */
json_t *verify_report(struct verify *v);
void verify_free(struct verify *v);

/* ---- invariants.c --------------------------------------------------------------------------- */

/** Judge one device; violations go through verify_violation(). */
void invariants_check(struct verify *v, struct v_device *d);

/** Note one violation. */
void verify_violation(struct verify *v, struct v_device *d, const char *rule, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Whether the server says that this device is done. */
bool verify_record_done(const struct v_device *d);

/* Members of a JSON object, with a default when absent or of another type. */
const char *v_text(const json_t *o, const char *key);
uint64_t v_uint(const json_t *o, const char *key);
bool v_bool(const json_t *o, const char *key);

#endif
