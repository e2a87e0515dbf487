/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY protocol version 2, receiving side. See proxy.h. */
#include "common/net/proxy.h"

#include <string.h>

#include "common/base/err.h"

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum { CMD_LOCAL = 0x20, CMD_PROXY = 0x21 }; /* version 2 in the high half */
enum { FAM_UNSPEC = 0x00, FAM_TCP4 = 0x11, FAM_TCP6 = 0x21 };

void proxy_init(struct proxy_parser *p)
{
	*p = (struct proxy_parser){.need = PROXY_FIXED_LEN};
}

/* Refuse as early as a byte tells, so that a peer that speaks something else is not waited for. */
static int check_start(const struct proxy_parser *p, struct error *err)
{
	size_t n = p->have < sizeof signature ? p->have : sizeof signature;

	ENSURE(memcmp(p->bytes, signature, n) == 0, err, E_PARSE,
		"no PROXY v2 signature: the peer is not the balancer, or PROXY is off there");
	ENSURE(p->have < 13 || p->bytes[12] == CMD_LOCAL || p->bytes[12] == CMD_PROXY, err, E_PARSE,
		"PROXY version and command 0x%02x unknown", p->bytes[12]);
	ENSURE(p->have < 14 || p->bytes[12] == CMD_LOCAL || p->bytes[13] == FAM_UNSPEC ||
			p->bytes[13] == FAM_TCP4 || p->bytes[13] == FAM_TCP6,
		err, E_PARSE, "PROXY family 0x%02x is not TCP", p->bytes[13]);
	return 0;
}

static int learn_length(struct proxy_parser *p, struct error *err)
{
	size_t body = (size_t)p->bytes[14] << 8 | p->bytes[15];

	ENSURE(body <= PROXY_BODY_MAX, err, E_LIMIT, "PROXY header of %zu bytes, limit %d", body,
		PROXY_BODY_MAX);
	p->need = PROXY_FIXED_LEN + body;
	return 0;
}

static uint16_t port_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static int finish(const struct proxy_parser *p, struct proxy_header *out, struct error *err)
{
	const uint8_t *a = p->bytes + PROXY_FIXED_LEN;
	size_t one = p->bytes[13] == FAM_TCP4 ? 4 : 16; /* bytes of one address */

	*out = (struct proxy_header){0};
	if (p->bytes[12] == CMD_LOCAL || p->bytes[13] == FAM_UNSPEC) {
		out->local = true;
		return 1;
	}
	ENSURE(p->need >= PROXY_FIXED_LEN + 2 * one + 4, err, E_PARSE,
		"PROXY header too short for its addresses");
	TRY(net_addr_from_bytes(&out->source, a, one, port_at(a + 2 * one)));
	TRY(net_addr_from_bytes(&out->dest, a + one, one, port_at(a + 2 * one + 2)));
	return 1;
}

int proxy_feed(struct proxy_parser *p, const uint8_t *data, size_t len, size_t *used,
	struct proxy_header *out, struct error *err)
{
	*used = 0;
	while (*used < len && p->have < p->need) {
		if (p->have < sizeof p->bytes)
			p->bytes[p->have] = data[*used];
		p->have++;
		(*used)++;
		if (p->have <= PROXY_FIXED_LEN)
			TRY(check_start(p, err));
		if (p->have == PROXY_FIXED_LEN)
			TRY(learn_length(p, err));
	}
	return p->have < p->need ? 0 : finish(p, out, err);
}
