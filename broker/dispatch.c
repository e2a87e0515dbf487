/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "broker/counters.h"
#include "broker/peers.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/net/addr.h"

/* Between looks for jobs that became due by time alone. New jobs, kicks by Hello and credit are
 * looked for at once; an idle broker costs Redis five cheap calls a second. */
#define POLL_MS        200
#define PING_MS        1000
#define CLAIM_MAX      64     /* jobs in one claim: bounds what a crash in between delays */
#define CREDIT_MAX     100000 /* slots that one worker may claim to have */
#define WORKER_GONE_MS 30000

/* A job that was sent and not yet acknowledged: what a Credit on its way does not count. */
struct sent_job {
	TAILQ_ENTRY(sent_job) link;
	char job[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	uint64_t fence;
};

struct worker {
	char id[BUS_ID_MAX + 1];
	uint64_t heard_ms;
	uint32_t credit; /* jobs it may still be sent */
	uint32_t n_sent; /* length of sent */
	bool silent;     /* said nothing for BUS_SILENT_MS */
	TAILQ_HEAD(, sent_job) sent;
	UT_hash_handle hh;
};

struct dispatch {
	const struct conf *conf;
	struct store *store;
	struct bus_socket *socket;
	struct worker *workers;
	bool open, claiming, wanted;
	uint32_t asked; /* jobs in the claim under way */
	uv_prepare_t *look;
	uv_timer_t *poll, *ping;
};

/* ---- workers ------------------------------------------------------------------------------- */

static struct worker *worker_find(struct dispatch *d, const char *peer)
{
	struct worker *w = NULL;
	HASH_FIND_STR(d->workers, peer, w);
	return w;
}

static void sent_forget(struct worker *w, struct sent_job *sj)
{
	TAILQ_REMOVE(&w->sent, sj, link);
	w->n_sent--;
	free(sj);
}

/* Jobs it has not acknowledged come back by their dispatch lease: it may have begun them. */
static void worker_drop(struct dispatch *d, struct worker *w)
{
	while (!TAILQ_EMPTY(&w->sent))
		sent_forget(w, TAILQ_FIRST(&w->sent));
	HASH_DELETE(hh, d->workers, w);
	free(w);
}

static struct sent_job *sent_find(struct worker *w, const char *job, uint64_t fence)
{
	struct sent_job *sj;
	TAILQ_FOREACH (sj, &w->sent, link) {
		if (sj->fence == fence && strcmp(sj->job, job) == 0)
			return sj;
	}
	return NULL;
}

static uint32_t total_credit(const struct dispatch *d)
{
	uint64_t sum = 0;
	for (const struct worker *w = d->workers; w; w = w->hh.next)
		sum += w->silent ? 0 : w->credit;
	return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

/* The worker with most room: keeps the load even without counting sessions. */
static struct worker *worker_pick(struct dispatch *d)
{
	struct worker *best = NULL;
	for (struct worker *w = d->workers; w; w = w->hh.next)
		if (w->credit > 0 && !w->silent && (!best || w->credit > best->credit))
			best = w;
	return best;
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static void released_cb(const struct error *err, void *arg)
{
	(void)arg;
	/* Stale: it has been reaped, or the worker began it after all. */
	if (err && err->code != E_STALE)
		LOG_WARN("job.not_released", KV_STR("error", err->text));
}

static void release(struct dispatch *d, const char *job, const char *uuid, uint64_t fence)
{
	const struct store_lease lease = {.job = job, .uuid = uuid, .fence = fence};
	struct error err;
	counters_add(COUNT_RELEASED, 1);
	if (store_release(d->store, &lease, NULL, (struct store_blob){.data = NULL}, released_cb, d,
		    &err) < 0)
		LOG_WARN("job.not_released", KV_STR("job", job), KV_STR("error", err.text));
}

static int job_send(struct dispatch *d, const struct worker *w, const struct store_claim *c)
{
	Muster__V1__Job job = MUSTER__V1__JOB__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	struct net_addr addr;
	size_t addr_len = 0;
	const uint8_t *bytes = NULL;
	if (net_addr_from_host(&addr, c->addr, 0, NULL) == 0)
		bytes = net_addr_bytes(&addr, &addr_len);
	job.job = (char *)(uintptr_t)c->id;
	job.uuid = (char *)(uintptr_t)c->uuid;
	job.gen = c->gen;
	job.fence = c->fence;
	job.address = (ProtobufCBinaryData){addr_len, (uint8_t *)(uintptr_t)bytes};
	job.hello = (ProtobufCBinaryData){c->hello.len, (uint8_t *)(uintptr_t)c->hello.data};
	job.attempt = c->tries;
	job.checkpoint =
		(ProtobufCBinaryData){c->checkpoint.len, (uint8_t *)(uintptr_t)c->checkpoint.data};
	job.traceparent = (char *)(uintptr_t)(c->traceparent ? c->traceparent : "");
	job.kind = (char *)(uintptr_t)c->kind;
	job.args = (char *)(uintptr_t)c->args;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_JOB;
	e.job = &job;
	return bus_send(d->socket, w->id, &e);
}

/* Give the job to a worker, or back to the store. */
static void job_place(struct dispatch *d, const struct store_claim *c)
{
	for (struct worker *w; (w = worker_pick(d));) {
		struct sent_job *sj = malloc(sizeof *sj);
		int rc = sj ? job_send(d, w, c) : -ENOMEM;
		if (rc == 0) {
			snprintf(sj->job, sizeof sj->job, "%s", c->id);
			snprintf(sj->uuid, sizeof sj->uuid, "%s", c->uuid);
			sj->fence = c->fence;
			TAILQ_INSERT_TAIL(&w->sent, sj, link);
			w->n_sent++;
			w->credit--;
			counters_add(COUNT_SENT, 1);
			return;
		}
		free(sj);
		if (rc != -EHOSTUNREACH && rc != -EAGAIN) {
			LOG_ERROR("job.not_sent", KV_STR("job", c->id),
				KV_STR("error", error_name(rc)));
			break;
		}
		w->credit = 0; /* gone or stuck: its next Credit says otherwise */
		if (rc == -EHOSTUNREACH)
			worker_drop(d, w);
	}
	release(d, c->id, c->uuid, c->fence);
}

static void claimed_cb(
	const struct store_claim *claims, size_t n_claims, const struct error *err, void *arg)
{
	struct dispatch *d = arg;
	d->claiming = false;
	if (err) {
		if (err->code != E_CLOSED && err->code != -ECANCELED)
			LOG_WARN("claim.failed", KV_STR("error", err->text));
		return;
	}
	counters_add(COUNT_CLAIMED, n_claims);
	for (size_t i = 0; i < n_claims; i++)
		job_place(d, &claims[i]);
	if (n_claims == d->asked)
		d->wanted = true; /* there may be more */
}

/* At the end of a turn: one claim at a time, so that looks asked for meanwhile become one. */
static void look_cb(uv_prepare_t *handle)
{
	struct dispatch *d = handle->data;
	struct error err;
	if (!d->wanted || d->claiming || !d->open)
		return;
	uint32_t credit = total_credit(d);
	d->wanted = false;
	if (credit == 0)
		return; /* the next Credit looks again */
	d->asked = credit < CLAIM_MAX ? credit : CLAIM_MAX;
	d->claiming = store_claim(d->store, d->asked, d->conf->broker.dispatch_lease_ms, claimed_cb,
			      d, &err) == 0;
}

void dispatch_kick(struct dispatch *d)
{
	d->wanted = true;
}

static void poll_cb(uv_timer_t *timer)
{
	dispatch_kick(timer->data);
}

/* ---- messages ------------------------------------------------------------------------------ */

static void on_register(struct dispatch *d, const char *peer, const Muster__V1__Register *reg)
{
	if (!peers_register(d->socket, peer, reg, MUSTER__V1__ROLE__ROLE_WORKER, 0))
		return;
	struct worker *w = worker_find(d, peer);
	if (!w && (w = calloc(1, sizeof *w))) {
		snprintf(w->id, sizeof w->id, "%s", peer);
		TAILQ_INIT(&w->sent);
		HASH_ADD_STR(d->workers, id, w);
	}
	if (!w)
		return;
	/* A new connection: what the old one carried is acknowledged or comes back by its lease. */
	while (!TAILQ_EMPTY(&w->sent))
		sent_forget(w, TAILQ_FIRST(&w->sent));
	w->credit = 0;
	w->heard_ms = clock_boot_ms();
}

static void on_credit(struct dispatch *d, struct worker *w, const Muster__V1__Credit *c)
{
	uint32_t slots = c->slots < CREDIT_MAX ? c->slots : CREDIT_MAX;
	w->credit = slots > w->n_sent ? slots - w->n_sent : 0;
	if (w->credit > 0)
		dispatch_kick(d);
}

static void on_ack(struct dispatch *d, struct worker *w, const Muster__V1__JobAck *ack)
{
	struct sent_job *sj = sent_find(w, ack->job, ack->fence);
	if (!sj)
		return; /* twice, or from before a new connection */
	if (!ack->accepted) {
		counters_add(COUNT_REFUSED, 1);
		LOG_INFO("job.refused", KV_STR("job", ack->job), KV_STR("worker", w->id),
			KV_STR("reason", ack->reason));
		release(d, sj->job, sj->uuid, sj->fence);
	}
	sent_forget(w, sj);
}

/* The slot that it freed comes with the Credit behind it; counting it here would count it twice,
 * and a worker tells every broker. */
static void on_done(struct worker *w, const Muster__V1__Done *done)
{
	struct sent_job *sj = sent_find(w, done->job, done->fence);
	counters_add(COUNT_DONE, 1);
	if (sj)
		sent_forget(w, sj);
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	struct dispatch *d = arg;
	if (e->body_case == MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER) {
		on_register(d, peer, e->register_peer);
		return;
	}
	struct worker *w = worker_find(d, peer);
	if (!w) {
		peers_stranger(s, peer);
		return;
	}
	w->heard_ms = clock_boot_ms();
	w->silent = false;
	switch (e->body_case) {
	case MUSTER__V1__ENVELOPE__BODY_CREDIT: on_credit(d, w, e->credit); break;
	case MUSTER__V1__ENVELOPE__BODY_JOB_ACK: on_ack(d, w, e->job_ack); break;
	case MUSTER__V1__ENVELOPE__BODY_DONE: on_done(w, e->done); break;
	case MUSTER__V1__ENVELOPE__BODY_DRAIN: w->credit = 0; break;
	case MUSTER__V1__ENVELOPE__BODY_PING: bus_pong(s, peer, e->ping->nonce); break;
	default: break; /* a body that only others need */
	}
}

static const struct bus_handler handler = {on_message, peers_event};

/* Every second: who has said nothing for long gets no jobs until it does. */
static void ping_cb(uv_timer_t *timer)
{
	struct dispatch *d = timer->data;
	uint64_t now = clock_boot_ms();
	struct worker *w, *next;
	HASH_ITER(hh, d->workers, w, next)
	{
		if (w->heard_ms + WORKER_GONE_MS <= now ||
			peers_ping(d->socket, w->id) == -EHOSTUNREACH) {
			LOG_INFO("worker.gone", KV_STR("worker", w->id));
			worker_drop(d, w);
		} else if (w->heard_ms + BUS_SILENT_MS <= now && !w->silent) {
			w->silent = true;
			w->credit = 0;
			counters_add(COUNT_WORKER_SILENT, 1);
			LOG_WARN("worker.silent", KV_STR("worker", w->id));
		}
	}
}

/* ---- life ---------------------------------------------------------------------------------- */

static void handle_free(uv_handle_t *handle)
{
	free(handle);
}

int dispatch_open(struct dispatch **out, struct bus *bus, const char *endpoint,
	const struct conf *conf, struct store *store, struct error *err)
{
	struct dispatch *d = calloc(1, sizeof *d);
	ENSURE(d, err, -ENOMEM, "out of memory");
	*d = (struct dispatch){.conf = conf, .store = store};
	d->look = calloc(1, sizeof *d->look);
	d->poll = calloc(1, sizeof *d->poll);
	d->ping = calloc(1, sizeof *d->ping);
	int rc = error_set(err, -ENOMEM, "out of memory");
	if (d->look && d->poll && d->ping)
		rc = bus_router(&d->socket, bus, endpoint, "back", CREDIT_MAX, &handler, d, err);
	if (rc < 0) {
		free(d->look);
		free(d->poll);
		free(d->ping);
		free(d);
		return rc;
	}
	uv_prepare_init(bus_loop(bus), d->look);
	uv_timer_init(bus_loop(bus), d->poll);
	uv_timer_init(bus_loop(bus), d->ping);
	d->look->data = d->poll->data = d->ping->data = d;
	uv_prepare_start(d->look, look_cb);
	uv_timer_start(d->poll, poll_cb, POLL_MS, POLL_MS);
	uv_timer_start(d->ping, ping_cb, PING_MS, PING_MS);
	*out = d;
	return 0;
}

void dispatch_gate(struct dispatch *d, bool open)
{
	d->open = open;
}

const char *dispatch_endpoint(const struct dispatch *d)
{
	return bus_endpoint(d->socket);
}

bool dispatch_idle(const struct dispatch *d)
{
	return !d->claiming;
}

void dispatch_drain(struct dispatch *d)
{
	d->open = false;
	for (struct worker *w = d->workers; w; w = w->hh.next)
		peers_drain(d->socket, w->id);
}

void dispatch_close(struct dispatch *d)
{
	if (!d)
		return;
	uv_close((uv_handle_t *)d->look, handle_free);
	uv_close((uv_handle_t *)d->poll, handle_free);
	uv_close((uv_handle_t *)d->ping, handle_free);
	bus_socket_close(d->socket);
	struct worker *w, *next;
	HASH_ITER(hh, d->workers, w, next)
	{
		worker_drop(d, w);
	}
	free(d);
}
