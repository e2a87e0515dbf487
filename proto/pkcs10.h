/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate requests made with the device: read its public key (DERKey), build the
 * CertificationRequestInfo, wrap it in a null signature for GeneratePKCS10RequestEx, and the gate
 * through which the signed answer must pass before any authority sees it. DER work is libcrypto's.
 * Ownership: EVP_PKEY and X509_REQ out-parameters belong to the caller. Threads: none.
 * SPEC: ca.md 1.1, 2, README ruling 42
 */
#ifndef MUSTER_PROTO_PKCS10_H
#define MUSTER_PROTO_PKCS10_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

/* We ask for 2048; keys of 2047 bits are known in the field (vectors/pki, setup-self-2047). */
#define PKCS10_KEY_BITS_MIN 2047
#define PKCS10_KEY_BITS_MAX 4096
#define PKCS10_DERKEY_MAX   1024 /* bytes; RSA 4096 in SubjectPublicKeyInfo needs 550 */
#define PKCS10_REQUEST_MAX  8192 /* bytes; AMT's are below 1500 */

/* Values of the SigningAlgorithm argument of GeneratePKCS10RequestEx. */
enum pkcs10_sig { PKCS10_SHA1_RSA = 0, PKCS10_SHA256_RSA = 1, PKCS10_SHA384_RSA = 2 };

/* How an unsigned request is written. */
enum pkcs10_null {
	PKCS10_NULL_DIGEST, /* MS-WCCE 2.2.2.6.5: algorithm = digest OID, signature = the digest */
	PKCS10_NULL_DUMMY,  /* algorithm = shaXWithRSAEncryption, signature = 256 zero bytes */
};

/**
 * Read DERKey: PKCS#1 RSAPublicKey or SubjectPublicKeyInfo, strict DER, nothing after it.
 *
 * @param out an RSA key of PKCS10_KEY_BITS_MIN..MAX bits; free with EVP_PKEY_free()
 * @return 0; E_PARSE (not such a key); E_LIMIT (size of the key); E_CRYPTO
 */
int pkcs10_read_derkey(EVP_PKEY **out, const uint8_t *der, size_t len, struct error *err);

/* What the request asks for. Names come from our map, never from the device. */
struct pkcs10_names {
	const char *common_name;
	const char *const *dns_names; /* subjectAltName dNSName, in this order */
	size_t n_dns_names;
	const char *upn;  /* otherName 1.3.6.1.4.1.311.20.2.3, or NULL */
	bool server_auth; /* extended key usages */
	bool client_auth;
	bool key_usage;            /* digitalSignature + keyEncipherment */
	const char *template_name; /* extension 1.3.6.1.4.1.311.20.2, or NULL */
};

/**
 * Append the DER of a CertificationRequestInfo (version 0).
 * @return 0; E_CONFIG (no common name, text not UTF-8); E_CRYPTO; error of buf_add()
 */
int pkcs10_build_info(
	struct buf *out, const struct pkcs10_names *names, EVP_PKEY *key, struct error *err);

/**
 * Append a null-signed request around an info of pkcs10_build_info(), for the device to sign.
 * @param sig chooses the digest; must be the SigningAlgorithm that the device will be asked for
 * @return 0; E_PARSE (info is not one CertificationRequestInfo); E_CRYPTO; error of buf_add()
 */
int pkcs10_null_sign(struct buf *out, enum pkcs10_null form, enum pkcs10_sig sig,
	const uint8_t *info, size_t info_len, struct error *err);

/* Why the gate refused. In the order of the checks. SPEC: ca.md 2 step 5 */
enum pkcs10_fault {
	PKCS10_OK = 0,
	PKCS10_MALFORMED,       /* not a PKCS#10, cut, or too long */
	PKCS10_TRAILING_DATA,   /* bytes after the request */
	PKCS10_NULL_SIGNED,     /* not signed at all: noSignature or a bare digest algorithm */
	PKCS10_WRONG_ALGORITHM, /* signed, but not with the algorithm that was asked for */
	PKCS10_WRONG_KEY,       /* holds another public key than DERKey */
	PKCS10_BAD_SIGNATURE,
	PKCS10_WRONG_CONTENT, /* subject or extensions differ from what we asked for */
	PKCS10_N_FAULTS,
};

/** "ok", "malformed", "trailing-data", "null-signed", ... Never NULL. */
const char *pkcs10_fault_name(enum pkcs10_fault fault);

/* What was asked for. */
struct pkcs10_expect {
	EVP_PKEY *key; /* from DERKey */
	enum pkcs10_sig sig;
	const uint8_t *info; /* our CertificationRequestInfo */
	size_t info_len;
};

/**
 * The gate. The request passes when it is exactly one well-formed PKCS#10, signed with the asked
 * algorithm by the expected key, and its info is ours byte for byte, or (firmware may encode anew)
 * has the same subject, the same set of extensions and no other attribute.
 *
 * @param out may be NULL; the request when it passed, free with X509_REQ_free()
 * @return PKCS10_OK or the first fault; err then holds E_REFUSED and a line that names the fault
 */
enum pkcs10_fault pkcs10_check(X509_REQ **out, const uint8_t *der, size_t len,
	const struct pkcs10_expect *expect, struct error *err);

#endif
