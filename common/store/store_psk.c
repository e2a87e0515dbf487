/* SPDX-License-Identifier: Apache-2.0 */
/* PSK pairs: put, get, mark, delete, list. See store.h; functions/psk.lua has the guards. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/store_int.h"

static void begin(struct store *s, const char *function, const char *pid, bool writes)
{
	call_begin(s, function);
	call_key(s, "psk:", pid);
	if (writes)
		call_key(s, "ev", "");
	call_text(s, pid);
}

static void answer(struct store_req *req, const struct store_psk *pair, const struct error *err)
{
	if (req->cb.psk)
		req->cb.psk(pair, err, req->arg);
	free(req);
}

static void put_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_psk pair;
	if (reply_check(reply, lost, &err) < 0) {
		answer(req, NULL, &err);
	} else if (reply->type == REDIS_REPLY_ARRAY) {
		psk_from_reply(&pair, req->id, reply);
		answer(req, &pair, NULL);
	} else {
		answer(req, NULL, NULL);
	}
}

int store_psk_put(struct store *s, const char *pid, struct store_blob sealed, const char *uuid,
	const char *source, const char *who, store_psk_cb cb, void *arg, struct error *err)
{
	ENSURE(strlen(pid) == STORE_PID_LEN && sealed.len > 0, err, E_STATE,
		"store: a PSK pair is a PID and its sealed secrets");
	begin(s, "psk_put", pid, true);
	call_blob(s, sealed);
	call_text(s, uuid);
	call_text(s, source);
	call_text(s, who);
	struct store_req req = {.cb.psk = cb, .arg = arg};
	snprintf(req.id, sizeof req.id, "%s", pid);
	return call_send(s, put_cb, &req, err);
}

static void get_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_psk pair;
	int rc = reply_array(reply, 0, lost, &err);
	if (rc == 0 && reply->elements == 0)
		rc = error_set(&err, -ENOENT, "no PSK pair with PID %s", req->id);
	if (rc == 0)
		psk_from_reply(&pair, req->id, reply);
	answer(req, rc < 0 ? NULL : &pair, rc < 0 ? &err : NULL);
}

int store_psk_get(struct store *s, const char *pid, store_psk_cb cb, void *arg, struct error *err)
{
	begin(s, "psk_get", pid, false);
	struct store_req req = {.cb.psk = cb, .arg = arg};
	snprintf(req.id, sizeof req.id, "%s", pid);
	return call_send(s, get_cb, &req, err);
}

int store_psk_mark(struct store *s, const char *pid, const char *uuid, const char *job,
	enum store_psk_mark what, store_done_cb cb, void *arg, struct error *err)
{
	static const char *const names[] = {
		[STORE_PSK_USED] = "used", [STORE_PSK_MISMATCH] = "mismatch"};
	begin(s, "psk_mark", pid, true);
	call_text(s, uuid);
	call_text(s, names[what]);
	call_text(s, job);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_psk_delete(struct store *s, const char *pid, const char *who, store_done_cb cb, void *arg,
	struct error *err)
{
	begin(s, "psk_delete", pid, true);
	call_text(s, who);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}

int store_psk_list(
	struct store *s, const char *cursor, store_ids_cb cb, void *arg, struct error *err)
{
	return scan_ids(s, "psk:", cursor, cb, arg, err);
}
