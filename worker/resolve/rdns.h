/* SPDX-License-Identifier: Apache-2.0 */
/* Reverse DNS through libuv's pool. A name is a hint of the network, never a proof (tls.md 9); it
 * is used only where worker.reverse_dns says so. Threads: the connector's loop. */
#ifndef MUSTER_WORKER_RDNS_H
#define MUSTER_WORKER_RDNS_H

#include <uv.h>

#include "worker/resolve/resolve.h"

struct rdns_query {
	uv_getnameinfo_t req;
	struct resolve_answer *answer;
	void (*done)(struct rdns_query *q);
	void *arg; /* the owner's */
};

/**
 * Ask for the name of an address. Found: fills the answer (fqdn, source). Not found: the answer
 * stays as it is. done() is called exactly once if and only if this returns 0.
 */
int rdns_start(struct rdns_query *q, uv_loop_t *loop, const struct net_addr *address,
	struct resolve_answer *answer, void (*done)(struct rdns_query *q));

#endif
