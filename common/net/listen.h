/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets, and the acceptor that turns readiness into accepted fds. Pausing the acceptor
 * leaves connections in the kernel's queue: that is how back-pressure reaches the devices
 * (architecture D17). Ownership: the acceptor owns the listening fd. Threads: that of the loop.
 */
#ifndef MUSTER_NET_LISTEN_H
#define MUSTER_NET_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/net/addr.h"

struct error;
struct acceptor;

#define LISTEN_BACKLOG 4096 /* default; the kernel cuts it to net.core.somaxconn */

struct listen_opts {
	struct net_addr addr; /* IPv4, IPv6 (IPv6 only, never both) or unix path; port 0 = any */
	int backlog;          /* 0 = LISTEN_BACKLOG */
	bool reuse_port;      /* several processes share the port */
	uint32_t defer_s;     /* TCP_DEFER_ACCEPT in seconds; 0 = off */
	const char *device;   /* SO_BINDTODEVICE, or NULL */
	unsigned unix_mode;   /* file mode of a unix socket; 0 = 0600. A stale socket is replaced */
};

/**
 * Make a listening, non-blocking socket.
 * @return fd; -errno, text names the address and what failed
 */
int listen_socket(const struct listen_opts *opts, struct error *err);

/** The address a listening socket is really bound to (port 0 resolved). @return 0 or -errno */
int listen_address(int fd, struct net_addr *out);

/** One accepted, non-blocking, close-on-exec fd; the callee owns it. The acceptor may be paused or
 * closed inside. */
typedef void (*accept_fn)(int fd, const struct net_addr *peer, void *arg);

/**
 * Accept on fd, up to 64 connections per turn. Out of descriptors, it rests for 100 ms and counts.
 *
 * @param fd from listen_socket(); owned from here on, also when this fails
 * @return 0; -errno
 */
int acceptor_start(
	struct acceptor **out, uv_loop_t *loop, int fd, accept_fn fn, void *arg, struct error *err);

/** Stop (true) or continue (false) accepting; the kernel's queue fills meanwhile. */
void acceptor_pause(struct acceptor *a, bool paused);

/** Times accept() failed for want of descriptors or memory. */
uint64_t acceptor_failures(const struct acceptor *a);

/** Close the socket (a unix path is not removed); memory goes at the end of this turn. NULL is
 * allowed. */
void acceptor_close(struct acceptor *a);

#endif
