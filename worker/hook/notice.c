/* SPDX-License-Identifier: Apache-2.0 */
/* See notice.h. Each run travels to the connector as one struct work and comes back. */
#include "worker/hook/notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/uuid.h"
#include "common/net/timer.h"
#include "common/store/store.h"

#define LOOK_MS     1000  /* between two looks at the store */
#define LEASE_EXTRA 30000 /* over the longest run: the answer's way to the store */
#define WHY_MAX     640

struct moment {
	struct hook_pool *pool; /* connector thread; NULL = no hook */
	const struct conf_hook *conf;
	uint32_t running;
	bool asked; /* a claim is on its way */
};

struct hooks {
	const struct conf_hooks *conf;
	struct connector *connector;
	struct store *store;
	const char *owner;
	struct moment moments[N_HOOK_MOMENTS];
	struct boot_timer look;
};

/* One run. */
struct hook_work {
	struct work work;
	struct hooks *h;
	enum hook_moment moment;
	json_t *told;
	char id[128]; /* the delivery */
	char uuid[UUID_TEXT_LEN + 1];
	uint32_t tries;
	enum hook_end end;
	enum hook_leave leave;
	char why[WHY_MAX];
	hook_leave_cb cb; /* before-unconfigure */
};

static const struct {
	enum hook_moment moment;
	size_t offset;
	bool told; /* its notices wait in the store */
} rows[] = {
	{HOOK_AFTER_CONFIGURE, offsetof(struct conf_hooks, after_configure), true},
	{HOOK_BEFORE_UNCONFIGURE, offsetof(struct conf_hooks, before_unconfigure), false},
	{HOOK_AFTER_UNCONFIGURE, offsetof(struct conf_hooks, after_unconfigure), true},
	{HOOK_ON_FAILURE, offsetof(struct conf_hooks, on_failure), true},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* ---- a run, on the connector ----------------------------------------------------------------- */

/* {"refuse": true, "reason": ...}; nothing and {} are leave. In mode args exit statuses say it all.
 */
static void judge_leave(struct hook_work *w, const struct hook_outcome *o, bool lines)
{
	if (o->end == HOOK_SAYS_WAIT) {
		w->leave = HOOK_REFUSE;
		return;
	}
	w->leave = o->end == HOOK_ANSWERED ? HOOK_GO : HOOK_BROKEN;
	if (w->leave != HOOK_GO || lines || o->out[strspn(o->out, " \t\r\n")] == '\0')
		return;
	json_t *doc = json_loadb(o->out, o->out_len, JSON_REJECT_DUPLICATES, NULL);
	json_t *refuse = json_object_get(doc, "refuse");
	const char *reason = json_string_value(json_object_get(doc, "reason"));
	if (!json_is_object(doc) || (refuse && !json_is_boolean(refuse))) {
		w->leave = HOOK_BROKEN;
		w->end = HOOK_NONSENSE;
		snprintf(w->why, sizeof w->why,
			"nonsense: its answer is not an object with \"refuse\" true or false");
	} else if (json_is_true(refuse)) {
		w->leave = HOOK_REFUSE;
		snprintf(w->why, sizeof w->why, "%.500s", reason ? reason : "no reason given");
	}
	json_decref(doc);
}

static void run_over(const struct hook_outcome *o, void *arg)
{
	struct hook_work *w = arg;
	const struct conf_hook *conf = w->h->moments[w->moment].conf;
	w->end = o->end;
	snprintf(w->why, sizeof w->why, "%s", o->end == HOOK_ANSWERED ? "" : o->why);
	if (w->moment == HOOK_BEFORE_UNCONFIGURE)
		judge_leave(w, o, !conf->url[0] && conf->mode == CONF_HOOK_ARGS);
	connector_finish(w->h->connector, &w->work);
}

static void run_start(struct connector *c, struct work *work)
{
	(void)c;
	struct hook_work *w = (struct hook_work *)work;
	hook_start(w->h->moments[w->moment].pool, w->told, w->id, run_over, w);
}

static void run_free(struct work *work)
{
	struct hook_work *w = (struct hook_work *)work;
	json_decref(w->told);
	free(w);
}

static struct hook_work *run_new(
	struct hooks *h, enum hook_moment moment, json_t *told, const char *id)
{
	struct hook_work *w = told ? calloc(1, sizeof *w) : NULL;
	if (!w) {
		json_decref(told);
		return NULL;
	}
	w->work.start = run_start;
	w->work.destroy = run_free;
	w->h = h;
	w->moment = moment;
	w->told = told;
	snprintf(w->id, sizeof w->id, "%s", id);
	const char *uuid = json_string_value(json_object_get(told, "uuid"));
	snprintf(w->uuid, sizeof w->uuid, "%s", uuid ? uuid : "");
	return w;
}

/* ---- told ------------------------------------------------------------------------------------ */

/* How a notice went: the event stream, the log, and whether it comes again. */
static void record(struct hook_work *w)
{
	struct hooks *h = w->h;
	char text[WHY_MAX + 96];
	bool good = w->end == HOOK_ANSWERED, last = w->tries >= h->conf->max_attempts;
	uint64_t random = 0;
	uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
	snprintf(text, sizeof text, "%s %s", hook_moment_name(w->moment), good ? "told" : w->why);
	struct store_notice_result r = {.id = w->id,
		.moment = hook_moment_name(w->moment),
		.uuid = w->uuid,
		.who = h->owner,
		.text = text,
		.over = good || last,
		.delay_ms = store_backoff_ms(w->tries, (uint64_t)h->conf->retry_min_s * 1000,
			(uint64_t)h->conf->retry_max_s * 1000, random)};
	if (good)
		LOG_INFO("hook.told", KV_STR("moment", r.moment), KV_STR("uuid", w->uuid),
			KV_UINT("tries", w->tries));
	else
		LOG_WARN(last ? "hook.given_up" : "hook.failed", KV_STR("moment", r.moment),
			KV_STR("uuid", w->uuid), KV_STR("end", hook_end_name(w->end)),
			KV_UINT("tries", w->tries), KV_STR("reason", w->why));
	store_notice_end(
		h->store, &r, NULL, NULL, NULL); /* lost: it is due again after its lease */
}

static void on_told(struct work *work, void *arg)
{
	(void)arg;
	struct hook_work *w = (struct hook_work *)work;
	w->h->moments[w->moment].running--;
	if (w->end != HOOK_STOPPED)
		record(w);
}

static void tell(struct hooks *h, enum hook_moment moment, const struct store_notice *n)
{
	json_t *told = json_loads(n->json, 0, NULL);
	if (told)
		json_object_set_new(told, "try", json_integer(n->tries));
	struct hook_work *w = run_new(h, moment, told, n->id);
	if (!w) {
		LOG_WARN("hook.unreadable", KV_STR("notice", n->id));
		return; /* no memory: due again after its lease */
	}
	w->tries = n->tries;
	w->work.done = on_told;
	h->moments[moment].running++;
	connector_submit(h->connector, &w->work);
}

struct claim {
	struct hooks *h;
	enum hook_moment moment;
};

static void on_notices(
	const struct store_notice *list, size_t n, const struct error *err, void *arg)
{
	struct claim *c = arg;
	c->h->moments[c->moment].asked = false;
	for (size_t i = 0; !err && i < n; i++)
		tell(c->h, c->moment, &list[i]);
	free(c);
}

static uint32_t lease_ms(const struct conf_hook *c)
{
	uint32_t pauses = c->url[0] ? 500u << c->retries : 0;
	return c->timeout_s * 1000 * (c->url[0] ? c->retries + 1 : 1) + pauses + LEASE_EXTRA;
}

static void look(struct hooks *h, enum hook_moment moment)
{
	struct moment *m = &h->moments[moment];
	struct claim *c = m->asked ? NULL : malloc(sizeof *c);
	if (!c)
		return;
	*c = (struct claim){h, moment};
	uint32_t room = m->conf->concurrency > m->running ? m->conf->concurrency - m->running : 0;
	m->asked = true;
	if (store_notice_claim(h->store, hook_moment_name(moment),
		    room < STORE_NOTICES_MAX ? room : STORE_NOTICES_MAX, lease_ms(m->conf),
		    on_notices, c, NULL) == 0)
		return;
	m->asked = false; /* the store is down */
	free(c);
}

static void on_look(struct boot_timer *t, void *arg)
{
	struct hooks *h = arg;
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].told && h->moments[rows[i].moment].pool)
			look(h, rows[i].moment);
	boot_timer_set_in(t, LOOK_MS);
}

/* ---- asked ----------------------------------------------------------------------------------- */

static void on_asked(struct work *work, void *arg)
{
	struct hook_work *w = (struct hook_work *)work;
	LOG_INFO("hook.asked", KV_STR("moment", hook_moment_name(w->moment)),
		KV_STR("uuid", w->uuid), KV_STR("end", hook_end_name(w->end)),
		KV_STR("reason", w->why));
	w->cb(w->leave, w->why, arg);
}

struct work *hooks_ask_unconfigure(struct hooks *h, json_t *told, const char *delivery,
	hook_leave_cb cb, void *arg, struct error *err)
{
	if (!h || !h->moments[HOOK_BEFORE_UNCONFIGURE].pool) {
		json_decref(told);
		return NULL;
	}
	struct hook_work *w = run_new(h, HOOK_BEFORE_UNCONFIGURE, told, delivery);
	if (!w) {
		error_set(err, -ENOMEM, "no memory for a hook");
		return NULL;
	}
	w->cb = cb;
	w->work.done = on_asked;
	w->work.arg = arg;
	connector_submit(h->connector, &w->work);
	return &w->work;
}

/* ---- open, close ----------------------------------------------------------------------------- */

static void stop_pools(void *arg)
{
	struct hooks *h = arg;
	for (size_t i = 0; i < N_HOOK_MOMENTS; i++)
		hook_pool_close(h->moments[i].pool);
}

int hooks_open(struct hooks **out, uv_loop_t *loop, const struct conf_hooks *conf,
	struct connector *c, struct store *store, const char *owner, struct error *err)
{
	struct hooks *h = calloc(1, sizeof *h);
	ENSURE(h, err, -ENOMEM, "no memory for the hooks");
	*h = (struct hooks){.conf = conf, .connector = c, .store = store, .owner = owner};
	for (size_t i = 0; i < N_ROWS; i++) {
		struct moment *m = &h->moments[rows[i].moment];
		m->conf = (const struct conf_hook *)((const char *)conf + rows[i].offset);
		int rc = hook_is_set(m->conf) ? hook_pool_open(&m->pool, connector_loop(c),
							rows[i].moment, m->conf, err)
					      : 0;
		if (rc < 0) { /* only at start-up: the program ends */
			free(h);
			return rc;
		}
	}
	connector_at_stop(c, stop_pools, h);
	boot_timer_init(&h->look, loop, on_look, h);
	boot_timer_set_in(&h->look, 0);
	*out = h;
	return 0;
}

static void on_look_closed(struct boot_timer *t, void *arg)
{
	(void)t;
	free(arg);
}

void hooks_close(struct hooks *h)
{
	if (h)
		boot_timer_close(&h->look, on_look_closed);
}
