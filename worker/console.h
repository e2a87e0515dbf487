/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Muster as a console: the certificate that it shows to a device in service which asks for one
 * (mutual TLS). Whether a device would take it is judged before the device is told to ask: one that
 * lets nobody in cannot be told anything any more.
 * Ownership: struct console owns certificate, issuers and key; its identity lends them.
 * Threads: read-only. SPEC: provisioning.md 4 MUTUAL; tls.md 10
 */
#ifndef MUSTER_WORKER_CONSOLE_H
#define MUSTER_WORKER_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/tls.h"

struct conf_chain;
struct error;
struct profile;

struct console {
	struct tls_identity identity;
};

/** Load chain (leaf first) and key. No file in c = *out NULL. Free with console_free().
 * @return 0; E_CONFIG, -errno, -ENOMEM: the text names the file */
int console_load(struct console **out, const struct conf_chain *c, struct error *err);

void console_free(struct console *c);

/**
 * Whether a device with the roots and names of this profile lets the console in: EKU clientAuth and
 * the OID of remote consoles, an issuer among tls.trusted_roots, a name that tls.trusted_cns lists.
 *
 * @param c NULL = there is none
 * @return 0; E_CONFIG with what is wrong
 */
int console_fits(const struct console *c, const struct profile *p, struct error *err);

/** Whether the console's chain ends at this certificate. @param der,len of it; DER */
bool console_ends_at(const struct console *c, const uint8_t *der, size_t len);

#endif
