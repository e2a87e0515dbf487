/* SPDX-License-Identifier: Apache-2.0 */
/* See site.h. */
#include "tests/common/store/site.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/secret.h"
#include "common/net/tls.h"

#define WAIT_MS 30000

static void answered(struct site *t, const struct error *err)
{
	assert_false(t->done); /* exactly once */
	t->done = true;
	t->code = err ? err->code : 0;
	snprintf(t->text, sizeof t->text, "%s", err ? err->text : "");
}

void site_done_cb(const struct error *err, void *arg)
{
	answered(arg, err);
}

void site_admit_cb(enum store_verdict v, const struct error *err, void *arg)
{
	struct site *t = arg;
	t->verdict = v;
	answered(t, err);
}

void site_expect_cb(bool kept, const struct error *err, void *arg)
{
	struct site *t = arg;
	t->kept = kept;
	answered(t, err);
}

void site_claim_cb(const struct store_claim *c, size_t n, const struct error *err, void *arg)
{
	struct site *t = arg;
	t->n = n;
	for (size_t i = 0; i < n; i++)
		t->claims[i] = c[i];
	answered(t, err);
}

void site_reap_cb(const struct store_reaped *r, const struct error *err, void *arg)
{
	struct site *t = arg;
	if (r)
		t->reaped = *r;
	answered(t, err);
}

void site_begin_cb(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg)
{
	assert_int_equal(!job, !!err);
	assert_int_equal(!dev, !!err);
	answered(arg, err);
}

void site_renew_cb(const int *codes, size_t n, const struct error *err, void *arg)
{
	struct site *t = arg;
	t->n = n;
	if (codes)
		memcpy(t->codes, codes, n * sizeof codes[0]);
	answered(t, err);
}

void site_fail_cb(bool dead, const struct error *err, void *arg)
{
	struct site *t = arg;
	t->dead = dead;
	answered(t, err);
}

void site_schema_cb(bool changed, const struct error *err, void *arg)
{
	struct site *t = arg;
	t->changed = changed;
	answered(t, err);
}

void site_counts_cb(const struct store_counts *c, const struct error *err, void *arg)
{
	struct site *t = arg;
	if (c)
		t->counts = *c;
	answered(t, err);
}

void site_count_cb(uint64_t n, const struct error *err, void *arg)
{
	struct site *t = arg;
	t->count = n;
	answered(t, err);
}

int site_wait(struct site *t, int rc, const struct error *err)
{
	if (rc < 0)
		return t->code = rc; /* never answered */
	struct error late;
	(void)err;
	if (redis_wait(store_redis(t->store), &t->done, WAIT_MS, &late) < 0)
		fail_msg("%s", late.text);
	t->done = false;
	return t->code;
}

long long site_raw(struct site *t, const char *words, char *reply_err)
{
	char copy[1024];
	const char *argv[64];
	int argc = 0;
	struct error err;
	redisReply *reply = NULL;
	snprintf(copy, sizeof copy, "%s", words);
	for (char *save = NULL, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (redis_call(store_redis(t->store), argc, argv, NULL, &reply, &err) < 0)
		fail_msg("%s: %s", words, err.text);
	if (reply_err)
		snprintf(reply_err, 512, "%s", reply->type == REDIS_REPLY_ERROR ? reply->str : "");
	else if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", words, reply->str);
	long long n = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
	freeReplyObject(reply);
	return n;
}

void site_open(struct site *t, const char *url, const char *user, const char *password,
	const char *library)
{
	struct error err;
	struct secret secret = {0};
	memset(t, 0, sizeof *t);
	tls_init();
	uv_loop_init(&t->loop);
	if (password)
		assert_int_equal(secret_set(&secret, password, strlen(password)), 0);
	struct store_opts opts = {
		.redis = {.url = url, .user = user, .password = &secret, .command_ms = 20000}};
	if (store_open(&t->store, &t->loop, &opts, NULL, NULL, &err) < 0 ||
		redis_wait_up(store_redis(t->store), WAIT_MS, &err) < 0)
		fail_msg("%s", err.text);
	secret_free(&secret);
	if (library)
		site_load(t, library);
}

void site_load(struct site *t, const char *library)
{
	struct error err;
	const char *argv[] = {"FUNCTION", "LOAD", "REPLACE", library};
	redisReply *reply = NULL;
	if (redis_call(store_redis(t->store), 4, argv, NULL, &reply, &err) < 0)
		fail_msg("%s", err.text);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s", reply->str);
	freeReplyObject(reply);
}

void site_close(struct site *t)
{
	store_close(t->store);
	while (uv_run(&t->loop, UV_RUN_DEFAULT))
		;
	assert_int_equal(uv_loop_close(&t->loop), 0);
}

/* ---- the library with a guard, and with a clock in hand ---------------------------------------
 */

static char *replaced(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from), *out = NULL;
	if (!at || strstr(at + 1, from))
		fail_msg("the library has not exactly one: %s", from);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	free(text);
	return out;
}

/*
 * The static rule of architecture 2: a function touches the keys that it declares, and those that
 * reach further stay below the tag of their first key. call() is the library's only way to a key.
 */
static const char guard[] =
	"local BELOW = { claim = 1, reap = 1, pump = 1, finish = 1, fail = 1, cancel = 1, "
	"window_look = 1,\n"
	"	window_list = 1 }\n"
	"local declared, tag = {}, nil\n"
	"local function guarded(name, f)\n"
	"	return function(keys, args)\n"
	"		declared = {}\n"
	"		for i = 1, #keys do\n"
	"			declared[keys[i]] = true\n"
	"		end\n"
	"		tag = BELOW[name] and string.match(keys[1], '^muster:{[^}]*}:')\n"
	"		return f(keys, args)\n"
	"	end\n"
	"end\n"
	"local function guard_key(key)\n"
	"	if not declared[key] and key ~= 'test:now' and not (tag and string.sub(key, 1, "
	"#tag) == tag) then\n"
	"		error('undeclared key ' .. key)\n"
	"	end\n"
	"end\n"
	"local function guard_call(command, ...)\n"
	"	local keys = { ... }\n"
	"	for i = 1, command == 'DEL' and #keys or command ~= 'TIME' and 1 or 0 do\n"
	"		guard_key(keys[i])\n"
	"	end\n"
	"end\n"
	"local function call(...)\n"
	"	guard_call(...)\n";

char *site_library(const char *from, const char *to)
{
	char *text = strdup(store_schema_text());
	text = replaced(text, "local function call(...)\n", guard);
	text = replaced(text, "callback = f[2]", "callback = guarded(f[1], f[2])");
	return from ? replaced(text, from, to) : text;
}

char *site_library_with_clock(void)
{
	char *text = site_library(
		"	local t = call('TIME')\n	return t[1] * 1000 + math.floor(t[2] / "
		"1000)\n",
		"	return tonumber(call('GET', 'test:now'))\n");
	/* Redis would expire the pace by its own clock. test_store looks at that. */
	return replaced(text, ", 'PX', int(math.ceil(tat - now) + 1000))", ")");
}
