/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a profile: wire, air and the way home. SPEC: provisioning.md 4 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/base/err.h"
#include "common/conf/profile_check.h"

#define MPS_TEXT_MAX   16 /* user and password of a server: what old firmware takes */
#define DOMAIN_MAX     63 /* bytes of a home domain */
#define EAP_SECRET_MAX 32 /* bytes of a password; IPS_IEEE8021xSettings */

static const struct secret_rule psk_rule = {8, 63, false, "a key has 8 to 63"};
static const struct secret_rule eap_rule = {
	1, EAP_SECRET_MAX, false, "a password of 802.1x has 1 to 32"};
static const struct secret_rule mps_rule = {
	8, MPS_TEXT_MAX, true, "a password of a server has 8 to 16"};

/* ---- network ---------------------------------------------------------------------------- */

static bool ipv4_ok(const char *text)
{
	struct in_addr a;
	return inet_pton(AF_INET, text, &a) == 1;
}

static bool ip_ok(const char *text)
{
	struct in6_addr a;
	return ipv4_ok(text) || inet_pton(AF_INET6, text, &a) == 1;
}

static bool mask_ok(const char *text)
{
	struct in_addr a;
	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	uint32_t host = ~ntohl(a.s_addr);
	return host != 0 && (host & (host + 1)) == 0; /* ones, then zeros */
}

static int check_network(const struct checker *c, const struct profile_network *n)
{
	bool fixed = n->address == PROFILE_ADDRESS_STATIC;
	const char *given = n->subnet_mask[0] ? "subnet_mask"
			    : n->gateway[0]   ? "gateway"
			    : n->n_dns        ? "dns"
					      : NULL;
	if (!fixed && given)
		return check_fail(c, "network", given, "only with address: static; remove it");
	if (!fixed)
		return 0;
	if (!n->subnet_mask[0])
		return check_fail(
			c, "network", "address", "static needs subnet_mask, such as 255.255.255.0");
	if (!mask_ok(n->subnet_mask))
		return check_fail(c, "network", "subnet_mask",
			"\"%s\" is not a mask such as 255.255.255.0", n->subnet_mask);
	if (n->gateway[0] && !ipv4_ok(n->gateway))
		return check_fail(c, "network", "gateway",
			"\"%s\" is not an IPv4 address such as 10.0.0.1", n->gateway);
	for (uint32_t i = 0; i < n->n_dns; i++) {
		char key[YAML_PATH_MAX];
		snprintf(key, sizeof key, "dns[%u]", i);
		if (!ipv4_ok(n->dns[i]))
			return check_fail(c, "network", key,
				"\"%s\" is not an IPv4 address such as 10.0.0.1", n->dns[i]);
	}
	return 0;
}

/* ---- 802.1x ----------------------------------------------------------------------------- */

static bool by_certificate(const struct profile_8021x *x)
{
	return x->protocol == PROFILE_EAP_TLS || x->protocol == PROFILE_EAP_FAST_TLS;
}

static int check_8021x(const struct checker *c, const struct profile_8021x *x, const char *at)
{
	if (by_certificate(x) && x->password_file[0])
		return check_fail(c, at, "password_file",
			"this protocol proves itself by certificate; remove it");
	if (!by_certificate(x) && !x->password_file[0])
		return check_fail(c, at, "protocol", "this protocol needs password_file: FILE");
	if (x->password_file[0])
		TRY(check_secret_file(c, at, "password_file", x->password_file, &eap_rule));
	if (!x->root_file[0])
		return check_fail(c, at, "root_file",
			"without the root of the RADIUS server's certificate any server would be "
			"believed; name a PEM file");
	if (x->server_match != PROFILE_MATCH_NONE && !x->server_name[0])
		return check_fail(c, at, "server_match",
			"needs server_name: the name in the RADIUS server's certificate");
	if (x->server_match == PROFILE_MATCH_NONE && x->server_name[0])
		return check_fail(c, at, "server_name", "needs server_match: full or suffix");
	if (x->roaming_identity && x->protocol == PROFILE_EAP_TLS)
		return check_fail(
			c, at, "roaming_identity", "tls has no inner identity to hide; remove it");
	return check_root_file(c, at, "root_file", x->root_file);
}

static int check_wired(const struct checker *c, const struct profile_wired *w)
{
	if (w->state == PROFILE_ON)
		return check_8021x(c, &w->ieee8021x, "wired.ieee8021x");
	if (w->ieee8021x.password_file[0] || w->ieee8021x.root_file[0])
		return check_fail(c, "wired", "ieee8021x", "only with state: on; remove it");
	return 0;
}

/* ---- wireless --------------------------------------------------------------------------- */

/* What a kind of security needs. */
static const struct {
	bool psk, ieee8021x;
	unsigned ciphers; /* bit n = enum profile_wifi_encryption n */
	const char *says;
} securities[] = {
	[PROFILE_WIFI_WPA_PSK] = {true, false, 3, "ccmp or tkip"},
	[PROFILE_WIFI_WPA_8021X] = {false, true, 3, "ccmp or tkip"},
	[PROFILE_WIFI_WPA2_PSK] = {true, false, 3, "ccmp or tkip"},
	[PROFILE_WIFI_WPA2_8021X] = {false, true, 3, "ccmp or tkip"},
	[PROFILE_WIFI_WPA3_SAE] = {true, false, 5, "ccmp or gcmp256"},
	[PROFILE_WIFI_OWE] = {false, false, 5, "ccmp or gcmp256"},
};

static int check_unique(
	const struct checker *c, const struct profile_wireless *w, uint32_t i, const char *at)
{
	const struct profile_wifi *e = &w->profiles[i];
	for (uint32_t j = 0; j < i; j++) {
		const struct profile_wifi *o = &w->profiles[j];
		if (strcmp(e->name, o->name) == 0)
			return check_fail(
				c, at, "name", "\"%s\" is in the list twice; rename one", e->name);
		if (e->priority == o->priority)
			return check_fail(c, at, "priority",
				"%u is that of \"%s\", too; each entry has its own", e->priority,
				o->name);
	}
	return 0;
}

static int check_wifi(const struct checker *c, const struct profile_wireless *w, uint32_t i)
{
	const struct profile_wifi *e = &w->profiles[i];
	char at[YAML_PATH_MAX], inner[YAML_PATH_MAX + 16];
	snprintf(at, sizeof at, "wireless.profiles[%u]", i);
	snprintf(inner, sizeof inner, "%s.ieee8021x", at);
	if (!e->name[0] || !e->ssid[0])
		return check_fail(c, at, "", "needs name and ssid");
	if (e->priority == 0)
		return check_fail(c, at, "", "needs priority: 1 is tried first");
	TRY(check_unique(c, w, i, at));
	if (!(securities[e->security].ciphers & 1u << e->encryption))
		return check_fail(c, at, "encryption", "this security takes %s",
			securities[e->security].says);
	if (securities[e->security].psk && !e->psk_file[0])
		return check_fail(c, at, "security", "this security needs psk_file: FILE");
	if (!securities[e->security].psk && e->psk_file[0])
		return check_fail(c, at, "psk_file", "this security has no shared key; remove it");
	if (e->psk_file[0])
		TRY(check_secret_file(c, at, "psk_file", e->psk_file, &psk_rule));
	if (securities[e->security].ieee8021x)
		return check_8021x(c, &e->ieee8021x, inner);
	if (e->ieee8021x.password_file[0] || e->ieee8021x.root_file[0])
		return check_fail(c, at, "ieee8021x",
			"only with security wpa-8021x or wpa2-8021x; remove it");
	return 0;
}

/* ---- remote access ---------------------------------------------------------------------- */

static int check_server(const struct checker *c, const struct profile_remote_access *r, uint32_t i)
{
	const struct profile_mps *m = &r->servers[i];
	char at[YAML_PATH_MAX];
	snprintf(at, sizeof at, "remote_access.servers[%u]", i);
	if (!m->address[0])
		return check_fail(c, at, "", "needs address: an FQDN or an IP address");
	for (uint32_t j = 0; j < i; j++) {
		if (strcmp(m->address, r->servers[j].address) == 0)
			return check_fail(c, at, "address",
				"\"%s\" is in the list twice; remove one", m->address);
	}
	if (ip_ok(m->address) && !m->cn[0])
		return check_fail(c, at, "address",
			"an IP address needs cn: the name in the server's certificate");
	if (!m->root_file[0])
		return check_fail(c, at, "",
			"needs root_file: the device must know what the server's certificate ends "
			"at");
	TRY(check_root_file(c, at, "root_file", m->root_file));
	if (m->auth == PROFILE_MPS_CERTIFICATE && (m->username[0] || m->password_file[0]))
		return check_fail(c, at, m->username[0] ? "username" : "password_file",
			"only with auth: password; remove it");
	if (m->auth == PROFILE_MPS_CERTIFICATE)
		return 0;
	if (strlen(m->username) > MPS_TEXT_MAX)
		return check_fail(c, at, "username", "%zu bytes, at most %d; shorten it",
			strlen(m->username), MPS_TEXT_MAX);
	if (!m->password_file[0])
		return check_fail(c, at, "", "auth: password needs password_file: FILE");
	return check_secret_file(c, at, "password_file", m->password_file, &mps_rule);
}

static bool daily_ok(const char *t)
{
	unsigned hour, minute;
	char end;
	return strlen(t) == 5 && sscanf(t, "%2u:%2u%c", &hour, &minute, &end) == 2 && hour < 24 &&
	       minute < 60;
}

static int check_period(const struct checker *c, const struct profile_policy *p, const char *at)
{
	bool periodic = p->trigger == PROFILE_TRIGGER_PERIODIC;
	const char *given = p->interval_s ? "interval_s" : p->daily_at[0] ? "daily_at" : NULL;
	if (!periodic && given)
		return check_fail(c, at, given, "only with trigger: periodic; remove it");
	if (periodic && !p->interval_s == !p->daily_at[0])
		return check_fail(
			c, at, "", "trigger periodic needs one of interval_s and daily_at");
	if (p->daily_at[0] && !daily_ok(p->daily_at))
		return check_fail(
			c, at, "daily_at", "\"%s\" is not HH:MM, such as 03:30", p->daily_at);
	return 0;
}

static int check_policy(const struct checker *c, const struct profile_remote_access *r, uint32_t i)
{
	const struct profile_policy *p = &r->policies[i];
	char at[YAML_PATH_MAX];
	snprintf(at, sizeof at, "remote_access.policies[%u]", i);
	for (uint32_t j = 0; j < i; j++) {
		if (p->trigger == r->policies[j].trigger)
			return check_fail(c, at, "trigger",
				"a device has one policy per trigger; merge the two");
	}
	TRY(check_period(c, p, at));
	if (p->n_servers == 0)
		return check_fail(c, at, "", "needs servers: one or two addresses of servers");
	bool outside = false;
	for (uint32_t k = 0; k < p->n_servers; k++) {
		bool known = false;
		char key[YAML_PATH_MAX];
		snprintf(key, sizeof key, "servers[%u]", k);
		for (uint32_t j = 0; j < r->n_servers; j++) {
			bool same = strcmp(p->servers[k], r->servers[j].address) == 0;
			known |= same;
			outside |= same && r->servers[j].place == PROFILE_MPS_OUTSIDE;
		}
		if (!known)
			return check_fail(c, at, key,
				"\"%s\" is not the address of an entry of remote_access.servers; "
				"add it there",
				p->servers[k]);
	}
	return outside ? 0
		       : check_fail(c, at, "servers",
				 "needs one with place: outside: a device takes no policy without");
}

static int check_domains(const struct checker *c, const struct profile_remote_access *r)
{
	for (uint32_t i = 0; i < r->n_home_domains; i++) {
		const char *name = r->home_domains[i];
		char key[YAML_PATH_MAX];
		snprintf(key, sizeof key, "home_domains[%u]", i);
		bool ok = name[0] && name[0] != '.' && strlen(name) <= DOMAIN_MAX &&
			  name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					    "0123456789-.")] == '\0';
		if (!ok)
			return check_fail(c, "remote_access", key,
				"\"%s\" is not a DNS suffix such as corp.example.com of at most %d "
				"bytes",
				name, DOMAIN_MAX);
	}
	return 0;
}

static int check_remote(const struct checker *c, const struct profile_remote_access *r)
{
	const char *given = r->n_servers        ? "servers"
			    : r->n_policies     ? "policies"
			    : r->n_home_domains ? "home_domains"
						: NULL;
	if (r->state != PROFILE_ON && given)
		return check_fail(c, "remote_access", given, "only with state: on; remove it");
	if (r->state != PROFILE_ON)
		return 0;
	if (r->n_servers == 0)
		return check_fail(c, "remote_access", "state",
			"on needs servers: the management presence servers that it calls");
	if (r->n_home_domains == 0)
		return check_fail(c, "remote_access", "state",
			"on needs home_domains: without them a device believes that it is always "
			"at home and never calls");
	if (r->n_policies == 0)
		return check_fail(c, "remote_access", "state",
			"on needs policies: without one a device calls no server, and may close "
			"its ports away from home");
	for (uint32_t i = 0; i < r->n_policies; i++)
		TRY(check_policy(c, r, i));
	for (uint32_t i = 0; i < r->n_servers; i++)
		TRY(check_server(c, r, i));
	return check_domains(c, r);
}

int check_networks(const struct checker *c, const struct profile *p)
{
	TRY(check_network(c, &p->network));
	if (p->wireless.state == PROFILE_WIFI_OFF && p->wireless.n_profiles)
		return check_fail(
			c, "wireless", "profiles", "not with state: off; remove one of the two");
	for (uint32_t i = 0; i < p->wireless.n_profiles; i++)
		TRY(check_wifi(c, &p->wireless, i));
	TRY(check_wired(c, &p->wired));
	return check_remote(c, &p->remote_access);
}
