/* SPDX-License-Identifier: Apache-2.0 */
/* See devcert.h. */
#include "common/pki/devcert.h"

#include "common/base/cert.h"
#include "common/base/codec.h"
#include "common/base/err.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CA_CERTS_MAX = 8 };

struct devcert_ca {
	X509_STORE *store;
};

static const char *const fault_names[DEVCERT_N_FAULTS] = {
	[DEVCERT_OK] = "ok",
	[DEVCERT_MALFORMED] = "malformed",
	[DEVCERT_TOO_LARGE] = "too-large",
	[DEVCERT_SELF_SIGNED] = "self-signed",
	[DEVCERT_NOT_INSTALLED] = "not-installed",
	[DEVCERT_WRONG_KEY] = "wrong-key",
	[DEVCERT_WRONG_ISSUER] = "wrong-issuer",
	[DEVCERT_EXPIRED] = "expired",
	[DEVCERT_NOT_YET_VALID] = "not-yet-valid",
	[DEVCERT_NO_SERVERAUTH] = "no-serverauth",
	[DEVCERT_WRONG_NAME] = "wrong-name",
	[DEVCERT_NO_CLIENTAUTH] = "no-clientauth",
};

const char *devcert_fault_name(enum devcert_fault fault)
{
	return (unsigned)fault < DEVCERT_N_FAULTS ? fault_names[fault] : "unknown";
}

/* ---- authorities
 * ---------------------------------------------------------------------------------- */

int devcert_ca_new(struct devcert_ca **out, X509 *const *certs, size_t n, struct error *err)
{
	*out = NULL;
	ENSURE(n > 0, err, E_CONFIG, "device certificates: no CA certificate given");
	for (size_t i = 0; i < n; i++)
		ENSURE(X509_check_ca(certs[i]), err, E_CONFIG,
			"device certificates: certificate %zu of the bundle is no CA", i + 1);

	struct devcert_ca *ca = calloc(1, sizeof *ca);
	ENSURE(ca, err, -ENOMEM, "device certificates: out of memory");
	ca->store = X509_STORE_new();
	bool ok = ca->store != NULL;
	for (size_t i = 0; ok && i < n; i++)
		ok = X509_STORE_add_cert(ca->store, certs[i]);
	if (!ok) {
		devcert_ca_free(ca);
		return error_set(err, -ENOMEM, "device certificates: out of memory");
	}
	/* An issuing CA may be trusted by itself; its root need not be in the bundle. */
	X509_STORE_set_flags(ca->store, X509_V_FLAG_PARTIAL_CHAIN);
	*out = ca;
	return 0;
}

int devcert_ca_new_pem(struct devcert_ca **out, const void *pem, size_t len, struct error *err)
{
	X509 *certs[CA_CERTS_MAX];
	size_t n = 0;
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	*out = NULL;
	ENSURE(bio, err, -ENOMEM, "device certificates: out of memory");
	while (n < CA_CERTS_MAX && (certs[n] = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		n++;
	BIO_free(bio);
	ERR_clear_error();
	int rc = devcert_ca_new(out, certs, n, err);
	while (n > 0)
		X509_free(certs[--n]);
	return rc;
}

void devcert_ca_free(struct devcert_ca *ca)
{
	if (!ca)
		return;
	X509_STORE_free(ca->store);
	free(ca);
}

/* ---- rules
 * -------------------------------------------------------------------------------------------- */

static enum devcert_fault check_chain(X509 *cert, const struct devcert_want *want)
{
	enum devcert_fault fault = DEVCERT_WRONG_ISSUER;
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (ctx && X509_STORE_CTX_init(ctx, want->ca->store, cert, NULL)) {
		X509_STORE_CTX_set_time(ctx, 0, (time_t)want->now_s);
		bool good = X509_verify_cert(ctx) == 1;
		int why = X509_STORE_CTX_get_error(ctx);
		if (good)
			fault = DEVCERT_OK;
		else if (why == X509_V_ERR_CERT_HAS_EXPIRED)
			fault = DEVCERT_EXPIRED;
		else if (why == X509_V_ERR_CERT_NOT_YET_VALID)
			fault = DEVCERT_NOT_YET_VALID;
	}
	X509_STORE_CTX_free(ctx);
	return fault;
}

static bool has_usage(X509 *cert, int nid)
{
	bool found = false;
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++)
		found |= OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, i)) == nid;
	EXTENDED_KEY_USAGE_free(eku);
	return found;
}

static bool text_is(const ASN1_STRING *s, const char *fqdn)
{
	size_t len = strlen(fqdn);
	return (size_t)ASN1_STRING_length(s) == len &&
	       strncasecmp((const char *)ASN1_STRING_get0_data(s), fqdn, len) == 0;
}

/* The SAN decides; a CA that dropped the SAN leaves the CN. Exact names only: a wildcard would let
 * one device speak for another. */
static bool name_fits(X509 *cert, const char *fqdn)
{
	bool any = false, found = false;
	GENERAL_NAMES *san = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(san); i++) {
		const GENERAL_NAME *gn = sk_GENERAL_NAME_value(san, i);
		if (gn->type != GEN_DNS)
			continue;
		any = true;
		found |= text_is(gn->d.dNSName, fqdn);
	}
	GENERAL_NAMES_free(san);
	if (any)
		return found;
	X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	return at >= 0 && text_is(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), fqdn);
}

/* What holds for an issued and for a presented certificate alike. SPEC: ca.md 3, tls.md 8.2 */
static enum devcert_fault check_content(X509 *cert, const struct devcert_want *want)
{
	if (want->key && EVP_PKEY_eq(X509_get0_pubkey(cert), want->key) != 1)
		return DEVCERT_WRONG_KEY;
	enum devcert_fault fault = check_chain(cert, want);
	if (fault != DEVCERT_OK)
		return fault;
	if (!has_usage(cert, NID_server_auth))
		return DEVCERT_NO_SERVERAUTH;
	if (!name_fits(cert, want->fqdn))
		return DEVCERT_WRONG_NAME;
	bool usable = !want->client_auth || has_usage(cert, NID_client_auth);
	return usable ? DEVCERT_OK : DEVCERT_NO_CLIENTAUTH;
}

static enum devcert_fault report(enum devcert_fault fault, X509 *cert, const char *what,
	const struct devcert_want *want, struct error *err)
{
	char subject[120] = "";
	ERR_clear_error();
	if (fault == DEVCERT_OK)
		return fault;
	if (cert)
		X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
	error_set(err, E_TLS, "%s certificate for %s refused: %s (%s)", what, want->fqdn,
		devcert_fault_name(fault), subject);
	return fault;
}

enum devcert_fault devcert_check_issued(const uint8_t *der, size_t len,
	const struct devcert_want *want, char fp_hex[static DEVCERT_FP_HEX + 1], struct error *err)
{
	fp_hex[0] = '\0';
	if (len > DEVCERT_DER_MAX)
		return report(DEVCERT_TOO_LARGE, NULL, "issued", want, err);
	X509 *cert = cert_parse(der, len);
	enum devcert_fault fault = DEVCERT_MALFORMED;
	if (cert)
		fault = check_content(cert, want);
	if (fault == DEVCERT_OK && devcert_fingerprint(cert, fp_hex) < 0)
		fault = DEVCERT_MALFORMED;
	report(fault, cert, "issued", want, err);
	X509_free(cert);
	return fault;
}

enum devcert_fault devcert_check_presented(X509 *leaf, const char *installed_fp_hex,
	const char *previous_fp_hex, const struct devcert_want *want, struct error *err)
{
	char fp_hex[DEVCERT_FP_HEX + 1];
	enum devcert_fault fault = DEVCERT_MALFORMED;
	if (devcert_fingerprint(leaf, fp_hex) < 0)
		return report(fault, leaf, "presented", want, err);
	if (strcasecmp(fp_hex, installed_fp_hex) == 0 ||
		(previous_fp_hex && strcasecmp(fp_hex, previous_fp_hex) == 0))
		fault = check_content(leaf, want);
	else if (X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) == 0)
		fault = DEVCERT_SELF_SIGNED;
	else
		fault = DEVCERT_NOT_INSTALLED;
	return report(fault, leaf, "presented", want, err);
}

int devcert_fingerprint(const X509 *cert, char fp_hex[static DEVCERT_FP_HEX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (!X509_digest(cert, EVP_sha256(), md, &len) || len != DEVCERT_FP_LEN)
		return E_CRYPTO;
	hex_encode(md, len, fp_hex);
	return 0;
}
