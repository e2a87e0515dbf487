/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer of the bus may send: the input goes as one message (first byte even) or with a frame
 * too many (odd) over inproc to a ROUTER of common/bus. Each input must be counted exactly once,
 * and what is delivered must be whole: it can be packed again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/base/err.h"
#include "common/bus/bus.h"

#define PEER "worker-0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uv_loop_t loop;
static struct bus *bus;
static struct bus_socket *router;
static void *peer_socket;
static uint64_t n_delivered;

static void require(int ok)
{
	if (!ok)
		abort();
}

static void on_message(
	struct bus_socket *s, const char *peer, const Muster__V1__Envelope *e, void *arg)
{
	(void)arg;
	require(s == router && strcmp(peer, PEER) == 0 && strcmp(e->sender, PEER) == 0);
	require(e->body_case != MUSTER__V1__ENVELOPE__BODY__NOT_SET);
	size_t len = muster__v1__envelope__get_packed_size(e);
	uint8_t *packed = malloc(len);
	require(packed && muster__v1__envelope__pack(e, packed) == len);
	free(packed);
	n_delivered++;
}

static void close_all(void)
{
	zmq_close(peer_socket);
	bus_close(bus);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

static void open_all(void)
{
	static const struct bus_handler handler = {.message = on_message};
	require(uv_loop_init(&loop) == 0);
	require(bus_open(&bus, &loop, "broker", NULL, NULL) == 0);
	require(bus_router(&router, bus, "inproc://fuzz", "back", 16, &handler, NULL, NULL) == 0);
	peer_socket = zmq_socket(bus_context(bus), ZMQ_DEALER);
	require(peer_socket != NULL);
	zmq_setsockopt(peer_socket, ZMQ_ROUTING_ID, PEER, strlen(PEER));
	zmq_setsockopt(peer_socket, ZMQ_LINGER, &(int){0}, sizeof(int));
	require(zmq_connect(peer_socket, "inproc://fuzz") == 0);
	require(atexit(close_all) == 0);
}

static uint64_t n_counted(void)
{
	const struct bus_stats *st = bus_stats(router);
	return st->received + st->malformed + st->wrong_schema;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!bus)
		open_all();
	if (size == 0)
		return 0;
	uint64_t before = n_counted();
	bool extra = data[0] & 1;
	require(zmq_send(peer_socket, data + 1, size - 1, extra ? ZMQ_SNDMORE : 0) >= 0);
	if (extra)
		require(zmq_send(peer_socket, "", 0, 0) == 0);
	while (n_counted() == before)
		uv_run(&loop, UV_RUN_ONCE);
	require(n_counted() == before + 1 && n_delivered == bus_stats(router)->received);
	return 0;
}
