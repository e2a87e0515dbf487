/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New passwords. They are made here once and written ahead by the first row that sends one; a new
 * connection decides whether the device took them, never the answer. SPEC: maintenance.md 3
 */
#include "worker/passwords.h"
#include "worker/steps/steps.h"

enum build rotate_make_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	struct error err = {0};
	if (s->secrets.pend.n)
		return BUILD_SKIP; /* of this visit's first turn, or of one that was cut short */
	int rc = session_rotate_secrets(s, &err);
	if (rc < 0)
		return build_fail(s, FAIL_DEAD, "no_password",
			"the passwords of profile %s cannot be made: %s", s->profile->name,
			err.text);
	return rc > 0 ? BUILD_SKIP : build_verdict(s, (struct verdict){.kind = VERDICT_DONE});
}

/* Phase B: of users, of the RFB port, of Kerberos. The first row that writes makes them durable. */
enum build secrets_make_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	struct error err = {0};
	if (passwords_make(s, &err) < 0)
		return build_fail(s, FAIL_DEAD, "no_password",
			"the passwords of profile %s cannot be made: %s", s->profile->name,
			err.text);
	return BUILD_SKIP;
}

/* What no row has sent was not written ahead: it is made again when a row sends it. */
enum build secrets_promote_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	return s->secrets.pend.n && !s->pending_dirty ? BUILD_SEND : BUILD_SKIP;
}
