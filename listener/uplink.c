/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/uplink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/bus/bus.h"
#include "common/conf/cli.h"

#define BATCH_HELLOS_MAX 16           /* ruling 11: measured best with Curve */
#define BATCH_BYTES_MAX  (128 * 1024) /* half of BUS_MESSAGE_MAX */
#define HELLO_OVERHEAD   128          /* bytes of a Hello on the bus beside its raw message */
#define TICK_MS          100          /* fineness of retransmission */

TAILQ_HEAD(item_list, hello_item);

struct broker {
	struct uplink *uplink;
	struct bus_socket *socket;
	const char *endpoint;
	bool ready;   /* welcomed, connected, not draining */
	bool suspect; /* let a Hello wait; others first until it speaks */
	bool blocked; /* ZeroMQ took no more; asked again at the next tick */
	uint32_t window, in_flight;
};

struct slot {
	struct hello_item *item; /* NULL: free */
	uint32_t next_free;
};

struct uplink {
	uv_loop_t *loop;
	const struct conf *conf;
	const struct uplink_events *events;
	void *arg;
	struct bus *bus;
	struct broker brokers[CONF_BROKERS_MAX];
	uint8_t n_brokers, next_broker;
	struct item_list unsent; /* oldest first */
	struct item_list sent;   /* by sent_ms, oldest first */
	struct slot *slots;
	uint32_t n_slots, free_slot;
	uint64_t generation;
	bool room; /* what the owner was told last */
	uv_prepare_t *flush;
	uv_timer_t *tick;
	struct uplink_stats stats;
};

/* ---- which broker -------------------------------------------------------------------------- */

static bool broker_has_room(const struct broker *b)
{
	return b->ready && !b->blocked && b->in_flight < b->window;
}

bool uplink_has_room(const struct uplink *u)
{
	if (!TAILQ_EMPTY(&u->unsent))
		return false;
	for (uint8_t i = 0; i < u->n_brokers; i++)
		if (broker_has_room(&u->brokers[i]))
			return true;
	return false;
}

static void tell_room(struct uplink *u)
{
	bool room = uplink_has_room(u);
	if (room == u->room)
		return;
	u->room = room;
	u->events->room(room, u->arg);
}

/* The next broker in turn; one that is silent only when there is no other. */
static struct broker *pick_broker(struct uplink *u)
{
	struct broker *second = NULL;
	for (uint8_t i = 0; i < u->n_brokers; i++) {
		struct broker *b = &u->brokers[(u->next_broker + i) % u->n_brokers];
		if (!broker_has_room(b))
			continue;
		if (!b->suspect) {
			u->next_broker = (uint8_t)((b - u->brokers + 1) % u->n_brokers);
			return b;
		}
		second = second ? second : b;
	}
	return second;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void fill_hello(Muster__V1__Hello *h, const struct hello_item *item)
{
	muster__v1__hello__init(h);
	h->seq = item->seq;
	h->raw = (ProtobufCBinaryData){item->raw_len, item->raw};
	h->address =
		(ProtobufCBinaryData){item->source.len, (uint8_t *)(uintptr_t)item->source.bytes};
	h->local_address =
		(ProtobufCBinaryData){item->local.len, (uint8_t *)(uintptr_t)item->local.bytes};
	h->uuid = (ProtobufCBinaryData){sizeof item->uuid.b, (uint8_t *)(uintptr_t)item->uuid.b};
	h->port = item->port;
	h->received_ms = item->received_ms;
}

/* One batch from the head of the unsent list. @return items sent, 0 when the broker takes none */
static uint32_t send_batch(struct uplink *u, struct broker *b)
{
	Muster__V1__Hello hellos[BATCH_HELLOS_MAX];
	Muster__V1__Hello *list[BATCH_HELLOS_MAX];
	Muster__V1__HelloBatch batch = MUSTER__V1__HELLO_BATCH__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	struct hello_item *item;
	size_t bytes = 0;
	batch.hellos = list;
	TAILQ_FOREACH (item, &u->unsent, link) {
		bytes += item->raw_len + HELLO_OVERHEAD;
		if (batch.n_hellos == BATCH_HELLOS_MAX || bytes > BATCH_BYTES_MAX ||
			b->in_flight + batch.n_hellos >= b->window)
			break;
		fill_hello(&hellos[batch.n_hellos], item);
		list[batch.n_hellos] = &hellos[batch.n_hellos];
		batch.n_hellos++;
	}
	e.body_case = MUSTER__V1__ENVELOPE__BODY_HELLO_BATCH;
	e.hello_batch = &batch;
	if (batch.n_hellos == 0 || bus_send(b->socket, NULL, &e) != 0)
		return 0;
	uint64_t now = clock_boot_ms();
	for (size_t i = 0; i < batch.n_hellos; i++) {
		item = TAILQ_FIRST(&u->unsent);
		TAILQ_REMOVE(&u->unsent, item, link);
		TAILQ_INSERT_TAIL(&u->sent, item, link);
		item->sent_ms = now;
		item->broker = (uint8_t)(b - u->brokers);
	}
	b->in_flight += (uint32_t)batch.n_hellos;
	u->stats.sent += batch.n_hellos;
	u->stats.batches++;
	return (uint32_t)batch.n_hellos;
}

static void flush_cb(uv_prepare_t *handle)
{
	struct uplink *u = handle->data;
	struct broker *b;
	while (!TAILQ_EMPTY(&u->unsent) && (b = pick_broker(u))) {
		if (send_batch(u, b) == 0)
			b->blocked = true;
	}
	tell_room(u);
}

/* ---- items --------------------------------------------------------------------------------- */

int uplink_submit(struct uplink *u, struct hello_item *item)
{
	if (u->free_slot == u->n_slots)
		return E_LIMIT;
	item->slot = u->free_slot;
	u->free_slot = u->slots[item->slot].next_free;
	u->slots[item->slot].item = item;
	item->seq = ++u->generation * u->n_slots + item->slot;
	item->sent_ms = 0;
	item->moved = false;
	TAILQ_INSERT_TAIL(&u->unsent, item, link);
	return 0;
}

void uplink_cancel(struct uplink *u, struct hello_item *item)
{
	if (item->seq == 0)
		return;
	if (item->sent_ms != 0) {
		TAILQ_REMOVE(&u->sent, item, link);
		u->brokers[item->broker].in_flight--;
	} else {
		TAILQ_REMOVE(&u->unsent, item, link);
	}
	u->slots[item->slot].item = NULL;
	u->slots[item->slot].next_free = u->free_slot;
	u->free_slot = item->slot;
	item->seq = 0;
}

/* Hellos that waited too long go to the head of the queue, and with it to another broker. */
static void resend_late(struct uplink *u)
{
	uint64_t now = clock_boot_ms();
	struct hello_item *item, *after = NULL;
	while ((item = TAILQ_FIRST(&u->sent)) &&
		item->sent_ms + u->conf->listener.retransmit_ms <= now) {
		struct broker *b = &u->brokers[item->broker];
		b->suspect = true;
		b->in_flight--;
		TAILQ_REMOVE(&u->sent, item, link);
		item->sent_ms = 0;
		item->moved = true;
		if (after)
			TAILQ_INSERT_AFTER(&u->unsent, after, item, link);
		else
			TAILQ_INSERT_HEAD(&u->unsent, item, link);
		after = item;
		u->stats.retransmitted++;
	}
}

static void verdict_one(struct uplink *u, const Muster__V1__Verdict *v)
{
	struct hello_item *item = u->slots[v->seq % u->n_slots].item;
	/* The answer to a retransmitted Hello may come twice; only the first has an owner. An item
	 * that is about to be sent again may be answered by its first broker. */
	if (!item || item->seq != v->seq || (item->sent_ms == 0 && !item->moved)) {
		u->stats.stray_verdicts++;
		return;
	}
	uplink_cancel(u, item);
	u->events->verdict(item, v->code, u->arg);
}

/* ---- talking to brokers -------------------------------------------------------------------- */

static void on_welcome(struct bus_socket *s, struct broker *b, const Muster__V1__Welcome *w)
{
	if (!w->accepted) {
		b->ready = false;
		if (strcmp(w->reason, BUS_REGISTER_FIRST) == 0)
			bus_register(s, MUSTER__V1__ROLE__ROLE_LISTENER, cli_version());
		else
			LOG_ERROR("broker.refused_us", KV_STR("broker", b->endpoint),
				KV_STR("reason", w->reason));
		return;
	}
	uint32_t own = b->uplink->conf->listener.window;
	b->window = w->window > 0 && w->window < own ? w->window : own;
	b->ready = true;
	LOG_INFO("broker.ready", KV_STR("broker", b->endpoint), KV_UINT("window", b->window));
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	(void)peer;
	struct broker *b = arg;
	b->suspect = false;
	switch (e->body_case) {
	case MUSTER__V1__ENVELOPE__BODY_WELCOME: on_welcome(s, b, e->welcome); break;
	case MUSTER__V1__ENVELOPE__BODY_VERDICT_BATCH:
		for (size_t i = 0; i < e->verdict_batch->n_verdicts; i++)
			verdict_one(b->uplink, e->verdict_batch->verdicts[i]);
		break;
	case MUSTER__V1__ENVELOPE__BODY_DRAIN:
		b->ready = false;
		LOG_INFO("broker.drains", KV_STR("broker", b->endpoint));
		break;
	case MUSTER__V1__ENVELOPE__BODY_PING: bus_pong(s, NULL, e->ping->nonce); break;
	default: break; /* a body that only others need */
	}
}

static void on_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	struct broker *b = arg;
	switch (event) {
	case BUS_UP: bus_register(s, MUSTER__V1__ROLE__ROLE_LISTENER, cli_version()); break;
	case BUS_DOWN:
		b->ready = false;
		LOG_WARN("broker.lost", KV_STR("broker", b->endpoint));
		break;
	case BUS_REFUSED:
		LOG_WARN("broker.handshake_failed", KV_STR("broker", b->endpoint),
			KV_STR("why", detail));
		break;
	}
}

static const struct bus_handler handler = {on_message, on_event};

static void tick_cb(uv_timer_t *timer)
{
	struct uplink *u = timer->data;
	for (uint8_t i = 0; i < u->n_brokers; i++)
		u->brokers[i].blocked = false;
	resend_late(u);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int open_brokers(struct uplink *u, struct error *err)
{
	const struct conf_bus *c = &u->conf->bus;
	TRY(bus_open(&u->bus, u->loop, "listener", c->curve ? c->keys_dir : NULL, err));
	for (u->n_brokers = 0; u->n_brokers < c->n_brokers; u->n_brokers++) {
		struct broker *b = &u->brokers[u->n_brokers];
		*b = (struct broker){.uplink = u, .endpoint = c->brokers[u->n_brokers].front};
		int hwm = (int)u->conf->listener.window + BUS_HWM_SLACK;
		TRY(bus_dealer(&b->socket, u->bus, b->endpoint, hwm, &handler, b, err));
	}
	return 0;
}

int uplink_open(struct uplink **out, uv_loop_t *loop, const struct conf *conf, uint32_t n_items,
	const struct uplink_events *events, void *arg, struct error *err)
{
	struct uplink *u = calloc(1, sizeof *u);
	ENSURE(u, err, -ENOMEM, "out of memory");
	*u = (struct uplink){.loop = loop, .conf = conf, .events = events, .arg = arg};
	u->n_slots = n_items;
	u->slots = calloc(n_items, sizeof *u->slots);
	u->flush = calloc(1, sizeof *u->flush);
	u->tick = calloc(1, sizeof *u->tick);
	int rc = error_set(err, -ENOMEM, "out of memory");
	TAILQ_INIT(&u->unsent);
	TAILQ_INIT(&u->sent);
	if (u->slots && u->flush && u->tick)
		rc = open_brokers(u, err);
	if (rc < 0) {
		bus_close(u->bus);
		free(u->slots);
		free(u->flush);
		free(u->tick);
		free(u);
		return rc;
	}
	for (uint32_t i = 0; i < n_items; i++)
		u->slots[i].next_free = i + 1;
	uv_prepare_init(loop, u->flush);
	uv_timer_init(loop, u->tick);
	u->flush->data = u->tick->data = u;
	uv_prepare_start(u->flush, flush_cb);
	uv_timer_start(u->tick, tick_cb, TICK_MS, TICK_MS);
	*out = u;
	return 0;
}

const struct uplink_stats *uplink_stats(const struct uplink *u)
{
	return &u->stats;
}

static void handle_free(uv_handle_t *handle)
{
	free(handle);
}

void uplink_close(struct uplink *u)
{
	if (!u)
		return;
	uv_close((uv_handle_t *)u->flush, handle_free);
	uv_close((uv_handle_t *)u->tick, handle_free);
	bus_close(u->bus);
	free(u->slots);
	free(u);
}
