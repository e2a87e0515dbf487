/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster-broker: admits Hellos into Redis, hands due jobs to workers that gave credit, reaps lost
 * leases. Keeps nothing: killing it is always safe. SIGTERM drains, a second one ends at once,
 * SIGHUP reads allow-lists and deny-file again, SIGUSR1 logs the counters.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "broker/broker.h"
#include "broker/counters.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/conf/cli.h"

enum { N_SIGNALS = 4 };

struct program {
	uint32_t index;
	uv_loop_t loop;
	uv_signal_t signals[N_SIGNALS];
	uv_async_t over;
	struct broker *broker;
	bool draining, stopped, failed;
};

static const struct argp_option options[] = {
	{"index", 'i', "N", 0, "Which entry of bus.brokers this is, from 0", 0},
	{0},
};

static const char *on_option(int key, const char *arg, void *input)
{
	struct program *p = input;
	char *end;
	unsigned long n = strtoul(arg, &end, 10);
	if (key != 'i' || *end != '\0' || arg[0] < '0' || arg[0] > '9' || n >= CONF_BROKERS_MAX)
		return "a small number is expected";
	p->index = (uint32_t)n;
	return NULL;
}

static void stop(struct program *p)
{
	if (p->stopped)
		return;
	p->stopped = true;
	broker_close(p->broker);
	uv_close((uv_handle_t *)&p->over, NULL);
	for (int i = 0; i < N_SIGNALS; i++)
		uv_close((uv_handle_t *)&p->signals[i], NULL);
}

static void over_async_cb(uv_async_t *async)
{
	stop(async->data);
}

static void over_cb(bool failed, void *arg)
{
	struct program *p = arg;
	p->failed = failed;
	uv_async_send(&p->over); /* not from inside the broker's own work */
}

static void signal_cb(uv_signal_t *handle, int signum)
{
	struct program *p = handle->data;
	if (signum == SIGHUP) {
		broker_reload(p->broker);
	} else if (signum == SIGUSR1) {
		counters_log();
	} else if (p->draining) {
		stop(p);
	} else {
		p->draining = true;
		LOG_INFO("broker.draining", KV_INT("pid", getpid()));
		broker_drain(p->broker);
	}
}

static void watch_signals(struct program *p)
{
	static const int numbers[N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
	for (int i = 0; i < N_SIGNALS; i++) {
		uv_signal_init(&p->loop, &p->signals[i]);
		p->signals[i].data = p;
		uv_signal_start(&p->signals[i], signal_cb, numbers[i]);
	}
	uv_async_init(&p->loop, &p->over, over_async_cb);
	p->over.data = p;
}

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.role = "broker",
		.doc = "Admits Hellos into Redis and hands due jobs to workers.",
		.options = options,
		.option_fn = on_option,
	};
	static struct conf conf;
	static struct program p;
	struct error err = {.code = 0};
	int rc = cli_start(&program, argc, argv, &p, &conf);
	if (rc != CLI_RUN)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	counters_start();
	uv_loop_init(&p.loop);
	if (broker_open(&p.broker, &p.loop, &conf, p.index, over_cb, &p, &err) < 0) {
		LOG_ERROR("broker.failed", KV_STR("error", err.text));
		p.failed = true;
	} else {
		watch_signals(&p);
	}
	uv_run(&p.loop, UV_RUN_DEFAULT);
	uv_loop_close(&p.loop);
	log_stop();
	return p.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
