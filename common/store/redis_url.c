/* SPDX-License-Identifier: Apache-2.0 */
/* See redis_url.h. No credentials in the URL: they would show in configuration and logs. */
#include "common/store/redis_url.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define REDIS_PORT 6379

static int copy_host(struct redis_url *out, const char *s, size_t len, struct error *err)
{
	ENSURE(len > 0, err, E_CONFIG, "redis.url: the host or path is missing");
	ENSURE(len < sizeof out->host, err, E_CONFIG, "redis.url: longer than %zu characters",
		sizeof out->host - 1);
	memcpy(out->host, s, len);
	out->host[len] = '\0';
	return 0;
}

static int parse_port(struct redis_url *out, const char *s, struct error *err)
{
	if (*s == '\0') {
		out->port = REDIS_PORT;
		return 0;
	}
	char *end = NULL;
	unsigned long port = *s == ':' ? strtoul(s + 1, &end, 10) : 0;
	ENSURE(end && end != s + 1 && *end == '\0' && port > 0 && port < 65536, err, E_CONFIG,
		"redis.url: expected :PORT at \"%s\"", s);
	out->port = (uint16_t)port;
	return 0;
}

static int parse_host_port(struct redis_url *out, const char *s, struct error *err)
{
	ENSURE(!strpbrk(s, "@/?#"), err, E_CONFIG,
		"redis.url: only scheme://host:port; user and password have keys of their own");
	const char *end = s + strcspn(s, ":");
	if (*s == '[') {
		end = strchr(++s, ']');
		ENSURE(end, err, E_CONFIG, "redis.url: ']' is missing after the IPv6 address");
		TRY(parse_port(out, end + 1, err));
	} else {
		TRY(parse_port(out, end, err));
	}
	return copy_host(out, s, (size_t)(end - s), err);
}

int redis_url_parse(struct redis_url *out, const char *url, struct error *err)
{
	static const struct {
		const char *prefix;
		bool is_unix, tls;
	} schemes[] = {
		{"unix://", true, false},
		{"redis://", false, false},
		{"rediss://", false, true},
	};
	memset(out, 0, sizeof *out);
	for (size_t i = 0; url && i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t len = strlen(schemes[i].prefix);
		if (strncmp(url, schemes[i].prefix, len) != 0)
			continue;
		out->is_unix = schemes[i].is_unix;
		out->tls = schemes[i].tls;
		if (out->is_unix)
			return copy_host(out, url + len, strlen(url + len), err);
		return parse_host_port(out, url + len, err);
	}
	return error_set(err, E_CONFIG,
		"redis.url: \"%s\" is not unix:///path, redis://host:port or rediss://host:port",
		url ? url : "");
}
