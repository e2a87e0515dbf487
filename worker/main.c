/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster-worker: sessions with devices. This file is the process: configuration, store, one DEALER
 * per broker (Register, Credit, Job, JobAck, Done, Drain), signals. Everything runs on the session
 * loop; the connector has its own thread. SPEC: architecture D1, D5, D9, D22
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/bus/bus.h"
#include "common/conf/cli.h"
#include "common/net/lag.h"
#include "common/net/tls.h"
#include "worker/plan.h"
#include "worker/session.h"
#include "worker/worker.h"

#define DRAIN_MS       300000 /* sessions may finish; then they stop between two rows. SPEC: D22 */
#define DRAIN_FAST_MS  5000   /* second SIGTERM: then the leases are left to the reaper */
#define DRAIN_REPLY_MS 10000  /* to give jobs back after the last answer of a device */
#define BEAT_MS        3000   /* store_peer_beat() */
#define STORE_WAIT_MS  60000  /* at start */
#define PRINT_MAX      65536
#define FILES_SPARE    256 /* files that are not device connections: store, bus, log, hooks */
#define OPTION_PLANS   1000

enum { SIG_TERM, SIG_INT, SIG_HUP, SIG_USR1, N_SIGNALS };

struct link {
	struct process *p;
	struct bus_socket *socket;
	const char *endpoint;
	bool up, welcome;
};

struct process {
	uv_loop_t loop;
	struct conf conf;
	struct store *store;
	struct bus *bus;
	struct link links[CONF_BROKERS_MAX];
	uint32_t n_links;
	struct worker worker;
	struct boot_timer alive; /* credit, beat, drain */
	uv_signal_t signals[N_SIGNALS];
	struct lag lag;
	bool draining, fast, credit_dirty, ready;
	uint64_t stop_sessions_ms, exit_ms, beat_ms;
};

static struct process process;

static struct metric loop_lag = {.name = "muster_worker_loop_lag_us",
	.help = "how late the session loop is, in microseconds",
	.type = METRIC_HISTOGRAM,
	.bounds = lag_bounds};

static uint32_t free_slots(const struct process *p)
{
	uint32_t max = p->conf.worker.sessions, used = p->worker.n_sessions;
	return p->draining || used >= max || !redis_is_up(store_redis(p->store)) ? 0 : max - used;
}

static void send_register(struct link *l)
{
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	Muster__V1__Register m = MUSTER__V1__REGISTER__INIT;
	m.role = MUSTER__V1__ROLE__ROLE_WORKER;
	m.process_id = (char *)bus_id(l->p->bus);
	m.version = (char *)cli_version();
	m.schema_min = BUS_SCHEMA_MIN;
	m.schema_max = BUS_SCHEMA_MAX;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_REGISTER_PEER;
	e.register_peer = &m;
	bus_send(l->socket, NULL, &e);
}

/* Several brokers share the slots: each may fill its part; what one leaves the next second gives
 * to the others. Absolute, so a lost message heals by itself. */
static void send_credit(struct process *p)
{
	uint32_t n_up = 0, share = free_slots(p);
	for (uint32_t i = 0; i < p->n_links; i++)
		n_up += p->links[i].welcome;
	if (n_up > 1)
		share = (share + n_up - 1) / n_up;
	for (uint32_t i = 0; i < p->n_links; i++) {
		if (!p->links[i].welcome)
			continue;
		Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
		Muster__V1__Credit m = MUSTER__V1__CREDIT__INIT;
		m.slots = share;
		e.body_case = MUSTER__V1__ENVELOPE__BODY_CREDIT;
		e.credit = &m;
		bus_send(p->links[i].socket, NULL, &e);
	}
	p->credit_dirty = false;
}

/* Coalesced: at the end of a burst of jobs or of finished sessions. */
static void credit_changed(struct process *p)
{
	if (p->credit_dirty)
		return;
	p->credit_dirty = true;
	boot_timer_set_in(&p->alive, 0);
}

static void send_ack(struct link *l, const Muster__V1__Job *job, const struct error *err)
{
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	Muster__V1__JobAck m = MUSTER__V1__JOB_ACK__INIT;
	m.job = job->job;
	m.fence = job->fence;
	m.accepted = err->code == 0;
	m.reason = (char *)err->text;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_JOB_ACK;
	e.job_ack = &m;
	bus_send(l->socket, NULL, &e);
}

static void on_job(struct link *l, const Muster__V1__Job *job)
{
	struct process *p = l->p;
	struct error err = {0};
	const struct session_job j = {.job = job->job,
		.uuid = job->uuid,
		.gen = job->gen,
		.attempt = job->attempt,
		.fence = job->fence,
		.address = job->address.data,
		.address_len = job->address.len,
		.hello = job->hello.data,
		.hello_len = job->hello.len,
		.kind = job->kind,
		.args = job->args};
	if (free_slots(p) == 0)
		error_set(&err, E_LIMIT, "%s", p->draining ? "draining" : "no free slot");
	else
		session_start(&p->worker, &j, &err);
	if (err.code)
		LOG_WARN("job.refused", KV_STR("job", job->job), KV_STR("reason", err.text));
	send_ack(l, job, &err);
	credit_changed(p);
}

static void on_welcome(struct link *l, const Muster__V1__Welcome *m)
{
	l->welcome = m->accepted;
	if (m->accepted)
		credit_changed(l->p);
	else if (strcmp(m->reason, "register first") == 0)
		send_register(l);
	else
		LOG_ERROR(
			"bus.refused", KV_STR("broker", l->endpoint), KV_STR("reason", m->reason));
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	(void)peer;
	struct link *l = arg;
	switch (e->body_case) {
	case MUSTER__V1__ENVELOPE__BODY_WELCOME: on_welcome(l, e->welcome); break;
	case MUSTER__V1__ENVELOPE__BODY_JOB: on_job(l, e->job); break;
	case MUSTER__V1__ENVELOPE__BODY_PING: {
		Muster__V1__Envelope r = MUSTER__V1__ENVELOPE__INIT;
		Muster__V1__Pong m = MUSTER__V1__PONG__INIT;
		m.nonce = e->ping->nonce;
		r.body_case = MUSTER__V1__ENVELOPE__BODY_PONG;
		r.pong = &m;
		bus_send(s, NULL, &r);
		break;
	}
	default: break;
	}
}

static void on_bus_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	(void)s;
	struct link *l = arg;
	l->up = event == BUS_UP;
	l->welcome = false;
	if (event == BUS_UP)
		send_register(l);
	LOG_INFO("bus", KV_STR("broker", l->endpoint),
		KV_STR("event", event == BUS_UP     ? "up"
				: event == BUS_DOWN ? "down"
						    : "refused"),
		KV_STR("detail", detail));
}

static const struct bus_handler bus_events = {.message = on_message, .event = on_bus_event};

static void on_over(const char *job, uint64_t fence, const char *outcome, void *arg)
{
	struct process *p = arg;
	Muster__V1__Done m = MUSTER__V1__DONE__INIT;
	m.job = (char *)job;
	m.fence = fence;
	m.outcome = (char *)outcome;
	for (uint32_t i = 0; i < p->n_links; i++) {
		Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
		e.body_case = MUSTER__V1__ENVELOPE__BODY_DONE;
		e.done = &m;
		if (p->links[i].welcome)
			bus_send(p->links[i].socket, NULL, &e);
	}
	credit_changed(p);
}

/* ---- time, drain, end
 * ----------------------------------------------------------------------------- */

static void close_all(struct process *p)
{
	for (int i = 0; i < N_SIGNALS; i++)
		uv_close((uv_handle_t *)&p->signals[i], NULL);
	boot_timer_close(&p->alive, NULL);
	lag_stop(&p->lag);
	for (struct session *s; (s = TAILQ_FIRST(&p->worker.sessions));)
		session_lost(s, "the worker ends before the store has answered");
	worker_close(&p->worker);
	bus_close(p->bus);
	store_close(p->store);
}

static void beat(struct process *p, uint64_t now)
{
	char host[64] = "";
	gethostname(host, sizeof host - 1);
	struct store_peer peer = {.id = bus_id(p->bus),
		.role = "worker",
		.version = cli_version(),
		.host = host,
		.slots = p->conf.worker.sessions,
		.used = p->worker.n_sessions,
		.drain = p->draining};
	p->beat_ms = now + BEAT_MS;
	store_peer_beat(p->store, &peer, NULL, NULL, NULL);
}

static void on_alive(struct boot_timer *t, void *arg)
{
	struct process *p = arg;
	uint64_t now = clock_boot_ms();
	send_credit(p);
	if (now >= p->beat_ms)
		beat(p, now);
	if (p->draining) {
		if (now >= p->stop_sessions_ms)
			worker_stop_sessions(&p->worker);
		if (p->worker.n_sessions == 0 || now >= p->exit_ms) {
			LOG_INFO("worker.stopped", KV_UINT("sessions", p->worker.n_sessions));
			close_all(p);
			return;
		}
	}
	boot_timer_set_in(t, BUS_ALIVE_MS);
}

static void send_drain(struct process *p)
{
	Muster__V1__Drain m = MUSTER__V1__DRAIN__INIT;
	m.reason = "stopping";
	for (uint32_t i = 0; i < p->n_links; i++) {
		Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
		e.body_case = MUSTER__V1__ENVELOPE__BODY_DRAIN;
		e.drain = &m;
		bus_send(p->links[i].socket, NULL, &e);
	}
}

/* SIGUSR1: what happened so far, as one log event. */
static void log_counters(struct process *p)
{
	struct buf lag;
	uint64_t max_us = 0;
	buf_init(&lag, 1024);
	if (lag_print(&p->lag, &lag, &max_us) == 0 && buf_add(&lag, "", 1) == 0)
		LOG_INFO("worker.counters", KV_UINT("sessions", p->worker.n_sessions),
			KV_INT("done", worker_metrics[WM_DONE].value),
			KV_INT("retried", worker_metrics[WM_RETRIED].value),
			KV_INT("exchanges", worker_metrics[WM_EXCHANGES].value),
			KV_STR("loop_lag_counts", (const char *)lag.data),
			KV_UINT("loop_lag_max_us", max_us));
	buf_free(&lag);
}

static void on_signal(uv_signal_t *h, int number)
{
	struct process *p = h->data;
	struct error err = {0};
	uint64_t now = clock_boot_ms();
	if (number == SIGUSR1) {
		log_counters(p);
		return;
	}
	if (number == SIGHUP) {
		int rc = worker_reload(&p->worker, &err);
		LOG_INFO("worker.reload", KV_BOOL("ok", rc == 0), KV_STR("error", err.text));
		return;
	}
	p->fast = p->draining;
	p->draining = true;
	p->stop_sessions_ms = p->fast ? now : now + DRAIN_MS;
	/* What is in flight at the stop is answered first; then the job is given back. */
	p->exit_ms =
		p->stop_sessions_ms +
		(p->fast ? DRAIN_FAST_MS : p->conf.worker.waits.slow_exchange_ms + DRAIN_REPLY_MS);
	LOG_INFO("worker.drain", KV_BOOL("fast", p->fast),
		KV_UINT("sessions", p->worker.n_sessions));
	send_drain(p);
	boot_timer_set_in(&p->alive, 0);
}

/* ---- start
 * ------------------------------------------------------------------------------------------ */

static void on_store(struct redis *r, const struct redis_event *ev, void *arg)
{
	(void)r;
	struct process *p = arg;
	if (ev->up)
		LOG_INFO("store.up", KV_STR("run_id", ev->run_id));
	else
		LOG_WARN("store.down", KV_STR("error", ev->why ? ev->why->text : ""));
	if (p->ready)
		credit_changed(p);
}

static int open_store(struct process *p, struct error *err)
{
	const struct conf_redis *c = &p->conf.redis;
	struct secret password = {0};
	if (c->password_file[0])
		TRY(secret_read_file(&password, c->password_file, 1024, err));
	struct store_opts o = {.redis = {.url = c->url,
				       .user = c->user,
				       .password = &password,
				       .ca_file = c->ca_file,
				       .client_name = "muster-worker"},
		.partition = c->partition};
	int rc = store_open(&p->store, &p->loop, &o, on_store, p, err);
	secret_free(&password);
	if (rc == 0)
		rc = redis_wait_up(store_redis(p->store), STORE_WAIT_MS, err);
	return rc;
}

static int open_bus(struct process *p, struct error *err)
{
	const struct conf_bus *c = &p->conf.bus;
	TRY(bus_open(&p->bus, &p->loop, "worker", c->curve ? c->keys_dir : NULL, err));
	return 0;
}

static int open_links(struct process *p, struct error *err)
{
	const struct conf_bus *c = &p->conf.bus;
	int hwm = (int)p->conf.worker.sessions + BUS_HWM_SLACK;
	for (uint32_t i = 0; i < c->n_brokers; i++) {
		struct link *l = &p->links[p->n_links++];
		l->p = p;
		l->endpoint = c->brokers[i].back;
		TRY(bus_dealer(&l->socket, p->bus, l->endpoint, hwm, &bus_events, l, err));
	}
	return 0;
}

static int open_signals(struct process *p)
{
	static const int numbers[N_SIGNALS] = {
		[SIG_TERM] = SIGTERM, [SIG_INT] = SIGINT, [SIG_HUP] = SIGHUP, [SIG_USR1] = SIGUSR1};
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < N_SIGNALS; i++) {
		uv_signal_init(&p->loop, &p->signals[i]);
		p->signals[i].data = p;
		TRY(uv_signal_start(&p->signals[i], on_signal, numbers[i]));
	}
	return 0;
}

/* A session is one connection: without a file for it, the failure would count as the device's. */
static void fit_files(struct process *p)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	rlim_t room = limit.rlim_cur > FILES_SPARE ? limit.rlim_cur - FILES_SPARE : 1;
	if (room >= p->conf.worker.sessions)
		return;
	LOG_WARN("worker.files", KV_UINT("limit", limit.rlim_cur),
		KV_UINT("sessions", p->conf.worker.sessions), KV_UINT("sessions_now", room),
		KV_STR("text", "fewer sessions: raise the limit of open files (LimitNOFILE)"));
	p->conf.worker.sessions = (uint32_t)room;
}

static int open_all(struct process *p, struct error *err)
{
	tls_init();
	fit_files(p);
	ENSURE(uv_loop_init(&p->loop) == 0, err, -ENOMEM, "no event loop");
	TRY(open_store(p, err));
	TRY(open_bus(p, err));
	TRY(worker_open(&p->worker, &p->loop, &p->conf, p->store, bus_id(p->bus), err));
	p->worker.on_over = on_over;
	p->worker.arg = p;
	boot_timer_init(&p->alive, &p->loop, on_alive, p);
	boot_timer_set_in(&p->alive, BUS_ALIVE_MS);
	lag_start(&p->lag, &p->loop, &loop_lag);
	TRY(open_signals(p));
	return open_links(p, err);
}

/* --check: what a start loads, without a store and without brokers. */
static int check(struct conf *conf, struct error *err)
{
	struct process *p = &process;
	tls_init();
	ENSURE(uv_loop_init(&p->loop) == 0, err, -ENOMEM, "no event loop");
	TRY(open_bus(p, err));
	TRY(worker_open(&p->worker, &p->loop, conf, NULL, bus_id(p->bus), err));
	worker_close(&p->worker);
	bus_close(p->bus);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	return 0;
}

/* --plans and --graph: the step table for people, without configuration. */
static const char *on_option(int key, const char *arg, void *input)
{
	(void)arg, (void)input;
	struct buf out;
	buf_init(&out, PRINT_MAX);
	int rc = key == OPTION_PLANS ? plan_print_text(&out) : plan_print_dot(&out);
	if (rc == 0)
		fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
	exit(rc == 0 && fflush(stdout) == 0 ? 0 : 1);
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"plans", OPTION_PLANS, NULL, 0, "print the step table and the plans", 0},
		{"graph", OPTION_PLANS + 1, NULL, 0, "the same as a graph for dot(1)", 0}, {0}};
	static const struct cli_program program = {.role = "worker",
		.doc = "Runs sessions with devices: takes jobs from the brokers, provisions over "
		       "TLS and WS-Man, records every step in the store.",
		.options = options,
		.option_fn = on_option,
		.check_fn = check};
	struct process *p = &process;
	struct error err = {0};
	int rc = cli_start(&program, argc, argv, NULL, &p->conf);
	if (rc != CLI_RUN)
		return rc;
	if (open_all(p, &err) < 0) {
		LOG_ERROR("worker.failed", KV_STR("error", err.text));
		log_stop();
		return 1;
	}
	p->ready = true;
	LOG_INFO("worker.ready", KV_INT("pid", getpid()),
		KV_UINT("sessions", p->conf.worker.sessions),
		KV_UINT("certificates", p->worker.env.n_certs));
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	log_stop();
	return 0;
}
