/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/admit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "broker/counters.h"
#include "broker/deny.h"
#include "broker/peers.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/net/addr.h"
#include "proto/hello.h"

#define VERDICTS_MAX     256   /* in one message: 4 KiB */
#define LISTENER_GONE_MS 60000 /* forgotten after so long without a word */
#define SWEEP_MS         10000

struct listener {
	char id[BUS_ID_MAX + 1];
	uint64_t heard_ms;
	uint32_t n_pending; /* Hellos at the store */
	uint32_t n_verdicts;
	Muster__V1__Verdict verdicts[VERDICTS_MAX]; /* leave at the end of the turn */
	UT_hash_handle hh;
};

struct admission {
	SLIST_ENTRY(admission) free;
	struct admit *admit;
	struct listener *listener;
	uint64_t seq;
};

struct admit {
	const struct conf *conf;
	struct store *store;
	struct bus_socket *socket;
	const struct admit_events *events;
	void *arg;
	struct deny deny;
	struct store_admission limits;
	struct listener *listeners;
	SLIST_HEAD(, admission) free;
	uint32_t in_flight;
	bool open, draining;
	uv_prepare_t *flush;
	uv_timer_t *sweep;
};

static void update_pause(struct admit *a)
{
	bus_pause(
		a->socket, !a->open || a->draining || a->in_flight >= a->conf->broker.admit_window);
}

/* ---- verdicts ------------------------------------------------------------------------------ */

static void listener_flush(struct admit *a, struct listener *l)
{
	Muster__V1__Verdict *list[VERDICTS_MAX];
	Muster__V1__VerdictBatch batch = MUSTER__V1__VERDICT_BATCH__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	for (uint32_t i = 0; i < l->n_verdicts; i++)
		list[i] = &l->verdicts[i];
	batch.n_verdicts = l->n_verdicts;
	batch.verdicts = list;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_VERDICT_BATCH;
	e.verdict_batch = &batch;
	/* A listener that is gone has lost its connections too; one whose queue is full will ask
	 * again and be told DUP. */
	bus_send(a->socket, l->id, &e);
	l->n_verdicts = 0;
}

static void verdict_add(
	struct admit *a, struct listener *l, uint64_t seq, Muster__V1__VerdictCode code)
{
	Muster__V1__Verdict *v = &l->verdicts[l->n_verdicts++];
	muster__v1__verdict__init(v);
	v->seq = seq;
	v->code = code;
	if (l->n_verdicts == VERDICTS_MAX)
		listener_flush(a, l);
}

static void flush_cb(uv_prepare_t *handle)
{
	struct admit *a = handle->data;
	struct listener *l, *next;
	HASH_ITER(hh, a->listeners, l, next)
	{
		if (l->n_verdicts > 0)
			listener_flush(a, l);
	}
	if (a->draining && a->in_flight == 0)
		a->events->idle(a->arg);
}

/* ---- Hellos -------------------------------------------------------------------------------- */

static const struct {
	Muster__V1__VerdictCode code;
	enum counter counter;
} outcomes[] = {
	[STORE_NEW] = {MUSTER__V1__VERDICT_CODE__VERDICT_NEW, COUNT_NEW},
	[STORE_DUP] = {MUSTER__V1__VERDICT_CODE__VERDICT_DUP, COUNT_DUP},
	[STORE_IGN] = {MUSTER__V1__VERDICT_CODE__VERDICT_IGN, COUNT_IGN},
	[STORE_DENY] = {MUSTER__V1__VERDICT_CODE__VERDICT_DENY, COUNT_DENY},
	[STORE_BUSY] = {MUSTER__V1__VERDICT_CODE__VERDICT_BUSY, COUNT_BUSY},
};

/* Whether the store may have executed the call or will soon be back: then silence is the answer,
 * and the listener asks again, here or elsewhere, within its 10 s. */
static bool is_passing(int code)
{
	return code == E_CLOSED || code == E_LIMIT || code == -ETIMEDOUT || code == -ECANCELED;
}

static void admission_failed(
	struct admit *a, struct listener *l, uint64_t seq, const struct error *err)
{
	if (is_passing(err->code)) {
		counters_add(COUNT_NO_ANSWER, 1);
		return;
	}
	LOG_ERROR("admit.failed", KV_STR("error", err->text));
	counters_add(COUNT_BUSY, 1);
	verdict_add(a, l, seq, MUSTER__V1__VERDICT_CODE__VERDICT_BUSY);
}

static void admitted_cb(enum store_verdict verdict, const struct error *err, void *arg)
{
	struct admission *ad = arg;
	struct admit *a = ad->admit;
	ad->listener->n_pending--;
	a->in_flight--;
	if (err) {
		admission_failed(a, ad->listener, ad->seq, err);
	} else {
		counters_add(outcomes[verdict].counter, 1);
		verdict_add(a, ad->listener, ad->seq, outcomes[verdict].code);
		if (verdict == STORE_NEW || verdict == STORE_DUP)
			a->events->new_job(a->arg); /* a Hello makes a job in back-off due too */
	}
	SLIST_INSERT_HEAD(&a->free, ad, free);
	update_pause(a);
}

static struct admission *admission_new(struct admit *a)
{
	struct admission *ad = SLIST_FIRST(&a->free);
	if (ad)
		SLIST_REMOVE_HEAD(&a->free, free);
	else
		ad = malloc(sizeof *ad);
	return ad;
}

/* How long the device will still answer. A Hello that cannot be read has no window: its job says
 * why. SPEC: hello.md 5 */
static void note_window(
	const struct admit *a, const Muster__V1__Hello *h, struct store_hello *hello)
{
	struct hello parsed;
	uint64_t length_ms = a->conf->broker.setup_window_s * 1000ull;
	if (length_ms == 0 || hello_decode(h->raw.data, h->raw.len, &parsed) != HELLO_DONE)
		return;
	uint64_t elapsed_ms = hello_elapsed_s(parsed.retry_count) * 1000ull;
	bool over = elapsed_ms >= length_ms; /* the last of a series: it may go at any time */
	hello->elapsed_ms = over ? length_ms : elapsed_ms;
	hello->left_ms = over ? 1 : length_ms - elapsed_ms;
}

static void ask_store(struct admit *a, struct listener *l, const Muster__V1__Hello *h,
	const struct uuid *uuid, const struct net_addr *addr)
{
	char addr_text[NET_ADDR_TEXT_MAX], subnet[NET_ADDR_TEXT_MAX + 8];
	struct error err = {.code = -ENOMEM, .text = "out of memory"};
	struct store_hello hello = {
		.uuid = *uuid,
		.addr = net_addr_host_text(addr, addr_text),
		.raw = {h->raw.data, h->raw.len},
		.traceparent = h->traceparent[0] ? h->traceparent : NULL,
	};
	note_window(a, h, &hello);
	if (a->limits.subnet_rate > 0) {
		struct net_key key = net_key_subnet(addr);
		struct net_addr net;
		char text[NET_ADDR_TEXT_MAX];
		net_addr_from_bytes(&net, key.bytes, key.family == 4 ? 4 : 16, 0);
		snprintf(subnet, sizeof subnet, "%s/%u", net_addr_host_text(&net, text), key.bits);
		hello.subnet = subnet;
	}
	struct admission *ad = admission_new(a);
	if (ad) {
		*ad = (struct admission){.admit = a, .listener = l, .seq = h->seq};
		if (store_admit(a->store, &hello, &a->limits, admitted_cb, ad, &err) == 0) {
			l->n_pending++;
			a->in_flight++;
			return;
		}
		SLIST_INSERT_HEAD(&a->free, ad, free);
	}
	admission_failed(a, l, h->seq, &err);
}

static void on_hello(struct admit *a, struct listener *l, const Muster__V1__Hello *h)
{
	struct net_addr addr;
	struct uuid uuid;
	counters_add(COUNT_HELLO, 1);
	if (h->uuid.len != sizeof uuid.b ||
		net_addr_from_bytes(&addr, h->address.data, h->address.len, 0) < 0) {
		counters_add(COUNT_BUSY, 1);
		verdict_add(a, l, h->seq, MUSTER__V1__VERDICT_CODE__VERDICT_BUSY);
		return;
	}
	memcpy(uuid.b, h->uuid.data, sizeof uuid.b);
	if (!a->conf->broker.intake || deny_has(&a->deny, &uuid)) {
		counters_add(COUNT_DENY, 1);
		verdict_add(a, l, h->seq, MUSTER__V1__VERDICT_CODE__VERDICT_DENY);
		return;
	}
	ask_store(a, l, h, &uuid, &addr);
}

/* ---- listeners ----------------------------------------------------------------------------- */

static struct listener *listener_find(struct admit *a, const char *peer)
{
	struct listener *l = NULL;
	HASH_FIND_STR(a->listeners, peer, l);
	return l;
}

static void listener_drop(struct admit *a, struct listener *l)
{
	HASH_DELETE(hh, a->listeners, l);
	free(l);
}

static void on_register(struct admit *a, const char *peer, const Muster__V1__Register *reg)
{
	if (!peers_register(a->socket, peer, reg, MUSTER__V1__ROLE__ROLE_LISTENER,
		    a->conf->broker.admit_window))
		return;
	struct listener *l = listener_find(a, peer);
	if (!l && (l = calloc(1, sizeof *l))) {
		snprintf(l->id, sizeof l->id, "%s", peer);
		HASH_ADD_STR(a->listeners, id, l);
	}
	if (l)
		l->heard_ms = clock_boot_ms();
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	struct admit *a = arg;
	if (e->body_case == MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER) {
		on_register(a, peer, e->register_peer);
		return;
	}
	struct listener *l = listener_find(a, peer);
	if (!l) {
		peers_stranger(s, peer);
		return;
	}
	l->heard_ms = clock_boot_ms();
	if (e->body_case == MUSTER__V1__ENVELOPE__BODY_HELLO_BATCH) {
		for (size_t i = 0; i < e->hello_batch->n_hellos; i++)
			on_hello(a, l, e->hello_batch->hellos[i]);
		update_pause(a);
	} else if (e->body_case == MUSTER__V1__ENVELOPE__BODY_PING) {
		bus_pong(s, peer, e->ping->nonce);
	}
}

static const struct bus_handler handler = {on_message, peers_event};

static void sweep_cb(uv_timer_t *timer)
{
	struct admit *a = timer->data;
	uint64_t now = clock_boot_ms();
	struct listener *l, *next;
	HASH_ITER(hh, a->listeners, l, next)
	{
		if (l->n_pending > 0 || l->heard_ms + LISTENER_GONE_MS > now)
			continue;
		/* An idle listener has nothing to say: only one that cannot be reached is gone. */
		if (peers_ping(a->socket, l->id) == -EHOSTUNREACH)
			listener_drop(a, l);
		else
			l->heard_ms = now;
	}
}

/* ---- life ---------------------------------------------------------------------------------- */

int admit_open(struct admit **out, struct bus *bus, const char *endpoint, const struct conf *conf,
	struct store *store, const struct admit_events *events, void *arg, struct error *err)
{
	struct admit *a = calloc(1, sizeof *a);
	ENSURE(a, err, -ENOMEM, "out of memory");
	*a = (struct admit){.conf = conf, .store = store, .events = events, .arg = arg};
	a->limits = (struct store_admission){
		.cooldown_ms = conf->broker.cooldown_s * 1000,
		.max_waiting = conf->broker.max_waiting,
		.subnet_rate = conf->broker.subnet_rate,
		.subnet_burst = conf->broker.subnet_rate > 0 ? conf->broker.subnet_rate : 1,
	};
	a->flush = calloc(1, sizeof *a->flush);
	a->sweep = calloc(1, sizeof *a->sweep);
	int rc = error_set(err, -ENOMEM, "out of memory");
	if (a->flush && a->sweep)
		rc = deny_load(&a->deny, conf->broker.deny_file, err);
	if (rc == 0)
		rc = bus_router(&a->socket, bus, endpoint, "front",
			(int)conf->broker.admit_window + BUS_HWM_SLACK, &handler, a, err);
	if (rc < 0) {
		deny_free(&a->deny);
		free(a->flush);
		free(a->sweep);
		free(a);
		return rc;
	}
	uv_prepare_init(bus_loop(bus), a->flush);
	uv_timer_init(bus_loop(bus), a->sweep);
	a->flush->data = a->sweep->data = a;
	uv_prepare_start(a->flush, flush_cb);
	uv_timer_start(a->sweep, sweep_cb, SWEEP_MS, SWEEP_MS);
	update_pause(a);
	*out = a;
	return 0;
}

void admit_gate(struct admit *a, bool open)
{
	a->open = open;
	update_pause(a);
}

int admit_reload(struct admit *a, struct error *err)
{
	return deny_load(&a->deny, a->conf->broker.deny_file, err);
}

const char *admit_endpoint(const struct admit *a)
{
	return bus_endpoint(a->socket);
}

uint32_t admit_in_flight(const struct admit *a)
{
	return a->in_flight;
}

void admit_drain(struct admit *a)
{
	struct listener *l, *next;
	a->draining = true;
	update_pause(a);
	HASH_ITER(hh, a->listeners, l, next)
	{
		peers_drain(a->socket, l->id);
	}
}

static void handle_free(uv_handle_t *handle)
{
	free(handle);
}

void admit_close(struct admit *a)
{
	if (!a)
		return;
	uv_close((uv_handle_t *)a->flush, handle_free);
	uv_close((uv_handle_t *)a->sweep, handle_free);
	bus_socket_close(a->socket);
	struct listener *l, *next;
	HASH_ITER(hh, a->listeners, l, next)
	{
		listener_drop(a, l);
	}
	for (struct admission *ad; (ad = SLIST_FIRST(&a->free));) {
		SLIST_REMOVE_HEAD(&a->free, free);
		free(ad);
	}
	deny_free(&a->deny);
	free(a);
}
