/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that look at a sorted provisioning chain. SPEC: tls.md 4.5, 5.1; vectors/pki/manifest.csv
 */
#include "common/pki/provcert_priv.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define AMT_EKU_OID "2.16.840.1.113741.1.2.3"
#define AMT_OU      "Intel(R) Client Setup Certificate"

enum { DAY_S = 24 * 60 * 60, SUBJECT_MAX = 120 };

/* Subject for a message. X509_NAME_oneline() escapes what is not printable. */
static const char *subject_of(X509 *cert, char out[static SUBJECT_MAX])
{
	out[0] = '\0';
	X509_NAME_oneline(X509_get_subject_name(cert), out, SUBJECT_MAX);
	return out;
}

static bool time_to_s(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;
	if (!ASN1_TIME_to_tm(t, &tm))
		return false;
	*out = (int64_t)timegm(&tm);
	return true;
}

/* ---- every certificate
 * ---------------------------------------------------------------------------- */

static void check_dates(X509 *cert, int64_t now_s, struct provcert_report *report)
{
	char who[SUBJECT_MAX], day[32];
	int64_t from_s, to_s;
	time_t t;
	struct tm tm;
	if (!time_to_s(X509_get0_notBefore(cert), &from_s) ||
		!time_to_s(X509_get0_notAfter(cert), &to_s)) {
		provcert_report_add(report, PROVCERT_MALFORMED, "%s has dates that cannot be read",
			subject_of(cert, who));
		return;
	}
	t = (time_t)(now_s < from_s ? from_s : to_s);
	gmtime_r(&t, &tm);
	strftime(day, sizeof day, "%Y-%m-%d", &tm);
	if (now_s > to_s)
		provcert_report_add(
			report, PROVCERT_EXPIRED, "%s expired on %s", subject_of(cert, who), day);
	else if (now_s < from_s)
		provcert_report_add(report, PROVCERT_NOT_YET_VALID, "%s is valid from %s on",
			subject_of(cert, who), day);
	else if (to_s - now_s < (int64_t)PROVCERT_WARN_DAYS * DAY_S)
		provcert_report_add(report, PROVCERT_WARN_EXPIRES_SOON,
			"%s expires on %s, in less than %d days", subject_of(cert, who), day,
			PROVCERT_WARN_DAYS);
}

/* What AMT 22 wants. SPEC: tls.md 5.4 */
enum { NEW_KEY_BITS = 3072 };

static void check_key(struct provcert *pc, X509 *cert, struct provcert_report *report)
{
	char who[SUBJECT_MAX];
	EVP_PKEY *key = X509_get0_pubkey(cert);
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
		provcert_report_add(report, PROVCERT_NOT_RSA, "the key of %s is not RSA",
			subject_of(cert, who));
		return;
	}
	pc->not_new |= EVP_PKEY_get_bits(key) < NEW_KEY_BITS;
	if (EVP_PKEY_get_bits(key) >= PROVCERT_KEY_BITS_MIN)
		return;
	pc->has_weak = true;
	provcert_report_add(report, PROVCERT_WEAK_KEY, "%s has RSA %d, %d bits are needed",
		subject_of(cert, who), EVP_PKEY_get_bits(key), PROVCERT_KEY_BITS_MIN);
}

static void check_digest(struct provcert *pc, X509 *cert, struct provcert_report *report)
{
	char who[SUBJECT_MAX];
	int md_nid = NID_undef;
	bool known = X509_get_signature_info(cert, &md_nid, NULL, NULL, NULL);
	pc->not_new |= md_nid != NID_sha384 && md_nid != NID_sha512;
	if (!known || (md_nid != NID_sha1 && md_nid != NID_md5))
		return;
	pc->has_sha1 = true;
	provcert_report_add(report, PROVCERT_WARN_SHA1,
		"%s is signed with SHA-1 or older; AMT 16 and later refuse it",
		subject_of(cert, who));
}

/* cert against its issuer; the root against itself. */
static void check_issuer(X509 *cert, X509 *issuer, struct provcert_report *report)
{
	char who[SUBJECT_MAX], by[SUBJECT_MAX];
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	if (!key || X509_verify(cert, key) != 1)
		provcert_report_add(report, PROVCERT_BAD_SIGNATURE,
			"the signature on %s was not made by %s", subject_of(cert, who),
			subject_of(issuer, by));
	ERR_clear_error();
	if (cert == issuer)
		return;
	/* Absent key usage allows all; libcrypto then reports all bits. */
	if (X509_check_ca(issuer) != 1 || !(X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN))
		provcert_report_add(report, PROVCERT_NOT_A_CA,
			"%s issues certificates without being a CA", subject_of(issuer, by));
}

/* ---- the leaf
 * --------------------------------------------------------------------------------------- */

static void check_usage(X509 *leaf, bool ou_mark, struct provcert_report *report)
{
	bool server_auth = false, oid_mark = false;
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		const ASN1_OBJECT *oid = sk_ASN1_OBJECT_value(eku, i);
		char text[64];
		OBJ_obj2txt(text, sizeof text, oid, 1);
		oid_mark |= strcmp(text, AMT_EKU_OID) == 0;
		server_auth |= OBJ_obj2nid(oid) == NID_server_auth;
	}
	EXTENDED_KEY_USAGE_free(eku);
	if (!server_auth)
		provcert_report_add(report, PROVCERT_NO_SERVERAUTH,
			"the leaf's extended key usage lacks serverAuth (1.3.6.1.5.5.7.3.1)");
	if (!oid_mark && !ou_mark)
		provcert_report_add(report, PROVCERT_NO_AMT_MARK,
			"the leaf has neither extended key usage " AMT_EKU_OID " nor OU \"" AMT_OU
			"\"");
	else if (!oid_mark)
		provcert_report_add(report, PROVCERT_WARN_OU_ONLY,
			"marked by its OU only; newer software insists on extended key "
			"usage " AMT_EKU_OID);
}

/* @return whether one OU is the text that marks a setup certificate; case matters */
static bool check_ous(X509 *leaf, struct provcert_report *report)
{
	X509_NAME *name = X509_get_subject_name(leaf);
	bool marked = false;
	int n = 0;
	for (int at = -1;
		(at = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, at)) >= 0;) {
		unsigned char *text = NULL;
		int len = ASN1_STRING_to_UTF8(
			&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
		n++;
		if (len == (int)strlen(AMT_OU) && memcmp(text, AMT_OU, (size_t)len) == 0)
			marked = true;
		OPENSSL_free(text);
	}
	if (n > 1)
		provcert_report_add(report, PROVCERT_WARN_MANY_OUS,
			"%d OUs; whether firmware looks at all of them is not known", n);
	return marked;
}

static void read_cn(struct provcert *pc)
{
	X509_NAME *name = X509_get_subject_name(pc->chain[0]);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;
	if (at < 0)
		return;
	int len =
		ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	/* A NUL inside would make the text shorter than the name that the firmware compares. */
	if (len > 0 && len <= PROVCERT_CN_MAX && !memchr(text, '\0', (size_t)len))
		memcpy(pc->cn, text, (size_t)len);
	OPENSSL_free(text);
}

/* Firmware compares the CN; no source says that it reads the SAN. SPEC: tls.md 5.3 */
static void check_names(const struct provcert *pc, struct provcert_report *report)
{
	GENERAL_NAMES *san = X509_get_ext_d2i(pc->chain[0], NID_subject_alt_name, NULL, NULL);
	bool any = false, listed = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(san); i++) {
		const GENERAL_NAME *gn = sk_GENERAL_NAME_value(san, i);
		if (gn->type != GEN_DNS)
			continue;
		any = true;
		size_t len = (size_t)ASN1_STRING_length(gn->d.dNSName);
		const char *dns = (const char *)ASN1_STRING_get0_data(gn->d.dNSName);
		listed |= len == strlen(pc->cn) && strncasecmp(dns, pc->cn, len) == 0;
	}
	GENERAL_NAMES_free(san);
	if (pc->cn[0] == '\0' || (any && !listed))
		provcert_report_add(report, PROVCERT_WARN_SAN_ONLY,
			"CN \"%s\" is not among the names of the SAN; devices compare the CN",
			pc->cn);
	if (pc->cn[0] == '*')
		provcert_report_add(report, PROVCERT_WARN_WILDCARD,
			"CN \"%s\" is a wildcard; whether firmware accepts it is not known",
			pc->cn);
}

void provcert_check(struct provcert *pc, int64_t now_s, struct provcert_report *report)
{
	X509 *leaf = pc->chain[0];
	for (size_t i = 0; i < pc->n; i++) {
		bool is_root = pc->complete && i + 1 == pc->n;
		check_dates(pc->chain[i], now_s, report);
		check_key(pc, pc->chain[i], report);
		check_digest(pc, pc->chain[i], report);
		if (i + 1 < pc->n || is_root)
			check_issuer(pc->chain[i], pc->chain[is_root ? i : i + 1], report);
	}
	read_cn(pc);
	if (!time_to_s(X509_get0_notAfter(leaf), &pc->not_after_s))
		pc->not_after_s = 0;
	check_usage(leaf, check_ous(leaf, report), report);
	check_names(pc, report);
	if (pc->key && EVP_PKEY_eq(X509_get0_pubkey(leaf), pc->key) != 1)
		provcert_report_add(report, PROVCERT_KEY_MISMATCH,
			"the private key does not belong to any certificate of the chain");
	if (pc->n > PROVCERT_CHAIN_WARN)
		provcert_report_add(report, PROVCERT_WARN_LONG_CHAIN,
			"%zu certificates; more than %d are not known to work", pc->n,
			PROVCERT_CHAIN_WARN);
	ERR_clear_error();
}
