/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded certificate authority: a root and an issuing CA in one folder, certificates issued
 * from the issuing CA, a ledger of everything issued, a CRL. Pure of sockets: ctl/ca/serve.c brings
 * requests. Only the process of `muster ca serve` ever loads the issuing key.
 * Ownership: struct authority is opaque and owns keys and ledger. Threads: none.
 *
 * Files in the folder (SPEC: ca.md 4.1, ruling 38):
 *   root.pem root.key        20 years; the key is needed to renew the issuing CA only: take it away
 *   issuing.pem issuing.key  what signs device certificates
 *   ledger.jsonl             one JSON object per certificate issued or revoked, append only
 *   crl.pem                  written at start, daily and after each revocation
 */
#ifndef MUSTER_CTL_CA_AUTHORITY_H
#define MUSTER_CTL_CA_AUTHORITY_H

#include <limits.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "proto/muster.pb-c.h"

struct authority;

struct authority_opts {
	const char *dir;        /* the folder */
	uint32_t validity_days; /* of device certificates when a request does not say */
	const char *crl_url;    /* CRL distribution point in certificates; NULL or "" = none */
};

/**
 * Make root and issuing CA in an existing or new folder (mode 0700).
 * @return 0; -EEXIST when the folder already holds a CA (nothing is touched); -errno; E_CRYPTO
 */
int authority_create(const char *dir, struct error *err);

/**
 * Load keys and ledger; a half-written last line of the ledger (crash) is cut off.
 * @return 0 and *out, to be freed with authority_close(); -errno; E_CONFIG; E_CRYPTO
 */
int authority_open(struct authority **out, const struct authority_opts *opts, struct error *err);

/** Free everything; the ledger is synced. NULL is allowed. */
void authority_close(struct authority *a);

/**
 * Answer one request. The certificate of a request key that was seen before is returned again:
 * same key, same certificate (SPEC: ruling 40). Nothing may be sent before authority_sync().
 *
 * @param reply zeroed by the caller with muster__v1__ca_reply__init(); its members are allocated
 *              and released with authority_reply_clear()
 */
void authority_answer(
	struct authority *a, const Muster__V1__CaRequest *req, Muster__V1__CaReply *reply);

/** Free what authority_answer() put into a reply. */
void authority_reply_clear(Muster__V1__CaReply *reply);

/** Make everything issued so far durable (one fdatasync for a batch). @return 0 or -errno */
int authority_sync(struct authority *a, struct error *err);

/** Write crl.pem again, valid for seven days. @return 0, -errno or E_CRYPTO */
int authority_write_crl(struct authority *a, struct error *err);

/** The issuing certificate and the root, borrowed. */
X509 *authority_issuing(const struct authority *a);
X509 *authority_root(const struct authority *a);

/** How many certificates the ledger holds, and how many of them are revoked. */
void authority_counts(const struct authority *a, uint64_t *n_issued, uint64_t *n_revoked);

#endif
