/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Provisioning certificates: load a chain and its key from PEM files in any order, sort them into
 * leaf..root, find every defect that would make a device refuse them, and choose the chains that
 * fit a device's list of root hashes.
 * Ownership: struct provcert owns its certificates and key; accessors lend them. It does not change
 * after loading, so many sessions of a thread may share it. Threads: read-only sharing is safe.
 * SPEC: tls.md 4, 5; vectors/pki/manifest.csv
 */
#ifndef MUSTER_PKI_PROVCERT_H
#define MUSTER_PKI_PROVCERT_H

#include "proto/hello.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct secret;

#define PROVCERT_FILE_MAX     262144 /* bytes of a PEM file; a chain has some 10 KiB */
#define PROVCERT_CERTS_MAX    16     /* certificates in one file */
#define PROVCERT_CHAIN_WARN   4      /* longer chains are warned about. SPEC: tls.md 4.2 */
#define PROVCERT_KEY_BITS_MIN 2048
#define PROVCERT_WARN_DAYS    60
#define PROVCERT_TEXT_MAX     200

/* Defects first (the chain is refused), then warnings. SPEC: tls.md 4.5 */
enum provcert_code {
	PROVCERT_OK = 0,
	PROVCERT_MALFORMED,     /* "malformed": a file does not hold what it should */
	PROVCERT_BAD_PASSWORD,  /* "bad-password": the key is encrypted and this does not open it */
	PROVCERT_INCOMPLETE,    /* "incomplete": an issuer between leaf and root is missing */
	PROVCERT_NO_ROOT,       /* "no-root": the device must receive the root */
	PROVCERT_KEY_MISMATCH,  /* "key-mismatch" */
	PROVCERT_BAD_SIGNATURE, /* "bad-signature" */
	PROVCERT_NOT_A_CA,      /* "not-a-ca": an issuer may not issue */
	PROVCERT_EXPIRED,       /* "expired" */
	PROVCERT_NOT_YET_VALID, /* "not-yet-valid" */
	PROVCERT_NOT_RSA,       /* "not-rsa" */
	PROVCERT_WEAK_KEY,      /* "weak-key": RSA below 2048 bits */
	PROVCERT_NO_AMT_MARK,   /* "no-amt-mark": neither the EKU OID nor the OU text */
	PROVCERT_NO_SERVERAUTH, /* "no-serverauth" */
	PROVCERT_N_DEFECTS,     /* not a code */
	PROVCERT_WARN_EXPIRES_SOON =
		PROVCERT_N_DEFECTS, /* "expires-soon": less than 60 days left */
	PROVCERT_WARN_WILDCARD,     /* "wildcard" */
	PROVCERT_WARN_OU_ONLY,  /* "ou-only": OU text without the OID; new consoles insist on it */
	PROVCERT_WARN_MANY_OUS, /* "many-ous": more than one OU */
	PROVCERT_WARN_SAN_ONLY, /* "san-only": names in the SAN that the CN does not carry */
	PROVCERT_WARN_SHA1, /* "sha1": a SHA-1 signature anywhere, refused by AMT 15 H / 16 on */
	PROVCERT_WARN_LONG_CHAIN, /* "long-chain": more than four certificates */
	PROVCERT_WARN_UNUSED, /* "unused-certificate": not part of the chain, will not be sent */
	PROVCERT_N_CODES,     /* not a code */
};

/** "no-amt-mark", "sha1", ...; "ok" for PROVCERT_OK. Never NULL. */
const char *provcert_code_name(enum provcert_code code);

struct provcert_finding {
	enum provcert_code code;
	char text[PROVCERT_TEXT_MAX]; /* which certificate, what is wrong, what to do; one line */
};

/* Each code at most once. `muster cert check` prints it as it is. */
struct provcert_report {
	struct provcert_finding findings[PROVCERT_N_CODES]; /* defects first, in the order above */
	size_t n_findings;
	size_t n_defects; /* 0 = accepted */
	bool sorted;      /* the file was in another order than leaf, intermediates, root */
};

/** The first defect, or PROVCERT_OK when the chain is acceptable. */
enum provcert_code provcert_verdict(const struct provcert_report *report);

/** Whether the report has this code. */
bool provcert_has(const struct provcert_report *report, enum provcert_code code);

/** The first warning at or after *pos (start with 0), NULL at the end. */
const struct provcert_finding *provcert_next_warning(
	const struct provcert_report *report, size_t *pos);

struct provcert;

/**
 * Load and check one chain from two files.
 *
 * @param chain_file PEM certificates, any order, nothing secret needed
 * @param key_file   PEM private key, PKCS#8 (encrypted or not) or the older RSA form
 * @param password   opens an encrypted key; may be NULL
 * @param now_s      seconds since 1970 UTC
 * @param report     filled always; defects say why the chain must not be used
 * @param out        NULL when the files could not be read as certificates and key; otherwise the
 *                   chain as far as it goes, also when it has defects. Free with provcert_free().
 * @return 0 when there is no defect; E_CONFIG otherwise (err: file name and first defect); -errno
 *         when a file cannot be read
 */
int provcert_load(struct provcert **out, const char *chain_file, const char *key_file,
	const struct secret *password, int64_t now_s, struct provcert_report *report,
	struct error *err);

/** As provcert_load(), from memory. */
int provcert_load_pem(struct provcert **out, const void *chain_pem, size_t chain_len,
	const void *key_pem, size_t key_len, const struct secret *password, int64_t now_s,
	struct provcert_report *report, struct error *err);

/** Free. NULL is allowed. */
void provcert_free(struct provcert *pc);

/** Number of certificates in the chain, leaf and root included. */
size_t provcert_chain_len(const struct provcert *pc);

/** Certificate i of the chain: 0 = leaf, provcert_chain_len() - 1 = root. Lent. To build an
 * SSL_CTX: use_certificate(0), add1_chain_cert(1..n-1) with the root, use_PrivateKey(key). */
X509 *provcert_cert(const struct provcert *pc, size_t i);

/** The private key of the leaf. Lent. */
EVP_PKEY *provcert_key(const struct provcert *pc);

/** Common name of the leaf; "" when it has none. Lent. */
const char *provcert_cn(const struct provcert *pc);

/** End of the leaf's validity, seconds since 1970 UTC. */
int64_t provcert_not_after_s(const struct provcert *pc);

/**
 * Fingerprint of the root over its DER.
 * @param alg enum hello_alg
 * @param len bytes of the fingerprint; 0 when alg is unknown
 */
const uint8_t *provcert_root_hash(const struct provcert *pc, uint8_t alg, size_t *len);

/* What is known about the device. Zero / NULL = unknown. */
struct provcert_want {
	const struct hello *hello; /* its hash list; NULL = not started by a Hello */
	const char *suffix;        /* DNS suffix stored from an earlier visit; wins over fqdn */
	const char *fqdn;          /* expected name; its domain is the likely suffix */
	unsigned amt_major, amt_minor;
	int64_t now_s;
};

/**
 * The chains that this device may accept, best first: root in its hash list, not forbidden by its
 * generation (SHA-1 and RSA below 2048 from AMT 16 on), not expired; then those without SHA-1,
 * for AMT 22 those of RSA 3072 and SHA-384, whose domain fits, with the longest validity, the
 * shortest chain, the first in configuration.
 *
 * @param order room for n indices into certs
 * @return how many are usable (then try order[0], order[1], ... as the device refuses); E_CONFIG
 *         when none is: the text says why and names the fingerprints in short
 */
int provcert_choose(const struct provcert *const *certs, size_t n, const struct provcert_want *want,
	size_t *order, struct error *err);

/**
 * Both lists in full, for the operator when nothing fits: our roots and the device's hashes, one
 * "alg hex" per line under a heading.
 * @return 0 or the error of buf_add()
 */
int provcert_describe_mismatch(
	struct buf *out, const struct provcert *const *certs, size_t n, const struct hello *hello);

#endif
