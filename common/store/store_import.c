/* SPDX-License-Identifier: Apache-2.0 */
/* The one call of an operator's list: expect. See store.h. */
#include <stdlib.h>

#include "common/store/store_int.h"

static void expect_cb(const redisReply *reply, const struct error *lost, void *arg)
{
	struct store_req *req = arg;
	struct error err;
	int rc = reply_check(reply, lost, &err);
	if (req->cb.expect)
		req->cb.expect(rc == 0 && reply_u64(reply) == 1, rc < 0 ? &err : NULL, req->arg);
	free(req);
}

int store_expect(struct store *s, const char *uuid, const char *who, const char *told,
	const struct store_field *fields, size_t n_fields, store_expect_cb cb, void *arg,
	struct error *err)
{
	call_begin(s, "expect");
	call_key(s, "dev:", uuid);
	call_key(s, "lease", "");
	call_key(s, "ev", "");
	call_text(s, uuid);
	call_text(s, who);
	call_text(s, told);
	call_fields(s, fields, n_fields);
	struct store_req req = {.cb.expect = cb, .arg = arg};
	return call_send(s, expect_cb, &req, err);
}
