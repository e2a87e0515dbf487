/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sequences of all functions, against the model, in a real Redis: after each operation the
 * answer and the whole state (every hash, sorted set, pace, number of events) must be equal.
 *
 * Time: the tested text is the library of the product with one function replaced: now_ms() reads
 * key test:now instead of TIME. So the product carries no switch for time. A failure prints the
 * seed and the sequence up to it, which is its shortest failing prefix. MUSTER_MODEL_SEED=n runs
 * one seed, MUSTER_MODEL_SEEDS=n that many.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/common/store/model.h"
#include "tests/common/store/server.h"
#include "tests/common/store/site.h"

#define SEEDS     60
#define OPS       250
#define TRACE_LEN 400

static struct server server;

struct run {
	struct site site;
	struct model model;
	uint64_t seed, random;
	char trace[OPS][TRACE_LEN];
	int n_ops;
	char pending[MODEL_TEXT]; /* the newest secret; each is new */
	struct error err;
};

static const char *const addrs[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

/* ---- random ---------------------------------------------------------------------------------- */

static uint64_t rnd(struct run *r, uint64_t n)
{
	uint64_t x = (r->random += 0x9e3779b97f4a7c15); /* splitmix64 */
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return (x ^ (x >> 31)) % n;
}

static bool chance(struct run *r, int percent)
{
	return rnd(r, 100) < (uint64_t)percent;
}

__attribute__((format(printf, 2, 3))) static void trace(struct run *r, const char *fmt, ...)
{
	char *at = r->trace[r->n_ops];
	size_t len = strlen(at);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(at + len, TRACE_LEN - len, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3), noreturn)) static void broken(
	struct run *r, const char *fmt, ...)
{
	char text[600];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (int i = 0; i <= r->n_ops && i < OPS; i++)
		printf("%4d %s\n", i, r->trace[i]);
	printf("seed %" PRIu64 ", operation %d: %s\n", r->seed, r->n_ops, text);
	fail_msg("the store and the model differ");
	abort();
}

static void same(struct run *r, const char *what, int64_t got, int64_t want)
{
	if (got != want)
		broken(r, "%s: the store says %" PRId64 " (%s), the model %" PRId64, what, got,
			r->site.text, want);
}

static void clock_set(struct run *r)
{
	char words[64];
	snprintf(words, sizeof words, "SET test:now %" PRId64, r->model.now);
	site_raw(&r->site, words, NULL);
}

/* ---- comparing states ------------------------------------------------------------------------ */

static const char dump_script[] =
	"local out, p = {}, 'muster:{0}:'\n"
	"for _, key in ipairs(redis.call('KEYS', p .. '*')) do\n"
	"  local k, t = string.sub(key, #p + 1), redis.call('TYPE', key).ok\n"
	"  if t == 'hash' then\n"
	"    local h = redis.call('HGETALL', key)\n"
	"    for i = 1, #h, 2 do out[#out + 1] = 'H ' .. k .. ' ' .. h[i] .. ' ' .. h[i + 1] end\n"
	"    if redis.call('TTL', key) > 0 then out[#out + 1] = 'T ' .. k end\n"
	"  elseif t == 'zset' then\n"
	"    local z = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')\n"
	"    for i = 1, #z, 2 do out[#out + 1] = 'Z ' .. k .. ' ' .. z[i] .. ' ' .. z[i + 1] end\n"
	"  elseif t == 'string' then out[#out + 1] = 'S ' .. k .. ' ' .. redis.call('GET', key)\n"
	"  else out[#out + 1] = 'X ' .. k .. ' ' .. redis.call('XLEN', key) end\n"
	"end\n"
	"table.sort(out)\n"
	"return out\n";

static int text_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void compare_state(struct run *r)
{
	static char *want[MODEL_LINES], *got[MODEL_LINES];
	const char *argv[] = {"EVAL", dump_script, "0"};
	redisReply *reply = NULL;
	struct error err;
	if (redis_call(store_redis(r->site.store), 3, argv, NULL, &reply, &err) < 0)
		broken(r, "dump: %s", err.text);
	assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
	size_t n_want = model_dump(&r->model, want, MODEL_LINES), n_got = reply->elements;
	assert_true(n_got < MODEL_LINES && n_want < MODEL_LINES);
	for (size_t i = 0; i < n_got; i++)
		got[i] = reply->element[i]->str;
	qsort(got, n_got, sizeof *got, text_compare);
	for (size_t i = 0; i < n_want || i < n_got; i++) {
		const char *a = i < n_got ? got[i] : "(end)", *b = i < n_want ? want[i] : "(end)";
		if (strcmp(a, b) != 0)
			broken(r, "state:\n  store: %s\n  model: %s", a, b);
	}
	for (size_t i = 0; i < n_want; i++)
		free(want[i]);
	freeReplyObject(reply);
}

/* ---- operations ------------------------------------------------------------------------------ */

static void op_time(struct run *r)
{
	static const int64_t jumps[] = {1, 7, 900, 5000, 20000, 31000, 125000, 700000, 3500000};
	int64_t jump = chance(r, 2) ? (int64_t)8 * 24 * 3600 * 1000
				    : jumps[rnd(r, sizeof jumps / sizeof jumps[0])];
	r->model.now += jump;
	clock_set(r);
	trace(r, "time +%" PRId64, jump);
}

/* The id that the store made for a new job. */
static void job_learn(struct run *r, int job)
{
	char key[80];
	redisReply *reply = NULL;
	struct error err;
	struct model_job *j = &r->model.jobs[job];
	snprintf(key, sizeof key, "muster:{0}:dev:%s", r->model.devs[j->dev].uuid);
	const char *argv[] = {"HGET", key, "job"};
	if (redis_call(store_redis(r->site.store), 3, argv, NULL, &reply, &err) < 0)
		broken(r, "%s", err.text);
	if (reply->type != REDIS_REPLY_STRING || reply->len != UUID_TEXT_LEN)
		broken(r, "a new job has no id");
	memcpy(j->id, reply->str, sizeof j->id);
	freeReplyObject(reply);
	for (int i = 0; i < job; i++)
		if (strcmp(r->model.jobs[i].id, j->id) == 0)
			broken(r, "the new job has an old id");
}

static void op_admit(struct run *r)
{
	struct store_admission limits = {.cooldown_ms = 120000,
		.max_waiting = chance(r, 20) ? 1 : 100,
		.subnet_rate = 2,
		.subnet_burst = 2};
	char raw[MODEL_TEXT];
	snprintf(raw, sizeof raw, "hello-%d", r->n_ops);
	struct model_hello mh = {.dev = (int)rnd(r, MODEL_DEVICES),
		.addr = addrs[chance(r, 75) ? 0 : rnd(r, 3)],
		.raw = raw,
		.tp = "00-aa-bb-01",
		.paced = chance(r, 30)};
	struct store_hello h = {.addr = mh.addr,
		.raw = {raw, strlen(raw)},
		.traceparent = mh.tp,
		.subnet = mh.paced ? "net" : NULL};
	int job = -1;
	trace(r, "admit dev %d from %s%s max_waiting %u", mh.dev, mh.addr, mh.paced ? " paced" : "",
		limits.max_waiting);
	assert_int_equal(uuid_parse(&h.uuid, r->model.devs[mh.dev].uuid), 0);
	enum store_verdict want = model_admit(&r->model, &mh, &limits, &job);
	site_wait(&r->site,
		store_admit(r->site.store, &h, &limits, site_admit_cb, &r->site, &r->err), &r->err);
	same(r, "admit", r->site.code, 0);
	same(r, "verdict", r->site.verdict, want);
	if (job >= 0)
		job_learn(r, job);
}

static void op_claim(struct run *r)
{
	int want[8], n = 1 + (int)rnd(r, 4);
	trace(r, "claim %d", n);
	int n_want = model_claim(&r->model, n, 5000, want);
	site_wait(&r->site,
		store_claim(r->site.store, (uint32_t)n, 5000, site_claim_cb, &r->site, &r->err),
		&r->err);
	same(r, "claim", r->site.code, 0);
	same(r, "number of claims", (int64_t)r->site.n, n_want);
	for (int i = 0; i < n_want; i++) {
		const struct model_job *j = &r->model.jobs[want[i]];
		const struct store_claim *c = &r->site.claims[i];
		if (strcmp(c->id, j->id) != 0 || strcmp(c->uuid, r->model.devs[j->dev].uuid) != 0)
			broken(r, "claim %d is another job or device", i);
		same(r, "fence", (int64_t)c->fence, j->fence);
		same(r, "tries", c->tries, j->tries);
		same(r, "lost", c->lost, j->lost);
		same(r, "gen", c->gen, j->gen);
	}
}

static void op_reap(struct run *r)
{
	struct store_reaped want;
	int limit = chance(r, 20) ? 1 : 100;
	trace(r, "reap limit %d", limit);
	model_reap(&r->model, 5000, 3, limit, &want);
	site_wait(&r->site,
		store_reap(
			r->site.store, 5000, 3, (uint32_t)limit, site_reap_cb, &r->site, &r->err),
		&r->err);
	same(r, "reap", r->site.code, 0);
	same(r, "requeued", r->site.reaped.requeued, want.requeued);
	same(r, "dead", r->site.reaped.dead, want.dead);
	same(r, "woken", r->site.reaped.woken, want.woken);
	same(r, "more", r->site.reaped.more, want.more);
}

/* A job, preferably a leased one, and now and then a wrong fence or device. */
static bool pick_lease(struct run *r, struct model_lease *ml, struct store_lease *l)
{
	struct model *m = &r->model;
	if (m->n_jobs == 0)
		return false;
	ml->job = (int)rnd(r, (uint64_t)m->n_jobs);
	for (int i = 0; i < m->n_jobs && m->jobs[ml->job].list != LIST_LEASE && !chance(r, 5); i++)
		ml->job = (ml->job + 1) % m->n_jobs;
	const struct model_job *j = &m->jobs[ml->job];
	ml->dev = j->dev;
	ml->fence = j->fence;
	if (chance(r, 6))
		ml->fence = j->fence > 0 ? j->fence - 1 : 1;
	if (chance(r, 3))
		ml->dev = (int)rnd(r, MODEL_DEVICES);
	*l = (struct store_lease){j->id, m->devs[ml->dev].uuid, (uint64_t)ml->fence};
	trace(r, " job %d dev %d fence %" PRId64, ml->job, ml->dev, ml->fence);
	return true;
}

static void op_begin(struct run *r)
{
	struct model_lease ml;
	struct store_lease l;
	const char *owner = chance(r, 85) ? "worker-1" : "worker-2";
	trace(r, "begin %s", owner);
	if (!pick_lease(r, &ml, &l))
		return;
	int want = model_begin(&r->model, &ml, owner, 30000);
	int got = site_wait(&r->site,
		store_begin(r->site.store, &l, owner, 30000, site_begin_cb, &r->site, &r->err),
		&r->err);
	same(r, "begin", got, want);
}

/* Random fields, in both forms. */
static size_t pick_fields(struct run *r, struct model_fields *mf, struct store_field *f)
{
	size_t n = 0;
	memset(mf, 0, sizeof *mf);
	if (chance(r, 30))
		mf->fqdn = chance(r, 70) ? "pc1.corp" : "";
	if (chance(r, 30))
		mf->dek = chance(r, 85) ? "dek-a" : "dek-b";
	if (chance(r, 10))
		mf->rehello = chance(r, 30) ? "auto" : "";
	if (chance(r, 25))
		mf->unconf = chance(r, 70) ? "1" : "";
	mf->bad = chance(r, 3);
	const struct {
		const char *name, *value;
	} all[] = {{"fqdn", mf->fqdn}, {"dek", mf->dek}, {"rehello", mf->rehello},
		{"unconf", mf->unconf}, {"state", mf->bad ? "done" : NULL}};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i].value)
			f[n++] = (struct store_field){
				all[i].name, {all[i].value, strlen(all[i].value)}};
	trace(r, " fields %s %s%s", mf->fqdn ? "fqdn" : "-", mf->dek ? mf->dek : "-",
		mf->bad ? " bad" : "");
	return n;
}

static void step_once(struct run *r, const struct model_lease *ml, const struct store_lease *l)
{
	static const char *const steps[] = {"CONNECT", "CLOCK", "ADMIN_PASSWORD", "VERIFY_A"};
	struct model_fields mf;
	struct store_field f[8];
	struct store_step st = {.step = steps[rnd(r, 4)],
		.ttl_ms = chance(r, 50) ? 30000 : 65000,
		.act = (enum store_secret_act)rnd(r, 5),
		.fields = f};
	const char *ck = chance(r, 50) ? "checkpoint" : NULL;
	if (ck)
		st.checkpoint = (struct store_blob){ck, strlen(ck)};
	if (st.act == STORE_SECRET_PENDING) {
		snprintf(r->pending, sizeof r->pending, "secret-%d-%d", r->n_ops,
			(int)rnd(r, 1000000));
		st.pending = (struct store_blob){r->pending, strlen(r->pending)};
	}
	trace(r, "; %s act %d ttl %u", st.step, st.act, st.ttl_ms);
	st.n_fields = pick_fields(r, &mf, f);
	int want = model_step(&r->model, ml, st.step, ck, st.ttl_ms, st.act, r->pending, &mf);
	int got = site_wait(&r->site,
		store_step(r->site.store, l, &st, site_done_cb, &r->site, &r->err), &r->err);
	same(r, "step", got, want);
}

/* Several in a row, so that secrets are replaced within one ownership. */
static void op_step(struct run *r)
{
	struct model_lease ml;
	struct store_lease l;
	trace(r, "step");
	if (!pick_lease(r, &ml, &l))
		return;
	for (uint64_t n = 1 + rnd(r, 6); n > 0; n--)
		step_once(r, &ml, &l);
}

static void op_renew(struct run *r)
{
	struct model_lease ml[4];
	struct store_lease l[4];
	size_t n = 1 + rnd(r, 4);
	trace(r, "renew");
	for (size_t i = 0; i < n; i++)
		if (!pick_lease(r, &ml[i], &l[i]))
			return;
	site_wait(&r->site,
		store_renew(r->site.store, l, n, 30000, site_renew_cb, &r->site, &r->err), &r->err);
	same(r, "renew", r->site.code, 0);
	for (size_t i = 0; i < n; i++)
		same(r, "renewed", r->site.codes[i], model_renew(&r->model, &ml[i], 30000));
}

static void op_finish(struct run *r)
{
	struct model_lease ml;
	struct store_lease l;
	struct model_fields mf;
	struct store_field f[8];
	const char *result = chance(r, 90) ? "configured" : "verified";
	trace(r, "finish %s", result);
	if (!pick_lease(r, &ml, &l))
		return;
	size_t n = pick_fields(r, &mf, f);
	/* Twice now and then: the reply of the first was lost. */
	for (int i = chance(r, 20) ? 2 : 1; i > 0; i--) {
		int want = model_finish(&r->model, &ml, result, &mf);
		int got = site_wait(&r->site,
			store_finish(
				r->site.store, &l, result, f, n, site_done_cb, &r->site, &r->err),
			&r->err);
		same(r, "finish", got, want);
	}
}

static void op_fail(struct run *r)
{
	struct model_lease ml;
	struct store_lease l;
	struct model_fields mf;
	struct store_field fields[8];
	bool died = false;
	struct store_failure f = {.dead = chance(r, 15),
		.max_attempts = 3,
		.delay_ms = rnd(r, 100000),
		.err = chance(r, 80) ? "http_timeout" : "changed_hands",
		.txt = "text",
		.fields = fields};
	trace(r, "fail%s delay %" PRIu64, f.dead ? " dead" : "", f.delay_ms);
	if (!pick_lease(r, &ml, &l))
		return;
	f.n_fields = pick_fields(r, &mf, fields);
	int want = model_fail(&r->model, &ml, f.dead, 3, (int64_t)f.delay_ms, f.err, &mf, &died);
	same(r, "fail",
		site_wait(&r->site,
			store_fail(r->site.store, &l, &f, site_fail_cb, &r->site, &r->err),
			&r->err),
		want);
	same(r, "died", r->site.dead, died && want == 0);
	r->site.dead = false;
}

static void op_park(struct run *r)
{
	static const char *const whys[] = {"ca", "ad", "manual"};
	static const char *const reasons[] = {"pending", "approval", "wave"};
	struct model_lease ml;
	struct store_lease l;
	struct store_park p = {.why = whys[rnd(r, 3)],
		.poll_ms = chance(r, 30) ? STORE_NEVER : 60000,
		.err = "pending",
		.txt = "text",
		.quarantine = chance(r, 30) ? "uuid_mismatch" : NULL};
	if (p.poll_ms == STORE_NEVER) /* what an operator must let go on, and nothing wakes */
		p.err = reasons[rnd(r, 3)];
	trace(r, "park %s %s %s", p.why, p.err, p.quarantine ? p.quarantine : "");
	if (!pick_lease(r, &ml, &l))
		return;
	int want = model_park(&r->model, &ml, p.why,
		p.poll_ms == STORE_NEVER ? INT64_MAX : (int64_t)p.poll_ms, p.err, p.quarantine);
	same(r, "park",
		site_wait(&r->site,
			store_park(r->site.store, &l, &p, site_done_cb, &r->site, &r->err),
			&r->err),
		want);
}

static void op_release(struct run *r)
{
	struct model_lease ml;
	struct store_lease l;
	trace(r, "release");
	if (!pick_lease(r, &ml, &l))
		return;
	int want = model_release(&r->model, &ml);
	same(r, "release",
		site_wait(&r->site,
			store_release(r->site.store, &l, NULL, (struct store_blob){0}, site_done_cb,
				&r->site, &r->err),
			&r->err),
		want);
}

static void op_operator(struct run *r)
{
	struct model *m = &r->model;
	int dev = (int)rnd(r, MODEL_DEVICES);
	int job = m->devs[dev].job >= 0 ? m->devs[dev].job : m->n_jobs - 1;
	for (int i = 0; chance(r, 20) && i < m->n_jobs;
		i++) /* an old one of the device that died */
		if (m->jobs[i].dev == dev && m->jobs[i].list == LIST_DEAD)
			job = i;
	const char *uuid = m->devs[dev].uuid;
	struct store *s = r->site.store;
	if (job < 0)
		return;
	const char *id = m->jobs[job].id;
	int want = 0, rc = 0;
	const char *addr = chance(r, 40) ? addrs[rnd(r, 3)] : NULL;
	if (chance(r, 60)) {
		trace(r, "kick job %d dev %d %s", job, dev, addr ? addr : "");
		want = model_kick(m, job, dev, addr);
		rc = store_kick(s, id, uuid, "op", addr, site_done_cb, &r->site, &r->err);
	} else if (chance(r, 35)) {
		trace(r, "cancel job %d dev %d", job, dev);
		want = model_cancel(m, job, dev, "by op");
		rc = store_cancel(s, id, uuid, "op", "by op", site_done_cb, &r->site, &r->err);
	} else if (chance(r, 50)) {
		const char *reason = chance(r, 30) ? "stolen" : NULL;
		trace(r, "deny dev %d %s", dev, reason ? reason : "lifted");
		want = model_deny(m, dev, reason);
		rc = store_deny(s, uuid, reason, "op", site_done_cb, &r->site, &r->err);
	} else {
		job = m->devs[dev].job;
		trace(r, "forget dev %d", dev);
		want = model_forget(m, dev, job);
		rc = store_forget(s, uuid, job >= 0 ? m->jobs[job].id : NULL, "op", site_done_cb,
			&r->site, &r->err);
	}
	same(r, "operator", site_wait(&r->site, rc, &r->err), want);
}

/* Mostly on devices where it is possible. */
static void op_open(struct run *r)
{
	static const enum job_kind kinds[] = {
		JOB_MAINTAIN, JOB_RENEW, JOB_UNCONFIGURE, JOB_ADOPT, JOB_CHECK};
	struct model *m = &r->model;
	int dev = (int)rnd(r, MODEL_DEVICES), job = -1;
	for (int i = 0; i < MODEL_DEVICES && strcmp(m->devs[dev].state, "done") != 0; i++)
		dev = (dev + 1) % MODEL_DEVICES;
	char id[UUID_TEXT_LEN + 1];
	struct store_opening o = {.uuid = m->devs[dev].uuid,
		.kind = kinds[rnd(r, 5)],
		.args = "x=1",
		.addr = chance(r, 20) ? addrs[rnd(r, 3)] : NULL,
		.delay_ms = chance(r, 50) ? 0 : 5000,
		.who = "op"};
	trace(r, "open %s dev %d %s", job_kind_name(o.kind), dev, o.addr ? o.addr : "");
	int want = model_open(m, dev, job_kind_name(o.kind), o.addr, (int64_t)o.delay_ms, &job);
	same(r, "open",
		site_wait(&r->site,
			store_job_open(r->site.store, &o, id, site_done_cb, &r->site, &r->err),
			&r->err),
		want);
	if (want == 0)
		memcpy(m->jobs[job].id, id, sizeof id);
}

static void op_expect(struct run *r)
{
	static const char *const lists[] = {"by list 1", "by list 2"};
	struct model_fields mf;
	struct store_field f[8];
	int dev = (int)rnd(r, MODEL_DEVICES);
	const char *told = lists[rnd(r, 2)];
	bool kept = false;
	trace(r, "expect dev %d %s", dev, told);
	size_t n = pick_fields(r, &mf, f);
	int want = model_expect(&r->model, dev, told, &mf, &kept);
	same(r, "expect",
		site_wait(&r->site,
			store_expect(r->site.store, r->model.devs[dev].uuid, "op", told, f, n,
				site_expect_cb, &r->site, &r->err),
			&r->err),
		want);
	same(r, "kept", r->site.kept, kept);
}

static const struct {
	int weight;
	void (*run)(struct run *r);
} ops[] = {
	{22, op_admit},
	{12, op_time},
	{16, op_claim},
	{16, op_begin},
	{16, op_step},
	{4, op_renew},
	{10, op_finish},
	{7, op_fail},
	{5, op_park},
	{3, op_release},
	{7, op_reap},
	{6, op_operator},
	{8, op_open},
	{4, op_expect},
};

static void op_random(struct run *r)
{
	int total = 0;
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		total += ops[i].weight;
	int at = (int)rnd(r, (uint64_t)total);
	size_t i = 0;
	while (at >= ops[i].weight)
		at -= ops[i++].weight;
	ops[i].run(r);
}

static void run_seed(struct run *r, uint64_t seed)
{
	struct site site = r->site;
	memset(r, 0, sizeof *r);
	r->site = site;
	r->seed = r->random = seed;
	site_raw(&r->site, "FLUSHALL", NULL);
	model_init(&r->model);
	for (int i = 0; i < MODEL_DEVICES - 1; i++)
		snprintf(r->model.devs[i].uuid, UUID_TEXT_LEN + 1, "00000000-1111-2222-3333-%012d",
			i + 1);
	snprintf(r->model.devs[MODEL_DEVICES - 1].uuid, UUID_TEXT_LEN + 1, "%s",
		"03000200-0400-0500-0006-000700080009");
	r->model.devs[MODEL_DEVICES - 1].placeholder = true;
	r->model.now = 1700000000000;
	clock_set(r);
	for (r->n_ops = 0; r->n_ops < OPS; r->n_ops++) {
		op_random(r);
		compare_state(r);
	}
}

static void test_random_sequences(void **state)
{
	static struct run r;
	(void)state;
	char *library = site_library_with_clock();
	site_open(&r.site, server.url, NULL, NULL, library);
	free(library);
	const char *one = getenv("MUSTER_MODEL_SEED"), *many = getenv("MUSTER_MODEL_SEEDS");
	uint64_t n = many ? strtoull(many, NULL, 10) : SEEDS;
	if (one)
		run_seed(&r, strtoull(one, NULL, 10));
	for (uint64_t seed = 1; !one && seed <= n; seed++)
		run_seed(&r, seed);
	site_close(&r.site);
}

int main(void)
{
	if (!server_available())
		return 77;
	server_init(&server, "deploy/redis/fast.conf");
	server.extra[0] = "--appendonly";
	server.extra[1] = "no";
	server_start(&server);
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_sequences)};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop(&server);
	return rc;
}
