/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY v2 header: whole and byte by byte must agree, and what is accepted has printable
 * addresses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_address(const struct net_addr *a)
{
	char text[NET_ADDR_TEXT_MAX];
	size_t len;

	require(net_addr_bytes(a, &len) && (len == 4 || len == 16));
	net_addr_text(a, text);
	require(strlen(text) > 0 && strlen(text) < sizeof text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_parser p;
	struct proxy_header whole, slow;
	struct error err = {0};
	size_t used, n = 0, fed = 0;
	int rc, rc_slow = 0;

	proxy_init(&p);
	rc = proxy_feed(&p, data, size, &used, &whole, &err);
	require(used <= size && rc <= 1 && (rc >= 0 || err.text[0]));
	require(rc != 0 || used == size);
	proxy_init(&p);
	while (rc_slow == 0 && fed < size) {
		rc_slow = proxy_feed(&p, data + fed, 1, &n, &slow, NULL);
		fed += n;
	}
	require(rc_slow == rc);
	if (rc != 1)
		return 0;
	require(fed == used && whole.local == slow.local);
	if (whole.local)
		return 0;
	check_address(&whole.source);
	check_address(&whole.dest);
	require(memcmp(&whole.source, &slow.source, whole.source.len) == 0);
	return 0;
}
