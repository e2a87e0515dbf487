/* SPDX-License-Identifier: Apache-2.0 */
/* IPS_IPv6PortSettings; see ipv6.h. */
#include "bench/sim/classes/ipv6.h"

#include "bench/sim/classes/class.h"

#include <arpa/inet.h>
#include <string.h>

const struct ipv6 ipv6_factory = {.address = "::",
	.router = "::",
	.dns1 = "::",
	.dns2 = "::",
	.interface_id = "0000000000000000"};

#define V6(field) offsetof(struct ipv6, field)
#define ADDRESS(name_, field_)                                                            \
	{                                                                                 \
		(name_), PT_STR, PF_STORE, .off = V6(field_), .max = INET6_ADDRSTRLEN - 1 \
	}
#define CURRENT(name_, field_)                            \
	{                                                 \
		(name_), PT_STR, PF_RO, .off = V6(field_) \
	}

static const struct prop ipv6_props[] = {
	CURRENT("CurrentDefaultRouter", router),
	CURRENT("CurrentPrimaryDNS", dns1),
	CURRENT("CurrentSecondaryDNS", dns2),
	ADDRESS("DefaultRouter", router),
	{"ElementName", PT_STR, PF_RO, .text = "Intel(r) IPS IPv6 Settings 0"},
	ADDRESS("IPv6Address", address),
	{"InstanceID", PT_STR, PF_RO | PF_ID | PF_REQ, .text = "Intel(r) IPS IPv6 Settings 0"},
	{"InterfaceIDType", PT_UINT, PF_STORE, .off = V6(interface_id_type), .max = 2},
	{"ManualInterfaceID", PT_STR, PF_STORE, .off = V6(interface_id),
		.max = IPV6_INTERFACE_ID_MAX},
	ADDRESS("PrimaryDNS", dns1),
	ADDRESS("SecondaryDNS", dns2),
	{NULL},
};

static enum wfault ipv6_put(struct call *c)
{
	static const char *const addresses[] = {
		"IPv6Address", "DefaultRouter", "PrimaryDNS", "SecondaryDNS"};
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
		const struct xml_node *x = xml_child(c->body, addresses[i]);
		struct in6_addr parsed;
		if (x && inet_pton(AF_INET6, x->text, &parsed) != 1)
			return WF_SCHEMA;
	}
	return WF_NONE;
}

const struct class_def class_ipv6_port = {
	.name = "IPS_IPv6PortSettings",
	.ns = NS_IPS,
	.props = ipv6_props,
	.part = PART_NETWORK,
	.can_put = true,
	.put = ipv6_put,
};
