/* SPDX-License-Identifier: Apache-2.0 */
/* The ladder: what to try after a failed attempt. Pure. SPEC: tls.md 3.3, 3.5, 12; rulings 28-31 */
#include <openssl/sslerr.h>

#include "common/base/err.h"
#include "common/net/tls.h"

/* What a failed handshake means. */
enum symptom {
	SYMPTOM_OTHER,
	SYMPTOM_VERSION,   /* unsupported protocol, alert 70 */
	SYMPTOM_HANDSHAKE, /* alert 40 */
	SYMPTOM_OLD_STACK, /* no secure renegotiation */
	SYMPTOM_CLOSED,    /* closed or reset */
	SYMPTOM_GARBLED,   /* bad record mac, decode error */
	SYMPTOM_CERT,      /* alerts about our certificate */
	SYMPTOM_PSK,       /* alerts about identity or key of a pair */
};

static const struct {
	int alert;
	enum symptom symptom;
} alerts[] = {
	{SSL_AD_BAD_RECORD_MAC, SYMPTOM_GARBLED},
	{SSL_AD_HANDSHAKE_FAILURE, SYMPTOM_HANDSHAKE},
	{SSL_AD_BAD_CERTIFICATE, SYMPTOM_CERT},
	{SSL_AD_UNSUPPORTED_CERTIFICATE, SYMPTOM_CERT},
	{SSL_AD_CERTIFICATE_REVOKED, SYMPTOM_CERT},
	{SSL_AD_CERTIFICATE_EXPIRED, SYMPTOM_CERT},
	{SSL_AD_CERTIFICATE_UNKNOWN, SYMPTOM_CERT},
	{SSL_AD_ILLEGAL_PARAMETER, SYMPTOM_CERT},
	{SSL_AD_UNKNOWN_CA, SYMPTOM_CERT},
	{SSL_AD_DECODE_ERROR, SYMPTOM_GARBLED},
	{SSL_AD_DECRYPT_ERROR, SYMPTOM_PSK},
	{SSL_AD_PROTOCOL_VERSION, SYMPTOM_VERSION},
	{SSL_AD_UNKNOWN_PSK_IDENTITY, SYMPTOM_PSK},
};

static const struct {
	int reason;
	enum symptom symptom;
} reasons[] = {
	{SSL_R_UNSUPPORTED_PROTOCOL, SYMPTOM_VERSION},
	{SSL_R_WRONG_SSL_VERSION, SYMPTOM_VERSION},
	{SSL_R_WRONG_VERSION_NUMBER, SYMPTOM_VERSION},
	{SSL_R_VERSION_TOO_LOW, SYMPTOM_VERSION},
	{SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, SYMPTOM_OLD_STACK},
	{SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, SYMPTOM_GARBLED},
};

static enum symptom symptom_of(const struct conn_failure *f)
{
	for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
		if (f->alert == alerts[i].alert)
			return alerts[i].symptom;
	}
	if (f->alert >= 0)
		return SYMPTOM_OTHER;
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		if (f->ssl_reason == reasons[i].reason)
			return reasons[i].symptom;
	}
	return f->eof ? SYMPTOM_CLOSED : SYMPTOM_OTHER;
}

/* Which rung follows which on what. */
static const struct rung {
	enum tls_profile from;
	unsigned symptoms; /* bit set of enum symptom */
	enum tls_profile to;
	const char *reason;
} rungs[] = {
#define BIT(s) (1u << (s))
#define DOWN                                                                      \
	(BIT(SYMPTOM_VERSION) | BIT(SYMPTOM_HANDSHAKE) | BIT(SYMPTOM_OLD_STACK) | \
		BIT(SYMPTOM_CLOSED))
#define LAST (BIT(SYMPTOM_GARBLED) | BIT(SYMPTOM_CLOSED) | BIT(SYMPTOM_HANDSHAKE))
	{TLS_PROFILE_M, DOWN, TLS_PROFILE_L, "TLS 1.2 refused before our certificate"},
	{TLS_PROFILE_M, BIT(SYMPTOM_GARBLED), TLS_PROFILE_L0, "old stack dislikes the version"},
	{TLS_PROFILE_L, LAST, TLS_PROFILE_L0, "old stack dislikes version or extensions"},
	{TLS_PROFILE_V, DOWN, TLS_PROFILE_VL, "TLS 1.2 refused"},
	{TLS_PROFILE_V, BIT(SYMPTOM_GARBLED), TLS_PROFILE_L0, "old stack dislikes the version"},
	{TLS_PROFILE_V3, DOWN | BIT(SYMPTOM_GARBLED), TLS_PROFILE_V, "TLS 1.3 refused"},
	{TLS_PROFILE_VL, LAST, TLS_PROFILE_L0, "old stack dislikes version or extensions"},
};

/* A stop that may be different next time. */
static struct tls_next stop(const struct tls_attempt *a, const char *name, const char *reason)
{
	return (struct tls_next){TLS_STOP, a->profile, reason, name, false};
}

/* A stop that only a change of profile, pair or device can move. */
static struct tls_next stop_for_good(
	const struct tls_attempt *a, const char *name, const char *reason)
{
	return (struct tls_next){TLS_STOP, a->profile, reason, name, true};
}

static struct tls_next try_profile(enum tls_profile next, const char *reason)
{
	return (struct tls_next){TLS_TRY_PROFILE, next, reason, NULL, false};
}

static struct tls_next next_chain(const struct tls_attempt *a, const char *reason)
{
	if (!a->identity)
		return stop(a, "handshake", "refused although we show no certificate");
	return (struct tls_next){TLS_TRY_CHAIN, a->profile, reason, "chain_refused", false};
}

/* We were asked and sent nothing: our own settings, never to be retried blindly, with one
 * exception. SPEC: README ruling 30 */
static struct tls_next after_empty(const struct tls_attempt *a)
{
	if (a->profile != TLS_PROFILE_M || !tls_proof_sha1_only(&a->proof))
		return stop_for_good(a, "security_level",
			"an empty certificate was sent: security level forbids to sign");
	if (!a->legacy)
		return stop_for_good(a, "legacy_off",
			"device takes SHA-1 signatures only and tls.legacy is off");
	return try_profile(TLS_PROFILE_M0, "device takes SHA-1 signatures only");
}

/* A wrong pair shows in many ways: a server may hide which half is wrong. SPEC: tls.md 7 */
static struct tls_next after_psk(const struct tls_attempt *a, enum symptom symptom)
{
	if (BIT(symptom) & (BIT(SYMPTOM_PSK) | BIT(SYMPTOM_GARBLED)))
		return stop(a, "psk_mismatch", "the device refuses the PSK pair");
	return stop(a, "handshake", "PSK handshake failed");
}

/* Nothing else can be meant: the answer will be the same tomorrow. */
#define CERTAIN (BIT(SYMPTOM_VERSION) | BIT(SYMPTOM_OLD_STACK))

static struct tls_next next_rung(const struct tls_attempt *a, enum symptom symptom)
{
	for (size_t i = 0; i < sizeof rungs / sizeof rungs[0]; i++) {
		if (rungs[i].from != a->profile || !(rungs[i].symptoms & BIT(symptom)))
			continue;
		bool lower = tls_profile_is_legacy(rungs[i].to);

		if (lower && a->seen12)
			return stop(a, "handshake", "device was seen at TLS 1.2: no lower rung");
		if (lower && !a->legacy) {
			struct tls_next n = stop(
				a, "legacy_off", "device needs legacy TLS and tls.legacy is off");

			n.final = BIT(symptom) & CERTAIN;
			return n;
		}
		return try_profile(rungs[i].to, rungs[i].reason);
	}
	return stop(a, "handshake", "no further rung for this failure");
}

struct tls_next tls_ladder(const struct tls_attempt *a)
{
	const struct conn_failure *f = &a->failure;
	enum symptom symptom = symptom_of(f);

	if (f->phase == CONN_PHASE_CONNECT)
		return stop(a, "unreachable", "no TCP connection");
	if (a->identity && tls_proof_empty(&a->proof))
		return after_empty(a);
	if (f->timed_out)
		return stop(a, "handshake", "device was silent");
	if (a->profile == TLS_PROFILE_P)
		return after_psk(a, symptom);
	if (a->profile == TLS_PROFILE_V3 && f->phase == CONN_PHASE_OPEN)
		return try_profile(TLS_PROFILE_V, "closed on the first request over TLS 1.3");
	if (f->phase == CONN_PHASE_OPEN && (f->eof || symptom == SYMPTOM_CERT))
		return next_chain(a, "closed on the first request: chain not accepted");
	if (f->phase == CONN_PHASE_OPEN)
		return stop(a, "handshake", "failed after the handshake");
	if (symptom == SYMPTOM_CERT)
		return next_chain(a, "device refused the chain");
	if (a->proof.cert_len && (symptom == SYMPTOM_HANDSHAKE || symptom == SYMPTOM_CLOSED))
		return next_chain(a, "refused after our certificate was sent");
	return next_rung(a, symptom);
}

int tls_first_profile(enum tls_profile *out, const struct tls_device *dev, struct error *err)
{
	bool stored = dev->stored && dev->stored_profile != TLS_PROFILE_P &&
		      (dev->legacy || !tls_profile_is_legacy(dev->stored_profile));

	ENSURE(dev->hello_version != 2 || dev->legacy, err, E_REFUSED,
		"device asks for PSK setup (Hello version 2) and tls.legacy is off in its profile");
	if (dev->hello_version == 2)
		*out = TLS_PROFILE_P;
	else if (stored)
		*out = dev->stored_profile;
	else
		*out = dev->sha1_hashes_only && dev->legacy ? TLS_PROFILE_L : TLS_PROFILE_M;
	return 0;
}
