/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges as the configuration writes them: "10.0.0.7", "10.0.0.0/8", "2001:db8::/32". */
#ifndef MUSTER_LISTENER_CIDR_H
#define MUSTER_LISTENER_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/net/addr.h"

struct error;

struct cidr {
	uint8_t bytes[16];
	uint8_t len;  /* 4 or 16 */
	uint8_t bits; /* leading bits that count */
};

/** @return 0; E_CONFIG, text names the input */
int cidr_parse(struct cidr *out, const char *text, struct error *err);

/** Whether the address lies in the range. */
bool cidr_has(const struct cidr *c, const struct net_addr *addr);

#endif
