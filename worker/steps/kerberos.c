/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KERBEROS, the device's side: realm, tolerance, and the key of the account that the directory has
 * for the device. The password is ours (SECRET_KERBEROS); the directory's side gives the same to
 * the account. What is read-compared-written: setting.c. Switched on before the access list, whose
 * entries of the directory need it; switched off after it. SPEC: provisioning.md 4 KERBEROS;
 * directory.md 4
 */
/* MD4 lives in OpenSSL's legacy provider; its direct function does without. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <ctype.h>
#include <openssl/md4.h>
#include <stdlib.h>

#include "common/base/codec.h"
#include "common/crypto/password.h"
#include "worker/passwords.h"
#include "worker/steps/steps.h"

#define ALGORITHM_RC4 0
#define ITERATIONS    "4096" /* the directory's. SPEC: directory.md 4.1 */
#define HOST_PART_MAX 15     /* of the name of an account. SPEC: directory.md 3 */
#define SPN_IGNORED   6      /* from this release on. SPEC: ruling 44 */
#define SPNS          4      /* what a device takes */
#define CONFIGURED    "ConfiguredEncryptionAlgorithms"
/* Of the pass phrase or of the master key, whichever went last: one replaces the other. */
#define MARK_KEY "kerberos.key"

bool kerberos_asked(const struct session *s)
{
	return s->profile->kerberos.state != PROFILE_KEEP;
}

static char *in_case(struct session *s, const char *text, int (*to)(int))
{
	char *copy = arena_strdup(&s->keep, text);
	for (char *p = copy; p && *p; p++)
		*p = (char)to((unsigned char)*p);
	return copy;
}

/* The realm of the profile, or the domain of the device's name. */
static const char *realm_text(const struct session *s)
{
	const char *dot = strchr(s->ck.fqdn, '.');
	const char *realm = s->profile->kerberos.realm;
	return realm[0] ? realm : dot ? dot + 1 : "";
}

/* Of an account named HOST$iME$. SPEC: directory.md 4.2 */
static const char *salt(struct session *s)
{
	const char *upper = in_case(s, realm_text(s), toupper);
	const char *lower = in_case(s, realm_text(s), tolower);
	const char *name = in_case(s, s->ck.fqdn, tolower);
	size_t len = strcspn(s->ck.fqdn, ".");
	if (!upper || !lower || !name)
		return NULL;
	return arena_printf(&s->keep, "%shost%.*s$ime.%s", upper,
		(int)(len < HOST_PART_MAX ? len : HOST_PART_MAX), name, lower);
}

/* MD4 of the password in UTF-16LE; ours are ASCII. SPEC: directory.md 4.1 MasterKey */
int kerberos_master_key(const struct secret *password, struct secret *out)
{
	uint8_t wide[2 * PASSWORD_LEN] = {0}, key[MD4_DIGEST_LENGTH];
	struct buf text;
	if (password->len > PASSWORD_LEN)
		return -1;
	for (size_t i = 0; i < password->len; i++)
		wide[2 * i] = password->data[i];
	buf_init(&text, 64);
	int rc = MD4(wide, 2 * password->len, key) ? base64_encode(&text, key, sizeof key) : -1;
	if (rc == 0)
		rc = secret_set(out, text.data, text.len);
	buf_wipe(&text);
	explicit_bzero(wide, sizeof wide);
	explicit_bzero(key, sizeof key);
	return rc;
}

/* Decided by what the device lists, not by its version. */
static bool has_aes(const struct wsman_node *have, const char *list)
{
	const struct wsman_node *x = wsman_node_child(have, list);
	for (; x; x = wsman_node_again(x))
		if (strtoul(x->text, NULL, 10) != ALGORITHM_RC4)
			return true;
	return false;
}

/* One way or the other: the device refuses both at once. The key goes with every Put. */
static void key_wish(struct wishes *w)
{
	struct session *s = w->s;
	const struct secret *password = passwords_get(s, SECRET_KERBEROS);
	if (!password)
		return;
	if (s->o.kerberos_aes) {
		wish_secret(w, "Passphrase", MARK_KEY, password);
		wish_along(w, "Salt", salt(s));
		wish_along(w, "IterationCount", ITERATIONS);
		wish_drop(w, "EncryptionAlgorithm");
		return;
	}
	if (!s->master_key.len && kerberos_master_key(password, &s->master_key) < 0)
		w->overfull = true;
	wish_secret(w, "MasterKey", MARK_KEY, &s->master_key);
	wish_along(w, "EncryptionAlgorithm", "0");
}

static bool takes_names(const struct session *s)
{
	unsigned major = SPN_IGNORED;
	sscanf(s->ck.amt, "%u", &major);
	return major < SPN_IGNORED;
}

/* HTTP on each of the four ports; what the profile adds comes first, as far as there is room. The
 * texts and their protocols (0 to 3 by port) stand beside each other. SPEC: directory.md 2 */
static void spn_wish(struct wishes *w)
{
	struct {
		char name[SPNS][PROFILE_NAME_MAX + RESOLVE_FQDN_MAX + 8];
		char protocol[SPNS][2];
	} *b = arena_alloc(&w->s->keep, sizeof *b);
	const struct profile_kerberos *k = &w->s->profile->kerberos;
	if (!b) {
		w->overfull = true;
		return;
	}
	for (unsigned i = 0; i < SPNS; i++) {
		const char *class = i < k->n_spn_classes ? k->spn_classes[i] : "HTTP";
		snprintf(
			b->name[i], sizeof b->name[i], "%s/%s:%u", class, w->s->ck.fqdn, 16992 + i);
		snprintf(b->protocol[i], sizeof b->protocol[i], "%u", i);
	}
	wish_list(w, "ServicePrincipalName", b->name[0], sizeof b->name[0], SPNS);
	wish_list(w, "ServicePrincipalProtocol", b->protocol[0], sizeof b->protocol[0], SPNS);
}

void kerberos_wish(struct wishes *w)
{
	const struct profile_kerberos *k = &w->s->profile->kerberos;
	wish_bool(w, "KrbEnabled", k->state == PROFILE_ON);
	if (k->state != PROFILE_ON)
		return;
	wish_text(w, "RealmName", in_case(w->s, realm_text(w->s), toupper));
	wish_uint(w, "MaximumClockTolerance", k->clock_tolerance_min);
	key_wish(w);
	if (takes_names(w->s)) {
		spn_wish(w);
	} else { /* SPEC: ruling 44 */
		wish_drop(w, "ServicePrincipalName");
		wish_drop(w, "ServicePrincipalProtocol");
	}
}

/* Also: what this release has not. */
void kerberos_note(struct session *s, const struct wsman_node *have)
{
	const struct profile_kerberos *k = &s->profile->kerberos;
	bool aes = k->encryption == PROFILE_ENCRYPTION_AES;
	s->o.kerberos_aes = aes && has_aes(have, "SupportedEncryptionAlgorithms");
	if (k->state != PROFILE_ON)
		return;
	const struct secret *password = passwords_get(s, SECRET_KERBEROS);
	if (s->o.kerberos_aes && password && marks_has(s, MARK_KEY, password) &&
		wsman_node_child(have, CONFIGURED) && !has_aes(have, CONFIGURED))
		setting_not_here(s, "AMT_KerberosSettingData", CONFIGURED,
			"the device took the pass phrase and enabled RC4 only");
	if (aes && !s->o.kerberos_aes)
		setting_not_here(s, "AMT_KerberosSettingData", CONFIGURED,
			"SupportedEncryptionAlgorithms has RC4 only");
	if (k->n_spn_classes && !takes_names(s))
		setting_not_here(s, "AMT_KerberosSettingData", "ServicePrincipalName",
			"ignored from AMT 6.0 on");
}

enum build kerberos_on_build(struct session *s, struct wsman_request *rq)
{
	return s->profile->kerberos.state == PROFILE_ON ? setting_put_build(s, rq) : BUILD_SKIP;
}

enum build kerberos_off_build(struct session *s, struct wsman_request *rq)
{
	return s->profile->kerberos.state == PROFILE_ON ? BUILD_SKIP : setting_put_build(s, rq);
}
