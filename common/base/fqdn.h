/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's full name as AMT and DNS can carry it: HostName 63 and DomainName 191 characters,
 * letters, digits, hyphens and underscores. Threads: pure. SPEC: provisioning.md 3 NAME
 */
#ifndef MUSTER_BASE_FQDN_H
#define MUSTER_BASE_FQDN_H

struct error;

#define FQDN_HOST_MAX   63
#define FQDN_DOMAIN_MAX 191
#define FQDN_MAX        255 /* host, dot and domain */

/**
 * Copy a name in lower case, without a dot at its end.
 * @return 0; E_CONFIG with what is wrong: a part, a character, the length, no domain
 */
int fqdn_set(char out[static FQDN_MAX + 1], const char *name, struct error *err);

#endif
