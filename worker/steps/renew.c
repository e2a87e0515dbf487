/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new TLS certificate beside the old one: the rows of CERT do the work, these decide
 * whether, where to begin, and when to believe it. The old certificate goes with CLEAN, after the
 * new one has answered. SPEC: maintenance.md 2
 */
#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define CERTIFICATE   "AMT_PublicKeyCertificate"
#define BOTH_USES     "serverAuth,clientAuth"
#define REQUEST_SINCE 6 /* AMT release that signs requests */

/* Before AMT 6.0 the authority issues for the bare key. SPEC: provisioning.md 6 */
static void request_lacking(struct session *s)
{
	unsigned major = REQUEST_SINCE;
	sscanf(s->ck.amt, "%u", &major);
	if (s->profile->tls.issue == PROFILE_ISSUE_PKCS10 && major < REQUEST_SINCE)
		setting_not_here(s, "AMT_PublicKeyManagementService", "GeneratePKCS10RequestEx",
			"from AMT 6.0 on");
}

/* Maintenance found a leaf that does not serve any more. For a name: a certificate of the new one
 * first, so that no console meets a device whose name its certificate denies; the name itself is a
 * setting and comes after. SPEC: maintenance.md 2, 5 */
enum build leaf_decide_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	switch (s->o.unfit) {
	case DEVCERT_OK: request_lacking(s); return BUILD_SKIP;
	case DEVCERT_WRONG_NAME:
		setting_report(s, CERTIFICATE, "Subject", s->o.leaf_name, s->ck.fqdn);
		break;
	case DEVCERT_NO_CLIENTAUTH:
		setting_report(s, CERTIFICATE, "ExtendedKeyUsage", "serverAuth", BOTH_USES);
		break;
	default:
		setting_report(s, CERTIFICATE, "X509Certificate", devcert_fault_name(s->o.unfit),
			devcert_fault_name(DEVCERT_OK));
		break;
	}
	if (s->dry)
		return BUILD_SKIP;
	/* Also when it is the one that an earlier visit of this renewal has put there. */
	checkpoint_drop_key(&s->ck);
	memcpy(s->old_fp, s->cert_fp, sizeof s->old_fp);
	return build_verdict(s, v_plan(PLAN_RENEW));
}

/* A visit that was cut short left its key, its certificate or both; they are found by their bytes.
 */
enum build renew_decide_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	const struct buf *der = &s->ck.certificate, *derkey = &s->ck.public_key;
	const struct listed *cert =
		der->len ? listed_by_der(s->o.certs, der->data, der->len) : NULL;
	if (cert) {
		copy_text(s->ck.cert_handle, sizeof s->ck.cert_handle, cert->handle);
		return build_verdict(s, v_goto(STEP_CONTEXT_PUT));
	}
	const struct listed *key =
		derkey->len ? listed_by_der(s->o.keys, derkey->data, derkey->len) : NULL;
	if (!key) {
		checkpoint_drop_key(&s->ck);
		return BUILD_SKIP; /* on to a new key */
	}
	copy_text(s->ck.key_handle, sizeof s->ck.key_handle, key->handle);
	return build_verdict(s, v_goto(der->len ? STEP_CERT_ADD : STEP_CSR_SIGN));
}

/* PLAN_ADMIN takes no other leaf than s->cert_fp, the new one; the port may restart meanwhile. */
enum build renew_prove_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	return build_verdict(s, v_plan(PLAN_ADMIN));
}
