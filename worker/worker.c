/* SPDX-License-Identifier: Apache-2.0 */
/* Start-up, the tick of all sessions, batched renewal of their leases. See worker.h. */
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/crash.h"
#include "worker/session.h"

#define TICK_MS       1000
#define CA_BUNDLE_MAX 65536 /* bytes of root.pem and issuing.pem together */

#define COUNTER(id_, name_, help_) \
	[id_] = {.name = "muster_worker_" name_, .help = help_, .type = METRIC_COUNTER}

struct metric worker_metrics[N_WORKER_METRICS] = {
	[WM_SESSIONS] = {.name = "muster_worker_sessions",
		.help = "sessions now",
		.type = METRIC_GAUGE},
	COUNTER(WM_STARTED, "started_total", "sessions started"),
	COUNTER(WM_DONE, "done_total", "devices provisioned"),
	COUNTER(WM_RETRIED, "retried_total", "attempts that failed and may be repeated"),
	COUNTER(WM_DEAD, "dead_total", "jobs given up at once"),
	COUNTER(WM_PARKED, "parked_total", "jobs that wait for an authority or an operator"),
	COUNTER(WM_RELEASED, "released_total", "jobs given back by a drain"),
	COUNTER(WM_LOST, "lost_total", "sessions that lost their lease"),
	COUNTER(WM_EXCHANGES, "exchanges_total", "requests handed to the device connection"),
	COUNTER(WM_STEPS, "steps_total", "rows of the step table that were run"),
	COUNTER(WM_CONNECTS, "connects_total", "connections begun by a connect row"),
	COUNTER(WM_LEGACY, "legacy_total", "connections with a legacy TLS profile"),
	COUNTER(WM_LOGIN_FAILED, "login_failed_total", "passwords that devices refused"),
};

/* ---- renewal
 * -------------------------------------------------------------------------------------- */

/* One renew call: the sessions stay (refs) until it is answered. */
struct renewal {
	struct worker *w;
	uint64_t sent_ms;
	size_t n;
	struct session *sessions[STORE_BATCH_MAX];
};

static void on_renewed(const int *codes, size_t n, const struct error *err, void *arg)
{
	struct renewal *r = arg;
	uint32_t ttl_ms = r->w->conf->worker.run_lease_ms;
	for (size_t i = 0; i < r->n; i++) {
		struct session *s = r->sessions[i];
		s->lease.renewing = false;
		if (!err && i < n && codes[i] == 0)
			lease_granted(&s->lease, r->sent_ms, ttl_ms);
		else if (!err && s->life < LIFE_END)
			session_lost(s, "the lease is not ours any more");
		session_unref(s);
	}
	free(r);
}

static void renew_send(struct renewal *r, const struct store_lease *leases)
{
	for (size_t i = 0; i < r->n; i++) {
		r->sessions[i]->refs++;
		r->sessions[i]->lease.renewing = true;
		r->sessions[i]->lease.sent_ms = r->sent_ms;
	}
	if (store_renew(r->w->store, leases, r->n, r->w->conf->worker.run_lease_ms, on_renewed, r,
		    NULL) == 0)
		return;
	for (size_t i = 0; i < r->n; i++) { /* the store is down: the next tick tries again */
		r->sessions[i]->lease.renewing = false;
		session_unref(r->sessions[i]);
	}
	free(r);
}

static bool renew_due(const struct session *s, uint64_t now_ms)
{
	return (s->life == LIFE_RUN || s->life == LIFE_RESOLVE) && !s->lease.renewing &&
	       now_ms - s->lease.sent_ms >= LEASE_RENEW_MS;
}

/* Reads and pauses renew every 10 s, many in one call. SPEC: D13.3 */
static void renew_all(struct worker *w, uint64_t now_ms)
{
	struct store_lease leases[STORE_BATCH_MAX];
	struct session *s = TAILQ_FIRST(&w->sessions);
	while (s) {
		struct renewal *r = calloc(1, sizeof *r);
		if (!r)
			return;
		*r = (struct renewal){.w = w, .sent_ms = now_ms};
		for (; s && r->n < STORE_BATCH_MAX; s = TAILQ_NEXT(s, link)) {
			if (!renew_due(s, now_ms))
				continue;
			leases[r->n] = lease_who(s);
			r->sessions[r->n++] = s;
		}
		if (r->n == 0)
			free(r);
		else
			renew_send(r, leases);
	}
}

static void on_tick(struct boot_timer *t, void *arg)
{
	struct worker *w = arg;
	uint64_t now = clock_boot_ms();
	for (struct session *s = TAILQ_FIRST(&w->sessions), *n; s; s = n) {
		n = TAILQ_NEXT(s, link); /* a session may end here */
		session_tick(s, now);
	}
	renew_all(w, now);
	boot_timer_set_in(t, TICK_MS);
}

/* ---- start-up
 * ---------------------------------------------------------------------------------------- */

static int read_pem(struct buf *out, const char *dir, const char *name, struct error *err)
{
	char path[CONF_PATH_MAX + 32];
	uint8_t chunk[4096];
	size_t n;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "re");
	ENSURE(f, err, -errno, "%s: %s; make it with `muster ca init`", path, strerror(errno));
	int rc = 0;
	while (rc == 0 && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		rc = buf_add(out, chunk, n);
	fclose(f);
	return rc < 0 ? error_set(err, rc, "%s is too large for a certificate", path) : 0;
}

static int open_ca(struct worker *w, struct error *err)
{
	struct buf pem;
	buf_init(&pem, CA_BUNDLE_MAX);
	int rc = read_pem(&pem, w->conf->ca.dir, "issuing.pem", err);
	if (rc == 0)
		rc = read_pem(&pem, w->conf->ca.dir, "root.pem", err);
	if (rc == 0)
		rc = devcert_ca_new_pem(&w->device_ca, pem.data, pem.len, err);
	buf_free(&pem);
	w->ca_ops = &ca_embedded_ops;
	return rc;
}

static void stop_ca(void *arg)
{
	struct worker *w = arg;
	w->ca_ops->close(w->ca);
}

static int load_rules(struct worker *w, struct error *err)
{
	struct rules *fresh = NULL;
	const char *path = w->conf->worker.rules_file;
	if (path[0])
		TRY(rules_load(&fresh, path, err));
	int rc = fresh ? rules_check_directory(fresh, w->conf->directory.n_servers > 0, err) : 0;
	if (rc < 0) {
		rules_free(fresh);
		return rc;
	}
	rules_free(w->rules);
	w->rules = fresh;
	return 0;
}

int worker_reload(struct worker *w, struct error *err)
{
	struct profile_set fresh = {0};
	TRY(profile_set_load(&fresh, w->conf->worker.profiles_dir, w->conf->keys.masters_dir, err));
	if (load_rules(w, err) < 0) {
		profile_set_free(&fresh);
		return err->code;
	}
	profile_set_free(&w->profiles); /* sessions hold theirs */
	w->profiles = fresh;
	if (w->directory)
		directory_reload(w->directory);
	return 0;
}

/* A trace header must never leave the machine. SPEC: ruling 56 */
static int check_trace(const struct conf *conf, struct error *err)
{
	for (uint32_t i = 0; conf->test.trace_header && i < conf->listener.n_addresses; i++) {
		struct net_addr a;
		TRY(net_addr_parse(&a, conf->listener.addresses[i], err));
		ENSURE(net_addr_is_loopback(&a), err, E_CONFIG,
			"test.trace_header is on, but listener address %s is not loopback: switch "
			"it off",
			conf->listener.addresses[i]);
	}
	return 0;
}

static int open_resolver(struct worker *w, struct error *err)
{
	const struct conf *conf = w->conf;
	if (conf->directory.n_servers) {
		TRY(directory_open(
			&w->directory, connector_loop(w->connector), &conf->directory, err));
		connector_at_stop(w->connector, directory_stop, w->directory);
	}
	return resolver_open(&w->resolver, &conf->worker, w->connector, w->directory, err);
}

static int open_parts(struct worker *w, struct error *err)
{
	const struct conf *conf = w->conf;
	TRY(check_trace(conf, err));
	/* With the same condition as the header: never beside real devices. */
	TRY(crashes_load(&w->crashes, conf->test.trace_header ? conf->test.crashes : "", err));
	TRY(kek_ring_load(&w->kek, conf->keys.kek_dir, conf->keys.kek_current, err));
	TRY(worker_reload(w, err));
	TRY(device_env_open(&w->env, w->loop, &conf->worker, err));
	TRY(open_ca(w, err));
	if (conf->worker.odca_roots[0])
		TRY(odca_load(&w->odca, conf->worker.odca_roots, err));
	directory_init();
	TRY(connector_start(&w->connector, w->loop, err));
	TRY(w->ca_ops->open(&w->ca, connector_loop(w->connector), conf, err));
	connector_at_stop(w->connector, stop_ca, w);
	TRY(open_resolver(w, err));
	return hooks_open(
		&w->hooks, w->loop, &conf->worker.hooks, w->connector, w->store, w->owner, err);
}

int worker_open(struct worker *w, uv_loop_t *loop, const struct conf *conf, struct store *store,
	const char *owner, struct error *err)
{
	*w = (struct worker){.loop = loop, .conf = conf, .store = store, .owner = owner};
	TAILQ_INIT(&w->sessions);
	for (int i = 0; i < N_WORKER_METRICS; i++)
		metric_register(&worker_metrics[i]);
	TRY(open_parts(w, err));
	boot_timer_init(&w->tick, loop, on_tick, w);
	boot_timer_set_in(&w->tick, TICK_MS);
	return 0;
}

void worker_stop_sessions(struct worker *w)
{
	for (struct session *s = TAILQ_FIRST(&w->sessions), *n; s; s = n) {
		n = TAILQ_NEXT(s, link); /* a session may end here */
		session_stop(s);
	}
}

static void on_tick_closed(struct boot_timer *t, void *arg)
{
	(void)t, (void)arg;
}

void worker_close(struct worker *w)
{
	boot_timer_close(&w->tick, on_tick_closed);
	connector_stop(w->connector);
	resolver_close(w->resolver);
	directory_close(w->directory);
	rules_free(w->rules);
	hooks_close(w->hooks);
	device_env_close(&w->env);
	devcert_ca_free(w->device_ca);
	odca_free(w->odca);
	profile_set_free(&w->profiles);
	crashes_free(w->crashes);
	kek_ring_free(w->kek);
}
