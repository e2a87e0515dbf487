/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware's rule for the name in a provisioning certificate against the device's DNS suffix.
 * Pure functions. Threads: any. SPEC: tls.md 5.3
 */
#ifndef MUSTER_PKI_DOMAIN_H
#define MUSTER_PKI_DOMAIN_H

#include <stdbool.h>

enum domain_rule {
	DOMAIN_RELAXED, /* AMT 2.6 and later */
	DOMAIN_STRICT,  /* before 2.6 */
};

/**
 * Whether a device with this suffix accepts a certificate with this common name. Case does not
 * count, one final dot is ignored; an empty name or suffix never matches.
 */
bool domain_match(const char *cn, const char *suffix, enum domain_rule rule);

#endif
