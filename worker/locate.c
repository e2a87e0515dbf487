/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/locate.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "worker/connector.h"
#include "worker/drive_int.h"

struct question {
	struct work work;
	uv_getaddrinfo_t req;
	struct connector *connector;
	char name[RESOLVE_FQDN_MAX + 1];
	struct net_addr known, found;
	bool moved;
};

/* Connector thread. An address that is on record among the answers: it has not moved. */
static void on_addresses(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct question *q = req->data;
	struct net_addr a;
	bool same = false;
	for (const struct addrinfo *i = status == 0 ? list : NULL; i; i = i->ai_next) {
		net_addr_set(&a, i->ai_addr, i->ai_addrlen);
		net_addr_set_port(&a, net_addr_port(&q->known));
		same |= net_addr_same_host(&a, &q->known);
		if (!q->moved)
			q->found = a;
		q->moved = true;
	}
	q->moved &= !same;
	uv_freeaddrinfo(list);
	connector_finish(q->connector, &q->work);
}

/* Connector thread. */
static void start(struct connector *c, struct work *w)
{
	struct question *q = (struct question *)w;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	q->req.data = q;
	if (uv_getaddrinfo(connector_loop(c), &q->req, on_addresses, q->name, NULL, &hints) < 0)
		connector_finish(c, w);
}

static void done(struct work *w, void *arg)
{
	struct session *s = arg;
	const struct question *q = (const struct question *)w;
	char was[NET_ADDR_TEXT_MAX], is[NET_ADDR_TEXT_MAX];
	s->work = NULL;
	if (!q->moved) {
		drive_verdict(s, (struct verdict){.kind = VERDICT_FAIL});
		return;
	}
	LOG_INFO("address.moved", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_STR("fqdn", s->ck.fqdn), KV_STR("was", net_addr_host_text(&q->known, was)),
		KV_STR("is", net_addr_host_text(&q->found, is)));
	s->failure = (struct failure){0};
	s->device.addr = q->found;
	s->connect_tries = 0;
	drive_connect(s);
}

static void destroy(struct work *w)
{
	free(w);
}

bool locate_again(struct session *s)
{
	/* Also one whose setup is committed: phase B may have given it another address. */
	bool ours = s->plan != PLAN_SETUP && s->kind != JOB_ADOPT;
	if (!ours || !s->w->conf->worker.forward_dns || s->located || s->reached)
		return false;
	struct question *q = calloc(1, sizeof *q);
	if (!q)
		return false;
	s->located = true;
	q->work = (struct work){.start = start, .done = done, .destroy = destroy, .arg = s};
	q->connector = s->w->connector;
	q->known = s->device.addr;
	snprintf(q->name, sizeof q->name, "%s", s->ck.fqdn);
	s->work = &q->work;
	connector_submit(s->w->connector, &q->work);
	return true;
}
