/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four ports of a device, and which of them listens in its present state. One wildcard socket
 * per port serves all devices of the process and dispatches by the local address: 18,000 devices
 * cost four descriptors. Processes that hold an estate together have a set each. A port that is
 * closed on a device resets the connection; real firmware does not even answer the SYN
 * (docs/simulator.md says so). Ownership: the estate owns the ports. Threads: the loop's thread
 * only. SPEC: wsman.md 2; provisioning.md 3 TLS, 4 FEATURES
 */
#ifndef MUSTER_SIM_PORTS_H
#define MUSTER_SIM_PORTS_H

#include "bench/sim/device.h"
#include "common/base/err.h"

#include <stdbool.h>

struct estate;
struct estate_opts;
struct acceptor;

enum port_kind {
	PORT_CLEAR,     /* 16992: web page, WS-Man and EOI without TLS */
	PORT_TLS,       /* 16993: the same with TLS */
	PORT_REDIR,     /* 16994: redirection */
	PORT_REDIR_TLS, /* 16995: the same with TLS */
	PORT_N
};

struct port {
	struct estate *e;
	enum port_kind kind;
	struct acceptor *acceptor;
};

/* The listening sockets of one process. */
struct port_set {
	int fd[PORT_N];
};

/**
 * Listen on all ports around opts->port, which is that of PORT_TLS; 0 = four free ones in a row,
 * and opts->port says which. Of several sets the kernel gives a connection to the one whose process
 * has the device of that address.
 *
 * @param sets opts->processes of them; close with ports_unlisten()
 * @return 0 or -errno, the text names the address
 */
int ports_listen(struct port_set *sets, struct estate_opts *opts, struct error *err);

/** Close the sockets of a set. */
void ports_unlisten(struct port_set *set);

/** Accept on this set, whose sockets are taken. @return 0 or -errno */
int ports_open(struct estate *e, const struct port_set *set, struct error *err);

/** Close what ports_open() opened. */
void ports_close(struct estate *e);

/** Whether the device listens there now. */
bool port_listens(const struct device *d, enum port_kind kind);

/** Whether connections to this port begin with TLS. */
bool port_has_tls(enum port_kind kind);

#endif
