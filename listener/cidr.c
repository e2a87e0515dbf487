/* SPDX-License-Identifier: Apache-2.0 */
#include "listener/cidr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

int cidr_parse(struct cidr *out, const char *text, struct error *err)
{
	char host[NET_ADDR_TEXT_MAX];
	struct net_addr addr;
	size_t len, host_len = strcspn(text, "/");
	snprintf(host, sizeof host, "%.*s", (int)host_len, text);
	TRY(net_addr_from_host(&addr, host, 0, err));
	const uint8_t *bytes = net_addr_bytes(&addr, &len);
	*out = (struct cidr){.len = (uint8_t)len, .bits = (uint8_t)(len * 8)};
	memcpy(out->bytes, bytes, len);
	if (text[host_len] == '\0')
		return 0;
	char *end;
	unsigned long bits = strtoul(text + host_len + 1, &end, 10);
	ENSURE(*end == '\0' && end != text + host_len + 1 && bits <= len * 8, err, E_CONFIG,
		"%s is no address range: ADDRESS/BITS expected", text);
	out->bits = (uint8_t)bits;
	return 0;
}

bool cidr_has(const struct cidr *c, const struct net_addr *addr)
{
	size_t len, whole = c->bits / 8, rest = c->bits % 8;
	const uint8_t *bytes = net_addr_bytes(addr, &len);
	if (len != c->len || memcmp(bytes, c->bytes, whole) != 0)
		return false;
	return rest == 0 || (bytes[whole] ^ c->bytes[whole]) >> (8 - rest) == 0;
}
