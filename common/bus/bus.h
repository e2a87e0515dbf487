/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus: typed messages between listener, broker and worker. One protobuf Envelope per frame on
 * ZeroMQ; the broker has two ROUTERs (front: listeners, back: workers), listeners and workers open
 * one DEALER per broker. The bus carries and never stores: losing any message costs time, not jobs.
 * SPEC: architecture D9, D18-D20, rulings 26, 27, 49
 *
 * How peers talk:
 *  - BUS_UP on a DEALER: send Register. The broker answers Welcome; accepted = false carries the
 *    reason (BUS_REGISTER_FIRST = send Register again; anything else is final until BUS_UP).
 *  - Worker: after Welcome and whenever its free slots change (coalesced), and at least every
 *    BUS_ALIVE_MS, send Credit{slots}, absolute. Silent for BUS_SILENT_MS = no jobs until heard.
 *  - Job is answered by JobAck at once and before any later Credit, also when refused: so the
 * broker knows which jobs a Credit already counts (credit = slots - jobs not yet acknowledged).
 *  - Done tells the outcome; the slot it freed is granted by the Credit that follows.
 *  - Drain from a worker: its credit is 0. Drain from a broker: send no more Hellos to it.
 *  - Ping is answered by Pong with the same nonce. Any message is a sign of life.
 *
 * Ownership: bus_close() closes every socket. Threads: the loop's only.
 */
#ifndef MUSTER_BUS_BUS_H
#define MUSTER_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/muster.pb-c.h"

/* Versions of proto/muster.proto that this build speaks. */
#define BUS_SCHEMA_MIN 1
#define BUS_SCHEMA_MAX 1

#define BUS_MESSAGE_MAX  (256 * 1024) /* bytes of a frame; a batch is cut at half of it */
#define BUS_ID_MAX       63           /* bytes of a sender id without NUL */
#define BUS_HEARTBEAT_MS 1000         /* ZMTP ping, and how often peers show life */
#define BUS_ALIVE_MS     1000
#define BUS_SILENT_MS    3000 /* a peer that says nothing so long is not there */
#define BUS_LINGER_MS    200  /* closing waits so long for the last messages */
#define BUS_HWM_SLACK    256  /* room for Ping, Drain, ... above a window */

/* Reason of a Welcome that asks for Register again: the broker does not know the peer. */
#define BUS_REGISTER_FIRST "register first"

struct bus;
struct bus_socket;
struct error;

enum bus_event {
	BUS_UP,     /* a connection is complete, handshake included */
	BUS_DOWN,   /* a connection is gone; ZeroMQ connects again by itself */
	BUS_REFUSED /* a handshake failed; detail says why */
};

struct bus_handler {
	/**
	 * One message that passed all checks. The envelope is valid during the call only.
	 *
	 * @param peer ROUTER: id to answer to; DEALER: id of the sender. NUL-terminated
	 */
	void (*message)(
		struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg);
	/** Connections come and go. May be NULL. @param detail one line of text, may be "" */
	void (*event)(struct bus_socket *s, enum bus_event event, const char *detail, void *arg);
};

struct bus_stats {
	uint64_t received, sent;
	uint64_t malformed; /* frames that do not decode, sender not the routing id, no body */
	uint64_t
		wrong_schema; /* dropped; Register and Welcome always pass, to be refused by name */
	uint64_t again;       /* sends that found no room */
	uint64_t unreachable; /* sends to a peer that is not connected */
	uint64_t handshakes_failed;
};

/**
 * Start a bus.
 *
 * @param role     "listener", "broker" or "worker"; with a random number it becomes the sender id
 * @param keys_dir folder of key files (curve.h): Curve on every socket; NULL: plain
 * @return 0; the error of curve_pair_read(); -ENOMEM
 */
int bus_open(struct bus **out, uv_loop_t *loop, const char *role, const char *keys_dir,
	struct error *err);

/** The sender id, "worker-0123456789abcdef": new with every process start. */
const char *bus_id(const struct bus *bus);

/** The ZeroMQ context, for zap.c and tests. */
void *bus_context(struct bus *bus);

/** The loop that the bus lives in. */
uv_loop_t *bus_loop(const struct bus *bus);

/**
 * Bind a ROUTER (broker). With Curve, zap_open() must have been called.
 *
 * @param endpoint "tcp://127.0.0.1:9981" (port * = any), "ipc:///path" (made with mode 0660)
 * @param domain   ZAP domain: "front" or "back"; not used without Curve
 * @param hwm      messages in each direction and per peer
 * @return 0; -errno of ZeroMQ, the text names the endpoint
 */
int bus_router(struct bus_socket **out, struct bus *bus, const char *endpoint, const char *domain,
	int hwm, const struct bus_handler *handler, void *arg, struct error *err);

/**
 * Connect a DEALER (listener, worker) to one broker; returns before the connection is there
 * (BUS_UP). With Curve it tries DIR/broker.pub and, if present, DIR/broker.pub.old in turn.
 *
 * @return 0; -errno; E_CONFIG
 */
int bus_dealer(struct bus_socket **out, struct bus *bus, const char *endpoint, int hwm,
	const struct bus_handler *handler, void *arg, struct error *err);

/**
 * Send one message; never blocks. schema and sender are filled in here; the caller sets the body.
 *
 * @param peer ROUTER: id of the receiver; DEALER: NULL
 * @return 0; -EAGAIN no room or not connected yet; -EHOSTUNREACH no such peer, -EINVAL none given
 *         (ROUTER); E_LIMIT longer than BUS_MESSAGE_MAX; -ENOMEM
 */
int bus_send(struct bus_socket *s, const char *peer, Muster__V1__Envelope *e);

/** Send a Register with our id and schema range, as answer to BUS_UP (DEALER). Returns as
 * bus_send().
 * @param version of the program, for people */
int bus_register(struct bus_socket *s, Muster__V1__Role role, const char *version);

/** Answer a Ping. Returns as bus_send(). */
int bus_pong(struct bus_socket *s, const char *peer, uint64_t nonce);

/** Stop (true) or go on (false) reading: back-pressure. */
void bus_pause(struct bus_socket *s, bool paused);

/** The endpoint as bound, with its real port. */
const char *bus_endpoint(const struct bus_socket *s);

/** Counters of this socket. */
const struct bus_stats *bus_stats(const struct bus_socket *s);

/** Close one socket; no callback comes after this. May be called from a callback. NULL is fine. */
void bus_socket_close(struct bus_socket *s);

/** Close every socket and the context; waits at most BUS_LINGER_MS for unsent messages. Run the
 * loop once more so that handles are freed. NULL is fine. */
void bus_close(struct bus *bus);

#endif
