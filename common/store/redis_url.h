/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a Redis server as text, taken apart. Plain values; private to common/store. */
#ifndef MUSTER_STORE_REDIS_URL_H
#define MUSTER_STORE_REDIS_URL_H

#include <stdbool.h>
#include <stdint.h>

struct error;

#define REDIS_HOST_MAX 254 /* a DNS name or a unix path (107), with NUL */

struct redis_url {
	bool is_unix;
	bool tls;
	char host[REDIS_HOST_MAX]; /* name or numeric address without brackets; unix: the path */
	uint16_t port;
};

/** Parse unix:///path, redis://host[:port], rediss://host[:port]. @return 0 or E_CONFIG */
int redis_url_parse(struct redis_url *out, const char *url, struct error *err);

#endif
