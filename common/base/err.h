/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. What: one negative integer space (errno values negated, our own codes below -1000) and an
 * optional text that the caller owns. Why: a failing path is one line, and the text names what,
 * where and what to do. Libraries never log: they fill struct error and return the code.
 */
#ifndef MUSTER_BASE_ERR_H
#define MUSTER_BASE_ERR_H

#include <stddef.h>

/* Our own codes. Everything else is a negated errno value. */
enum {
	E_PARSE = -1001,    /* bytes do not follow their format */
	E_LIMIT = -1002,    /* a named limit would be exceeded */
	E_PROTOCOL = -1003, /* a peer broke the protocol */
	E_TLS = -1004,      /* TLS or certificate failure */
	E_AUTH = -1005,     /* credentials refused */
	E_CONFIG = -1006,   /* configuration or operator input is wrong */
	E_STALE = -1007,    /* lease or fence no longer ours */
	E_STATE = -1008,    /* not possible in the present state */
	E_CRYPTO = -1009,   /* a cryptographic operation failed (wrong key, damaged data) */
	E_REFUSED = -1010,  /* the other side said no, with a reason in the text */
	E_CLOSED = -1011,   /* the peer closed in the middle */
};

#define ERROR_TEXT_MAX 320

struct error {
	int code;                  /* 0 or negative */
	char text[ERROR_TEXT_MAX]; /* one line, no secrets, NUL-terminated */
};

/**
 * Fill an error and return its code, so that a failing path is one line.
 *
 * @param err  may be NULL (only the code is returned then)
 * @param code negative: -errno or E_*
 * @param fmt  printf format of one line: what failed, where, what to do
 * @return code
 */
#define error_set(err, code, ...)                                                               \
	__extension__({                                                                         \
		int error_code_ = (code); /* seen by analysers: the result is this very code */ \
		error_set_text(err, error_code_, __VA_ARGS__);                                  \
		error_code_;                                                                    \
	})
void error_set_text(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * Put context before the text that is already there ("context: old text").
 *
 * @return err->code, or 0 when err is NULL
 */
int error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Name of a code for logs and JSON: "E_PARSE", "ECONNREFUSED", ... Never NULL. */
const char *error_name(int code);

/* The whole guard vocabulary. TRY: pass a failure up. ENSURE: fail with a text unless true. */
#define TRY(expr)                       \
	do {                            \
		int try_rc_ = (expr);   \
		if (try_rc_ < 0)        \
			return try_rc_; \
	} while (0)

#define ENSURE(cond, err, code, ...)                              \
	do {                                                      \
		if (!(cond))                                      \
			return error_set(err, code, __VA_ARGS__); \
	} while (0)

#endif
