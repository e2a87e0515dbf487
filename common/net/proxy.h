/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROXY protocol version 2, receiving side: the header that a balancer puts before the bytes of a
 * connection. Incremental and pure: feed what has come, in any pieces. TLVs are skipped. Threads,
 * I/O, allocation: none.
 */
#ifndef MUSTER_NET_PROXY_H
#define MUSTER_NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"

struct error;

#define PROXY_FIXED_LEN 16 /* signature, version and command, family, length */
#define PROXY_ADDR_MAX  36 /* two IPv6 addresses and ports */
#define PROXY_BODY_MAX                                                             \
	2048 /* addresses and TLVs; HAProxy sends some tens, with TLS details some \
		hundreds of bytes */

struct proxy_parser {
	uint8_t bytes[PROXY_FIXED_LEN + PROXY_ADDR_MAX]; /* start of the header */
	size_t have;                                     /* header bytes seen, stored or not */
	size_t need;                                     /* length of the header once known */
};

struct proxy_header {
	bool local;             /* health check of the balancer itself, or no address given:
				   use the addresses of the socket */
	struct net_addr source; /* TCP over IPv4 or IPv6; reduced when IPv4-mapped */
	struct net_addr dest;
};

/** Start a new header. */
void proxy_init(struct proxy_parser *p);

/**
 * Feed bytes.
 *
 * @param used bytes that belonged to the header; the rest is the payload
 * @return 1 = complete, out is filled; 0 = more bytes needed (all were used); E_PARSE = not a
 *         header, or one for UDP; E_LIMIT = longer than PROXY_BODY_MAX
 */
int proxy_feed(struct proxy_parser *p, const uint8_t *data, size_t len, size_t *used,
	struct proxy_header *out, struct error *err);

#endif
