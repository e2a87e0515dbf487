/* SPDX-License-Identifier: Apache-2.0 */
/* See trust.h. */
#include "worker/trust.h"

#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/log.h"
#include "common/pki/odca.h"
#include "worker/session_int.h"

bool trust_ready(struct session *s)
{
	enum profile_trust want = s->profile->tls.setup_trust;
	if (want == PROFILE_TRUST_PINNED && !s->trust.pin[0])
		session_set_failure(s, FAIL_ASK, "no_pin",
			"profile %s wants the device's certificate pinned, and no source named its "
			"hash: run the agent on the host first",
			s->profile->name);
	else if (want == PROFILE_TRUST_ODCA && !s->w->odca)
		session_set_failure(s, FAIL_MANUAL, "no_odca_roots",
			"profile %s wants a verified on-die chain: name Intel's roots in "
			"worker.odca_roots, then kick the job",
			s->profile->name);
	return !s->failure.reason;
}

static int refuse(struct session *s, enum fail_class class, const char *reason, struct error *err)
{
	session_set_failure(s, class, reason, "%s", err->text);
	return E_TLS;
}

static bool pin_fits(const char *pin, const X509 *leaf)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	const EVP_MD *alg = strlen(pin) == TRUST_PIN_HEX ? EVP_sha384() : EVP_sha256();
	if (!X509_digest(leaf, alg, md, &len))
		return false;
	hex_encode(md, len, hex);
	return strcasecmp(hex, pin) == 0;
}

/* Another ROM CA is another machine that says Hello with this UUID. A leaf may change: firmware
 * makes a self-signed one whenever setup starts. */
static int judge_history(struct session *s, struct error *err)
{
	const struct trust *was = &s->trust;
	const char *now3 = s->device.fp3;
	if (was->fp3[0] && now3[0] && strcasecmp(was->fp3, now3) != 0) {
		error_set(err, E_TLS,
			"the ROM CA of the device (%.16s...) is not the one that this UUID showed "
			"before (%.16s...): another machine, quarantined; check it, then kick or "
			"cancel the job",
			now3, was->fp3);
		return refuse(s, FAIL_QUARANTINE, "rom_ca_changed", err);
	}
	if (was->fp3[0] && !now3[0])
		LOG_WARN("setup.no_on_die_chain", KV_STR("uuid", s->uuid_text),
			KV_STR("job", s->job), KV_STR("was", was->fp3));
	if (was->fp[0] && strcasecmp(was->fp, s->device_fp) != 0)
		LOG_INFO("setup.certificate_changed", KV_STR("uuid", s->uuid_text),
			KV_STR("job", s->job), KV_STR("was", was->fp), KV_STR("is", s->device_fp));
	return 0;
}

int trust_judge(struct session *s, X509 *leaf, STACK_OF(X509) * chain, struct error *err)
{
	TRY(devcert_fingerprint(leaf, s->device_fp));
	if (s->trust.pin[0] && !pin_fits(s->trust.pin, leaf)) {
		error_set(err, E_TLS,
			"the device's certificate (SHA-256 %.16s...) is not the pinned one: "
			"another machine, or somebody in between",
			s->device_fp);
		return refuse(s, FAIL_DEAD, "pin_mismatch", err);
	}
	if (s->profile->tls.setup_trust == PROFILE_TRUST_ODCA &&
		odca_check(s->w->odca, chain, (int64_t)(clock_wall_ms() / 1000), err) < 0)
		return refuse(s, FAIL_DEAD, "untrusted_device", err);
	return judge_history(s, err);
}
