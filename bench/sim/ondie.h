/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The on-die certificate authority of newer chipsets: leaf, AMT CA, Kernel CA, ROM CA, Issuing CA,
 * Intermediate CA, all P-384; the root is not sent. The upper part is kept in a file, so that a
 * worker can be given its root. Leaf, AMT and Kernel CA come from a few ready-made sets; the ROM CA
 * is the machine's own, one signature made when the device is first visited.
 * Ownership: the authority owns its keys and certificates. Threads: read-only after opening.
 * SPEC: tls.md 6
 */
#ifndef MUSTER_SIM_ONDIE_H
#define MUSTER_SIM_ONDIE_H

#include "common/base/err.h"
#include "common/base/uuid.h"

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#define ONDIE_SETS 8 /* machines share keys, never a ROM CA certificate */

struct ondie_set {
	EVP_PKEY *rom_key, *leaf_key;
	X509 *leaf, *amt, *kernel;
};

struct ondie {
	EVP_PKEY *issuing_key;
	X509 *root, *intermediate, *issuing;
	struct ondie_set sets[ONDIE_SETS];
};

/**
 * Load the upper part from a PEM file, or make and store it (mode 0600); make the sets.
 * @param path NULL: keep nothing on disk
 * @return 0; E_CRYPTO; -errno
 */
int ondie_open(struct ondie *o, const char *path, struct error *err);

/**
 * Make the ROM CA certificate of one machine.
 * @return its DER, to be freed with OPENSSL_free(); NULL without memory
 */
uint8_t *ondie_rom(const struct ondie *o, size_t machine, const struct uuid *uuid, size_t *len);

/** Free everything. Safe on a zeroed authority. */
void ondie_close(struct ondie *o);

#endif
