/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading and checking the Lua library. apply is a chain of commands:
 *   HGET meta schema -> FUNCTION LIST -> (FUNCTION LOAD REPLACE) -> HSET meta
 */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/store/store_int.h"

#define META_KEY "muster:sys:meta"

static const char functions_text[] = {
#include "functions.inc"
	'\0'};

const char *store_schema_text(void)
{
	return functions_text;
}

static void apply_end(struct store_req *req, bool changed, const struct error *err)
{
	if (req->cb.schema)
		req->cb.schema(!err && changed, err, req->arg);
	free(req);
}

/* Send the next command of the chain; req is used up in any case. */
static void apply_next(struct store_req *req, redis_reply_fn next)
{
	struct error err;
	struct store_req keep = *req;
	free(req);
	if (call_send(keep.s, next, &keep, &err) < 0 && keep.cb.schema)
		keep.cb.schema(false, &err, keep.arg);
}

static void meta_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	apply_end(req, req->a != 0, rc < 0 ? &err : NULL);
}

static void meta_send(struct store_req *req)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	SHA256((const unsigned char *)functions_text, sizeof functions_text - 1, sum);
	hex_encode(sum, sizeof sum, hex);
	struct store *s = req->s;
	cmd_begin(s, "HSET");
	call_raw_key(s, META_KEY);
	call_text(s, "schema");
	call_u64(s, STORE_SCHEMA);
	call_text(s, "partitions");
	call_u64(s, STORE_PARTITIONS);
	call_text(s, "lib");
	call_text(s, hex);
	apply_next(req, meta_cb);
}

static void load_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	if (reply_check(reply, lost, &err) < 0) {
		apply_end(req, false, &err);
		return;
	}
	req->a = 1;
	meta_send(req);
}

/* The value of library_code in the answer of FUNCTION LIST ... WITHCODE, or NULL. */
static const char *library_code(const redisReply *list)
{
	if (list->elements == 0)
		return NULL;
	const redisReply *lib = list->element[0];
	for (size_t i = 0; i + 1 < lib->elements; i += 2)
		if (strcmp(reply_text(lib->element[i]), "library_code") == 0)
			return reply_text(lib->element[i + 1]);
	return NULL;
}

static void list_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	if (reply_array(reply, 0, lost, &err) < 0) {
		apply_end(req, false, &err);
		return;
	}
	const char *code = library_code(reply);
	if (code && strcmp(code, functions_text) == 0) {
		meta_send(req);
		return;
	}
	cmd_begin(req->s, "FUNCTION");
	call_text(req->s, "LOAD");
	call_text(req->s, "REPLACE");
	call_text(req->s, functions_text);
	apply_next(req, load_cb);
}

static void version_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	if (rc == 0 && reply_u64(reply) > STORE_SCHEMA)
		rc = error_set(&err, E_CONFIG,
			"redis: the schema there is %s, ours is %d: use a newer Muster",
			reply_text(reply), STORE_SCHEMA);
	if (rc < 0) {
		apply_end(req, false, &err);
		return;
	}
	cmd_begin(req->s, "FUNCTION");
	call_text(req->s, "LIST");
	call_text(req->s, "LIBRARYNAME");
	call_text(req->s, "muster_v1");
	call_text(req->s, "WITHCODE");
	apply_next(req, list_cb);
}

int store_schema_apply(struct store *s, store_schema_cb cb, void *arg, struct error *err)
{
	cmd_begin(s, "HGET");
	call_raw_key(s, META_KEY);
	call_text(s, "schema");
	struct store_req req = {.cb.schema = cb, .arg = arg};
	return call_send(s, version_cb, &req, err);
}

static void check_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	if (rc == 0 && reply_u64(reply) != STORE_SCHEMA)
		rc = error_set(&err, E_CONFIG,
			"redis: the functions there have schema %s, ours is %d", reply_text(reply),
			STORE_SCHEMA);
	if (req->cb.done)
		req->cb.done(rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_schema_check(struct store *s, store_done_cb cb, void *arg, struct error *err)
{
	call_begin(s, "schema");
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, check_cb, &req, err);
}
