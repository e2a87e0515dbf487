/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key pair made by us, for firmware that cannot make its own (AMT 3 to 5: AddKey). Takes 150 ms
 * and more of CPU, so it runs in libuv's pool behind the connector. The private key exists in
 * memory only, until it is on the device. SPEC: ca.md 1 C; provisioning.md 3 CERT
 */
#ifndef MUSTER_WORKER_KEYGEN_H
#define MUSTER_WORKER_KEYGEN_H

#include "common/base/buf.h"
#include "common/base/secret.h"
#include "worker/connector.h"

struct keygen_work {
	struct work work;
	struct connector *connector;
	uv_work_t pool;
	unsigned bits;
	int rc;                    /* 0 or E_CRYPTO */
	struct secret private_key; /* PKCS#1 RSAPrivateKey DER */
	struct buf public_key;     /* PKCS#1 RSAPublicKey DER, as DERKey */
};

/** Make a work and submit it. @return NULL without memory */
struct keygen_work *keygen_submit(
	struct connector *c, unsigned bits, void (*done)(struct work *w, void *arg), void *arg);

#endif
