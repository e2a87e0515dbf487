/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of and for devices, read cheaply. OpenSSL 3.0 decodes the key of each certificate by
 * building a chain out of every decoder of every provider, which costs more (120 us) than checking
 * a signature (20 us). So what concerns devices happens in a library context of its own that offers
 * only the keys which occur there, RSA and EC (30 us); that is less code to reach with a hostile
 * certificate, too. All else stays in the default context. SPEC: tls.md 2, design limits.md 3
 * Threads: any.
 */
#ifndef MUSTER_BASE_CERT_H
#define MUSTER_BASE_CERT_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The library context for certificates of devices, made by the first call; for SSL_CTX_new_ex().
 *
 * @return owned by this file; NULL (the default context, slower) when it cannot be made
 */
OSSL_LIB_CTX *cert_library(void);

/**
 * Read a certificate. Keys other than RSA and EC stay undecoded: X509_get0_pubkey() is NULL.
 *
 * @return to be freed with X509_free(); NULL when der is not one certificate and nothing else
 */
X509 *cert_parse(const uint8_t *der, size_t len);

#endif
