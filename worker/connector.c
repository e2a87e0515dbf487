/* SPDX-License-Identifier: Apache-2.0 */
/* Two lists under one mutex each, two uv_async_t, one thread. See connector.h. */
#include "worker/connector.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/err.h"

#define AT_STOP_MAX 8 /* one per kind of back end: CA, hook, DNS */

STAILQ_HEAD(work_list, work);

/* One direction: the sender appends and wakes, the receiver takes all. */
struct channel {
	pthread_mutex_t lock;
	struct work_list list; /* under lock */
	bool stop;             /* under lock */
	uv_async_t wake;
};

struct connector {
	pthread_t thread;
	uv_loop_t loop; /* connector thread */
	struct channel in, out;
	struct {
		void (*fn)(void *arg);
		void *arg;
	} at_stop[AT_STOP_MAX];
	int n_at_stop;
	bool out_closed; /* session thread */
};

static void channel_send(struct channel *ch, struct work *w)
{
	pthread_mutex_lock(&ch->lock);
	STAILQ_INSERT_TAIL(&ch->list, w, link);
	pthread_mutex_unlock(&ch->lock);
	uv_async_send(&ch->wake);
}

static bool channel_take(struct channel *ch, struct work_list *all)
{
	STAILQ_INIT(all);
	pthread_mutex_lock(&ch->lock);
	STAILQ_CONCAT(all, &ch->list);
	bool stop = ch->stop;
	pthread_mutex_unlock(&ch->lock);
	return stop;
}

static struct work *list_pop(struct work_list *list)
{
	struct work *w = STAILQ_FIRST(list);
	if (w)
		STAILQ_REMOVE_HEAD(list, link);
	return w;
}

bool work_cancelled(const struct work *w)
{
	return atomic_load_explicit(&w->cancelled, memory_order_relaxed);
}

uv_loop_t *connector_loop(struct connector *c)
{
	return &c->loop;
}

void connector_at_stop(struct connector *c, void (*fn)(void *arg), void *arg)
{
	if (c->n_at_stop == AT_STOP_MAX)
		abort(); /* a programming error: raise AT_STOP_MAX */
	c->at_stop[c->n_at_stop].fn = fn;
	c->at_stop[c->n_at_stop++].arg = arg;
}

void connector_submit(struct connector *c, struct work *w)
{
	channel_send(&c->in, w);
}

void connector_finish(struct connector *c, struct work *w)
{
	channel_send(&c->out, w);
}

void connector_cancel(struct work *w)
{
	w->arg = NULL;
	w->done = NULL;
	atomic_store_explicit(&w->cancelled, true, memory_order_relaxed);
}

/* Connector thread: new work, or the order to stop. */
static void on_in(uv_async_t *wake)
{
	struct connector *c = wake->data;
	struct work_list all;
	bool stop = channel_take(&c->in, &all);
	for (struct work *w; (w = list_pop(&all));) {
		if (stop || work_cancelled(w))
			connector_finish(c, w);
		else
			w->start(c, w);
	}
	if (!stop || uv_is_closing((uv_handle_t *)wake))
		return;
	for (int i = 0; i < c->n_at_stop; i++)
		c->at_stop[i].fn(c->at_stop[i].arg);
	uv_close((uv_handle_t *)wake, NULL);
}

/* Session thread: finished work. */
static void on_out(uv_async_t *wake)
{
	struct connector *c = wake->data;
	struct work_list all;
	channel_take(&c->out, &all);
	for (struct work *w; (w = list_pop(&all));) {
		if (w->done)
			w->done(w, w->arg);
		w->destroy(w);
	}
}

static void *connector_main(void *arg)
{
	struct connector *c = arg;
	uv_run(&c->loop, UV_RUN_DEFAULT); /* ends when every handle is closed */
	uv_loop_close(&c->loop);
	return NULL;
}

int connector_start(struct connector **out, uv_loop_t *session_loop, struct error *err)
{
	struct connector *c = calloc(1, sizeof *c);
	ENSURE(c, err, -ENOMEM, "no memory for the connector thread");
	pthread_mutex_init(&c->in.lock, NULL);
	pthread_mutex_init(&c->out.lock, NULL);
	STAILQ_INIT(&c->in.list);
	STAILQ_INIT(&c->out.list);
	int rc = uv_loop_init(&c->loop);
	if (rc < 0) {
		free(c);
		return error_set(err, rc, "connector loop: %s", uv_strerror(rc));
	}
	c->in.wake.data = c->out.wake.data = c;
	rc = uv_async_init(&c->loop, &c->in.wake, on_in);
	if (rc == 0)
		rc = uv_async_init(session_loop, &c->out.wake, on_out);
	if (rc == 0)
		rc = -pthread_create(&c->thread, NULL, connector_main, c);
	if (rc < 0) /* only at start-up: the program ends, so nothing is unwound */
		return error_set(err, rc, "connector thread: %s", uv_strerror(rc));
	*out = c;
	return 0;
}

static void on_out_closed(uv_handle_t *h)
{
	struct connector *c = h->data;
	pthread_mutex_destroy(&c->in.lock);
	pthread_mutex_destroy(&c->out.lock);
	free(c);
}

void connector_stop(struct connector *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->in.lock);
	c->in.stop = true;
	pthread_mutex_unlock(&c->in.lock);
	uv_async_send(&c->in.wake);
	pthread_join(c->thread, NULL);
	struct work_list all;
	channel_take(&c->out, &all);
	for (struct work *w; (w = list_pop(&all));)
		w->destroy(w);
	uv_close((uv_handle_t *)&c->out.wake, on_out_closed);
}
