/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords of devices: made at random, derived from a master, and checked against the rule of
 * Intel AMT. Alphabet: upper, lower, digits and !#$%*+-.=?@_~ (nothing that XML, digest or the
 * keyboard of MEBx would trip over). The result is a struct secret. Threads: pure, apart from the
 * random generator of OpenSSL. SPEC: maintenance.md 3, wsman.md 7, ruling 52.
 */
#ifndef MUSTER_CRYPTO_PASSWORD_H
#define MUSTER_CRYPTO_PASSWORD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/secret.h"
#include "common/base/uuid.h"

struct error;

#define PASSWORD_LEN     20 /* at least 16 by maintenance.md 3; ours have about 124 bits */
#define PASSWORD_AMT_MIN 8
#define PASSWORD_AMT_MAX 32

/** A new random password of PASSWORD_LEN with one of each class. @return 0; E_CRYPTO; -ENOMEM */
int password_random(struct secret *out, struct error *err);

/** The same with another length, from 4 to PASSWORD_LEN. */
int password_random_len(struct secret *out, size_t len, struct error *err);

/**
 * The derived password: HKDF-SHA256(master, salt = 16 UUID bytes in the order of the text, info =
 * "muster/" purpose "/" counter). The counter is decimal from 0 and advances until all four
 * classes occur; bytes >= 3 * 75 are rejected, the others map to the alphabet modulo 75.
 *
 * @param purpose "admin", "mebx"
 * @return 0; E_CRYPTO; -ENOMEM
 */
int password_derive(struct secret *out, const struct secret *master, const struct uuid *uuid,
	const char *purpose, struct error *err);

/** The same with another length. */
int password_derive_len(struct secret *out, const struct secret *master, const struct uuid *uuid,
	const char *purpose, size_t len, struct error *err);

/**
 * Whether Intel AMT takes it as admin or MEBx password: 8 to 32 of ASCII 32 to 126 without : , "
 * with an upper, a lower, a digit and a special character (neither _ nor space is special).
 *
 * @return 0 or E_CONFIG; the text says which part of the rule failed, never the password
 */
int password_check(const struct secret *password, struct error *err);

#endif
