/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the evidence and writing the report; see verify.h. */
#include "bench/sim/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORIES_MAX 50 /* devices whose whole story is printed */

const char *v_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

uint64_t v_uint(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

bool v_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

bool verify_record_done(const struct v_device *d)
{
	return d->record && (strcmp(v_text(d->record, "state"), "done") == 0 ||
				    strcmp(v_text(d->record, "job_state"), "done") == 0);
}

void verify_violation(struct verify *v, struct v_device *d, const char *rule, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	d->n_violations++;
	json_t *one = json_pack("{s:s, s:s, s:s, s:s}", "uuid", d->uuid, "fqdn", d->fqdn, "rule",
		rule, "text", text);
	/* The story once per device. */
	if (d->n_violations == 1 && json_array_size(v->violations) < STORIES_MAX)
		json_object_set(one, "story", d->lines);
	json_array_append_new(v->violations, one);
}

/* ---- ledger --------------------------------------------------------------------------------- */

static int add_device(struct verify *v, const json_t *line)
{
	const size_t step = 1024;
	if (v->n % step == 0) {
		struct v_device *more = realloc(v->devices, (v->n + step) * sizeof *more);
		if (!more)
			return -ENOMEM;
		v->devices = more;
	}
	struct v_device *d = &v->devices[v->n];
	*d = (struct v_device){.lines = json_array(), .first_hello_us = UINT64_MAX};
	json_object_set_new(v->by_uuid, v_text(line, "d"), json_integer((json_int_t)v->n));
	v->n++;
	return 0;
}

static struct v_device *find(struct verify *v, const char *uuid)
{
	json_t *i = json_object_get(v->by_uuid, uuid);
	return i ? &v->devices[json_integer_value(i)] : NULL;
}

static void note_line(struct v_device *d, json_t *line)
{
	const char *ev = v_text(line, "ev");
	if (strcmp(ev, "device") == 0) {
		d->uuid = v_text(line, "d");
		d->fqdn = v_text(line, "fqdn");
		d->faults = v_text(line, "faults");
	} else if (strcmp(ev, "hello") == 0) {
		d->hellos++;
		d->accepted += strcmp(v_text(line, "result"), "accepted") == 0;
		if (v_uint(line, "sent") < d->first_hello_us)
			d->first_hello_us = v_uint(line, "sent");
	} else if (strcmp(ev, "state") == 0) {
		d->configured = v_uint(line, "to") == 2;
		d->done_us = v_uint(line, "t");
	} else if (strcmp(ev, "call") == 0) {
		d->done_us = v_uint(line, "t");
	} else if (strcmp(ev, "final") == 0) {
		d->final = line;
	}
	json_array_append(d->lines, line);
}

static int take_line(struct verify *v, const char *text, size_t len)
{
	json_t *line = json_loadb(text, len, 0, NULL);
	int rc = 0;
	if (!line) {
		v->bad_lines++;
		return 0;
	}
	const char *ev = v_text(line, "ev");
	if (strcmp(ev, "run") == 0)
		v->wall_ms = v_uint(line, "wall_ms");
	else if (strcmp(ev, "end") == 0)
		v->ended = true;
	if (strcmp(ev, "device") == 0)
		rc = add_device(v, line);
	struct v_device *d = find(v, v_text(line, "d"));
	if (d)
		note_line(d, line);
	json_decref(line);
	return rc;
}

static int take_record(struct verify *v, const char *text, size_t len)
{
	json_t *record = json_loadb(text, len, 0, NULL);
	if (!record) {
		v->bad_lines++;
		return 0;
	}
	struct v_device *d = find(v, v_text(record, "uuid"));
	if (!d) {
		v->strangers++;
		json_decref(record);
		return 0;
	}
	json_decref(d->record);
	d->record = record;
	return 0;
}

static int each_line(struct verify *v, FILE *f, int (*fn)(struct verify *, const char *, size_t))
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int rc = 0;
	while (rc == 0 && (len = getline(&line, &cap, f)) >= 0)
		if (len > 1)
			rc = fn(v, line, (size_t)len);
	/* Records carry passwords. */
	if (line)
		OPENSSL_cleanse(line, cap);
	free(line);
	return rc;
}

static int read_file(struct verify *v, const char *path,
	int (*fn)(struct verify *, const char *, size_t), struct error *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	int rc = each_line(v, f, fn);
	if (f != stdin)
		fclose(f);
	ENSURE(rc == 0, err, rc, "%s: %s", path, strerror(-rc));
	return 0;
}

static int load_ca(struct verify *v, const struct verify_opts *o, struct error *err)
{
	if (o->n_ca == 0)
		return 0;
	v->store = X509_STORE_new();
	ENSURE(v->store, err, -ENOMEM, "no memory");
	for (size_t i = 0; i < o->n_ca; i++) {
		FILE *f = fopen(o->ca[i], "re");
		ENSURE(f, err, -errno, "%s: %s", o->ca[i], strerror(errno));
		size_t n = 0;
		for (X509 *x; (x = PEM_read_X509(f, NULL, NULL, NULL)); n++) {
			X509_STORE_add_cert(v->store, x);
			X509_free(x);
		}
		fclose(f);
		ENSURE(n > 0, err, E_CONFIG, "%s: no certificate in PEM form", o->ca[i]);
	}
	return 0;
}

int verify_load(struct verify *v, const struct verify_opts *o, struct error *err)
{
	*v = (struct verify){.by_uuid = json_object(), .violations = json_array()};
	TRY(read_file(v, o->ledger, take_line, err));
	ENSURE(v->n > 0, err, E_CONFIG, "%s: no device in this ledger", o->ledger);
	TRY(load_ca(v, o, err));
	if (o->profile) {
		TRY(profile_load_file(&v->profile, o->profile, NULL, err));
		v->have_profile = true;
	}
	if (o->records) {
		TRY(read_file(v, o->records, take_record, err));
		v->have_records = true;
	}
	return 0;
}

void verify_judge(struct verify *v)
{
	for (size_t i = 0; i < v->n; i++)
		invariants_check(v, &v->devices[i]);
}

void verify_free(struct verify *v)
{
	for (size_t i = 0; i < v->n; i++) {
		json_decref(v->devices[i].lines);
		json_decref(v->devices[i].record);
	}
	free(v->devices);
	json_decref(v->by_uuid);
	json_decref(v->violations);
	X509_STORE_free(v->store);
	*v = (struct verify){0};
}

/* ---- report --------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* First Hello sent to done: by the server's clock when it tells, else the last change seen. */
static uint64_t took_ms(const struct verify *v, const struct v_device *d)
{
	uint64_t start = v->wall_ms + d->first_hello_us / 1000;
	uint64_t done = d->record ? v_uint(d->record, "done_ms") : 0;
	if (done == 0)
		done = v->wall_ms + d->done_us / 1000;
	return done > start ? done - start : 0;
}

static json_t *percentiles(uint64_t *ms, size_t n)
{
	static const struct {
		const char *name;
		unsigned percent;
	} wanted[] = {{"p50", 50}, {"p95", 95}, {"p99", 99}, {"max", 100}};
	json_t *out = json_object();
	if (n > 0)
		qsort(ms, n, sizeof *ms, ascending);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		/* Nearest rank. */
		size_t rank = (n * wanted[i].percent + 99) / 100;
		json_object_set_new(out, wanted[i].name,
			n ? json_integer((json_int_t)ms[rank ? rank - 1 : 0]) : json_null());
	}
	return out;
}

static bool has_rule(const struct verify *v, const struct v_device *d, const char *rule)
{
	json_t *one;
	size_t i;
	json_array_foreach(v->violations, i, one)
	{
		if (strcmp(v_text(one, "uuid"), d->uuid) == 0 &&
			strcmp(v_text(one, "rule"), rule) == 0)
			return true;
	}
	return false;
}

json_t *verify_report(struct verify *v)
{
	uint64_t hellos = 0, accepted = 0, provisioned = 0, failed = 0, lost = 0, doubled = 0;
	uint64_t *ms = calloc(v->n, sizeof *ms);
	size_t n_ms = 0;
	for (size_t i = 0; i < v->n; i++) {
		struct v_device *d = &v->devices[i];
		bool done = d->configured && (!v->have_records || verify_record_done(d));
		hellos += d->hellos;
		accepted += d->accepted > 0;
		provisioned += done;
		failed += !done;
		lost += d->n_violations && has_rule(v, d, "lost");
		doubled += d->n_violations &&
			   (has_rule(v, d, "configured_twice") || has_rule(v, d, "bound_twice"));
		if (done && ms && d->first_hello_us != UINT64_MAX)
			ms[n_ms++] = took_ms(v, d);
	}
	json_t *report = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O}", "devices",
		(json_int_t)v->n, "hellos_sent", (json_int_t)hellos, "accepted",
		(json_int_t)accepted, "provisioned", (json_int_t)provisioned, "failed",
		(json_int_t)failed, "lost", (json_int_t)lost, "doubled", (json_int_t)doubled,
		"violations", (json_int_t)json_array_size(v->violations), "hello_to_done_ms",
		percentiles(ms, ms ? n_ms : 0), "violations_list", v->violations);
	json_object_set_new(report, "unknown_records", json_integer((json_int_t)v->strangers));
	json_object_set_new(report, "bad_lines", json_integer((json_int_t)v->bad_lines));
	json_object_set_new(report, "ledger_complete", json_boolean(v->ended));
	free(ms);
	return report;
}

static void print_text(const json_t *report)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)report, key, value)
	{
		if (json_is_array(value))
			continue;
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		printf("  %-20s %s\n", key, text ? text : "");
		free(text);
	}
	size_t i;
	json_array_foreach(json_object_get(report, "violations_list"), i, value)
	{
		printf("\n  %s %s: %s: %s\n", v_text(value, "uuid"), v_text(value, "fqdn"),
			v_text(value, "rule"), v_text(value, "text"));
		json_t *line;
		size_t j;
		json_array_foreach(json_object_get(value, "story"), j, line)
		{
			char *text = json_dumps(line, JSON_COMPACT);
			printf("      %.200s\n", text ? text : "");
			free(text);
		}
	}
}

int verify_run(const struct verify_opts *opts, struct error *err)
{
	struct verify v;
	int rc = verify_load(&v, opts, err);
	if (rc == 0) {
		verify_judge(&v);
		json_t *report = verify_report(&v);
		if (opts->json)
			json_dumpf(report, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
		else
			print_text(report);
		printf("\n");
		rc = json_array_size(v.violations) || !v.ended ? 1 : 0;
		json_decref(report);
	}
	verify_free(&v);
	return rc;
}
