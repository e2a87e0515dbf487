/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants, one function each: what may never happen to a device, and how a configured device
 * must look. SPEC: architecture.md 3 (G1 to G5), provisioning.md 4, 7
 */
#include "bench/sim/verify.h"

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "proto/digest.h"
#include "proto/wsman/status.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define CERT_MAX   8192
#define LOGINS_MAX 10
#define SET_MEBX   "AMT_SetupAndConfigurationService.SetMEBxPassword"

/* G3: one change from in-setup to configured per generation. */
static void once(struct verify *v, struct v_device *d)
{
	json_t *line;
	size_t i;
	uint64_t gen = 0;
	unsigned n = 0;
	json_array_foreach(d->lines, i, line)
	{
		if (strcmp(v_text(line, "ev"), "state") != 0 || v_uint(line, "to") != 2)
			continue;
		n = v_uint(line, "gen") == gen ? n + 1 : 1;
		gen = v_uint(line, "gen");
		if (n > 1)
			verify_violation(v, d, "configured_twice",
				"configured %u times in generation %" PRIu64, n, gen);
	}
}

/* G2: no mutation with a smaller fence after a larger one. */
static void fences(struct verify *v, struct v_device *d)
{
	json_t *line;
	size_t i;
	uint64_t highest = 0;
	json_array_foreach(d->lines, i, line)
	{
		if (strcmp(v_text(line, "ev"), "call") != 0 || !json_object_get(line, "fence"))
			continue;
		uint64_t fence = v_uint(line, "fence");
		if (fence < highest)
			verify_violation(v, d, "stale_fence",
				"%s with fence %" PRIu64 " after fence %" PRIu64,
				v_text(line, "call"), fence, highest);
		else
			highest = fence;
	}
}

/* G5: no side effect twice. */
static void repeats(struct verify *v, struct v_device *d)
{
	const json_t *f = d->final;
	if (!f || !d->configured)
		return;
	/* What a device holds that lets nobody in again cannot be cleared: the record names it. */
	bool reachable = !v->have_records || verify_record_done(d);
	if (reachable && v_uint(f, "stray_keys"))
		verify_violation(v, d, "stray_keys", "%" PRIu64 " key pairs without certificate",
			v_uint(f, "stray_keys"));
	if (reachable && v_uint(f, "stray_certs"))
		verify_violation(v, d, "stray_certs", "%" PRIu64 " certificates not bound",
			v_uint(f, "stray_certs"));
	if (v_uint(f, "binds") > 1)
		verify_violation(v, d, "bound_twice", "%" PRIu64 " certificates were bound",
			v_uint(f, "binds"));
}

static void listener_silent(struct verify *v, struct v_device *d)
{
	json_t *line;
	size_t i;
	json_array_foreach(d->lines, i, line)
	{
		if (strcmp(v_text(line, "ev"), "hello") == 0 &&
			strcmp(v_text(line, "result"), "bytes received") == 0)
			verify_violation(v, d, "listener_spoke", "a Hello was answered with bytes");
	}
}

/* Nobody but the owner of the newest connection may change a device: works without fences too.
 * SPEC: provisioning.md 3 CONNECT ("never keep two sessions to one device") */
static void one_session(struct verify *v, struct v_device *d)
{
	json_t *line;
	size_t i;
	uint64_t newest = 0;
	json_array_foreach(d->lines, i, line)
	{
		if (strcmp(v_text(line, "ev"), "call") != 0)
			continue;
		uint64_t s = v_uint(line, "s");
		if (s < newest)
			verify_violation(v, d, "two_sessions",
				"%s in session %" PRIu64 " after a change in session %" PRIu64,
				v_text(line, "call"), s, newest);
		else
			newest = s;
	}
}

/* Ten wrong passwords in a row lock everybody out. SPEC: wsman.md 3.3 */
static void lock_out(struct verify *v, struct v_device *d)
{
	json_t *line;
	size_t i;
	if (strstr(d->faults, "lock-out"))
		return; /* others have tried before us */
	json_array_foreach(d->lines, i, line)
	{
		if (strcmp(v_text(line, "ev"), "login_failed") == 0 &&
			v_uint(line, "row") == LOGINS_MAX)
			verify_violation(
				v, d, "lock_out", "%d wrong passwords in a row", LOGINS_MAX);
	}
}

static bool placeholder(const char *uuid)
{
	static const char *const known[] = {"00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff", "03000200-0400-0500-0006-000700080009"};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcasecmp(known[i], uuid) == 0)
			return true;
	return false;
}

/* A UUID that many devices may have says nothing about who this is. SPEC: hello.md 3, ruling 2 */
static void identity(struct verify *v, struct v_device *d)
{
	json_t *line;
	size_t i, n = 0;
	json_array_foreach(d->lines, i, line) n += strcmp(v_text(line, "ev"), "call") == 0;
	if (placeholder(d->uuid) && (n > 0 || d->configured))
		verify_violation(
			v, d, "placeholder_uuid", "%zu changes of a device without identity", n);
	if (d->configured && d->n_peers_configured > 1)
		verify_violation(v, d, "shared_uuid",
			"%u of %u devices with this UUID are configured", d->n_peers_configured,
			d->n_peers);
}

/* Without the evidence no rule below can speak. */
static void evidence(struct verify *v, struct v_device *d)
{
	if (v->ended && !d->final)
		verify_violation(v, d, "evidence", "the ledger is complete, but not this device");
}

/* A refusal has a name, so that somebody can act. */
static void named(struct verify *v, struct v_device *d)
{
	const json_t *r = d->record;
	if (r && strcmp(v_text(r, "job_state"), "dead") == 0 && !*v_text(r, "reason") &&
		!*v_text(r, "job_reason") && !*v_text(r, "quarantine"))
		verify_violation(v, d, "unnamed", "the job is dead without a reason");
}

/* G1: an accepted Hello is known to the server; and both agree on what became of it. */
static void recorded(struct verify *v, struct v_device *d)
{
	if (!v->have_records)
		return;
	if (!d->record) {
		if (d->accepted)
			verify_violation(v, d, "lost", "%" PRIu64 " Hellos accepted, no record",
				d->accepted);
		return;
	}
	if (verify_record_done(d) && d->n_peers_configured == 0)
		verify_violation(v, d, "not_configured", "the record says done, the device is not");
}

static bool opens(const json_t *final, const char *password)
{
	char ha1[DIGEST_HEX_MAX + 1] = "";
	return *password &&
	       digest_ha1(DIGEST_MD5, "admin", v_text(final, "realm"), password, ha1) == 0 &&
	       strcmp(ha1, v_text(final, "ha1")) == 0;
}

/* G4: the server can log in. */
static void password(struct verify *v, struct v_device *d)
{
	const json_t *f = d->final, *r = d->record;
	if (!f || !d->configured)
		return;
	if (v_bool(f, "admin_default"))
		verify_violation(v, d, "default_password", "admin has the factory password");
	if (!r)
		return;
	/* Between the write-ahead and VERIFY_A the device may have any of the three. */
	bool known = opens(f, v_text(r, "admin_password"));
	if (!known && !verify_record_done(d))
		known = opens(f, v_text(r, "pending_admin_password")) ||
			opens(f, v_text(r, "previous_admin_password"));
	if (!known)
		verify_violation(v, d, "locked_out", "no recorded admin password is the device's");
	if (verify_record_done(d) && strcmp(v_text(r, "realm"), v_text(f, "realm")) != 0)
		verify_violation(v, d, "realm", "recorded realm %s, device %s", v_text(r, "realm"),
			v_text(f, "realm"));
	if (verify_record_done(d) && v_bool(r, "pending"))
		verify_violation(v, d, "pending", "done with a pending secret");
}

/* The firmware kept the one it has ("default only" policy), and the record names none: right for a
 * device that was adopted. SPEC: maintenance.md 3 */
static bool mebx_kept(const struct v_device *d)
{
	json_t *line;
	size_t i;
	bool refused = false;
	json_array_foreach(d->lines, i, line)
	{
		if (strcmp(v_text(line, "call"), SET_MEBX) == 0)
			refused = v_uint(line, "rv") == WSMAN_RV_NOT_PERMITTED;
	}
	return refused && !*v_text(d->record, "mebx_password");
}

static void mebx(struct verify *v, struct v_device *d)
{
	if (!v->have_profile || !d->record || !d->configured || !verify_record_done(d) ||
		v->profile.mebx_password.source == PROFILE_PASSWORD_NONE || mebx_kept(d))
		return;
	char text[256], hex[2 * SHA256_DIGEST_LENGTH + 1];
	uint8_t sha[SHA256_DIGEST_LENGTH];
	int len = snprintf(text, sizeof text, "%s:%s", d->uuid, v_text(d->record, "mebx_password"));
	if (len < 0 || (size_t)len >= sizeof text)
		len = 0;
	SHA256((const uint8_t *)text, (size_t)len, sha);
	OPENSSL_cleanse(text, sizeof text);
	hex_encode(sha, sizeof sha, hex);
	if (strcmp(hex, v_text(d->final, "mebx_sha256")) != 0)
		verify_violation(v, d, "mebx", "the recorded MEBx password is not the device's");
}

static X509 *certificate(const struct v_device *d)
{
	struct buf der;
	buf_init(&der, CERT_MAX);
	const char *b64 = v_text(d->final, "cert");
	X509 *x = NULL;
	if (base64_decode(&der, b64, strlen(b64)) == 0 && der.len > 0) {
		const unsigned char *p = der.data;
		x = d2i_X509(NULL, &p, (long)der.len);
	}
	buf_free(&der);
	return x;
}

static bool chains(struct verify *v, X509 *x, const char **why)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = ctx && X509_STORE_CTX_init(ctx, v->store, x, NULL) == 1 &&
		  X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER) == 1 &&
		  X509_verify_cert(ctx) == 1;
	*why = ctx ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)) : "memory";
	X509_STORE_CTX_free(ctx);
	return ok;
}

static bool server_auth(X509 *x)
{
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	bool found = false;
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++)
		found |= OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, i)) == NID_server_auth;
	sk_ASN1_OBJECT_pop_free(eku, ASN1_OBJECT_free);
	return found;
}

/* The installed certificate: the recorded one, from the CA, for this name. A foreign server, judged
 * without a profile, promised no name. SPEC: ca.md 1.1 */
static void certificate_good(struct verify *v, struct v_device *d)
{
	if (!d->final || !d->configured || !v_bool(d->final, "tls"))
		return;
	const char *fp = v_text(d->final, "cert_fp");
	if (d->record && verify_record_done(d) && strcmp(fp, v_text(d->record, "cert_fp")) != 0)
		verify_violation(v, d, "certificate", "recorded fingerprint %s, device %s",
			v_text(d->record, "cert_fp"), fp);
	X509 *x = certificate(d);
	if (!x) {
		verify_violation(v, d, "certificate", "TLS without a certificate");
		return;
	}
	char cn[256] = "";
	const char *why;
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof cn);
	if (v->have_profile && strcasecmp(cn, d->fqdn) != 0)
		verify_violation(v, d, "certificate", "CN is %s", cn);
	if (v->have_profile &&
		X509_check_host(x, d->fqdn, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) != 1)
		verify_violation(v, d, "certificate", "SAN does not name %s", d->fqdn);
	if (!server_auth(x))
		verify_violation(v, d, "certificate", "no EKU serverAuth");
	if (v->store && !chains(v, x, &why))
		verify_violation(v, d, "certificate", "does not chain to the CA: %s", why);
	X509_free(x);
}

static void expect_bool(
	struct verify *v, struct v_device *d, const char *what, bool wanted, bool found)
{
	if (wanted != found)
		verify_violation(v, d, "profile", "%s is %s, the profile says %s", what,
			found ? "on" : "off", wanted ? "on" : "off");
}

/* Names are ours, by the table that "muster-sim devices" printed. */
static void names(struct verify *v, struct v_device *d)
{
	char fqdn[320];
	snprintf(fqdn, sizeof fqdn, "%s.%s", v_text(d->final, "host"), v_text(d->final, "domain"));
	if (strcasecmp(fqdn, d->fqdn) != 0)
		verify_violation(v, d, "names", "the device is called %s", fqdn);
}

/* Renamed before its certificate was. SPEC: maintenance.md 5 */
static void name_order(struct verify *v, struct v_device *d)
{
	json_t *line;
	size_t i;
	json_array_foreach(d->lines, i, line)
	{
		const char *note = v_text(line, "note");
		if (strcmp(v_text(line, "call"), "AMT_GeneralSettings.Put") == 0 &&
			strncmp(note, "denied ", 7) == 0)
			verify_violation(v, d, "names",
				"it was called %s while its certificate had another name",
				note + 7);
	}
}

/* Final state equals the profile. SPEC: README ruling 54 */
static void profile(struct verify *v, struct v_device *d)
{
	const json_t *f = d->final;
	/* Phase B may be still to come when the server does not say done. */
	if (!f || !d->configured || (v->have_records && !verify_record_done(d)))
		return;
	if (v->have_profile)
		names(v, d);
	expect_bool(v, d, "TLS", true, v_bool(f, "tls"));
	if (v_uint(f, "clock_off_s") > 30)
		verify_violation(v, d, "clock", "off by %" PRIu64 " s", v_uint(f, "clock_off_s"));
	if (!v->have_profile)
		return;
	const struct profile *p = &v->profile;
	uint64_t redir = v_uint(f, "redir_state");
	expect_bool(v, d, "SOL", p->features.sol, redir == 32770 || redir == 32771);
	expect_bool(v, d, "IDER", p->features.ider, redir == 32769 || redir == 32771);
	if (v_bool(f, "kvm_class"))
		expect_bool(v, d, "KVM", p->features.kvm, v_uint(f, "kvm_state") != 3);
	if (p->features.sol || p->features.ider || (p->features.kvm && v_bool(f, "kvm_class")))
		expect_bool(v, d, "redirection listener", true, v_bool(f, "redir_listener"));
	expect_bool(v, d, "web UI", p->features.web_ui, v_uint(f, "webui_state") == 2);
	expect_bool(v, d, "ping", p->features.ping, v_bool(f, "ping"));
	const uint64_t consent[] = {[PROFILE_CONSENT_NONE] = 0,
		[PROFILE_CONSENT_KVM] = 1,
		[PROFILE_CONSENT_ALL] = 4294967295u};
	if (v_bool(f, "optin_class") && v_uint(f, "optin") != consent[p->user_consent])
		verify_violation(v, d, "profile", "OptInRequired is %" PRIu64, v_uint(f, "optin"));
	if (v_uint(f, "power_scheme") != (p->power == PROFILE_POWER_ALWAYS ? 1 : 0))
		verify_violation(v, d, "profile", "power scheme %" PRIu64 " is active",
			v_uint(f, "power_scheme"));
}

void invariants_check(struct verify *v, struct v_device *d)
{
	evidence(v, d);
	once(v, d);
	fences(v, d);
	repeats(v, d);
	one_session(v, d);
	lock_out(v, d);
	identity(v, d);
	named(v, d);
	listener_silent(v, d);
	recorded(v, d);
	password(v, d);
	mebx(v, d);
	certificate_good(v, d);
	name_order(v, d);
	profile(v, d);
}
