/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare: ask ZMQ_EVENTS (which also lets the socket digest its commands) and, if messages wait,
 * start the idle handle so that the loop does not sleep. check: take messages. poll: only wakes the
 * loop. So the state of the socket is asked before every sleep, and no lost edge can matter.
 */
#include "common/bus/zwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "common/base/err.h"

#define N_HANDLES 4

struct zwatch {
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	uv_poll_t poll;
	int n_open; /* handles whose close callback is still to come */
	bool paused, closing;
	void *socket;
	zwatch_take_fn take;
	zwatch_closed_cb closed;
	void *arg;
};

static bool zwatch_readable(struct zwatch *w)
{
	int events = 0;
	size_t len = sizeof events;
	/* Asked even while paused: it also digests the socket's commands and so quiets ZMQ_FD. */
	if (zmq_getsockopt(w->socket, ZMQ_EVENTS, &events, &len) != 0)
		return false;
	return (events & ZMQ_POLLIN) && !w->paused;
}

static void idle_cb(uv_idle_t *idle)
{
	(void)idle; /* its being active is what keeps the loop awake */
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
	(void)poll, (void)status, (void)events; /* the check handle does the work */
}

static void prepare_cb(uv_prepare_t *prepare)
{
	struct zwatch *w = prepare->data;
	if (zwatch_readable(w))
		uv_idle_start(&w->idle, idle_cb);
}

static void check_cb(uv_check_t *check)
{
	struct zwatch *w = check->data;
	uv_idle_stop(&w->idle);
	for (int i = 0; i < ZWATCH_DRAIN_MAX && !w->paused && !w->closing; i++)
		if (!w->take(w->arg))
			break;
}

static void handle_closed_cb(uv_handle_t *handle)
{
	struct zwatch *w = handle->data;
	if (--w->n_open > 0)
		return;
	if (w->closed)
		w->closed(w->arg);
	free(w);
}

int zwatch_open(struct zwatch **out, uv_loop_t *loop, void *socket, zwatch_take_fn take, void *arg,
	struct error *err)
{
	int fd;
	size_t len = sizeof fd;
	if (zmq_getsockopt(socket, ZMQ_FD, &fd, &len) != 0)
		return error_set(err, -errno, "bus: no file descriptor: %s", zmq_strerror(errno));
	struct zwatch *w = calloc(1, sizeof *w);
	ENSURE(w, err, -ENOMEM, "bus: out of memory");
	*w = (struct zwatch){.socket = socket, .take = take, .arg = arg};
	int rc = uv_poll_init(loop, &w->poll, fd);
	if (rc < 0) {
		free(w);
		return error_set(err, rc, "bus: %s", uv_strerror(rc));
	}
	w->n_open = N_HANDLES;
	uv_prepare_init(loop, &w->prepare);
	uv_check_init(loop, &w->check);
	uv_idle_init(loop, &w->idle);
	w->prepare.data = w->check.data = w->idle.data = w->poll.data = w;
	uv_prepare_start(&w->prepare, prepare_cb);
	uv_check_start(&w->check, check_cb);
	uv_poll_start(&w->poll, UV_READABLE, poll_cb);
	*out = w;
	return 0;
}

void zwatch_pause(struct zwatch *w, bool paused)
{
	w->paused = paused; /* the next prepare sees what waits */
}

void zwatch_close(struct zwatch *w, zwatch_closed_cb closed)
{
	if (w->closing)
		return;
	w->closing = true;
	w->closed = closed;
	uv_close((uv_handle_t *)&w->poll, handle_closed_cb);
	uv_close((uv_handle_t *)&w->prepare, handle_closed_cb);
	uv_close((uv_handle_t *)&w->check, handle_closed_cb);
	uv_close((uv_handle_t *)&w->idle, handle_closed_cb);
}
