/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ZAP responder (ZeroMQ RFC 27) in the broker's own loop: says who may connect. Each socket has its
 * own domain and each domain its own allow-list, so a listener's key cannot register as a worker.
 * SPEC: architecture D19, ruling 27
 *
 * Ownership: zap_open() before the first bind, zap_close() before bus_close(). Threads: the loop's.
 */
#ifndef MUSTER_BUS_ZAP_H
#define MUSTER_BUS_ZAP_H

#include <stddef.h>
#include <stdint.h>

struct bus;
struct error;
struct zap;

struct zap_domain {
	const char *name;       /* as given to bus_router() */
	const char *allow_path; /* allow-list file, see curve.h */
};

struct zap_stats {
	uint64_t accepted, refused;
	uint64_t broken; /* requests that are no ZAP 1.0 CURVE request; refused too */
};

/** Read the allow-lists and answer for the context of the bus. The domains are copied.
 * @return 0; the error of curve_allow_read(); -errno */
int zap_open(struct zap **out, struct bus *bus, const struct zap_domain *domains, size_t n_domains,
	struct error *err);

/** Read the allow-lists again (SIGHUP). On an error all former lists stay in force. Connections
 * that exist are not closed. @return as curve_allow_read() */
int zap_reload(struct zap *zap, struct error *err);

/** Counters since zap_open(). */
const struct zap_stats *zap_stats(const struct zap *zap);

/** Stop answering: new connections fail. NULL is fine. */
void zap_close(struct zap *zap);

#endif
