/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key files of the bus (CurveZMQ), as `muster keys new` writes them. SPEC: architecture D19
 *
 *   DIR/<role>.key        secret key, 40 characters of Z85 and a newline, mode 0600
 *   DIR/<role>.pub        public key, same form
 *   DIR/broker.pub.old    optional: the broker key that is being replaced. Listeners and workers
 * try both, so two broker keys are valid at once during a rotation DIR/allow/front.keys  public
 * keys that may connect as listener, one a line: key, then anything DIR/allow/back.keys   the same
 * for workers
 *
 * In an allow-list, lines that are empty or begin with '#' are ignored (no group of Z85 that
 * stands for 32 bits begins with that digit).
 * Threads: none.
 */
#ifndef MUSTER_BUS_CURVE_H
#define MUSTER_BUS_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/secret.h"

#define CURVE_TEXT_LEN 40 /* Z85 of 32 bytes */
#define CURVE_KEY_LEN  32

struct error;

struct curve_pair {
	char public_key[CURVE_TEXT_LEN + 1];
	struct secret secret_key; /* 40 characters of Z85 */
};

/** A new key pair; free with curve_pair_free(). @return 0; -ENOMEM; E_CRYPTO without libsodium */
int curve_pair_new(struct curve_pair *out, struct error *err);

/** Wipe the secret. Safe on a zeroed struct. */
void curve_pair_free(struct curve_pair *pair);

/** Write DIR/<role>.key (0600) and DIR/<role>.pub (0644), replacing them by rename.
 * @return 0; -errno, the text names the file */
int curve_pair_write(
	const char *dir, const char *role, const struct curve_pair *pair, struct error *err);

/** Read DIR/<role>.key and DIR/<role>.pub. Fails when the secret is readable by others or the two
 * do not belong together. @return 0; -errno; E_CONFIG */
int curve_pair_read(struct curve_pair *out, const char *dir, const char *role, struct error *err);

/** Read one public key file. @return 0; -errno; E_CONFIG */
int curve_public_read(const char *path, char out[static CURVE_TEXT_LEN + 1], struct error *err);

struct curve_allow {
	uint8_t (*keys)[CURVE_KEY_LEN];
	size_t n_keys;
};

/** Read an allow-list; free with curve_allow_free(). An empty file allows nobody.
 * @return 0; -errno; E_CONFIG names file and line */
int curve_allow_read(struct curve_allow *out, const char *path, struct error *err);

/** Free the list. Safe on a zeroed struct. */
void curve_allow_free(struct curve_allow *allow);

/** Whether the list has this key (binary, as ZAP delivers it). */
bool curve_allow_has(const struct curve_allow *allow, const uint8_t key[static CURVE_KEY_LEN]);

/** Append "KEY NAME" to an allow-list, creating file and folder. @return 0; -errno */
int curve_allow_append(
	const char *path, const char *public_key, const char *name, struct error *err);

#endif
