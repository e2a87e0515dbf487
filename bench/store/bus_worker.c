/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker without devices: takes jobs from the brokers, begins each in the store and finishes it
 * at once. What is left is the price of the way of a job: claim, bus, begin, finish.
 *
 *   muster-bus-worker --config FILE --count N [--concurrency SLOTS]
 *
 * Prints one line of JSON after N jobs; the status is 3 when fewer came. Threads: one (and ZeroMQ's
 * own).
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench/flood/options.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/conf/cli.h"
#include "common/conf/conf.h"
#include "common/store/store.h"

#define GIVE_UP_MS 30000 /* no job for this long ends the run */
#define CHECK_MS   5     /* credit is granted this often, as a worker coalesces it */
#define WAIT_MS    60000
#define TTL_MS     30000
#define COUNT      10000 /* defaults */
#define SLOTS      1024

struct bus_worker {
	const char *config;
	struct flood_options o;
	uv_loop_t loop;
	uv_timer_t timer;
	struct bus *bus;
	struct bus_socket *socket;
	struct store *store;
	uint64_t taken, finished, failed, start_us, last_us;
	uint32_t used;
	bool welcome;
};

/* One job on its way through the store. */
struct errand {
	struct bus_worker *w;
	char id[UUID_TEXT_LEN + 1], uuid[UUID_TEXT_LEN + 1];
	uint64_t fence;
};

static const struct argp_option options[] = {
	{"config", 'C', "FILE", 0, "the site's configuration", 0},
	{0},
};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct bus_worker *w = state->input;
	switch (key) {
	case 'C': w->config = arg; return 0;
	case ARGP_KEY_INIT: state->child_inputs[0] = &w->o; return 0;
	case ARGP_KEY_END:
		if (!w->config)
			argp_error(state, "--config is needed");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static void send_credit(struct bus_worker *w)
{
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	Muster__V1__Credit m = MUSTER__V1__CREDIT__INIT;
	m.slots = w->o.concurrency > w->used ? w->o.concurrency - w->used : 0;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_CREDIT;
	e.credit = &m;
	bus_send(w->socket, NULL, &e);
}

static void send_done(struct bus_worker *w, const struct errand *a, const char *outcome)
{
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	Muster__V1__Done m = MUSTER__V1__DONE__INIT;
	m.job = (char *)a->id;
	m.fence = a->fence;
	m.outcome = (char *)outcome;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_DONE;
	e.done = &m;
	bus_send(w->socket, NULL, &e);
}

static void over(struct errand *a, const struct error *err)
{
	struct bus_worker *w = a->w;
	if (err && w->failed++ == 0)
		fprintf(stderr, "muster-bus-worker: %s\n", err->text);
	w->finished += !err;
	w->used--;
	w->last_us = clock_boot_us();
	send_done(w, a, err ? "lost" : "done");
	free(a);
	if (w->finished + w->failed >= w->o.count)
		uv_stop(&w->loop);
}

static void on_finished(const struct error *err, void *arg)
{
	over(arg, err);
}

static void on_begun(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg)
{
	(void)job, (void)dev;
	struct errand *a = arg;
	struct store_lease lease = {a->id, a->uuid, a->fence};
	struct error refused = {0};
	if (err || store_finish(a->w->store, &lease, "provisioned", NULL, 0, on_finished, a,
			   &refused) < 0)
		over(a, err ? err : &refused);
}

static void on_job(struct bus_worker *w, const Muster__V1__Job *job)
{
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	Muster__V1__JobAck m = MUSTER__V1__JOB_ACK__INIT;
	struct errand *a = calloc(1, sizeof *a);
	struct error err = {0};
	m.job = job->job;
	m.fence = job->fence;
	m.accepted = a != NULL;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_JOB_ACK;
	e.job_ack = &m;
	bus_send(w->socket, NULL, &e);
	if (!a)
		return;
	if (w->taken++ == 0)
		w->start_us = clock_boot_us();
	w->used++;
	a->w = w;
	a->fence = job->fence;
	snprintf(a->id, sizeof a->id, "%s", job->job);
	snprintf(a->uuid, sizeof a->uuid, "%s", job->uuid);
	struct store_lease lease = {a->id, a->uuid, a->fence};
	if (store_begin(w->store, &lease, bus_id(w->bus), TTL_MS, on_begun, a, &err) < 0)
		over(a, &err);
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	(void)peer;
	struct bus_worker *w = arg;
	if (e->body_case == MUSTER__V1__ENVELOPE__BODY_WELCOME)
		w->welcome = e->welcome->accepted;
	else if (e->body_case == MUSTER__V1__ENVELOPE__BODY_PING)
		bus_pong(s, NULL, e->ping->nonce);
	else if (e->body_case == MUSTER__V1__ENVELOPE__BODY_JOB)
		on_job(w, e->job);
}

static void on_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	(void)arg;
	if (event == BUS_UP)
		bus_register(s, MUSTER__V1__ROLE__ROLE_WORKER, cli_version());
	else if (event == BUS_REFUSED)
		fprintf(stderr, "muster-bus-worker: refused: %s\n", detail);
}

static void on_check(uv_timer_t *timer)
{
	struct bus_worker *w = timer->data;
	if (w->welcome)
		send_credit(w);
	if (clock_boot_us() - w->last_us > GIVE_UP_MS * 1000u)
		uv_stop(&w->loop);
}

static int open_all(struct bus_worker *w, const struct conf *conf, struct error *err)
{
	static const struct bus_handler handler = {on_message, on_event};
	struct store_opts o = {.redis = {.url = conf->redis.url, .client_name = "bus-worker"},
		.partition = conf->redis.partition};
	TRY(store_open(&w->store, &w->loop, &o, NULL, NULL, err));
	TRY(redis_wait_up(store_redis(w->store), WAIT_MS, err));
	TRY(bus_open(
		&w->bus, &w->loop, "worker", conf->bus.curve ? conf->bus.keys_dir : NULL, err));
	return bus_dealer(&w->socket, w->bus, conf->bus.brokers[0].back,
		(int)w->o.concurrency + BUS_HWM_SLACK, &handler, w, err);
}

static void report(const struct bus_worker *w)
{
	double seconds = (double)(w->last_us - w->start_us) / 1e6;
	printf("{\"taken\": %llu, \"finished\": %llu, \"failed\": %llu, \"elapsed_s\": %.3f, "
	       "\"jobs_per_s\": %.0f, \"cpu_us_per_job\": %.1f}\n",
		(unsigned long long)w->taken, (unsigned long long)w->finished,
		(unsigned long long)w->failed, seconds,
		seconds > 0 ? (double)w->finished / seconds : 0,
		(double)clock_cpu_us() / (double)(w->taken ? w->taken : 1));
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = {{&flood_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {options, on_option, NULL,
		"muster-bus-worker: a worker without devices.", children, NULL, NULL};
	static struct conf conf;
	static struct bus_worker w;
	struct error err = {0};
	flood_defaults(&w.o, COUNT, SLOTS);
	argp_parse(&argp, argc, argv, 0, NULL, &w);
	uv_loop_init(&w.loop);
	int rc = conf_load(w.config, &conf, &err);
	if (rc == 0)
		rc = open_all(&w, &conf, &err);
	if (rc == 0) {
		uv_timer_init(&w.loop, &w.timer);
		w.timer.data = &w;
		w.last_us = clock_boot_us();
		uv_timer_start(&w.timer, on_check, CHECK_MS, CHECK_MS);
		uv_run(&w.loop, UV_RUN_DEFAULT);
		uv_close((uv_handle_t *)&w.timer, NULL);
	}
	uint64_t finished = w.finished;
	if (rc == 0)
		report(&w);
	else
		fprintf(stderr, "muster-bus-worker: %s\n", err.text);
	bus_close(w.bus);
	store_close(w.store);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	uv_loop_close(&w.loop);
	return rc < 0 ? FLOOD_FATAL : flood_status(&w.o, w.o.count, finished);
}
