/* SPDX-License-Identifier: Apache-2.0 */
/* Checks over loaded values. Each error names the place of the key and what to write instead. */
#include "common/conf/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/base/err.h"
#include "common/conf/conf.h"
#include "common/conf/yaml.h"
#include "common/crypto/seal.h"

static bool starts(const char *text, const char *head)
{
	return strncmp(text, head, strlen(head)) == 0 && text[strlen(head)] != '\0';
}

/* A decimal of at most max without sign, space or empty text. */
static bool is_number(const char *text, unsigned long max)
{
	size_t len = strlen(text);
	return len > 0 && len <= 5 && strspn(text, "0123456789") == len &&
	       strtoul(text, NULL, 10) <= max;
}

/* "1.2.3.4:port" or "[v6]:port"; *loopback tells whether only this host can reach it. */
static bool is_listen_address(const char *text, bool *loopback)
{
	char host[CONF_TEXT_MAX];
	snprintf(host, sizeof host, "%s", text);
	char *colon = strrchr(host, ':');
	if (!colon || !is_number(colon + 1, 65535))
		return false;
	*colon = '\0';
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, host, &v4) == 1) {
		*loopback = (ntohl(v4.s_addr) >> 24) == 127;
		return true;
	}
	size_t len = strlen(host);
	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return false;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &v6) != 1)
		return false;
	*loopback = IN6_IS_ADDR_LOOPBACK(&v6);
	return true;
}

/* An address, or a network as address/bits. */
static bool is_network(const char *text)
{
	char host[CONF_TEXT_MAX];
	snprintf(host, sizeof host, "%s", text);
	char *slash = strchr(host, '/');
	if (slash)
		*slash = '\0';
	struct in6_addr any;
	unsigned long bits = inet_pton(AF_INET, host, &any) == 1    ? 32
			     : inet_pton(AF_INET6, host, &any) == 1 ? 128
								    : 0;
	return bits && (!slash || is_number(slash + 1, bits));
}

static int check_redis(const struct conf *c, const struct yaml_marks *marks, struct error *err)
{
	const char *url = c->redis.url;
	if (!starts(url, "unix:///") && !starts(url, "redis://") && !starts(url, "rediss://"))
		return yaml_error_at(marks, "redis.url", err,
			"must be unix:///path, redis://host:port or rediss://host:port");
	if (strchr(url, '@'))
		return yaml_error_at(marks, "redis.url", err,
			"must not hold a user or password; use redis.user and redis.password_file");
	if (!key_id_ok(c->redis.partition))
		return yaml_error_at(marks, "redis.partition", err,
			"must be 1 to %d letters, digits, . _ or -", SEAL_ID_MAX);
	return 0;
}

static bool is_endpoint(const char *text)
{
	return starts(text, "tcp://") || starts(text, "ipc://");
}

static int check_bus(const struct conf *c, const struct yaml_marks *marks, struct error *err)
{
	if (c->bus.n_brokers == 0)
		return yaml_error_at(marks, "bus.brokers", err, "name at least one broker");
	if (c->bus.curve && !c->bus.keys_dir[0])
		return yaml_error_at(marks, "bus.keys_dir", err,
			"needed with bus.curve; make the keys with: muster keys new");
	for (uint32_t i = 0; i < c->bus.n_brokers; i++) {
		const struct conf_broker_end *b = &c->bus.brokers[i];
		char path[YAML_PATH_MAX];
		snprintf(path, sizeof path, "bus.brokers[%u]", i);
		if (!is_endpoint(b->front) || !is_endpoint(b->back))
			return yaml_error_at(marks, path, err,
				"front and back must be tcp://host:port or ipc://path");
		if (strcmp(b->front, b->back) == 0)
			return yaml_error_at(marks, path, err, "front and back must differ");
	}
	return 0;
}

static int check_listener(const struct conf *c, const struct yaml_marks *marks, struct error *err)
{
	const struct conf_listener *l = &c->listener;
	char path[YAML_PATH_MAX];
	if (l->n_addresses == 0)
		return yaml_error_at(marks, "listener.addresses", err, "name at least one");
	for (uint32_t i = 0; i < l->n_addresses; i++) {
		bool loopback;
		snprintf(path, sizeof path, "listener.addresses[%u]", i);
		if (!is_listen_address(l->addresses[i], &loopback))
			return yaml_error_at(marks, path, err,
				"\"%.64s\" must be ADDRESS:PORT or [IPV6]:PORT", l->addresses[i]);
		/* SPEC: ruling 56: the header would tell job numbers to real devices. */
		if (c->test.trace_header && !loopback)
			return yaml_error_at(marks, "test.trace_header", err,
				"refused while the listener has the address %.64s; only for "
				"loopback",
				l->addresses[i]);
	}
	if (l->proxy_protocol && l->n_proxy_addresses == 0)
		return yaml_error_at(marks, "listener.proxy_protocol", err,
			"list the balancers in listener.proxy_addresses, else anyone could claim "
			"any address");
	for (uint32_t i = 0; i < l->n_proxy_addresses; i++) {
		snprintf(path, sizeof path, "listener.proxy_addresses[%u]", i);
		if (!is_network(l->proxy_addresses[i]))
			return yaml_error_at(marks, path, err,
				"\"%.64s\" must be an address or a network as ADDRESS/BITS",
				l->proxy_addresses[i]);
	}
	return 0;
}

static bool is_hook_url(const char *url)
{
	static const char *const here[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
	for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
		size_t n = strlen(here[i]);
		if (strncmp(url, here[i], n) == 0 && strchr(":/", url[n])) /* also the end */
			return true;
	}
	return starts(url, "https://");
}

static int check_hook(const struct conf_hook *h, const char *path, const struct yaml_marks *marks,
	struct error *err)
{
	char key[YAML_PATH_MAX];
	snprintf(key, sizeof key, "%s.url", path);
	if (h->command[0] && h->url[0])
		return yaml_error_at(marks, key, err, "name a command or a url, not both");
	if (h->url[0] && !is_hook_url(h->url))
		return yaml_error_at(marks, key, err,
			"must be https://...; http:// only to this host: names go over it in "
			"clear");
	if (h->url[0] && strchr(h->url, '@'))
		return yaml_error_at(marks, key, err,
			"must not hold a user or password; requests are signed with secret_file");
	snprintf(key, sizeof key, "%s.secret_file", path);
	if (h->url[0] && !h->secret_file[0])
		return yaml_error_at(marks, key, err,
			"needed with url: a file of at least 16 bytes, mode 0600; it signs the "
			"requests");
	return 0;
}

static int check_hooks(
	const struct conf_worker *w, const struct yaml_marks *marks, struct error *err)
{
	TRY(check_hook(&w->hook, "worker.hook", marks, err));
	TRY(check_hook(&w->hooks.after_configure, "worker.hooks.after_configure", marks, err));
	TRY(check_hook(
		&w->hooks.before_unconfigure, "worker.hooks.before_unconfigure", marks, err));
	TRY(check_hook(&w->hooks.after_unconfigure, "worker.hooks.after_unconfigure", marks, err));
	TRY(check_hook(&w->hooks.on_failure, "worker.hooks.on_failure", marks, err));
	if (w->hooks.retry_min_s > w->hooks.retry_max_s)
		return yaml_error_at(marks, "worker.hooks.retry_min_s", err,
			"%u is above worker.hooks.retry_max_s %u", w->hooks.retry_min_s,
			w->hooks.retry_max_s);
	return 0;
}

static int check_worker(const struct conf *c, const struct yaml_marks *marks, struct error *err)
{
	const struct conf_worker *w = &c->worker;
	if (w->default_profile[0] && !key_id_ok(w->default_profile))
		return yaml_error_at(marks, "worker.default_profile", err,
			"must be the name of a profile without directory and .yaml");
	for (uint32_t i = 0; i < w->n_provisioning; i++) {
		char path[YAML_PATH_MAX];
		snprintf(path, sizeof path, "worker.provisioning[%u]", i);
		if (!w->provisioning[i].chain[0] || !w->provisioning[i].key[0])
			return yaml_error_at(marks, path, err, "needs chain and key");
	}
	if (w->retry_min_s > w->retry_max_s)
		return yaml_error_at(marks, "worker.retry_min_s", err,
			"%u is above worker.retry_max_s %u", w->retry_min_s, w->retry_max_s);
	if (w->waits.phase_a_s > w->waits.session_s)
		return yaml_error_at(marks, "worker.waits.phase_a_s", err,
			"%u is above worker.waits.session_s %u", w->waits.phase_a_s,
			w->waits.session_s);
	return check_hooks(w, marks, err);
}

static int check_keys_and_ca(
	const struct conf *c, const struct yaml_marks *marks, struct error *err)
{
	if (!key_id_ok(c->keys.kek_current))
		return yaml_error_at(marks, "keys.kek_current", err,
			"must be the id of a key: the name of its file in keys.kek_dir without "
			".key");
	if (strlen(c->ca.socket) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return yaml_error_at(marks, "ca.socket", err,
			"longer than %zu bytes, the limit of a unix socket",
			sizeof((struct sockaddr_un *)NULL)->sun_path - 1);
	if (c->ca.crl_url[0] && !starts(c->ca.crl_url, "http://"))
		return yaml_error_at(marks, "ca.crl_url", err,
			"must be http://...: a revocation list is fetched without TLS");
	return 0;
}

/* "host", "host:port" or "[v6]:port". */
static bool is_server(const char *text)
{
	const char *v6 = strchr(text, ']'), *colon = strchr(v6 ? v6 : text, ':');
	size_t host = colon ? (size_t)(colon - text) : strlen(text);
	return host > 0 && !strpbrk(text, "/@ ") && (text[0] == '[') == (v6 != NULL) &&
	       (!colon || is_number(colon + 1, 65535));
}

static int check_directory(const struct conf *c, const struct yaml_marks *marks, struct error *err)
{
	const struct conf_directory *d = &c->directory;
	const struct {
		const char *key, *value, *says;
	} needed[] = {
		{"directory.ca_file", d->ca_file,
			"needed: a PEM file with the root of the servers' certificates"},
		{"directory.base", d->base, "needed: a DN such as DC=corp,DC=example,DC=com"},
		{"directory.user", d->user, "needed: name@domain, DOMAIN\\name, or a DN"},
		{"directory.password_file", d->password_file, "needed: a file with mode 0600"},
	};
	char path[YAML_PATH_MAX];
	for (uint32_t i = 0; i < d->n_servers; i++) {
		snprintf(path, sizeof path, "directory.servers[%u]", i);
		if (!is_server(d->servers[i]))
			return yaml_error_at(marks, path, err,
				"\"%.64s\" must be HOST or HOST:PORT without ldaps://; it is "
				"always "
				"LDAPS",
				d->servers[i]);
	}
	for (size_t i = 0; d->n_servers && i < sizeof needed / sizeof needed[0]; i++)
		if (!needed[i].value[0])
			return yaml_error_at(marks, needed[i].key, err, "%s", needed[i].says);
	if (d->base[0] && !strchr(d->base, '='))
		return yaml_error_at(marks, "directory.base", err,
			"\"%.64s\" is not a DN such as DC=corp,DC=example,DC=com", d->base);
	return 0;
}

int conf_check(const struct conf *c, const struct yaml_marks *marks, struct error *err)
{
	TRY(check_redis(c, marks, err));
	TRY(check_bus(c, marks, err));
	TRY(check_listener(c, marks, err));
	TRY(check_worker(c, marks, err));
	TRY(check_keys_and_ca(c, marks, err));
	return check_directory(c, marks, err);
}
