/* SPDX-License-Identifier: Apache-2.0 */
/* COMMIT_A: one transition of ProvisioningState per generation. SPEC: P 3 COMMIT_A, ruling 19 */
#include "worker/steps/steps.h"

enum build commit_build(struct session *s, struct wsman_request *rq)
{
	rq->op = WSMAN_INVOKE;
	rq->method = "CommitChanges";
	s->ck.commits = 1; /* built again when it could not be sent */
	s->committed = true;
	return BUILD_SEND;
}

/* "Committed" is believed when VERIFY_A has seen it. */
struct verdict commit_read(struct session *s, const struct wsman_message *m)
{
	(void)s, (void)m;
	return v_next();
}

/* Something is missing: read everything again, set it again, commit once more. The order of the
 * plan is the order of the likely causes: clock, host name, MEBx password, certificate. A renewal
 * sets none of them but the certificate. */
struct verdict commit_refused(struct session *s, uint32_t rv)
{
	s->ck.commits = 0;
	s->committed = false;
	if (rv != WSMAN_RV_DATA_MISSING)
		return (struct verdict){.kind = VERDICT_FAIL};
	if (plan_index(&plan_table[s->plan], STEP_GENERAL_GET) < 0)
		return v_fail(s, FAIL_DEAD, "data_missing",
			"CommitChanges says 2057 DATA_MISSING to a device in service, of which "
			"only the certificate was changed");
	if (!s->repaired) {
		s->repaired = true;
		return v_goto(STEP_GENERAL_GET);
	}
	return v_fail(s, FAIL_DEAD, "data_missing",
		"CommitChanges says 2057 DATA_MISSING twice: clock, host name, passwords and "
		"certificate "
		"were set%s",
		secret_set_get(&s->secrets.pend, "mebx")
			? ""
			: ", but the profile leaves the MEBx password alone, which AMT 19 and "
			  "later refuse");
}
