/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of the embedded certificate authority: an append-only file with one JSON object per
 * line, and an index in memory by request key, serial and device. Certificates themselves stay in
 * the file (the index holds their place), so a million of them cost some 200 bytes each.
 * Ownership: opaque, ledger_close(). Threads: none.
 */
#ifndef MUSTER_CTL_CA_LEDGER_H
#define MUSTER_CTL_CA_LEDGER_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define CA_CERTIFICATE_MAX 8192 /* bytes of DER; devices take 4100 */

struct ledger;

/** Open or create; a last line without its newline (crash while writing) is cut off.
 * @return 0; -errno; E_PARSE names the line */
int ledger_open(struct ledger **out, const char *path, struct error *err);

/** Sync and free. NULL is allowed. */
void ledger_close(struct ledger *l);

struct ledger_entry {
	const char *request_key, *uuid, *job, *subject;
	X509 *cert;
	const uint8_t *der;
	size_t der_len;
};

/** Append a certificate (not yet synced). @return 0; -errno; -ENOMEM */
int ledger_add(struct ledger *l, const struct ledger_entry *entry, struct error *err);

/** DER of the certificate of a request key, appended to der. @return 0; -ENOENT; -errno; E_PARSE */
int ledger_find(struct ledger *l, const char *request_key, struct buf *der, struct error *err);

/** How many certificates this device was given in the last 24 hours. */
unsigned ledger_count_today(const struct ledger *l, const char *uuid);

/** Append a revocation. Revoking twice is fine. @return 0; -ENOENT (unknown serial); -errno */
int ledger_revoke(
	struct ledger *l, const uint8_t *serial, size_t serial_len, int reason, struct error *err);

struct ledger_revoked {
	const uint8_t *serial;
	size_t serial_len;
	uint64_t revoked_ms;
};

/** Call fn for each revoked certificate; stops at the first non-zero result and returns it. */
int ledger_each_revoked(
	const struct ledger *l, int (*fn)(void *arg, const struct ledger_revoked *r), void *arg);

/** One fdatasync() for all that was appended since the last one. @return 0 or -errno */
int ledger_sync(struct ledger *l, struct error *err);

/** Certificates in the ledger, and how many of them are revoked. */
void ledger_counts(const struct ledger *l, uint64_t *n_issued, uint64_t *n_revoked);

#endif
