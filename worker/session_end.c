/* SPDX-License-Identifier: Apache-2.0 */
/* How a session ends: finish, fail, park, release, lost; and how its memory goes. */
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/cert.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/log.h"
#include "worker/session_int.h"

#define SERIAL_HEX_MAX 64
#define FIELDS_MAX     26
#define DAY_MS         (24ull * 3600 * 1000)

/* ---- memory -------------------------------------------------------------------------------------
 */

static void session_free(struct session *s)
{
	device_secrets_free(&s->secrets);
	psk_free(&s->psk);
	secret_free(&s->made_key);
	secret_free(&s->param);
	secret_free(&s->master_key);
	checkpoint_free(&s->ck);
	arena_reset(&s->keep);
	profile_drop(s->profile);
	arena_reset(&s->lists);
	buf_wipe(&s->body);
	buf_free(&s->report);
	buf_free(&s->blob);
	buf_free(&s->dek_blob);
	buf_free(&s->csr);
	buf_free(&s->csr_info);
	free(s->hello_raw);
	free(s->told);
	free(s->host_dn);
	free(s->host_groups);
	explicit_bzero(s, sizeof *s);
	free(s);
}

void session_unref(struct session *s)
{
	if (--s->refs == 0 && s->life == LIFE_OVER)
		session_free(s);
}

static void on_device_closed(void *arg)
{
	session_unref(arg);
}

static void on_timer_closed(struct boot_timer *t, void *arg)
{
	(void)t;
	session_unref(arg);
}

static void stop_work(struct session *s)
{
	resolve_cancel(s->question);
	s->question = NULL;
	if (s->work)
		connector_cancel(s->work);
	s->work = NULL;
	device_drop(&s->device);
	boot_timer_stop(&s->timer);
	s->wake = NULL;
}

void session_over(struct session *s)
{
	if (s->life == LIFE_OVER)
		return;
	stop_work(s);
	s->life = LIFE_OVER;
	LOG_INFO("session.over", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_UINT("fence", s->fence), KV_STR("outcome", s->outcome),
		KV_STR("step", s->row->name),
		KV_STR("reason", s->failure.reason ? s->failure.reason : ""),
		KV_STR("text", s->failure.text), KV_UINT("ms", clock_boot_ms() - s->started_ms));
	struct worker *w = s->w;
	TAILQ_REMOVE(&w->sessions, s, link);
	w->n_sessions--;
	metric_set(&worker_metrics[WM_SESSIONS], w->n_sessions);
	s->refs += 2;
	if (w->on_over && s->begun) /* else the refusal is the answer: nothing is done */
		w->on_over(s->job, s->fence, s->outcome, w->arg);
	device_close(&s->device, on_device_closed);
	boot_timer_close(&s->timer, on_timer_closed);
}

void session_lost(struct session *s, const char *why)
{
	session_set_failure(s, FAIL_RETRY, "lost", "%s", why);
	s->outcome = "lost";
	metric_add(&worker_metrics[WM_LOST], 1);
	session_over(s);
}

/* ---- the record
 * ------------------------------------------------------------------------------------- */

struct record {
	struct store_field fields[FIELDS_MAX];
	size_t n;
	char marks[MARKS_TEXT_MAX + 1];
	char renew_before[24]; /* ms; "" = as the site says */
	char addr[NET_ADDR_TEXT_MAX];
	char tries[16], serial[SERIAL_HEX_MAX + 1], cert_end[24];
};

static void add(struct record *r, const char *name, const char *text)
{
	if (text && text[0] && r->n < FIELDS_MAX)
		r->fields[r->n++] = (struct store_field){name, {text, strlen(text)}};
}

/* Serial and end of what the device has now. */
static void certificate_texts(const struct session *s, struct record *r)
{
	char *out = r->serial;
	X509 *x = cert_parse(s->ck.certificate.data, s->ck.certificate.len);
	const ASN1_INTEGER *serial = x ? X509_get0_serialNumber(x) : NULL;
	int len = serial ? ASN1_STRING_length(serial) : 0;
	struct tm end = {0};
	out[0] = r->cert_end[0] = '\0';
	if (x && ASN1_TIME_to_tm(X509_get0_notAfter(x), &end))
		snprintf(r->cert_end, sizeof r->cert_end, "%lld", (long long)timegm(&end) * 1000);
	if (len > 0 && len * 2 <= SERIAL_HEX_MAX)
		hex_encode(ASN1_STRING_get0_data(serial), (size_t)len, out);
	X509_free(x);
}

static void clear(struct record *r, const char *name)
{
	if (r->n < FIELDS_MAX)
		r->fields[r->n++] = (struct store_field){.name = name};
}

static void set(struct record *r, const char *name, const char *text)
{
	if (text[0])
		add(r, name, text);
	else
		clear(r, name);
}

/* What is worth keeping of any visit. */
static void record_visit(struct session *s, struct record *r)
{
	add(r, "amt", s->ck.amt);
	add(r, "suffix", s->suffix);
	add(r, "setup_fp", s->device_fp);
	add(r, "tlsp", s->tlsp_known ? tls_profile_name(s->tlsp) : NULL);
	add(r, "seen12", s->device.seen12 ? "1" : NULL);
	/* Of a device in service the record says what was brought to it, not what was asked for. A
	 * new name is the device's as soon as it may have the certificate of it. */
	bool applied = s->kind == JOB_SETUP || (s->ending == END_FINISH && !s->dry);
	if (applied || s->ck.certificate.len)
		add(r, "fqdn", s->ck.fqdn);
	if (applied) {
		add(r, "profile", s->ck.profile);
		add(r, "ou", s->ck.ou);
	}
	add(r, "setup_fp3", s->device.fp3);
	add(r, "tags", s->tags);
	add(r, "wave", s->wave);
	if (s->host_dn && s->host_groups) { /* the directory was asked */
		set(r, "host_dn", s->host_dn);
		set(r, "host_groups", s->host_groups);
	}
	if (s->marks.dirty) {
		marks_text(&s->marks, r->marks);
		set(r, "marks", r->marks);
	}
}

/* Its next Hello starts a new generation by itself. The passwords stay: a partial one keeps them.
 */
static void record_unconfigured(struct session *s, struct record *r)
{
	static const char *const gone[] = {"cert_fp", "cert_serial", "cert_end", "realm", "marks"};
	record_visit(s, r);
	for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
		clear(r, gone[i]);
	add(r, "unconf", "1");
}

/* An inventory, or what differed from the profile; no difference clears those of before. */
static void record_report(struct session *s, struct record *r)
{
	const char *field = s->kind == JOB_INVENTORY ? "inv" : "diff";
	if (s->report.len == 0)
		clear(r, field);
	else if (buf_add(&s->report, "", 1) == 0)
		add(r, field, (const char *)s->report.data);
}

/* What the profile says of the device's later life. */
static void record_profile(const struct session *s, struct record *r)
{
	r->renew_before[0] = '\0';
	if (s->profile->tls.renew_before_days)
		snprintf(r->renew_before, sizeof r->renew_before, "%llu",
			s->profile->tls.renew_before_days * DAY_MS);
	set(r, "renew_before", r->renew_before);
	add(r, "rehello", s->profile->rehello == PROFILE_REHELLO_AUTO ? "auto" : "approve");
}

static void record_success(struct session *s, struct record *r)
{
	if (s->kind == JOB_UNCONFIGURE) {
		record_unconfigured(s, r);
		return;
	}
	record_visit(s, r);
	record_report(s, r);
	certificate_texts(s, r);
	add(r, "cert_fp", s->cert_fp);
	add(r, "cert_serial", r->serial);
	add(r, "cert_end", r->cert_end);
	/* Found by DNS or told by an operator: as if it had said Hello from there. */
	if (s->located || job_arg(s->args, "addr", NULL, 0)) {
		add(r, "addr", net_addr_host_text(&s->device.addr, r->addr));
		add(r, "src", r->addr);
	}
	add(r, "realm", s->ck.realm);
	clear(r, "pw_tries"); /* the right one is known now */
	if (!s->dry)
		record_profile(s, r);
}

/* ---- the last call
 * ------------------------------------------------------------------------------------ */

static void end_call(struct session *s);

/* The store is down: again, until it answers or the session's time is over. */
static bool end_again(struct session *s, int code)
{
	bool down = code == E_CLOSED || code == -ETIMEDOUT || code == E_LIMIT;
	if (!down || s->life != LIFE_END)
		return false;
	s->wake = end_call;
	boot_timer_set_in(&s->timer, LEASE_RETRY_MS);
	return true;
}

static void on_ended(const struct error *err, void *arg)
{
	struct session *s = arg;
	if (!err) {
		session_over(s);
	} else if (!end_again(s, err->code)) {
		if (err->code == E_STALE)
			s->outcome = "lost";
		LOG_WARN("session.end", KV_STR("job", s->job), KV_STR("error", err->text));
		session_over(s);
	}
	session_unref(s);
}

static void on_fail_ended(bool dead, const struct error *err, void *arg)
{
	struct session *s = arg;
	if (!err && dead)
		s->outcome = "dead";
	on_ended(err, arg);
}

static int end_failed(struct session *s, const struct store_lease *who, struct store_blob ck,
	struct record *r, struct error *err)
{
	const struct conf_worker *c = &s->w->conf->worker;
	uint64_t random = 0;
	uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
	uint64_t backoff = store_backoff_ms(s->attempt + 1, (uint64_t)c->retry_min_s * 1000,
		(uint64_t)c->retry_max_s * 1000, random);
	bool worn = strcmp(s->failure.reason, SESSION_WORN) == 0;
	struct store_failure f = {.dead = s->failure.class == FAIL_DEAD,
		.max_attempts = c->max_attempts,
		.delay_ms = worn ? c->waits.worn_ms : backoff,
		.err = s->failure.reason,
		.txt = s->failure.text,
		.step = s->row->name,
		.checkpoint = ck,
		.fields = r->fields,
		.n_fields = r->n};
	return store_fail(s->w->store, who, &f, on_fail_ended, s, err);
}

static int end_parked(struct session *s, const struct store_lease *who, struct store_blob ck,
	struct record *r, struct error *err)
{
	const struct conf_waits *w = &s->w->conf->worker.waits;
	const struct {
		const char *why;
		uint64_t poll_ms;
	} waits[] = {
		[FAIL_MANUAL] = {"manual", STORE_NEVER},
		[FAIL_QUARANTINE] = {"manual", STORE_NEVER},
		[FAIL_ASK] = {"manual", w->resolve_retry_ms},
		[FAIL_CA] = {"ca", w->ca_poll_ms},
		[FAIL_AD] = {"ad", w->resolve_retry_ms},
	};
	struct store_park p = {.why = waits[s->failure.class].why,
		.poll_ms = waits[s->failure.class].poll_ms,
		.err = s->failure.reason,
		.txt = s->failure.text,
		.step = s->row->name,
		.quarantine = s->failure.class == FAIL_QUARANTINE ? s->failure.reason : NULL,
		.checkpoint = ck,
		.fields = r->fields,
		.n_fields = r->n};
	return store_park(s->w->store, who, &p, on_ended, s, err);
}

static int end_send(struct session *s, struct store_blob ck, struct error *err)
{
	struct store_lease who = lease_who(s);
	struct record r = {.n = 0};
	if (s->ending == END_RELEASE && s->extended_ms)
		return store_extended(
			s->w->store, &who, s->row->name, ck, s->extended_ms, on_ended, s, err);
	if (s->ending == END_RELEASE)
		return store_release(s->w->store, &who, s->row->name, ck, on_ended, s, err);
	if (s->ending == END_FINISH) {
		record_success(s, &r);
		return store_finish(s->w->store, &who, s->outcome, r.fields, r.n, on_ended, s, err);
	}
	record_visit(s, &r);
	if (s->pw_counted) {
		snprintf(r.tries, sizeof r.tries, "%u", s->pw_tries);
		add(&r, "pw_tries", r.tries);
	}
	if (s->failure.class == FAIL_RETRY || s->failure.class == FAIL_DEAD)
		return end_failed(s, &who, ck, &r, err);
	return end_parked(s, &who, ck, &r, err);
}

static void end_call(struct session *s)
{
	struct error err = {0};
	struct buf ck;
	buf_init(&ck, CHECKPOINT_MAX);
	int rc = checkpoint_pack(&s->ck, &ck);
	s->refs++;
	if (rc == 0)
		rc = end_send(s, (struct store_blob){ck.data, ck.len}, &err);
	buf_free(&ck);
	if (rc == 0)
		return;
	s->refs--;
	if (!end_again(s, rc)) {
		LOG_WARN("session.end", KV_STR("job", s->job), KV_STR("error", err.text));
		session_over(s);
	}
}

static void end(
	struct session *s, enum session_ending how, const char *outcome, enum worker_metric metric)
{
	if (s->life >= LIFE_END)
		return;
	stop_work(s);
	s->life = LIFE_END;
	s->ending = how;
	s->outcome = outcome;
	metric_add(&worker_metrics[metric], 1);
	end_call(s);
}

void session_done(struct session *s)
{
	end(s, END_FINISH, "done", WM_DONE);
}

void session_release(struct session *s)
{
	end(s, END_RELEASE, "released", WM_RELEASED);
}

void session_fail(struct session *s)
{
	session_set_failure(s, FAIL_RETRY, "failed", "%s failed", s->row->name);
	/* A device in service does not wait for an answer: it is reported and stays as it is. */
	if (s->kind != JOB_SETUP && s->failure.class != FAIL_RETRY && s->failure.class != FAIL_CA)
		s->failure.class = FAIL_DEAD;
	switch (s->failure.class) {
	case FAIL_RETRY: end(s, END_FAIL, "retry", WM_RETRIED); break;
	case FAIL_DEAD: end(s, END_FAIL, "dead", WM_DEAD); break;
	default: end(s, END_FAIL, "parked", WM_PARKED); break;
	}
}

/* ---- time
 * -----------------------------------------------------------------------------------------------
 */

void session_tick(struct session *s, uint64_t now_ms)
{
	if (s->life >= LIFE_END) {
		/* The store has not answered for a whole session: the lease is long gone. */
		if (s->life == LIFE_END && now_ms > s->deadline_ms + LEASE_RENEW_MS)
			session_lost(s, "the store did not answer");
		return;
	}
	device_tick(&s->device, now_ms);
	bool phase = s->life == LIFE_RUN && s->plan == PLAN_SETUP && !s->work &&
		     now_ms > s->phase_deadline_ms + s->device.paused_ms;
	if (now_ms <= s->deadline_ms && !phase)
		return;
	session_set_failure(s, FAIL_RETRY, phase ? "phase_limit" : "session_limit",
		"%s: the time for %s is over", s->row->name, phase ? "phase A" : "a whole session");
	session_fail(s);
}

/* Nothing that the device could act upon is under way: a pause, a look-up, work of the connector,
 * a connection that is being made. */
static bool between(const struct session *s)
{
	return s->life == LIFE_RESOLVE ||
	       (s->life == LIFE_RUN &&
		       (s->work || s->device.connecting || boot_timer_active(&s->timer) ||
			       boot_timer_active(&s->device.timer)));
}

void session_stop(struct session *s)
{
	s->stopping = true;
	if (between(s))
		session_release(s);
}
