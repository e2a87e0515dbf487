/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/peers.h"

#include <stdio.h>

#include "broker/counters.h"
#include "common/base/clock.h"
#include "common/base/log.h"

static void send_welcome(
	struct bus_socket *s, const char *peer, bool accepted, const char *reason, uint32_t window)
{
	Muster__V1__Welcome w = MUSTER__V1__WELCOME__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	w.accepted = accepted;
	w.reason = (char *)(uintptr_t)reason;
	w.schema = BUS_SCHEMA_MAX;
	w.window = window;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_WELCOME;
	e.welcome = &w;
	bus_send(s, peer, &e);
}

bool peers_register(struct bus_socket *s, const char *peer, const Muster__V1__Register *reg,
	Muster__V1__Role role, uint32_t window)
{
	char reason[128] = "";
	if (reg->role != role)
		snprintf(reason, sizeof reason, "this socket is not for that role");
	else if (reg->schema_max < BUS_SCHEMA_MIN || reg->schema_min > BUS_SCHEMA_MAX)
		snprintf(reason, sizeof reason,
			"schema %u to %u spoken here, %u to %u there: upgrade one", BUS_SCHEMA_MIN,
			BUS_SCHEMA_MAX, reg->schema_min, reg->schema_max);
	send_welcome(s, peer, reason[0] == '\0', reason, window);
	if (reason[0] != '\0') {
		LOG_WARN("peer.refused", KV_STR("peer", peer), KV_STR("version", reg->version),
			KV_STR("reason", reason));
		return false;
	}
	LOG_INFO("peer.registered", KV_STR("peer", peer), KV_STR("version", reg->version));
	return true;
}

void peers_event(struct bus_socket *s, enum bus_event event, const char *detail, void *arg)
{
	(void)arg;
	if (event == BUS_REFUSED)
		LOG_WARN("peer.handshake_failed", KV_STR("socket", bus_endpoint(s)),
			KV_STR("why", detail));
}

void peers_stranger(struct bus_socket *s, const char *peer)
{
	counters_add(COUNT_STRANGER, 1);
	send_welcome(s, peer, false, BUS_REGISTER_FIRST, 0);
}

int peers_drain(struct bus_socket *s, const char *peer)
{
	Muster__V1__Drain drain = MUSTER__V1__DRAIN__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	e.body_case = MUSTER__V1__ENVELOPE__BODY_DRAIN;
	e.drain = &drain;
	return bus_send(s, peer, &e);
}

int peers_ping(struct bus_socket *s, const char *peer)
{
	Muster__V1__Ping ping = MUSTER__V1__PING__INIT;
	Muster__V1__Envelope e = MUSTER__V1__ENVELOPE__INIT;
	ping.nonce = clock_boot_ms();
	e.body_case = MUSTER__V1__ENVELOPE__BODY_PING;
	e.ping = &ping;
	return bus_send(s, peer, &e);
}
