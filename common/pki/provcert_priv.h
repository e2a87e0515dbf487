/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of provcert: shared by loading, checking and choosing, seen by nobody else. */
#ifndef MUSTER_PKI_PROVCERT_PRIV_H
#define MUSTER_PKI_PROVCERT_PRIV_H

#include "common/pki/provcert.h"

enum { PROVCERT_CN_MAX = 255, PROVCERT_N_ALGS = HELLO_SHA384 + 1 };

struct provcert {
	X509 *chain[PROVCERT_CERTS_MAX]; /* leaf first; owned */
	size_t n;
	bool complete; /* ends in a self-signed root */
	bool has_sha1; /* some certificate is signed with SHA-1 or worse */
	bool has_weak; /* some key is RSA below 2048 bits */
	bool not_new;  /* some key is below RSA 3072, or some signature not SHA-384 or better */
	EVP_PKEY *key; /* owned; NULL when the key could not be read */
	char cn[PROVCERT_CN_MAX + 1];
	int64_t not_after_s;
	uint8_t root_hash[PROVCERT_N_ALGS][HELLO_HASH_MAX]; /* by enum hello_alg */
};

/* Add a finding once, in the order of the codes. */
void provcert_report_add(struct provcert_report *report, enum provcert_code code, const char *fmt,
	...) __attribute__((format(printf, 3, 4)));

/* Whether the subject of cert is its own issuer, by name. */
bool provcert_is_self_issued(X509 *cert);

/* Whether issuer can have issued cert, by name and key identifiers; signatures are not looked at.
 */
bool provcert_may_issue(X509 *issuer, X509 *cert);

/* All rules that look at the sorted chain; fills cn, not_after_s and the flags too. */
void provcert_check(struct provcert *pc, int64_t now_s, struct provcert_report *report);

#endif
