/* SPDX-License-Identifier: Apache-2.0 */
/* AMT_KerberosSettingData and its keys; see kerberos.h. */
/* MD4 lives in OpenSSL's legacy provider; its direct functions do without. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "bench/sim/classes/kerberos.h"

#include "bench/sim/classes/class.h"
#include "common/base/err.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md4.h>
#include <string.h>

/* Minutes; also the default. SPEC: provisioning.md 4 KERBEROS */
#define TOLERANCE_MAX 5
/* More would let a server make this process calculate for seconds. */
#define ITERATIONS_MAX 100000

const struct kerberos kerberos_factory = {
	.version = UINT_UNSET,
	.algorithm = UINT_UNSET,
	.tolerance = UINT_UNSET,
	.iterations = UINT_UNSET,
};

static const struct kerberos *kerberos_of(const struct device *d)
{
	return part_read(d, PART_KERBEROS);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* One AES block without chaining. */
static int aes_block(const uint8_t *key, size_t len, const uint8_t in[16], uint8_t out[16])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	int ok = ctx &&
		 EVP_EncryptInit_ex(ctx, len == 16 ? EVP_aes_128_ecb() : EVP_aes_256_ecb(), NULL,
			 key, NULL) > 0 &&
		 EVP_CIPHER_CTX_set_padding(ctx, 0) > 0 &&
		 EVP_EncryptUpdate(ctx, out, &n, in, 16) > 0 && n == 16;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : E_CRYPTO;
}

int kerberos_aes_key(
	const char *passphrase, const char *salt, uint32_t iterations, uint8_t *key, size_t len)
{
	/* n-fold of "kerberos" to 128 bits. SPEC: RFC 3961 A.1 */
	static const uint8_t constant[16] = {0x6b, 0x65, 0x72, 0x62, 0x65, 0x72, 0x6f, 0x73, 0x7b,
		0x9b, 0x5b, 0x2b, 0x93, 0x13, 0x2b, 0x93};
	uint8_t base[32];
	if ((len != 16 && len != 32) ||
		PKCS5_PBKDF2_HMAC(passphrase, (int)strlen(passphrase), (const uint8_t *)salt,
			(int)strlen(salt), (int)iterations, EVP_sha1(), (int)len, base) <= 0)
		return E_CRYPTO;
	int rc = aes_block(base, len, constant, key);
	if (rc == 0 && len == 32)
		rc = aes_block(base, len, key, key + 16);
	OPENSSL_cleanse(base, sizeof base);
	return rc;
}

/* One code point of UTF-8; what is malformed is taken as Latin-1. @return bytes used */
static size_t code_point(const uint8_t *s, uint32_t *cp)
{
	size_t more = *s >= 0xF0 ? 3 : *s >= 0xE0 ? 2 : *s >= 0xC0 ? 1 : 0;
	*cp = more == 3 ? *s & 7u : more == 2 ? *s & 15u : more == 1 ? *s & 31u : *s;
	for (size_t i = 1; i <= more; i++) {
		if ((s[i] & 0xC0) != 0x80) {
			*cp = *s;
			return 1;
		}
		*cp = *cp << 6 | (s[i] & 63u);
	}
	return more + 1;
}

int kerberos_rc4_key(const char *passphrase, uint8_t key[static 16])
{
	uint8_t wide[4 * (KRB_TEXT_MAX + 1)];
	size_t n = 0;
	for (const uint8_t *s = (const uint8_t *)passphrase; *s && n + 4 <= sizeof wide;) {
		uint32_t cp, units[2];
		s += code_point(s, &cp);
		size_t n_units = cp > 0xFFFF ? 2 : 1;
		units[0] = n_units == 2 ? 0xD800 + ((cp - 0x10000) >> 10) : cp;
		units[1] = 0xDC00 + ((cp - 0x10000) & 0x3FF);
		for (size_t i = 0; i < n_units; i++) {
			wide[n++] = (uint8_t)units[i];
			wide[n++] = (uint8_t)(units[i] >> 8);
		}
	}
	bool ok = MD4(wide, n, key) != NULL;
	OPENSSL_cleanse(wide, sizeof wide);
	return ok ? 0 : E_CRYPTO;
}

size_t kerberos_keys(const struct device *d, struct krb_key out[static KRB_KEYS_MAX])
{
	const struct kerberos *k = kerberos_of(d);
	size_t n = 0;
	if (!k->enabled)
		return 0;
	if (k->have_master) {
		out[0] = (struct krb_key){.enctype = KRB_RC4, .len = sizeof k->master};
		memcpy(out[0].key, k->master, sizeof k->master);
		return 1;
	}
	const struct personality_kerberos *knows = &d->as->kerberos;
	const struct {
		bool known;
		enum krb_enctype enctype;
		size_t len;
	} aes[] = {{knows->aes256, KRB_AES256, 32}, {knows->aes128, KRB_AES128, 16}};
	for (size_t i = 0; i < 2 && k->passphrase[0]; i++) {
		if (!aes[i].known)
			continue;
		out[n] = (struct krb_key){.enctype = aes[i].enctype, .len = aes[i].len};
		if (kerberos_aes_key(
			    k->passphrase, k->salt, k->iterations, out[n].key, aes[i].len) == 0)
			n++;
	}
	if (knows->rc4 && k->passphrase[0] && kerberos_rc4_key(k->passphrase, out[n].key) == 0) {
		out[n].enctype = KRB_RC4;
		out[n++].len = 16;
	}
	return n;
}

bool kerberos_on(const struct device *d)
{
	const struct kerberos *k = kerberos_of(d);
	return k->enabled && (k->have_master || k->passphrase[0]);
}

uint32_t kerberos_tolerance(const struct device *d)
{
	uint32_t minutes = kerberos_of(d)->tolerance;
	return minutes == UINT_UNSET ? TOLERANCE_MAX : minutes;
}

uint32_t kerberos_kvno(const struct device *d)
{
	uint32_t v = kerberos_of(d)->version;
	return v == UINT_UNSET ? 0 : v;
}

const char *kerberos_realm(const struct device *d)
{
	return kerberos_of(d)->realm;
}

/* ---- AMT_KerberosSettingData ---------------------------------------------------------------- */

/* What the keys can do: RC4 of a master key, all three of a pass phrase. */
static void configured(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	const struct kerberos *k = kerberos_of(d);
	unsigned n = k->have_master ? 1 : k->passphrase[0] ? 3 : 0;
	(void)instance;
	for (unsigned i = 0; i < n; i++)
		w_uint(w, p->name, i);
}

/* SPEC: ruling 44: servers decide by this list */
static void supported(struct writer *w, struct device *d, int instance, const struct prop *p)
{
	const struct personality_kerberos *knows = &d->as->kerberos;
	const bool each[] = {knows->rc4, knows->aes128, knows->aes256};
	(void)instance;
	for (unsigned i = 0; i < 3; i++)
		if (each[i])
			w_uint(w, p->name, i);
}

#define K(field) offsetof(struct kerberos, field)
enum {
	P_ALGORITHM = 2,
	P_ITERATIONS = 4,
	P_ENABLED = 6,
	P_MASTER = 7,
	P_PASSPHRASE = 9,
	P_REALM = 10,
	P_SALT = 11,
};
static const struct prop kerberos_props[] = {
	{"ConfiguredEncryptionAlgorithms", PT_UINT, PF_RO | PF_ARRAY, .value = configured},
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) AMT: Kerberos Settings"},
	[P_ALGORITHM] = {"EncryptionAlgorithm", PT_UINT, PF_STORE | PF_HIDE_EMPTY,
		.off = K(algorithm), .max = 2},
	{"InstanceID", PT_STR, PF_RO | PF_ID, .text = "Intel (r) AMT: Kerberos Settings"},
	[P_ITERATIONS] = {"IterationCount", PT_UINT, PF_STORE | PF_SECRET, .off = K(iterations),
		.max = ITERATIONS_MAX},
	{"KeyVersion", PT_UINT, PF_STORE | PF_HIDE_EMPTY, .off = K(version)},
	[P_ENABLED] = {"KrbEnabled", PT_BOOL, PF_STORE | PF_REQ, .off = K(enabled)},
	[P_MASTER] = {"MasterKey", PT_B64, PF_SECRET},
	{"MaximumClockTolerance", PT_UINT, PF_STORE | PF_HIDE_EMPTY, .off = K(tolerance),
		.max = TOLERANCE_MAX},
	[P_PASSPHRASE] = {"Passphrase", PT_STR, PF_STORE | PF_SECRET, .off = K(passphrase),
		.max = KRB_TEXT_MAX},
	[P_REALM] = {"RealmName", PT_STR, PF_STORE | PF_HIDE_EMPTY, .off = K(realm),
		.max = KRB_TEXT_MAX},
	[P_SALT] = {"Salt", PT_STR, PF_STORE | PF_SECRET, .off = K(salt), .max = KRB_TEXT_MAX},
	{"ServicePrincipalName", PT_STR, PF_STORE | PF_ARRAY, .off = K(names), .max = KRB_TEXT_MAX,
		.cap = KRB_NAMES_MAX},
	{"ServicePrincipalProtocol", PT_UINT, PF_STORE | PF_ARRAY, .off = K(protocols), .max = 3,
		.cap = KRB_NAMES_MAX},
	{"SupportedEncryptionAlgorithms", PT_UINT, PF_RO | PF_ARRAY, .value = supported},
	{NULL},
};

static bool given(const struct call *c, size_t i)
{
	return *arg_text(c, i) != '\0';
}

/* A key by one way or the other; enabling needs one and a realm. */
static enum wfault kerberos_put(struct call *c)
{
	const struct kerberos *now = kerberos_of(c->d);
	bool master = given(c, P_MASTER), phrase = given(c, P_PASSPHRASE);
	uint8_t key[16];
	if (master && (phrase || given(c, P_SALT) || c->args[P_ITERATIONS]))
		return WF_SCHEMA;
	if (master &&
		(!arg_bytes(c, P_MASTER, key, sizeof key) || arg_uint(c, P_ALGORITHM, 1) != 0))
		return WF_SCHEMA;
	if (phrase && (!given(c, P_SALT) || arg_uint(c, P_ITERATIONS, 0) == 0))
		return WF_SCHEMA;
	bool keyed = master || phrase || now->have_master || now->passphrase[0];
	if (arg_bool(c, P_ENABLED, false) && (!keyed || !(given(c, P_REALM) || now->realm[0])))
		return WF_SCHEMA;
	struct kerberos *k = part_write(c->d, PART_KERBEROS);
	if (!k)
		return WF_INTERNAL;
	if (master) {
		memcpy(k->master, key, sizeof key);
		OPENSSL_cleanse(key, sizeof key);
		OPENSSL_cleanse(k->passphrase, sizeof k->passphrase);
		k->have_master = true;
	} else if (phrase) {
		OPENSSL_cleanse(k->master, sizeof k->master);
		k->have_master = false;
	}
	return WF_NONE;
}

static enum wfault set_cache(struct call *c)
{
	struct kerberos *k = part_write(c->d, PART_KERBEROS);
	if (!k)
		return WF_INTERNAL;
	k->cache = arg_bool(c, 0, false);
	return WF_NONE;
}

static enum wfault get_cache(struct call *c)
{
	w_bool(&c->w, "Enabled", kerberos_of(c->d)->cache);
	return WF_NONE;
}

const struct class_def class_kerberos = {
	.name = "AMT_KerberosSettingData",
	.ns = NS_AMT,
	.props = kerberos_props,
	.methods = (const struct method[]){{"SetCredentialCacheState",
						   (const struct prop[]){
							   {"Enable", PT_BOOL, PF_REQ}, {NULL}},
						   .mutates = true, .fn = set_cache},
		{"GetCredentialCacheState", NULL, .fn = get_cache}, {NULL}},
	.part = PART_KERBEROS,
	.can_put = true,
	.put = kerberos_put,
};
