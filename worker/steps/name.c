/* SPDX-License-Identifier: Apache-2.0 */
/* NAME: AMT_GeneralSettings, the whole object echoed. SPEC: provisioning.md 3 NAME, wsman.md 4 */
#include "worker/steps/steps.h"

/* Old firmware refuses a Put with a name that it did not send itself. SPEC: wsman.md 4 */
static int set_known(struct wsman_object *o, const char *name, const char *value)
{
	return wsman_object_get(o, name) ? wsman_object_set(o, name, value) : 0;
}

int name_apply(struct session *s, struct wsman_object *o)
{
	const struct profile_features *f = &s->profile->features;
	const char *dot = strchr(s->ck.fqdn, '.'); /* the resolver has checked that there is one */
	char host[RESOLVE_HOST_MAX + 1] = "";
	memcpy(host, s->ck.fqdn, (size_t)(dot - s->ck.fqdn));
	int rc = wsman_object_set(o, "HostName", host);
	if (rc == 0)
		rc = wsman_object_set(o, "DomainName", dot + 1);
	if (rc == 0)
		rc = set_known(o, "AMTNetworkEnabled", "1"); /* 0 would lock us out */
	if (rc == 0)
		rc = wsman_object_set(o, "PingResponseEnabled", f->ping ? "true" : "false");
	if (rc == 0)
		rc = set_known(o, "RmcpPingResponseEnabled", f->rmcp_ping ? "true" : "false");
	return rc;
}

/* WsmanOnlyMode is required in Put, where the firmware has it at all: a device that did not send it
 * and wants it nevertheless gets it, once. SPEC: provisioning.md 3 NAME */
struct verdict name_put_fault(struct session *s, enum wsman_reaction reaction)
{
	struct wsman_object *o = &s->o.general;
	if (reaction != WSMAN_REACT_SCHEMA || wsman_object_get(o, "WsmanOnlyMode"))
		return (struct verdict){.kind = VERDICT_FAIL};
	if (wsman_object_set(o, "WsmanOnlyMode", "false") < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "no memory for %s", s->row->name);
	return v_again(0);
}

enum build name_put_build(struct session *s, struct wsman_request *rq)
{
	if (name_apply(s, &s->o.general) < 0)
		return build_nomem(s);
	return build_object(rq, &s->o.general);
}

struct verdict name_put_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return v_next();
}
