/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/resolve/rdns.h"

#include <netdb.h>

#include "common/base/err.h"

static void on_name(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
	(void)service;
	struct rdns_query *q = req->data;
	if (status == 0 && fqdn_set(q->answer->fqdn, host, NULL) == 0) {
		q->answer->result = RESOLVE_FOUND;
		q->answer->source = "reverse-dns";
	}
	q->done(q);
}

int rdns_start(struct rdns_query *q, uv_loop_t *loop, const struct net_addr *address,
	struct resolve_answer *answer, void (*done)(struct rdns_query *q))
{
	q->answer = answer;
	q->done = done;
	q->req.data = q;
	return uv_getnameinfo(loop, &q->req, on_name, &address->sa, NI_NAMEREQD);
}
