/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses: parsing, text, limit keys. See addr.h. */
#include "common/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define HOST_MAX 256 /* host text: a DNS name has at most 253 characters */

static void addr_set4(struct net_addr *out, const uint8_t *bytes, uint16_t port)
{
	*out = (struct net_addr){.len = sizeof out->in4};
	out->in4.sin_family = AF_INET;
	out->in4.sin_port = htons(port);
	memcpy(&out->in4.sin_addr, bytes, 4);
}

static void addr_set6(
	struct net_addr *out, const struct in6_addr *in6, uint16_t port, uint32_t scope)
{
	if (IN6_IS_ADDR_V4MAPPED(in6)) {
		addr_set4(out, in6->s6_addr + 12, port);
		return;
	}
	*out = (struct net_addr){.len = sizeof out->in6};
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	out->in6.sin6_addr = *in6;
	out->in6.sin6_scope_id = scope;
}

static int addr_set_path(struct net_addr *out, const char *path, struct error *err)
{
	size_t len = strlen(path);

	*out = (struct net_addr){0};
	ENSURE(len > 0 && len < sizeof out->un.sun_path, err, E_CONFIG,
		"unix socket path '%.40s...' must have 1 to %zu characters", path,
		sizeof out->un.sun_path - 1);
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, path, len + 1);
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

/* Decimal port without sign, space or anything after it. */
static int parse_port(uint16_t *port, const char *text)
{
	unsigned long value = 0;

	if (!*text || strlen(text) > 5)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (unsigned long)(*text - '0');
	}
	if (value > UINT16_MAX)
		return -1;
	*port = (uint16_t)value;
	return 0;
}

int net_addr_parse(struct net_addr *out, const char *text, struct error *err)
{
	char host[HOST_MAX];
	uint16_t port;

	if (strncmp(text, "unix:", 5) == 0)
		return addr_set_path(out, text + 5, err);
	if (text[0] == '/')
		return addr_set_path(out, text, err);
	bool bracket = text[0] == '[';
	const char *start = bracket ? text + 1 : text;
	const char *end = bracket ? strchr(start, ']') : strchr(start, ':');
	const char *colon = end && bracket ? end + 1 : end;

	ENSURE(end && *colon == ':' && (size_t)(end - start) < sizeof host &&
			parse_port(&port, colon + 1) == 0 &&
			bracket == (memchr(start, ':', (size_t)(end - start)) != NULL),
		err, E_CONFIG,
		"address '%.80s' is not like 1.2.3.4:9971, [2001:db8::1]:9971 or /path", text);
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	return net_addr_from_host(out, host, port, err);
}

int net_addr_from_host(struct net_addr *out, const char *host, uint16_t port, struct error *err)
{
	struct in_addr in4;
	struct in6_addr in6;

	if (inet_pton(AF_INET, host, &in4) == 1)
		addr_set4(out, (const uint8_t *)&in4, port);
	else if (inet_pton(AF_INET6, host, &in6) == 1)
		addr_set6(out, &in6, port, 0);
	else
		return error_set(err, E_CONFIG, "'%.80s' is not a numeric address", host);
	return 0;
}

int net_addr_resolve(struct net_addr *out, const char *host, uint16_t port, struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;

	if (net_addr_from_host(out, host, port, NULL) == 0)
		return 0;
	int rc = getaddrinfo(host, NULL, &hints, &list);

	ENSURE(rc == 0, err, E_CONFIG, "cannot look up '%.80s': %s", host, gai_strerror(rc));
	net_addr_set(out, list->ai_addr, list->ai_addrlen);
	net_addr_set_port(out, port);
	freeaddrinfo(list);
	return 0;
}

void net_addr_set(struct net_addr *out, const struct sockaddr *sa, socklen_t len)
{
	*out = (struct net_addr){0};
	if (len < sizeof(sa_family_t))
		return;
	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in4;

		memcpy(&in4, sa, sizeof in4);
		addr_set4(out, (const uint8_t *)&in4.sin_addr, ntohs(in4.sin_port));
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof in6);
		addr_set6(out, &in6.sin6_addr, ntohs(in6.sin6_port), in6.sin6_scope_id);
	} else if (sa->sa_family == AF_UNIX && len <= sizeof out->un) {
		memcpy(&out->un, sa, len);
		out->len = len;
	}
}

int net_addr_from_bytes(struct net_addr *out, const uint8_t *bytes, size_t len, uint16_t port)
{
	struct in6_addr in6;

	*out = (struct net_addr){0};
	if (len == 4) {
		addr_set4(out, bytes, port);
		return 0;
	}
	if (len != sizeof in6)
		return E_PARSE;
	memcpy(&in6, bytes, sizeof in6);
	addr_set6(out, &in6, port, 0);
	return 0;
}

const uint8_t *net_addr_bytes(const struct net_addr *a, size_t *len)
{
	bool v4 = a->len && a->sa.sa_family == AF_INET;
	bool v6 = a->len && a->sa.sa_family == AF_INET6;

	*len = v4 ? 4 : v6 ? 16 : 0;
	if (v4)
		return (const uint8_t *)&a->in4.sin_addr;
	return v6 ? a->in6.sin6_addr.s6_addr : NULL;
}

uint16_t net_addr_port(const struct net_addr *a)
{
	size_t len;

	/* sin_port and sin6_port share their place. */
	return net_addr_bytes(a, &len) ? ntohs(a->in4.sin_port) : 0;
}

void net_addr_set_port(struct net_addr *a, uint16_t port)
{
	size_t len;

	if (net_addr_bytes(a, &len))
		a->in4.sin_port = htons(port);
}

const char *net_addr_host_text(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX])
{
	size_t len;
	const uint8_t *bytes = net_addr_bytes(a, &len);

	if (bytes)
		inet_ntop(a->sa.sa_family, bytes, out, NET_ADDR_TEXT_MAX);
	else if (a->len > offsetof(struct sockaddr_un, sun_path) && a->un.sun_path[0])
		snprintf(out, NET_ADDR_TEXT_MAX, "unix:%.*s", (int)sizeof a->un.sun_path - 1,
			a->un.sun_path);
	else
		snprintf(out, NET_ADDR_TEXT_MAX, "%s", a->len ? "unix:" : "-");
	return out;
}

const char *net_addr_text(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX])
{
	char host[NET_ADDR_TEXT_MAX];
	size_t len;

	net_addr_host_text(a, host);
	if (!net_addr_bytes(a, &len))
		snprintf(out, NET_ADDR_TEXT_MAX, "%s", host);
	else
		snprintf(out, NET_ADDR_TEXT_MAX, len == 4 ? "%.100s:%u" : "[%.100s]:%u", host,
			net_addr_port(a));
	return out;
}

bool net_addr_same_host(const struct net_addr *a, const struct net_addr *b)
{
	size_t a_len, b_len;
	const uint8_t *a_bytes = net_addr_bytes(a, &a_len), *b_bytes = net_addr_bytes(b, &b_len);

	if (a_bytes && b_bytes)
		return a_len == b_len && memcmp(a_bytes, b_bytes, a_len) == 0;
	if (a_bytes || b_bytes || a->len != b->len)
		return false;
	return a->len == 0 || memcmp(&a->un, &b->un, a->len) == 0;
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return net_addr_same_host(a, b) && net_addr_port(a) == net_addr_port(b);
}

bool net_addr_is_loopback(const struct net_addr *a)
{
	size_t len;
	const uint8_t *bytes = net_addr_bytes(a, &len);

	if (!bytes)
		return a->len != 0;
	return len == 4 ? bytes[0] == 127 : IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

static struct net_key addr_key(const struct net_addr *a, uint8_t bits4, uint8_t bits6)
{
	struct net_key key = {0};
	size_t len;
	const uint8_t *bytes = net_addr_bytes(a, &len);

	if (!bytes)
		return key;
	key.family = len == 4 ? 4 : 6;
	key.bits = len == 4 ? bits4 : bits6;
	memcpy(key.bytes, bytes, key.bits / 8); /* all our prefixes end at a byte */
	return key;
}

struct net_key net_key_subnet(const struct net_addr *a)
{
	return addr_key(a, 24, 56);
}

struct net_key net_key_source(const struct net_addr *a)
{
	return addr_key(a, 32, 64);
}
