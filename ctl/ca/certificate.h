/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building X.509 certificates with OpenSSL: the CA's own two and those of devices. No files, no
 * state. Every returned object is owned by the caller.
 */
#ifndef MUSTER_CTL_CA_CERTIFICATE_H
#define MUSTER_CTL_CA_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define CERTIFICATE_SERIAL_LEN 16 /* SPEC: ca.md 1.1: 16 random bytes, positive */

/** A self-signed root for days days. @return NULL with err on failure */
X509 *certificate_root(EVP_PKEY *key, const char *common_name, uint32_t days, struct error *err);

/** An issuing CA (pathlen 0) under a root; never beyond the root's end. */
X509 *certificate_issuing(EVP_PKEY *key, const char *common_name, uint32_t days, X509 *root,
	EVP_PKEY *root_key, struct error *err);

struct certificate_request {
	EVP_PKEY *key; /* public key of the device */
	const char *common_name;
	char *const *dns_names; /* subjectAltName, at least one */
	size_t n_dns_names;
	bool client_auth; /* EKU clientAuth beside serverAuth */
	uint32_t days;
	const char *crl_url; /* NULL or "" = none */
};

/**
 * A device's TLS server certificate. SPEC: ca.md 1.1: notBefore one day back, SHA-256, EKU
 * serverAuth (and clientAuth where asked), digitalSignature + keyEncipherment, never beyond the
 * CA's own end, <= 4100 bytes.
 * @return NULL with err: E_CONFIG for what the requester must change, E_CRYPTO for the rest
 */
X509 *certificate_device(
	const struct certificate_request *req, X509 *ca, EVP_PKEY *ca_key, struct error *err);

/** Text of the OpenSSL error queue's last entry, for error texts; clears the queue. */
const char *certificate_openssl_error(char *out, size_t out_len);

#endif
