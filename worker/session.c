/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a session: begin, resolve, run, and its beginning's memory. End: session_end.c. */
#include "worker/session.h"
#include "worker/decide.h"
#include "worker/passwords.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/cert.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/crypto/password.h"
#include "common/store/store_wave.h"
#include "worker/session_int.h"

void session_set_failure(
	struct session *s, enum fail_class class, const char *reason, const char *fmt, ...)
{
	if (s->failure.reason)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s->failure.text, sizeof s->failure.text, fmt, ap);
	va_end(ap);
	for (char *p = s->failure.text; *p; p++) /* devices and authorities speak in it */
		if (!isprint((unsigned char)*p))
			*p = ' ';
	s->failure.class = class;
	s->failure.reason = reason;
}

/* ---- passwords ----------------------------------------------------------------------------------
 */

int session_password(struct session *s, const struct profile_password *p, const char *purpose,
	size_t len, struct secret *out, struct error *err)
{
	struct secret master = {0};
	int rc = 0;
	switch (p->source) {
	case PROFILE_PASSWORD_NONE: break;
	case PROFILE_PASSWORD_RANDOM: rc = password_random_len(out, len, err); break;
	case PROFILE_PASSWORD_DERIVED:
		rc = key_file_read(&master, s->w->conf->keys.masters_dir, p->master, err);
		if (rc == 0)
			rc = password_derive_len(out, &master, &s->uuid, purpose, len, err);
		break;
	case PROFILE_PASSWORD_FIXED:
		rc = secret_read_file(out, p->fixed_file, PASSWORD_AMT_MAX, err);
		if (rc == 0)
			rc = password_check(out, err);
		break;
	}
	secret_free(&master);
	return rc;
}

static int make_password(
	struct session *s, const struct profile_password *p, const char *purpose, struct error *err)
{
	struct secret value = {0};
	if (p->source == PROFILE_PASSWORD_NONE)
		return 0;
	int rc = session_password(s, p, purpose, PASSWORD_LEN, &value, err);
	if (rc == 0)
		rc = secret_set_put(
			&s->secrets.pend, purpose, value.data, value.len, clock_wall_ms());
	secret_free(&value);
	return rc < 0 ? error_prefix(err, "%s", purpose) : 0;
}

int session_make_secrets(struct session *s, struct error *err)
{
	if (secret_set_get(&s->secrets.pend, "admin"))
		return 0;
	TRY(make_password(s, &s->profile->mebx_password, "mebx", err));
	TRY(make_password(s, &s->profile->admin_password, "admin", err));
	s->ck.mebx = MEBX_MADE;
	s->pending_dirty = true;
	return 0;
}

int session_rotate_secrets(struct session *s, struct error *err)
{
	if (secret_set_copy(&s->secrets.pend, &s->secrets.cur) < 0)
		return error_set(err, -ENOMEM, "no memory for passwords");
	TRY(make_password(s, &s->profile->mebx_password, "mebx", err));
	TRY(make_password(s, &s->profile->admin_password, "admin", err));
	int changed = passwords_rotate(s, err);
	if (changed < 0)
		return changed;
	/* What an adopted device has is not what the record of an earlier life says. */
	s->pending_dirty = changed || !passwords_same(s, "mebx") || !passwords_same(s, "admin") ||
			   s->kind == JOB_ADOPT;
	if (!s->pending_dirty) /* fixed, or derived from the same master: rotated is what it was */
		secret_set_free(&s->secrets.pend);
	return s->pending_dirty;
}

/* ---- resolve
 * -------------------------------------------------------------------------------------- */

/* What the last owner was given, checked anew. One that is no good any more is not installed; but a
 * device that may have committed it is still known by it, and VERIFY names the fault. */
static void recall_certificate(struct session *s)
{
	struct devcert_want want = {.ca = s->w->device_ca,
		.fqdn = s->ck.fqdn,
		.now_s = (int64_t)(clock_wall_ms() / 1000)};
	if (devcert_check_issued(s->ck.certificate.data, s->ck.certificate.len, &want, s->cert_fp,
		    NULL) == DEVCERT_OK)
		return;
	const struct buf *der = &s->ck.certificate;
	X509 *x = s->ck.commits ? cert_parse(der->data, der->len) : NULL;
	if (!x || devcert_fingerprint(x, s->cert_fp) < 0) {
		memcpy(s->cert_fp, s->old_fp, sizeof s->cert_fp); /* in service it shows that one */
		checkpoint_drop_key(&s->ck);
	}
	X509_free(x);
}

static void session_run(struct session *s)
{
	s->device.name = s->ck.fqdn;
	s->device.legacy = s->w->conf->worker.legacy && s->profile->tls.legacy;
	if (s->ck.certificate.len)
		recall_certificate(s);
	if (s->kind == JOB_SETUP && !trust_ready(s)) {
		session_fail(s);
		return;
	}
	if (psk_wanted(s))
		psk_begin(s);
	else
		session_drive(s);
}

/* What an upkeep job runs. Setup and adopt are not in it: see session_drive(). */
static const struct {
	enum plan_id plan;
	bool dry;
	bool named; /* the device gets the name that its sources say today */
} upkeep[JOB_KINDS] = {
	[JOB_MAINTAIN] = {.plan = PLAN_ADMIN, .named = true},
	[JOB_CHECK] = {.plan = PLAN_ADMIN, .dry = true, .named = true},
	[JOB_RENEW] = {.plan = PLAN_RENEW, .named = true},
	[JOB_ROTATE] = {.plan = PLAN_ROTATE},
	[JOB_UNCONFIGURE] = {.plan = PLAN_UNCONFIGURE},
	[JOB_INVENTORY] = {.plan = PLAN_INVENTORY},
};

/* As far as earlier visits came: our certificate, then our password, then the profile. */
static enum plan_id adopt_plan(const struct session *s)
{
	if (!s->ck.commits || !s->cert_fp[0])
		return PLAN_ADOPT;
	return s->ck.passwords_sent && !s->secrets.pend.n ? PLAN_ADMIN : PLAN_ROTATE;
}

void session_drive(struct session *s)
{
	/* An earlier visit had a certificate of the new name on its way: either may be in use. */
	bool renewing = s->kind == JOB_MAINTAIN && s->ck.public_key.len > 0;
	s->life = LIFE_RUN;
	s->dry = upkeep[s->kind].dry;
	if (s->kind == JOB_ADOPT)
		drive_plan(s, adopt_plan(s));
	else if (s->kind != JOB_SETUP)
		drive_plan(s, renewing ? PLAN_RENEW : upkeep[s->kind].plan);
	else /* SPEC: provisioning.md 7: after a commit was sent, look at the configured side first.
	      */
		drive_plan(s, s->ck.commits && s->cert_fp[0] ? PLAN_ADMIN : PLAN_SETUP);
}

static void end_early(
	struct session *s, enum fail_class class, const char *reason, const char *text)
{
	session_set_failure(s, class, reason, "%s", text);
	session_fail(s);
}

static void session_use_profile(struct session *s, const struct profile *p)
{
	profile_drop(s->profile);
	s->profile = profile_hold(p);
}

static void on_joined(enum store_joined joined, const struct error *err, void *arg)
{
	struct session *s = arg;
	char text[ERROR_TEXT_MAX];
	if (s->life != LIFE_RESOLVE) {
		/* over already */
	} else if (err && err->code == E_STALE) {
		session_lost(s, err->text);
	} else if (err) {
		end_early(s, FAIL_RETRY, "store", err->text);
	} else if (s->stopping) {
		session_release(s);
	} else if (joined == STORE_JOINED_GO) {
		session_run(s);
	} else if (joined == STORE_JOINED_WAITS) {
		snprintf(text, sizeof text,
			"wave %s holds it until its turn: see muster wave show %s; muster job kick "
			"%s lets it go now",
			s->wave, s->wave, s->uuid_text);
		end_early(s, FAIL_MANUAL, "wave", text);
	} else {
		snprintf(text, sizeof text,
			"its rule names wave %s, and there is none for setup: muster wave create "
			"%s setup; it is looked at again by itself",
			s->wave, s->wave);
		end_early(s, FAIL_ASK, "no_wave", text);
	}
	session_unref(s);
}

/* A rule's wave decides when; an operator's kick is for now, and so is the question for more time.
 */
static void run_in_wave(struct session *s)
{
	struct error err = {0};
	s->undecided |= s->extends && s->wave[0] && !s->kicked;
	if (!s->wave[0] || s->kicked || s->undecided) {
		session_run(s);
		return;
	}
	struct store_lease who = lease_who(s);
	s->refs++;
	if (store_wave_join(s->w->store, &who, s->wave, on_joined, s, &err) == 0)
		return;
	s->refs--;
	end_early(s, FAIL_RETRY, "store", err.text);
}

static void use_answer(struct session *s, const struct resolve_answer *told)
{
	char text[ERROR_TEXT_MAX];
	struct resolve_answer ruled = *told, *a = &ruled;
	enum decision d = session_decide(s, a, text);
	if (d == DECISION_APPROVE && s->extends) { /* nothing but a longer window comes of it */
		s->undecided = true;
		d = DECISION_GO;
	}
	if (d != DECISION_GO) {
		explicit_bzero(&ruled, sizeof ruled);
		end_early(s, d == DECISION_NO_RULE ? FAIL_ASK : FAIL_MANUAL,
			d == DECISION_NO_RULE ? "no_rule" : "approval", text);
		return;
	}
	const struct profile *p = profile_set_find(&s->w->profiles, a->profile);
	if (!p) {
		bool by_rule = strcmp(a->profile, told->profile) != 0; /* else its source said so */
		snprintf(text, sizeof text,
			"%s names profile \"%.100s\", which is not in %.120s: see muster %s",
			by_rule ? "its rule" : a->source, a->profile,
			s->w->conf->worker.profiles_dir,
			by_rule ? "rules explain" : "profile list");
		end_early(s, FAIL_ASK, "no_profile", text);
		return;
	}
	session_use_profile(s, p);
	memcpy(s->ck.fqdn, a->fqdn, sizeof s->ck.fqdn);
	memcpy(s->ck.profile, a->profile, sizeof s->ck.profile);
	memcpy(s->ck.ou, a->ou, sizeof s->ck.ou);
	memcpy(s->expected_otp, a->otp, sizeof s->expected_otp);
	s->expected_otp_len = a->otp_len;
	memcpy(s->trust.pin, a->pin, sizeof s->trust.pin);
	explicit_bzero(&ruled, sizeof ruled);
	run_in_wave(s);
}

static const struct {
	enum fail_class class;
	const char *reason;
} unresolved[] = {
	[RESOLVE_WAIT] = {FAIL_ASK, "unknown_device"},
	[RESOLVE_FAILED] = {FAIL_ASK, "resolve_failed"},
	[RESOLVE_AWAY] = {FAIL_AD, "directory_away"},
};

/* What the directory said, for the record. */
static void keep_host(struct session *s, const struct directory_computer *host)
{
	if (!host)
		return;
	if (host->swapped)
		LOG_WARN("directory.swapped", KV_STR("uuid", s->uuid_text), KV_STR("dn", host->dn),
			KV_STR("text", "its netbootGUID has the byte order of the text"));
	free(s->host_dn);
	free(s->host_groups);
	s->host_dn = strdup(host->dn);
	s->host_groups = strdup(host->groups);
}

static void on_resolved(const struct resolve_answer *a, void *arg)
{
	struct session *s = arg;
	s->question = NULL;
	if (s->life != LIFE_RESOLVE)
		return;
	LOG_INFO("resolve", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_STR("source", a->source), KV_STR("fqdn", a->fqdn), KV_STR("profile", a->profile),
		KV_STR("reason", a->reason));
	if (s->stopping) {
		session_release(s);
		return;
	}
	keep_host(s, a->host);
	if (a->result == RESOLVE_FOUND)
		use_answer(s, a);
	else
		end_early(s, unresolved[a->result].class, unresolved[a->result].reason, a->reason);
}

/* The name may have moved since the setup; the rest of the answer is for setup. A device of which
 * no source knows any more keeps its name. SPEC: maintenance.md 5 */
static void on_name(const struct resolve_answer *a, void *arg)
{
	struct session *s = arg;
	s->question = NULL;
	if (s->life != LIFE_RESOLVE)
		return;
	if (s->stopping) {
		session_release(s);
		return;
	}
	if (a->result == RESOLVE_FOUND && strcasecmp(a->fqdn, s->ck.fqdn) != 0) {
		LOG_INFO("name.moved", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
			KV_STR("was", s->ck.fqdn), KV_STR("is", a->fqdn),
			KV_STR("source", a->source));
		memcpy(s->ck.fqdn, a->fqdn, sizeof s->ck.fqdn);
	}
	session_run(s);
}

static void ask(struct session *s, resolve_cb cb)
{
	struct resolve_facts facts = {.uuid = s->uuid,
		.address = s->device.addr,
		.hello = s->hello_raw,
		.hello_len = s->hello_len,
		.amt = s->ck.amt,
		.told = s->told,
		.kind = s->kind,
		.host = s->kind == JOB_SETUP && s->w->rules && rules_ask_directory(s->w->rules)};
	s->life = LIFE_RESOLVE;
	struct resolve_question *q = resolve_ask(s->w->resolver, &facts, cb, s);
	if (q) /* NULL: answered already, and the session may be gone */
		s->question = q;
}

/* A device in service is who its record says, and keeps its profile unless the job names another.
 */
static void recall(struct session *s)
{
	char text[ERROR_TEXT_MAX], name[RESOLVE_PROFILE_MAX + 1];
	if (job_arg(s->args, "profile", name, sizeof name))
		memcpy(s->ck.profile, name, sizeof s->ck.profile);
	const struct profile *p = profile_set_find(&s->w->profiles, s->ck.profile);
	if (!p) {
		snprintf(text, sizeof text, "profile \"%.100s\" of the device is not in %.120s",
			s->ck.profile, s->w->conf->worker.profiles_dir);
		end_early(s, FAIL_DEAD, "no_profile", text);
		return;
	}
	session_use_profile(s, p);
	if (upkeep[s->kind].named)
		ask(s, on_name);
	else
		session_run(s);
}

static void resolve(struct session *s)
{
	if (s->kind != JOB_SETUP) {
		recall(s);
		return;
	}
	/* A device that has our password keeps the name that it was given with it. */
	const struct profile *p = s->ck.passwords_sent && s->ck.fqdn[0]
					  ? profile_set_find(&s->w->profiles, s->ck.profile)
					  : NULL;
	bool asks = p && (p->otp || p->tls.setup_trust == PROFILE_TRUST_PINNED);
	if (p && !asks) {
		session_use_profile(s, p);
		session_run(s);
		return;
	}
	ask(s, on_resolved);
}

/* ---- begin
 * ----------------------------------------------------------------------------------------- */

static void copy_fp(char out[static DEVCERT_FP_HEX + 1], const char *text)
{
	if (strlen(text) <= DEVCERT_FP_HEX)
		memcpy(out, text, strlen(text) + 1);
}

static void copy_field(char *out, size_t size, const char *text)
{
	if (!out[0] && strlen(text) < size) /* what an earlier visit of this job knows wins */
		memcpy(out, text, strlen(text) + 1);
}

/* Who the device was when it was last seen: an upkeep job goes to no other. */
static void use_identity(struct session *s, const struct store_device *dev)
{
	copy_field(s->ck.fqdn, sizeof s->ck.fqdn, dev->fqdn);
	copy_field(s->ck.profile, sizeof s->ck.profile, dev->profile);
	copy_field(s->ck.ou, sizeof s->ck.ou, dev->ou);
	if (s->kind == JOB_ADOPT) /* the rest is of an earlier life */
		return;
	copy_field(s->ck.realm, sizeof s->ck.realm, dev->realm);
	copy_fp(s->cert_fp, dev->cert_fp);
	copy_fp(s->old_fp, dev->cert_fp);
	copy_field(s->serial, sizeof s->serial, dev->cert_serial);
}

static void use_record(struct session *s, const struct store_device *dev)
{
	if (s->kind != JOB_SETUP)
		use_identity(s, dev);
	struct net_addr addr;
	char host[NET_ADDR_TEXT_MAX];
	uint16_t port = (uint16_t)s->w->conf->worker.device_port;
	const char *where = job_arg(s->args, "addr", host, sizeof host) ? host : dev->addr;
	if (where[0] && net_addr_from_host(&addr, where, port, NULL) == 0)
		s->device.addr = addr;
	s->tlsp_known = tls_profile_parse(&s->tlsp, dev->tlsp) == 0;
	s->device.seen12 = strcmp(dev->seen12, "1") == 0;
	s->pw_tries = (uint32_t)strtoul(dev->pw_tries, NULL, 10);
	s->pw_counted = s->pw_tries > 0;
	uint32_t left = s->pw_tries < SESSION_LOGINS_MAX ? SESSION_LOGINS_MAX - s->pw_tries : 1;
	s->device.logins_max = left < DEVICE_LOGINS_MAX ? left : DEVICE_LOGINS_MAX;
	copy_field(s->ck.amt, sizeof s->ck.amt, dev->amt);
	free(s->told);
	s->told = dev->told[0] ? strdup(dev->told) : NULL;
	marks_read(&s->marks, dev->marks);
	s->had_dek = dev->dek.len > 0;
	copy_fp(s->trust.fp, dev->setup_fp);
	copy_fp(s->trust.fp3, dev->setup_fp3);
	if (strlen(dev->suffix) < sizeof s->suffix)
		memcpy(s->suffix, dev->suffix, strlen(dev->suffix) + 1);
}

static int open_secrets(struct session *s, const struct store_device *dev, struct error *err)
{
	struct sealed_record rec = {.dek = {dev->dek.data, dev->dek.len},
		.cur = {dev->sec_cur.data, dev->sec_cur.len},
		.prev = {dev->sec_prev.data, dev->sec_prev.len},
		.pend = {dev->sec_pend.data, dev->sec_pend.len},
		.give = {dev->sec_give.data, dev->sec_give.len}};
	return device_secrets_open(&s->secrets, s->w->kek, &s->uuid, &rec, err);
}

struct beginning {
	struct session *s;
	uint64_t sent_ms;
};

static void on_begun(const struct store_job *job, const struct store_device *dev,
	const struct error *err, void *arg)
{
	struct beginning *b = arg;
	struct session *s = b->s;
	struct error why = {0};
	lease_granted(&s->lease, b->sent_ms, s->w->conf->worker.run_lease_ms);
	s->lease.sent_ms = b->sent_ms;
	free(b);
	if (err || s->life != LIFE_BEGIN) {
		session_lost(s, err ? err->text : "it ended before it began");
		session_unref(s);
		return;
	}
	if (checkpoint_unpack(&s->ck, job->checkpoint.data, job->checkpoint.len) < 0)
		LOG_WARN("checkpoint.unreadable", KV_STR("job", s->job),
			KV_STR("uuid", s->uuid_text));
	use_record(s, dev);
	s->attempt = job->tries;
	s->kicked = job->kicked != 0;
	s->approved = job->approved != 0;
	if (open_secrets(s, dev, &why) < 0)
		end_early(s, FAIL_MANUAL, "sealed", why.text);
	else
		resolve(s);
	session_unref(s);
}

static int begin(struct session *s, struct error *err)
{
	struct beginning *b = calloc(1, sizeof *b);
	ENSURE(b, err, -ENOMEM, "no memory for a session");
	*b = (struct beginning){.s = s, .sent_ms = clock_boot_ms()};
	struct store_lease who = lease_who(s);
	s->refs++;
	int rc = store_begin(
		s->w->store, &who, s->w->owner, s->w->conf->worker.run_lease_ms, on_begun, b, err);
	if (rc < 0) {
		s->refs--;
		free(b);
	}
	return rc;
}

static void on_timer(struct boot_timer *t, void *arg)
{
	(void)t;
	struct session *s = arg;
	if (s->life != LIFE_OVER && s->wake)
		s->wake(s);
}

static int take_job(struct session *s, const struct session_job *job, struct error *err)
{
	ENSURE(strlen(job->job) == UUID_TEXT_LEN && uuid_parse(&s->uuid, job->uuid) == 0, err,
		E_PARSE, "a job without job id or UUID");
	memcpy(s->job, job->job, sizeof s->job);
	uuid_text(&s->uuid, s->uuid_text);
	s->gen = job->gen;
	s->fence = job->fence;
	s->attempt = job->attempt;
	ENSURE(job_kind_parse(&s->kind, job->kind) == 0, err, E_PARSE,
		"job %s is of kind %.40s, which this release does not know", s->job, job->kind);
	if (job->args)
		snprintf(s->args, sizeof s->args, "%s", job->args);
	s->extends = s->kind == JOB_SETUP && job_arg(s->args, "extend", NULL, 0);
	s->hello_raw = malloc(job->hello_len ? job->hello_len : 1);
	ENSURE(s->hello_raw, err, -ENOMEM, "no memory for a session");
	if (job->hello_len)
		memcpy(s->hello_raw, job->hello, job->hello_len);
	s->hello_len = job->hello_len;
	ENSURE(s->kind != JOB_SETUP ||
			hello_decode(s->hello_raw, s->hello_len, &s->hello) == HELLO_DONE,
		err, E_PARSE, "job %s has no readable Hello", s->job);
	return net_addr_from_bytes(&s->device.addr, job->address, job->address_len,
		(uint16_t)s->w->conf->worker.device_port);
}

/* A device that has a session here already, by this job or one before it. Fences of a device only
 * grow. The same or an older one: delivered twice, nothing to do. A newer one: the old session has
 * lost its lease; two sessions with one device must not be. @return whether to start */
static bool displace(struct worker *w, const struct session_job *job)
{
	struct session *s;
	TAILQ_FOREACH (s, &w->sessions, link) {
		if (strcasecmp(s->uuid_text, job->uuid) != 0)
			continue;
		if (s->fence >= job->fence)
			return false;
		session_lost(s, "the device came again with a newer fence");
		return true;
	}
	return true;
}

int session_start(struct worker *w, const struct session_job *job, struct error *err)
{
	if (!displace(w, job))
		return 0;
	struct session *s = calloc(1, sizeof *s);
	ENSURE(s, err, -ENOMEM, "no memory for a session");
	s->w = w;
	s->outcome = "lost";
	s->profile = &profile_none;
	s->row = &step_table[STEP_CONNECT_SETUP];
	s->started_ms = clock_boot_ms();
	s->deadline_ms = s->started_ms + (uint64_t)w->conf->worker.waits.session_s * 1000;
	device_init(&s->device, &w->env, &drive_device_ops, s);
	boot_timer_init(&s->timer, w->loop, on_timer, s);
	checkpoint_init(&s->ck);
	arena_init(&s->keep, SESSION_KEEP_MAX);
	arena_init(&s->lists, SESSION_LISTS_MAX);
	buf_init(&s->body, WSMAN_REQUEST_MAX);
	buf_init(&s->report, SESSION_REPORT_MAX);
	buf_init(&s->blob, WSMAN_REQUEST_MAX);
	buf_init(&s->dek_blob, SEAL_BLOB_MAX);
	buf_init(&s->csr, CA_DER_MAX);
	buf_init(&s->csr_info, CA_DER_MAX);
	TAILQ_INSERT_TAIL(&w->sessions, s, link);
	w->n_sessions++;
	metric_set(&worker_metrics[WM_SESSIONS], w->n_sessions);
	int rc = take_job(s, job, err);
	if (rc == 0)
		rc = begin(s, err);
	s->begun = rc == 0;
	if (rc < 0)
		session_over(s);
	else
		metric_add(&worker_metrics[WM_STARTED], 1);
	return rc;
}
