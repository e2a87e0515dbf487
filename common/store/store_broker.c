/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's calls: admit, claim, reap. See store.h. */
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

/* ---- admit ----------------------------------------------------------------------------------- */

/* Error replies that say "no writes at present": nothing was changed. SPEC: failure matrix 22 */
static bool reply_is_busy(const redisReply *reply)
{
	static const char *const busy[] = {
		"OOM", "MISCONF", "READONLY", "NOREPLICAS", "LOADING", "BUSY", "MASTERDOWN"};
	if (!reply || reply->type != REDIS_REPLY_ERROR)
		return false;
	for (size_t i = 0; i < sizeof busy / sizeof busy[0]; i++)
		if (strncmp(reply->str, busy[i], strlen(busy[i])) == 0)
			return true;
	return false;
}

static void admit_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	enum store_verdict verdict = 0;
	int rc = 0;
	if (reply_is_busy(reply)) {
		verdict = STORE_BUSY;
	} else if ((rc = reply_check(reply, lost, &err)) == 0) {
		verdict = (enum store_verdict)reply->integer;
		if (reply->type != REDIS_REPLY_INTEGER || verdict < STORE_NEW ||
			verdict > STORE_BUSY)
			rc = error_set(&err, E_PROTOCOL, "store: admit answered no verdict");
	}
	if (req->cb.admit)
		req->cb.admit(rc < 0 ? 0 : verdict, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_admit(struct store *s, const struct store_hello *h, const struct store_admission *limits,
	store_admit_cb cb, void *arg, struct error *err)
{
	struct uuid job;
	char id[UUID_TEXT_LEN + 1], dev[UUID_TEXT_LEN + 1];
	uuid_new_v7(&job);
	uuid_text(&job, id);
	uuid_text(&h->uuid, dev);
	bool paced = h->subnet && limits->subnet_rate > 0;
	call_begin(s, "admit");
	call_key(s, "dev:", dev);
	call_key(s, "job:", id);
	call_key(s, "ready", "");
	call_key(s, "lease", "");
	call_key(s, "wait:ca", "");
	call_key(s, "wait:ad", "");
	call_key(s, "wait:manual", "");
	call_key(s, "ev", "");
	if (paced)
		call_key(s, "sub:", h->subnet);
	call_text(s, dev);
	call_text(s, id);
	call_text(s, h->addr);
	call_blob(s, h->raw);
	call_text(s, h->traceparent);
	call_u64(s, limits->cooldown_ms);
	call_u64(s, limits->max_waiting);
	call_text(s, uuid_is_placeholder(&h->uuid) ? "1" : "0");
	call_u64(s, paced ? limits->subnet_rate : 0);
	call_u64(s, limits->subnet_burst ? limits->subnet_burst : 1);
	call_u64(s, h->elapsed_ms);
	call_u64(s, h->left_ms);
	struct store_req req = {.cb.admit = cb, .arg = arg};
	return call_send(s, admit_cb, &req, err);
}

/* ---- claim ----------------------------------------------------------------------------------- */

#define CLAIM_COLUMNS 12

static int claim_read(struct store_claim *c, const redisReply *row, struct error *err)
{
	TRY(reply_array(row, CLAIM_COLUMNS, NULL, err));
	redisReply *const *col = row->element;
	reply_id(col[0], c->id);
	reply_id(col[1], c->uuid);
	c->gen = (uint32_t)reply_u64(col[2]);
	c->fence = reply_u64(col[3]);
	c->addr = reply_text(col[4]);
	c->tries = (uint32_t)reply_u64(col[5]);
	c->lost = (uint32_t)reply_u64(col[6]);
	c->checkpoint = reply_blob(col[7]);
	c->hello = reply_blob(col[8]);
	c->traceparent = reply_text(col[9]);
	c->kind = reply_text(col[10]);
	c->args = reply_text(col[11]);
	return 0;
}

static void claim_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_claim claims[STORE_BATCH_MAX];
	size_t n = 0;
	int rc = reply_array(reply, 0, lost, &err);
	for (size_t i = 0; rc == 0 && i < reply->elements && i < STORE_BATCH_MAX; i++) {
		rc = claim_read(&claims[n], reply->element[i], &err);
		n += rc == 0;
	}
	if (req->cb.claim)
		req->cb.claim(
			rc < 0 ? NULL : claims, rc < 0 ? 0 : n, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_claim(struct store *s, uint32_t n, uint32_t lease_ms, store_claim_cb cb, void *arg,
	struct error *err)
{
	ENSURE(n > 0 && n <= STORE_BATCH_MAX, err, E_LIMIT, "store: claim 1 to %d jobs",
		STORE_BATCH_MAX);
	call_begin(s, "claim");
	call_key(s, "ready", "");
	call_key(s, "lease", "");
	call_key(s, "ev", "");
	call_u64(s, n);
	call_u64(s, lease_ms);
	call_text(s, s->prefix);
	struct store_req req = {.cb.claim = cb, .arg = arg};
	return call_send(s, claim_cb, &req, err);
}

/* ---- reap ------------------------------------------------------------------------------------ */

static void reap_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_reaped out = {0};
	int rc = reply_array(reply, 4, lost, &err);
	if (rc == 0) {
		out.requeued = (uint32_t)reply_u64(reply->element[0]);
		out.dead = (uint32_t)reply_u64(reply->element[1]);
		out.woken = (uint32_t)reply_u64(reply->element[2]);
		out.more = reply_u64(reply->element[3]) > 0;
	}
	if (req->cb.reap)
		req->cb.reap(rc < 0 ? NULL : &out, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_reap(struct store *s, uint32_t grace_ms, uint32_t max_lost, uint32_t limit,
	store_reap_cb cb, void *arg, struct error *err)
{
	ENSURE(limit > 0 && limit <= STORE_BATCH_MAX, err, E_LIMIT, "store: reap 1 to %d jobs",
		STORE_BATCH_MAX);
	call_begin(s, "reap");
	call_key(s, "lease", "");
	call_key(s, "ready", "");
	call_key(s, "dead", "");
	call_key(s, "wait:ca", "");
	call_key(s, "wait:ad", "");
	call_key(s, "wait:manual", "");
	call_key(s, "ev", "");
	call_u64(s, grace_ms);
	call_u64(s, max_lost);
	call_u64(s, limit);
	call_text(s, s->prefix);
	struct store_req req = {.cb.reap = cb, .arg = arg};
	return call_send(s, reap_cb, &req, err);
}
