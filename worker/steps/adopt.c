/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking over a device that somebody else configured: whose it is (its UUID), in which mode, under
 * which name. The rows of CERT and TLS then give it a certificate of ours; PLAN_ROTATE over this
 * certificate makes the password ours, and PLAN_ADMIN brings the profile. Until the commit nothing
 * of its present server is lost. SPEC: README.md ruling 18; maintenance.md 1 to 3
 */
#include "worker/steps/steps.h"

#define CLIENT_MODE 1 /* IPS_HostBasedSetupService.CurrentControlMode */

enum build adopt_state_build(struct session *s, struct wsman_request *rq)
{
	return state_get_build(s, rq);
}

struct verdict adopt_state_read(struct session *s, const struct wsman_message *m)
{
	uint64_t state;
	if (wsman_node_uint(m->payload, "ProvisioningState", &state) < 0)
		return v_fail(s, FAIL_RETRY, "no_state", "the answer has no ProvisioningState");
	if (state == 2)
		return v_next();
	return v_fail(s, FAIL_DEAD, "not_configured",
		"ProvisioningState is %u: the device is not configured, so there is nothing to "
		"adopt; let it say Hello",
		(unsigned)state);
}

enum build adopt_mode_build(struct session *s, struct wsman_request *rq)
{
	(void)s;
	rq->op = WSMAN_GET;
	return BUILD_SEND;
}

/* Client mode lacks what a profile takes for granted: consent cannot be switched off, and some
 * settings belong to the host. */
struct verdict adopt_mode_read(struct session *s, const struct wsman_message *m)
{
	uint64_t mode;
	if (wsman_node_uint(m->payload, "CurrentControlMode", &mode) < 0 || mode != CLIENT_MODE)
		return v_next();
	return v_fail(s, FAIL_DEAD, "client_mode",
		"the device is in client control mode, which its host owns: unconfigure it there, "
		"then let it say Hello; nothing was changed on it");
}

/* The operator's name for it, or else the one that it has. */
enum build adopt_name_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	char name[RESOLVE_FQDN_MAX + 1];
	const char *host = wsman_object_get(&s->o.general, "HostName");
	const char *domain = wsman_object_get(&s->o.general, "DomainName");
	char fqdn[FQDN_MAX + 1];
	struct error err = {0};
	if (s->ck.fqdn[0])
		return BUILD_SKIP;
	snprintf(name, sizeof name, "%.63s.%.191s", host ? host : "", domain ? domain : "");
	if (fqdn_set(fqdn, name, &err) < 0)
		return build_fail(s, FAIL_DEAD, "no_name",
			"the device calls itself \"%s\" (%s): adopt it with name=FQDN", name,
			err.text);
	memcpy(s->ck.fqdn, fqdn, sizeof s->ck.fqdn);
	return BUILD_SKIP;
}

/* The password is ours only after TLS with our certificate: its digest crosses no clear wire. */
enum build adopt_own_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	return build_verdict(s, v_plan(PLAN_ROTATE));
}
