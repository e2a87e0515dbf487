/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of a job's owner: begin, step, renew, finish, fail, park, release. See store.h. */
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

/* job dev lease: the first keys of an owner's call */
static void lease_keys(struct store *s, const struct store_lease *lease)
{
	call_key(s, "job:", lease->job);
	call_key(s, "dev:", lease->uuid);
	call_key(s, "lease", "");
}

/* ---- begin ----------------------------------------------------------------------------------- */

static void begin_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_job job;
	struct store_device dev;
	int rc = reply_array(reply, 1, lost, &err);
	if (rc == 0)
		rc = reply_check(reply->element[0], NULL, &err);
	if (rc == 0)
		rc = reply_array(reply, 3, NULL, &err);
	if (rc == 0) {
		job_from_reply(&job, req->id, reply->element[1]);
		device_from_reply(&dev, req->id2, reply->element[2]);
	}
	if (req->cb.begin)
		req->cb.begin(
			rc < 0 ? NULL : &job, rc < 0 ? NULL : &dev, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_begin(struct store *s, const struct store_lease *lease, const char *owner,
	uint32_t ttl_ms, store_begin_cb cb, void *arg, struct error *err)
{
	ENSURE(owner && *owner, err, E_STATE, "store: begin needs the name of the owner");
	call_begin(s, "begin");
	lease_keys(s, lease);
	call_key(s, "ev", "");
	call_lease(s, lease);
	call_text(s, owner);
	call_u64(s, ttl_ms);
	struct store_req req = {.cb.begin = cb, .arg = arg};
	snprintf(req.id, sizeof req.id, "%s", lease->job);
	snprintf(req.id2, sizeof req.id2, "%s", lease->uuid);
	return call_send(s, begin_cb, &req, err);
}

/* ---- step, renew ----------------------------------------------------------------------------- */

int store_step(struct store *s, const struct store_lease *lease, const struct store_step *step,
	store_done_cb cb, void *arg, struct error *err)
{
	ENSURE((step->act == STORE_SECRET_PENDING) == (step->pending.len > 0), err, E_STATE,
		"store: a pending secret comes with STORE_SECRET_PENDING and only with it");
	call_begin(s, "step");
	lease_keys(s, lease);
	call_key(s, "ev", "");
	call_lease(s, lease);
	call_u64(s, step->ttl_ms);
	call_text(s, step->step);
	call_blob(s, step->checkpoint);
	call_u64(s, (uint64_t)step->act);
	call_blob(s, step->pending);
	call_fields(s, step->fields, step->n_fields);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

static void renew_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int codes[STORE_BATCH_MAX];
	size_t n = (size_t)req->a;
	int rc = reply_array(reply, n, lost, &err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		codes[i] = reply_check(reply->element[i], NULL, NULL);
	if (req->cb.renew)
		req->cb.renew(
			rc < 0 ? NULL : codes, rc < 0 ? 0 : n, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_renew(struct store *s, const struct store_lease *leases, size_t n, uint32_t ttl_ms,
	store_renew_cb cb, void *arg, struct error *err)
{
	ENSURE(n > 0 && n <= STORE_BATCH_MAX, err, E_LIMIT, "store: renew 1 to %d leases",
		STORE_BATCH_MAX);
	call_begin(s, "renew");
	call_key(s, "lease", "");
	for (size_t i = 0; i < n; i++)
		call_key(s, "job:", leases[i].job);
	call_u64(s, ttl_ms);
	for (size_t i = 0; i < n; i++)
		call_lease(s, &leases[i]);
	struct store_req req = {.cb.renew = cb, .arg = arg, .a = n};
	return call_send(s, renew_cb, &req, err);
}

/* ---- finish, fail, park, release ------------------------------------------------------------- */

int store_finish(struct store *s, const struct store_lease *lease, const char *result,
	const struct store_field *fields, size_t n_fields, store_done_cb cb, void *arg,
	struct error *err)
{
	call_begin(s, "finish");
	lease_keys(s, lease);
	call_key(s, "done", "");
	call_key(s, "ev", "");
	call_lease(s, lease);
	call_text(s, result);
	call_fields(s, fields, n_fields);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

static void fail_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	if (req->cb.fail)
		req->cb.fail(rc == 0 && reply_u64(reply) == 1, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_fail(struct store *s, const struct store_lease *lease, const struct store_failure *f,
	store_fail_cb cb, void *arg, struct error *err)
{
	call_begin(s, "fail");
	lease_keys(s, lease);
	call_key(s, "ready", "");
	call_key(s, "dead", "");
	call_key(s, "ev", "");
	call_lease(s, lease);
	call_text(s, f->dead ? "1" : "0");
	call_u64(s, f->max_attempts);
	call_u64(s, f->delay_ms);
	call_text(s, f->err);
	call_text(s, f->txt);
	call_text(s, f->step);
	call_blob(s, f->checkpoint);
	call_fields(s, f->fields, f->n_fields);
	struct store_req req = {.cb.fail = cb, .arg = arg};
	return call_send(s, fail_cb, &req, err);
}

uint64_t store_backoff_ms(uint32_t tries, uint64_t min_ms, uint64_t max_ms, uint64_t random)
{
	uint64_t top = min_ms;
	for (uint32_t i = 0; i < tries && top < max_ms; i++)
		top = top > max_ms / 2 ? max_ms : top * 2;
	if (top <= min_ms)
		return min_ms;
	return min_ms + random % (top - min_ms + 1);
}

static bool why_known(const char *why)
{
	static const char *const known[] = {"ca", "ad", "manual"};
	for (size_t i = 0; why && i < sizeof known / sizeof known[0]; i++)
		if (strcmp(why, known[i]) == 0)
			return true;
	return false;
}

int store_park(struct store *s, const struct store_lease *lease, const struct store_park *p,
	store_done_cb cb, void *arg, struct error *err)
{
	ENSURE(why_known(p->why), err, E_STATE, "store: a job waits for ca, ad or manual");
	call_begin(s, "park");
	lease_keys(s, lease);
	call_key(s, "wait:", p->why);
	call_key(s, "ev", "");
	call_lease(s, lease);
	call_text(s, p->why);
	if (p->poll_ms == STORE_NEVER)
		call_text(s, "never");
	else
		call_u64(s, p->poll_ms);
	call_text(s, p->err);
	call_text(s, p->txt);
	call_text(s, p->step);
	call_blob(s, p->checkpoint);
	call_text(s, p->quarantine);
	call_fields(s, p->fields, p->n_fields);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

static int release(struct store *s, const struct store_lease *lease, const char *step,
	struct store_blob checkpoint, uint64_t window_ms, store_done_cb cb, void *arg,
	struct error *err)
{
	call_begin(s, "release");
	call_key(s, "job:", lease->job);
	call_key(s, "lease", "");
	call_key(s, "ready", "");
	call_key(s, "ev", "");
	call_key(s, "dev:", lease->uuid);
	call_lease(s, lease);
	call_text(s, step);
	call_blob(s, checkpoint);
	if (window_ms)
		call_u64(s, window_ms);
	else
		call_text(s, "");
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_release(struct store *s, const struct store_lease *lease, const char *step,
	struct store_blob checkpoint, store_done_cb cb, void *arg, struct error *err)
{
	return release(s, lease, step, checkpoint, 0, cb, arg, err);
}

int store_extended(struct store *s, const struct store_lease *lease, const char *step,
	struct store_blob checkpoint, uint64_t window_ms, store_done_cb cb, void *arg,
	struct error *err)
{
	return release(s, lease, step, checkpoint, window_ms, cb, arg, err);
}
