/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the evidence; see verify.h. */
#include "bench/sim/verify.h"

#include "common/base/uuid.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORIES_MAX 50  /* devices whose whole story is printed */
#define KEY_MAX_LEN 128 /* "ledger/UUID#index" */

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

/* Each process names its devices for itself. */
static const char *device_key(
	const struct verify *v, const json_t *line, char out[static KEY_MAX_LEN])
{
	snprintf(out, KEY_MAX_LEN, "%u/%s", v->ledger, v_text(line, "d"));
	return out;
}

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
	*d = (struct v_device){.lines = json_array(),
		.first_hello_us = UINT64_MAX,
		.wall_ms = v->wall_ms,
		.index = v_uint(line, "index")};
	/* Ledgers before this member existed name a device by its UUID alone. */
	const char *uuid = json_object_get(line, "uuid") ? v_text(line, "uuid") : v_text(line, "d");
	char key[KEY_MAX_LEN];
	json_t *peers = json_object_get(v->by_uuid, uuid);
	if (!peers) {
		peers = json_array();
		json_object_set_new(v->by_uuid, uuid, peers);
	}
	json_array_append_new(peers, json_integer((json_int_t)v->n));
	json_object_set_new(v->by_id, device_key(v, line, key), json_integer((json_int_t)v->n));
	v->n++;
	return 0;
}

static struct v_device *find(struct verify *v, const json_t *line)
{
	char key[KEY_MAX_LEN];
	json_t *i = json_object_get(v->by_id, device_key(v, line, key));
	return i ? &v->devices[json_integer_value(i)] : NULL;
}

/* The device of an entry of by_uuid. */
static struct v_device *peer(struct verify *v, const json_t *entry)
{
	size_t i = (size_t)json_integer_value(entry);
	return i < v->n ? &v->devices[i] : NULL;
}

static void note_line(struct v_device *d, json_t *line)
{
	const char *ev = v_text(line, "ev");
	if (strcmp(ev, "device") == 0) {
		d->uuid = json_object_get(line, "uuid") ? v_text(line, "uuid") : v_text(line, "d");
		d->fqdn = v_text(line, "fqdn");
		d->faults = v_text(line, "faults");
	} else if (strcmp(ev, "hello") == 0) {
		d->hellos++;
		d->accepted += strcmp(v_text(line, "result"), "accepted") == 0;
		d->refused += strcmp(v_text(line, "result"), "refused") == 0;
		/* From the schedule: a simulator that lagged must not flatter the server. */
		uint64_t due = v_uint(line, json_object_get(line, "due") ? "due" : "sent");
		if (due < d->first_hello_us)
			d->first_hello_us = due;
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
		v->n_ended++;
	if (strcmp(ev, "device") == 0)
		rc = add_device(v, line);
	struct v_device *d = find(v, line);
	if (d)
		note_line(d, line);
	else if (json_object_get(line, "d"))
		v->bad_lines++;
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
	json_t *peers = json_object_get(v->by_uuid, v_text(record, "uuid")), *i;
	size_t n;
	v->strangers += !peers;
	json_array_foreach(peers, n, i)
	{
		struct v_device *d = peer(v, i);
		if (!d)
			continue;
		json_decref(d->record);
		d->record = json_incref(record);
	}
	json_decref(record);
	return 0;
}

/* "uuid,name,...": what the device is to be called at the end of the run. */
static int take_name(struct verify *v, const char *text, size_t len)
{
	char uuid[UUID_TEXT_LEN + 1], name[256];
	json_t *i;
	size_t n;
	(void)len;
	if (sscanf(text, "%36[^,],%255[^,\r\n]", uuid, name) != 2)
		return 0;
	json_object_set_new(v->names, uuid, json_string(name));
	json_array_foreach(json_object_get(v->by_uuid, uuid), n, i)
	{
		struct v_device *d = peer(v, i);
		if (d)
			d->fqdn = v_text(v->names, uuid);
	}
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

/* How many devices carry each UUID, and how many of them are configured. */
static void count_peers(struct verify *v)
{
	const char *uuid;
	json_t *peers, *i;
	size_t n;
	json_object_foreach(v->by_uuid, uuid, peers)
	{
		unsigned configured = 0;
		struct v_device *d;
		json_array_foreach(peers, n, i)
		{
			if ((d = peer(v, i)))
				configured += d->configured;
		}
		json_array_foreach(peers, n, i)
		{
			if (!(d = peer(v, i)))
				continue;
			d->n_peers = (unsigned)json_array_size(peers);
			d->n_peers_configured = configured;
		}
	}
}

int verify_load(struct verify *v, const struct verify_opts *o, struct error *err)
{
	*v = (struct verify){.by_id = json_object(),
		.by_uuid = json_object(),
		.names = json_object(),
		.violations = json_array()};
	for (size_t i = 0; i < o->n_ledgers; i++) {
		size_t before = v->n;
		v->ledger = (unsigned)i;
		TRY(read_file(v, o->ledgers[i], take_line, err));
		ENSURE(v->n > before, err, E_CONFIG, "%s: no device in this ledger", o->ledgers[i]);
	}
	v->ended = v->n_ended == o->n_ledgers;
	count_peers(v);
	TRY(load_ca(v, o, err));
	if (o->profile) {
		TRY(profile_load_file(&v->profile, o->profile, NULL, err));
		v->have_profile = true;
	}
	if (o->names)
		TRY(read_file(v, o->names, take_name, err));
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
	json_decref(v->by_id);
	json_decref(v->by_uuid);
	json_decref(v->names);
	json_decref(v->violations);
	X509_STORE_free(v->store);
	*v = (struct verify){0};
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
			verify_print(report);
		printf("\n");
		if (opts->ends)
			rc = verify_write_ends(&v, opts->ends, err);
		if (rc == 0 && (json_array_size(v.violations) || !v.ended || v.bad_lines))
			rc = 1;
		json_decref(report);
	}
	verify_free(&v);
	return rc;
}
