/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/admit.h"
#include "broker/counters.h"
#include "broker/dispatch.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/secret.h"
#include "common/bus/bus.h"
#include "common/bus/zap.h"
#include "common/conf/cli.h"
#include "common/store/store.h"
#include "common/store/store_wave.h"

#define REAP_MS         1000 /* mean; jittered by half, so that several brokers do not beat */
#define PUMP_LIMIT      64   /* jobs opened in one call: bounds how long Redis is busy */
#define DAY_MS          86400000ull
#define REAP_LIMIT      64 /* leases and waiting jobs in one call */
#define BEAT_MS         3000
#define STEP_SLACK_MS   5000 /* ruling 12: TTL = time-out of the step + 5 s */
#define DRAIN_MAX_MS    5000 /* the store has this long to answer */
#define PASSWORD_MAX    512
#define SCHEMA_RETRY_MS 1000

struct broker {
	uv_loop_t *loop;
	const struct conf *conf;
	struct bus *bus;
	struct zap *zap;
	struct store *store;
	struct admit *admit;
	struct dispatch *dispatch;
	broker_over_fn over;
	void *arg;
	bool redis_up, schema_ok, unsure; /* unsure: Redis changed, its queues not yet counted */
	bool draining, flushing, over_told, said_ready;
	uint64_t quiet_until_ms; /* CLOCK_BOOTTIME */
	uv_timer_t *reap, *beat, *retry;
};

static void update_gates(struct broker *b)
{
	bool ok = b->redis_up && b->schema_ok && !b->draining;
	admit_gate(b->admit, ok);
	dispatch_gate(b->dispatch, ok && !b->unsure && clock_boot_ms() >= b->quiet_until_ms);
}

static void tell_over(struct broker *b, bool failed)
{
	if (b->over_told)
		return;
	b->over_told = true;
	b->over(failed, b->arg);
}

/* ---- after Redis was restarted or replaced ------------------------------------------------- */

/* The longest lease that a worker may hold. SPEC: ruling 12 */
static uint64_t quiet_ms(const struct conf *conf)
{
	uint64_t slow = (uint64_t)conf->worker.waits.slow_exchange_ms + STEP_SLACK_MS;
	return slow > conf->worker.run_lease_ms ? slow : conf->worker.run_lease_ms;
}

static void counts_cb(const struct store_counts *c, const struct error *err, void *arg)
{
	struct broker *b = arg;
	if (err)
		return; /* Redis is down again: asked anew when it is up */
	uint64_t jobs = 0;
	for (int i = 0; i < STORE_LISTS; i++)
		if (i != STORE_LIST_DEAD && i != STORE_LIST_DONE)
			jobs += c->n[i];
	b->unsure = false;
	/* An empty store has no job that could have an owner we do not know of. */
	if (jobs > 0) {
		b->quiet_until_ms = clock_boot_ms() + quiet_ms(b->conf);
		LOG_WARN("broker.quiet", KV_UINT("ms", quiet_ms(b->conf)), KV_UINT("jobs", jobs));
	}
	update_gates(b);
}

static void ask_counts(struct broker *b)
{
	struct error err;
	if (b->unsure && store_counts(b->store, counts_cb, b, &err) < 0)
		LOG_WARN("broker.no_counts", KV_STR("error", err.text));
}

/* ---- schema -------------------------------------------------------------------------------- */

static void write_policy(struct broker *b);

static void schema_done(struct broker *b, const struct error *err)
{
	if (err && err->code == E_CONFIG) {
		LOG_ERROR("broker.wrong_schema", KV_STR("error", err->text));
		tell_over(b, true);
		return;
	}
	if (err) { /* Redis went away meanwhile, or has not got the library yet */
		LOG_WARN("broker.no_schema", KV_STR("error", err->text));
		return;
	}
	b->schema_ok = true;
	write_policy(b);
	ask_counts(b);
	update_gates(b);
	if (b->said_ready)
		return;
	b->said_ready = true;
	LOG_INFO("broker.ready", KV_INT("pid", getpid()), KV_STR("id", bus_id(b->bus)),
		KV_STR("front", admit_endpoint(b->admit)),
		KV_STR("back", dispatch_endpoint(b->dispatch)));
}

static void checked_cb(const struct error *err, void *arg)
{
	schema_done(arg, err);
}

/* Brokers load the library themselves where their Redis user may (the default user); with an ACL
 * per role `muster schema apply` has done it. */
static void applied_cb(bool changed, const struct error *err, void *arg)
{
	struct broker *b = arg;
	if (changed)
		LOG_INFO("schema.applied", KV_UINT("schema", STORE_SCHEMA));
	if (!err || err->code == E_CONFIG || err->code == E_CLOSED || err->code == -ECANCELED) {
		schema_done(b, err);
		return;
	}
	struct error now;
	if (store_schema_check(b->store, checked_cb, b, &now) < 0)
		schema_done(b, &now);
}

static void check_schema(struct broker *b)
{
	struct error err;
	if (store_schema_apply(b->store, applied_cb, b, &err) < 0)
		schema_done(b, &err);
}

static void retry_cb(uv_timer_t *timer)
{
	struct broker *b = timer->data;
	if (b->redis_up && !b->schema_ok && !b->draining)
		check_schema(b);
	else if (b->redis_up && b->unsure)
		ask_counts(b);
}

/* ---- Redis --------------------------------------------------------------------------------- */

static void redis_cb(struct redis *r, const struct redis_event *ev, void *arg)
{
	struct broker *b = arg;
	(void)r;
	if (!ev->up) {
		if (b->redis_up)
			LOG_WARN("redis.down", KV_STR("error", ev->why->text));
		b->redis_up = false;
		update_gates(b);
		return;
	}
	b->redis_up = true;
	if (ev->changed)
		b->unsure = true;
	LOG_INFO("redis.up", KV_STR("run_id", ev->run_id), KV_BOOL("changed", ev->changed));
	b->schema_ok = false; /* another server may lack the library */
	check_schema(b);
	update_gates(b);
}

static void reaped_cb(const struct store_reaped *result, const struct error *err, void *arg);

static void reap_now(struct broker *b)
{
	struct error err;
	if (!b->redis_up || !b->schema_ok || b->unsure || b->draining ||
		clock_boot_ms() < b->quiet_until_ms)
		return;
	store_reap(b->store, b->conf->broker.grace_ms, b->conf->worker.max_lost, REAP_LIMIT,
		reaped_cb, b, &err); /* refused: the next turn of the timer */
}

static void reaped_cb(const struct store_reaped *result, const struct error *err, void *arg)
{
	struct broker *b = arg;
	if (err)
		return;
	counters_add(COUNT_REQUEUED, result->requeued);
	counters_add(COUNT_LOST_DEAD, result->dead);
	counters_add(COUNT_WOKEN, result->woken);
	if (result->requeued + result->woken > 0) {
		LOG_INFO("jobs.reaped", KV_UINT("requeued", result->requeued),
			KV_UINT("dead", result->dead), KV_UINT("woken", result->woken));
		dispatch_kick(b->dispatch);
	}
	if (result->more)
		reap_now(b);
}

/* ---- upkeep -------------------------------------------------------------------------------- */

static void pumped_cb(uint64_t n, const struct error *err, void *arg)
{
	struct broker *b = arg;
	if (err && err->code != E_CLOSED && err->code != -ECANCELED)
		LOG_WARN("pump.failed", KV_STR("error", err->text));
	if (n == 0)
		return;
	LOG_INFO("jobs.opened", KV_UINT("n", n));
	dispatch_kick(b->dispatch);
}

/* Waves and the calendar: any broker may do it, Redis decides what is due. */
static void pump_now(struct broker *b)
{
	struct error err;
	if (b->redis_up && b->schema_ok && !b->draining)
		store_pump(b->store, PUMP_LIMIT, pumped_cb, b, &err);
}

static void looked_cb(const struct store_window_look *found, const struct error *err, void *arg)
{
	struct broker *b = arg;
	if (err || !found)
		return;
	counters_set_danger(found->danger);
	counters_add(COUNT_WINDOW_ASKED, found->asked);
	if (found->asked == 0)
		return;
	LOG_WARN("window.guard", KV_UINT("danger", found->danger), KV_UINT("asked", found->asked));
	dispatch_kick(b->dispatch);
}

/* Devices in setup that the queue would lose. */
static void guard_windows(struct broker *b)
{
	struct error err;
	uint64_t length_ms = b->conf->broker.setup_window_s * 1000ull;
	if (length_ms && b->redis_up && b->schema_ok && !b->draining)
		store_window_look(b->store, length_ms, looked_cb, b, &err);
}

static void write_policy(struct broker *b)
{
	const struct conf_upkeep *c = &b->conf->upkeep;
	struct error err;
	const struct store_upkeep u = {.renew_before_ms = c->renew_before_days * DAY_MS,
		.certificate_ms = b->conf->ca.validity_days * DAY_MS,
		.rotate_ms = c->rotate_days * DAY_MS,
		.maintain_ms = c->maintain_days * DAY_MS,
		.inventory_ms = c->inventory_days * DAY_MS,
		.wear_ms = c->wear_hours * DAY_MS / 24};
	if (store_upkeep_policy(b->store, &u, NULL, NULL, &err) < 0)
		LOG_WARN("upkeep.no_policy", KV_STR("error", err.text));
}

static void reap_cb(uv_timer_t *timer)
{
	struct broker *b = timer->data;
	uint16_t random = 0;
	RAND_bytes((unsigned char *)&random, sizeof random);
	uv_timer_start(timer, reap_cb, REAP_MS / 2 + random % REAP_MS, 0);
	update_gates(b); /* the quiet period may be over */
	reap_now(b);
	pump_now(b);
	guard_windows(b);
}

static void beat_cb(uv_timer_t *timer)
{
	struct broker *b = timer->data;
	char host[256] = "";
	struct error err;
	gethostname(host, sizeof host - 1);
	const struct store_peer peer = {
		.id = bus_id(b->bus),
		.role = "broker",
		.version = cli_version(),
		.host = host,
		.slots = b->conf->broker.admit_window,
		.used = admit_in_flight(b->admit),
		.drain = b->draining,
	};
	if (b->redis_up)
		store_peer_beat(b->store, &peer, NULL, NULL, &err); /* a view, never needed */
}

/* ---- life ---------------------------------------------------------------------------------- */

static void on_new_job(void *arg)
{
	struct broker *b = arg;
	dispatch_kick(b->dispatch);
}

static void drain_cb(uv_timer_t *timer)
{
	tell_over(timer->data, false); /* flushed, or the store did not answer in time */
}

static void on_idle(void *arg)
{
	struct broker *b = arg;
	if (b->flushing || !dispatch_idle(b->dispatch))
		return;
	/* A DEALER drops what it has not read when its connection ends (libzmq with IMMEDIATE), so
	 * the last verdicts and the Drain get a moment to be read. */
	b->flushing = true;
	uv_timer_start(b->reap, drain_cb, BUS_LINGER_MS, 0);
}

static const struct admit_events admit_events = {on_new_job, on_idle};

static int open_store(struct broker *b, struct error *err)
{
	const struct conf_redis *c = &b->conf->redis;
	struct secret password = {.data = NULL};
	if (c->password_file[0] != '\0')
		TRY(secret_read_file(&password, c->password_file, PASSWORD_MAX, err));
	const struct store_opts opts = {
		.redis = {.url = c->url,
			.user = c->user,
			.password = &password,
			.ca_file = c->ca_file,
			.client_name = "muster-broker"},
		.partition = c->partition,
	};
	int rc = store_open(&b->store, b->loop, &opts, redis_cb, b, err);
	secret_free(&password);
	return rc;
}

static int open_bus(struct broker *b, uint32_t index, struct error *err)
{
	const struct conf_bus *c = &b->conf->bus;
	ENSURE(index < c->n_brokers, err, E_CONFIG, "there is no broker number %u in bus.brokers",
		index);
	TRY(bus_open(&b->bus, b->loop, "broker", c->curve ? c->keys_dir : NULL, err));
	if (c->curve) {
		char front[CONF_PATH_MAX + 32], back[CONF_PATH_MAX + 32];
		snprintf(front, sizeof front, "%s/allow/front.keys", c->keys_dir);
		snprintf(back, sizeof back, "%s/allow/back.keys", c->keys_dir);
		const struct zap_domain domains[] = {{"front", front}, {"back", back}};
		TRY(zap_open(&b->zap, b->bus, domains, 2, err));
	}
	TRY(admit_open(&b->admit, b->bus, c->brokers[index].front, b->conf, b->store, &admit_events,
		b, err));
	return dispatch_open(&b->dispatch, b->bus, c->brokers[index].back, b->conf, b->store, err);
}

static uv_timer_t *new_timer(struct broker *b, uv_timer_cb cb, uint64_t first_ms, uint64_t every_ms)
{
	uv_timer_t *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	uv_timer_init(b->loop, t);
	t->data = b;
	uv_timer_start(t, cb, first_ms, every_ms);
	return t;
}

int broker_open(struct broker **out, uv_loop_t *loop, const struct conf *conf, uint32_t index,
	broker_over_fn over, void *arg, struct error *err)
{
	struct broker *b = calloc(1, sizeof *b);
	ENSURE(b, err, -ENOMEM, "out of memory");
	*b = (struct broker){.loop = loop, .conf = conf, .over = over, .arg = arg};
	int rc = open_store(b, err);
	if (rc == 0)
		rc = open_bus(b, index, err);
	if (rc == 0) {
		b->reap = new_timer(b, reap_cb, REAP_MS, 0);
		b->beat = new_timer(b, beat_cb, BEAT_MS / 3, BEAT_MS);
		b->retry = new_timer(b, retry_cb, SCHEMA_RETRY_MS, SCHEMA_RETRY_MS);
		if (!b->reap || !b->beat || !b->retry)
			rc = error_set(err, -ENOMEM, "out of memory");
	}
	if (rc < 0) {
		broker_close(b);
		return rc;
	}
	*out = b;
	return 0;
}

void broker_reload(struct broker *b)
{
	struct error err;
	if (b->zap && zap_reload(b->zap, &err) < 0)
		LOG_ERROR("reload.failed", KV_STR("error", err.text));
	else if (admit_reload(b->admit, &err) < 0)
		LOG_ERROR("reload.failed", KV_STR("error", err.text));
	else
		LOG_INFO("reload.done", KV_BOOL("curve", b->zap != NULL));
}

void broker_drain(struct broker *b)
{
	b->draining = true;
	beat_cb(b->beat);
	update_gates(b);
	dispatch_drain(b->dispatch);
	admit_drain(b->admit);
	uv_timer_start(b->reap, drain_cb, DRAIN_MAX_MS, 0);
}

static void handle_free(uv_handle_t *handle)
{
	free(handle);
}

static void timer_close(uv_timer_t *timer)
{
	if (timer)
		uv_close((uv_handle_t *)timer, handle_free);
}

void broker_close(struct broker *b)
{
	if (!b)
		return;
	b->over_told = true;
	counters_log();
	timer_close(b->reap);
	timer_close(b->beat);
	timer_close(b->retry);
	store_close(b->store);
	admit_close(b->admit);
	dispatch_close(b->dispatch);
	zap_close(b->zap);
	bus_close(b->bus);
	free(b);
}
