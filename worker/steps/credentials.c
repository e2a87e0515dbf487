/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREDENTIALS: MEBx password, then admin. The secrets were made once and are durable as pending
 * before either row sends anything (drive.c); a repeated visit sends the same ones.
 * SPEC: provisioning.md 3 CREDENTIALS, 7; architecture D14
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proto/digest.h"
#include "worker/passwords.h"
#include "worker/steps/steps.h"

/* The device has logged us in with the pending password. */
static bool has_pending(const struct session *s)
{
	return s->pend_first && s->device.credential == 0;
}

/* It is what the device has had, or goes before an admin password that the device has. */
static bool mebx_is_set(const struct session *s)
{
	if (s->kind == JOB_ADOPT) /* the current set is of an earlier life */
		return has_pending(s);
	return passwords_same(s, "mebx") || (has_pending(s) && !passwords_same(s, "admin"));
}

enum build mebx_set_build(struct session *s, struct wsman_request *rq)
{
	const struct secret *mebx = secret_set_get(&s->secrets.pend, "mebx");
	if (!mebx)
		return BUILD_SKIP; /* the profile leaves it as it is */
	if (s->plan != PLAN_SETUP && mebx_is_set(s))
		return BUILD_SKIP;
	struct wsman_param *p = arena_alloc(&s->keep, sizeof *p);
	if (!p)
		return build_nomem(s);
	*p = WSMAN_TEXT("Password", secret_text(mebx));
	rq->op = WSMAN_INVOKE;
	s->mebx_sent = s->ck.mebx != MEBX_MADE;
	s->ck.mebx = MEBX_SENT;
	rq->method = "SetMEBxPassword";
	rq->params = p;
	rq->n_params = 1;
	return BUILD_SEND;
}

struct verdict mebx_set_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return v_next();
}

/* The record must not name a password that the device did not take, nor lose the one that it has:
 * of a device in setup the store keeps those of its last life as previous. */
static struct verdict keep_mebx(struct session *s)
{
	const struct secret *had = secret_set_get(&s->secrets.cur, "mebx");
	if (!had && s->kind == JOB_SETUP)
		had = secret_set_get(&s->secrets.prev, "mebx");
	if (!had)
		secret_set_remove(&s->secrets.pend, "mebx");
	else if (secret_set_put(&s->secrets.pend, "mebx", had->data, had->len, clock_wall_ms()) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for a password");
	s->pending_dirty = true;
	return v_next();
}

/* "Default only" policy, and it is not the default any more: warn and go on. In a setup that may be
 * because of a try of ours, whose answer was lost. */
struct verdict mebx_set_refused(struct session *s, uint32_t rv)
{
	if (rv != WSMAN_RV_NOT_PERMITTED)
		return password_refused(s, rv);
	checkpoint_skip(&s->ck, s->row->name);
	LOG_WARN("mebx.kept", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job));
	return s->kind == JOB_SETUP && s->mebx_sent ? v_next() : keep_mebx(s);
}

struct verdict password_refused(struct session *s, uint32_t rv)
{
	if (rv == WSMAN_RV_INVALID_PASSWORD)
		return v_fail(s, FAIL_DEAD, "weak_password",
			"the device refuses the password (2054 INVALID_PASSWORD): check the "
			"profile's "
			"password source");
	return (struct verdict){.kind = VERDICT_FAIL}; /* the driver names the code */
}

/* After a setup only when an older password has logged in: the pending one did not take, and
 * must not become the current one. SPEC: maintenance.md 3 */
enum build admin_set_build(struct session *s, struct wsman_request *rq)
{
	const struct secret *admin = secret_set_get(&s->secrets.pend, "admin");
	if (s->plan != PLAN_SETUP && (!admin || has_pending(s)))
		return BUILD_SKIP; /* promoted already, or the device has it */
	char ha1[DIGEST_PASSWORD_LEN + 1];
	struct wsman_param *p = arena_alloc(&s->keep, 2 * sizeof *p);
	int rc = p && admin ? digest_password("admin", s->ck.realm, secret_text(admin), ha1) : -1;
	if (rc == 0)
		rc = secret_set(&s->param, ha1, DIGEST_PASSWORD_LEN);
	explicit_bzero(ha1, sizeof ha1);
	if (rc < 0)
		return build_nomem(s);
	p[0] = WSMAN_TEXT("Username", "admin");
	p[1] = WSMAN_TEXT("DigestPassword", secret_text(&s->param));
	rq->op = WSMAN_INVOKE;
	rq->method = "SetAdminAclEntryEx";
	rq->params = p;
	rq->n_params = 2;
	s->ck.passwords_sent = true;
	return BUILD_SEND;
}

/* The ACL change drops digest sessions: if the device asks now, the new password comes first. A
 * configured device proves it by a new login; DEVICE_LOGINS_MAX bounds how often. */
struct verdict admin_set_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	device_forget_login(&s->device);
	s->pend_first = true;
	return s->plan != PLAN_SETUP ? v_plan(s->plan) : v_next();
}
