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

#define VERIFY_CA_MAX      8
#define VERIFY_LEDGERS_MAX 64 /* processes of one estate */

struct verify_opts {
	const char *ledgers[VERIFY_LEDGERS_MAX];
	size_t n_ledgers;
	const char *records; /* NULL = none, "-" = standard input */
	const char *profile; /* NULL = not compared */
	const char *names;   /* NULL = those of the run; else a table of the names of today, CSV */
	const char *ca[VERIFY_CA_MAX];
	size_t n_ca;
	const char *ends; /* NULL; a file for one line per device: what became of it */
	bool json;
};

/* What the ledger says of one device. */
struct v_device {
	const char *uuid, *fqdn, *faults; /* of its first line */
	uint64_t index;
	uint64_t wall_ms; /* start of its run */
	json_t *lines;    /* its ledger lines, in order */
	json_t *final;    /* borrowed from lines; NULL when the run was cut */
	json_t *record;   /* of the server, or NULL; that of the UUID, if several devices have it */
	unsigned n_peers, n_peers_configured; /* devices with this UUID, itself included */
	uint64_t hellos, accepted, refused;
	uint64_t first_hello_us; /* due by the schedule, since the start; UINT64_MAX = never */
	uint64_t done_us;        /* last change by the server, or in->post */
	bool configured;
	unsigned n_violations;
};

struct verify {
	struct v_device *devices;
	size_t n;
	json_t *by_id;    /* "ledger/id" -> index */
	json_t *by_uuid;  /* uuid -> array of indexes */
	unsigned ledger;  /* that is being read */
	uint64_t wall_ms; /* start of its run */
	unsigned n_ended; /* ledgers that are complete */
	bool have_records, have_profile, ended;
	struct profile profile;
	X509_STORE *store;
	json_t *names;      /* uuid -> name, of opts.names; the devices borrow them */
	json_t *violations; /* array of objects */
	uint64_t bad_lines; /* evidence that could not be read: no verdict without it */
	uint64_t strangers; /* records of devices that no ledger knows */
};

/** Load, judge, print. @return 0 = no violation, 1 = some; negative = could not judge */
int verify_run(const struct verify_opts *opts, struct error *err);

/* For tests: the parts of verify_run(). */
int verify_load(struct verify *v, const struct verify_opts *opts, struct error *err);
void verify_judge(struct verify *v);
void verify_free(struct verify *v);

/* ---- verify_report.c ------------------------------------------------------------------------ */

/** The report as a new reference. */
json_t *verify_report(struct verify *v);

/** Print the report as text. */
void verify_print(const json_t *report);

/** What became of a device: "provisioned", "refused:REASON", "quarantine:WORD", ... */
const char *verify_end(const struct verify *v, const struct v_device *d, char out[static 96]);

/** Write one JSON line per device: index, uuid, quirks, end. @return 0 or -errno */
int verify_write_ends(struct verify *v, const char *path, struct error *err);

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
