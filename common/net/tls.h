/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS towards devices: the profiles (one SSL_CTX each, shared by all connections), the proof of
 * what a handshake did, and the ladder that decides what to try after a failure. Plus a strict
 * client and a plain server context for everything that is not a device.
 *
 * Device contexts never refuse a certificate by themselves (up to 8 certificates and 32 KB): the
 * owner decides after the handshake and before the first request. SPEC: tls.md 3, README 28-34
 * Threads: contexts may be shared; the rest are plain values.
 */
#ifndef MUSTER_NET_TLS_H
#define MUSTER_NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/conn.h"

struct error;

#define TLS_MAX_CERT_LIST  (32 * 1024) /* bytes of certificates taken from a device; tls.md 9 */
#define TLS_MAX_PEER_CHAIN 8           /* certificates taken from a device; tls.md 9 */
#define TLS_PROOF_SIGALGS  32          /* signature algorithms kept for the log */

enum tls_profile {
	TLS_PROFILE_M,  /* modern setup: TLS 1.2 */
	TLS_PROFILE_M0, /* M at security level 0, for devices that ask for SHA-1 signatures only */
	TLS_PROFILE_L,  /* legacy setup: TLS 1.0 to 1.2, level 0 */
	TLS_PROFILE_L0, /* last rung: TLS 1.0 only, fewest extensions */
	TLS_PROFILE_P,  /* PSK setup: TLS 1.0 to 1.1 */
	TLS_PROFILE_V,  /* configured device, AMT >= 12 */
	TLS_PROFILE_VL, /* configured device, AMT <= 11 */
	TLS_PROFILE_V3, /* V with TLS 1.3 besides: AMT 21 and later, by switch (tls.tls13) */
	TLS_PROFILES,
};

/* Our certificate for a context. Borrowed: the context takes its own references. */
struct tls_identity {
	X509 *leaf;
	STACK_OF(X509) * chain; /* issuers in order, root included; may be NULL */
	EVP_PKEY *key;
};

/** Initialise OpenSSL without reading openssl.cnf. Call first in main(); further calls do nothing.
 * SPEC: tls.md 3.2 */
void tls_init(void);

/** "M", "M0", "L", "L0", "P", "V", "VL", "V3". */
const char *tls_profile_name(enum tls_profile p);

/** The inverse of tls_profile_name(), for stored records. @return 0 or E_PARSE */
int tls_profile_parse(enum tls_profile *out, const char *name);

/** Whether a profile needs tls.legacy: M0, L, L0, P, VL. SPEC: README rulings 29, 30 */
bool tls_profile_is_legacy(enum tls_profile p);

/** Profile for the connections after configuration: M, M0, V -> V; L, P, VL -> VL; L0 -> L0. */
enum tls_profile tls_profile_after(enum tls_profile setup);

/**
 * Make the client context of a profile. M falls to level 0 by itself when the chain holds a SHA-1
 * signature below its root. The caller frees it with SSL_CTX_free().
 *
 * @param id our certificate, or NULL to show none
 * @return 0; E_TLS, text has OpenSSL's words
 */
int tls_ctx_new(
	SSL_CTX **out, enum tls_profile p, const struct tls_identity *id, struct error *err);

/**
 * Client context that verifies, for Redis and the like: TLS 1.2 and 1.3, security level 2. Use
 * conn_opts.verify_name with it.
 *
 * @param ca_file PEM bundle of the only trusted roots; NULL = the system's
 */
int tls_ctx_client_strict(SSL_CTX **out, const char *ca_file, struct error *err);

/** Server context: TLS 1.2 and 1.3, no tickets, no session cache. Widen it with SSL_CTX_*. */
int tls_ctx_server(SSL_CTX **out, const struct tls_identity *id, struct error *err);

/* What a PSK handshake shows: PID and PPS, or how the device's profile writes them. The bytes are
 * the caller's and must outlive the handshake. SPEC: tls.md 7 */
struct tls_psk {
	const char *identity;
	const uint8_t *key;
	size_t key_len;
};

/** Use this pair on a connection of profile P. Call from conn_opts.ssl_setup. */
void tls_psk_attach(SSL *ssl, const struct tls_psk *psk);

/* What a handshake really did about our certificate (TLS 1.2 and lower). SPEC: tls.md 4.4 */
struct tls_proof {
	bool asked;          /* CertificateRequest came */
	unsigned n_ca_names; /* names in it */
	unsigned n_sigalgs;  /* signature algorithms in it (TLS 1.2) */
	uint16_t sigalgs[TLS_PROOF_SIGALGS];
	size_t cert_len; /* bytes of our Certificate message; 0 = not sent, 7 = empty */
	bool malformed;  /* the CertificateRequest could not be read */
};

/** Record into proof, which must outlive the handshake. Call from conn_opts.ssl_setup. */
void tls_proof_attach(SSL *ssl, struct tls_proof *proof);

/** An empty Certificate message was sent. */
bool tls_proof_empty(const struct tls_proof *proof);

/** The device takes RSA with SHA-1 only (TLS 1.2). */
bool tls_proof_sha1_only(const struct tls_proof *proof);

/**
 * Judge a handshake that succeeded although a certificate was configured.
 * @return 0; E_TLS = device did not ask, or an empty certificate went out (text says which)
 */
int tls_proof_check(const struct tls_proof *proof, struct error *err);

/* What is known when a profile is chosen for the first attempt. */
struct tls_device {
	unsigned hello_version; /* interface version of the Hello; 0 = not started by a Hello */
	bool sha1_hashes_only;  /* its hash list has SHA-1 entries only */
	bool legacy;            /* device profile says tls.legacy, deployment does not forbid */
	bool stored;            /* a profile that worked is on record */
	enum tls_profile stored_profile;
};

/**
 * Which profile first. Hello version 2 is always P. A stored legacy profile counts only while
 * legacy is allowed.
 * @return 0; E_REFUSED = the device needs PSK, which is legacy, and legacy is off
 */
int tls_first_profile(enum tls_profile *out, const struct tls_device *dev, struct error *err);

/* A failed attempt. */
struct tls_attempt {
	enum tls_profile profile;
	struct conn_failure failure; /* from conn_failure(); phase OPEN = closed on first request */
	struct tls_proof proof;      /* zero when none was attached */
	bool identity;               /* the context had a certificate to show */
	bool legacy;                 /* legacy rungs are allowed */
	bool seen12;                 /* the device was once seen at TLS 1.2: no lower rung */
};

enum tls_verdict {
	TLS_TRY_PROFILE, /* new connection with next.profile */
	TLS_TRY_CHAIN,   /* new connection with the next provisioning chain, same profile */
	TLS_STOP,        /* give up this attempt */
};

struct tls_next {
	enum tls_verdict verdict;
	enum tls_profile profile; /* profile of the next connection */
	const char *reason;       /* static text for log and record */
	const char *name; /* TLS_STOP, TLS_TRY_CHAIN: reason word of the record, "legacy_off" */
	bool final;       /* TLS_STOP: the next attempt would meet the same */
};

/** One step of the ladder: pure. Wait 1 s before the next connection. SPEC: tls.md 3.5, 12; README
 * rulings 28-31 */
struct tls_next tls_ladder(const struct tls_attempt *attempt);

/** Text of the oldest error in OpenSSL's queue, which is emptied. Returns out. */
const char *tls_error_text(char *out, size_t out_len);

#endif
