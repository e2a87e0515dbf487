/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSK only: a fresh pair goes into the device, so that it can be set up again after a partial
 * unprovision; the used one is marked. The fresh pair's PID is in the checkpoint before the pair is
 * in the store, and the pair is in the store before the device sees it: whatever PID its next Hello
 * carries is known. SPEC: provisioning.md 3 PSK only; psk.md 2
 */
#include <errno.h>
#include <openssl/rand.h>

#include "common/base/codec.h"
#include "worker/steps/steps.h"
#include "worker/worker.h"

/* SetTLSPSK's own words. SPEC: provisioning.md 3 */
enum { RV_INVALID_PID = 42, RV_INVALID_PPS = 43 };

static int make_pair(struct session *s)
{
	uint8_t random[2][PSK_RANDOM_ENOUGH];
	char pps[PSK_PPS_LEN + 1];
	bool ok = RAND_bytes(random[0], sizeof random) == 1 &&
		  psk_make(PSK_PID, random[0], sizeof random[0], s->ck.psk_next) > 0 &&
		  psk_make(PSK_PPS, random[1], sizeof random[1], pps) > 0 &&
		  secret_set(&s->psk.next, pps, PSK_PPS_LEN) == 0;
	explicit_bzero(random, sizeof random);
	explicit_bzero(pps, sizeof pps);
	s->ck.psk_sent = false;
	if (!ok)
		s->ck.psk_next[0] = '\0';
	return ok ? 0 : E_CRYPTO;
}

enum build psk_make_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!psk_wanted(s))
		return build_verdict(s, v_goto(STEP_CERT_LIST));
	if (!(s->ck.psk_next[0] && s->psk.next.len) && make_pair(s) < 0)
		return build_fail(s, FAIL_RETRY, "no_psk", "a new PSK pair could not be made");
	return BUILD_SKIP;
}

/* Stored, or there already: by us (the reply was lost), or another device's by chance. */
static void on_stored(const struct store_psk *there, const struct error *err, void *arg)
{
	struct session *s = arg;
	if (s->life == LIFE_RUN && err) {
		drive_verdict(s, v_again(LEASE_RETRY_MS));
	} else if (s->life == LIFE_RUN && there && strcmp(there->uuid, s->uuid_text) != 0) {
		s->ck.psk_next[0] = '\0';
		drive_verdict(s, v_goto(STEP_PSK_MAKE));
	} else if (s->life == LIFE_RUN) {
		drive_verdict(s, v_next());
	}
	session_unref(s);
}

static int store_pair(struct session *s, struct error *err)
{
	struct secret_set set = {0};
	struct buf blob;
	buf_init(&blob, SEAL_BLOB_MAX);
	int rc = secret_set_put(&set, PSK_SECRET_PPS, s->psk.next.data, s->psk.next.len, 0);
	if (rc == 0)
		rc = psk_seal(&set, s->w->kek, s->ck.psk_next, &blob, err);
	if (rc == 0)
		rc = store_psk_put(s->w->store, s->ck.psk_next,
			(struct store_blob){blob.data, blob.len}, s->uuid_text, "setup",
			s->w->owner, on_stored, s, err);
	secret_set_free(&set);
	buf_free(&blob);
	return rc;
}

enum build psk_store_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	struct error err = {0};
	s->refs++;
	int rc = store_pair(s, &err);
	if (rc == 0)
		return BUILD_SEND;
	s->refs--;
	if (rc == E_CLOSED || rc == E_LIMIT) /* the store is down or its window is full */
		return build_verdict(s, v_again(LEASE_RETRY_MS));
	return build_fail(s, FAIL_RETRY, "no_psk", "a new PSK pair cannot be stored: %s", err.text);
}

/* The value as the firmware wants it: octets, or (fall-back) text. */
static int octets(struct session *s, struct buf *out, const void *data, size_t len)
{
	return s->psk.plain ? buf_add(out, data, len) : base64_encode(out, data, len);
}

enum build psk_set_build(struct session *s, struct wsman_request *rq)
{
	struct wsman_param *p = arena_alloc(&s->keep, 2 * sizeof *p);
	struct buf pps;
	buf_init(&pps, WSMAN_REQUEST_MAX);
	s->blob.len = 0;
	int rc = p ? octets(s, &s->blob, s->ck.psk_next, PSK_PID_LEN) : -ENOMEM;
	if (rc == 0)
		rc = octets(s, &pps, s->psk.next.data, s->psk.next.len);
	if (rc == 0)
		rc = secret_set(&s->param, pps.data, pps.len);
	buf_wipe(&pps);
	const char *pid = rc == 0 ? buf_cstr(&s->blob) : NULL;
	if (!pid)
		return build_nomem(s);
	p[0] = WSMAN_TEXT("PID", pid);
	p[1] = WSMAN_TEXT("PPS", secret_text(&s->param));
	rq->op = WSMAN_INVOKE;
	rq->method = "SetTLSPSK";
	rq->params = p;
	rq->n_params = 2;
	s->ck.psk_sent = true;
	return BUILD_SEND;
}

struct verdict psk_set_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return v_next();
}

/* The class says octet array, real firmware is not known: the other form once. */
static struct verdict other_form(struct session *s)
{
	if (s->psk.plain)
		return (struct verdict){.kind = VERDICT_FAIL};
	s->psk.plain = true;
	return v_again(0);
}

struct verdict psk_set_refused(struct session *s, uint32_t rv)
{
	return rv == RV_INVALID_PID || rv == RV_INVALID_PPS
		       ? other_form(s)
		       : (struct verdict){.kind = VERDICT_FAIL};
}

struct verdict psk_set_fault(struct session *s, enum wsman_reaction reaction)
{
	return reaction == WSMAN_REACT_SCHEMA ? other_form(s)
					      : (struct verdict){.kind = VERDICT_FAIL};
}

static void on_marked(const struct error *err, void *arg)
{
	struct session *s = arg;
	bool down = err && (err->code == E_CLOSED || err->code == -ETIMEDOUT);
	if (s->life == LIFE_RUN) /* a pair that was deleted meanwhile needs no mark */
		drive_verdict(s, down ? v_again(LEASE_RETRY_MS) : v_next());
	session_unref(s);
}

enum build psk_used_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!psk_wanted(s))
		return BUILD_SKIP;
	s->refs++;
	if (store_psk_mark(s->w->store, s->hello.pid, s->uuid_text, s->job, STORE_PSK_USED,
		    on_marked, s, NULL) == 0)
		return BUILD_SEND;
	s->refs--;
	return build_verdict(s, v_again(LEASE_RETRY_MS));
}
