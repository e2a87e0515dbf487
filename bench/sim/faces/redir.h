/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redirection port: session start, login and the opening of serial-over-LAN, IDE redirection
 * and KVM, as far as a client needs to be connected. Serial-over-LAN then echoes what is typed; the
 * other two say nothing after their opening.
 * Ownership: a connection owns itself and is in the estate's list. Threads: the loop's thread only.
 *
 * No specification is public; what open clients send and expect is listed in docs/simulator.md.
 */
#ifndef MUSTER_SIM_REDIR_H
#define MUSTER_SIM_REDIR_H

#include "bench/sim/device.h"
#include "common/net/addr.h"

#include <stdbool.h>

struct estate;

/** Whether the device's settings allow a service: "SOL ", "IDER" or "KVMR". */
bool redir_allows(const struct device *d, const char *service);

/** A TCP connection to a redirection port; the fd is taken. */
void redir_accept(
	struct estate *e, struct device *d, int fd, const struct net_addr *peer, bool tls);

/** Reset all redirection connections of a device: its ports restart. */
void redir_drop_all(struct estate *e, const struct device *d);

#endif
