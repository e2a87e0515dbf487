/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificate of a device in setup we take: the pinned one, a genuine on-die chain, or any
 * that does not contradict what this UUID showed before. Strictest available wins.
 * Threads: the session loop. SPEC: tls.md 6
 */
#ifndef MUSTER_WORKER_TRUST_H
#define MUSTER_WORKER_TRUST_H

#include <openssl/x509.h>

#include <stdbool.h>

#include "common/pki/devcert.h"
#include "worker/resolve/resolve.h"

struct session;
struct error;

#define TRUST_PIN_HEX RESOLVE_PIN_HEX

/* What earlier jobs of the UUID saw, and what a source of names pins. "" = nothing. */
struct trust {
	char fp[DEVCERT_FP_HEX + 1];  /* leaf */
	char fp3[DEVCERT_FP_HEX + 1]; /* ROM CA: fixed per machine */
	char pin[TRUST_PIN_HEX + 1];  /* SHA-256 or SHA-384 of the leaf's DER, hex */
};

/** Whether the profile's demand can be met at all; else s->failure says what is missing: no_pin,
 * no_odca_roots. Call before the device is connected. */
bool trust_ready(struct session *s);

/**
 * Judge the certificates of a device in setup. Nothing has been sent yet.
 * @return 0; E_TLS, with s->failure set: pin_mismatch, untrusted_device, rom_ca_changed
 */
int trust_judge(struct session *s, X509 *leaf, STACK_OF(X509) * chain, struct error *err);

#endif
