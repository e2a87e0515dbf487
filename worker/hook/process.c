/* SPDX-License-Identifier: Apache-2.0 */
/* A hook that is a program: its process group, its pipes, its limits. See hook.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/hook/hook_int.h"

enum pipe_end { PIPE_IN, PIPE_OUT, PIPE_ERR, N_PIPES };

struct hook_process {
	struct hook_run *run;
	uv_process_t process;
	uv_pipe_t pipe[N_PIPES];
	uv_timer_t limit;
	uv_write_t write;
	int open_handles; /* freed at 0 */
	bool exited;
	bool group; /* a process group exists that must be killed */
	char chunk[4096];
};

static void on_closed(uv_handle_t *h)
{
	struct hook_process *p = h->data;
	if (--p->open_handles > 0)
		return;
	struct hook_run *r = p->run;
	free(p);
	r->process = NULL;
	hook_run_done(r);
}

static void close_once(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, on_closed);
}

static void process_kill(struct hook_process *p)
{
	if (p->group && p->process.pid > 0)
		kill(-p->process.pid, SIGKILL); /* children it left behind die too */
}

static void close_pipes(struct hook_process *p)
{
	for (int i = 0; i < N_PIPES; i++)
		close_once((uv_handle_t *)&p->pipe[i]);
}

static void close_limit_at_end(struct hook_process *p)
{
	if (p->exited && uv_is_closing((uv_handle_t *)&p->pipe[PIPE_OUT]) &&
		uv_is_closing((uv_handle_t *)&p->pipe[PIPE_ERR]))
		close_once((uv_handle_t *)&p->limit);
}

/* What the end of the program says, unless it was stopped for a reason. */
static void judge(struct hook_run *r, int64_t status, int sig)
{
	if (r->end != HOOK_ANSWERED)
		return;
	r->number = sig ? sig : (int)status;
	if (sig)
		r->end = HOOK_CRASHED;
	else if (status == HOOK_EXIT_WAIT)
		r->end = HOOK_SAYS_WAIT;
	else if (status != 0)
		r->end = HOOK_EXIT_STATUS;
}

/* The process has ended. Children may still hold the pipes: they are killed, then what they wrote
 * before is read until end of file, which comes now that nobody holds the other end. */
static void on_exited(uv_process_t *process, int64_t status, int sig)
{
	struct hook_process *p = process->data;
	p->exited = true;
	judge(p->run, status, sig);
	process_kill(p);
	p->group = false;
	close_once((uv_handle_t *)process);
	close_once((uv_handle_t *)&p->pipe[PIPE_IN]);
	close_limit_at_end(p);
}

/* Also guards the reading after the end: a child that left the group may hold a pipe open. */
static void on_limit(uv_timer_t *t)
{
	struct hook_process *p = t->data;
	if (!p->exited) {
		p->run->end = HOOK_TIMED_OUT;
		process_kill(p);
	}
	close_pipes(p);
	close_limit_at_end(p);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	struct hook_process *p = h->data;
	*buf = uv_buf_init(p->chunk, sizeof p->chunk);
}

static void stream_over(struct hook_process *p, uv_stream_t *s)
{
	close_once((uv_handle_t *)s);
	close_limit_at_end(p);
}

static void on_out(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct hook_process *p = s->data;
	if (n > 0 && buf_add(&p->run->out, buf->base, (size_t)n) < 0) {
		p->run->end = HOOK_FLOODED;
		process_kill(p);
		n = UV_EOF;
	}
	if (n < 0)
		stream_over(p, s);
}

static void on_errors(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct hook_process *p = s->data;
	struct buf *errors = &p->run->errors;
	if (n > 0) {
		size_t room = errors->max - errors->len;
		buf_add(errors, buf->base, (size_t)n < room ? (size_t)n : room);
	}
	if (n < 0)
		stream_over(p, s);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status; /* a hook that does not read its input has that right */
	struct hook_process *p = w->data;
	close_once((uv_handle_t *)&p->pipe[PIPE_IN]);
}

static void open_handles(struct hook_process *p, uv_loop_t *loop)
{
	for (int i = 0; i < N_PIPES; i++) {
		uv_pipe_init(loop, &p->pipe[i], 0);
		p->pipe[i].data = p;
	}
	uv_timer_init(loop, &p->limit);
	p->limit.data = p->process.data = p->write.data = p;
	p->open_handles = N_PIPES + 2;
}

/* A hook gets what a program needs to run and what was set for hooks, nothing else of the worker's.
 */
#define ENV_MAX    32
#define ENV_PREFIX "MUSTER_HOOK_"

static bool env_passes(const char *entry)
{
	static const char *const names[] = {
		"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"};
	size_t n = strcspn(entry, "=");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strlen(names[i]) == n && memcmp(entry, names[i], n) == 0)
			return true;
	return strncmp(entry, ENV_PREFIX, strlen(ENV_PREFIX)) == 0;
}

static void env_pick(char *out[static ENV_MAX + 1])
{
	size_t n = 0;
	for (char **e = environ; *e && n < ENV_MAX; e++)
		if (env_passes(*e))
			out[n++] = *e;
	out[n] = NULL;
}

static int spawn(struct hook_process *p)
{
	char *env[ENV_MAX + 1];
	const struct conf_hook *conf = p->run->pool->conf;
	uv_stdio_container_t stdio[N_PIPES];
	for (int i = 0; i < N_PIPES; i++) {
		stdio[i].flags =
			UV_CREATE_PIPE | (i == PIPE_IN ? UV_READABLE_PIPE : UV_WRITABLE_PIPE);
		stdio[i].data.stream = (uv_stream_t *)&p->pipe[i];
	}
	char *only[] = {(char *)conf->command, NULL};
	env_pick(env);
	uv_process_options_t o = {
		.env = env,
		.exit_cb = on_exited,
		.file = conf->command,
		.args = conf->mode == CONF_HOOK_ARGS ? p->run->argv : only,
		.flags = UV_PROCESS_DETACHED, /* own session and group */
		.stdio_count = N_PIPES,
		.stdio = stdio,
	};
	return uv_spawn(p->run->pool->loop, &p->process, &o);
}

static void not_started(struct hook_process *p, int rc)
{
	struct hook_run *r = p->run;
	r->end = HOOK_NOT_STARTED;
	buf_addf(&r->errors, "%s: %s", r->pool->conf->command, uv_strerror(rc));
	p->exited = true;
	uv_close((uv_handle_t *)&p->process, on_closed);
	close_pipes(p);
	close_once((uv_handle_t *)&p->limit);
}

static void process_start(struct hook_run *r)
{
	struct hook_process *p = r->process = calloc(1, sizeof *p);
	if (!p) {
		r->end = HOOK_NOT_STARTED;
		buf_adds(&r->errors, "no memory");
		hook_run_done(r);
		return;
	}
	p->run = r;
	open_handles(p, r->pool->loop);
	int rc = spawn(p);
	if (rc < 0) {
		not_started(p, rc);
		return;
	}
	p->group = true;
	uv_timer_start(&p->limit, on_limit, (uint64_t)r->pool->conf->timeout_s * 1000, 1000);
	uv_read_start((uv_stream_t *)&p->pipe[PIPE_OUT], on_alloc, on_out);
	uv_read_start((uv_stream_t *)&p->pipe[PIPE_ERR], on_alloc, on_errors);
	uv_buf_t in = uv_buf_init((char *)r->input.data, (unsigned)r->input.len);
	if (uv_write(&p->write, (uv_stream_t *)&p->pipe[PIPE_IN], &in, 1, on_written) < 0)
		on_written(&p->write, UV_EPIPE);
}

static void process_stop(struct hook_run *r)
{
	process_kill(r->process);
	close_pipes(r->process);
	close_limit_at_end(r->process);
}

const struct hook_way hook_way_process = {.start = process_start, .stop = process_stop};
