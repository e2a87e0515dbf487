/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a device trusts beyond its certificate store: revoked serial numbers and the names that
 * mutual authentication takes. Threads: the loop's thread only. SPEC: maintenance.md 2
 */
#ifndef MUSTER_SIM_TRUST_H
#define MUSTER_SIM_TRUST_H

#include <stdint.h>

#define TRUST_CN_MAX      4  /* names per interface; no source gives the number */
#define TRUST_CN_LEN      64 /* longest name */
#define TRUST_CRLS_MAX    4
#define TRUST_SERIALS_MAX 16 /* of one list */
#define TRUST_URL_MAX     255
#define TRUST_SERIAL_LEN  20 /* SPEC: RFC 5280 4.1.2.2 */

struct trust_names {
	uint32_t n;
	char cn[TRUST_CN_MAX][TRUST_CN_LEN + 1];
};

struct trust_crl {
	char url[TRUST_URL_MAX + 1];
	uint32_t n;
	uint8_t len[TRUST_SERIALS_MAX];
	uint8_t serial[TRUST_SERIALS_MAX][TRUST_SERIAL_LEN];
};

struct trust {
	struct trust_names names[2]; /* by TLS_REMOTE, TLS_LOCAL; count at once, without a commit */
	uint32_t n_crls;
	struct trust_crl crls[TRUST_CRLS_MAX];
};

extern const struct trust trust_factory;

#endif
