/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On-die certificate chains: what devices from AMT 15 on may show in setup, and those from 19 on
 * always show. A good chain says "genuine Intel hardware", not which machine; the certificate of
 * its ROM CA (index 3) is the machine's own and never changes.
 *
 * A checker of our own, since general ones stumble over the leaf (no name, EKU on some only): every
 * link must be signed by the next, every issuer be a CA, everything be in date, the top be issued
 * by a configured certificate, and the leaf say that it is one for remote configuration.
 *
 * Ownership: struct odca owns its anchors and its cache. Threads: one (the cache changes).
 * SPEC: tls.md 6
 */
#ifndef MUSTER_PKI_ODCA_H
#define MUSTER_PKI_ODCA_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct odca;

#define ODCA_ROM_INDEX   3 /* ROM CA in the chain: fixed per machine */
#define ODCA_ANCHORS_MAX 16
#define ODCA_CACHE_MAX   64 /* tops of chains: one per kind of platform, a fleet has a few */

/**
 * Read the certificates that chains may end at: Intel's root, and (for chains of four) the issuing
 * CAs below it. Each is trusted by itself.
 * @return 0; E_CONFIG naming file and fault; -errno
 */
int odca_load(struct odca **out, const char *path, struct error *err);

/** Free. NULL is allowed. */
void odca_free(struct odca *o);

/**
 * Check a chain as it came from the device, leaf first.
 *
 * @param now_s seconds since 1970 UTC
 * @return 0; E_TLS with what is wrong at which certificate
 */
int odca_check(struct odca *o, STACK_OF(X509) * chain, int64_t now_s, struct error *err);

/** Checks that found the upper part of their chain in the cache. */
uint64_t odca_cache_hits(const struct odca *o);

#endif
