/* SPDX-License-Identifier: Apache-2.0 */
/* See psk.h. */
#include "worker/psk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "worker/session_int.h"

void psk_free(struct session_psk *p)
{
	secret_free(&p->pps);
	secret_free(&p->mebx);
	secret_free(&p->next);
	secret_free(&p->key);
}

bool psk_wanted(const struct session *s)
{
	return s->hello.version == HELLO_V_PSK;
}

/* A commit may have been sent: the configured side is looked at first, and needs no pair. */
static bool may_be_configured(const struct session *s)
{
	return s->ck.commits && s->cert_fp[0];
}

/* ---- looking up --------------------------------------------------------------------------------
 */

/* Take the secrets of a stored pair. mebx may be NULL. */
static int take(struct session *s, const struct store_psk *pair, struct secret *pps,
	struct secret *mebx, struct error *err)
{
	struct secret_set set = {0};
	TRY(psk_open(&set, s->w->kek, pair->pid, pair->sealed.data, pair->sealed.len, err));
	const struct secret *key = secret_set_get(&set, PSK_SECRET_PPS);
	const struct secret *password = secret_set_get(&set, PSK_SECRET_MEBX);
	int rc = key && key->len == PSK_PPS_LEN
			 ? secret_set(pps, key->data, key->len)
			 : error_set(err, E_CRYPTO, "PSK pair %s holds no PPS", pair->pid);
	if (rc == 0 && mebx && password)
		rc = secret_set(mebx, password->data, password->len);
	secret_set_free(&set);
	return rc;
}

static void on_next(const struct store_psk *pair, const struct error *err, void *arg);
static void look_up(struct session *s);

static bool store_is_down(int code)
{
	return code == E_CLOSED || code == -ETIMEDOUT || code == E_LIMIT;
}

/* Ask for one pair; while the store is down, again. */
static void ask(struct session *s, const char *pid, store_psk_cb cb)
{
	struct error err = {0};
	s->refs++;
	if (store_psk_get(s->w->store, pid, cb, s, &err) == 0)
		return;
	s->refs--;
	s->wake = look_up;
	boot_timer_set_in(&s->timer, LEASE_RETRY_MS);
}

/* The pair may belong to this device. @return whether it was taken */
static bool use_pair(struct session *s, const struct store_psk *pair)
{
	struct error err = {0};
	if (pair->uuid[0] && strcmp(pair->uuid, s->uuid_text) != 0)
		session_set_failure(s, FAIL_MANUAL, "psk_other_device",
			"PID %s belongs to device %s, which was set up with it: one pair is for "
			"one device; give this one a pair of its own",
			pair->pid, pair->uuid);
	else if (take(s, pair, &s->psk.pps, &s->psk.mebx, &err) < 0)
		session_set_failure(s, FAIL_MANUAL, "sealed", "%s", err.text);
	return !s->failure.reason;
}

static void proceed(struct session *s)
{
	if (s->failure.reason && may_be_configured(s))
		s->failure = (struct failure){0}; /* psk_show() finds it again if need be */
	if (s->failure.reason)
		session_fail(s);
	else
		session_drive(s);
}

static void on_pair(const struct store_psk *pair, const struct error *err, void *arg)
{
	struct session *s = arg;
	if (s->life != LIFE_RESOLVE) {
		/* over, or given back meanwhile */
	} else if (err && store_is_down(err->code)) {
		s->wake = look_up;
		boot_timer_set_in(&s->timer, LEASE_RETRY_MS);
	} else if (pair && use_pair(s, pair) && s->ck.psk_next[0]) {
		ask(s, s->ck.psk_next, on_next);
	} else {
		if (err && err->code == -ENOENT)
			session_set_failure(s, FAIL_ASK, "psk_unknown_pid",
				"no PSK pair with PID %s is stored: import it (muster psk "
				"import), or cancel the job and give the device another pair",
				s->hello.pid);
		else if (err)
			session_set_failure(s, FAIL_RETRY, "store", "%s", err->text);
		proceed(s);
	}
	session_unref(s);
}

/* The pair that an earlier visit made. If it was never stored, a new one will be made. */
static void on_next(const struct store_psk *pair, const struct error *err, void *arg)
{
	struct session *s = arg;
	struct error why = {0};
	if (s->life != LIFE_RESOLVE) {
		/* over, or given back meanwhile */
	} else if (err && store_is_down(err->code)) {
		s->wake = look_up;
		boot_timer_set_in(&s->timer, LEASE_RETRY_MS);
	} else {
		bool ours = pair && strcmp(pair->uuid, s->uuid_text) == 0;
		if (!ours || take(s, pair, &s->psk.next, NULL, &why) < 0)
			s->ck.psk_next[0] = '\0';
		proceed(s);
	}
	session_unref(s);
}

static void look_up(struct session *s)
{
	ask(s, s->hello.pid, on_pair);
}

void psk_begin(struct session *s)
{
	s->life = LIFE_RESOLVE; /* nothing is said to the device yet */
	if (s->attempt == 0)
		s->ck.psk_tries = 0; /* a new job, or one that an operator kicked */
	if (s->device.legacy || may_be_configured(s)) {
		look_up(s);
		return;
	}
	session_set_failure(s, FAIL_DEAD, "legacy_off",
		"the device asks for PSK setup, which is TLS 1.0 or 1.1: say tls.legacy: true in "
		"profile %s (and worker.legacy must not forbid it)",
		s->profile->name);
	session_fail(s);
}

/* ---- handshakes --------------------------------------------------------------------------------
 */

/* As the profile writes it: eight and 32 characters, or with dashes. SPEC: psk.md 2 */
static int write_pair(
	struct session *s, const char *pid, const struct secret *pps, struct error *err)
{
	struct session_psk *p = &s->psk;
	char key[PSK_DASHED_MAX + 1];
	int rc;
	if (s->profile->tls.psk_dashes) {
		psk_with_dashes(pid, PSK_PID_LEN, p->identity);
		rc = secret_set(&p->key, key, psk_with_dashes(secret_text(pps), PSK_PPS_LEN, key));
		explicit_bzero(key, sizeof key);
	} else {
		snprintf(p->identity, sizeof p->identity, "%s", pid);
		rc = secret_set(&p->key, pps->data, pps->len);
	}
	ENSURE(rc == 0, err, rc, "no memory for a PSK pair");
	p->shown = (struct tls_psk){p->identity, p->key.data, p->key.len};
	return 0;
}

int psk_show(struct session *s, struct error *err)
{
	s->device.psk = &s->psk.shown;
	if (s->psk.use_next)
		return write_pair(s, s->ck.psk_next, &s->psk.next, err);
	ENSURE(s->psk.pps.len, err, E_REFUSED,
		"there is no usable PSK pair with PID %s: import it (muster psk import)",
		s->hello.pid);
	return write_pair(s, s->hello.pid, &s->psk.pps, err);
}

bool psk_refused(struct session *s)
{
	const char *pid = s->psk.use_next ? s->ck.psk_next : s->hello.pid;
	/* For people only: nobody waits for it. */
	store_psk_mark(
		s->w->store, pid, s->uuid_text, s->job, STORE_PSK_MISMATCH, NULL, NULL, NULL);
	LOG_WARN("psk.refused", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_STR("pid", pid), KV_UINT("tries", s->ck.psk_tries + 1));
	if (++s->ck.psk_tries < PSK_TRIES_MAX)
		return true;
	/* A SetTLSPSK whose commit did not come may count already. SPEC: P 7 */
	if (s->psk.use_next || !s->ck.psk_sent || !s->psk.next.len)
		return false;
	s->psk.use_next = true;
	s->ck.psk_tries = 0;
	return true;
}
