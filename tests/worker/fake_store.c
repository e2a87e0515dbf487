/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/worker/fake_store.h"
#include "tests/worker/worker_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/store/store_wave.h"

struct fake_store fake_store;

#define BLOB_MAX 65536

void fake_store_reset(uv_loop_t *loop)
{
	struct buf *bufs[] = {&fake_store.checkpoint, &fake_store.dek, &fake_store.cur,
		&fake_store.prev, &fake_store.pend};
	for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
		buf_free(bufs[i]);
	for (size_t i = 0; i < fake_store.n_pairs; i++)
		buf_free(&fake_store.pairs[i].sealed);
	fake_store = (struct fake_store){.loop = loop, .gen = 1};
	for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
		buf_init(bufs[i], BLOB_MAX);
}

const char *fake_store_field(const char *name)
{
	for (size_t i = 0; i < FAKE_FIELDS; i++)
		if (strcmp(fake_store.fields[i].name, name) == 0)
			return fake_store.fields[i].value;
	return "";
}

void fake_store_set(const char *name, const char *value, size_t len)
{
	size_t i = 0;
	while (fake_store.fields[i].name[0] && strcmp(fake_store.fields[i].name, name) != 0)
		if (++i == FAKE_FIELDS)
			abort();
	snprintf(fake_store.fields[i].name, sizeof fake_store.fields[i].name, "%s", name);
	snprintf(fake_store.fields[i].value, sizeof fake_store.fields[i].value, "%.*s", (int)len,
		value);
}

void fake_store_next_visit(void)
{
	fake_store.end[0] = fake_store.err[0] = fake_store.txt[0] = '\0';
}

/* One answer, from the loop. */
struct reply {
	uv_timer_t timer;
	store_done_cb done;
	store_fail_cb failed;
	store_begin_cb begun;
	store_renew_cb renewed;
	store_psk_cb psk;
	store_joined_cb joined;
	struct fake_pair *pair;
	size_t n;
	bool dead;
	struct error err;
	void *arg;
};

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void answer_begin(struct reply *r)
{
	struct fake_store *f = &fake_store;
	struct store_device dev = {.state = "active",
		.addr = "",
		.fqdn = fake_store_field("fqdn"),
		.profile = fake_store_field("profile"),
		.ou = fake_store_field("ou"),
		.realm = fake_store_field("realm"),
		.cert_fp = fake_store_field("cert_fp"),
		.cert_serial = fake_store_field("cert_serial"),
		.tags = fake_store_field("tags"),
		.told = fake_store_field("told"),
		.wave = fake_store_field("wave"),
		.marks = fake_store_field("marks"),
		.tlsp = f->tlsp,
		.seen12 = "",
		.pw_tries = f->pw_tries,
		.amt = f->amt,
		.setup_fp = f->setup_fp,
		.setup_fp3 = f->setup_fp3,
		.suffix = ""};
	struct store_job job = {.tries = f->tries, .gen = f->gen};
	job.checkpoint = (struct store_blob){f->checkpoint.data, f->checkpoint.len};
	dev.dek = (struct store_blob){f->dek.data, f->dek.len};
	dev.sec_cur = (struct store_blob){f->cur.data, f->cur.len};
	dev.sec_prev = (struct store_blob){f->prev.data, f->prev.len};
	dev.sec_pend = (struct store_blob){f->pend.data, f->pend.len};
	r->begun(r->err.code ? NULL : &job, r->err.code ? NULL : &dev, r->err.code ? &r->err : NULL,
		r->arg);
}

static void answer_pair(struct reply *r)
{
	struct store_psk p = {.source = "", .bad_uuid = ""};
	if (r->pair) {
		snprintf(p.pid, sizeof p.pid, "%s", r->pair->pid);
		p.sealed = (struct store_blob){r->pair->sealed.data, r->pair->sealed.len};
		p.state = r->pair->state;
		p.uuid = r->pair->uuid;
	}
	r->psk(r->pair && !r->err.code ? &p : NULL, r->err.code ? &r->err : NULL, r->arg);
}

static void on_reply(uv_timer_t *t)
{
	struct reply *r = t->data;
	const struct error *err = r->err.code ? &r->err : NULL;
	int codes[STORE_BATCH_MAX] = {0};
	if (r->done)
		r->done(err, r->arg);
	else if (r->failed)
		r->failed(r->dead, err, r->arg);
	else if (r->joined)
		r->joined(STORE_JOINED_GO, r->err.code ? &r->err : NULL, r->arg);
	else if (r->begun)
		answer_begin(r);
	else if (r->psk)
		answer_pair(r);
	else if (r->renewed)
		r->renewed(err ? NULL : codes, r->n, err, r->arg);
	uv_close((uv_handle_t *)t, on_closed);
}

static struct reply *reply_new(void *arg)
{
	struct reply *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	r->arg = arg;
	r->timer.data = r;
	uv_timer_init(fake_store.loop, &r->timer);
	uv_timer_start(&r->timer, on_reply, 0, 0);
	if (fake_store.down) {
		fake_store.down--;
		error_set(&r->err, E_CLOSED, "the store is down");
	}
	return r;
}

static void keep(struct buf *b, struct store_blob blob)
{
	b->len = 0;
	if (blob.data && buf_add(b, blob.data, blob.len) < 0)
		abort();
}

static void keep_fields(const struct store_field *fields, size_t n)
{
	struct fake_store *f = &fake_store;
	for (size_t i = 0; i < n; i++) {
		int len = (int)fields[i].value.len;
		const char *text = len ? fields[i].value.data : "";
		if (strcmp(fields[i].name, "dek") == 0 && f->dek.len == 0)
			keep(&f->dek, fields[i].value);
		else if (strcmp(fields[i].name, "pw_tries") == 0)
			snprintf(f->pw_tries, sizeof f->pw_tries, "%.*s", len, text);
		else if (strcmp(fields[i].name, "tlsp") == 0)
			snprintf(f->tlsp, sizeof f->tlsp, "%.*s", len, text);
		else if (strcmp(fields[i].name, "setup_fp") == 0)
			snprintf(f->setup_fp, sizeof f->setup_fp, "%.*s", len, text);
		else if (strcmp(fields[i].name, "setup_fp3") == 0)
			snprintf(f->setup_fp3, sizeof f->setup_fp3, "%.*s", len, text);
		else if (strcmp(fields[i].name, "amt") == 0)
			snprintf(f->amt, sizeof f->amt, "%.*s", len, text);
		else
			fake_store_set(fields[i].name, text, (size_t)len);
	}
}

int store_begin(struct store *s, const struct store_lease *lease, const char *owner,
	uint32_t ttl_ms, store_begin_cb cb, void *arg, struct error *err)
{
	(void)s, (void)lease, (void)owner, (void)ttl_ms, (void)err;
	reply_new(arg)->begun = cb;
	return 0;
}

/* As the store: a key of secrets is never replaced. */
static bool dek_same(const struct store_step *step)
{
	const struct buf *dek = &fake_store.dek;
	for (size_t i = 0; i < step->n_fields; i++) {
		struct store_blob v = step->fields[i].value;
		if (strcmp(step->fields[i].name, "dek") == 0 && dek->len &&
			(v.len != dek->len || memcmp(v.data, dek->data, v.len) != 0))
			return false;
	}
	return true;
}

int store_step(struct store *s, const struct store_lease *lease, const struct store_step *step,
	store_done_cb cb, void *arg, struct error *err)
{
	(void)s, (void)lease, (void)err;
	struct fake_store *f = &fake_store;
	struct reply *r = reply_new(arg);
	r->done = cb;
	if (r->err.code)
		return 0;
	f->n_steps++;
	if (!dek_same(step)) {
		error_set(&r->err, E_STATE, "another dek");
		return 0;
	}
	snprintf(f->last_step, sizeof f->last_step, "%s", step->step);
	if (f->stale_at && strcmp(f->stale_at, step->step) == 0) {
		error_set(&r->err, E_STALE, "another owner");
		return 0;
	}
	keep(&f->checkpoint, step->checkpoint);
	if (step->act == STORE_SECRET_PENDING) {
		keep(&f->pend, step->pending);
	} else if ((step->act == STORE_SECRET_PROMOTE || step->act == STORE_SECRET_SETTLE) &&
		   f->pend.len) {
		if (step->act == STORE_SECRET_PROMOTE)
			keep(&f->prev, (struct store_blob){f->cur.data, f->cur.len});
		keep(&f->cur, (struct store_blob){f->pend.data, f->pend.len});
		f->pend.len = 0;
	}
	f->pend_before_secret |= strcmp(step->step, "mebx.set") == 0 && f->pend.len > 0;
	keep_fields(step->fields, step->n_fields);
	if (f->replies_lost) {
		f->replies_lost--;
		error_set(&r->err, E_CLOSED, "the reply was lost");
	}
	if (f->lost_at && strcmp(f->lost_at, step->step) == 0)
		error_set(&r->err, E_STALE, "another owner");
	return 0;
}

int store_renew(struct store *s, const struct store_lease *leases, size_t n, uint32_t ttl_ms,
	store_renew_cb cb, void *arg, struct error *err)
{
	(void)s, (void)leases, (void)ttl_ms, (void)err;
	struct reply *r = reply_new(arg);
	r->renewed = cb;
	r->n = n;
	fake_store.n_renews++;
	return 0;
}

static void ended(const char *how, const char *err, const char *txt, const char *step)
{
	struct fake_store *f = &fake_store;
	snprintf(f->end, sizeof f->end, "%s", how);
	snprintf(f->err, sizeof f->err, "%s", err ? err : "");
	snprintf(f->txt, sizeof f->txt, "%s", txt ? txt : "");
	snprintf(f->end_step, sizeof f->end_step, "%s", step ? step : "");
}

int store_finish(struct store *s, const struct store_lease *lease, const char *result,
	const struct store_field *fields, size_t n_fields, store_done_cb cb, void *arg,
	struct error *err)
{
	(void)s, (void)lease, (void)err;
	struct reply *r = reply_new(arg);
	r->done = cb;
	if (!r->err.code && fake_store.pend.len && !fake_store.reads_only)
		error_set(&r->err, E_STATE, "a secret is pending");
	else if (!r->err.code) {
		keep_fields(fields, n_fields);
		ended("finish", NULL, result, NULL);
	}
	return 0;
}

int store_fail(struct store *s, const struct store_lease *lease, const struct store_failure *f,
	store_fail_cb cb, void *arg, struct error *err)
{
	(void)s, (void)lease, (void)err;
	struct reply *r = reply_new(arg);
	r->failed = cb;
	r->dead = f->dead;
	fake_store.delay_ms = f->delay_ms;
	if (r->err.code)
		return 0;
	keep(&fake_store.checkpoint, f->checkpoint);
	keep_fields(f->fields, f->n_fields);
	ended(f->dead ? "dead" : "retry", f->err, f->txt, f->step);
	return 0;
}

int store_park(struct store *s, const struct store_lease *lease, const struct store_park *p,
	store_done_cb cb, void *arg, struct error *err)
{
	(void)s, (void)lease, (void)err;
	struct reply *r = reply_new(arg);
	r->done = cb;
	if (r->err.code)
		return 0;
	keep_fields(p->fields, p->n_fields);
	ended("park", p->err, p->txt, p->step);
	snprintf(fake_store.quarantine, sizeof fake_store.quarantine, "%s",
		p->quarantine ? p->quarantine : "");
	snprintf(fake_store.why, sizeof fake_store.why, "%s", p->why);
	fake_store.poll = p->poll_ms != STORE_NEVER;
	return 0;
}

int store_release(struct store *s, const struct store_lease *lease, const char *step,
	struct store_blob checkpoint, store_done_cb cb, void *arg, struct error *err)
{
	(void)s, (void)lease, (void)err;
	reply_new(arg)->done = cb;
	keep(&fake_store.checkpoint, checkpoint);
	ended("release", NULL, NULL, step);
	return 0;
}

int store_wave_join(struct store *s, const struct store_lease *lease, const char *wave,
	store_joined_cb cb, void *arg, struct error *err)
{
	(void)s, (void)lease, (void)wave, (void)err;
	reply_new(arg)->joined = cb;
	return 0;
}

int store_extended(struct store *s, const struct store_lease *lease, const char *step,
	struct store_blob checkpoint, uint64_t window_ms, store_done_cb cb, void *arg,
	struct error *err)
{
	fake_store.window_ms = window_ms;
	return store_release(s, lease, step, checkpoint, cb, arg, err);
}

uint64_t store_backoff_ms(uint32_t tries, uint64_t min_ms, uint64_t max_ms, uint64_t random)
{
	(void)tries, (void)max_ms, (void)random;
	return min_ms;
}

/* ---- PSK pairs ----------------------------------------------------------------------------------
 */

struct fake_pair *fake_store_pair(const char *pid, const void *sealed, size_t len)
{
	if (fake_store.n_pairs == FAKE_PAIRS)
		abort();
	struct fake_pair *p = &fake_store.pairs[fake_store.n_pairs++];
	snprintf(p->pid, sizeof p->pid, "%s", pid);
	snprintf(p->state, sizeof p->state, "free");
	buf_init(&p->sealed, BLOB_MAX);
	keep(&p->sealed, (struct store_blob){sealed, len});
	return p;
}

struct fake_pair *fake_store_pair_find(const char *pid)
{
	for (size_t i = 0; i < fake_store.n_pairs; i++)
		if (strcmp(fake_store.pairs[i].pid, pid) == 0)
			return &fake_store.pairs[i];
	return NULL;
}

int store_psk_get(struct store *s, const char *pid, store_psk_cb cb, void *arg, struct error *err)
{
	(void)s, (void)err;
	struct reply *r = reply_new(arg);
	r->psk = cb;
	r->pair = fake_store_pair_find(pid);
	if (!r->err.code && !r->pair)
		error_set(&r->err, -ENOENT, "no pair %s", pid);
	return 0;
}

int store_psk_put(struct store *s, const char *pid, struct store_blob sealed, const char *uuid,
	const char *source, const char *who, store_psk_cb cb, void *arg, struct error *err)
{
	(void)s, (void)source, (void)who, (void)err;
	struct reply *r = reply_new(arg);
	r->psk = cb;
	r->pair = fake_store_pair_find(pid);
	if (r->err.code || r->pair)
		return 0;
	struct fake_pair *p = fake_store_pair(pid, sealed.data, sealed.len);
	snprintf(p->uuid, sizeof p->uuid, "%s", uuid);
	snprintf(p->state, sizeof p->state, "fresh");
	return 0;
}

int store_psk_mark(struct store *s, const char *pid, const char *uuid, const char *job,
	enum store_psk_mark what, store_done_cb cb, void *arg, struct error *err)
{
	(void)s, (void)job, (void)err;
	struct fake_pair *p = fake_store_pair_find(pid);
	struct reply *r = cb ? reply_new(arg) : NULL;
	if (r)
		r->done = cb;
	if (p && what == STORE_PSK_MISMATCH) {
		p->bad++;
	} else if (p && !(r && r->err.code)) {
		snprintf(p->state, sizeof p->state, "used");
		snprintf(p->uuid, sizeof p->uuid, "%s", uuid);
	}
	return 0;
}

/* ---- notices: these tests have no such hooks ----------------------------------------------------
 */

int store_notice_claim(struct store *s, const char *moment, uint32_t n, uint32_t lease_ms,
	store_notices_cb cb, void *arg, struct error *err)
{
	(void)s, (void)n, (void)lease_ms, (void)cb, (void)arg, (void)err;
	fail_msg("notices of %s are asked for", moment);
	return -1;
}

int store_notice_end(struct store *s, const struct store_notice_result *r, store_done_cb cb,
	void *arg, struct error *err)
{
	(void)s, (void)cb, (void)arg, (void)err;
	fail_msg("the notice %s is ended", r->id);
	return -1;
}
