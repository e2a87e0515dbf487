/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ca/certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DAY_S               86400L
#define CERTIFICATE_MAX_LEN 4100 /* SPEC: wsman.md 4: largest certificate that a device stores */
#define COMMON_NAME_MAX_LEN 64   /* X.520 upper bound for commonName */
#define DNS_NAME_MAX_LEN    253

const char *certificate_openssl_error(char *out, size_t out_len)
{
	ERR_error_string_n(ERR_peek_last_error(), out, out_len);
	ERR_clear_error();
	return out;
}

static X509 *fail(X509 *cert, struct error *err, int code, const char *what)
{
	char text[160];
	error_set(err, code, "%s: %s", what, certificate_openssl_error(text, sizeof text));
	X509_free(cert);
	return NULL;
}

static bool set_random_serial(X509 *cert)
{
	uint8_t raw[CERTIFICATE_SERIAL_LEN];
	if (RAND_bytes(raw, sizeof raw) != 1)
		return false;
	raw[0] = (uint8_t)((raw[0] & 0x7f) | 0x40); /* positive and always 16 bytes long */
	BIGNUM *bn = BN_bin2bn(raw, sizeof raw, NULL);
	bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	return ok;
}

static bool set_name(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		       (const unsigned char *)common_name, -1, -1, 0) == 1;
}

/* A day back because device clocks drift (SPEC: ca.md 1.1); never beyond the issuer's end. */
static bool set_dates(X509 *cert, uint32_t days, X509 *issuer)
{
	if (!X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) ||
		!X509_gmtime_adj(X509_getm_notAfter(cert), (long)days * DAY_S))
		return false;
	if (issuer && ASN1_TIME_compare(X509_get0_notAfter(cert), X509_get0_notAfter(issuer)) > 0)
		return X509_set1_notAfter(cert, X509_get0_notAfter(issuer)) == 1;
	return true;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* What every certificate has: version 3, serial, subject, issuer, dates, key. */
static bool set_common(
	X509 *cert, const char *common_name, uint32_t days, EVP_PKEY *key, X509 *issuer)
{
	return X509_set_version(cert, X509_VERSION_3) == 1 && set_random_serial(cert) &&
	       set_name(cert, common_name) &&
	       X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) == 1 &&
	       set_dates(cert, days, issuer) && X509_set_pubkey(cert, key) == 1;
}

static X509 *make_ca(EVP_PKEY *key, const char *common_name, uint32_t days, X509 *issuer,
	EVP_PKEY *issuer_key, struct error *err)
{
	X509 *cert = X509_new();
	X509 *signer = issuer ? issuer : cert;
	const char *basic = issuer ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE";
	if (!cert || !set_common(cert, common_name, days, key, issuer) ||
		!add_extension(cert, signer, NID_basic_constraints, basic) ||
		!add_extension(cert, signer, NID_key_usage, "critical,keyCertSign,cRLSign") ||
		!add_extension(cert, signer, NID_subject_key_identifier, "hash") ||
		!add_extension(cert, signer, NID_authority_key_identifier, "keyid:always") ||
		!X509_sign(cert, issuer_key, EVP_sha256()))
		return fail(cert, err, E_CRYPTO, common_name);
	return cert;
}

X509 *certificate_root(EVP_PKEY *key, const char *common_name, uint32_t days, struct error *err)
{
	return make_ca(key, common_name, days, NULL, key, err);
}

X509 *certificate_issuing(EVP_PKEY *key, const char *common_name, uint32_t days, X509 *root,
	EVP_PKEY *root_key, struct error *err)
{
	return make_ca(key, common_name, days, root, root_key, err);
}

/* Names are added as objects, never through OpenSSL's configuration syntax: a comma in a name must
 * not become a second name. */
static bool add_dns_names(X509 *cert, char *const *names, size_t n_names)
{
	GENERAL_NAMES *san = sk_GENERAL_NAME_new_null();
	bool ok = san != NULL;
	for (size_t i = 0; ok && i < n_names; i++) {
		GENERAL_NAME *gn = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		ok = gn && text && ASN1_STRING_set(text, names[i], (int)strlen(names[i])) == 1;
		if (!ok) {
			ASN1_IA5STRING_free(text);
			GENERAL_NAME_free(gn);
			break;
		}
		GENERAL_NAME_set0_value(gn, GEN_DNS, text);
		if (sk_GENERAL_NAME_push(san, gn) <= 0) {
			GENERAL_NAME_free(gn);
			ok = false;
		}
	}
	ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, san, 0, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(san);
	return ok;
}

/* A DNS name as RFC 1123 writes it; names come from operators, so say which one is wrong. */
static int check_dns_name(const char *name, struct error *err)
{
	size_t len = strlen(name), label = 0;
	bool good = len > 0 && len <= DNS_NAME_MAX_LEN;
	for (size_t i = 0; good && i <= len; i++) {
		char c = name[i];
		if (c == '.' || c == '\0') {
			good = label > 0 && label <= 63 && name[i - 1] != '-';
			label = 0;
			continue;
		}
		good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		       (c == '-' && label > 0);
		label++;
	}
	ENSURE(good, err, E_CONFIG, "\"%.80s\" is not a DNS name; correct the device's FQDN", name);
	return 0;
}

static int check_request(const struct certificate_request *req, struct error *err)
{
	size_t cn_len = strlen(req->common_name);
	ENSURE(cn_len > 0 && cn_len <= COMMON_NAME_MAX_LEN, err, E_CONFIG,
		"common name of %zu characters, expected 1 to %d", cn_len, COMMON_NAME_MAX_LEN);
	ENSURE(req->n_dns_names > 0, err, E_CONFIG, "no DNS name in the request for %s",
		req->common_name);
	for (size_t i = 0; i < req->n_dns_names; i++)
		TRY(check_dns_name(req->dns_names[i], err));
	ENSURE(EVP_PKEY_get_base_id(req->key) == EVP_PKEY_RSA &&
			EVP_PKEY_get_bits(req->key) >= 2047,
		err, E_CONFIG, "the key for %s is not RSA of at least 2047 bits", req->common_name);
	return 0;
}

X509 *certificate_device(
	const struct certificate_request *req, X509 *ca, EVP_PKEY *ca_key, struct error *err)
{
	if (check_request(req, err) < 0)
		return NULL;
	X509 *cert = X509_new();
	if (!cert || !set_common(cert, req->common_name, req->days, req->key, ca) ||
		!add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
		!add_extension(
			cert, ca, NID_key_usage, "critical,digitalSignature,keyEncipherment") ||
		!add_extension(cert, ca, NID_ext_key_usage,
			req->client_auth ? "serverAuth,clientAuth" : "serverAuth") ||
		!add_dns_names(cert, req->dns_names, req->n_dns_names) ||
		!add_extension(cert, ca, NID_subject_key_identifier, "hash") ||
		!add_extension(cert, ca, NID_authority_key_identifier, "keyid:always"))
		return fail(cert, err, E_CRYPTO, req->common_name);
	if (req->crl_url && *req->crl_url) {
		char value[512];
		snprintf(value, sizeof value, "URI:%s", req->crl_url);
		if (!add_extension(cert, ca, NID_crl_distribution_points, value))
			return fail(cert, err, E_CONFIG, "ca.crl_url");
	}
	if (!X509_sign(cert, ca_key, EVP_sha256()))
		return fail(cert, err, E_CRYPTO, req->common_name);
	int der_len = i2d_X509(cert, NULL);
	if (der_len <= 0 || der_len > CERTIFICATE_MAX_LEN) {
		error_set(err, E_CONFIG,
			"the certificate for %s would have %d bytes, devices store %d",
			req->common_name, der_len, CERTIFICATE_MAX_LEN);
		X509_free(cert);
		return NULL;
	}
	return cert;
}
