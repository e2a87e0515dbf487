/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and their limits; what is said over the pipes is in hook_text.c. */
#include "worker/resolve/hook.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/buf.h"
#include "worker/resolve/hook_text.h"

enum pipe_end { PIPE_IN, PIPE_OUT, PIPE_ERR, N_PIPES };

struct hook_run {
	struct hook_pool *pool;
	hook_cb cb;
	void *arg;
	struct hook_text text; /* what it is told */
	uv_process_t process;
	uv_pipe_t pipe[N_PIPES];
	uv_timer_t limit;
	uv_write_t write;
	struct buf out, errors;
	int open_handles; /* freed at 0 */
	int64_t status;
	int signal;
	bool exited, timed_out, flooded, closing;
	bool group; /* a process group exists that must be killed */
	char chunk[4096];
	TAILQ_ENTRY(hook_run) link;
};

TAILQ_HEAD(run_list, hook_run);

struct hook_pool {
	uv_loop_t *loop;
	const struct conf_hook *conf;
	struct run_list waiting, running;
	uint32_t n_running;
	bool closing;
};

static void run_launch(struct hook_run *r);

int hook_pool_open(struct hook_pool **out, uv_loop_t *loop, const struct conf_hook *conf)
{
	struct hook_pool *p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->conf = conf;
	TAILQ_INIT(&p->waiting);
	TAILQ_INIT(&p->running);
	*out = p;
	return 0;
}

static void pool_next(struct hook_pool *p)
{
	while (!p->closing && p->n_running < p->conf->concurrency) {
		struct hook_run *r = TAILQ_FIRST(&p->waiting);
		if (!r)
			return;
		TAILQ_REMOVE(&p->waiting, r, link);
		TAILQ_INSERT_TAIL(&p->running, r, link);
		p->n_running++;
		run_launch(r);
	}
	if (p->closing && p->n_running == 0)
		free(p);
}

/* Every handle is closed: answer, make room for the next. */
static void run_done(struct hook_run *r)
{
	struct hook_pool *p = r->pool;
	struct resolve_answer a = {.source = "hook"};
	const char *why = r->timed_out ? "it was killed at its time limit"
			  : r->flooded ? "it wrote more than 64 KiB"
			  : p->closing ? "the worker is stopping"
				       : NULL;
	hook_text_judge(&a, p->conf->mode, why, r->status, r->signal, &r->out, &r->errors);
	r->cb(&a, r->arg);
	explicit_bzero(&a, sizeof a);
	buf_wipe(&r->out);
	buf_free(&r->errors);
	hook_text_free(&r->text);
	TAILQ_REMOVE(&p->running, r, link);
	p->n_running--;
	free(r);
	pool_next(p);
}

static void on_closed(uv_handle_t *h)
{
	struct hook_run *r = h->data;
	if (--r->open_handles == 0)
		run_done(r);
}

static void run_kill(struct hook_run *r)
{
	if (r->group && r->process.pid > 0)
		kill(-r->process.pid, SIGKILL); /* children it left behind die too */
}

static void run_close_pipes(struct hook_run *r)
{
	for (int i = 0; i < N_PIPES; i++)
		if (!uv_is_closing((uv_handle_t *)&r->pipe[i]))
			uv_close((uv_handle_t *)&r->pipe[i], on_closed);
}

/* The process has ended. Children may still hold the pipes: they are killed, then what they wrote
 * before is read until end of file, which comes now that nobody holds the other end. */
static void on_exited(uv_process_t *process, int64_t status, int sig)
{
	struct hook_run *r = process->data;
	r->exited = true;
	r->status = status;
	r->signal = sig;
	run_kill(r);
	r->group = false;
	uv_close((uv_handle_t *)process, on_closed);
	if (!uv_is_closing((uv_handle_t *)&r->pipe[PIPE_IN]))
		uv_close((uv_handle_t *)&r->pipe[PIPE_IN], on_closed);
	if (uv_is_closing((uv_handle_t *)&r->pipe[PIPE_OUT]) &&
		uv_is_closing((uv_handle_t *)&r->pipe[PIPE_ERR]))
		uv_close((uv_handle_t *)&r->limit, on_closed);
}

/* Also guards the reading after the end: a child that left the group may hold a pipe open. */
static void on_limit(uv_timer_t *t)
{
	struct hook_run *r = t->data;
	if (!r->exited) {
		r->timed_out = true;
		run_kill(r);
	}
	run_close_pipes(r);
	if (r->exited && !uv_is_closing((uv_handle_t *)&r->limit))
		uv_close((uv_handle_t *)&r->limit, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	struct hook_run *r = h->data;
	*buf = uv_buf_init(r->chunk, sizeof r->chunk);
}

static void pipe_end(struct hook_run *r, uv_stream_t *s)
{
	if (!uv_is_closing((uv_handle_t *)s))
		uv_close((uv_handle_t *)s, on_closed);
	if (r->exited && uv_is_closing((uv_handle_t *)&r->pipe[PIPE_OUT]) &&
		uv_is_closing((uv_handle_t *)&r->pipe[PIPE_ERR]) &&
		!uv_is_closing((uv_handle_t *)&r->limit))
		uv_close((uv_handle_t *)&r->limit, on_closed);
}

static void on_out(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct hook_run *r = s->data;
	if (n > 0 && buf_add(&r->out, buf->base, (size_t)n) < 0) {
		r->flooded = true;
		run_kill(r);
		n = UV_EOF;
	}
	if (n < 0)
		pipe_end(r, s);
}

static void on_errors(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct hook_run *r = s->data;
	if (n > 0) {
		size_t room = r->errors.max - r->errors.len;
		buf_add(&r->errors, buf->base, (size_t)n < room ? (size_t)n : room);
	}
	if (n < 0)
		pipe_end(r, s);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status; /* a hook that does not read its input has that right */
	struct hook_run *r = w->data;
	if (!uv_is_closing((uv_handle_t *)&r->pipe[PIPE_IN]))
		uv_close((uv_handle_t *)&r->pipe[PIPE_IN], on_closed);
}

static void run_handles(struct hook_run *r)
{
	uv_loop_t *loop = r->pool->loop;
	for (int i = 0; i < N_PIPES; i++) {
		uv_pipe_init(loop, &r->pipe[i], 0);
		r->pipe[i].data = r;
	}
	uv_timer_init(loop, &r->limit);
	r->limit.data = r->process.data = r->write.data = r;
	r->open_handles = N_PIPES + 2;
}

static int run_spawn(struct hook_run *r)
{
	uv_stdio_container_t stdio[N_PIPES];
	for (int i = 0; i < N_PIPES; i++) {
		stdio[i].flags =
			UV_CREATE_PIPE | (i == PIPE_IN ? UV_READABLE_PIPE : UV_WRITABLE_PIPE);
		stdio[i].data.stream = (uv_stream_t *)&r->pipe[i];
	}
	char *only[] = {(char *)r->pool->conf->command, NULL};
	uv_process_options_t o = {
		.exit_cb = on_exited,
		.file = r->pool->conf->command,
		.args = r->pool->conf->mode == CONF_HOOK_ARGS ? r->text.argv : only,
		.flags = UV_PROCESS_DETACHED, /* own session and group */
		.stdio_count = N_PIPES,
		.stdio = stdio,
	};
	return uv_spawn(r->pool->loop, &r->process, &o);
}

static void run_launch(struct hook_run *r)
{
	run_handles(r);
	int rc = run_spawn(r);
	if (rc < 0) {
		buf_addf(&r->errors, "%s: %s", r->pool->conf->command, uv_strerror(rc));
		r->exited = true;
		r->status = 127;
		uv_close((uv_handle_t *)&r->process, on_closed);
		run_close_pipes(r);
		uv_close((uv_handle_t *)&r->limit, on_closed);
		return;
	}
	r->group = true;
	uv_timer_start(&r->limit, on_limit, (uint64_t)r->pool->conf->timeout_s * 1000, 1000);
	uv_read_start((uv_stream_t *)&r->pipe[PIPE_OUT], on_alloc, on_out);
	uv_read_start((uv_stream_t *)&r->pipe[PIPE_ERR], on_alloc, on_errors);
	uv_buf_t in = uv_buf_init((char *)r->text.input.data, (unsigned)r->text.input.len);
	if (uv_write(&r->write, (uv_stream_t *)&r->pipe[PIPE_IN], &in, 1, on_written) < 0)
		on_written(&r->write, UV_EPIPE);
}

static void fail_now(hook_cb cb, void *arg, const char *why)
{
	struct resolve_answer a = {.result = RESOLVE_FAILED, .source = "hook"};
	snprintf(a.reason, sizeof a.reason, "hook: %s", why);
	cb(&a, arg);
}

void hook_start(struct hook_pool *p, const struct resolve_facts *facts, hook_cb cb, void *arg)
{
	struct hook_run *r = calloc(1, sizeof *r);
	if (!r || hook_text_build(&r->text, p->conf, facts) < 0 || p->closing) {
		if (r)
			hook_text_free(&r->text);
		free(r);
		fail_now(cb, arg, p->closing ? "the worker is stopping" : "no memory");
		return;
	}
	r->pool = p;
	r->cb = cb;
	r->arg = arg;
	buf_init(&r->out, HOOK_OUTPUT_MAX);
	buf_init(&r->errors, HOOK_ERRORS_MAX);
	TAILQ_INSERT_TAIL(&p->waiting, r, link);
	pool_next(p);
}

void hook_pool_close(struct hook_pool *p)
{
	if (!p)
		return;
	p->closing = true;
	for (struct hook_run *r; (r = TAILQ_FIRST(&p->waiting));) {
		TAILQ_REMOVE(&p->waiting, r, link);
		fail_now(r->cb, r->arg, "the worker is stopping");
		hook_text_free(&r->text);
		free(r);
	}
	struct hook_run *r;
	TAILQ_FOREACH (r, &p->running, link) {
		/* cppcheck-suppress uninitvar ; the loop sets it */
		run_kill(r);
		run_close_pipes(r);
		if (r->exited && !uv_is_closing((uv_handle_t *)&r->limit))
			uv_close((uv_handle_t *)&r->limit, on_closed);
	}
	pool_next(p);
}
