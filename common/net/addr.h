/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket addresses: one value type for IPv4, IPv6 and unix paths, its text, and the keys by which
 * limits count. An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is always reduced to IPv4, so that a
 * device counts as one however it came in. Ownership: plain values. Threads: none.
 */
#ifndef MUSTER_NET_ADDR_H
#define MUSTER_NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct error;

#define NET_ADDR_TEXT_MAX 128 /* longest text: "unix:" and 107 characters of path */

struct net_addr {
	socklen_t len; /* 0 = no address */
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

/* What a limit counts by: family and the leading bits of an address, the rest zero. Comparable
 * with memcmp(), usable as a hash key. */
struct net_key {
	uint8_t family; /* 4, 6, or 0 for a unix socket */
	uint8_t bits;   /* length of the prefix */
	uint8_t bytes[16];
};

/**
 * Parse "1.2.3.4:9971", "[2001:db8::1]:9971", "unix:/path" or "/path". Numeric only: no look-up.
 * @return 0; E_CONFIG, text names the input
 */
int net_addr_parse(struct net_addr *out, const char *text, struct error *err);

/**
 * An address from host text without brackets and a port. Numeric only.
 * @return 0; E_CONFIG
 */
int net_addr_from_host(struct net_addr *out, const char *host, uint16_t port, struct error *err);

/**
 * As net_addr_from_host(), but a name is looked up (first answer wins). BLOCKS in the resolver: for
 * program start and for threads without a loop only.
 * @return 0; E_CONFIG, text says what the resolver said
 */
int net_addr_resolve(struct net_addr *out, const char *host, uint16_t port, struct error *err);

/** Copy a kernel address, reducing ::ffff:a.b.c.d to IPv4. A len that is too long is cut to none.
 */
void net_addr_set(struct net_addr *out, const struct sockaddr *sa, socklen_t len);

/** An address from 4 or 16 network-order bytes (reduced as above). @return 0 or E_PARSE */
int net_addr_from_bytes(struct net_addr *out, const uint8_t *bytes, size_t len, uint16_t port);

/** The 4 or 16 address bytes in network order; NULL and *len = 0 for a unix socket. */
const uint8_t *net_addr_bytes(const struct net_addr *a, size_t *len);

/** Port in host order; 0 for a unix socket. */
uint16_t net_addr_port(const struct net_addr *a);

/** Set the port; no effect on a unix socket. */
void net_addr_set_port(struct net_addr *a, uint16_t port);

/** "1.2.3.4:9971", "[2001:db8::1]:9971", "unix:/path" or "-"; returns out. */
const char *net_addr_text(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX]);

/** As net_addr_text() without port and brackets; returns out. */
const char *net_addr_host_text(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX]);

/** Same host and port. */
bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);

/** Same host, whatever the port. */
bool net_addr_same_host(const struct net_addr *a, const struct net_addr *b);

/** 127.0.0.0/8, ::1 or a unix socket. */
bool net_addr_is_loopback(const struct net_addr *a);

/** Key of the subnet for rates: IPv4 /24, IPv6 /56. SPEC: README ruling 10 */
struct net_key net_key_subnet(const struct net_addr *a);

/** Key of the source for open connections: the IPv4 address, IPv6 /64. SPEC: README ruling 10 */
struct net_key net_key_source(const struct net_addr *a);

#endif
