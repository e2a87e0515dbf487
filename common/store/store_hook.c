/* SPDX-License-Identifier: Apache-2.0 */
/* What hooks are still to be told: claim and end. See store.h. */
#include <stdlib.h>

#include "common/store/store_int.h"

#define NOTICE_PARTS 3 /* id, JSON, tries */

static void claim_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	struct store_notice list[STORE_NOTICES_MAX];
	size_t n = 0;
	int rc = reply_array(reply, 0, lost, &err);
	for (size_t i = 0; rc == 0 && i + NOTICE_PARTS <= reply->elements && n < STORE_NOTICES_MAX;
		i += NOTICE_PARTS)
		list[n++] = (struct store_notice){.id = reply_text(reply->element[i]),
			.json = reply_text(reply->element[i + 1]),
			.tries = (uint32_t)reply_u64(reply->element[i + 2])};
	req->cb.notices(list, n, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_notice_claim(struct store *s, const char *moment, uint32_t n, uint32_t lease_ms,
	store_notices_cb cb, void *arg, struct error *err)
{
	ENSURE(n <= STORE_NOTICES_MAX, err, E_LIMIT, "store: claim at most %d notices",
		STORE_NOTICES_MAX);
	call_begin(s, "hook_claim");
	call_key(s, "hooks", "");
	call_key(s, "hookq:", moment);
	call_key(s, "hookd", "");
	call_key(s, "hookn", "");
	call_text(s, moment);
	call_u64(s, n);
	call_u64(s, lease_ms);
	struct store_req req = {.cb.notices = cb, .arg = arg};
	return call_send(s, claim_cb, &req, err);
}

int store_notice_end(struct store *s, const struct store_notice_result *r, store_done_cb cb,
	void *arg, struct error *err)
{
	call_begin(s, "hook_end");
	call_key(s, "hookq:", r->moment);
	call_key(s, "hookd", "");
	call_key(s, "hookn", "");
	call_key(s, "ev", "");
	call_text(s, r->id);
	if (r->over)
		call_text(s, "-1");
	else
		call_u64(s, r->delay_ms);
	call_text(s, r->uuid);
	call_text(s, r->who);
	call_text(s, r->text);
	struct store_req req = {.cb.done = cb, .arg = arg};
	return call_send(s, reply_done, &req, err);
}
