/* SPDX-License-Identifier: Apache-2.0 */
/* The way of one call from the session loop to a back end and back. */
#include "worker/ca/ca.h"

#include <stdlib.h>

/* Connector thread. */
static void call_done(struct ca_call *call)
{
	struct ca_work *w = call->arg;
	connector_finish(w->connector, &w->work);
}

/* Connector thread. */
static void call_start(struct connector *c, struct work *work)
{
	(void)c;
	struct ca_work *w = (struct ca_work *)work;
	w->call.done = call_done;
	w->call.arg = w;
	if (w->call.pending_id[0])
		w->ops->poll(w->ca, &w->call);
	else
		w->ops->submit(w->ca, &w->call);
}

static void work_free(struct work *w)
{
	free(w);
}

struct ca_work *ca_work_new(struct connector *c, const struct ca_ops *ops, struct ca *ca)
{
	struct ca_work *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->work.start = call_start;
	w->work.destroy = work_free;
	w->ops = ops;
	w->ca = ca;
	w->connector = c;
	return w;
}

void ca_work_submit(struct ca_work *w, void (*done)(struct work *w, void *arg), void *arg)
{
	w->work.done = done;
	w->work.arg = arg;
	connector_submit(w->connector, &w->work);
}
