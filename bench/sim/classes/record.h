/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device remembers of its setup: by whose chain it was set up, and its logs.
 * Threads: the loop's thread only. SPEC: maintenance.md 7
 */
#ifndef MUSTER_SIM_RECORD_H
#define MUSTER_SIM_RECORD_H

#include "bench/sim/device.h"

#include <openssl/safestack.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

/* Of the setup session that led to a commit. */
struct record {
	bool made;
	bool time_valid;              /* the clock was set before */
	char server[DEVICE_FQDN_MAX]; /* CN of the provisioning certificate */
	uint8_t root[32];             /* SHA-256 of its root */
};

extern const struct record record_factory;

/** A chain was accepted in setup, leaf first. Kept until a commit makes it count. */
void record_chain(struct device *d, STACK_OF(X509) * chain);

/** The device was committed. */
void record_commit(struct device *d);

#endif
