/* SPDX-License-Identifier: Apache-2.0 */
/* VERIFY_A: the device is configured, by us, and knows the new password; then the pending secret
 * becomes the current one. The leaf was compared before the first request (session.c).
 * SPEC: provisioning.md 3 RECONNECT / VERIFY_A, tls.md 8, ruling 15 */
#include "common/base/log.h"
#include "worker/passwords.h"
#include "worker/steps/steps.h"

enum build verify_state_build(struct session *s, struct wsman_request *rq)
{
	return state_get_build(s, rq);
}

struct verdict verify_state_read(struct session *s, const struct wsman_message *m)
{
	uint64_t state;
	if (wsman_node_uint(m->payload, "ProvisioningState", &state) < 0)
		return v_fail(s, FAIL_RETRY, "no_state", "the answer has no ProvisioningState");
	if (state == 2)
		return v_next();
	if (s->plan == PLAN_UNCONFIGURE && s->ck.commits)
		return v_goto(STEP_REVOKE); /* an earlier visit told it to go, and it has gone */
	return v_fail(s, FAIL_RETRY, "not_committed",
		"ProvisioningState is %u after the commit: the device did not take it",
		(unsigned)state);
}

enum build verify_general_build(struct session *s, struct wsman_request *rq)
{
	return general_get_build(s, rq);
}

/* A firmware update shows in the header, which has the build where CIM_SoftwareIdentity, whose word
 * may be on record, has not. SPEC: maintenance.md 0.3 */
static void refresh_version(struct session *s)
{
	const char *now = device_amt_version(&s->device);
	size_t len = strlen(s->ck.amt);
	bool same = strncmp(now, s->ck.amt, len) == 0 && (now[len] == '\0' || now[len] == '.');
	if (now[0] && !same)
		copy_text(s->ck.amt, sizeof s->ck.amt, now);
}

/* Another name than ours is written and checked with the other settings, once the password that the
 * device has is the one on record. */
struct verdict verify_general_read(struct session *s, const struct wsman_message *m)
{
	const char *realm = wsman_node_text(m->payload, "DigestRealm");
	if (s->ck.realm[0] && realm && strcmp(realm, s->ck.realm) != 0) {
		LOG_WARN("realm.changed", KV_STR("uuid", s->uuid_text), KV_STR("job", s->job),
			KV_STR("was", s->ck.realm), KV_STR("is", realm));
		return v_fail(s, FAIL_MANUAL, "realm_changed",
			"DigestRealm is not the one of the setup: the device was unconfigured and "
			"set up by somebody else; check it, then kick or cancel the job");
	}
	net_addr_host_text(&s->device.addr, s->o.own_address);
	refresh_version(s);
	return general_get_read(s, m);
}

enum build verify_admin_build(struct session *s, struct wsman_request *rq)
{
	(void)s;
	rq->op = WSMAN_INVOKE;
	rq->method = "GetAdminNetAclEntryStatus";
	return BUILD_SEND;
}

struct verdict verify_admin_read(struct session *s, const struct wsman_message *m)
{
	bool is_default = true;
	if (wsman_node_bool(m->payload, "IsDefault", &is_default) < 0 || is_default)
		return v_fail(s, FAIL_RETRY, "default_password",
			"GetAdminNetAclEntryStatus says that the admin password is still the "
			"default");
	return v_next();
}

enum build promote_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	return s->secrets.pend.n ? BUILD_SEND : BUILD_SKIP; /* promoted by an earlier visit */
}

struct verdict promote_read(struct session *s, const struct wsman_message *m)
{
	(void)m;
	struct secret_set *gone =
		passwords_promotion(s) == STORE_SECRET_PROMOTE ? &s->secrets.prev : &s->secrets.cur;
	secret_set_free(gone);
	if (gone == &s->secrets.prev)
		s->secrets.prev = s->secrets.cur;
	s->secrets.cur = s->secrets.pend;
	s->secrets.pend = (struct secret_set){0};
	secret_set_free(&s->secrets.give); /* not any more; and cur keeps the number of pend */
	return v_next();
}
