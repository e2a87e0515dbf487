/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How firmware judges our client certificate in setup: the rules of tls.md 5, written apart from
 * the server's own code so that the two can contradict each other. Pure functions. Threads: any.
 */
#ifndef MUSTER_SIM_JUDGE_H
#define MUSTER_SIM_JUDGE_H

#include "bench/sim/personality.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trust; /* classes/trust.h */

enum judge_code {
	JUDGE_OK,
	JUDGE_NO_CERTIFICATE,
	JUDGE_CHAIN_ORDER, /* not leaf, issuer, ..., self-signed root */
	JUDGE_BAD_SIGNATURE,
	JUDGE_ROOT_UNLISTED, /* its hash is not in the device's list */
	JUDGE_NOT_A_CA,
	JUDGE_NO_SERVERAUTH,
	JUDGE_NO_AMT_MARK, /* neither EKU OID nor OU */
	JUDGE_DOMAIN,
	JUDGE_DATES,
	JUDGE_SHA1,
	JUDGE_WEAK_DIGEST, /* not SHA-1, but the release wants more */
	JUDGE_WEAK_KEY,
	JUDGE_NOT_RSA,
	JUDGE_TOO_LONG,
	JUDGE_NO_CLIENTAUTH,
	JUDGE_REVOKED,
	JUDGE_N,
};

/* Of one root, over the whole DER. */
struct judge_hash {
	uint8_t sha1[20], sha256[32], sha384[48];
};

/** Fill the hashes of a root. @return false without memory */
bool judge_hash_root(struct judge_hash *out, const X509 *root);

struct judge_rules {
	const struct judge_hash *roots;
	size_t n_roots;
	const char *suffix;                    /* of the device */
	const struct personality_chain *chain; /* weakest signatures and keys */
	const struct personality_hello *lists; /* which hashes of the roots the device has */
	bool unknown_ok;     /* take what no source decides (wildcard, SAN only, EC, five certs) */
	int64_t now_s;       /* device time */
	int64_t tolerance_s; /* how far the device distrusts its clock */
};

/** "root_unlisted", "domain", ... */
const char *judge_name(enum judge_code code);

/** Judge a chain in the order in which it was received, leaf first. */
enum judge_code judge_chain(STACK_OF(X509) * chain, const struct judge_rules *rules);

/* What a configured device under mutual TLS takes as a console. SPEC: tls.md 10 */
struct judge_console {
	X509 *const *trusted; /* AddTrustedRootCertificate; from 11.8 on intermediates, too */
	size_t n_trusted;
	const struct trust *trust; /* names and revoked serial numbers */
	int interface;             /* TLS_REMOTE or TLS_LOCAL: which names, which OID */
	int64_t now_s, tolerance_s;
};

/** Judge the certificate of a console, leaf first; the root need not be sent. */
enum judge_code judge_console(STACK_OF(X509) * chain, const struct judge_console *rules);

/** The relaxed rule of 2.6 and later: common name against the device's suffix. */
bool judge_domain(const char *cn, const char *suffix);

#endif
