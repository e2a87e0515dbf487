/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request frames (RFC 27): version, request id, domain, address, identity, mechanism, credentials.
 * Answer frames: version, request id, status code, status text, user id, metadata.
 */
#include "common/bus/zap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/bus/curve.h"
#include "common/bus/zwatch.h"

#define ZAP_ENDPOINT    "inproc://zeromq.zap.01"
#define ZAP_FRAMES      7
#define ZAP_FRAME_MAX   255
#define ZAP_DOMAINS_MAX 4

enum { F_VERSION, F_REQUEST, F_DOMAIN, F_ADDRESS, F_IDENTITY, F_MECHANISM, F_CREDENTIALS };

struct domain {
	char *name, *path;
	struct curve_allow allow;
};

struct zap {
	void *socket; /* REP */
	struct zwatch *watch;
	struct domain domains[ZAP_DOMAINS_MAX];
	size_t n_domains;
	struct zap_stats stats;
};

struct request {
	uint8_t frame[ZAP_FRAMES][ZAP_FRAME_MAX];
	size_t len[ZAP_FRAMES];
	bool well_formed;
};

static bool frame_is(const struct request *r, int i, const char *text)
{
	return r->len[i] == strlen(text) && memcmp(r->frame[i], text, r->len[i]) == 0;
}

/* Take all frames of one request. false: none waits. */
static bool request_take(void *socket, struct request *r)
{
	int more = 1, i = 0;
	size_t more_len = sizeof more;
	r->well_formed = true;
	for (; more; i++) {
		uint8_t spill[ZAP_FRAME_MAX];
		int n = zmq_recv(
			socket, i < ZAP_FRAMES ? r->frame[i] : spill, ZAP_FRAME_MAX, ZMQ_DONTWAIT);
		if (n < 0)
			return false;
		if (i < ZAP_FRAMES)
			r->len[i] = (size_t)n;
		if (n > ZAP_FRAME_MAX || i >= ZAP_FRAMES)
			r->well_formed = false;
		zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_len);
	}
	if (i < ZAP_FRAMES || r->len[F_CREDENTIALS] != CURVE_KEY_LEN ||
		!frame_is(r, F_VERSION, "1.0") || !frame_is(r, F_MECHANISM, "CURVE"))
		r->well_formed = false;
	if (i <= F_REQUEST || r->len[F_REQUEST] > ZAP_FRAME_MAX)
		r->len[F_REQUEST] = 0;
	return true;
}

static bool request_allowed(const struct zap *zap, const struct request *r)
{
	for (size_t i = 0; i < zap->n_domains; i++)
		if (frame_is(r, F_DOMAIN, zap->domains[i].name))
			return curve_allow_has(&zap->domains[i].allow, r->frame[F_CREDENTIALS]);
	return false;
}

static int zap_take(void *arg)
{
	struct zap *zap = arg;
	struct request r;
	if (!request_take(zap->socket, &r))
		return 0;
	bool ok = r.well_formed && request_allowed(zap, &r);
	*(ok ? &zap->stats.accepted : &zap->stats.refused) += 1;
	if (!r.well_formed)
		zap->stats.broken++;
	zmq_send_const(zap->socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, r.frame[F_REQUEST], r.len[F_REQUEST], ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send_const(zap->socket, ok ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send_const(zap->socket, ok ? "OK" : "NO", 2, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send_const(zap->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send_const(zap->socket, "", 0, ZMQ_DONTWAIT);
	return 1;
}

static void zap_free(void *arg)
{
	struct zap *zap = arg;
	for (size_t i = 0; i < zap->n_domains; i++) {
		curve_allow_free(&zap->domains[i].allow);
		free(zap->domains[i].name);
		free(zap->domains[i].path);
	}
	free(zap);
}

int zap_reload(struct zap *zap, struct error *err)
{
	struct curve_allow fresh[ZAP_DOMAINS_MAX];
	for (size_t i = 0; i < zap->n_domains; i++) {
		int rc = curve_allow_read(&fresh[i], zap->domains[i].path, err);
		if (rc == 0)
			continue;
		while (i-- > 0)
			curve_allow_free(&fresh[i]);
		return rc;
	}
	for (size_t i = 0; i < zap->n_domains; i++) {
		curve_allow_free(&zap->domains[i].allow);
		zap->domains[i].allow = fresh[i];
	}
	return 0;
}

int zap_open(struct zap **out, struct bus *bus, const struct zap_domain *domains, size_t n_domains,
	struct error *err)
{
	ENSURE(n_domains <= ZAP_DOMAINS_MAX, err, E_LIMIT, "at most %d ZAP domains",
		ZAP_DOMAINS_MAX);
	struct zap *zap = calloc(1, sizeof *zap);
	ENSURE(zap, err, -ENOMEM, "bus: out of memory");
	int rc = error_set(err, -ENOMEM, "bus: out of memory");
	for (; zap->n_domains < n_domains; zap->n_domains++) {
		struct domain *d = &zap->domains[zap->n_domains];
		d->name = strdup(domains[zap->n_domains].name);
		d->path = strdup(domains[zap->n_domains].allow_path);
		if (!d->name || !d->path)
			goto fail;
	}
	rc = zap_reload(zap, err);
	if (rc < 0)
		goto fail;
	zap->socket = zmq_socket(bus_context(bus), ZMQ_REP);
	if (!zap->socket || zmq_bind(zap->socket, ZAP_ENDPOINT) != 0) {
		rc = error_set(err, -errno, "bus: ZAP responder: %s", zmq_strerror(errno));
		goto fail;
	}
	rc = zwatch_open(&zap->watch, bus_loop(bus), zap->socket, zap_take, zap, err);
	if (rc < 0)
		goto fail;
	*out = zap;
	return 0;
fail:
	if (zap->socket)
		zmq_close(zap->socket);
	zap_free(zap);
	return rc;
}

const struct zap_stats *zap_stats(const struct zap *zap)
{
	return &zap->stats;
}

void zap_close(struct zap *zap)
{
	if (!zap)
		return;
	zwatch_close(zap->watch, zap_free);
	zmq_close(zap->socket);
}
