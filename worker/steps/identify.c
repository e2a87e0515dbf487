/* SPDX-License-Identifier: Apache-2.0 */
/* IDENTIFY: which device is this, in which state, and is it the one that said Hello? Only reads.
 * SPEC: provisioning.md 3 IDENTIFY, ruling 18 */
#include <stdlib.h>

#include "common/base/codec.h"
#include "proto/digest.h"
#include "worker/steps/steps.h"

enum build general_get_build(struct session *s, struct wsman_request *rq)
{
	(void)s;
	rq->op = WSMAN_GET;
	return BUILD_SEND;
}

struct verdict general_get_read(struct session *s, const struct wsman_message *m)
{
	const char *realm = wsman_node_text(m->payload, "DigestRealm");
	char at[NET_ADDR_TEXT_MAX];
	if (!realm || !digest_realm_ok(realm))
		return v_fail(s, FAIL_DEAD, "bad_realm",
			"DigestRealm has not the form of Intel AMT (Digest: and 32 hex digits); "
			"the password cannot be set on it");
	/* The realm is the device's own and only a full unprovision changes it. SPEC: wsman.md 3.2
	 */
	if (s->ck.passwords_sent && s->ck.realm[0] && strcmp(s->ck.realm, realm) != 0)
		return v_wait(s, FAIL_QUARANTINE, "realm_changed",
			"this job has set the password of a device with realm %s, and at %s is "
			"one with %s: two devices with one UUID, or one that was unprovisioned; "
			"look which, then kick or cancel the job",
			s->ck.realm, net_addr_host_text(&s->device.addr, at), realm);
	copy_text(s->ck.realm, sizeof s->ck.realm, realm);
	if (!s->ck.amt[0]) /* until CIM_SoftwareIdentity says it better */
		copy_text(s->ck.amt, sizeof s->ck.amt, device_amt_version(&s->device));
	if (keep_object(s, &s->o.general, m) < 0)
		return v_fail(s, FAIL_RETRY, "no_memory", "AMT_GeneralSettings is too large");
	return v_next();
}

enum build software_list_build(struct session *s, struct wsman_request *rq)
{
	(void)s, (void)rq;
	return BUILD_SEND;
}

struct verdict software_list_read(struct session *s, const struct wsman_message *m)
{
	for (const struct wsman_node *i = NULL; (i = wsman_message_item(m, i));) {
		const char *id = wsman_node_text(i, "InstanceID");
		const char *version = wsman_node_text(i, "VersionString");
		if (id && version && strcmp(id, "AMT") == 0)
			copy_text(s->ck.amt, sizeof s->ck.amt, version);
	}
	return v_next();
}

enum build state_get_build(struct session *s, struct wsman_request *rq)
{
	(void)s;
	rq->op = WSMAN_GET;
	return BUILD_SEND;
}

static void keep_otp(struct session *s, const char *text)
{
	struct buf raw;
	buf_init(&raw, RESOLVE_OTP_MAX);
	s->o.have_otp = text && base64_decode(&raw, text, strlen(text)) == 0 && raw.len > 0;
	memset(s->o.otp, 0, sizeof s->o.otp);
	if (s->o.have_otp)
		memcpy(s->o.otp, raw.data, raw.len);
	buf_wipe(&raw);
}

/* Both DNS suffixes go into the record: they explain refused chains. SPEC: tls.md 5.3 */
static void keep_suffix(struct session *s, const struct wsman_node *o)
{
	const char *dhcp = wsman_node_text(o, "DhcpDNSSuffix");
	const char *trusted = wsman_node_text(o, "TrustedDNSSuffix");
	if (dhcp || trusted)
		snprintf(s->suffix, sizeof s->suffix, "%.120s %.120s", dhcp ? dhcp : "-",
			trusted ? trusted : "-");
}

struct verdict state_get_read(struct session *s, const struct wsman_message *m)
{
	uint64_t state;
	if (wsman_node_uint(m->payload, "ProvisioningState", &state) < 0)
		return v_fail(s, FAIL_RETRY, "no_state", "the answer has no ProvisioningState");
	keep_suffix(s, m->payload);
	keep_otp(s, wsman_node_text(m->payload, "ProvisioningServerOTP"));
	if (state != 2)
		return v_next();
	bool ours = secret_set_get(&s->secrets.pend, "admin") ||
		    secret_set_get(&s->secrets.cur, "admin");
	if (ours && s->cert_fp[0])
		return v_plan(PLAN_ADMIN);
	return v_fail(s, FAIL_DEAD, "already_configured",
		"ProvisioningState is 2 (configured) and it was not us: unconfigure the device "
		"(MEBx or "
		"its present server), then kick the job");
}

enum build uuid_get_build(struct session *s, struct wsman_request *rq)
{
	(void)s;
	rq->op = WSMAN_INVOKE;
	rq->method = "GetUuid";
	return BUILD_SEND;
}

struct verdict uuid_get_read(struct session *s, const struct wsman_message *m)
{
	struct buf raw;
	struct uuid uuid;
	const char *text = wsman_node_text(m->payload, "UUID");
	buf_init(&raw, sizeof uuid.b);
	int rc = text ? base64_decode(&raw, text, strlen(text)) : -1;
	bool whole = rc == 0 && raw.len == sizeof uuid.b;
	if (whole)
		uuid_from_wire(&uuid, raw.data);
	buf_free(&raw);
	if (!whole)
		return v_fail(
			s, FAIL_RETRY, "no_uuid", "GetUuid did not answer 16 bytes of base64");
	if (memcmp(&uuid, &s->uuid, sizeof uuid) == 0)
		return v_next();
	char other[UUID_TEXT_LEN + 1], at[NET_ADDR_TEXT_MAX];
	uuid_text(&uuid, other);
	return v_wait(s, FAIL_QUARANTINE, "uuid_mismatch",
		"the device at %s says it is %s, the Hello said %s: quarantined; check the "
		"address, then "
		"kick or cancel the job",
		net_addr_host_text(&s->device.addr, at), other, s->uuid_text);
}

enum build otp_build(struct session *s, struct wsman_request *rq)
{
	(void)rq;
	if (!s->profile->otp)
		return BUILD_SKIP;
	if (s->expected_otp_len == 0)
		return build_fail(s, FAIL_MANUAL, "otp_unknown",
			"profile %s asks for a one-time password and no source named one for this "
			"device",
			s->profile->name);
	uint8_t want[RESOLVE_OTP_MAX] = {0}; /* zero padded. SPEC: provisioning.md IDENTIFY 5 */
	memcpy(want, s->expected_otp, s->expected_otp_len);
	bool same = s->o.have_otp && CRYPTO_memcmp(want, s->o.otp, sizeof want) == 0;
	explicit_bzero(want, sizeof want);
	if (!same)
		return build_fail(s, FAIL_DEAD, "otp_mismatch",
			"the one-time password of the device is %s: nothing was changed on it",
			s->o.have_otp ? "another one" : "absent");
	return BUILD_SKIP;
}
