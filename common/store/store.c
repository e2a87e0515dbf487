/* SPDX-License-Identifier: Apache-2.0 */
/* See store.h and store_int.h: opening, building calls, reading answers. */
#include "common/store/store.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

#define PARTITION_MAX 16

/* ---- open, close ----------------------------------------------------------------------------- */

static int prefix_set(struct store *s, const char *partition, struct error *err)
{
	const char *p = partition ? partition : "0";
	size_t len = strlen(p);
	ENSURE(len >= 1 && len <= PARTITION_MAX, err, E_CONFIG,
		"redis.partition: 1 to %d characters", PARTITION_MAX);
	for (size_t i = 0; i < len; i++)
		ENSURE(isalnum((unsigned char)p[i]), err, E_CONFIG,
			"redis.partition: letters and digits only, not \"%s\"", p);
	snprintf(s->prefix, sizeof s->prefix, "muster:{%s}:", p);
	return 0;
}

int store_open(struct store **out, uv_loop_t *loop, const struct store_opts *opts,
	redis_state_fn state, void *arg, struct error *err)
{
	struct store *s = calloc(1, sizeof *s);
	ENSURE(s, err, -ENOMEM, "store: out of memory");
	int rc = prefix_set(s, opts->partition, err);
	if (rc == 0)
		rc = redis_open(&s->redis, loop, &opts->redis, state, arg, err);
	if (rc < 0) {
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	redis_close(s->redis);
	free(s);
}

struct redis *store_redis(const struct store *s)
{
	return s->redis;
}

/* ---- building a call ------------------------------------------------------------------------- */

static void add(struct store *s, const char *data, size_t len)
{
	if (s->argc == CALL_ARGC_MAX) {
		s->overflow = true;
		return;
	}
	s->argv[s->argc] = data;
	s->argv_len[s->argc++] = len;
}

__attribute__((format(printf, 2, 3))) static void addf(struct store *s, const char *fmt, ...)
{
	char *at = s->text + s->text_len;
	size_t room = sizeof s->text - s->text_len;
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room) {
		s->overflow = true;
		return;
	}
	s->text_len += (size_t)len + 1;
	add(s, at, (size_t)len);
}

void cmd_begin(struct store *s, const char *command)
{
	s->argc = 0;
	s->n_keys = -1;
	s->text_len = 0;
	s->overflow = false;
	add(s, command, strlen(command));
}

void call_begin(struct store *s, const char *name)
{
	cmd_begin(s, "FCALL");
	s->n_keys = 0;
	addf(s, "muster_v1_%s", name);
	add(s, "0", 1); /* number of keys, known in call_send() */
}

void call_key(struct store *s, const char *name, const char *id)
{
	s->n_keys += s->n_keys >= 0;
	addf(s, "%s%s%s", s->prefix, name, id);
}

void call_raw_key(struct store *s, const char *key)
{
	s->n_keys += s->n_keys >= 0;
	add(s, key, strlen(key));
}

void call_text(struct store *s, const char *text)
{
	add(s, text ? text : "", text ? strlen(text) : 0);
}

void call_blob(struct store *s, struct store_blob blob)
{
	add(s, blob.data ? blob.data : "", blob.data ? blob.len : 0);
}

void call_u64(struct store *s, uint64_t n)
{
	addf(s, "%llu", (unsigned long long)n);
}

void call_fields(struct store *s, const struct store_field *fields, size_t n)
{
	if (n > STORE_FIELDS_MAX) {
		s->overflow = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		call_text(s, fields[i].name);
		call_blob(s, fields[i].value);
	}
}

void call_lease(struct store *s, const struct store_lease *lease)
{
	call_text(s, lease->job);
	call_text(s, lease->uuid);
	call_u64(s, lease->fence);
}

int call_send(struct store *s, redis_reply_fn reply, const struct store_req *req, struct error *err)
{
	char n_keys[12];
	ENSURE(!s->overflow, err, E_LIMIT, "store: too many or too long arguments");
	if (s->n_keys >= 0) {
		s->argv_len[2] = (size_t)snprintf(n_keys, sizeof n_keys, "%d", s->n_keys);
		s->argv[2] = n_keys;
	}
	struct store_req *copy = malloc(sizeof *copy);
	ENSURE(copy, err, -ENOMEM, "store: out of memory");
	*copy = *req;
	copy->s = s;
	int rc = redis_command(s->redis, s->argc, s->argv, s->argv_len, reply, copy, err);
	if (rc < 0)
		free(copy);
	return rc;
}

/* ---- reading an answer ----------------------------------------------------------------------- */

/* The refusals of functions/head.lua. */
static const struct {
	long long number;
	int code;
	const char *text;
} refusals[] = {
	{-1, E_STALE, "the lease is not ours any more"},
	{-2, -ENOENT, "no such job or device"},
	{-3, E_STATE, "not possible in the present state"},
	{-4, E_STATE, "a secret is pending, or there is none to promote"},
	{-5, E_STATE, "the device has another data key; it is never overwritten"},
	{-6, E_STATE, "this field of a device cannot be set"},
	{-7, E_STATE,
		"the device is in quarantine: name the address to use (device show lists both)"},
};

static int error_reply(const char *text, struct error *err)
{
	if (strncmp(text, "NOPERM", 6) == 0)
		return error_set(err, E_AUTH, "redis: not allowed for this user: %.250s", text);
	if (strstr(text, "Function not found"))
		return error_set(err, E_CONFIG,
			"redis: the functions of Muster are not loaded: run `muster schema apply`");
	return error_set(err, E_REFUSED, "redis: %.280s", text);
}

int reply_check(const redisReply *reply, const struct error *lost, struct error *err)
{
	if (lost)
		return error_set(err, lost->code, "%s", lost->text);
	if (reply->type == REDIS_REPLY_ERROR)
		return error_reply(reply->str, err);
	if (reply->type != REDIS_REPLY_INTEGER || reply->integer >= 0)
		return 0;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (refusals[i].number == reply->integer)
			return error_set(err, refusals[i].code, "store: %s", refusals[i].text);
	return error_set(err, E_PROTOCOL, "store: unknown refusal %lld", reply->integer);
}

int reply_array(const redisReply *reply, size_t n, const struct error *lost, struct error *err)
{
	TRY(reply_check(reply, lost, err));
	ENSURE(reply->type == REDIS_REPLY_ARRAY && reply->elements >= n, err, E_PROTOCOL,
		"store: answer of another form than expected");
	return 0;
}

void reply_done(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	if (req->cb.done)
		req->cb.done(rc < 0 ? &err : NULL, req->arg);
	free(req);
}

uint64_t reply_u64(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_INTEGER)
		return reply->integer > 0 ? (uint64_t)reply->integer : 0;
	if (reply->type != REDIS_REPLY_STRING)
		return 0;
	return strcmp(reply->str, "inf") == 0 ? STORE_NEVER : strtoull(reply->str, NULL, 10);
}

const char *reply_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ? reply->str
										      : "";
}

struct store_blob reply_blob(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING || reply->len == 0)
		return (struct store_blob){NULL, 0};
	return (struct store_blob){reply->str, (size_t)reply->len};
}

void reply_id(const redisReply *reply, char out[static UUID_TEXT_LEN + 1])
{
	snprintf(out, UUID_TEXT_LEN + 1, "%s", reply_text(reply));
}

/* ---- records --------------------------------------------------------------------------------- */

enum field_type { FIELD_TEXT, FIELD_BLOB, FIELD_U32, FIELD_U64, FIELD_ID };

struct field_row {
	const char *name;
	enum field_type type;
	size_t offset;
};

#define DEV(name, type, member)                                   \
	{                                                         \
		name, type, offsetof(struct store_device, member) \
	}
static const struct field_row device_rows[] = {
	DEV("gen", FIELD_U32, gen),
	DEV("job", FIELD_TEXT, job),
	DEV("state", FIELD_TEXT, state),
	DEV("addr", FIELD_TEXT, addr),
	DEV("src", FIELD_TEXT, src),
	DEV("addr_alt", FIELD_TEXT, addr_alt),
	DEV("alt_ms", FIELD_U64, alt_ms),
	DEV("quar", FIELD_TEXT, quar),
	DEV("deny", FIELD_TEXT, deny),
	DEV("hellos", FIELD_U64, hellos),
	DEV("first", FIELD_U64, first_ms),
	DEV("last", FIELD_U64, last_ms),
	DEV("hello_ms", FIELD_U64, hello_ms),
	DEV("done_ms", FIELD_U64, done_ms),
	DEV("end_ms", FIELD_U64, end_ms),
	DEV("res", FIELD_TEXT, res),
	DEV("err", FIELD_TEXT, err),
	DEV("txt", FIELD_TEXT, txt),
	DEV("fqdn", FIELD_TEXT, fqdn),
	DEV("profile", FIELD_TEXT, profile),
	DEV("ou", FIELD_TEXT, ou),
	DEV("amt", FIELD_TEXT, amt),
	DEV("cert_fp", FIELD_TEXT, cert_fp),
	DEV("cert_serial", FIELD_TEXT, cert_serial),
	DEV("ad_dn", FIELD_TEXT, ad_dn),
	DEV("realm", FIELD_TEXT, realm),
	DEV("tlsp", FIELD_TEXT, tlsp),
	DEV("seen12", FIELD_TEXT, seen12),
	DEV("setup_fp", FIELD_TEXT, setup_fp),
	DEV("setup_fp3", FIELD_TEXT, setup_fp3),
	DEV("suffix", FIELD_TEXT, suffix),
	DEV("audit", FIELD_TEXT, audit),
	DEV("pw_tries", FIELD_TEXT, pw_tries),
	DEV("rehello", FIELD_TEXT, rehello),
	DEV("unconf", FIELD_TEXT, unconf),
	DEV("tags", FIELD_TEXT, tags),
	DEV("told", FIELD_TEXT, told),
	DEV("wave", FIELD_TEXT, wave),
	DEV("host_dn", FIELD_TEXT, host_dn),
	DEV("host_groups", FIELD_TEXT, host_groups),
	DEV("cert_end", FIELD_U64, cert_end_ms),
	DEV("inv", FIELD_TEXT, inv),
	DEV("diff", FIELD_TEXT, diff),
	DEV("marks", FIELD_TEXT, marks),
	DEV("dek", FIELD_BLOB, dek),
	DEV("sec_cur", FIELD_BLOB, sec_cur),
	DEV("sec_prev", FIELD_BLOB, sec_prev),
	DEV("sec_pend", FIELD_BLOB, sec_pend),
	DEV("sec_give", FIELD_BLOB, sec_give),
	{NULL, FIELD_TEXT, 0},
};

#define JOB(name, type, member)                                \
	{                                                      \
		name, type, offsetof(struct store_job, member) \
	}
static const struct field_row job_rows[] = {
	JOB("dev", FIELD_ID, uuid),
	JOB("gen", FIELD_U32, gen),
	JOB("f", FIELD_U64, fence),
	JOB("st", FIELD_TEXT, state),
	JOB("k", FIELD_TEXT, kind),
	JOB("a", FIELD_TEXT, args),
	JOB("why", FIELD_TEXT, why),
	JOB("kicked", FIELD_U32, kicked),
	JOB("approved", FIELD_U32, approved),
	JOB("ow", FIELD_TEXT, owner),
	JOB("try", FIELD_U32, tries),
	JOB("lost", FIELD_U32, lost),
	JOB("step", FIELD_TEXT, step),
	JOB("ck", FIELD_BLOB, checkpoint),
	JOB("pl", FIELD_BLOB, hello),
	JOB("tp", FIELD_TEXT, traceparent),
	JOB("cr", FIELD_U64, created_ms),
	JOB("be", FIELD_U64, begun_ms),
	JOB("fi", FIELD_U64, ended_ms),
	JOB("err", FIELD_TEXT, err),
	JOB("txt", FIELD_TEXT, txt),
	JOB("res", FIELD_TEXT, res),
	{NULL, FIELD_TEXT, 0},
};

#define PSK(name, type, member)                                \
	{                                                      \
		name, type, offsetof(struct store_psk, member) \
	}
static const struct field_row psk_rows[] = {
	PSK("b", FIELD_BLOB, sealed),
	PSK("st", FIELD_TEXT, state),
	PSK("u", FIELD_TEXT, uuid),
	PSK("src", FIELD_TEXT, source),
	PSK("cr", FIELD_U64, added_ms),
	PSK("us", FIELD_U64, used_ms),
	PSK("bad", FIELD_U32, bad),
	PSK("bad_u", FIELD_TEXT, bad_uuid),
	PSK("bad_ms", FIELD_U64, bad_ms),
	{NULL, FIELD_TEXT, 0},
};

static void field_store(const struct field_row *row, void *record, const redisReply *value)
{
	void *at = (char *)record + row->offset;
	switch (row->type) {
	case FIELD_TEXT: *(const char **)at = reply_text(value); break;
	case FIELD_BLOB: *(struct store_blob *)at = reply_blob(value); break;
	case FIELD_U32: *(uint32_t *)at = (uint32_t)reply_u64(value); break;
	case FIELD_U64: *(uint64_t *)at = reply_u64(value); break;
	case FIELD_ID: reply_id(value, at); break;
	}
}

static void record_read(const struct field_row *rows, void *record, const redisReply *fields)
{
	for (const struct field_row *row = rows; row->name; row++)
		if (row->type == FIELD_TEXT)
			*(const char **)((char *)record + row->offset) = "";
	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		const char *name = reply_text(fields->element[i]);
		for (const struct field_row *row = rows; row->name; row++)
			if (strcmp(row->name, name) == 0)
				field_store(row, record, fields->element[i + 1]);
	}
}

void device_from_reply(struct store_device *out, const char *uuid, const redisReply *fields)
{
	memset(out, 0, sizeof *out);
	record_read(device_rows, out, fields);
	snprintf(out->uuid, sizeof out->uuid, "%s", uuid);
}

void psk_from_reply(struct store_psk *out, const char *pid, const redisReply *fields)
{
	memset(out, 0, sizeof *out);
	record_read(psk_rows, out, fields);
	snprintf(out->pid, sizeof out->pid, "%s", pid);
}

void job_from_reply(struct store_job *out, const char *id, const redisReply *fields)
{
	memset(out, 0, sizeof *out);
	record_read(job_rows, out, fields);
	snprintf(out->id, sizeof out->id, "%s", id);
}
