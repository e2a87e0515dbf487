/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster-listener: takes Hello messages and hands them to the brokers. Stateless: no Redis, no
 * secrets but its own bus key. SIGTERM drains, a second one ends at once, SIGUSR1 logs the
 * counters.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/conf/cli.h"
#include "listener/counters.h"
#include "listener/intake.h"

struct program {
	const char *name;
	uv_loop_t loop;
	uv_signal_t term, interrupt, report;
	uv_async_t finished;
	struct intake *intake;
	bool draining, stopped;
};

static const struct argp_option options[] = {
	{"name", 'n', "NAME", 0, "Name of this listener in the log", 0},
	{0},
};

static const char *on_option(int key, const char *arg, void *input)
{
	struct program *p = input;
	if (key == 'n')
		p->name = arg;
	return NULL;
}

static void stop(struct program *p)
{
	if (p->stopped)
		return;
	p->stopped = true;
	intake_log(p->intake);
	intake_close(p->intake);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->report, NULL);
	uv_close((uv_handle_t *)&p->finished, NULL);
}

static void finished_cb(uv_async_t *async)
{
	stop(async->data);
}

static void drained_cb(void *arg)
{
	struct program *p = arg;
	uv_async_send(&p->finished); /* not from inside the intake's own work */
}

static void signal_cb(uv_signal_t *handle, int signum)
{
	struct program *p = handle->data;
	if (signum == SIGUSR1) {
		intake_log(p->intake);
	} else if (p->draining) {
		stop(p);
	} else {
		p->draining = true;
		LOG_INFO("listener.draining", KV_STR("name", p->name));
		intake_drain(p->intake);
	}
}

static void watch_signal(struct program *p, uv_signal_t *handle, int signum)
{
	uv_signal_init(&p->loop, handle);
	handle->data = p;
	uv_signal_start(handle, signal_cb, signum);
}

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.role = "listener",
		.doc = "Takes Hello messages of Intel AMT devices and hands them to the brokers.",
		.options = options,
		.option_fn = on_option,
	};
	static struct conf conf;
	static struct program p = {.name = "listener"};
	struct error err = {.code = 0};
	int rc = cli_start(&program, argc, argv, &p, &conf);
	if (rc != CLI_RUN)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* nothing here can be reloaded */
	counters_start();
	uv_loop_init(&p.loop);
	if (intake_open(&p.intake, &p.loop, &conf, drained_cb, &p, &err) < 0) {
		LOG_ERROR("listener.failed", KV_STR("error", err.text));
		uv_run(&p.loop, UV_RUN_DEFAULT);
		uv_loop_close(&p.loop);
		log_stop();
		return EXIT_FAILURE;
	}
	uv_async_init(&p.loop, &p.finished, finished_cb);
	p.finished.data = &p;
	watch_signal(&p, &p.term, SIGTERM);
	watch_signal(&p, &p.interrupt, SIGINT);
	watch_signal(&p, &p.report, SIGUSR1);
	LOG_INFO("listener.ready", KV_STR("name", p.name), KV_INT("pid", getpid()),
		KV_UINT("port", intake_port(p.intake)));
	uv_run(&p.loop, UV_RUN_DEFAULT);
	uv_loop_close(&p.loop);
	log_stop();
	return EXIT_SUCCESS;
}
