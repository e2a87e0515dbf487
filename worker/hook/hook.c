/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of one moment, what it tells, and the names of how a hook ended. See hook.h. */
#include "worker/hook/hook.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/metric.h"
#include "worker/hook/hook_int.h"

/* The old argument form: which members of the JSON become arguments key=value, in this order. */
#define EVENT_ARGS                                                                             \
	{                                                                                      \
		"moment", "uuid", "address", "amt", "fqdn", "profile", "ou", "kind", "result", \
			"reason", "text"                                                       \
	}
static const struct {
	const char *name;
	const char *args[HOOK_ARGS_MAX];
} moments[N_HOOK_MOMENTS] = {
	[HOOK_ON_HELLO] = {"on-hello", {"uuid", "address", "hello_version", "pid", "amt", "kind"}},
	[HOOK_AFTER_CONFIGURE] = {"after-configure", EVENT_ARGS},
	[HOOK_BEFORE_UNCONFIGURE] = {"before-unconfigure", EVENT_ARGS},
	[HOOK_AFTER_UNCONFIGURE] = {"after-unconfigure", EVENT_ARGS},
	[HOOK_ON_FAILURE] = {"on-failure", EVENT_ARGS},
};

const char *hook_moment_name(enum hook_moment moment)
{
	return moments[moment].name;
}

static const char *const end_names[N_HOOK_ENDS] = {
	[HOOK_ANSWERED] = "answered",
	[HOOK_SAYS_WAIT] = "wait",
	[HOOK_TIMED_OUT] = "timed_out",
	[HOOK_CRASHED] = "crashed",
	[HOOK_FLOODED] = "flooded",
	[HOOK_EXIT_STATUS] = "exit_status",
	[HOOK_NOT_STARTED] = "not_started",
	[HOOK_UNREACHABLE] = "unreachable",
	[HOOK_HTTP_STATUS] = "http_status",
	[HOOK_NONSENSE] = "nonsense",
	[HOOK_STOPPED] = "stopped",
};

/* One counter per moment and way to end, so that each misbehaviour has its own line. */
static struct metric ends[N_HOOK_MOMENTS][N_HOOK_ENDS];
static char end_labels[N_HOOK_MOMENTS][N_HOOK_ENDS][64];

static void register_ends(enum hook_moment moment)
{
	for (int e = 0; e < N_HOOK_ENDS; e++) {
		struct metric *m = &ends[moment][e];
		if (m->name)
			continue; /* the pool was closed and opened again */
		snprintf(end_labels[moment][e], sizeof end_labels[moment][e],
			"moment=\"%s\",end=\"%s\"", hook_moment_name(moment), end_names[e]);
		*m = (struct metric){.name = "muster_worker_hook_runs_total",
			.help = "Runs of hooks by moment and how they ended.",
			.labels = end_labels[moment][e],
			.type = METRIC_COUNTER};
		metric_register(m);
	}
}

const char *hook_end_name(enum hook_end end)
{
	return end_names[end];
}

bool hook_is_set(const struct conf_hook *conf)
{
	return conf->command[0] || conf->url[0];
}

/* ---- what is told ---------------------------------------------------------------------------- */

static char *argument(const char *key, const json_t *value)
{
	char *text = NULL;
	int n = json_is_integer(value)
			? asprintf(&text, "%s=%lld", key, (long long)json_integer_value(value))
			: asprintf(&text, "%s=%s", key,
				  json_is_string(value) ? json_string_value(value) : "");
	return n < 0 ? NULL : text;
}

static int tell_args(struct hook_run *r, const json_t *told)
{
	const char *const *keys = moments[r->pool->moment].args;
	r->argv[0] = strdup(r->pool->conf->command);
	for (size_t i = 0; i < HOOK_ARGS_MAX && keys[i]; i++) {
		r->argv[i + 1] = argument(keys[i], json_object_get(told, keys[i]));
		if (!r->argv[i + 1])
			return -ENOMEM;
	}
	return r->argv[0] ? 0 : -ENOMEM;
}

static int tell_json(struct hook_run *r, const json_t *told)
{
	char *text = json_dumps(told, JSON_COMPACT);
	int rc = text ? buf_addf(&r->input, "%s\n", text) : -ENOMEM;
	free(text);
	return rc;
}

static int run_tell(struct hook_run *r, const json_t *told)
{
	const struct conf_hook *c = r->pool->conf;
	if (!c->url[0] && c->mode == CONF_HOOK_ARGS)
		return tell_args(r, told);
	return tell_json(r, told);
}

/* ---- how it ended ---------------------------------------------------------------------------- */

static void describe(struct hook_run *r, char *why, size_t size)
{
	const char *said = r->errors.len ? buf_cstr(&r->errors) : NULL;
	unsigned limit = r->pool->conf->timeout_s;
	char what[96] = "";
	switch (r->end) {
	case HOOK_TIMED_OUT:
		snprintf(what, sizeof what, "stopped at its time limit of %u s ", limit);
		break;
	case HOOK_CRASHED: snprintf(what, sizeof what, "ended by signal %d ", r->number); break;
	case HOOK_FLOODED: snprintf(what, sizeof what, "it wrote more than 64 KiB "); break;
	case HOOK_EXIT_STATUS: snprintf(what, sizeof what, "exit status %d ", r->number); break;
	case HOOK_HTTP_STATUS: snprintf(what, sizeof what, "HTTP status %d ", r->number); break;
	case HOOK_STOPPED: snprintf(what, sizeof what, "the worker is stopping "); break;
	default: break;
	}
	snprintf(why, size, "%s: %s%s", end_names[r->end], what, said ? said : "");
	for (char *p = why; *p; p++) /* one printable line, whatever the hook wrote */
		if (!isprint((unsigned char)*p))
			*p = ' ';
}

static void run_free(struct hook_run *r)
{
	buf_wipe(&r->out); /* may have held the one-time password */
	buf_free(&r->errors);
	buf_free(&r->input);
	for (size_t i = 0; i < sizeof r->argv / sizeof r->argv[0]; i++)
		free(r->argv[i]);
	free(r);
}

static void run_answer(struct hook_run *r)
{
	char why[HOOK_ERRORS_MAX + 128];
	describe(r, why, sizeof why);
	const char *out = r->out.len ? buf_cstr(&r->out) : "";
	struct hook_outcome o = {
		.end = r->end, .out = out ? out : "", .out_len = out ? r->out.len : 0, .why = why};
	metric_add(&ends[r->pool->moment][r->end], 1);
	r->cb(&o, r->arg);
	run_free(r);
}

/* ---- pool ------------------------------------------------------------------------------------ */

int hook_pool_open(struct hook_pool **out, uv_loop_t *loop, enum hook_moment moment,
	const struct conf_hook *conf, struct error *err)
{
	struct hook_pool *p = calloc(1, sizeof *p);
	ENSURE(p, err, -ENOMEM, "no memory for the hooks");
	p->loop = loop;
	p->moment = moment;
	p->conf = conf;
	register_ends(moment);
	TAILQ_INIT(&p->waiting);
	TAILQ_INIT(&p->running);
	int rc = 0;
	if (conf->url[0])
		rc = secret_read_file(&p->key, conf->secret_file, 1024, err);
	if (rc == 0 && conf->url[0] && p->key.len < HOOK_SECRET_MIN)
		rc = error_set(err, E_CONFIG, "%s: the secret of a web hook needs %d bytes",
			conf->secret_file, HOOK_SECRET_MIN);
	if (rc < 0) {
		secret_free(&p->key);
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

static const struct hook_way *way(const struct hook_pool *p)
{
	return p->conf->url[0] ? &hook_way_web : &hook_way_process;
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
		way(p)->start(r);
	}
	if (p->closing && p->n_running == 0) {
		hook_web_close(p->web);
		secret_free(&p->key);
		free(p);
	}
}

void hook_run_done(struct hook_run *r)
{
	struct hook_pool *p = r->pool;
	TAILQ_REMOVE(&p->running, r, link);
	p->n_running--;
	if (p->closing)
		r->end = HOOK_STOPPED;
	run_answer(r);
	pool_next(p);
}

static void fail_now(
	const struct hook_pool *p, hook_cb cb, void *arg, enum hook_end end, const char *why)
{
	metric_add(&ends[p->moment][end], 1);
	struct hook_outcome o = {.end = end, .out = "", .why = why};
	cb(&o, arg);
}

void hook_start(
	struct hook_pool *p, const json_t *told, const char *delivery, hook_cb cb, void *arg)
{
	if (p->closing) {
		fail_now(p, cb, arg, HOOK_STOPPED, "stopped: the worker is stopping");
		return;
	}
	struct hook_run *r = calloc(1, sizeof *r);
	if (!r) {
		fail_now(p, cb, arg, HOOK_NOT_STARTED, "not_started: no memory");
		return;
	}
	r->pool = p;
	r->cb = cb;
	r->arg = arg;
	snprintf(r->delivery, sizeof r->delivery, "%s", delivery);
	buf_init(&r->input, HOOK_INPUT_MAX);
	buf_init(&r->out, HOOK_OUTPUT_MAX);
	buf_init(&r->errors, HOOK_ERRORS_MAX);
	if (run_tell(r, told) < 0) {
		run_free(r);
		fail_now(p, cb, arg, HOOK_NOT_STARTED, "not_started: no memory");
		return;
	}
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
		r->end = HOOK_STOPPED;
		run_answer(r);
	}
	p->n_running++; /* a run that ends at once must not free the pool under the loop */
	for (struct hook_run *r = TAILQ_FIRST(&p->running), *n; r; r = n) {
		n = TAILQ_NEXT(r, link);
		way(p)->stop(r);
	}
	p->n_running--;
	pool_next(p);
}
