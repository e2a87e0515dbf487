/* SPDX-License-Identifier: Apache-2.0 */
/* The report of the judge: counts, percentiles, ends, violations with their stories. */
#include "bench/sim/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* First Hello due to done: by the server's clock when it tells, else the last change seen. */
static uint64_t took_ms(const struct v_device *d)
{
	uint64_t start = d->wall_ms + d->first_hello_us / 1000;
	uint64_t done = d->record ? v_uint(d->record, "done_ms") : 0;
	if (done == 0)
		done = d->wall_ms + d->done_us / 1000;
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

static bool is_done(const struct verify *v, const struct v_device *d)
{
	return d->configured && (!v->have_records || verify_record_done(d));
}

const char *verify_end(const struct verify *v, const struct v_device *d, char out[static 96])
{
	const json_t *r = d->record;
	const char *quarantine = r ? v_text(r, "quarantine") : "";
	const char *state = r ? v_text(r, "job_state") : "";
	const char *word = "not accepted", *reason = NULL;
	if (is_done(v, d)) {
		word = "provisioned";
	} else if (d->n_peers > 1 && d->n_peers_configured > 0 && !d->configured) {
		word = "twin provisioned";
	} else if (*quarantine) {
		word = "quarantine";
		reason = quarantine;
	} else if (r) {
		word = strcmp(state, "dead") == 0 ? "refused" : *state ? state : v_text(r, "state");
		reason = *v_text(r, "reason") ? v_text(r, "reason") : v_text(r, "job_reason");
	} else if (d->configured || d->accepted) {
		word = d->configured ? "configured" : "unfinished";
	} else if (d->refused) {
		word = "refused";
		reason = "hello";
	}
	snprintf(out, 96, "%s%s%s", word, reason ? ":" : "", reason ? reason : "");
	return out;
}

/* How many devices came to which end. */
static json_t *ends(const struct verify *v)
{
	json_t *out = json_object();
	char text[96];
	for (size_t i = 0; i < v->n; i++) {
		const char *end = verify_end(v, &v->devices[i], text);
		json_int_t n = json_integer_value(json_object_get(out, end));
		json_object_set_new(out, end, json_integer(n + 1));
	}
	return out;
}

int verify_write_ends(struct verify *v, const char *path, struct error *err)
{
	FILE *f = fopen(path, "we");
	ENSURE(f, err, -errno, "%s: %s", path, strerror(errno));
	char text[96];
	for (size_t i = 0; i < v->n; i++) {
		const struct v_device *d = &v->devices[i];
		json_t *one = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "index",
			(json_int_t)d->index, "uuid", d->uuid, "fqdn", d->fqdn, "quirks", d->faults,
			"end", verify_end(v, d, text), "violations", (json_int_t)d->n_violations,
			"peers", (json_int_t)d->n_peers, "peers_configured",
			(json_int_t)d->n_peers_configured, "configured", d->configured);
		json_object_set_new(
			one, "error", json_string(d->record ? v_text(d->record, "error") : ""));
		json_dumpf(one, f, JSON_COMPACT);
		fputc('\n', f);
		json_decref(one);
	}
	bool ok = !ferror(f);
	ENSURE(fclose(f) == 0 && ok, err, -EIO, "%s: cannot be written", path);
	return 0;
}

json_t *verify_report(struct verify *v)
{
	uint64_t hellos = 0, accepted = 0, provisioned = 0, failed = 0, lost = 0, doubled = 0;
	uint64_t *ms = calloc(v->n, sizeof *ms);
	size_t n_ms = 0;
	for (size_t i = 0; i < v->n; i++) {
		struct v_device *d = &v->devices[i];
		bool done = is_done(v, d);
		hellos += d->hellos;
		accepted += d->accepted > 0;
		provisioned += done;
		failed += !done;
		lost += d->n_violations && has_rule(v, d, "lost");
		doubled += d->n_violations &&
			   (has_rule(v, d, "configured_twice") || has_rule(v, d, "bound_twice"));
		if (done && ms && d->first_hello_us != UINT64_MAX)
			ms[n_ms++] = took_ms(d);
	}
	json_t *report = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O}", "devices",
		(json_int_t)v->n, "hellos_sent", (json_int_t)hellos, "accepted",
		(json_int_t)accepted, "provisioned", (json_int_t)provisioned, "failed",
		(json_int_t)failed, "lost", (json_int_t)lost, "doubled", (json_int_t)doubled,
		"violations", (json_int_t)json_array_size(v->violations), "hello_to_done_ms",
		percentiles(ms, ms ? n_ms : 0), "violations_list", v->violations);
	json_object_set_new(report, "ends", ends(v));
	json_object_set_new(report, "unknown_records", json_integer((json_int_t)v->strangers));
	json_object_set_new(report, "bad_lines", json_integer((json_int_t)v->bad_lines));
	json_object_set_new(report, "ledger_complete", json_boolean(v->ended));
	free(ms);
	return report;
}

void verify_print(const json_t *report)
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
