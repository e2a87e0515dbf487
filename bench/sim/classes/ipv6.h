/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 settings of the wired port. Threads: the loop's thread only. SPEC: maintenance.md 7 */
#ifndef MUSTER_SIM_IPV6_H
#define MUSTER_SIM_IPV6_H

#include <netinet/in.h>
#include <stdint.h>

#define IPV6_INTERFACE_ID_MAX 16 /* hex digits of 64 bits */

struct ipv6 {
	char address[INET6_ADDRSTRLEN], router[INET6_ADDRSTRLEN];
	char dns1[INET6_ADDRSTRLEN], dns2[INET6_ADDRSTRLEN];
	uint32_t interface_id_type; /* 0 random, 1 from the MAC address, 2 manual */
	char interface_id[IPV6_INTERFACE_ID_MAX + 1];
};

extern const struct ipv6 ipv6_factory;

#endif
