/* SPDX-License-Identifier: Apache-2.0 */
/* For tools and tests: run the loop until something is true. See redis.h. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/store/redis_int.h"

static void wait_over_cb(uv_timer_t *t)
{
	(void)t; /* its only use is to end uv_run(UV_RUN_ONCE) */
}

/* Run the loop until *done, or until the client is up when done is NULL. */
static bool run_until(struct redis *r, const bool *done, uint32_t timeout_ms)
{
	uint64_t end = clock_boot_ms() + timeout_ms;
	for (;;) {
		if (done ? *done : redis_is_up(r))
			break;
		uint64_t now = clock_boot_ms();
		if (now >= end)
			break;
		uv_update_time(r->loop);
		uv_timer_start(&r->wait_timer, wait_over_cb, end - now, 0);
		uv_run(r->loop, UV_RUN_ONCE);
	}
	uv_timer_stop(&r->wait_timer);
	return done ? *done : redis_is_up(r);
}

int redis_wait_up(struct redis *r, uint32_t timeout_ms, struct error *err)
{
	if (run_until(r, NULL, timeout_ms))
		return 0;
	if (r->last_err.code != 0)
		return error_set(err, r->last_err.code, "%s", r->last_err.text);
	return error_set(err, -ETIMEDOUT, "redis: no connection within %u ms", timeout_ms);
}

int redis_wait(struct redis *r, const bool *done, uint32_t timeout_ms, struct error *err)
{
	ENSURE(run_until(r, done, timeout_ms), err, -ETIMEDOUT, "redis: nothing within %u ms",
		timeout_ms);
	return 0;
}

struct sync_call {
	struct redis *r;
	redisReply *reply;
	struct error err;
	bool done;
};

static void sync_cb(const redisReply *reply, const struct error *err, void *arg)
{
	struct sync_call *call = arg;
	call->done = true;
	if (err) {
		call->err = *err;
		return;
	}
	call->r->keep_reply = true;
	call->reply = (redisReply *)(uintptr_t)reply; /* ours from here on */
}

int redis_call(struct redis *r, int argc, const char *const *argv, const size_t *argv_len,
	redisReply **reply, struct error *err)
{
	struct sync_call call = {.r = r};
	TRY(redis_command(r, argc, argv, argv_len, sync_cb, &call, err));
	/* The command's own deadline ends this; the bound here only has to be longer. */
	TRY(redis_wait(r, &call.done, UINT32_MAX, err));
	if (call.err.code != 0)
		return error_set(err, call.err.code, "%s", call.err.text);
	*reply = call.reply;
	return 0;
}
