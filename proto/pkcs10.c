/* SPDX-License-Identifier: Apache-2.0 */
/* See pkcs10.h. Objects of libcrypto are freed on the one way out of each function. */
#include "proto/pkcs10.h"

#include "common/base/buf.h"
#include "common/base/err.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>
#include <string.h>

/* ---- DERKey ---------------------------------------------------------------------------------- */

/*
 * A reader of our own for two INTEGERs: libcrypto's general decoder costs 79 us per key, this and
 * EVP_PKEY_fromdata() some 3 us, and the input comes from a device. SPEC: ca.md 2 step 1
 */
struct der {
	const uint8_t *at;
	size_t len;
};

/* Take one element with this tag off the front; strict DER lengths. @return 0 or E_PARSE */
static int der_take(struct der *d, uint8_t tag, struct der *content)
{
	if (d->len < 2 || d->at[0] != tag)
		return E_PARSE;
	size_t head = 2, len = d->at[1];
	if (len & 0x80) {
		size_t n = len & 0x7f;
		if (n < 1 || n > 2 || d->len < 2 + n)
			return E_PARSE;
		len = n == 1 ? d->at[2] : (size_t)(d->at[2] << 8 | d->at[3]);
		if (len < (n == 1 ? 0x80u : 0x100u))
			return E_PARSE;
		head += n;
	}
	if (len > d->len - head)
		return E_PARSE;
	*content = (struct der){d->at + head, len};
	d->at += head + len;
	d->len -= head + len;
	return 0;
}

/* A positive INTEGER in its shortest form, without the sign byte. */
static int der_take_positive(struct der *d, struct der *out)
{
	TRY(der_take(d, V_ASN1_INTEGER, out));
	if (out->len == 0 || out->at[0] & 0x80)
		return E_PARSE;
	if (out->at[0] != 0)
		return 0;
	if (out->len == 1 || !(out->at[1] & 0x80))
		return E_PARSE;
	out->at++;
	out->len--;
	return 0;
}

/* Step into SubjectPublicKeyInfo when d is one, so that d is the PKCS#1 key in both forms. */
static int der_unwrap_spki(struct der *d)
{
	static const uint8_t rsa_alg[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
		0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
	struct der whole = *d, in, bits;
	TRY(der_take(&whole, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &in));
	if (in.len < sizeof rsa_alg || memcmp(in.at, rsa_alg, sizeof rsa_alg) != 0)
		return 0;
	in.at += sizeof rsa_alg;
	in.len -= sizeof rsa_alg;
	TRY(der_take(&in, V_ASN1_BIT_STRING, &bits));
	if (whole.len != 0 || in.len != 0 || bits.len < 1 || bits.at[0] != 0)
		return E_PARSE;
	*d = (struct der){bits.at + 1, bits.len - 1};
	return 0;
}

static int der_read_key(struct der d, struct der *n, struct der *e)
{
	struct der seq;
	TRY(der_unwrap_spki(&d));
	TRY(der_take(&d, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &seq));
	TRY(der_take_positive(&seq, n));
	TRY(der_take_positive(&seq, e));
	bool odd = (n->at[n->len - 1] & 1) && (e->at[e->len - 1] & 1);
	bool e_is_one = e->len == 1 && e->at[0] == 1;
	return d.len == 0 && seq.len == 0 && odd && !e_is_one ? 0 : E_PARSE;
}

static int make_rsa(EVP_PKEY **out, struct der n, struct der e)
{
	int rc = E_CRYPTO;
	OSSL_PARAM *params = NULL;
	BIGNUM *bn_n = BN_bin2bn(n.at, (int)n.len, NULL);
	BIGNUM *bn_e = BN_bin2bn(e.at, (int)e.len, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	if (!bn_n || !bn_e || !bld || !ctx)
		goto out;
	if (!OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) ||
		!OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e))
		goto out;
	params = OSSL_PARAM_BLD_to_param(bld);
	if (params && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) == 1)
		rc = 0;
out:
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(bn_n);
	BN_free(bn_e);
	return rc;
}

int pkcs10_read_derkey(EVP_PKEY **out, const uint8_t *der, size_t len, struct error *err)
{
	struct der n, e;
	*out = NULL;
	ENSURE(len <= PKCS10_DERKEY_MAX, err, E_LIMIT, "DERKey: %zu bytes, at most %d", len,
		PKCS10_DERKEY_MAX);
	ENSURE(der_read_key((struct der){der, len}, &n, &e) == 0, err, E_PARSE,
		"DERKey: neither a PKCS#1 nor a SubjectPublicKeyInfo RSA key");
	size_t bits = n.len * 8;
	for (uint8_t top = n.at[0]; !(top & 0x80); top = (uint8_t)(top << 1))
		bits--;
	ENSURE(bits >= PKCS10_KEY_BITS_MIN && bits <= PKCS10_KEY_BITS_MAX, err, E_LIMIT,
		"DERKey: RSA with %zu bits, %d to %d are accepted", bits, PKCS10_KEY_BITS_MIN,
		PKCS10_KEY_BITS_MAX);
	ENSURE(make_rsa(out, n, e) == 0, err, E_CRYPTO, "DERKey: libcrypto refuses the key");
	return 0;
}

/* ---- building ---------------------------------------------------------------------------------
 */

static int add_extension(STACK_OF(X509_EXTENSION) * exts, int nid, void *value)
{
	X509_EXTENSION *ext = X509V3_EXT_i2d(nid, 0, value);
	if (ext && sk_X509_EXTENSION_push(exts, ext) > 0)
		return 0;
	X509_EXTENSION_free(ext);
	return E_CRYPTO;
}

static int push_dns(GENERAL_NAMES *names, const char *dns)
{
	GENERAL_NAME *gn = GENERAL_NAME_new();
	ASN1_IA5STRING *ia5 = ASN1_IA5STRING_new();
	if (!gn || !ia5 || !ASN1_STRING_set(ia5, dns, (int)strlen(dns))) {
		GENERAL_NAME_free(gn);
		ASN1_IA5STRING_free(ia5);
		return E_CRYPTO;
	}
	GENERAL_NAME_set0_value(gn, GEN_DNS, ia5);
	if (sk_GENERAL_NAME_push(names, gn) > 0)
		return 0;
	GENERAL_NAME_free(gn);
	return E_CRYPTO;
}

static int push_upn(GENERAL_NAMES *names, const char *upn)
{
	GENERAL_NAME *gn = GENERAL_NAME_new();
	ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_OBJECT *oid = OBJ_nid2obj(NID_ms_upn);
	if (!gn || !text || !value || !ASN1_STRING_set(text, upn, (int)strlen(upn))) {
		ASN1_UTF8STRING_free(text);
		goto fail;
	}
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
	if (!GENERAL_NAME_set0_othername(gn, oid, value))
		goto fail;
	value = NULL;
	if (sk_GENERAL_NAME_push(names, gn) > 0)
		return 0;
fail:
	ASN1_TYPE_free(value);
	GENERAL_NAME_free(gn);
	return E_CRYPTO;
}

static int add_alt_names(STACK_OF(X509_EXTENSION) * exts, const struct pkcs10_names *names)
{
	int rc = 0;
	if (names->n_dns_names == 0 && !names->upn)
		return 0;
	GENERAL_NAMES *san = GENERAL_NAMES_new();
	if (!san)
		return E_CRYPTO;
	for (size_t i = 0; rc == 0 && i < names->n_dns_names; i++)
		rc = push_dns(san, names->dns_names[i]);
	if (rc == 0 && names->upn)
		rc = push_upn(san, names->upn);
	if (rc == 0)
		rc = add_extension(exts, NID_subject_alt_name, san);
	GENERAL_NAMES_free(san);
	return rc;
}

static int add_ext_key_usage(STACK_OF(X509_EXTENSION) * exts, const struct pkcs10_names *names)
{
	int rc = 0;
	if (!names->server_auth && !names->client_auth)
		return 0;
	EXTENDED_KEY_USAGE *eku = EXTENDED_KEY_USAGE_new();
	if (!eku)
		return E_CRYPTO;
	if (names->server_auth && sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_server_auth)) <= 0)
		rc = E_CRYPTO;
	if (names->client_auth && sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_client_auth)) <= 0)
		rc = E_CRYPTO;
	if (rc == 0)
		rc = add_extension(exts, NID_ext_key_usage, eku);
	EXTENDED_KEY_USAGE_free(eku);
	return rc;
}

static int add_key_usage(STACK_OF(X509_EXTENSION) * exts)
{
	enum { DIGITAL_SIGNATURE = 0, KEY_ENCIPHERMENT = 2 }; /* bit numbers, RFC 5280 4.2.1.3 */
	int rc = E_CRYPTO;
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	if (bits && ASN1_BIT_STRING_set_bit(bits, DIGITAL_SIGNATURE, 1) &&
		ASN1_BIT_STRING_set_bit(bits, KEY_ENCIPHERMENT, 1))
		rc = add_extension(exts, NID_key_usage, bits);
	ASN1_BIT_STRING_free(bits);
	return rc;
}

/* Version-1 templates of AD CS: the extension's value is a BMPString. SPEC: ca.md 2 step 2 */
static int add_template(STACK_OF(X509_EXTENSION) * exts, const char *name)
{
	int rc = E_CRYPTO;
	unsigned char *der = NULL;
	X509_EXTENSION *ext = NULL;
	ASN1_BMPSTRING *bmp = NULL;
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.311.20.2", 1);
	if (!octets || !oid ||
		ASN1_mbstring_copy(
			&bmp, (const unsigned char *)name, -1, MBSTRING_UTF8, B_ASN1_BMPSTRING) < 0)
		goto out;
	int len = i2d_ASN1_BMPSTRING(bmp, &der);
	if (len < 0 || !ASN1_OCTET_STRING_set(octets, der, len))
		goto out;
	ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
	if (ext && sk_X509_EXTENSION_push(exts, ext) > 0) {
		ext = NULL;
		rc = 0;
	}
out:
	X509_EXTENSION_free(ext);
	OPENSSL_free(der);
	ASN1_BMPSTRING_free(bmp);
	ASN1_OCTET_STRING_free(octets);
	ASN1_OBJECT_free(oid);
	return rc;
}

static int add_extensions(X509_REQ *req, const struct pkcs10_names *names)
{
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	int rc = exts ? 0 : E_CRYPTO;
	if (rc == 0)
		rc = add_alt_names(exts, names);
	if (rc == 0)
		rc = add_ext_key_usage(exts, names);
	if (rc == 0 && names->key_usage)
		rc = add_key_usage(exts);
	if (rc == 0 && names->template_name)
		rc = add_template(exts, names->template_name);
	if (rc == 0 && sk_X509_EXTENSION_num(exts) > 0 && !X509_REQ_add_extensions(req, exts))
		rc = E_CRYPTO;
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	return rc;
}

static int set_subject(X509_REQ *req, const char *cn)
{
	X509_NAME *name = X509_NAME_new();
	int ok = name &&
		 X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
			 (const unsigned char *)cn, -1, -1, 0) &&
		 X509_REQ_set_subject_name(req, name);
	X509_NAME_free(name);
	return ok ? 0 : E_CONFIG;
}

int pkcs10_build_info(
	struct buf *out, const struct pkcs10_names *names, EVP_PKEY *key, struct error *err)
{
	unsigned char *der = NULL;
	ENSURE(names->common_name && names->common_name[0], err, E_CONFIG,
		"request: no common name");
	X509_REQ *req = X509_REQ_new();
	int rc = req && X509_REQ_set_version(req, X509_REQ_VERSION_1) ? 0 : E_CRYPTO;
	if (rc == 0)
		rc = set_subject(req, names->common_name);
	if (rc == 0 && !X509_REQ_set_pubkey(req, key))
		rc = E_CRYPTO;
	if (rc == 0)
		rc = add_extensions(req, names);
	if (rc == 0) {
		int len = i2d_re_X509_REQ_tbs(req, &der);
		rc = len > 0 ? buf_add(out, der, (size_t)len) : E_CRYPTO;
	}
	OPENSSL_free(der);
	X509_REQ_free(req);
	ERR_clear_error();
	if (rc < 0)
		return error_set(
			err, rc, "request: cannot build it for \"%.80s\"", names->common_name);
	return 0;
}

/* ---- null signature ---------------------------------------------------------------------------
 */

static const struct {
	int md_nid, sig_nid;
	const char *md;
} sigs[] = {
	[PKCS10_SHA1_RSA] = {NID_sha1, NID_sha1WithRSAEncryption, "SHA1"},
	[PKCS10_SHA256_RSA] = {NID_sha256, NID_sha256WithRSAEncryption, "SHA256"},
	[PKCS10_SHA384_RSA] = {NID_sha384, NID_sha384WithRSAEncryption, "SHA384"},
};

static int add_der_head(struct buf *out, int tag, bool constructed, size_t content_len)
{
	unsigned char head[16], *p = head;
	ASN1_put_object(&p, constructed, (int)content_len, tag, V_ASN1_UNIVERSAL);
	return buf_add(out, head, (size_t)(p - head));
}

static int add_algorithm(struct buf *out, int nid)
{
	unsigned char *der = NULL;
	X509_ALGOR *alg = X509_ALGOR_new();
	int rc = E_CRYPTO;
	if (alg && X509_ALGOR_set0(alg, OBJ_nid2obj(nid), V_ASN1_NULL, NULL)) {
		int len = i2d_X509_ALGOR(alg, &der);
		if (len > 0)
			rc = buf_add(out, der, (size_t)len);
	}
	OPENSSL_free(der);
	X509_ALGOR_free(alg);
	return rc;
}

static bool is_info(const uint8_t *info, size_t len)
{
	const unsigned char *p = info;
	X509_REQ_INFO *parsed = d2i_X509_REQ_INFO(NULL, &p, (long)len);
	bool ok = parsed && p == info + len;
	X509_REQ_INFO_free(parsed);
	ERR_clear_error();
	return ok;
}

/* Algorithm and BIT STRING that follow the info. */
static int add_null_tail(struct buf *out, enum pkcs10_null form, enum pkcs10_sig sig,
	const uint8_t *info, size_t info_len)
{
	enum { DUMMY_LEN = 256 };
	uint8_t value[DUMMY_LEN] = {0};
	size_t len = DUMMY_LEN;
	if (form == PKCS10_NULL_DIGEST &&
		!EVP_Q_digest(NULL, sigs[sig].md, NULL, info, info_len, value, &len))
		return E_CRYPTO;
	TRY(add_algorithm(out, form == PKCS10_NULL_DIGEST ? sigs[sig].md_nid : sigs[sig].sig_nid));
	TRY(add_der_head(out, V_ASN1_BIT_STRING, false, len + 1));
	TRY(buf_add(out, (uint8_t[]){0}, 1));
	return buf_add(out, value, len);
}

int pkcs10_null_sign(struct buf *out, enum pkcs10_null form, enum pkcs10_sig sig,
	const uint8_t *info, size_t info_len, struct error *err)
{
	struct buf tail;
	size_t start = out->len;
	ENSURE(info_len <= PKCS10_REQUEST_MAX && is_info(info, info_len), err, E_PARSE,
		"request: not a CertificationRequestInfo");
	buf_init(&tail, PKCS10_REQUEST_MAX);
	int rc = add_null_tail(&tail, form, sig, info, info_len);
	if (rc == 0)
		rc = add_der_head(out, V_ASN1_SEQUENCE, true, info_len + tail.len);
	if (rc == 0)
		rc = buf_add(out, info, info_len);
	if (rc == 0)
		rc = buf_add(out, tail.data, tail.len);
	buf_free(&tail);
	if (rc < 0) {
		out->len = start;
		return error_set(err, rc, "request: cannot write the null signature");
	}
	return 0;
}

/* ---- the gate -----------------------------------------------------------------------------------
 */

static const char *const fault_names[PKCS10_N_FAULTS] = {
	[PKCS10_OK] = "ok",
	[PKCS10_MALFORMED] = "malformed",
	[PKCS10_TRAILING_DATA] = "trailing-data",
	[PKCS10_NULL_SIGNED] = "null-signed",
	[PKCS10_WRONG_ALGORITHM] = "wrong-algorithm",
	[PKCS10_WRONG_KEY] = "wrong-key",
	[PKCS10_BAD_SIGNATURE] = "bad-signature",
	[PKCS10_WRONG_CONTENT] = "wrong-content",
};

const char *pkcs10_fault_name(enum pkcs10_fault fault)
{
	return (unsigned)fault < PKCS10_N_FAULTS ? fault_names[fault] : "unknown";
}

/* Whether writing the request again gives the same bytes, that is, its wrapping is strict DER. */
static bool is_canonical(const X509_REQ *req, const uint8_t *der, size_t len)
{
	unsigned char *again = NULL;
	int n = i2d_X509_REQ(req, &again);
	bool same = n > 0 && (size_t)n == len && memcmp(again, der, len) == 0;
	OPENSSL_free(again);
	return same;
}

static bool is_null_signed(int nid)
{
	if (nid == NID_id_alg_noSignature)
		return true;
	for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
		if (nid == sigs[i].md_nid)
			return true;
	}
	return false;
}

/* Whether the info inside der is ours byte for byte. */
static bool same_info(const uint8_t *der, size_t len, const struct pkcs10_expect *expect)
{
	struct der whole = {der, len}, in, info;
	if (der_take(&whole, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &in) < 0)
		return false;
	const uint8_t *start = in.at;
	if (der_take(&in, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, &info) < 0)
		return false;
	return (size_t)(in.at - start) == expect->info_len &&
	       memcmp(start, expect->info, expect->info_len) == 0;
}

/* The same extensions in any order: equal numbers, and each of ours found with our value. */
static bool same_extensions(X509_REQ *theirs, X509_REQ *ours)
{
	STACK_OF(X509_EXTENSION) *a = X509_REQ_get_extensions(theirs);
	STACK_OF(X509_EXTENSION) *b = X509_REQ_get_extensions(ours);
	bool same = sk_X509_EXTENSION_num(a) == sk_X509_EXTENSION_num(b);
	for (int i = 0; same && i < sk_X509_EXTENSION_num(b); i++) {
		X509_EXTENSION *want = sk_X509_EXTENSION_value(b, i);
		int at = X509v3_get_ext_by_OBJ(a, X509_EXTENSION_get_object(want), -1);
		same = at >= 0 && ASN1_OCTET_STRING_cmp(
					  X509_EXTENSION_get_data(sk_X509_EXTENSION_value(a, at)),
					  X509_EXTENSION_get_data(want)) == 0;
	}
	sk_X509_EXTENSION_pop_free(a, X509_EXTENSION_free);
	sk_X509_EXTENSION_pop_free(b, X509_EXTENSION_free);
	return same;
}

/* Firmware may write the info anew; then its meaning must be ours. */
static bool same_meaning(X509_REQ *req, const struct pkcs10_expect *expect)
{
	struct buf wrapped;
	bool same = false;
	buf_init(&wrapped, 2 * PKCS10_REQUEST_MAX);
	if (pkcs10_null_sign(&wrapped, PKCS10_NULL_DIGEST, PKCS10_SHA256_RSA, expect->info,
		    expect->info_len, NULL) == 0) {
		const unsigned char *p = wrapped.data;
		X509_REQ *ours = d2i_X509_REQ(NULL, &p, (long)wrapped.len);
		same = ours && X509_REQ_get_version(req) == X509_REQ_get_version(ours) &&
		       X509_NAME_cmp(X509_REQ_get_subject_name(req),
			       X509_REQ_get_subject_name(ours)) == 0 &&
		       X509_REQ_get_attr_count(req) == X509_REQ_get_attr_count(ours) &&
		       same_extensions(req, ours);
		X509_REQ_free(ours);
	}
	buf_free(&wrapped);
	return same;
}

static enum pkcs10_fault judge(
	X509_REQ *req, const uint8_t *der, size_t len, const struct pkcs10_expect *expect)
{
	if (!is_canonical(req, der, len))
		return PKCS10_MALFORMED;
	int nid = X509_REQ_get_signature_nid(req);
	if (is_null_signed(nid))
		return PKCS10_NULL_SIGNED;
	if (nid != sigs[expect->sig].sig_nid)
		return PKCS10_WRONG_ALGORITHM;
	EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	if (!key || EVP_PKEY_eq(key, expect->key) != 1)
		return PKCS10_WRONG_KEY;
	if (X509_REQ_verify(req, expect->key) != 1)
		return PKCS10_BAD_SIGNATURE;
	if (!same_info(der, len, expect) && !same_meaning(req, expect))
		return PKCS10_WRONG_CONTENT;
	return PKCS10_OK;
}

enum pkcs10_fault pkcs10_check(X509_REQ **out, const uint8_t *der, size_t len,
	const struct pkcs10_expect *expect, struct error *err)
{
	enum pkcs10_fault fault = PKCS10_MALFORMED;
	const unsigned char *p = der;
	X509_REQ *req = NULL;
	if (len <= PKCS10_REQUEST_MAX)
		req = d2i_X509_REQ(NULL, &p, (long)len);
	if (req)
		fault = p == der + len ? judge(req, der, len, expect) : PKCS10_TRAILING_DATA;
	ERR_clear_error();
	if (fault != PKCS10_OK)
		error_set(err, E_REFUSED, "request of the device refused: %s",
			pkcs10_fault_name(fault));
	if (out)
		*out = NULL;
	if (out && fault == PKCS10_OK)
		*out = req;
	else
		X509_REQ_free(req);
	return fault;
}
