/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NETWORK: what a profile wants of the wired port, of IPv6 and of the device's own name. How it is
 * read, compared and written: setting.c. SPEC: provisioning.md 4 NETWORK
 */
#include <arpa/inet.h>
#include <strings.h>

#include "worker/steps/setting.h"
#include "worker/steps/steps.h"

#define PORT        "AMT_EthernetPortSettings"
#define IPV6_RANDOM 0u /* InterfaceIDType */
#define IPV6_MAC    1u

/* Letter case is the device's affair. */
static void name_wish(struct wishes *w, const char *property, const char *want)
{
	const char *have = wsman_node_text(w->have, property);
	wish_text(w, property, want && have && strcasecmp(have, want) == 0 ? have : want);
}

/* Its own name as its sources say it today; the resolver has checked that there is a dot. */
static void own_name(struct wishes *w)
{
	const char *fqdn = w->s->ck.fqdn, *dot = strchr(fqdn, '.');
	name_wish(w, "HostName", arena_printf(&w->s->keep, "%.*s", (int)(dot - fqdn), fqdn));
	name_wish(w, "DomainName", dot + 1);
}

void names_wish(struct wishes *w)
{
	own_name(w);
	const struct profile_names *n = &w->s->profile->names;
	bool shared = n->fqdn == PROFILE_FQDN_SHARED;
	if (!shared || wsman_node_child(w->have, "SharedFQDN")) { /* older firmware shares it */
		wish_bool(w, "SharedFQDN", shared);
		wish_if_known(w);
	}
	wish_switch(w, "DDNSUpdateEnabled", n->ddns);
	wish_optional(w, "DDNSPeriodicUpdateInterval", n->ddns_interval_min);
	wish_optional(w, "DDNSTTL", n->ddns_ttl_s);
}

/* DHCPEnabled, IpSyncEnabled, SharedStaticIp of a mode. SPEC: the table of modes */
static const bool modes[][3] = {
	[PROFILE_ADDRESS_DHCP] = {true, true, false},
	[PROFILE_ADDRESS_STATIC] = {false, false, false},
	[PROFILE_ADDRESS_HOST] = {false, true, true},
};
static const char *const address_properties[] = {
	"IPAddress", "SubnetMask", "DefaultGateway", "PrimaryDNS", "SecondaryDNS"};

bool port_asked(const struct session *s)
{
	return s->profile->network.address != PROFILE_ADDRESS_KEEP || s->profile->network.vlan;
}

/* Machines with wireless alone have the object, and no address of the wire in it. */
static bool wired(const struct wsman_node *have)
{
	const char *mac = wsman_node_text(have, "MACAddress");
	return mac && mac[strspn(mac, "0-: ")] != '\0';
}

/* The address under which it is reached may be that of the air, of a translator, or IPv6.
 * @return why it cannot become the wire's own, NULL = it can */
static const char *foreign_address(const struct session *s, const struct wsman_node *have)
{
	struct in_addr a;
	const char *ip = wsman_node_text(have, "IPAddress");
	if (s->profile->network.address != PROFILE_ADDRESS_STATIC)
		return NULL;
	if (inet_pton(AF_INET, s->o.own_address, &a) != 1)
		return "the device is reached by IPv6";
	if (ip && ip[0] && strcmp(ip, "0.0.0.0") != 0 && strcmp(ip, s->o.own_address) != 0)
		return "the device is reached under another address than that of its wire";
	return NULL;
}

/* A Put loses the addresses, so what forbids a wish is noted before. */
void port_note(struct session *s, const struct wsman_node *have)
{
	const char *foreign = foreign_address(s, have);
	s->o.port_there = wired(have);
	s->o.address_foreign = foreign != NULL;
	if (!s->o.port_there)
		setting_lacks(s, "the machine has no wired port");
	else if (foreign)
		setting_not_here(s, PORT, "IPAddress", foreign);
}

/* The address under which it is reached now becomes its own: the session lives on. */
static void own_address(struct wishes *w)
{
	const struct profile_network *n = &w->s->profile->network;
	const char *texts[] = {w->s->o.own_address, n->subnet_mask, n->gateway,
		n->n_dns > 0 ? n->dns[0] : "", n->n_dns > 1 ? n->dns[1] : ""};
	for (size_t i = 0; i < 5; i++) {
		if (texts[i] && texts[i][0])
			wish_text(w, address_properties[i], texts[i]);
	}
}

static bool is_on(const struct wsman_node *have, const char *property)
{
	bool on = false;
	return wsman_node_bool(have, property, &on) == 0 && on;
}

/* Addresses that the device was leased or has of its host, which no Put may carry. */
static bool borrowed(const struct wsman_node *have)
{
	return is_on(have, "DHCPEnabled") ||
	       (is_on(have, "IpSyncEnabled") && is_on(have, "SharedStaticIp"));
}

void port_wish(struct wishes *w)
{
	const struct profile_network *n = &w->s->profile->network;
	bool moved = n->address != PROFILE_ADDRESS_KEEP && !w->s->o.address_foreign;
	if (!w->s->o.port_there)
		return;
	if (moved) {
		wish_bool(w, "DHCPEnabled", modes[n->address][0]);
		wish_bool(w, "IpSyncEnabled", modes[n->address][1]);
		wish_bool(w, "SharedStaticIp", modes[n->address][2]);
	}
	if (moved && n->address == PROFILE_ADDRESS_STATIC)
		own_address(w);
	else if (moved || borrowed(w->have))
		for (size_t i = 0; i < 5; i++)
			wish_drop(w, address_properties[i]);
	wish_optional(w, "VLANTag", n->vlan);
}

bool ipv6_asked(const struct session *s)
{
	return s->profile->network.ipv6 != PROFILE_IPV6_KEEP;
}

void ipv6_wish(struct wishes *w)
{
	bool random = w->s->profile->network.ipv6 == PROFILE_IPV6_RANDOM;
	wish_uint(w, "InterfaceIDType", random ? IPV6_RANDOM : IPV6_MAC);
}
