/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP digest authentication, both sides: challenge, answer, and the small state that belongs to a
 * session and outlives its connections (a 401 closes the connection). Randomness (cnonce) is given
 * by the caller. Ownership: all structs are plain values. Threads: none.
 * SPEC: wsman.md 3.2, README ruling 37
 */
#ifndef MUSTER_PROTO_DIGEST_H
#define MUSTER_PROTO_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

/* AMT sends 39 and 32 characters; the rest is room for other firmware. A longer value is refused.
 */
#define DIGEST_REALM_MAX    127
#define DIGEST_NONCE_MAX    255
#define DIGEST_OPAQUE_MAX   255
#define DIGEST_USER_MAX     127 /* AMT allows 16 to 32 for digest users */
#define DIGEST_URI_MAX      255
#define DIGEST_CNONCE_MAX   127
#define DIGEST_HEADER_MAX   4096 /* longest header value that is looked at */
#define DIGEST_HEX_MAX      64   /* SHA-256 in hex */
#define DIGEST_PASSWORD_LEN 24   /* base64 of 16 bytes */

enum digest_alg { DIGEST_MD5, DIGEST_SHA256 };
enum digest_qop { DIGEST_QOP_NONE, DIGEST_QOP_AUTH, DIGEST_QOP_AUTH_INT };

/* One parsed "Digest" challenge. */
struct digest_challenge {
	char realm[DIGEST_REALM_MAX + 1];
	char nonce[DIGEST_NONCE_MAX + 1];
	char opaque[DIGEST_OPAQUE_MAX + 1]; /* "" = none */
	enum digest_alg alg;
	bool stale;
	bool qop_auth, qop_auth_int; /* offered; neither = the old form without qop */
};

/**
 * Parse the value of WWW-Authenticate: any order, quoted or not, names in any case, several
 * challenges in one value. The first Digest challenge with an algorithm that we know is taken (MD5,
 * SHA-256). The realm is not judged: see digest_realm_ok().
 *
 * @return 0; E_PARSE; E_LIMIT (a value longer than its maximum); E_REFUSED (no usable Digest)
 */
int digest_parse_challenge(
	struct digest_challenge *out, const char *value, size_t len, struct error *err);

/** Whether the realm has the form of AMT's: "Digest:" and 32 hex digits. */
bool digest_realm_ok(const char *realm);

/** H(user:realm:password) in lower-case hex. Wipe out when done: it is as good as the password.
 * @return 0 or E_CRYPTO */
int digest_ha1(enum digest_alg alg, const char *user, const char *realm, const char *password,
	char out[static DIGEST_HEX_MAX + 1]);

/**
 * The DigestPassword argument of the ACL methods: base64 of the 16 raw bytes of
 * MD5(user:realm:password). Secret, as the password.
 * @return 0 or E_CRYPTO
 */
int digest_password(const char *user, const char *realm, const char *password,
	char out[static DIGEST_PASSWORD_LEN + 1]);

/* Everything that goes into one response. */
struct digest_input {
	enum digest_alg alg;
	enum digest_qop qop;
	const char *ha1; /* hex, from digest_ha1() */
	const char *nonce, *cnonce;
	uint32_t nc;
	const char *method, *uri;
	const void *body; /* auth-int only */
	size_t body_len;
};

/** The response value in lower-case hex. SPEC: wsman.md 3.2, RFC 7616 3.4.1.
 * @return 0 or E_CRYPTO */
int digest_response(const struct digest_input *in, char out[static DIGEST_HEX_MAX + 1]);

/* ---- client: one per session ------------------------------------------------------------- */

enum digest_verdict {
	DIGEST_RETRY = 0,           /* a (new) nonce was taken: send the request again, once */
	DIGEST_BAD_CREDENTIALS = 1, /* the device knows these credentials and refuses them */
};

struct digest_state {
	struct digest_challenge challenge; /* the newest; read realm from here */
	bool known;                        /* a challenge has been taken */
	bool proven; /* the present nonce has been accepted at least once with an answer of ours */
	bool stale_once; /* one stale="true" in a row has been obeyed */
	uint32_t nc;     /* last count used with the present nonce */
};

/** Forget nonce and counts: another user, another password, after an ACL change. */
void digest_state_reset(struct digest_state *st);

/**
 * A 401 came. Decide whether it is a challenge or a refusal of the credentials:
 * - the request carried no answer: challenge, DIGEST_RETRY;
 * - it carried one and the nonce had been accepted before: the device has a new nonce,
 * DIGEST_RETRY;
 * - it carried one on a nonce never accepted: DIGEST_BAD_CREDENTIALS, except that stale="true" is
 *   obeyed once in a row.
 * The new challenge is taken over in every case.
 *
 * @param answered the request that got the 401 had an Authorization header
 * @return enum digest_verdict; or the error of digest_parse_challenge() (state unchanged)
 */
int digest_state_challenged(struct digest_state *st, const char *www_authenticate, size_t len,
	bool answered, struct error *err);

/** An answered request got anything but 401: the nonce and the credentials are good. */
void digest_state_accepted(struct digest_state *st);

struct digest_request {
	const char *user;
	const char *password;
	const char *method, *uri; /* "POST", "/wsman" */
	const char *cnonce;       /* fresh random text, given by the caller */
	bool prefer_auth_int;     /* AllowHttpQopAuthOnly can forbid plain auth */
	const void *body;
	size_t body_len;
};

/**
 * Append the value of an Authorization header (without name and CRLF) for the next request and
 * count nc up. auth is used when it is offered, auth-int when only that is offered or preferred.
 *
 * @return 0; E_STATE (no challenge yet); E_LIMIT (user, uri or cnonce too long, or out is full);
 *         E_CRYPTO; -ENOMEM
 */
int digest_authorize(struct digest_state *st, const struct digest_request *rq, struct buf *out,
	struct error *err);

/* ---- server side: the simulator ------------------------------------------------------------ */

struct digest_authorization {
	char user[DIGEST_USER_MAX + 1];
	char realm[DIGEST_REALM_MAX + 1];
	char nonce[DIGEST_NONCE_MAX + 1];
	char uri[DIGEST_URI_MAX + 1];
	char cnonce[DIGEST_CNONCE_MAX + 1];
	char response[DIGEST_HEX_MAX + 1];
	enum digest_alg alg;
	enum digest_qop qop;
	uint32_t nc;
};

/** Parse the value of an Authorization header.
 * @return 0; E_PARSE; E_LIMIT; E_REFUSED (another scheme) */
int digest_parse_authorization(
	struct digest_authorization *out, const char *value, size_t len, struct error *err);

/**
 * Whether the response of a parsed header is right for these credentials and request. Realm, nonce
 * and nc are the caller's to compare with what was issued.
 */
bool digest_authorization_ok(const struct digest_authorization *a, const char *ha1,
	const char *method, const void *body, size_t body_len);

#endif
