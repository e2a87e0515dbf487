/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Hello: the one message that a device sends to TCP 9971. An incremental parser that judges the
 * bytes as they come (the listener keeps the raw bytes, the parser keeps none of them), a decoder
 * that gives a view into a complete message, and an encoder for tools and the simulator.
 * Ownership: a decoded struct hello points into the caller's bytes. Threads: none. No allocation.
 * SPEC: hello.md 2, 3, 6.1
 */
#ifndef MUSTER_PROTO_HELLO_H
#define MUSTER_PROTO_HELLO_H

#include "common/base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

/* Limit of the format: head, count, 255 entries of 2 + 48 bytes. SPEC: hello.md 2 */
#define HELLO_MAX_LEN  12775
#define HELLO_PID_LEN  8   /* characters of a PID on the wire */
#define HELLO_HASH_MAX 48  /* bytes of the longest hash, SHA-384 */
#define HELLO_N_HASHES 255 /* the count is one byte */

enum hello_version { HELLO_V_PSK = 2, HELLO_V_PKI = 3 };

/* Hash algorithms as the Hello numbers them. */
enum hello_alg { HELLO_SHA1 = 1, HELLO_SHA256 = 2, HELLO_SHA384 = 3 };

/* Result of parsing. Everything above HELLO_MORE is a refusal. SPEC: hello.md 6.1 */
enum hello_code {
	HELLO_DONE = 0, /* the message is complete and good */
	HELLO_MORE = 1, /* good so far, more bytes needed */
	HELLO_BAD_ADMIN_FLAG,
	HELLO_UNSUPPORTED_VERSION,
	HELLO_IMPLAUSIBLE_RETRY,
	HELLO_BAD_UUID,
	HELLO_BAD_PID,
	HELLO_NO_HASHES,
	HELLO_BAD_HASH_ALGORITHM,
	HELLO_BAD_HASH_LENGTH,
	HELLO_TRUNCATED,
	HELLO_TRAILING_DATA,
	HELLO_N_CODES, /* number of codes, not a code */
};

/**
 * Name of a code as the specification writes it: "bad_admin_flag", "truncated", ...
 * HELLO_DONE is "ok", HELLO_MORE is "more". Never NULL. Useful as a metric label (static table).
 */
const char *hello_code_name(enum hello_code code);

/* State of the incremental parser: the field being collected, never the message. */
struct hello_parser {
	struct uuid uuid;  /* valid when have_uuid */
	bool have_uuid;    /* the UUID has been read and is a plausible one */
	uint8_t state;     /* private: index into the field table */
	uint8_t have;      /* private: bytes of the present field in field[] */
	uint8_t skip;      /* private: hash bytes still to pass over */
	uint8_t n_left;    /* private: hash entries after this one */
	uint8_t alg;       /* private: algorithm of the present entry */
	uint8_t code;      /* private: enum hello_code so far, sticky */
	uint8_t version;   /* 2 or 3 once read, else 0 */
	uint8_t field[16]; /* private: largest field, the UUID */
};

/** Start a new message. */
void hello_parser_init(struct hello_parser *p);

/**
 * Judge the next bytes. The result of a message does not depend on how it is cut into calls.
 *
 * @param consumed may be NULL; how many of the bytes belong to the message (all of them while
 *                 HELLO_MORE; fewer than len when the message was refused or bytes follow it)
 * @return HELLO_MORE; HELLO_DONE when the message ends exactly with these bytes;
 *         HELLO_TRAILING_DATA when bytes follow a complete message; another code when a rule
 * failed. Refusals are sticky; after HELLO_DONE any further byte gives HELLO_TRAILING_DATA.
 */
enum hello_code hello_parser_feed(
	struct hello_parser *p, const uint8_t *data, size_t len, size_t *consumed);

/**
 * No more bytes will come (EOF, or the message was complete and the socket was empty).
 * @return HELLO_DONE, HELLO_TRUNCATED in the middle of a message (also for no byte at all), or the
 *         refusal that feed() has given already
 */
enum hello_code hello_parser_end(struct hello_parser *p);

/** How long ago the series of a Hello began, by its retry count: 0, 1, ... 355 minutes.
 * @return seconds. SPEC: hello.md 5.1 */
uint32_t hello_elapsed_s(uint32_t retry_count);

/* One root fingerprint of a Hello, a view. */
struct hello_hash {
	uint8_t alg;         /* enum hello_alg */
	uint8_t len;         /* 20, 32 or 48 */
	const uint8_t *hash; /* over the whole DER root certificate */
};

/* A complete, accepted message. */
struct hello {
	bool admin_credentials_set;  /* a hint only. SPEC: hello.md 4 */
	uint8_t version;             /* enum hello_version */
	uint32_t retry_count;        /* 0..65535 */
	struct uuid uuid;            /* text order; hello.md 3 */
	char pid[HELLO_PID_LEN + 1]; /* version 2: NUL-terminated; else "" */
	bool pid_check_ok;           /* version 2: the 8th character is the check character */
	uint8_t n_hashes;            /* version 3: 1..255; else 0 */
	const uint8_t *hashes;       /* version 3: the entries, inside the caller's bytes */
	size_t hashes_len;           /* bytes at hashes */
};

/**
 * Decode one whole message, with the same rules as the parser.
 *
 * @param out views raw; valid only as long as raw
 * @return HELLO_DONE (out filled) or the code of the first rule that failed
 */
enum hello_code hello_decode(const uint8_t *raw, size_t len, struct hello *out);

/**
 * Step through the hash entries: start with *offset = 0 and call until false.
 * Order and duplicates are those of the message.
 */
bool hello_next_hash(const struct hello *h, size_t *offset, struct hello_hash *out);

/** Length in bytes of a hash of this algorithm; 0 when it is unknown. */
size_t hello_alg_len(uint8_t alg);

/** "sha1", "sha256", "sha384", or "unknown". */
const char *hello_alg_name(uint8_t alg);

/**
 * Write a message (tools, simulator). Uses admin_credentials_set, version, retry_count, uuid and,
 * for version 2, pid of h; the entries come from hashes (version 3).
 *
 * @return 0; E_CONFIG when hello_decode() would refuse the result; E_LIMIT or -ENOMEM of buf_add()
 */
int hello_encode(struct buf *out, const struct hello *h, const struct hello_hash *hashes,
	size_t n_hashes, struct error *err);

#endif
