/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware's judgement of our chain; see judge.h. */
#include "bench/sim/judge.h"

#include "bench/sim/classes/trust.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#define AMT_OID     "2.16.840.1.113741.1.2.3"
#define SERVER_AUTH "1.3.6.1.5.5.7.3.1"
#define CLIENT_AUTH "1.3.6.1.5.5.7.3.2"
#define AMT_OU      "Intel(R) Client Setup Certificate"
/* More than that is known to work nowhere for sure. SPEC: tls.md 4.2 */
#define CHAIN_MAX 4

const char *judge_name(enum judge_code code)
{
	static const char *const names[JUDGE_N] = {
		[JUDGE_OK] = "ok",
		[JUDGE_NO_CERTIFICATE] = "no_certificate",
		[JUDGE_CHAIN_ORDER] = "chain_order",
		[JUDGE_BAD_SIGNATURE] = "bad_signature",
		[JUDGE_ROOT_UNLISTED] = "root_unlisted",
		[JUDGE_NOT_A_CA] = "not_a_ca",
		[JUDGE_NO_SERVERAUTH] = "no_serverauth",
		[JUDGE_NO_AMT_MARK] = "no_amt_mark",
		[JUDGE_DOMAIN] = "domain",
		[JUDGE_DATES] = "dates",
		[JUDGE_SHA1] = "sha1",
		[JUDGE_WEAK_DIGEST] = "weak_digest",
		[JUDGE_WEAK_KEY] = "weak_key",
		[JUDGE_NOT_RSA] = "not_rsa",
		[JUDGE_TOO_LONG] = "too_long",
		[JUDGE_NO_CLIENTAUTH] = "no_clientauth",
		[JUDGE_REVOKED] = "revoked",
	};
	return code < JUDGE_N ? names[code] : "?";
}

/* Labels that stand for the organisation, by top-level domain. SPEC: tls.md 5.3 */
static int labels_of(const char *tld)
{
	static const char *const two[] = {
		"net", "com", "org", "gov", "edu", "de", "ch", "dk", "cz", "cl", "ua", NULL};
	static const char *const three[] = {"arpa", "fr", "cn", "nl", "br", "mx", "uk", "pl", "tw",
		"ca", "fi", "be", "ru", "se", "ar", "es", "no", "at", "in", "tr", "ro", "hu", "nz",
		"pt", "il", "gr", "co", "ie", "za", "th", "sg", "hk", "lt", "id", "hr", "ee", "bg",
		NULL};
	for (size_t i = 0; two[i]; i++)
		if (strcasecmp(two[i], tld) == 0)
			return 2;
	for (size_t i = 0; three[i]; i++)
		if (strcasecmp(three[i], tld) == 0)
			return 3;
	return 0;
}

/* Copy without a final dot; false when empty or too long. */
static bool plain_name(char out[static 256], const char *name)
{
	size_t len = strlen(name);
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len >= 256)
		return false;
	memcpy(out, name, len);
	out[len] = '\0';
	return true;
}

bool judge_domain(const char *cn, const char *suffix)
{
	char name[256], want[256];
	if (strncmp(cn, "*.", 2) == 0)
		cn += 2;
	if (!plain_name(name, cn) || !plain_name(want, suffix))
		return false;
	const char *tld = strrchr(name, '.');
	int keep = labels_of(tld ? tld + 1 : name);
	const char *tail = name;
	if (keep > 0) {
		const char *at = name + strlen(name);
		while (keep > 0 && at > name)
			if (*--at == '.' && --keep == 0)
				break;
		tail = *at == '.' ? at + 1 : name;
	}
	size_t tail_len = strlen(tail), want_len = strlen(want);
	if (want_len < tail_len || strcasecmp(want + want_len - tail_len, tail) != 0)
		return false;
	return want_len == tail_len || want[want_len - tail_len - 1] == '.';
}

static enum judge_code judge_links(STACK_OF(X509) * chain)
{
	int n = sk_X509_num(chain);
	for (int i = 0; i < n; i++) {
		X509 *x = sk_X509_value(chain, i);
		X509 *issuer = sk_X509_value(chain, i + 1 < n ? i + 1 : i);
		if (X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) != 0)
			return JUDGE_CHAIN_ORDER;
	}
	for (int i = 0; i < n; i++) {
		X509 *issuer = sk_X509_value(chain, i + 1 < n ? i + 1 : i);
		EVP_PKEY *key = X509_get0_pubkey(issuer);
		if (!key || X509_verify(sk_X509_value(chain, i), key) != 1)
			return JUDGE_BAD_SIGNATURE;
		if (i > 0 && X509_check_ca(sk_X509_value(chain, i)) != 1)
			return JUDGE_NOT_A_CA;
	}
	return JUDGE_OK;
}

bool judge_hash_root(struct judge_hash *out, const X509 *root)
{
	return X509_digest(root, EVP_sha1(), out->sha1, NULL) == 1 &&
	       X509_digest(root, EVP_sha256(), out->sha256, NULL) == 1 &&
	       X509_digest(root, EVP_sha384(), out->sha384, NULL) == 1;
}

static bool root_listed(X509 *root, const struct judge_rules *rules)
{
	struct judge_hash h;
	if (!judge_hash_root(&h, root))
		return false;
	for (size_t i = 0; i < rules->n_roots; i++) {
		const struct judge_hash *r = &rules->roots[i];
		if ((rules->lists->sha1 && memcmp(r->sha1, h.sha1, sizeof h.sha1) == 0) ||
			(rules->lists->sha256 &&
				memcmp(r->sha256, h.sha256, sizeof h.sha256) == 0) ||
			(rules->lists->sha384 && memcmp(r->sha384, h.sha384, sizeof h.sha384) == 0))
			return true;
	}
	return false;
}

static bool has_amt_ou(X509 *leaf, bool any_of_many)
{
	X509_NAME *name = X509_get_subject_name(leaf);
	int at = -1, seen = 0;
	bool match = false;
	while ((at = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, at)) >= 0) {
		ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
		bool same = ASN1_STRING_length(s) == (int)strlen(AMT_OU) &&
			    memcmp(ASN1_STRING_get0_data(s), AMT_OU, strlen(AMT_OU)) == 0;
		match |= same && (seen == 0 || any_of_many);
		seen++;
	}
	return match;
}

static bool has_usage(const X509 *leaf, const char *oid)
{
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
	bool found = false;
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		char text[64];
		OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(eku, i), 1);
		found |= strcmp(text, oid) == 0;
	}
	sk_ASN1_OBJECT_pop_free(eku, ASN1_OBJECT_free);
	return found;
}

static enum judge_code judge_usage(X509 *leaf, const struct judge_rules *rules)
{
	if (!has_usage(leaf, AMT_OID) && !has_amt_ou(leaf, rules->unknown_ok))
		return JUDGE_NO_AMT_MARK;
	return has_usage(leaf, SERVER_AUTH) ? JUDGE_OK : JUDGE_NO_SERVERAUTH;
}

static bool san_fits(X509 *leaf, const char *suffix)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	bool fits = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		if (g->type == GEN_DNS)
			fits |= judge_domain(
				(const char *)ASN1_STRING_get0_data(g->d.dNSName), suffix);
	}
	GENERAL_NAMES_free(names);
	return fits;
}

static enum judge_code judge_name_of(X509 *leaf, const struct judge_rules *rules)
{
	char cn[256] = "";
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, cn, sizeof cn);
	if (strncmp(cn, "*.", 2) == 0 && !rules->unknown_ok)
		return JUDGE_DOMAIN;
	if (judge_domain(cn, rules->suffix))
		return JUDGE_OK;
	return rules->unknown_ok && san_fits(leaf, rules->suffix) ? JUDGE_OK : JUDGE_DOMAIN;
}

/* Whether a signature's digest is weaker than the release wants. */
static bool digest_weak(int nid, enum chain_digest weakest)
{
	if (nid == NID_sha1 || nid == NID_md5)
		return weakest > CHAIN_SHA1;
	return weakest == CHAIN_SHA384 && nid != NID_sha384 && nid != NID_sha512;
}

static enum judge_code judge_algorithms(STACK_OF(X509) * chain, const struct judge_rules *rules)
{
	unsigned least = rules->unknown_ok ? rules->chain->lenient_bits : rules->chain->bits;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);
		EVP_PKEY *key = X509_get0_pubkey(x);
		int digest = 0, pk = 0;
		OBJ_find_sigid_algs(X509_get_signature_nid(x), &digest, &pk);
		if (digest_weak(digest, (enum chain_digest)rules->chain->digest))
			return digest == NID_sha256 ? JUDGE_WEAK_DIGEST : JUDGE_SHA1;
		if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
			if (!rules->unknown_ok)
				return JUDGE_NOT_RSA;
			continue;
		}
		if (EVP_PKEY_get_bits(key) < (int)least)
			return JUDGE_WEAK_KEY;
	}
	return JUDGE_OK;
}

static bool dates_good(STACK_OF(X509) * chain, int64_t now_s, int64_t tolerance_s)
{
	time_t early = (time_t)(now_s - tolerance_s), late = (time_t)(now_s + tolerance_s);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		const X509 *x = sk_X509_value(chain, i);
		if (X509_cmp_time(X509_get0_notBefore(x), &late) > 0 ||
			X509_cmp_time(X509_get0_notAfter(x), &early) < 0)
			return false;
	}
	return true;
}

enum judge_code judge_chain(STACK_OF(X509) * chain, const struct judge_rules *rules)
{
	int n = sk_X509_num(chain);
	if (n <= 0)
		return JUDGE_NO_CERTIFICATE;
	if (n > CHAIN_MAX && !rules->unknown_ok)
		return JUDGE_TOO_LONG;
	enum judge_code code = judge_links(chain);
	if (code != JUDGE_OK)
		return code;
	if (!root_listed(sk_X509_value(chain, n - 1), rules))
		return JUDGE_ROOT_UNLISTED;
	X509 *leaf = sk_X509_value(chain, 0);
	if ((code = judge_usage(leaf, rules)) != JUDGE_OK ||
		(code = judge_algorithms(chain, rules)) != JUDGE_OK ||
		(code = judge_name_of(leaf, rules)) != JUDGE_OK)
		return code;
	return dates_good(chain, rules->now_s, rules->tolerance_s) ? JUDGE_OK : JUDGE_DATES;
}

/* ---- consoles under mutual TLS --------------------------------------------------------------- */

static bool issued_by(X509 *x, X509 *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	return key && X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(issuer)) == 0 &&
	       X509_verify(x, key) == 1;
}

/* From the leaf up, until a certificate of the store vouches. */
static enum judge_code reaches_trusted(STACK_OF(X509) * chain, const struct judge_console *rules)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *x = sk_X509_value(chain, i);
		if (i > 0 && X509_check_ca(x) != 1)
			return JUDGE_NOT_A_CA;
		for (size_t t = 0; t < rules->n_trusted; t++)
			if (issued_by(x, rules->trusted[t]))
				return JUDGE_OK;
		if (i + 1 < sk_X509_num(chain) && !issued_by(x, sk_X509_value(chain, i + 1)))
			return JUDGE_CHAIN_ORDER;
	}
	return JUDGE_ROOT_UNLISTED;
}

static bool revoked(const X509 *leaf, const struct trust *trust)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	for (uint32_t i = 0; i < trust->n_crls; i++)
		for (uint32_t j = 0; j < trust->crls[i].n; j++)
			if (trust->crls[i].len[j] == ASN1_STRING_length(serial) &&
				memcmp(trust->crls[i].serial[j], ASN1_STRING_get0_data(serial),
					trust->crls[i].len[j]) == 0)
				return true;
	return false;
}

/* The names are full ones or suffixes; none means any. SPEC: provisioning.md 4 MUTUAL */
static bool name_trusted(const X509 *leaf, const struct trust_names *names)
{
	char cn[256] = "";
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, cn, sizeof cn);
	for (uint32_t i = 0; i < names->n; i++) {
		size_t len = strlen(cn), tail = strlen(names->cn[i]);
		if (len >= tail && strcasecmp(cn + len - tail, names->cn[i]) == 0 &&
			(len == tail || cn[len - tail - 1] == '.'))
			return true;
	}
	return names->n == 0;
}

enum judge_code judge_console(STACK_OF(X509) * chain, const struct judge_console *rules)
{
	/* Of a remote and of a local console, as TLS_REMOTE and TLS_LOCAL count. */
	static const char *const oids[] = {"2.16.840.1.113741.1.2.1", "2.16.840.1.113741.1.2.2"};
	X509 *leaf = sk_X509_value(chain, 0);
	if (!leaf)
		return JUDGE_NO_CERTIFICATE;
	enum judge_code code = reaches_trusted(chain, rules);
	if (code != JUDGE_OK)
		return code;
	if (!has_usage(leaf, CLIENT_AUTH))
		return JUDGE_NO_CLIENTAUTH;
	if (!has_usage(leaf, oids[rules->interface]))
		return JUDGE_NO_AMT_MARK;
	if (!name_trusted(leaf, &rules->trust->names[rules->interface]))
		return JUDGE_DOMAIN;
	if (revoked(leaf, rules->trust))
		return JUDGE_REVOKED;
	return dates_good(chain, rules->now_s, rules->tolerance_s) ? JUDGE_OK : JUDGE_DATES;
}
