/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/directory/directory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define IDLE_MAX_MS    300000 /* AD hangs up after 900 s, what is between sooner, and silently */

STAILQ_HEAD(query_list, directory_query);

struct directory {
	const struct conf_directory *conf;
	uv_loop_t *loop;
	struct query_list queue; /* the first is being answered while busy */
	bool busy;
	uv_work_t pool;
	atomic_bool reloaded, stopping;
	/* the pool's while busy */
	struct directory_link *link;
	struct error last;   /* why there is no connection */
	uint64_t backoff_ms; /* 0 = the last round went well */
	uint64_t next_ms;    /* not before; UINT64_MAX = the login was refused */
	uint64_t used_ms;    /* when the connection was used last */
};

/* ---- pool thread ---------------------------------------------------------------------------- */

static int connect_any(struct directory *d)
{
	for (uint32_t i = 0; i < d->conf->n_servers && !atomic_load(&d->stopping); i++) {
		d->last = (struct error){0};
		int rc = directory_link_open(d->link, d->conf, i, &d->last);
		LOG_INFO("directory.connect", KV_STR("server", d->conf->servers[i]),
			KV_STR("error", d->last.text));
		if (rc == 0 || rc == E_AUTH)
			return rc;
	}
	return E_CLOSED;
}

/* A connection, old or new. */
static int ready(struct directory *d, struct error *err)
{
	uint64_t now = clock_boot_ms(), idle_ms = now - d->used_ms;
	d->used_ms = now;
	if (directory_link_is_open(d->link) && idle_ms < IDLE_MAX_MS)
		return 0;
	if (atomic_exchange(&d->reloaded, false))
		d->next_ms = d->backoff_ms = 0;
	if (clock_boot_ms() >= d->next_ms) {
		int rc = connect_any(d);
		if (rc == 0) {
			d->backoff_ms = 0;
			return 0;
		}
		d->backoff_ms = d->backoff_ms ? d->backoff_ms * 2 : BACKOFF_MIN_MS;
		if (d->backoff_ms > BACKOFF_MAX_MS)
			d->backoff_ms = BACKOFF_MAX_MS;
		d->next_ms = rc == E_AUTH ? UINT64_MAX : clock_boot_ms() + d->backoff_ms;
	}
	if (d->next_ms == UINT64_MAX)
		return error_set(
			err, E_AUTH, "%.250s; not tried again before a reload", d->last.text);
	*err = d->last;
	return err->code;
}

/* A connection that lay idle may be gone: a look-up is repeated once, over a new one. */
static void on_pool(uv_work_t *w)
{
	struct directory *d = w->data;
	struct directory_query *q = STAILQ_FIRST(&d->queue);
	bool again = directory_link_is_open(d->link);
	for (;;) {
		q->err = (struct error){0};
		q->rc = ready(d, &q->err);
		if (q->rc < 0)
			return;
		q->rc = directory_find_computer(
			d->link, d->conf, &q->uuid, q->fqdn, q->groups, &q->found, &q->err);
		if (!again || directory_link_is_open(d->link))
			return;
		again = false;
	}
}

/* ---- connector thread ----------------------------------------------------------------------- */

static void next(struct directory *d);

static void on_pool_done(uv_work_t *w, int status)
{
	struct directory *d = w->data;
	struct directory_query *q = STAILQ_FIRST(&d->queue);
	STAILQ_REMOVE_HEAD(&d->queue, link);
	if (status < 0)
		q->rc = error_set(&q->err, status, "directory: %s", uv_strerror(status));
	d->busy = false;
	next(d);
	q->done(q);
}

static void next(struct directory *d)
{
	struct directory_query *q;
	if (d->busy)
		return;
	while (atomic_load(&d->stopping) && (q = STAILQ_FIRST(&d->queue))) {
		STAILQ_REMOVE_HEAD(&d->queue, link);
		q->rc = error_set(&q->err, E_CLOSED, "directory: the worker stops");
		q->done(q);
	}
	if (STAILQ_EMPTY(&d->queue))
		return;
	d->pool.data = d;
	d->busy = true;
	uv_queue_work(d->loop, &d->pool, on_pool, on_pool_done); /* fails without a callback only */
}

void directory_ask(struct directory *d, struct directory_query *q)
{
	STAILQ_INSERT_TAIL(&d->queue, q, link);
	next(d);
}

void directory_stop(void *directory)
{
	struct directory *d = directory;
	atomic_store(&d->stopping, true);
	directory_link_cut(d->link);
	next(d);
}

/* ---- any thread ----------------------------------------------------------------------------- */

void directory_reload(struct directory *d)
{
	atomic_store(&d->reloaded, true);
}

int directory_open(struct directory **out, uv_loop_t *loop, const struct conf_directory *conf,
	struct error *err)
{
	struct directory *d = calloc(1, sizeof *d);
	ENSURE(d, err, -ENOMEM, "no memory for the directory");
	STAILQ_INIT(&d->queue);
	d->loop = loop;
	d->conf = conf;
	int rc = directory_link_new(&d->link, err);
	if (rc < 0)
		free(d);
	else
		*out = d;
	return rc;
}

void directory_close(struct directory *d)
{
	if (!d)
		return;
	directory_link_free(d->link);
	free(d);
}
