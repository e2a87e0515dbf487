/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of configured devices: the check of what an authority gave us before it goes into
 * the device, and of the leaf that the device presents afterwards.
 * Ownership: struct devcert_ca owns its copies; everything else is lent. Threads: a devcert_ca may
 * be shared. SPEC: ca.md 1.1, 3; tls.md 8
 */
#ifndef MUSTER_PKI_DEVCERT_H
#define MUSTER_PKI_DEVCERT_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define DEVCERT_DER_MAX 4100 /* bytes; what the firmware can store. SPEC: ca.md 1.1 */
#define DEVCERT_FP_LEN  32   /* SHA-256 of the DER */
#define DEVCERT_FP_HEX  (2 * DEVCERT_FP_LEN)

enum devcert_fault {
	DEVCERT_OK = 0,
	DEVCERT_MALFORMED,     /* not one certificate, or bytes after it */
	DEVCERT_TOO_LARGE,     /* more than DEVCERT_DER_MAX bytes */
	DEVCERT_SELF_SIGNED,   /* presented: still the one that the device made itself */
	DEVCERT_NOT_INSTALLED, /* presented: a good or bad certificate, but not the one installed */
	DEVCERT_WRONG_KEY,     /* another key than DERKey */
	DEVCERT_WRONG_ISSUER,  /* does not chain to our authority, or its signature is bad */
	DEVCERT_EXPIRED,
	DEVCERT_NOT_YET_VALID,
	DEVCERT_NO_SERVERAUTH,
	DEVCERT_WRONG_NAME, /* the FQDN is not in the SAN (without a SAN: not the CN) */
	DEVCERT_NO_CLIENTAUTH,
	DEVCERT_N_FAULTS,
};

/** "ok", "wrong-key", "self-signed", ... Never NULL. */
const char *devcert_fault_name(enum devcert_fault fault);

struct devcert_ca;

/**
 * Make the set of authorities that device certificates must chain to.
 * @param certs issuing CA first; copied by reference
 * @return 0; E_CONFIG (n is 0, or not CA certificates); -ENOMEM
 */
int devcert_ca_new(struct devcert_ca **out, X509 *const *certs, size_t n, struct error *err);

/** As devcert_ca_new(), from a PEM bundle in memory. */
int devcert_ca_new_pem(struct devcert_ca **out, const void *pem, size_t len, struct error *err);

/** Free. NULL is allowed. */
void devcert_ca_free(struct devcert_ca *ca);

struct devcert_want {
	struct devcert_ca *ca;
	EVP_PKEY *key;    /* from DERKey; NULL = not compared */
	const char *fqdn; /* from our map */
	int64_t now_s;    /* seconds since 1970 UTC */
	bool client_auth; /* the device logs in with it: 802.1x, remote access */
};

/**
 * Check a certificate that an authority issued, whichever authority it was.
 *
 * @param fp_hex lower-case SHA-256 of the DER with NUL; filled when the result is DEVCERT_OK
 * @return DEVCERT_OK or the first fault; err then holds E_TLS and a line that names it
 */
enum devcert_fault devcert_check_issued(const uint8_t *der, size_t len,
	const struct devcert_want *want, char fp_hex[static DEVCERT_FP_HEX + 1], struct error *err);

/**
 * Check the leaf that a device presents after configuration: it must be the installed one, byte for
 * byte; then also issuer, dates, usage and name. Decide before the first request goes out.
 *
 * @param installed_fp_hex fingerprint of what was installed
 * @param previous_fp_hex  also accepted (renewal window), or NULL
 * @return as devcert_check_issued()
 */
enum devcert_fault devcert_check_presented(X509 *leaf, const char *installed_fp_hex,
	const char *previous_fp_hex, const struct devcert_want *want, struct error *err);

/** Lower-case SHA-256 of the DER with NUL. @return 0 or E_CRYPTO */
int devcert_fingerprint(const X509 *cert, char fp_hex[static DEVCERT_FP_HEX + 1]);

#endif
