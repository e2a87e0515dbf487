/* SPDX-License-Identifier: Apache-2.0 */
/* See model.h. */
#include "tests/common/store/model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define SWING_MS (60 * 60 * 1000)
#define KEEP_MS  ((int64_t)7 * 24 * 3600 * 1000)
#define NEVER    INT64_MAX

const char *const model_list_keys[] = {
	NULL, "ready", "lease", "wait:ca", "wait:ad", "wait:manual", "dead", "done"};

static void set(char *field, size_t max, const char *value)
{
	snprintf(field, max, "%s", value);
}
#define SET(field, value) set(field, sizeof(field), value)

void model_init(struct model *m)
{
	memset(m, 0, sizeof *m);
	for (int i = 0; i < MODEL_DEVICES; i++) {
		struct model_device *d = &m->devs[i];
		memset(d, 0, sizeof *d);
		d->gen = d->alt_ms = d->quar_ms = d->hellos = d->first = d->last = -1;
		d->hello_ms = d->done_ms = d->end_ms = d->job = -1;
	}
}

static int64_t next_fence(int64_t stored, int64_t now)
{
	return stored + 1 > now ? stored + 1 : now;
}

static void move(struct model_job *j, enum model_list list, int64_t score)
{
	j->list = list;
	j->score = score;
}

/* ---- admit ----------------------------------------------------------------------------------- */

static int64_t pace(struct model *m, bool paced, const struct store_admission *l)
{
	if (!paced)
		return m->now;
	double step = 1000.0 / l->subnet_rate;
	double tat = m->tat > (double)m->now ? m->tat : (double)m->now;
	double due = ceil(tat - (l->subnet_burst - 1) * step);
	char printed[40]; /* Redis keeps three digits */
	snprintf(printed, sizeof printed, "%.3f", tat + step);
	m->tat = strtod(printed, NULL);
	return due > (double)m->now ? (int64_t)due : m->now;
}

static bool source_swings(struct model *m, struct model_device *d, const char *addr)
{
	if (strcmp(d->src, addr) == 0)
		return false;
	bool swing = strcmp(d->alt, addr) == 0 && m->now - d->alt_ms <= SWING_MS;
	if (d->src[0]) {
		SET(d->alt, d->src);
		d->alt_ms = d->last;
	}
	SET(d->src, addr);
	return swing;
}

static int waiting(const struct model *m)
{
	int n = 0;
	for (int i = 0; i < m->n_jobs; i++)
		n += m->jobs[i].list >= LIST_CA && m->jobs[i].list <= LIST_MANUAL;
	return n;
}

static void quarantine(struct model *m, struct model_device *d, const char *why)
{
	SET(d->quar, why);
	d->quar_ms = m->now;
}

static enum store_verdict admit_active(struct model *m, struct model_device *d,
	const struct model_hello *h, const struct store_admission *l, bool swing)
{
	struct model_job *j = &m->jobs[d->job];
	if (d->quar[0])
		return STORE_DENY;
	if (j->list == LIST_LEASE)
		return STORE_DUP;
	if (swing) {
		move(j, LIST_MANUAL, NEVER);
		quarantine(m, d, "address_swing");
		m->n_events++;
		return STORE_DENY;
	}
	if (d->done_ms < 0)
		SET(d->addr, h->addr);
	if (j->list == LIST_READY && j->score > m->now) {
		int64_t due = pace(m, h->paced, l);
		j->score = due < j->score ? due : j->score;
	}
	return STORE_DUP;
}

/* The passwords of the life before are kept as the previous ones. */
static void open_generation(struct model_device *d, int64_t gen, int64_t hello_ms)
{
	if (d->cur[0])
		SET(d->prev, d->cur);
	d->cur[0] = d->unconf[0] = d->res[0] = d->err[0] = d->txt[0] = '\0';
	d->has_err = false;
	d->done_ms = -1;
	d->gen = gen;
	d->hello_ms = hello_ms;
}

static int admit_new(struct model *m, struct model_device *d, const struct model_hello *h,
	const struct store_admission *l, bool swing)
{
	if (d->gen < 1)
		d->gen = 1;
	bool done = strcmp(d->state, "done") == 0;
	bool served = done || strcmp(d->state, "unconfigured") == 0;
	int64_t gen = d->gen + served;
	bool approval = gen > 1 && strcmp(d->rehello, "auto") != 0 && strcmp(d->unconf, "1") != 0;
	bool held = d->placeholder || swing || approval;
	struct model_job *j = &m->jobs[m->n_jobs];
	memset(j, 0, sizeof *j);
	j->dev = h->dev;
	j->gen = gen;
	j->begun = j->ended = -1;
	j->created = m->now;
	SET(j->pl, h->raw);
	SET(j->tp, h->tp);
	if (held) {
		SET(j->st, "waiting");
		SET(j->why, "manual");
		j->has_err = true;
		SET(j->err, d->placeholder || swing ? "quarantine" : "approval");
		SET(j->txt, d->placeholder ? "many boards carry this UUID"
			    : swing        ? "two addresses say Hello with this UUID"
				    : "the device was configured before and says Hello again");
		move(j, LIST_MANUAL, NEVER);
		if (d->placeholder || swing)
			quarantine(m, d, d->placeholder ? "placeholder_uuid" : "address_swing");
	} else {
		SET(j->st, "ready");
		move(j, LIST_READY, pace(m, h->paced, l));
	}
	if (served && !(done && held))
		open_generation(d, gen, m->now);
	SET(d->state, "active");
	d->job = m->n_jobs;
	if (done && held) { /* it stays as it is */
		SET(j->back, "done");
	} else {
		SET(d->addr, h->addr);
		d->hello_ms = d->hello_ms < 0 ? m->now : d->hello_ms;
		d->has_err = false;
		d->err[0] = d->txt[0] = '\0';
	}
	m->n_events++;
	return m->n_jobs++;
}

enum store_verdict model_admit(
	struct model *m, const struct model_hello *h, const struct store_admission *l, int *job)
{
	struct model_device *d = &m->devs[h->dev];
	bool active = strcmp(d->state, "active") == 0, dead = strcmp(d->state, "dead") == 0;
	bool cool = strcmp(d->state, "unconfigured") != 0 && d->end_ms >= 0 &&
		    m->now - d->end_ms < (int64_t)l->cooldown_ms;
	if (!active && !dead && !cool && !d->deny[0] && waiting(m) >= (int)l->max_waiting)
		return STORE_BUSY;
	bool swing = source_swings(m, d, h->addr);
	d->hellos = d->hellos < 0 ? 1 : d->hellos + 1;
	d->last = m->now;
	d->first = d->first < 0 ? m->now : d->first;
	if (d->deny[0])
		return STORE_DENY;
	if (active)
		return admit_active(m, d, h, l, swing);
	if (dead) {
		SET(d->addr, h->addr);
		return STORE_IGN;
	}
	if (cool)
		return STORE_IGN;
	*job = admit_new(m, d, h, l, swing);
	return STORE_NEW;
}

/* ---- claim, reap ----------------------------------------------------------------------------- */

/* The first job of a list by score and id with a score below the bound, or -1. */
static int first_of(const struct model *m, enum model_list list, int64_t below)
{
	int best = -1;
	for (int i = 0; i < m->n_jobs; i++) {
		const struct model_job *j = &m->jobs[i];
		if (j->list != list || j->score >= below)
			continue;
		if (best < 0 || j->score < m->jobs[best].score ||
			(j->score == m->jobs[best].score && strcmp(j->id, m->jobs[best].id) < 0))
			best = i;
	}
	return best;
}

int model_claim(struct model *m, int n, int64_t lease_ms, int *out)
{
	int got = 0;
	for (int i; got < n && (i = first_of(m, LIST_READY, m->now + 1)) >= 0; got++) {
		struct model_job *j = &m->jobs[i];
		j->fence = next_fence(j->fence, m->now);
		SET(j->st, "leased");
		j->owner[0] = '\0';
		struct model_device *d = &m->devs[j->dev];
		if (!j->kind && d->src[0] && !d->quar[0]) /* a device in service says no Hello */
			SET(d->addr, d->src);
		move(j, LIST_LEASE, m->now + lease_ms);
		m->n_events++;
		out[got] = i;
	}
	return got;
}

static void kill_job(struct model *m, struct model_job *j, const char *err, const char *txt)
{
	struct model_device *d = &m->devs[j->dev];
	SET(j->st, "dead");
	j->ended = m->now;
	j->has_err = d->has_err = true;
	SET(j->err, err);
	SET(j->txt, txt);
	SET(d->err, err);
	SET(d->txt, txt);
	SET(d->state, j->back[0] ? j->back : "dead");
	move(j, LIST_DEAD, m->now);
}

static bool reap_one(struct model *m, struct model_job *j, int max_lost)
{
	char txt[128];
	bool begun = j->owner[0] != '\0';
	j->fence = next_fence(j->fence, m->now);
	j->owner[0] = '\0';
	j->lost += begun;
	m->n_events++;
	if (begun && j->lost >= max_lost) {
		snprintf(txt, sizeof txt, "the worker was lost %d times during this job",
			(int)j->lost);
		kill_job(m, j, "lease_lost", txt);
		return true;
	}
	SET(j->st, "ready");
	move(j, LIST_READY, m->now);
	return false;
}

void model_reap(
	struct model *m, int64_t grace_ms, int max_lost, int limit, struct store_reaped *out)
{
	memset(out, 0, sizeof *out);
	int i, n = 0;
	for (; n < limit && (i = first_of(m, LIST_LEASE, m->now - grace_ms)) >= 0; n++) {
		if (reap_one(m, &m->jobs[i], max_lost))
			out->dead++;
		else
			out->requeued++;
	}
	out->more = n == limit;
	for (enum model_list list = LIST_CA; list <= LIST_MANUAL; list++) {
		for (n = 0; n < limit && (i = first_of(m, list, m->now + 1)) >= 0; n++) {
			SET(m->jobs[i].st, "ready");
			move(&m->jobs[i], LIST_READY, m->now);
			m->n_events++;
			out->woken++;
		}
		out->more = out->more || n == limit;
	}
}

/* ---- the owner's calls ----------------------------------------------------------------------- */

static struct model_job *owned(struct model *m, const struct model_lease *l, bool begun)
{
	struct model_job *j = &m->jobs[l->job];
	bool ok = !j->gone && strcmp(j->st, "leased") == 0 && j->fence == l->fence &&
		  j->dev == l->dev && (!begun || j->owner[0]);
	return ok ? j : NULL;
}

static int fields_ok(const struct model_device *d, const struct model_fields *f)
{
	if (f->bad)
		return E_STATE;
	if (f->dek && d->dek[0] && strcmp(f->dek, d->dek) != 0)
		return E_STATE;
	return 0;
}

static void fields_set(struct model_device *d, const struct model_fields *f)
{
	if (f->fqdn)
		SET(d->fqdn, f->fqdn);
	if (f->dek)
		SET(d->dek, f->dek);
	if (f->rehello)
		SET(d->rehello, f->rehello);
	if (f->unconf)
		SET(d->unconf, f->unconf);
}

static void prolong(struct model_job *j, int64_t till)
{
	j->score = till > j->score ? till : j->score;
}

int model_begin(struct model *m, const struct model_lease *l, const char *owner, int64_t ttl_ms)
{
	struct model_job *j = owned(m, l, false);
	if (!j || (j->owner[0] && strcmp(j->owner, owner) != 0))
		return E_STALE;
	prolong(j, m->now + ttl_ms);
	if (!j->owner[0]) {
		SET(j->owner, owner);
		j->begun = m->now;
		m->n_events++;
	}
	return 0;
}

int model_step(struct model *m, const struct model_lease *l, const char *step, const char *ck,
	int64_t ttl_ms, enum store_secret_act act, const char *pending,
	const struct model_fields *f)
{
	struct model_job *j = owned(m, l, true);
	if (!j)
		return E_STALE;
	struct model_device *d = &m->devs[j->dev];
	TRY(fields_ok(d, f));
	bool settle = act == STORE_SECRET_SETTLE, promote = act == STORE_SECRET_PROMOTE || settle;
	if (promote && !d->pend[0] && !d->cur[0])
		return E_STATE;
	prolong(j, m->now + ttl_ms);
	SET(j->step, step);
	if (ck)
		SET(j->ck, ck);
	if (act == STORE_SECRET_PENDING)
		SET(d->pend, pending);
	if (act == STORE_SECRET_DROP)
		d->pend[0] = '\0';
	if (promote && d->pend[0]) {
		if (d->cur[0] && !settle)
			SET(d->prev, d->cur);
		SET(d->cur, d->pend);
		d->pend[0] = '\0';
	}
	m->n_events += act != STORE_SECRET_KEEP;
	fields_set(d, f);
	return 0;
}

int model_renew(struct model *m, const struct model_lease *l, int64_t ttl_ms)
{
	struct model_job *j = owned(m, l, true);
	if (!j)
		return E_STALE;
	prolong(j, m->now + ttl_ms);
	return 0;
}

static void trim_done(struct model *m)
{
	for (int n = 0; n < 2; n++) {
		int i = first_of(m, LIST_DONE, m->now - KEEP_MS + 1);
		if (i < 0)
			return;
		move(&m->jobs[i], LIST_NONE, 0);
	}
}

int model_finish(struct model *m, const struct model_lease *l, const char *result,
	const struct model_fields *f)
{
	struct model_job *j = &m->jobs[l->job];
	if (!j->gone && strcmp(j->st, "done") == 0 && j->fence == l->fence && j->dev == l->dev)
		return strcmp(j->res, result) == 0 ? 0 : E_STATE;
	j = owned(m, l, true);
	if (!j)
		return E_STALE;
	struct model_device *d = &m->devs[j->dev];
	TRY(fields_ok(d, f));
	if (d->pend[0] && !(j->kind && strcmp(j->kind, "check") == 0))
		return E_STATE;
	bool setup = !j->kind || strcmp(j->kind, "adopt") == 0;
	d->err[0] = d->txt[0] = '\0';
	if (setup)
		d->unconf[0] = '\0';
	fields_set(d, f);
	SET(j->st, "done");
	SET(j->res, result);
	j->has_res = true;
	j->ended = m->now;
	if (setup)
		d->done_ms = d->end_ms = m->now;
	j->pl[0] = j->ck[0] = j->err[0] = j->txt[0] = '\0';
	j->has_err = d->has_err = false;
	j->expires = true;
	move(j, LIST_DONE, m->now);
	trim_done(m);
	if (setup)
		SET(d->state, "done");
	else if (strcmp(j->kind, "unconfigure") == 0)
		SET(d->state, "unconfigured");
	else
		SET(d->state, j->back);
	SET(d->res, result);
	m->n_events++;
	return 0;
}

int model_fail(struct model *m, const struct model_lease *l, bool dead, int max_attempts,
	int64_t delay_ms, const char *err, const struct model_fields *f, bool *died)
{
	struct model_job *j = owned(m, l, true);
	if (!j)
		return E_STALE;
	struct model_device *d = &m->devs[j->dev];
	TRY(fields_ok(d, f));
	fields_set(d, f);
	j->tries++;
	j->owner[0] = '\0';
	m->n_events++;
	*died = dead || j->tries >= max_attempts;
	if (*died) {
		kill_job(m, j, err, "text");
		return 0;
	}
	j->has_err = d->has_err = true;
	SET(j->err, err);
	SET(j->txt, "text");
	SET(d->err, err);
	SET(d->txt, "text");
	SET(j->st, "ready");
	move(j, LIST_READY, m->now + delay_ms);
	return 0;
}

int model_park(struct model *m, const struct model_lease *l, const char *why, int64_t poll_ms,
	const char *err, const char *held)
{
	struct model_job *j = owned(m, l, true);
	if (!j)
		return E_STALE;
	SET(j->st, "waiting");
	SET(j->why, why);
	j->has_err = true;
	SET(j->err, err);
	SET(j->txt, "text");
	j->owner[0] = '\0';
	enum model_list list = LIST_CA;
	while (strcmp(model_list_keys[list] + strlen("wait:"), why) != 0)
		list++;
	move(j, list, poll_ms == NEVER ? NEVER : m->now + poll_ms);
	if (held)
		quarantine(m, &m->devs[j->dev], held);
	m->n_events++;
	return 0;
}

int model_release(struct model *m, const struct model_lease *l)
{
	struct model_job *j = owned(m, l, false);
	if (!j)
		return E_STALE;
	SET(j->st, "ready");
	j->owner[0] = '\0';
	move(j, LIST_READY, m->now);
	m->n_events++;
	return 0;
}

/* ---- the operator's calls -------------------------------------------------------------------- */

bool model_over(const struct model_job *j)
{
	return strcmp(j->st, "done") == 0 || strcmp(j->st, "cancelled") == 0;
}

int model_cancel(struct model *m, int job, int dev, const char *text)
{
	struct model_job *j = &m->jobs[job];
	if (j->gone || j->dev != dev)
		return -ENOENT;
	if (model_over(j))
		return E_STATE;
	struct model_device *d = &m->devs[dev];
	j->fence = next_fence(j->fence, m->now);
	SET(j->st, "cancelled");
	j->owner[0] = j->pl[0] = j->ck[0] = '\0';
	j->ended = m->now;
	j->has_err = true;
	SET(j->err, "cancelled");
	SET(j->txt, text);
	j->expires = true;
	move(j, LIST_NONE, 0);
	m->n_events++;
	if (d->job != job) /* an old dead one */
		return 0;
	SET(d->state, j->back[0] ? j->back : "cancelled");
	if (!j->kind)
		d->end_ms = m->now;
	if (!j->kind && j->back[0])
		SET(d->src, d->addr); /* not where the refused Hello came from */
	d->quar[0] = '\0';
	d->quar_ms = -1;
	return 0;
}

int model_kick(struct model *m, int job, int dev, const char *addr)
{
	struct model_job *j = &m->jobs[job];
	if (j->gone || j->dev != dev)
		return -ENOENT;
	struct model_device *d = &m->devs[dev];
	if (model_over(j) || strcmp(j->st, "leased") == 0 || d->job != job || (!addr && d->quar[0]))
		return E_STATE;
	j->fence = next_fence(j->fence, m->now);
	if (strcmp(j->st, "dead") == 0) {
		j->tries = j->lost = 0;
		j->ended = -1;
	}
	SET(j->st, "ready");
	if (!d->quar[0] && strcmp(j->err, "approval") == 0)
		j->approved = true;
	if (!d->quar[0] && strcmp(j->err, "wave") == 0)
		j->kicked = true;
	if (j->back[0] && !j->kind) {
		j->back[0] = '\0';
		open_generation(d, j->gen, j->created);
	}
	move(j, LIST_READY, m->now);
	SET(d->state, "active");
	if (addr) {
		SET(d->addr, addr);
		SET(d->src, addr);
		d->quar[0] = d->alt[0] = '\0';
		d->quar_ms = d->alt_ms = -1;
	}
	m->n_events++;
	return 0;
}

int model_open(
	struct model *m, int dev, const char *kind, const char *addr, int64_t delay_ms, int *job)
{
	struct model_device *d = &m->devs[dev];
	bool adopt = strcmp(kind, "adopt") == 0;
	if (d->first < 0 && !adopt)
		return -ENOENT;
	bool done = strcmp(d->state, "done") == 0, lost = strcmp(d->err, "changed_hands") == 0;
	if (adopt ? strcmp(d->state, "active") == 0 || (done && !lost) : !done)
		return E_STATE;
	if (!addr && (!d->addr[0] || d->quar[0]))
		return E_STATE;
	struct model_job *j = &m->jobs[m->n_jobs];
	memset(j, 0, sizeof *j);
	j->dev = dev;
	j->kind = kind;
	SET(j->back, d->state[0] ? d->state : "dead");
	SET(j->st, "ready");
	j->created = m->now;
	j->begun = j->ended = -1;
	d->gen = j->gen = d->gen > 1 ? d->gen : 1;
	d->first = d->first < 0 ? m->now : d->first;
	d->job = *job = m->n_jobs;
	SET(d->state, "active");
	if (addr) {
		SET(d->addr, addr);
		if (d->last >= 0)
			SET(d->src, addr);
		d->quar[0] = d->alt[0] = '\0';
		d->quar_ms = d->alt_ms = -1;
	}
	move(j, LIST_READY, m->now + delay_ms);
	m->n_events++;
	m->n_jobs++;
	return 0;
}

int model_expect(
	struct model *m, int dev, const char *told, const struct model_fields *f, bool *kept)
{
	struct model_device *d = &m->devs[dev];
	bool active = strcmp(d->state, "active") == 0, dead = strcmp(d->state, "dead") == 0;
	bool named = d->cur[0] || d->pend[0]; /* our passwords are on their way with the name */
	*kept = strcmp(d->told, told) == 0;
	if (*kept)
		return 0;
	if (strcmp(d->state, "done") == 0 || ((active || dead) && named) ||
		(active && m->jobs[d->job].list == LIST_LEASE))
		return E_STATE;
	TRY(fields_ok(d, f));
	SET(d->told, told);
	if (!d->state[0])
		SET(d->state, "expected");
	fields_set(d, f);
	m->n_events++;
	return 0;
}

int model_deny(struct model *m, int dev, const char *reason)
{
	SET(m->devs[dev].deny, reason ? reason : "");
	m->n_events++;
	return 0;
}

int model_forget(struct model *m, int dev, int job)
{
	struct model_device *d = &m->devs[dev], empty;
	if (d->first < 0 && !d->deny[0] && !d->told[0])
		return -ENOENT;
	if (strcmp(d->state, "active") == 0 || d->job != job)
		return E_STATE;
	if (job >= 0) {
		m->jobs[job].gone = true;
		move(&m->jobs[job], LIST_NONE, 0);
	}
	memset(&empty, 0, sizeof empty);
	memcpy(empty.uuid, d->uuid, sizeof empty.uuid);
	empty.placeholder = d->placeholder;
	empty.gen = empty.alt_ms = empty.quar_ms = empty.hellos = empty.first = empty.last = -1;
	empty.hello_ms = empty.done_ms = empty.end_ms = empty.job = -1;
	*d = empty;
	m->n_events++;
	return 0;
}
