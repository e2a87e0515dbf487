/* SPDX-License-Identifier: Apache-2.0 */
/* What the device layer reports: connections, answers, faults, troubles. See drive.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "worker/drive_int.h"
#include "worker/locate.h"

#define SUFFIX_MAX 128 /* of one DNS suffix in the record */
/* A password that somebody typed: nonces that are reset hardly deceive three visits. */
#define ADOPT_LOGINS_MAX 3

static void fail(
	struct session *s, enum fail_class class, const char *reason, const struct error *err)
{
	session_set_failure(s, class, reason, "%s: %s", s->row->name, err->text);
	drive_verdict(s, (struct verdict){.kind = VERDICT_FAIL});
}

static void go(struct session *s, enum verdict_kind kind, int target, uint32_t after_ms)
{
	drive_verdict(s, (struct verdict){.kind = kind, .target = target, .after_ms = after_ms});
}

/* ---- connecting --------------------------------------------------------------------------------
 */

static bool sha1_only(const struct hello *h)
{
	struct hello_hash hash;
	bool any = false;
	for (size_t at = 0; hello_next_hash(h, &at, &hash); any = true)
		if (hash.alg != HELLO_SHA1)
			return false;
	return any;
}

/* What the device trusts, or was given by DHCP, as an earlier visit read it ("dhcp trusted", a dash
 * for none). @return out or NULL. SPEC: tls.md 5.3 */
static const char *known_suffix(const struct session *s, char out[static SUFFIX_MAX])
{
	char dhcp[SUFFIX_MAX] = "", trusted[SUFFIX_MAX] = "";
	sscanf(s->suffix, "%127s %127s", dhcp, trusted);
	const char *best = trusted[0] && strcmp(trusted, "-") != 0 ? trusted : dhcp;
	memcpy(out, best, strlen(best) + 1);
	return out[0] && strcmp(out, "-") != 0 ? out : NULL;
}

/* Chains and profile for the setup session. SPEC: tls.md 3.3, 4.3 */
static int prepare_setup(struct session *s, struct error *err)
{
	struct device *d = &s->device;
	if (psk_wanted(s)) {
		TRY(psk_show(s, err));
		device_set_role(d, DEVICE_SETUP, TLS_PROFILE_P);
		return 0;
	}
	char suffix[SUFFIX_MAX];
	struct provcert_want want = {.hello = &s->hello,
		.suffix = known_suffix(s, suffix),
		.fqdn = s->ck.fqdn,
		.now_s = (int64_t)(clock_wall_ms() / 1000)};
	sscanf(s->ck.amt, "%u.%u", &want.amt_major, &want.amt_minor);
	struct tls_device dev = {.hello_version = s->hello.version,
		.sha1_hashes_only = sha1_only(&s->hello),
		.legacy = d->legacy,
		.stored = s->tlsp_known,
		.stored_profile = s->tlsp};
	enum tls_profile profile;
	int n = provcert_choose((const struct provcert *const *)d->env->certs, d->env->n_certs,
		&want, d->order, err);
	if (n < 0)
		return n;
	d->n_order = (size_t)n;
	TRY(tls_first_profile(&profile, &dev, err));
	device_set_role(d, DEVICE_SETUP, profile);
	return 0;
}

static void connect_now(struct session *s)
{
	metric_add(&worker_metrics[WM_CONNECTS], 1);
	device_connect(&s->device);
}

static enum tls_profile admin_profile(const struct session *s)
{
	enum tls_profile p = tls_profile_after(s->tlsp_known ? s->tlsp : TLS_PROFILE_M);
	bool tls13 = s->profile->tls.tls13 && !s->device.no_tls13;
	return p == TLS_PROFILE_V && tls13 ? TLS_PROFILE_V3 : p;
}

void drive_connect(struct session *s)
{
	struct error err = {0};
	const struct conf_waits *w = &s->w->conf->worker.waits;
	if (s->plan == PLAN_SETUP) {
		if (prepare_setup(s, &err) < 0)
			fail(s, psk_wanted(s) ? FAIL_ASK : FAIL_DEAD,
				psk_wanted(s) ? "psk_unknown_pid" : "no_chain", &err);
		else
			connect_now(s);
		return;
	}
	bool clear = s->plan == PLAN_ADOPT && s->device.clear;
	/* Each try is a ladder of its own: what failed while the port restarted says nothing. */
	device_set_role(&s->device, DEVICE_ADMIN, admin_profile(s));
	s->device.clear = clear;
	if (s->connect_tries++ == 0 && s->committed) { /* the device restarts its port */
		s->wake = connect_now;
		boot_timer_set_in(&s->timer, w->reconnect_first_ms);
		return;
	}
	connect_now(s);
}

static void on_connected(void *arg)
{
	struct session *s = arg;
	if (tls_profile_is_legacy(s->device.profile))
		metric_add(&worker_metrics[WM_LEGACY], 1);
	if (s->device.role == DEVICE_SETUP) { /* the other side's follows from it */
		s->tlsp = s->device.profile;
		s->tlsp_known = true;
	}
	s->reached = true;
	go(s, VERDICT_NEXT, 0, 0);
}

/* A renewal that was given up halfway may have left another certificate of our authority for this
 * name than the record says: it is this device. SPEC: maintenance.md 0.1 */
static void take_later_leaf(struct session *s, X509 *leaf, struct devcert_want *want)
{
	unsigned char *der = NULL;
	int len = i2d_X509(leaf, &der);
	char fp[DEVCERT_FP_HEX + 1];
	want->client_auth = false; /* who it is, not what for */
	if (len > 0)
		s->leaf_fault = devcert_check_issued(der, (size_t)len, want, fp, NULL);
	if (s->leaf_fault == DEVCERT_OK) { /* the record is to name its serial and its end, too */
		memcpy(s->cert_fp, fp, sizeof fp);
		s->ck.certificate.len = 0;
		if (buf_add(&s->ck.certificate, der, (size_t)len) < 0)
			s->leaf_fault = DEVCERT_MALFORMED;
	}
	OPENSSL_free(der);
	LOG_WARN("leaf.not_on_record", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_BOOL("ours", s->leaf_fault == DEVCERT_OK));
}

/* In service the certificate on record is known byte for byte, and this alone decides who it is:
 * that it has ended, that its authority is not trusted any more, that its name is of yesterday, or
 * that it serves TLS alone, is for upkeep to mend. SPEC: tls.md 8.1; maintenance.md 2, 5 */
static void note_unfit(struct session *s, X509 *leaf)
{
	static const bool mended[DEVCERT_N_FAULTS] = {[DEVCERT_WRONG_ISSUER] = true,
		[DEVCERT_EXPIRED] = true,
		[DEVCERT_NOT_YET_VALID] = true,
		[DEVCERT_NO_SERVERAUTH] = true,
		[DEVCERT_WRONG_NAME] = true,
		[DEVCERT_NO_CLIENTAUTH] = true};
	s->o.unfit = DEVCERT_OK;
	if (!mended[s->leaf_fault] || s->kind == JOB_SETUP)
		return;
	s->o.unfit = s->leaf_fault;
	X509_NAME_get_text_by_NID(
		X509_get_subject_name(leaf), NID_commonName, s->o.leaf_name, sizeof s->o.leaf_name);
	s->leaf_fault = DEVCERT_OK;
}

/* The certificate of another server: the pinned one, or any; ours, when an earlier visit was cut.
 */
static int judge_foreign(struct session *s, X509 *leaf, struct error *err)
{
	char pin[DEVCERT_FP_HEX + 1], fp[DEVCERT_FP_HEX + 1];
	TRY(devcert_fingerprint(leaf, fp));
	LOG_INFO("adopt.leaf", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_STR("sha256", fp));
	bool pinned = job_arg(s->args, "fingerprint", pin, sizeof pin);
	if (!pinned || strcasecmp(pin, fp) == 0 || strcmp(s->cert_fp, fp) == 0)
		return 0;
	error_set(err, E_TLS, "the device's certificate has SHA-256 %s, not the fingerprint given",
		fp);
	session_set_failure(s, FAIL_DEAD, "pin_mismatch", "%s", err->text);
	return E_TLS;
}

/* Setup: any certificate is taken and its fingerprint kept. Configured: ours, byte for byte, and
 * this before the first request. SPEC: tls.md 6, 8 */
static int on_verify(X509 *leaf, STACK_OF(X509) * chain, void *arg, struct error *err)
{
	struct session *s = arg;

	s->leaf_fault = DEVCERT_OK;
	if (s->device.role == DEVICE_SETUP)
		return trust_judge(s, leaf, chain, err);
	if (s->plan == PLAN_ADOPT)
		return judge_foreign(s, leaf, err);
	struct devcert_want want = {.ca = s->w->device_ca,
		.fqdn = s->ck.fqdn,
		.now_s = (int64_t)(clock_wall_ms() / 1000),
		.client_auth = s->kind != JOB_SETUP && profile_wants_client_auth(s->profile)};
	const char *old = s->plan == PLAN_RENEW ? s->old_fp : NULL;
	s->leaf_fault = devcert_check_presented(leaf, s->cert_fp, old, &want, err);
	note_unfit(s, leaf); /* of the very one on record only */
	if (s->leaf_fault == DEVCERT_NOT_INSTALLED && s->kind != JOB_SETUP && !s->ck.commits)
		take_later_leaf(s, leaf, &want);
	return s->leaf_fault == DEVCERT_OK ? 0 : E_TLS;
}

static bool on_may_write(void *arg)
{
	struct session *s = arg;
	return s->row->effect == EFFECT_READ || lease_may_write(&s->lease, clock_boot_ms());
}

/* ---- passwords ---------------------------------------------------------------------------------
 */

static const struct secret factory_password = {.data = (uint8_t *)"admin", .len = 5};

/* What a device may ask for that has no password of ours yet. The Hello's flag is a hint which one.
 * SPEC: ruling 17; hello.md 4; psk.md 2 */
static unsigned original_passwords(const struct session *s, const struct secret *list[static 3])
{
	unsigned n = 0;
	const struct secret *mebx = secret_set_get(&s->secrets.pend, "mebx");
	/* a random one was not there before us */
	bool try_mebx = mebx && s->profile->mebx_password.source != PROFILE_PASSWORD_RANDOM;
	bool first = psk_wanted(s) && s->hello.admin_credentials_set;
	if (try_mebx && first)
		list[n++] = mebx;
	list[n++] = &factory_password;
	if (try_mebx && !first)
		list[n++] = mebx;
	return n;
}

/* The list keeps its order as long as a login lasts: a credential is known by its number. The
 * pending password comes first when the device may have it since before this login, last when it
 * was sent under it. SPEC: ruling 17 */
static bool on_credential(unsigned i, const char **user, const struct secret **password, void *arg)
{
	struct session *s = arg;
	const struct secret *list[8];
	unsigned n = 0;
	const struct secret *pend = secret_set_get(&s->secrets.pend, "admin");
	const struct secret *cur = secret_set_get(&s->secrets.cur, "admin");
	const struct secret *prev = secret_set_get(&s->secrets.prev, "admin");
	const struct secret *give = secret_set_get(&s->secrets.give, "admin");
	if (pend && s->pend_first)
		list[n++] = pend;
	if (give)
		list[n++] = give;
	if (s->psk.mebx.len && s->device.role == DEVICE_SETUP)
		list[n++] = &s->psk.mebx; /* the key file set it together with the pair */
	if (cur)
		list[n++] = cur;
	if (prev)
		list[n++] = prev;
	if (!cur && s->device.role == DEVICE_SETUP) /* it may have been unconfigured in full */
		n += original_passwords(s, list + n);
	if (pend && !s->pend_first && s->ck.passwords_sent)
		list[n++] = pend;
	if (i >= n)
		return false;
	*user = "admin";
	*password = list[i];
	return true;
}

static void on_login(bool accepted, void *arg)
{
	struct session *s = arg;
	if (accepted) {
		s->pw_tries = 0;
		return;
	}
	s->pw_tries++;
	s->pw_counted = true;
	metric_add(&worker_metrics[WM_LOGIN_FAILED], 1);
	LOG_WARN("login.refused", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_STR("step", s->row->name), KV_UINT("tries", s->pw_tries));
}

/* ---- answers -----------------------------------------------------------------------------------
 */

/* "Not now": again after a pause, as often as the configuration says. */
static void again_later(struct session *s, unsigned max, const char *reason, const char *what)
{
	if (++s->tries <= max) {
		go(s, VERDICT_AGAIN, 0, s->w->conf->worker.waits.not_now_ms);
		return;
	}
	session_set_failure(s, FAIL_RETRY, reason, "%s: the device says %s, %u times", s->row->name,
		what, s->tries);
	go(s, VERDICT_FAIL, 0, 0);
}

static void on_refused(struct session *s, uint32_t rv)
{
	const struct step *row = s->row;
	if (row->refused) {
		struct verdict v = row->refused(s, rv);
		if (v.kind != VERDICT_FAIL || s->failure.reason) {
			drive_verdict(s, v);
			return;
		}
	}
	enum wsman_status_list list = wsman_status_list_of(row->class_name, row->action);
	const struct wsman_status *st = wsman_status_find(list, rv);
	if (st->retry == WSMAN_RETRY_SOON) {
		again_later(s, s->w->conf->worker.waits.not_now_tries, "not_now", st->name);
		return;
	}
	bool worn = st->retry == WSMAN_RETRY_LATE;
	bool passing = worn || (list == WSMAN_STATUS_AMT && rv == WSMAN_RV_INTERNAL_ERROR);
	/* A worn device in service is left alone till the calendar comes again; one in setup waits.
	 * SPEC: maintenance.md 8 */
	bool again = passing && !(worn && s->kind != JOB_SETUP);
	session_set_failure(s, again ? FAIL_RETRY : FAIL_DEAD, worn ? SESSION_WORN : "refused",
		"%s: %s.%s answered %u %s", row->name, row->class_name, row->action, rv, st->name);
	go(s, VERDICT_FAIL, 0, 0);
}

static void on_fault(struct session *s, const struct wsman_message *m)
{
	const struct step *row = s->row;
	enum wsman_reaction r = wsman_fault_reaction(m->fault.subcode);
	if (row->fault) {
		struct verdict v = row->fault(s, r);
		if (v.kind != VERDICT_FAIL || s->failure.reason) {
			drive_verdict(s, v);
			return;
		}
	}
	if (r == WSMAN_REACT_ABSENT && row->absent == ABSENT_SKIP) {
		setting_lacks(s, NOT_THERE);
		go(s, VERDICT_NEXT, 0, 0);
	} else if (r == WSMAN_REACT_BUSY) {
		again_later(s, SESSION_BUSY_TRIES, "busy", m->fault.subcode);
	} else if (r == WSMAN_REACT_CONTEXT && ++s->tries <= SESSION_BUSY_TRIES) {
		go(s, VERDICT_AGAIN, 0, 0);
	} else {
		/* A device may quote what it refuses: no words of it about a secret. SPEC: tls.md 9
		 */
		bool secret = row->effect == EFFECT_SECRET || row->secret;
		session_set_failure(s, FAIL_DEAD, "fault", "%s: %s.%s: fault %s (%.120s)",
			row->name, row->class_name, row->action,
			m->fault.subcode[0] ? m->fault.subcode : m->fault.code,
			secret ? "text left out" : m->fault.reason);
		go(s, VERDICT_FAIL, 0, 0);
	}
}

static void on_list(struct session *s, const struct wsman_message *m)
{
	bool pulled = s->context[0] != '\0';
	struct verdict v = {.kind = VERDICT_NEXT};
	if (pulled)
		v = s->row->interpret(s, m);
	if (v.kind != VERDICT_NEXT) {
		drive_verdict(s, v);
	} else if (pulled && (m->end_of_sequence || !m->context[0])) {
		drive_verdict(s, s->row->end ? s->row->end(s) : v);
	} else if (!m->context[0] || strlen(m->context) >= sizeof s->context ||
		   ++s->pulls > SESSION_PULLS_MAX) {
		session_set_failure(s, FAIL_RETRY, "garbage",
			"%s: the enumeration has no usable context or no end", s->row->name);
		go(s, VERDICT_FAIL, 0, 0);
	} else {
		snprintf(s->context, sizeof s->context, "%s", m->context);
		drive_enumerate(s);
	}
}

static void on_answer(const struct wsman_message *m, void *arg)
{
	struct session *s = arg;
	if (m->fault.present)
		on_fault(s, m);
	else if (s->row->kind == KIND_LIST)
		on_list(s, m);
	else if (m->has_return_value && m->return_value != WSMAN_RV_SUCCESS)
		on_refused(s, m->return_value);
	else
		drive_verdict(s, s->row->interpret(s, m));
}

/* ---- troubles
 * ------------------------------------------------------------------------------------ */

/* A device without TLS, if the operator allows to speak to it so until it has a certificate: the
 * digest hides the password, nothing else is protected. */
static bool adopt_in_clear(struct session *s, enum device_trouble trouble)
{
	bool change = s->plan == PLAN_ADOPT && trouble != DEVICE_CERTIFICATE && !s->device.clear &&
		      job_arg(s->args, "plain", NULL, 0);
	s->device.clear |= change;
	return change;
}

/* The end of the visit, unless DNS knows it at another address. */
static void not_found(
	struct session *s, enum fail_class class, const char *reason, const struct error *err)
{
	session_set_failure(s, class, reason, "%s: %s", s->row->name, err->text);
	if (!locate_again(s))
		go(s, VERDICT_FAIL, 0, 0);
}

/* It was told to go: that it does not know us any more is the goal. Silence proves it only of one
 * that has heard it, and only where the network closes; one that sleeps is as silent. SPEC:
 * maintenance.md 0.5, 6 */
static bool is_gone(const struct session *s, enum device_trouble trouble, const struct error *err)
{
	bool last = s->connect_tries >= s->w->conf->worker.waits.reconnect_tries;
	bool heard = s->committed || s->ck.commits == COMMITS_HEARD;
	switch (trouble) {
	case DEVICE_CERTIFICATE: return true;
	case DEVICE_HANDSHAKE: /* in setup it may want our certificate, or a PSK pair */
		return last && (heard || err->code == E_TLS);
	case DEVICE_UNREACHABLE:
		return err->code == -ECONNREFUSED ||
		       (last && heard && job_arg(s->args, "full", NULL, 0));
	default: return false;
	}
}

/* The configured device is not there (yet), or shows the wrong leaf. SPEC: P 3 RECONNECT, tls.md 8
 */
static void admin_unreachable(
	struct session *s, enum device_trouble trouble, const struct error *err)
{
	const struct conf_waits *w = &s->w->conf->worker.waits;
	/* A leaf of its own still (self-signed or on-die), or a handshake that fails without ours:
	 * it may be in setup, which begins with reads and leads back here if it is not. */
	bool other_leaf =
		s->leaf_fault == DEVCERT_SELF_SIGNED || s->leaf_fault == DEVCERT_NOT_INSTALLED;
	bool in_setup =
		trouble == DEVICE_HANDSHAKE || (trouble == DEVICE_CERTIFICATE && other_leaf);
	bool adopts = s->kind == JOB_ADOPT && s->plan != PLAN_ADOPT;
	enum plan_id first = adopts ? PLAN_ADOPT : PLAN_SETUP;
	/* Where DNS has sent us, another device may be in setup. */
	bool again = ((s->kind == JOB_SETUP && in_setup && !s->located) || adopts) &&
		     s->setups < SESSION_SETUPS_MAX;
	if (s->plan == PLAN_UNCONFIGURE && s->ck.commits && !s->located &&
		is_gone(s, trouble, err)) {
		go(s, VERDICT_GOTO, STEP_REVOKE, 0);
	} else if (again && !s->committed) { /* the commit of an earlier visit did not take */
		go(s, VERDICT_PLAN, (int)first, 0);
	} else if (s->kind != JOB_SETUP && trouble == DEVICE_CERTIFICATE && !s->committed) {
		/* No password goes to a host that we do not know. SPEC: maintenance.md 0.1 */
		not_found(s, FAIL_DEAD, "changed_hands", err);
	} else if (adopt_in_clear(s, trouble)) {
		connect_now(s);
	} else if (s->connect_tries < w->reconnect_tries && s->row->kind != KIND_CONNECT) {
		go(s, VERDICT_GOTO, STEP_UNCONFIGURE_PROVE, w->reconnect_ms);
	} else if (s->connect_tries < w->reconnect_tries) {
		s->wake = drive_connect;
		boot_timer_set_in(&s->timer, w->reconnect_ms);
	} else if (again) {
		s->committed = false;
		go(s, VERDICT_PLAN, (int)first, 0);
	} else if (trouble == DEVICE_CERTIFICATE) {
		fail(s, other_leaf ? FAIL_RETRY : FAIL_DEAD, "wrong_certificate", err);
	} else {
		not_found(s, FAIL_RETRY, "unreachable", err);
	}
}

static void on_cut(struct session *s, const struct error *err)
{
	if (s->row->cut == CUT_IS_FINE)
		go(s, VERDICT_NEXT, 0, 0);
	else if (++s->row_cuts > SESSION_CUTS_MAX || ++s->cuts > SESSION_CUTS_TOTAL)
		fail(s, FAIL_RETRY, "cut", err);
	else if (s->row->effect == EFFECT_ONCE)
		go(s, VERDICT_GOTO, (int)s->row->doubt, 0);
	else
		go(s, VERDICT_AGAIN, 0, 0);
}

/* WS-Man begins with 3.0. SPEC: wsman.md 8 */
static bool too_old(const struct session *s)
{
	unsigned long major = strtoul(device_amt_version(&s->device), NULL, 10);
	return major > 0 && major < 3;
}

static void on_http(struct session *s, const struct error *err)
{
	int status = s->device.status;
	bool option = s->plan != PLAN_SETUP && s->row->effect == EFFECT_READ &&
		      s->row->absent == ABSENT_SKIP;
	if (status == 400 && option) { /* some firmware says so of a class it lacks. SPEC: P 4 */
		setting_lacks(s, NOT_THERE);
		go(s, VERDICT_NEXT, 0, 0);
		return;
	}
	if ((status >= 500 || status == 408) && ++s->tries <= SESSION_BUSY_TRIES)
		go(s, VERDICT_AGAIN, 0, s->w->conf->worker.waits.not_now_ms);
	else
		fail(s, status == 403 || status == 404 ? FAIL_DEAD : FAIL_RETRY, "http", err);
}

/* A device in setup asks for our certificate; what does not, at two visits and with nothing of ours
 * on it, was configured by somebody else. SPEC: ruling 18 */
static void on_not_asked(struct session *s, bool ours, const struct error *err)
{
	if (s->device.proof.asked || ours || s->attempt == 0)
		fail(s, FAIL_RETRY, "not_in_setup", err);
	else
		fail(s, FAIL_DEAD, "already_configured", err);
}

/* The ladder is at its end, and says why. */
static bool ladder_said(const struct session *s, const char *why)
{
	return s->device.why && strcmp(s->device.why, why) == 0;
}

static void on_no_handshake(struct session *s, const struct error *err)
{
	bool dead = s->device.final || ladder_said(s, "psk_mismatch");
	fail(s, dead ? FAIL_DEAD : FAIL_RETRY, s->device.why, err);
}

/* The connection of the present row could not be made: a row for it alone, or the look at a device
 * that was told to go and went between two connections. */
static bool is_connecting(const struct session *s, enum device_trouble trouble)
{
	bool looks = s->row == &step_table[STEP_UNCONFIGURE_STATE];
	return s->row->kind == KIND_CONNECT ||
	       (looks && (trouble == DEVICE_UNREACHABLE || trouble == DEVICE_HANDSHAKE ||
				 trouble == DEVICE_CERTIFICATE));
}

static void on_failed(enum device_trouble trouble, const struct error *err, void *arg)
{
	struct session *s = arg;
	bool connecting = is_connecting(s, trouble);
	bool ours = s->cert_fp[0] && s->ck.passwords_sent;
	LOG_INFO("device.trouble", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
		KV_STR("step", s->row->name), KV_STR("trouble", device_trouble_name(trouble)),
		KV_STR("error", err->text));
	if (s->failure.reason) { /* the certificate was judged, and this is the verdict */
		go(s, VERDICT_FAIL, 0, 0);
	} else if (trouble == DEVICE_LEASE) {
		go(s, VERDICT_AGAIN, 0, 0); /* step() decides whether it is still ours */
	} else if (trouble == DEVICE_HANDSHAKE && ladder_said(s, "psk_mismatch") &&
		   psk_refused(s)) {
		s->wake = drive_connect;
		boot_timer_set_in(&s->timer, s->w->conf->worker.waits.rung_ms);
	} else if (connecting && s->plan != PLAN_SETUP && trouble != DEVICE_OURS) {
		admin_unreachable(s, trouble, err);
	} else if (connecting && ours && trouble != DEVICE_OURS && trouble != DEVICE_UNREACHABLE &&
		   s->setups < SESSION_SETUPS_MAX) {
		s->setups = SESSION_SETUPS_MAX; /* probe the other side once, not for ever */
		go(s, VERDICT_PLAN, PLAN_ADMIN, 0);
	} else if ((trouble == DEVICE_HTTP || trouble == DEVICE_GARBAGE) && too_old(s)) {
		session_set_failure(s, FAIL_DEAD, "amt_too_old",
			"the device runs Intel AMT %.20s, which has no WS-Man: releases before 3.0 "
			"are not supported",
			device_amt_version(&s->device));
		go(s, VERDICT_FAIL, 0, 0);
	} else if (trouble == DEVICE_CUT ||
		   (trouble == DEVICE_GARBAGE && s->row->cut == CUT_IS_FINE)) {
		on_cut(s, err);
	} else if (trouble == DEVICE_HTTP) {
		on_http(s, err);
	} else if (trouble == DEVICE_LOGIN) {
		unsigned max = s->kind == JOB_ADOPT ? ADOPT_LOGINS_MAX : SESSION_LOGINS_MAX;
		bool settled = s->device.logins == 0 || s->pw_tries >= max;
		fail(s, settled ? FAIL_DEAD : FAIL_RETRY, "unknown_password", err);
	} else if (trouble == DEVICE_NOT_ASKED) {
		on_not_asked(s, ours, err);
	} else if (trouble == DEVICE_CERTIFICATE) {
		fail(s, FAIL_DEAD, "wrong_certificate", err);
	} else if (trouble == DEVICE_HANDSHAKE && s->device.why) {
		on_no_handshake(s, err);
	} else {
		fail(s, FAIL_RETRY, device_trouble_name(trouble), err);
	}
}

const struct device_ops drive_device_ops = {
	.connected = on_connected,
	.verify = on_verify,
	.may_write = on_may_write,
	.answer = on_answer,
	.failed = on_failed,
	.credential = on_credential,
	.login = on_login,
};
