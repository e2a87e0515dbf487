/* SPDX-License-Identifier: Apache-2.0 */
/* What both sockets of the broker do alike: judging a Register, answering it, telling the log. */
#ifndef MUSTER_BROKER_PEERS_H
#define MUSTER_BROKER_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/bus.h"

/**
 * Judge a Register and send Welcome.
 *
 * @param role   the only role that belongs on this socket
 * @param window listener: Hellos in flight; else 0
 * @return whether the peer is accepted
 */
bool peers_register(struct bus_socket *s, const char *peer, const Muster__V1__Register *reg,
	Muster__V1__Role role, uint32_t window);

/** The bus_handler's event of both sockets: tells the log of a handshake that was refused. */
void peers_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg);

/** A peer that we do not know spoke: ask it to register. */
void peers_stranger(struct bus_socket *s, const char *peer);

/** Send a Drain. Returns as bus_send(). */
int peers_drain(struct bus_socket *s, const char *peer);

/** Send a Ping. Returns as bus_send(). */
int peers_ping(struct bus_socket *s, const char *peer);

#endif
