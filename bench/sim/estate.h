/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The estate: all devices of one process, the port they share, the laws they follow, and the counts
 * that the progress line shows. A connection belongs to the device whose address it was made to.
 * Ownership: the estate owns everything below it. Threads: one loop, one thread.
 */
#ifndef MUSTER_SIM_ESTATE_H
#define MUSTER_SIM_ESTATE_H

#include "bench/sim/device.h"
#include "bench/sim/faces/ports.h"
#include "bench/sim/judge.h"
#include "common/net/addr.h"
#include "common/net/timer.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define ESTATE_LISTENERS_MAX 16
#define ESTATE_ROOTS_MAX     23 /* entries of a Hello: what 7.0 lists. SPEC: hello.md 5.5 */
#define ESTATE_DEVICES_MAX   1000000

/* One per core; a machine with more cores than this has other limits. */
#define ESTATE_PROCESSES_MAX 64

/* Addresses that DHCP may give to one device: device i has first + i, then first + i + n, ... */
#define ESTATE_ADDRESSES_MAX 8

struct estate_opts {
	size_t n_devices;   /* of the whole estate */
	unsigned processes; /* that hold it together */
	unsigned part;      /* which of them this is: devices part, part + processes, ... */
	const struct port_set *ports; /* sockets that listen already, or NULL */
	uint64_t seed;
	struct net_addr listeners[ESTATE_LISTENERS_MAX];
	size_t n_listeners;
	uint16_t port;
	uint32_t first_address; /* host order */
	const char *roots_file, *domain, *ledger_file, *keys_file, *personalities, *mix;
	size_t n_keys;
	char scenario[64]; /* name, for the ledger */
	char *mix_owned;   /* mix, when a scenario file gave it */
	struct laws laws;
	double psk; /* share of the devices that can be, that are set up by PID and PPS */
	bool until_configured;
	bool unknown_ok;
	bool named;   /* host and domain name were typed into MEBx before */
	bool any_sid; /* a ticket without SIDs is an administrator's */
	struct fault_plan faults;
};

struct estate_counts {
	uint64_t hellos, accepted, refused, unanswered;
	uint64_t sessions, in_session, refusals, requests;
	uint64_t configured, failed_logins, violations;
	uint64_t late_ms_max; /* Hellos behind their schedule: the simulator is too slow */
};

struct session;
struct redir;
struct hello_run;

struct estate {
	struct estate_opts opts;
	uv_loop_t *loop;
	struct device *devices;
	size_t n_devices;      /* in this process */
	struct session **open; /* by estate_slot(): list of its open connections */
	struct keypool pool;
	struct personality_set personalities;
	struct ledger ledger;
	struct judge_hash roots[ESTATE_ROOTS_MAX];
	size_t n_roots;
	SSL_CTX **ctx; /* by personality and side; see tlsd.c */
	struct port ports[PORT_N];
	struct redir *redirections; /* open connections to redirection ports */
	struct hello_run *hello;
	struct estate_counts counts;
	uv_prepare_t flush;
	uv_timer_t progress;
	uv_signal_t sig_term, sig_int;
	uint64_t start_ms, quiet_since_ms;
	unsigned session_counter;
	bool stopping;
};

/** Where a device stands in this process. */
static inline size_t estate_slot(const struct estate *e, const struct device *d)
{
	return (size_t)(d - e->devices);
}

/** The device of that index in the whole estate; NULL when another process has it. */
struct device *estate_device(const struct estate *e, size_t index);

/** Defaults of all options. */
void estate_defaults(struct estate_opts *opts);

/** Run until SIGTERM, SIGINT or --until-configured, in one process. @return 0 or a negative code */
int estate_run(const struct estate_opts *opts, struct error *err);

/* For tests, which run the estate in their own loop. */
int estate_start(
	struct estate *e, uv_loop_t *loop, const struct estate_opts *opts, struct error *err);
/** Close everything; run the loop once more afterwards, then estate_free(). */
void estate_stop(struct estate *e);
void estate_free(struct estate *e);

/* ---- tls.c ---------------------------------------------------------------------------------- */

/** Contexts of all personalities. @return 0 or E_TLS */
int tlsd_start(struct estate *e, struct error *err);
void tlsd_free(struct estate *e);

/* Who is behind an SSL object: what its app data points to. */
struct tls_side {
	struct estate *e;
	struct device *d;
	unsigned number; /* of the connection in the run */
};

/** The firmware's verdict on our chain, leaf first. */
enum judge_code tlsd_judge(const struct estate *e, const struct device *d, STACK_OF(X509) * chain);

/** Context for a connection to this device now. */
SSL_CTX *tlsd_context(struct estate *e, const struct device *d);

/** Give the SSL the certificate that the device shows now. @return 0 or -1 */
int tlsd_setup(SSL *ssl, struct device *d);

/* ---- http.c --------------------------------------------------------------------------------- */

/** A TCP connection to a device, with TLS or in clear; the fd is taken. */
void session_accept(
	struct estate *e, struct device *d, int fd, const struct net_addr *peer, bool tls);

/** Reset all connections of a device, redirection too, except one (may be NULL). */
void session_drop_all(struct estate *e, struct device *d, struct session *except);

/** The judge's verdict on a setup handshake of this SSL's session, for the ledger. */
void session_refused(SSL *ssl, const char *why);
struct device *session_device(SSL *ssl);
struct estate *session_estate(SSL *ssl);

/* ---- hello.c -------------------------------------------------------------------------------- */

int hello_start(struct estate *e, struct error *err);
/** The device is in setup (again): begin a series. */
void hello_begin(struct estate *e, struct device *d);
void hello_stop(struct estate *e);
void hello_free(struct estate *e);

#endif
